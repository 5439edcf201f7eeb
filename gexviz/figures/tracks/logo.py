"""Attribution as letters scaled to it: a logo where letters can be read, bars where they can't."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from gexviz.figures import letters, words
from gexviz.figures.letters import Letters
from gexviz.figures.tracks import bars, binning
from gexviz.figures.tracks.base import LETTERS_BELOW, MOST, Drawn, Region, span, within
from gexviz.figures.tracks.places import Places, base_names, places

BASES = list("ACGT")


@dataclass(frozen=True, eq=False)
class LogoTrack:
    """Letters in regions of at most 300 bp, bars of the same values in wider ones.

    Attributes
    ----------
    heights : DataFrame
        ``position`` (0-based), ``inserted``, ``ref`` (forward strand) and either ``value``, the height of the base that
        is there, or ``A``, ``C``, ``G``, ``T``, which are stacked. In genome order.
    unit : str
        Of the heights.
    name : str
    most, height : int
    """

    heights: pd.DataFrame
    unit: str
    name: str = "Logo"
    most: int = MOST
    height: int = 110

    def marks(self, region: Region) -> int:
        """Count the marks that :meth:`draw` makes."""
        rows = within(self.heights, region)
        count = binning.count_bins(_with_value(rows), region, self.most) + bars.count_insertions(rows)
        return count if region.width > LETTERS_BELOW else count + letters.count_letters(letters_of(rows, places(rows)))

    def draw(self, region: Region) -> Drawn:
        """Draw the part of it that is in the region."""
        rows = within(self.heights, region)
        if region.width > LETTERS_BELOW:
            traces, step = bars.value_bars(_with_value(rows), region, self.most, self.unit)
            reach = span(_with_value(rows)["value"].to_numpy(dtype=float), above=0.14)
            what = "value" if "value" in rows else "height"
            note = binning.in_words(what, step) or ("" if "value" in rows else "largest |height| of each base")
            note += ("; " if note else "") + f"letters below {LETTERS_BELOW} bp"
            drawn: list[go.Bar | go.Scatter] = [*traces]
        else:
            where, reach, note = places(rows), logo_span(rows), ""
            hover = logo_hover(rows, base_names(rows), where, reach, self.unit)
            drawn = [hover, *letters.letter_traces(letters_of(rows, where))]
        axis = {"title": self.unit, "range": reach}
        return Drawn([*drawn, *bars.insertion_marks(rows, bars.near_top(reach))], self.height, axis, note)


def letters_of(rows: pd.DataFrame, where: Places) -> Letters:
    """Make the letters of a table of heights, at the given places."""
    if "value" in rows:
        values = rows["value"].to_numpy(dtype=float)
        letter = rows["ref"].to_numpy(dtype=str)
        return Letters(letter, where.left, where.right, np.zeros(len(rows)), values)
    return letters.stacked(rows[BASES].to_numpy(dtype=float), where.left, where.right)


def logo_span(rows: pd.DataFrame) -> list[float]:
    """Range of the y axis of a logo."""
    if "value" in rows:
        return span(rows["value"].to_numpy(dtype=float), above=0.14)
    heights = np.nan_to_num(rows[BASES].to_numpy(dtype=float))
    ends = np.concatenate([np.maximum(heights, 0).sum(axis=1), np.minimum(heights, 0).sum(axis=1)])
    return span(ends, above=0.14)


def logo_hover(rows: pd.DataFrame, names: list[str], where: Places, reach: list[float], unit: str) -> go.Bar:
    """Make invisible bars, as high as the axis, that answer the mouse: letters themselves are lines."""
    if "value" in rows:
        texts = [f"{name}</b><br>{_value(value)}" for name, value in zip(names, rows["value"], strict=True)]
    else:
        heights = rows[BASES].to_numpy(dtype=float)
        texts = [
            f"{name}</b><br>" + "<br>".join(f"{b} {_value(v)}" for b, v in zip(BASES, row, strict=True))
            for name, row in zip(names, heights, strict=True)
        ]
    return go.Bar(
        x=where.middle,
        y=np.full(len(rows), reach[1] - reach[0]),
        base=reach[0],
        width=where.width,
        marker={"color": "rgba(0,0,0,0)", "line": {"width": 0}},
        customdata=texts,
        hovertemplate=f"<b>%{{customdata}} {words.safe(unit)}<extra></extra>",
        showlegend=False,
    )


def _value(value: float) -> str:
    return f"{value:.3g}".replace("-", "−")


def _with_value(rows: pd.DataFrame) -> pd.DataFrame:
    """One value a base: of four heights, the largest."""
    if "value" in rows:
        return rows
    heights = np.nan_to_num(rows[BASES].to_numpy(dtype=float))
    largest = np.abs(heights).argmax(axis=1)[:, None]
    return rows.assign(value=np.take_along_axis(heights, largest, axis=1)[:, 0])
