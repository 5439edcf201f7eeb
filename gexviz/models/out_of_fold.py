"""Out-of-fold predictions in a Parquet file: a row a gene, a column a person; its metadata tell how they were made."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from gexviz.cohort.genes import unversioned, unversioned_id
from gexviz.digests import file_digest
from gexviz.errors import GexvizError
from gexviz.files import written_whole
from gexviz.models.base import GeneLocus

DIGEST = "weights_digest"
"""Key of the metadata: content hash of the weights that the predictions belong to."""
_KEY = b"gexviz"
_FORMAT = "out-of-fold 1"
_GENE, _FOLDS = "gene", "folds"
REMEDY = "train again: gexviz train linear STUDY --out enet.db; or take out_of_fold out of the study"


class OutOfFold(NamedTuple):
    """What the file holds.

    Attributes
    ----------
    values : DataFrame
        gene x sample, float32; NaN for people without expression.
    folds : DataFrame or None
        gene x sample, int8: the fold that each person was left out of; -1 without expression.
    metadata : dict
        As given on writing.
    """

    values: pd.DataFrame
    folds: pd.DataFrame | None
    metadata: dict[str, Any]


class OutOfFoldFile:
    """A file of out-of-fold predictions, read when a gene is first asked for.

    Parameters
    ----------
    path : Path
    remedy : str, optional
        What people are told to do about a file that can't be read.
    """

    def __init__(self, path: Path, *, remedy: str = REMEDY) -> None:
        self.path = path
        self._remedy = remedy
        self._reading = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by the path: locks don't cross processes."""
        return partial(type(self), remedy=self._remedy), (self.path,)

    def of(self, gene: GeneLocus) -> pd.Series | None:
        """Out-of-fold predictions of a gene.

        Parameters
        ----------
        gene : GeneLocus

        Returns
        -------
        Series or None
            Index sample, float64; None for a gene that wasn't trained.
        """
        with self._reading:
            values, names, numbers = self._whole.values, self._names, self._numbers
        name = names.get(gene.id) or names.get(unversioned_id(gene.id))
        if name is None:
            return None
        row = values.index.get_loc(name)
        return pd.Series(numbers[row].astype(np.float64), index=values.columns, name=gene.id)

    @cached_property
    def digest(self) -> str:
        """Content hash."""
        return file_digest(self.path)

    @cached_property
    def _whole(self) -> OutOfFold:
        return read_out_of_fold(self.path, remedy=self._remedy)

    @cached_property
    def _numbers(self) -> np.ndarray:
        return np.ascontiguousarray(self._whole.values.to_numpy(np.float32))

    @cached_property
    def _names(self) -> dict[str, str]:
        genes = self._whole.values.index
        return dict(zip(unversioned(genes), genes, strict=True)) | {gene: gene for gene in genes}


def sidecar_of(weights: str | Path) -> Path:
    """Where the out-of-fold predictions of a file of weights stand, ``enet.db`` -> ``enet.out_of_fold.parquet``."""
    weights = Path(weights)
    return weights.with_name(f"{weights.stem}.out_of_fold.parquet")


def check_pair(weights: Path, left_out: Path, *, remedy: str = REMEDY) -> None:
    """See that out-of-fold predictions belong to a file of weights.

    Raises
    ------
    GexvizError
        If they say that they belong to others.
    """
    wanted = read_about(left_out, remedy=remedy)["metadata"].get(DIGEST)
    if wanted is not None and wanted != file_digest(weights):
        raise GexvizError(
            f"these out-of-fold predictions belong to other weights than {weights.name}",
            file=left_out,
            expected="the two files that one training wrote",
            remedy=remedy,
        )


def write_out_of_fold(
    path: str | Path, values: pd.DataFrame, metadata: Mapping[str, Any], folds: pd.DataFrame | None = None
) -> None:
    """Write out-of-fold predictions, whole or not at all.

    Parameters
    ----------
    path : path
    values : DataFrame
        gene x sample.
    metadata : mapping
        Anything that JSON can hold: settings, seeds, versions.
    folds : DataFrame, optional
        gene x sample, like `values`: the fold that each person was left out of; -1 for none.

    Raises
    ------
    GexvizError
        If the file can't be written.
    ValueError
        If a sample is called ``gene`` or ``folds``, or `folds` has other genes or samples than `values`.
    """
    samples = [str(s) for s in values.columns]
    if {_GENE, _FOLDS} & set(samples):
        raise ValueError(f"a sample can't be called '{_GENE}' or '{_FOLDS}'")
    columns: dict[str, Any] = {_GENE: pa.array(values.index.astype(str), pa.string())}
    if folds is not None:
        if not (folds.index.equals(values.index) and folds.columns.equals(values.columns)):
            raise ValueError("folds and values must have the same genes and samples")
        flat = pa.array(folds.to_numpy(np.int8).ravel(), pa.int8())
        columns[_FOLDS] = pa.FixedSizeListArray.from_arrays(flat, len(samples)) if samples else pa.nulls(0)
    numbers = values.to_numpy(np.float32)
    columns |= {sample: pa.array(numbers[:, i]) for i, sample in enumerate(samples)}
    about = json.dumps({"format": _FORMAT, "samples": samples, "metadata": dict(metadata)})
    table = pa.table(columns).replace_schema_metadata({_KEY: about.encode()})
    with written_whole(path) as draft:
        pq.write_table(table, draft)


def read_out_of_fold(path: str | Path, *, remedy: str = REMEDY) -> OutOfFold:
    """Read a file that :func:`write_out_of_fold` wrote.

    Parameters
    ----------
    path : path
    remedy : str, optional
        What people are told to do about a file that can't be read.

    Returns
    -------
    OutOfFold

    Raises
    ------
    GexvizError
        For a file that isn't one.
    """
    about = read_about(path, remedy=remedy)
    samples = about["samples"]
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise _not_ours(path, f"it can't be read: {error}", remedy) from None
    genes = pd.Index(table.column(_GENE).to_pylist(), name="gene", dtype="object")
    values = pd.DataFrame(
        {sample: table.column(sample).to_numpy() for sample in samples}, index=genes, columns=samples, dtype=np.float32
    )
    folds = None
    if _FOLDS in table.column_names and samples:
        flat = table.column(_FOLDS).combine_chunks().flatten().to_numpy()
        folds = pd.DataFrame(flat.reshape(-1, len(samples)), index=genes, columns=samples)
    return OutOfFold(values, folds, about["metadata"])


def read_about(path: str | Path, *, remedy: str = REMEDY) -> dict[str, Any]:
    """Read what such a file says of itself (``samples``, ``metadata``) without its numbers.

    Parameters
    ----------
    path : path
    remedy : str, optional
        What people are told to do about a file that can't be read.

    Returns
    -------
    dict

    Raises
    ------
    GexvizError
        For a file that isn't one.
    """
    try:
        schema = pq.read_schema(path)
    except (OSError, pa.ArrowException) as error:
        raise _not_ours(path, f"it can't be read: {error}", remedy) from None
    about: dict[str, Any] = json.loads((schema.metadata or {}).get(_KEY, b"{}"))
    if about.get("format") != _FORMAT or not {_GENE, *about["samples"]} <= set(schema.names):
        raise _not_ours(path, "it has another layout", remedy)
    return about


def _not_ours(path: str | Path, why: str, remedy: str) -> GexvizError:
    return GexvizError(
        f"this is no file of out-of-fold predictions: {why}",
        file=path,
        expected="the .out_of_fold.parquet that training writes beside the weights",
        remedy=remedy,
    )
