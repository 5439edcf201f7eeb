"""Attribution of each base as bars."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from gexviz.figures import theme
from gexviz.figures.tracks import bars, binning
from gexviz.figures.tracks.base import MOST, Drawn, Region, joined, span, within


@dataclass(frozen=True, eq=False)
class AttributionTrack:
    """One value a base, as a bar; binned in wide regions.

    Attributes
    ----------
    values : DataFrame
        ``position`` (0-based), ``inserted``, ``ref`` (forward strand), ``value``, in genome order.
    unit : str
        Of the values.
    name : str
        As ``gradient x input``.
    remark : str
        Shown in the header, as that a result is flagged.
    signed : bool
        Whether above 0 means that a base raises the prediction, which has a colour of its own.
    most, height : int
    """

    values: pd.DataFrame
    unit: str
    name: str = "Attribution"
    remark: str = ""
    signed: bool = True
    most: int = MOST
    height: int = 96

    def marks(self, region: Region) -> int:
        """Count the marks that :meth:`draw` makes."""
        rows = within(self.values, region)
        return binning.count_bins(rows, region, self.most) + bars.count_insertions(rows)

    def draw(self, region: Region) -> Drawn:
        """Draw the part of it that is in the region."""
        rows = within(self.values, region)
        reach = span(rows["value"].to_numpy(dtype=float), above=0.14)
        upwards = theme.POSITIVE[0] if self.signed else theme.QUIET
        traces, step = bars.value_bars(rows, region, self.most, self.unit, upwards=upwards)
        note = joined(binning.in_words("value", step), self.remark)
        axis = {"title": self.unit, "range": reach}
        return Drawn([*traces, *bars.insertion_marks(rows, bars.near_top(reach))], self.height, axis, note)
