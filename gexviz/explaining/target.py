"""What is looked into: one model, one gene, one sequence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import pandas as pd

from gexviz.cohort.background import Background, haplotype_background, reference_background
from gexviz.errors import GexvizError
from gexviz.models.base import GeneLocus, ModelSpec, PredictsSequences, in_full_precision
from gexviz.models.onehot import reverse_complement
from gexviz.results import digest_of

if TYPE_CHECKING:
    from gexviz.study import Study


class Target(NamedTuple):
    """One sequence of one gene, as one model reads it.

    Attributes
    ----------
    study : Study
    name : str
        The model's name in the study.
    model : PredictsSequences
    locus : GeneLocus
    background : Background
    """

    study: Study
    name: str
    model: PredictsSequences
    locus: GeneLocus
    background: Background

    @property
    def spec(self) -> ModelSpec:
        """What the model is."""
        return self.model.spec

    def key(self, *parts: object) -> str:
        """Hash of the model, of the sequence and of more; results of one sequence are one, whoever carries it."""
        sequence = self.background.sequence.tobytes().decode("latin-1")
        of_gene = self.study.of_gene(self.name, self.locus)
        return digest_of(self.study.fingerprint(self.name), *of_gene, sequence, *parts)

    def labels(self) -> Labels:
        """What a result is of, in words."""
        window = self.background.window
        return Labels(
            self.locus.name, self.locus.id, self.name, self.spec.scale, window.contig, self.locus.tss,
            self.locus.strand, self.background.label,
        )  # fmt: skip


class Labels(NamedTuple):
    """What a result is of.

    Attributes
    ----------
    gene, gene_id : str
    model : str
    unit : str
        The model's scale.
    contig : str
    tss : int
        0-based.
    strand : {"+", "-"}
    background : str
        "reference", or which copy of a person; no sample id.
    """

    gene: str
    gene_id: str
    model: str
    unit: str
    contig: str
    tss: int
    strand: Literal["+", "-"]
    background: str

    def title(self) -> str:
        """Gene and model."""
        return f"{self.gene} · {self.model}"

    def subtitle(self) -> str:
        """Sequence and strand."""
        return f"sequence: {self.background}; the gene is on the {self.strand} strand, bases are the forward strand's"


def target(
    study: Study, model: str, locus: GeneLocus, *, sample: str | None = None, copy: Literal[1, 2] | None = None
) -> Target:
    """Choose what to look into.

    Parameters
    ----------
    study : Study
    model : str
        One that reads sequence.
    locus : GeneLocus
    sample : str, optional
        Whose haplotype; the reference sequence if not given.
    copy : {1, 2}, optional
        Which of the person's two; the first if not given.

    Raises
    ------
    GexvizError
        For a model that doesn't read sequence, a gene that it can't serve, a person who is not in the study.
    """
    opened = in_full_precision(study.model_for(model, locus))
    if not isinstance(opened, PredictsSequences):
        raise GexvizError(
            f"{model} ({opened.spec.family}) does not read sequence, so single bases of it can't be changed",
            expected="a sequence model; a linear model's weights are its effects",
            remedy="choose a sequence model, or see `gexviz effects` for the weights",
        )
    if copy is not None and sample is None:
        raise GexvizError(f"copy {copy} of nobody", expected="a sample with the copy", remedy="name the person, too")
    reason = study.unavailable(model, locus)
    if reason is not None:
        raise GexvizError(f"{model} can't serve {locus.name}: {reason}", remedy="choose another gene or model")
    if sample is None:
        background = reference_background(study.cohort.reference, study.window(model, locus))
    else:
        one = [sample] if sample in study.samples.index else None
        background = haplotype_background(study.haplotypes(model, locus.id, one), sample, copy or 1)
    return Target(study, model, opened, locus, background)


def unknown_text(bases: np.ndarray) -> str:
    """Say how many bases of a sequence are not known; empty if none."""
    number = int((~np.isin(bases, list("ACGT"))).sum())
    return f"; {number:,} bases are not A, C, G or T: what is there has no attribution" if number else ""


def on_genome(background: Background, index: np.ndarray, values: np.ndarray) -> pd.DataFrame:
    """Lay values of bases on the genome: ascending, and on the forward strand.

    Parameters
    ----------
    background : Background
    index : ndarray, int (n,)
        Indices into the sequence, ascending in its direction.
    values : ndarray, float (n,) or (n, 4)
        In the sequence's direction; four columns are A, C, G, T of that strand.

    Returns
    -------
    DataFrame
        ``position`` (0-based), ``inserted``, ``ref`` (the background's base, forward strand), and ``value``, or ``A``,
        ``C``, ``G``, ``T``.
    """
    bases = background.sequence[index]
    if background.window.strand == "-":
        index, bases, values = index[::-1], reverse_complement(bases), values[::-1]
        values = values[:, ::-1] if values.ndim == 2 else values
    table = pd.DataFrame(
        {
            "position": background.positions[index],
            "inserted": background.inserted[index],
            "ref": bases.view("S1").astype("U1"),
        }
    )
    if values.ndim == 1:
        return table.assign(value=values)
    return table.assign(**{base: values[:, i] for i, base in enumerate("ACGT")})
