"""Gradients against mutagenesis: where a gradient says something else than what a substitution does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from gexviz.figures import theme, words
from gexviz.figures.tracks.places import base_names, insertion_numbers

LIMIT = 5_000
"""Bases up to which each is a point; more are binned."""

NAMED = 5
"""Positions that are named."""

BINS = 80
ROOM = 0.18
"""Share of the range that is left free on each side, for names."""

HEIGHT = 390
"""Of the plot, about; px."""


def agreement_figure(
    table: pd.DataFrame,
    *,
    unit: str,
    method: str = "gradient",
    title: str = "",
    lines: Sequence[str] = (),
    points: str = "bases",
    limit: int = LIMIT,
) -> go.Figure:
    """Plot a gradient attribution against mutagenesis, one point a base or a substitution.

    Parameters
    ----------
    table : DataFrame
        ``position`` (0-based), ``inserted``, ``ref`` (or ``A>G``), ``gradient``, ``ism``, both on one scale; ``nth``
        (among the bases inserted at one place) where a base has several rows.
    unit : str
        Of both.
    method : str
        The gradient method's name.
    title : str
    lines : sequence of str
        Below the title; wrapped.
    points : str
        What the rows are, for the title.
    limit : int
        With more points than this, counts in bins are drawn, and the title says so.

    Returns
    -------
    Figure
        The title has Pearson's r and n. The points that differ most are named; the dashed line is where both are the
        same. A constant in one of the two has no r.
    """
    table = table if "nth" in table else table.assign(nth=insertion_numbers(table))
    known = table[np.isfinite(table["gradient"]) & np.isfinite(table["ism"])]
    x, y = known["ism"].to_numpy(dtype=float), known["gradient"].to_numpy(dtype=float)
    binned = len(known) > limit
    worst = np.argsort(-np.abs(y - x), kind="stable")[:NAMED]
    figure = go.Figure()
    if len(known):
        low, high = min(x.min(), y.min()), max(x.max(), y.max())
        reach = [low - ROOM * ((high - low) or 1.0), high + ROOM * ((high - low) or 1.0)]
        dash = {"color": theme.QUIET, "width": 1.5, "dash": "dash"}
        figure.add_trace(go.Scatter(x=reach, y=reach, mode="lines", line=dash, hoverinfo="skip", showlegend=False))
        figure.add_trace(_bins(x, y, points) if binned else _points(x, y, base_names(known), unit))
        names = base_names(known.iloc[worst])
        figure.add_trace(_points(x[worst], y[worst], names, unit, colour=theme.VERMILLION, symbol="diamond"))
        figure.update_layout(annotations=_labels(x[worst], y[worst], names, HEIGHT / (reach[1] - reach[0])))
        figure.update_xaxes(range=reach)
        figure.update_yaxes(range=reach)
    figure.update_xaxes(title_text=words.axis_title("mutagenesis", unit))
    figure.update_yaxes(title_text=words.axis_title(method, unit))
    figure.update_layout(showlegend=False)
    count = f"n = {len(known):,} {points}" + (", counted in bins" if binned else "")
    said = [*lines, f"{_r(x, y)}, {count}", f"dashed: both the same; named: the {len(worst)} {points} that differ most"]
    short = [part for line in said for part in words.wrapped(line)]
    return theme.finish(figure, title or f"{method} against mutagenesis", short, height=440)


def _r(x: np.ndarray, y: np.ndarray) -> str:
    if len(x) < 2:
        return "r undefined: fewer than 2 bases"
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return "r undefined: one of the two is constant"
    return f"r = {words.number(float(np.corrcoef(x, y)[0, 1]), 3)}"


def _points(
    x: np.ndarray, y: np.ndarray, names: list[str], unit: str, *, colour: str = theme.BLUE, symbol: str = "circle"
) -> go.Scatter:
    unit = words.safe(unit)
    kind = go.Scattergl if len(x) > theme.GL_ABOVE else go.Scatter
    return kind(
        x=x,
        y=y,
        mode="markers",
        marker={"color": colour, "symbol": symbol, "size": 5 if symbol == "circle" else 9, "opacity": 0.8},
        customdata=names,
        hovertemplate=f"<b>%{{customdata}}</b><br>gradient %{{y:.3g}}, mutagenesis %{{x:.3g}}<br>{unit}<extra></extra>",
        showlegend=False,
    )


def _labels(x: np.ndarray, y: np.ndarray, names: list[str], scale: float) -> list[dict[str, object]]:
    """Name points on the side away from the dashed line, none closer to another than a line (`scale`: px a unit)."""
    labels = []
    for above in (True, False):
        lowest = -np.inf
        for n in sorted(np.flatnonzero((y > x) == above), key=lambda n: y[n]):
            at = max(y[n] * scale + (14 if above else -14), lowest + 14)
            lowest = at
            label = {
                "x": x[n],
                "y": y[n],
                "text": words.safe(names[n]),
                "ax": -30 if above else 30,
                "ay": y[n] * scale - at,
                "xanchor": "right" if above else "left",
                "arrowwidth": 1,
                "arrowhead": 0,
                "arrowcolor": theme.AXIS,
                "font": {"size": 11, "color": theme.INK},
            }
            labels.append(label)
    return labels


def _bins(x: np.ndarray, y: np.ndarray, points: str) -> go.Heatmap:
    """Count points in boxes; colours go with the logarithm."""
    counts, x_edges, y_edges = np.histogram2d(x, y, bins=BINS)
    counts = counts.T
    ticks = [t for t in (1, 10, 100, 1_000, 10_000, 100_000) if t <= counts.max()]
    return go.Heatmap(
        x=x_edges,
        y=y_edges,
        z=np.where(counts > 0, np.log10(np.maximum(counts, 1)), np.nan).astype(np.float32),
        customdata=counts.astype(np.int32),
        colorscale=[[0, "#b5d3ea"], [1, "#08306b"]],
        zmin=0,
        hoverongaps=False,
        hovertemplate="%{customdata:,} bases<extra></extra>",
        colorbar={
            "title": {"text": points, "font": {"size": 12}},
            "tickfont": {"size": 12, "color": theme.QUIET},
            "tickvals": np.log10(ticks).tolist(),
            "ticktext": [f"{t:,}" for t in ticks],
            "thickness": 12,
            "outlinewidth": 0,
        },
    )
