"""The contract of every model family: what it tells of itself, and the few things it may be able to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    import torch

InputKind = Literal["sequence", "dosage", "table", "remote"]
StrandPolicy = Literal["none", "rc_mean", "gene_strand", "equivariant"]
VariantPolicy = Literal["all", "snv"]
HaplotypePolicy = Literal["output_mean", "output_sum", "input_mean", "dosage"]


class GeneLocus(NamedTuple):
    """A gene as a model needs to know it. Coordinates are 0-based; ``start:end`` is half-open."""

    id: str
    name: str
    contig: str
    tss: int
    strand: Literal["+", "-"]
    start: int
    end: int


@dataclass(frozen=True)
class ModelSpec:
    """What a model is and how it wants to be used.

    Attributes
    ----------
    name : str
        The name in the study, as ``xpresso``.
    family : str
        The registered family.
    input : {"sequence", "dosage", "table", "remote"}
        What it predicts from.
    window : int or None
        Input length in bp.
    anchor : int or None
        0-based index of the TSS base in the window, in the window's own direction.
    strand : {"none", "rc_mean", "gene_strand", "equivariant"}
        ``gene_strand``: windows of minus-strand genes are reverse-complemented. ``rc_mean``: mean of both strands.
    haplotypes : {"output_mean", "output_sum", "input_mean", "dosage"}
        How the two haplotypes of a person make one prediction.
    n_policy : {"zero", "quarter"}
        What N is in the one-hot input.
    variants : {"all", "snv"}
        What of people's variants goes into their sequences; ``snv``: no insertions or deletions, nor other alleles of
        more than a base.
    bin_size : int or None
        bp per output bin, for models with binned tracks.
    tracks : tuple of str
        Names of the outputs.
    readout : str
        How the outputs become one number, in words; the network itself does it.
    scale : str
        Unit of the prediction, as people read it on an axis.
    genome : str or None
        The build its weights or training belong to; None where any will do.
    licence, citation : str
    published : dict
        Figures from its papers, name -> value, for context beside ours.
    trained_on_cohort : bool
        Whether people of this cohort were in its training (then only out-of-fold or held-out people are evaluated).
    verified : str
        How the implementation was checked, as shown to people.
    """

    name: str
    family: str
    input: InputKind
    scale: str
    haplotypes: HaplotypePolicy
    window: int | None = None
    anchor: int | None = None
    strand: StrandPolicy = "none"
    n_policy: Literal["zero", "quarter"] = "zero"
    bin_size: int | None = None
    tracks: tuple[str, ...] = ()
    genome: str | None = None
    licence: str = "not stated"
    citation: str = "not stated"
    published: dict[str, float] = field(default_factory=dict)
    trained_on_cohort: bool = False
    verified: str = "not verified"
    readout: str = field(default="", repr=False)
    variants: VariantPolicy = field(default="all", repr=False)


class DosagePrediction(NamedTuple):
    """A dosage model's predictions of one gene.

    Attributes
    ----------
    values : ndarray, shape (n_samples,)
        On the model's scale.
    weights : DataFrame
        One row a weight: ``variant`` (contig:pos:ref:alt of the cohort, or the model's own id where missing), ``rsid``,
        ``position`` (0-based; -1 if unknown), ``ref``, ``alt``, ``weight`` (per ALT allele of the cohort), ``status``
        (matched, flipped, ambiguous, missing).
    share : float
        Part of the weights that the cohort has, counted (0 to 1).
    share_absolute : float
        The same, each weight counted by its absolute size.
    reason : str or None
        Why there is no prediction, where the gene's own file has to be read to know; all values are NaN then.
    """

    values: np.ndarray
    weights: pd.DataFrame
    share: float
    share_absolute: float
    reason: str | None = None


class Model(Protocol):
    """What every model has."""

    spec: ModelSpec

    def unavailable(self, gene: GeneLocus) -> str | None:
        """Say why this gene can't be served, or None if it can."""
        ...

    def fingerprint(self) -> dict[str, str]:
        """Name and content hash of everything its predictions depend on."""
        ...


@runtime_checkable
class PredictsSequences(Protocol):
    """Predicts from one-hot sequence."""

    spec: ModelSpec

    def predict_sequences(self, onehot: np.ndarray) -> np.ndarray:
        """Predict, float32 (batch, 4, length) of A C G T -> float (batch,), in the model's own direction."""
        ...


@runtime_checkable
class DependsOnGene(Protocol):
    """Needs more of a gene than its sequence: where its exons are, or features of its mRNA."""

    spec: ModelSpec

    def for_gene(self, gene: GeneLocus, exons: Sequence[tuple[int, int]]) -> Model:
        """Give the model of one gene, on the same weights.

        Parameters
        ----------
        gene : GeneLocus
        exons : sequence of (int, int)
            Of its representative transcript; 0-based half-open, forward strand, ascending. Empty where the annotation
            has none.
        """
        ...


@runtime_checkable
class HasPrecision(Protocol):
    """May predict in less than full precision, to be faster."""

    spec: ModelSpec

    def in_full_precision(self) -> Model:
        """Give the same model, predicting in full precision."""
        ...


@runtime_checkable
class Differentiable(Protocol):
    """Has a torch network from one-hot (batch, 4, length) to (batch,), for gradients."""

    spec: ModelSpec

    def network(self) -> torch.nn.Module:
        """The network, in eval mode, readout included."""
        ...


@runtime_checkable
class PredictsDosages(Protocol):
    """Predicts from allele dosages of variants, with a weight each."""

    spec: ModelSpec

    def cis_region(self, gene: GeneLocus) -> tuple[int, int]:
        """The 0-based half-open region whose variants it may use."""
        ...

    def predict_dosages(self, gene: GeneLocus, variants: pd.DataFrame, dosages: np.ndarray) -> DosagePrediction:
        """Predict one gene.

        Parameters
        ----------
        gene : GeneLocus
        variants : DataFrame
            One row an ALT allele of the cohort in :meth:`cis_region`: ``variant``, ``id``, ``position`` (0-based),
            ``ref``, ``alt``.
        dosages : ndarray, shape (n_variants, n_samples)
            ALT copies per person; NaN where the call is missing.
        """
        ...


@runtime_checkable
class KnowsPredictions(Protocol):
    """Brings predictions that were computed elsewhere."""

    spec: ModelSpec

    def known_predictions(self, gene: GeneLocus) -> pd.DataFrame:
        """Predictions of one gene: index sample; ``value``, and ``haplotype_1``, ``haplotype_2`` where given."""
        ...


@runtime_checkable
class KnowsReference(Protocol):
    """Brings predictions on the reference sequence that were computed elsewhere."""

    spec: ModelSpec

    def known_reference(self, gene: GeneLocus) -> float | None:
        """Prediction of one gene on the reference sequence, or None if there is none."""
        ...


@runtime_checkable
class PredictsOutOfFold(Protocol):
    """Was trained on people of this cohort and kept each person's prediction from the fold they were left out of."""

    spec: ModelSpec

    def out_of_fold(self, gene: GeneLocus) -> pd.Series | None:
        """Out-of-fold predictions by sample, or None for a gene without."""
        ...


def in_full_precision(model: Model) -> Model:
    """Give a model as it has to be to compare sequences of one gene: half precision rounds more than they differ."""
    return model.in_full_precision() if isinstance(model, HasPrecision) else model
