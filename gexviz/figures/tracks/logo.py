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
            drawn: list[go.Bar | go.Scatter] = list(traces)
        else:
            where = places(rows)
            hover = logo_hover(rows, base_names(rows), where, self.unit)
            drawn, reach, note = [*hover, *letters.letter_traces(letters_of(rows, where))], logo_span(rows), ""
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


def logo_hover(rows: pd.DataFrame, names: list[str], where: Places, unit: str) -> list[go.Bar]:
    """Make invisible bars that answer the mouse: letters themselves are lines."""
    if rows.empty:
        return []
    unit = words.safe(unit)
    if "value" in rows:
        values = rows["value"].to_numpy(dtype=float)
        template = f"<b>%{{customdata}}</b><br>%{{y:.3g}} {unit}<extra></extra>"
        return [_bar(where, values, names, template)]
    heights = rows[BASES].to_numpy(dtype=float)
    texts = [
        f"{name}</b><br>" + "<br>".join(f"{b} {words.number(v, 4)}" for b, v in zip(BASES, row, strict=True))
        for name, row in zip(names, heights, strict=True)
    ]
    top, bottom = np.fmax(heights, 0).sum(axis=1), np.fmin(heights, 0).sum(axis=1)
    return [_bar(where, np.where(top >= -bottom, top, bottom), texts, f"<b>%{{customdata}} {unit}<extra></extra>")]


def _bar(where: Places, values: np.ndarray, texts: list[str], template: str) -> go.Bar:
    return go.Bar(
        x=where.middle,
        y=values.astype(np.float32),
        width=where.width,
        marker={"color": "rgba(0,0,0,0)", "line": {"width": 0}},
        customdata=texts,
        hovertemplate=template,
        showlegend=False,
    )


def _with_value(rows: pd.DataFrame) -> pd.DataFrame:
    """One value a base: of four heights, the largest."""
    if "value" in rows:
        return rows
    heights = np.nan_to_num(rows[BASES].to_numpy(dtype=float))
    largest = np.abs(heights).argmax(axis=1)[:, None]
    return rows.assign(value=np.take_along_axis(heights, largest, axis=1)[:, 0])
