"""Epistasis of chosen variants of a gene, on the reference or on a person's haplotype."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pandas as pd
import plotly.graph_objects as go

from gexviz.analysis import epistasis
from gexviz.explaining.effects import read_sequences
from gexviz.explaining.target import Labels, target
from gexviz.figures.epistasis import epistasis_figure
from gexviz.models.base import GeneLocus
from gexviz.tasks import Progress

if TYPE_CHECKING:
    from gexviz.study import Study

MOST = epistasis.MOST


@dataclass(frozen=True, eq=False)
class Interactions:
    """Pairwise epistasis: f(ab) - f(a) - f(b) + f(0), for one copy, on the model's scale.

    Attributes
    ----------
    labels : Labels
    matrix, reasons : DataFrame
        Variant x variant; why a pair has no value.
    single : Series
        f(a) - f(0).
    """

    labels: Labels
    matrix: pd.DataFrame
    reasons: pd.DataFrame
    single: pd.Series

    def figure(self) -> go.Figure:
        """The matrix."""
        return epistasis_figure(
            self.matrix, unit=self.labels.unit, reasons=self.reasons, title=f"{self.labels.title()} · epistasis",
            lines=(f"f(ab) - f(a) - f(b) + f(0), one copy; sequence: {self.labels.background}",),
        )  # fmt: skip


def interactions(
    study: Study,
    model: str,
    locus: GeneLocus,
    variants: Sequence[str],
    *,
    haplotype: tuple[str, Literal[1, 2]] | None = None,
    progress: Progress | None = None,
) -> Interactions:
    """Compute the epistasis of every pair of 2 to 12 variants.

    Parameters
    ----------
    study : Study
    model : str
        One that reads sequence.
    locus : GeneLocus
    variants : sequence of str
    haplotype : (sample, copy), optional
        On this person's haplotype; on the reference if not given.
    progress : Progress, optional
    """
    sample, copy = haplotype or (None, None)
    on = target(study, model, locus, sample=sample, copy=copy)
    found = epistasis.epistasis(
        on.model, read_sequences(study, model, locus), variants, sample=sample, copy=copy, progress=progress
    )
    return Interactions(on.labels(), found.matrix, found.reasons, found.single)
