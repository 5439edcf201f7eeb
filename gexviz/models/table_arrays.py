"""Predictions in HDF5 files: a plain layout of arrays, and AnnData's ``.h5ad``; read with h5py alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from gexviz.errors import GexvizError
from gexviz.lazy import lazy
from gexviz.models.own_arrays import own_array
from gexviz.models.table_file import Predictions
from gexviz.models.table_layout import REFERENCE

if TYPE_CHECKING:
    import h5py
else:
    h5py = lazy("h5py")

_MAGIC = b"\x89HDF\r\n\x1a\n"
_LAYERS = ("layers/haplotype_1", "layers/haplotype_2")
_EXPECTED = {
    "hdf5": "genes (n,), samples (m,), predictions (n, m) or (n, m, 2), and perhaps reference (n,)",
    "anndata": "people in obs, genes in var, predictions in X (dense), or in the layers haplotype_1 and haplotype_2",
}


class ArrayLayout(NamedTuple):
    """How an HDF5 file of predictions is laid.

    Attributes
    ----------
    path : Path
    kind : {"hdf5", "anndata"}
    genes, samples : Index
        As in the file, the reference among the samples if it is one.
    per_haplotype : bool
    scale : str or None
        Unit of the values, where the file tells it.
    """

    path: Path
    kind: Literal["hdf5", "anndata"]
    genes: pd.Index
    samples: pd.Index
    per_haplotype: bool
    scale: str | None


def is_hdf5(path: Path) -> bool:
    """Tell HDF5 by its first bytes."""
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


def read_array_layout(path: Path) -> ArrayLayout:
    """Look at names and shapes; no prediction is read.

    Raises
    ------
    GexvizError
        For a damaged file, an array that is missing or of another shape, or a name that stands twice.
    """
    return _reading(path, lambda file: _layout(path, file))


def read_arrays(layout: ArrayLayout) -> Predictions:
    """Read all predictions.

    Parameters
    ----------
    layout : ArrayLayout

    Returns
    -------
    Predictions

    Raises
    ------
    GexvizError
        For a damaged file or infinite values.
    """
    values, reference = _reading(layout.path, lambda file: _values(layout, file))
    if np.isinf(values).any() or np.isinf(reference).any():
        gene = layout.genes[int(np.argwhere(np.isinf(values))[0][0])] if np.isinf(values).any() else "the reference"
        raise _wrong(layout, f"predictions of {gene} are infinite", "finite numbers; NaN where there is none")
    on_reference = layout.samples == REFERENCE
    if on_reference.any():
        reference = values[:, on_reference, 0].ravel()
        values = values[:, ~on_reference]
    people = pd.Index(layout.samples[~on_reference], dtype=object, name="sample")
    genes, samples, width = values.shape
    if not genes or not samples:
        raise _wrong(layout, "the file has no predictions of people", _EXPECTED[layout.kind])
    return Predictions(
        layout.genes,
        people,
        np.arange(genes + 1, dtype=np.int64) * samples,
        np.tile(np.arange(samples, dtype=np.int32), genes),
        values.reshape(-1, width),
        pd.Series(reference, index=layout.genes, name=REFERENCE).dropna(),
    )


def _reading(path: Path, read: Any) -> Any:
    try:
        with h5py.File(path, "r") as file:
            return read(file)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise GexvizError(
            f"can't read the predictions: {str(error).splitlines()[0] if str(error) else type(error).__name__}",
            file=path,
            expected="an HDF5 file: " + _EXPECTED["hdf5"] + "; or AnnData (.h5ad)",
            remedy="see that the file is whole and write it again",
        ) from None


def _layout(path: Path, file: h5py.File) -> ArrayLayout:
    kind: Literal["hdf5", "anndata"] = "anndata" if _text(file.attrs.get("encoding-type")) == "anndata" else "hdf5"
    empty = pd.Index([], dtype=object)
    layout = ArrayLayout(path, kind, empty, empty, False, _scale(file, kind))
    expected: list[tuple[int, ...]]
    if kind == "anndata":
        genes, samples = (_names(layout, file, f"{part}/{_index(file, part)}") for part in ("var", "obs"))
        arrays = [own_array(file, name) for name in _LAYERS]
        if (arrays[0] is None) != (arrays[1] is None):
            raise _wrong(layout, "one haplotype's layer is missing", "both haplotype_1 and haplotype_2, or neither")
        shapes = {name: array.shape for name, array in zip(_LAYERS, arrays, strict=True) if array is not None}
        if not shapes and isinstance(file.get("X", getlink=True), h5py.HardLink) and isinstance(file["X"], h5py.Group):
            raise _wrong(layout, "X is sparse", "X as a dense array: adata.X = adata.X.toarray()")
        shapes = shapes or {"X": _array(layout, file, "X").shape}
        per_haplotype, expected = len(shapes) == 2, [(len(samples), len(genes))]
    else:
        genes, samples = (_names(layout, file, part) for part in ("genes", "samples"))
        shapes = {"predictions": _array(layout, file, "predictions").shape}
        plain = (len(genes), len(samples))
        per_haplotype, expected = len(shapes["predictions"]) == 3, [plain, (*plain, 2)]
    for name, shape in shapes.items():
        if shape not in expected:
            words = " or ".join(map(str, expected))
            raise _wrong(layout, f"{name} is {shape}, for {len(genes)} genes and {len(samples)} samples", words)
    return layout._replace(genes=genes, samples=samples, per_haplotype=per_haplotype)


def _values(layout: ArrayLayout, file: h5py.File) -> tuple[np.ndarray, np.ndarray]:
    """Predictions (gene, sample, 1 or 2), and of the reference (gene,), NaN where there is none."""
    if layout.kind == "anndata":
        names = _LAYERS if layout.per_haplotype else ("X",)
        values = np.stack([_numbers(layout, _array(layout, file, name)).T for name in names], axis=2)
        reference = own_array(file, f"var/{REFERENCE}")
    else:
        values = _numbers(layout, _array(layout, file, "predictions"))
        values = values if values.ndim == 3 else values[:, :, None]
        reference = own_array(file, REFERENCE)
    if reference is None:
        return values, np.full(len(layout.genes), np.nan)
    if reference.shape != (len(layout.genes),):
        raise _wrong(layout, f"{REFERENCE} is {reference.shape}", str((len(layout.genes),)))
    return values, _numbers(layout, reference)


def _numbers(layout: ArrayLayout, array: h5py.Dataset) -> np.ndarray:
    if array.dtype.kind not in "fiu":
        raise _wrong(layout, f"{array.name} holds {array.dtype}, not numbers", "floating-point numbers")
    return array[()].astype(np.float64)


def _array(layout: ArrayLayout, file: h5py.File, name: str) -> h5py.Dataset:
    found = own_array(file, name)
    if found is None:
        raise _wrong(layout, f"there is no array {name}", _EXPECTED[layout.kind])
    return found


def _index(file: h5py.File, part: str) -> str:
    """Which column of AnnData's obs or var has the names."""
    return _text(file[part].attrs.get("_index")) or "_index" if part in file else "_index"


def _names(layout: ArrayLayout, file: h5py.File, name: str) -> pd.Index:
    array = _array(layout, file, name)
    if array.ndim != 1 or h5py.check_string_dtype(array.dtype) is None:
        raise _wrong(layout, f"{name} holds {array.dtype} {array.shape}, not names", "a list of text")
    names = pd.Index(array.asstr()[:], dtype=object, name=name.split("/")[0].rstrip("s"))
    if (names == "").any():
        raise _wrong(layout, f"{name} has an empty name", "a name for every row")
    if names.has_duplicates:
        raise _wrong(layout, f"{names[names.duplicated()][0]} stands twice in {name}", "each name once")
    return names


def _scale(file: h5py.File, kind: str) -> str | None:
    """The unit that the file tells: an attribute ``scale``, or AnnData's ``uns['scale']``."""
    if kind == "anndata":
        array = own_array(file, "uns/scale")
        return None if array is None or array.shape != () else _text(array[()])
    array = own_array(file, "predictions")
    told = None if array is None else _text(array.attrs.get("scale"))
    return told or _text(file.attrs.get("scale"))


def _text(value: Any) -> str | None:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value if isinstance(value, str) else None


def _wrong(layout: ArrayLayout, problem: str, expected: str) -> GexvizError:
    return GexvizError(
        problem,
        file=layout.path,
        expected=expected,
        remedy="write the file as docs/models.md describes it, section table",
    )
