"""The ``predictdb`` family: PrediXcan's weights in PredictDB files, applied to allele dosages (Gamazon et al. 2015)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from gexviz.digests import file_digest
from gexviz.files import written_whole
from gexviz.models.base import GeneLocus, ModelSpec
from gexviz.models.harmonise import parse_variant
from gexviz.models.options import PredictDBOptions
from gexviz.models.out_of_fold import DIGEST, OutOfFoldFile, check_pair, sidecar_of, write_out_of_fold
from gexviz.models.predictdb_file import PredictDBFile, fill_predictdb
from gexviz.models.weighted import WeightsModel

if TYPE_CHECKING:
    from gexviz.analysis.linear_tables import LinearTables

__all__ = ["TrainedPredictDBModel", "open_model", "sidecar_of", "write_out_of_fold",
           "write_predictdb", "write_trained"]  # fmt: skip

_TRAINING = {
    "enet": "training equals PredictDB's steps with R's glmnet",
    "lasso": "trained as PredictDB trains elastic nets, with alpha = 1",
    "ridge": "trained with scikit-learn's ridge in PredictDB's folds; equal to the normal equations",
    "top_eqtl": "trained in PredictDB's folds; equal to least squares on the variant with the least p",
}


class TrainedPredictDBModel(WeightsModel):
    """Weights that were trained on this cohort, with everybody's out-of-fold predictions.

    Parameters
    ----------
    spec, file, window
        As for :class:`gexviz.models.weighted.WeightsModel`; `file` is its source.
    left_out : Path
        The file of out-of-fold predictions.
    """

    def __init__(self, spec: ModelSpec, file: PredictDBFile, window: int, left_out: Path) -> None:
        super().__init__(spec, file, window)
        self.left_out = OutOfFoldFile(left_out)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by the paths."""
        return type(self), (self.spec, self.source, self.window, self.left_out.path)

    def fingerprint(self) -> dict[str, str]:
        """Content hashes of both files, and the window."""
        return super().fingerprint() | {"out_of_fold": self.left_out.digest}

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
        return self.left_out.of(gene)


def open_model(name: str, options: PredictDBOptions) -> WeightsModel:
    """Open a PredictDB file, with the out-of-fold predictions beside it if there are any.

    Parameters
    ----------
    name : str
        The model's name in the study.
    options : PredictDBOptions
        Without ``out_of_fold``, ``STEM.out_of_fold.parquet`` beside the weights is taken if it exists.

    Returns
    -------
    WeightsModel
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
        readout=f"sum of weight x dosage; weights by {file.method}",
        published={"across individuals": 0.25} if file.method == "enet" else {},
        trained_on_cohort=left_out is not None,
        verified="weights are summed as MetaXcan sums them; " + _TRAINING.get(file.method, "training not known"),
    )
    if left_out is None:
        return WeightsModel(spec, file, options.window)
    check_pair(options.weights, left_out)
    return TrainedPredictDBModel(spec, file, options.window, left_out)


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
