"""Gradient attribution of a gene's window, kept on disk."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from gexviz.explaining.regions import region_text
from gexviz.explaining.target import Labels, Target, on_genome, unknown_text
from gexviz.figures.locus import locus_figure
from gexviz.figures.tracks.attributed import GRADIENTS
from gexviz.figures.tracks.base import Region
from gexviz.figures.tracks.logo import LogoTrack
from gexviz.lazy import lazy
from gexviz.results import Part
from gexviz.tasks import Progress

gradients = lazy("gexviz.analysis.gradients")

NAMES = GRADIENTS
"""Methods, as people read them."""


@dataclass(frozen=True)
class Gradients:
    """Attribution of a prediction to the bases of one sequence.

    Attributes
    ----------
    labels : Labels
    region : tuple of int
        0-based half-open, on the reference.
    values : DataFrame
        A row a base, in genome order: ``position`` (0-based), ``inserted``, ``ref`` (forward strand), ``value``: the
        attribution of the base that is there, on the model's scale.
    full : DataFrame
        The same with ``A``, ``C``, ``G``, ``T``: of each base if it were there; see
        :class:`gexviz.analysis.gradients.Attribution`.
    method : str
    difference, delta : float
        Prediction minus that of the baselines, of the whole window; how far the attributions' sum is from it. NaN for
        methods without completeness.
    flagged : bool
        Whether the delta is above 1% of the difference.
    facts : dict
    """

    labels: Labels
    region: tuple[int, int]
    values: pd.DataFrame
    full: pd.DataFrame
    method: str
    difference: float
    delta: float
    flagged: bool
    facts: dict[str, Any]

    @property
    def completeness(self) -> str:
        """How complete the attribution is, in words; a warning where it is flagged."""
        unknown = unknown_text(self.values["ref"].to_numpy(dtype="U1"))
        if np.isnan(self.delta):
            return f"{NAMES[self.method]} promises no completeness{unknown}"
        share = "" if self.difference == 0 else f" ({self.delta / abs(self.difference):.2%})"
        text = f"attributions sum to {self.difference:+.4g} but for {self.delta:.2g}{share}"
        return (f"NOT COMPLETE: {text}" if self.flagged else text) + unknown

    def table(self) -> pd.DataFrame:
        """All of it as one table: the bases with their value, ``hypothetical_A`` to ``hypothetical_T``, the delta."""
        wide = self.full[list("ACGT")].add_prefix("hypothetical_")
        return self.values.join(wide).assign(method=self.method, completeness_delta=self.delta, flagged=self.flagged)

    def figure(self) -> go.Figure:
        """The region's attribution: letters below 300 bp, bars above."""
        track = LogoTrack(self.values, self.labels.unit, NAMES[self.method])
        lines = [self.labels.subtitle(), self.completeness]
        return locus_figure([track], Region(self.labels.contig, *self.region), title=self.labels.title(), lines=lines)

    def __repr__(self) -> str:
        what = f"{NAMES[self.method]} of {self.labels.model} at {self.labels.gene}, {self.labels.background}"
        return f"{what}, {region_text(self.labels.contig, *self.region)}; {self.completeness}"


def attribution(
    target: Target,
    region: tuple[int, int],
    method: str = "input_x_gradient",
    *,
    settings: Any = None,
    progress: Progress | None = None,
) -> Gradients:
    """Attribute the prediction of a window, and show a region of it; what is stored is not computed again.

    Parameters
    ----------
    target : Target
    region : tuple of int
        0-based half-open, inside the window.
    method : str
        One of :data:`gexviz.analysis.gradients.METHODS`.
    settings : GradientSettings, optional
    progress : Progress, optional
    """
    found = stored_attribution(target, region, method, settings=settings)
    if found is not None:
        return found
    made = gradients.attribute(
        target.model, target.background.sequence, method, settings=settings, progress=progress
    )
    facts = made.facts | {"difference": made.difference, "delta": made.delta, "flagged": bool(made.flagged)}
    parts = {"values": Part(made.values, facts), "full": Part(made.full, {})}
    target.study.results.put_parts(_key(target, method, settings), parts)
    return _laid_out(target, region, method, parts)


def stored_attribution(
    target: Target, region: tuple[int, int], method: str, *, settings: Any = None
) -> Gradients | None:
    """The same from what is stored; None if it is not."""
    target.background.within(*region)
    parts = target.study.results.parts(_key(target, method, settings))
    return _laid_out(target, region, method, parts) if "values" in parts else None


def _key(target: Target, method: str, settings: Any) -> str:
    return target.key("gradients", gradients.SCHEMA, method, asdict(settings or gradients.GradientSettings()))


def _laid_out(target: Target, region: tuple[int, int], method: str, parts: dict[str, Part]) -> Gradients:
    index = target.background.within(*region)
    facts = dict(parts["values"].facts)
    difference, delta, flagged = facts.pop("difference"), facts.pop("delta"), facts.pop("flagged")
    return Gradients(
        target.labels(),
        region,
        on_genome(target.background, index, parts["values"].numbers[index]),
        on_genome(target.background, index, parts["full"].numbers[index]),
        method,
        difference,
        delta,
        flagged,
        facts,
    )
