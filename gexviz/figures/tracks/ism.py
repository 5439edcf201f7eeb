"""Effects of all substitutions as a heatmap: a row for each base of the forward strand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from gexviz.figures import theme, words
from gexviz.figures.tracks import bars, binning
from gexviz.figures.tracks.base import MOST, Drawn, Region, joined, within
from gexviz.figures.tracks.places import Places, base_names, places

BASES = list("ACGT")
DOT = 3.5
"""Diameter, px."""

DOTS_BELOW = 200
"""bp up to which the base that is there is marked; dots of wider regions run together."""

PLAIN = {"showgrid": False, "zeroline": False}
SCALE = [[0, "#8f3f00"], [0.2, theme.NEGATIVE[0]], [0.4, "#f2b98f"], [0.5, "#ffffff"]]
SCALE += [[0.6, "#9cc7e3"], [0.8, theme.POSITIVE[0]], [1, "#003f66"]]
"""Diverging, steeper near 0: a few strong bases would leave all others white."""


@dataclass(frozen=True, eq=False)
class IsmTrack:
    """Heatmap with rows A C G T; the strongest of each bin in wide regions.

    Attributes
    ----------
    bases : DataFrame
        ``position`` (0-based), ``inserted``, ``ref`` and ``A``, ``C``, ``G``, ``T``, all of the forward strand, in
        genome order.
    unit : str
        Of the values.
    name : str
    remark : str
        Shown in the header.
    most, height : int
    """

    bases: pd.DataFrame
    unit: str
    name: str = "In-silico mutagenesis"
    remark: str = ""
    most: int = MOST
    height: int = 96

    def marks(self, region: Region) -> int:
        """Count the marks that :meth:`draw` makes."""
        rows = within(self.bases, region)
        if rows.empty:
            return 0
        step = binning.step_for(len(rows), region, self.most)
        if step > 1:
            bins = binning.bins_of(rows["position"].to_numpy(), region, step)
            columns = int(bins[-1] - bins[0]) + 1
        else:
            columns = len(_edges(places(rows))[0]) - 1
        return 4 * columns + int(_dotted(rows, region).sum()) + bars.count_insertions(rows)

    def draw(self, region: Region) -> Drawn:
        """Draw the part of it that is in the region."""
        rows = within(self.bases, region)
        axis = {"range": [3.5, -0.75], "tickvals": [0, 1, 2, 3], "ticktext": BASES} | PLAIN
        if rows.empty:
            return Drawn([], self.height, axis, "nothing computed here")
        step = binning.step_for(len(rows), region, self.most)
        edges, values, names = _each(rows) if step == 1 else _binned(rows, region, step)
        traces: list[go.Heatmap | go.Scatter] = [_heatmap(edges, values, names, self.unit)]
        note = binning.in_words("value", step)
        dots = _dotted(rows, region)
        if dots.any():
            traces.append(_dots(rows, dots))
            note = "dot: the base that is there"
        return Drawn([*traces, *bars.insertion_marks(rows, -0.6)], self.height, axis, joined(note, self.remark))


def _each(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Make a column of each base, and an empty one where bases are missing."""
    edges, at = _edges(places(rows))
    values = np.full((4, len(edges) - 1), np.nan, dtype=np.float32)
    values[:, at] = rows[BASES].to_numpy(dtype=np.float32).T
    names = np.full(values.shape, "", dtype=object)
    for row, base in enumerate(BASES):
        names[row, at] = base_names(rows, base)
    return edges, values, names


def _edges(where: Places) -> tuple[np.ndarray, np.ndarray]:
    """Edges of the columns, and which column each base is in."""
    gaps = np.flatnonzero(where.left[1:] - where.right[:-1] > 1e-6)
    edges = np.append(np.insert(where.left, gaps + 1, where.right[gaps]), where.right[-1])
    return edges, np.arange(len(where.left)) + np.searchsorted(gaps, np.arange(len(where.left)))


def _binned(rows: pd.DataFrame, region: Region, step: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Make a column of each bin, without a gap, with the strongest value of each base."""
    bins = binning.bins_of(rows["position"].to_numpy(), region, step)
    first, last = int(bins[0]), int(bins[-1])
    values = np.full((4, last - first + 1), np.nan, dtype=np.float32)
    names = np.full(values.shape, "", dtype=object)
    at = np.unique(bins) - first
    for row, base in enumerate(BASES):
        chosen = binning.strongest(rows[base].to_numpy(dtype=float), bins)
        values[row, at] = rows[base].to_numpy(dtype=np.float32)[chosen]
        names[row, at] = base_names(rows.iloc[chosen], base)
    left, right = binning.bin_ends(np.arange(first, last + 1), region, step)
    return np.append(left, right[-1]), values, names


def _heatmap(edges: np.ndarray, values: np.ndarray, names: np.ndarray, unit: str) -> go.Heatmap:
    finite = np.abs(values[np.isfinite(values)])
    reach = float(finite.max(initial=0.0)) or 1.0
    title = "<br>".join(words.safe(line) for line in words.wrapped(unit, 20))
    return go.Heatmap(
        x=edges,
        y=[0, 1, 2, 3],
        z=values,
        customdata=names,
        colorscale=SCALE,
        zmin=-reach,
        zmax=reach,
        zmid=0,
        hoverongaps=False,
        colorbar={"title": {"text": title}, "tickvals": [-reach, 0, reach], "tickformat": ".2~g"},
        hovertemplate=f"<b>%{{customdata}}</b><br>%{{z:.3g}} {words.safe(unit)}<extra></extra>",
    )


def _dotted(rows: pd.DataFrame, region: Region) -> np.ndarray:
    """Bases whose own cell is marked: those with room for a dot."""
    if region.width > DOTS_BELOW:
        return np.zeros(len(rows), dtype=bool)
    wide = places(rows).width > DOT * region.pixel
    return rows["ref"].isin(BASES).to_numpy() & (wide | ~rows["inserted"].to_numpy(dtype=bool))


def _dots(rows: pd.DataFrame, shown: np.ndarray) -> go.Scatter:
    return go.Scatter(
        x=places(rows).middle[shown],
        y=rows["ref"][shown].map({base: row for row, base in enumerate(BASES)}).to_numpy(),
        mode="markers",
        marker={"symbol": "circle", "size": DOT, "color": theme.INK},
        hoverinfo="skip",
        showlegend=False,
        name="the base that is there",
    )
