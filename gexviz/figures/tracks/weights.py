"""Weights of a linear model: which variants it stands on, on the same axis as a deep model's effects."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd

from gexviz.figures.tracks.base import Drawn, Region, joined, within
from gexviz.figures.tracks.variants import VariantTrack


@dataclass(frozen=True, eq=False)
class WeightTrack:
    """Lollipops of the weights that are not 0, looking as those of :class:`VariantTrack`.

    Attributes
    ----------
    weights : DataFrame
        Index variant (contig:pos:ref:alt, 1-based); ``position`` (0-based), ``weight`` (per copy of ALT), and as far
        as known ``frequency``, ``carriers``.
    unit : str
        Of the weights.
    window : (int, int) or None
        What a deep model reads, 0-based half-open: weights outside it are counted.
    chosen : collection of str
        Variants to highlight.
    name : str
    most : int
        Variants above which only the largest of each bin and direction, and chosen ones, are drawn.
    height : int
    """

    weights: pd.DataFrame
    unit: str
    window: tuple[int, int] | None = None
    chosen: Collection[str] = ()
    name: str = "Linear weights"
    most: int = 600
    height: int = 110

    def marks(self, region: Region) -> int:
        """Count the marks that :meth:`draw` makes."""
        return self._lollipops().marks(region)

    def draw(self, region: Region) -> Drawn:
        """Draw the part of it that is in the region."""
        track = self._lollipops()
        drawn = track.draw(region)
        if not drawn.traces:
            return Drawn([], drawn.height, drawn.axis, "no weight other than 0 here")
        traces = [trace for trace in drawn.traces if trace.showlegend is False]  # no legend of its own
        return Drawn(traces, drawn.height, drawn.axis, joined(self._count(region, track), drawn.note))

    def _lollipops(self) -> VariantTrack:
        known = [column for column in ("position", "weight", "frequency", "carriers") if column in self.weights]
        rows = self.weights.loc[self.weights["weight"].fillna(0) != 0, known]
        return VariantTrack(rows, self.unit, "weight", self.chosen, self.name, self.most, self.height)

    def _count(self, region: Region, track: VariantTrack) -> str:
        """Say how many weights there are, and how many of them the deep model can't see."""
        here = within(track.variants, region)["position"].to_numpy()
        text = f"{len(here):,} other than 0"
        if self.window is None:
            return text
        start, end = self.window
        outside = int(np.sum((here < start) | (here >= end)))
        return f"{text}, {outside:,} of them outside the deep model's window"
