"""The options of each built-in family: the keys of ``[models.NAME]`` in ``study.toml``, beside ``family``.

A family's module has one function, ``open_model(name, options) -> Model``; the paths in its options are absolute by
then and their files exist (:mod:`gexviz.models.registry` sees to both).
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class ModelOptions(BaseModel):
    """What every family's options are made from: unknown keys are refused, values don't change.

    Fields of type ``Path`` are files; relative ones start from the folder of the study's TOML.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)


class PredictDBOptions(ModelOptions):
    """``predictdb``: variant weights in a PredictDB SQLite file.

    Attributes
    ----------
    weights : Path
        The ``.db`` file, with its tables ``weights`` and ``extra``.
    out_of_fold : Path, optional
        Each person's prediction from the fold they were left out of, as ``gexviz train linear`` writes it.
    window : int
        bp on each side of the TSS whose variants may have weights.
    """

    weights: Path
    out_of_fold: Path | None = None
    window: int = Field(1_000_000, ge=1, le=100_000_000)


class FusionOptions(ModelOptions):
    """``fusion``: FUSION's ``.wgt.RDat`` files, listed in a ``.pos`` file.

    Attributes
    ----------
    weights : Path
        The ``.pos`` file; the files that it names are in its folder.
    model : {"best", "top1", "blup", "bslmm", "lasso", "enet"}
        ``best``: of each gene, the one with the least cross-validated p.
    genome : str, optional
        Build of the weights' positions; if given, variants are found by position, else by their ids alone.
    window : int
        bp on each side of the gene whose variants may have weights.
    """

    weights: Path
    model: Literal["best", "top1", "blup", "bslmm", "lasso", "enet"] = "best"
    genome: str | None = None
    window: int = Field(1_000_000, ge=1, le=100_000_000)


class XpressoOptions(ModelOptions):
    """``xpresso``: a published Keras checkpoint of Xpresso.

    Attributes
    ----------
    checkpoint : Path
        The ``.h5`` file.
    half_life : Path, optional
        TSV: gene, then the six standardised features of its mRNA in the checkpoint's order. Zeros if not given.
    """

    checkpoint: Path
    half_life: Path | None = None


class CnnOptions(ModelOptions):
    """``cnn``: gexviz's own small convolutional network.

    Attributes
    ----------
    config : Path
        Its configuration.
    weights : Path
        Its safetensors file.
    """

    config: Path
    weights: Path


class TableOptions(ModelOptions):
    """``table``: predictions that were computed elsewhere.

    Attributes
    ----------
    predictions : Path
        TSV (plain or gzipped), CSV, Parquet, HDF5 or AnnData (``.h5ad``).
    scale : str
        Unit of the values, as people read it on an axis; a table can't tell it, so it has to be given.
    layout : {"auto", "wide", "long"}
        Of text and Parquet.
        ``wide``: gene in the first column, a column a sample (or ``SAMPLE|1`` and ``SAMPLE|2``, one a haplotype).
        ``long``: columns ``gene``, ``sample``, ``value``, and ``haplotype`` (1 or 2) for predictions per haplotype.
    haplotypes : {"output_mean", "output_sum"}
        How the values of the two haplotypes of a person make one, where the table is per haplotype.
    genome : str, optional
        The build that the predictions were made on.
    trained_on_cohort : bool
        Whether people of this cohort were in the model's training.
    citation, licence : str
        Of the model that made the predictions.
    """

    predictions: Path
    scale: str = Field(min_length=1)
    layout: Literal["auto", "wide", "long"] = "auto"
    haplotypes: Literal["output_mean", "output_sum"] = "output_mean"
    genome: str | None = None
    trained_on_cohort: bool = False
    citation: str = "not stated"
    licence: str = "not stated"
