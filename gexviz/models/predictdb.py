"""The ``predictdb`` family: PrediXcan's weights in PredictDB files, applied to allele dosages (Gamazon et al. 2015)."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gexviz.cohort.genes import unversioned, unversioned_id
from gexviz.digests import file_digest
from gexviz.errors import GexvizError
from gexviz.files import written_whole
from gexviz.models import out_of_fold as sidecar
from gexviz.models.base import DosagePrediction, GeneLocus, ModelSpec
from gexviz.models.harmonise import harmonise, parse_variant
from gexviz.models.options import PredictDBOptions
from gexviz.models.out_of_fold import OutOfFold, read_out_of_fold, write_out_of_fold
from gexviz.models.predictdb_file import PredictDBFile, fill_predictdb

if TYPE_CHECKING:
    from gexviz.analysis.linear_tables import LinearTables

__all__ = ["PredictDBModel", "TrainedPredictDBModel", "open_model", "sidecar_of", "write_out_of_fold",
           "write_predictdb", "write_trained"]  # fmt: skip

DIGEST = "weights_digest"


class PredictDBModel:
    """Weights of a PredictDB file.

    Parameters
    ----------
    spec : ModelSpec
        With ``input="dosage"``.
    file : PredictDBFile
    window : int
        bp on each side of a gene whose variants may have weights.
    """

    def __init__(self, spec: ModelSpec, file: PredictDBFile, window: int) -> None:
        self.spec = spec
        self.file = file
        self.window = window

    def unavailable(self, gene: GeneLocus) -> str | None:
        """Say why a gene can't be served: it has no weights, or several genes of the file go by its name."""
        found = self._names_of(gene)
        if len(found) > 1:
            return "several genes of the file: " + ", ".join(found)
        return None if found else "no weights for this gene"

    def fingerprint(self) -> dict[str, str]:
        """Content hash of the file, and the window."""
        return {"weights": self._digest, "window": str(self.window)}

    def cis_region(self, gene: GeneLocus) -> tuple[int, int]:
        """The window around the gene's body (as PredictDB's pipelines have it) and its TSS, 0-based half-open."""
        begin, end = min(gene.start, gene.tss), max(gene.end, gene.tss + 1)
        return max(0, begin - self.window), end + self.window

    def predict_dosages(self, gene: GeneLocus, variants: pd.DataFrame, dosages: np.ndarray) -> DosagePrediction:
        """Sum weight times dosage of the effect allele.

        Parameters
        ----------
        gene : GeneLocus
        variants : DataFrame
            One row an ALT allele: ``variant``, ``id``, ``position`` (0-based), ``ref``, ``alt``.
        dosages : ndarray, shape (n_variants, n_samples)
            ALT copies; NaN where the call is missing: the cohort's mean dosage stands in. Where the effect allele is
            REF, its dosage is 2 - ALT copies, as MetaXcan has it.

        Returns
        -------
        DosagePrediction
            ``weights`` has two columns more, ``flipped`` and ``complement``; see
            :func:`gexviz.models.harmonise.harmonise`.
            All values are NaN if the cohort has none of the variants.

        Raises
        ------
        GexvizError
            For a gene that :meth:`unavailable` names.
        """
        weights = self.file.weights(self._name_of(gene))
        found = harmonise(weights, variants)
        uncalled = found["row"].isin(np.flatnonzero(~np.isfinite(dosages).any(axis=1)))
        found = found.assign(row=found["row"].mask(uncalled, -1), status=found["status"].mask(uncalled, "missing"))
        there = (found["row"] >= 0).to_numpy()
        rows, flipped = found["row"].to_numpy()[there], found["flipped"].to_numpy()[there]
        copies = _filled(np.asarray(dosages, float)[rows])
        weight = weights["weight"].to_numpy()
        values = weight[there] @ np.where(flipped[:, None], 2.0 - copies, copies)
        size = np.abs(weight)
        return DosagePrediction(
            values=values if there.any() else np.full(dosages.shape[1], np.nan),
            weights=_described(weights, found, variants),
            share=float(there.mean()) if len(there) else 0.0,
            share_absolute=float(size[there].sum() / size.sum()) if size.any() else 0.0,
        )

    @cached_property
    def _digest(self) -> str:
        return file_digest(self.file.path)

    def _names_of(self, gene: GeneLocus) -> tuple[str, ...]:
        """Names of a gene in the file: by its id, else its id without version, else its symbol."""
        keys = (gene.id, unversioned_id(gene.id), gene.name)
        return next((self.file.genes[k] for k in keys if k in self.file.genes), ())

    def _name_of(self, gene: GeneLocus) -> str:
        names = self._names_of(gene)
        if len(names) != 1:
            raise GexvizError(
                f"{gene.id} ({gene.name}): {self.unavailable(gene)}",
                file=self.file.path,
                expected="a gene with weights, named by its id (with or without version) or symbol",
                remedy="choose another gene, or a file that has it",
            )
        return names[0]


class TrainedPredictDBModel(PredictDBModel):
    """Weights that were trained on this cohort, with everybody's out-of-fold predictions.

    Parameters
    ----------
    spec, file, window
        As for :class:`PredictDBModel`.
    left_out : Path
        The file of out-of-fold predictions.
    """

    def __init__(self, spec: ModelSpec, file: PredictDBFile, window: int, left_out: Path) -> None:
        super().__init__(spec, file, window)
        self.left_out = left_out
        self._reading = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by the paths: locks don't cross processes."""
        return type(self), (self.spec, self.file, self.window, self.left_out)

    def fingerprint(self) -> dict[str, str]:
        """Content hashes of both files, and the window."""
        return super().fingerprint() | {"out_of_fold": self._left_out_digest}

    def out_of_fold(self, gene: GeneLocus) -> pd.Series | None:
        """Out-of-fold predictions of a gene, with or without weights in the file.

        Parameters
        ----------
        gene : GeneLocus

        Returns
        -------
        Series or None
            Index sample, float64; None for a gene that wasn't trained.
        """
        with self._reading:
            values, names, numbers = self._whole.values, self._trained_names, self._left_out_numbers
        name = names.get(gene.id) or names.get(unversioned_id(gene.id))
        if name is None:
            return None
        row = values.index.get_loc(name)
        return pd.Series(numbers[row].astype(np.float64), index=values.columns, name=gene.id)

    @cached_property
    def _whole(self) -> OutOfFold:
        return read_out_of_fold(self.left_out)

    @cached_property
    def _left_out_numbers(self) -> np.ndarray:
        return np.ascontiguousarray(self._whole.values.to_numpy(np.float32))

    @cached_property
    def _trained_names(self) -> dict[str, str]:
        genes = self._whole.values.index
        return dict(zip(unversioned(genes), genes, strict=True)) | {gene: gene for gene in genes}

    @cached_property
    def _left_out_digest(self) -> str:
        return file_digest(self.left_out)


def _filled(dosages: np.ndarray) -> np.ndarray:
    """Put each variant's mean in the place of missing calls."""
    missing = np.isnan(dosages)
    if not missing.any():
        return dosages
    return np.where(missing, np.nanmean(dosages, axis=1, keepdims=True), dosages)


def _described(weights: pd.DataFrame, found: pd.DataFrame, variants: pd.DataFrame) -> pd.DataFrame:
    """The table of weights, turned to the cohort's alleles where it has the variant."""
    there = (found["row"] >= 0).to_numpy()
    rows = found["row"].to_numpy()[there]
    own = weights["varID"].where(weights["varID"] != "", weights["rsid"])
    columns = {"variant": own, "ref": weights["ref_allele"], "alt": weights["eff_allele"]}
    table = pd.DataFrame({name: column.to_numpy(object) for name, column in columns.items()})
    for name in columns:
        table.loc[there, name] = variants[name].to_numpy(object)[rows]
    sign = np.where(found["flipped"] & there, -1.0, 1.0)
    table = table.assign(
        rsid=weights["rsid"].to_numpy(object),
        position=found["position"].to_numpy(),
        weight=weights["weight"].to_numpy() * sign,
        status=found["status"].to_numpy(object),
        flipped=found["flipped"].to_numpy(),
        complement=found["complement"].to_numpy(),
    )
    return table[["variant", "rsid", "position", "ref", "alt", "weight", "status", "flipped", "complement"]]


def open_model(name: str, options: PredictDBOptions) -> PredictDBModel:
    """Open a PredictDB file, with the out-of-fold predictions beside it if there are any.

    Parameters
    ----------
    name : str
        The model's name in the study.
    options : PredictDBOptions
        Without ``out_of_fold``, ``STEM.out_of_fold.parquet`` beside the weights is taken if it exists.

    Returns
    -------
    PredictDBModel
        A :class:`TrainedPredictDBModel` where there are out-of-fold predictions.

    Raises
    ------
    GexvizError
        For a file of another kind, or out-of-fold predictions that belong to other weights.
    """
    file = PredictDBFile(options.weights)
    left_out = options.out_of_fold
    if left_out is None and sidecar_of(options.weights).is_file():
        left_out = sidecar_of(options.weights)
    first = [parse_variant(text) for row in file.example[["varID", "rsid"]].itertuples(index=False) for text in row]
    spec = ModelSpec(
        name=name,
        family="predictdb",
        input="dosage",
        scale="expression (training scale)",
        haplotypes="dosage",
        genome=next((v.build for v in first if v is not None and v.build), None),
        licence="that of the weights' authors",
        citation="Gamazon et al. 2015, Nature Genetics 47:1091",
        published={"across individuals": 0.25},
        trained_on_cohort=left_out is not None,
        verified="weights are summed as MetaXcan sums them; training equals PredictDB's steps with R's glmnet",
    )
    if left_out is None:
        return PredictDBModel(spec, file, options.window)
    _check_pair(options.weights, left_out)
    return TrainedPredictDBModel(spec, file, options.window, left_out)


def sidecar_of(weights: str | Path) -> Path:
    """Where the out-of-fold predictions of a file of weights stand, ``enet.db`` -> ``enet.out_of_fold.parquet``."""
    weights = Path(weights)
    return weights.with_name(f"{weights.stem}.out_of_fold.parquet")


def _check_pair(weights: Path, left_out: Path) -> None:
    wanted = sidecar.read_about(left_out)["metadata"].get(DIGEST)
    if wanted is not None and wanted != file_digest(weights):
        raise GexvizError(
            f"these out-of-fold predictions belong to other weights than {weights.name}",
            file=left_out,
            expected="the two files that one training wrote",
            remedy=sidecar.REMEDY,
        )


def write_predictdb(path: str | Path, tables: LinearTables) -> None:
    """Write a PredictDB file that MetaXcan reads, whole or not at all.

    Parameters
    ----------
    path : path
        ``.db``; replaced if it exists.
    tables : LinearTables
        As :func:`gexviz.analysis.linear_tables.assemble` makes them.

    Raises
    ------
    GexvizError
        If the file can't be written.
    """
    with written_whole(path) as draft:
        fill_predictdb(draft, _database(tables))


def write_trained(path: str | Path, tables: LinearTables, metadata: Mapping[str, Any]) -> Path:
    """Write weights and out-of-fold predictions as a pair that know each other.

    Parameters
    ----------
    path : path
        ``.db``; the predictions go to :func:`sidecar_of` it.
    tables : LinearTables
    metadata : mapping
        Kept with the predictions: settings, seeds, versions.

    Returns
    -------
    Path
        Of the out-of-fold predictions.

    Raises
    ------
    GexvizError
        If either file can't be written; then both are as they were.
    """
    beside = sidecar_of(path)
    with written_whole(path) as draft:
        fill_predictdb(draft, _database(tables))
        seeds = {str(gene): int(seed) for gene, seed in tables.genes["seed"].items()}
        about = dict(metadata) | {DIGEST: file_digest(draft), "seeds": seeds}
        write_out_of_fold(beside, tables.out_of_fold, about, tables.folds)
    return beside


def _database(tables: LinearTables) -> dict[str, pd.DataFrame]:
    names = ("weights", "extra", "construction", "sample_info")
    return {name: getattr(tables, name) for name in names}
