"""Values of bases as bars: each base's, or the strongest of each bin."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from gexviz.figures import theme, words
from gexviz.figures.tracks import binning
from gexviz.figures.tracks.base import Region
from gexviz.figures.tracks.places import base_names, places


def value_bars(
    rows: pd.DataFrame, region: Region, most: int, unit: str, *, upwards: str = theme.POSITIVE[0]
) -> tuple[list[go.Bar], int]:
    """Draw bars from 0: upwards in one colour, downwards in another.

    Parameters
    ----------
    rows : DataFrame
        ``position``, ``inserted``, ``ref``, ``value``, within the region, in genome order.
    region : Region
    most : int
        Bars above which they are binned.
    unit : str
        For hover labels.
    upwards : str
        Colour of those.

    Returns
    -------
    traces : list of Bar
    step : int
        Bp of a bin, 1 if not binned.
    """
    step = binning.step_for(len(rows), region, most)
    if step == 1:
        left, right = places(rows)
    else:
        bins = binning.bins_of(rows["position"].to_numpy(), region, step)
        rows = rows.iloc[binning.strongest(rows["value"].to_numpy(dtype=float), bins)]
        left, right = binning.bin_ends(np.unique(bins), region, step)
    values = rows["value"].to_numpy(dtype=float)
    names = np.array(base_names(rows), dtype=object)
    traces = []
    for members, colour in ((values >= 0, upwards), (values < 0, theme.NEGATIVE[0])):
        if not members.any():
            continue
        bar = go.Bar(
            x=(left + right)[members] / 2,
            y=values[members].astype(np.float32),
            width=(right - left)[members],
            marker={"color": colour, "line": {"width": 0}},
            customdata=names[members],
            hovertemplate=f"<b>%{{customdata}}</b><br>%{{y:.3g}} {words.safe(unit)}<extra></extra>",
            showlegend=False,
        )
        traces.append(bar)
    return traces, step


def insertion_marks(rows: pd.DataFrame, height: float) -> list[go.Scatter]:
    """Mark where bases are inserted, so that they are seen from afar, at a height of the y axis."""
    inserted = rows[rows["inserted"].to_numpy(dtype=bool)]
    if inserted.empty:
        return []
    runs = inserted.groupby("position")["ref"].agg("".join)
    at = runs.index.to_numpy(dtype=int)
    texts = [f"<b>{_cut(bases)}</b> inserted after {place + 1:,}" for place, bases in zip(at, runs, strict=True)]
    mark = go.Scatter(
        x=at + 1.5,
        y=np.full(len(at), height),
        mode="markers",
        marker={"symbol": "triangle-down", "size": 8, "color": theme.PURPLE},
        customdata=texts,
        hovertemplate="%{customdata}<extra></extra>",
        showlegend=False,
        cliponaxis=False,
    )
    return [mark]


def near_top(reach: list[float]) -> float:
    """Where on a y axis marks stand that belong to no value."""
    return reach[1] - 0.05 * (reach[1] - reach[0])


def count_insertions(rows: pd.DataFrame) -> int:
    """Count the marks of :func:`insertion_marks`."""
    return int(rows.loc[rows["inserted"].to_numpy(dtype=bool), "position"].nunique())


def _cut(bases: str) -> str:
    return bases if len(bases) <= 20 else f"{bases[:18]}… ({len(bases)} bp)"
