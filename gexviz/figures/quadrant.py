"""Do the model and the people agree on the direction: effects that a deep model predicts against eQTL slopes."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from gexviz.figures import theme, words
from gexviz.figures.bins import count_heatmap
from gexviz.figures.classes import CLASSES, categories
from gexviz.figures.comparison import Labels
from gexviz.figures.points import Group, Points, point_trace

LIMIT = 10_000
"""Pairs up to which each is a point that can be selected; more are binned."""

BARS = 300
"""Selected points up to which error bars are drawn."""

BINS = 81
NORMAL = 1.959964
"""Standard errors of a 95% interval."""

FAR = 2.0
"""An axis goes at most this many times as far as 98% of the values do."""

BORDER = 0.985
"""Where values that are too far out are drawn, as a share of the way to the edge."""

MARGIN = 1.4
"""How far the slopes' axis goes beyond the edge, so that what the corners mean covers no point."""


def pair_id(gene: str, variant: str) -> str:
    """Name a pair of gene and variant; :func:`split_pair` takes it apart."""
    return f"{gene} {variant}"


def split_pair(pair: str) -> tuple[str, str]:
    """Gene and variant of a pair's id."""
    gene, _, variant = pair.rpartition(" ")
    return gene, variant


def quadrants(
    table: pd.DataFrame,
    *,
    labels: Labels | None = None,
    effect: str = "deep_effect",
    names: pd.Series | None = None,
    selected: Collection[str] | None = None,
    bars: bool = False,
    limit: int = LIMIT,
) -> go.Figure:
    """Plot eQTL slopes against the effects that a model predicts, a point for each pair of gene and variant.

    Parameters
    ----------
    table : DataFrame
        ``gene``, ``variant`` (contig:pos:ref:alt, 1-based), ``class``, ``deep_noise``, ``slope``, ``se``, ``q``,
        ``distance`` (bp to the TSS) and the column of effects; effects and slopes are per copy of ALT.
    labels : Labels, optional
        The model's name, and the units of its effects and of the slopes.
    effect : str
        Column of effects.
    names : Series, optional
        Gene names, index gene, for hover labels.
    selected : collection of str, optional
        Ids (:func:`pair_id`) to show as selected, with error bars: 95% interval of the slope, noise of the effect.
    bars : bool
        Whether all pairs have error bars, if they are at most :data:`BARS`. Hover labels have the numbers in any case.
    limit : int
        With more pairs than this, counts in bins are drawn (selected pairs remain points), and the title says so.

    Returns
    -------
    Figure
        ``customdata[0]`` of each point is the pair's id. Colour and shape tell the class; each quadrant has its count.
    """
    labels = labels or Labels()
    model = labels.model or "the model"
    table = table.set_axis([pair_id(g, v) for g, v in zip(table["gene"], table["variant"], strict=True)])
    known = np.isfinite(table[effect].to_numpy(dtype=float)) & np.isfinite(table["slope"].to_numpy(dtype=float))
    lines = words.wrapped(_count(table, effect, known=known))
    table = table[known]
    values = _Values(table[effect].to_numpy(dtype=float), table["slope"].to_numpy(dtype=float))
    figure = go.Figure()
    binned = len(table) > limit
    if binned:
        across, up = (np.linspace(-reach, reach, BINS) for reach in values.reach)
        hover = f"{words.safe(model)} %{{x:.3g}}<br>eQTL slope %{{y:.3g}}"
        figure.add_trace(count_heatmap(*values.clipped, (across, up), what="pairs", hover=hover))
        lines += words.wrapped(f"Binned; up to {limit:,} pairs are drawn as points, to be selected one by one.")
    shown = table.index.isin(list(selected or ())) if binned else np.ones(len(table), dtype=bool)
    with_bars = table.index if bars and len(table) <= BARS else selected
    for trace in _traces(table[shown], values.only(shown), effect, (names, selected, with_bars)):
        figure.add_trace(trace)
    _mark_quadrants(figure, values)
    figure.update_xaxes(title_text=words.axis_title(f"effect of ALT by {model}", labels.predicted))
    figure.update_yaxes(title_text=words.axis_title("eQTL slope per copy of ALT", labels.observed))
    figure.update_layout(legend={"y": -0.22}, showlegend=True)
    far = int(values.far.sum())
    text = "shaded: model and people disagree on the direction"
    out = f"; {far:,} {'pair is' if far == 1 else 'pairs are'} further out than the edge at which they stand"
    lines += words.wrapped(text + (out if far else ""))
    if any(trace.type != "heatmap" and trace.error_y.array is not None for trace in figure.data):
        lines += words.wrapped("bars: 95% interval of the slope, noise of the effect")
    return theme.finish(figure, f"{model} against eQTLs", lines, height=580, selectable=not binned)


class _Values(NamedTuple):
    """Effects and slopes, shape (n,), and the axes that they are drawn on."""

    x: np.ndarray
    y: np.ndarray
    limits: tuple[float, float] | None = None

    @property
    def reach(self) -> tuple[float, float]:
        """How far values are drawn where they are, either way from 0."""
        return self.limits or (_reach(self.x), _reach(self.y))

    @property
    def far(self) -> np.ndarray:
        """Which lie beyond."""
        return (np.abs(self.x) > self.reach[0]) | (np.abs(self.y) > self.reach[1])

    @property
    def clipped(self) -> tuple[np.ndarray, np.ndarray]:
        """Where they are drawn."""
        across, up = (BORDER * reach for reach in self.reach)
        return np.clip(self.x, -across, across), np.clip(self.y, -up, up)

    def only(self, shown: np.ndarray) -> _Values:
        """Take some, on the same axes."""
        return _Values(self.x[shown], self.y[shown], self.reach)


def _reach(values: np.ndarray) -> float:
    """Find how far an axis goes: to the largest value, unless a few are so far out that they hide the others."""
    size = np.abs(values)
    if not size.max(initial=0.0):
        return 1.0
    return 1.12 * float(min(size.max(), FAR * np.quantile(size, 0.98) or np.inf))


def _traces(
    rows: pd.DataFrame,
    values: _Values,
    effect: str,
    shown: tuple[pd.Series | None, Collection[str] | None, Collection[str] | None],
) -> list[go.Scatter]:
    """Draw a trace a class; `shown`: names of genes, selected pairs, pairs with error bars."""
    names, selected, with_bars = shown
    points = _points(rows, values, effect, names)
    chosen = rows.index.isin(list(with_bars if with_bars is not None else ()))
    bars = 0 < int(chosen.sum()) <= BARS
    size = 8 if len(rows) <= theme.EDGED else 6
    traces = []
    for name, members, look, rank in categories(rows["class"], CLASSES):
        group = Group(name, members, theme.look(look, size=size))
        hover = f"{points.hover}<extra>{words.safe(name)}</extra>"
        trace = point_trace(points, group, selected, legendrank=rank, hovertemplate=hover)
        if bars:
            _add_bars(trace, rows[members], with_bar=chosen[members] & ~values.far[members])
        traces.append(trace)
    return traces


def _points(rows: pd.DataFrame, values: _Values, effect: str, names: pd.Series | None) -> Points:
    gene = rows["gene"].astype(str)
    name = gene if names is None else gene.map(names).fillna(gene).astype(str)
    slope, half = values.y, NORMAL * rows["se"].to_numpy(dtype=float)
    extra = (
        [words.safe(n) for n in name],
        [words.safe(words.variant_name(str(v))) for v in rows["variant"]],
        [f"{a} ± {b}" for a, b in zip(_written(values.x), _written(rows["deep_noise"]), strict=True)],
        [
            f"{a} [{b}, {c}]"
            for a, b, c in zip(_written(slope), _written(slope - half), _written(slope + half), strict=True)
        ],
        _written(rows["q"]),
        [f"{d:+,.0f} bp from the TSS".replace("-", "−") if d == d else "" for d in rows["distance"].astype(float)],
    )
    what = "mean effect" if effect == "deep_mean" else "effect"
    hover = (
        "<b>%{customdata[1]}</b>  %{customdata[2]}"
        f"<br>model's {what} %{{customdata[3]}} (noise)"
        "<br>eQTL slope %{customdata[4]}, q %{customdata[5]}"
        "<br>%{customdata[6]}"
    )
    x, y = values.clipped
    return Points(rows.index, x, y, hover, extra)


def _written(values: Iterable[float]) -> list[str]:
    return [f"{v:.2g}".replace("-", "−") if np.isfinite(v) else "unknown" for v in values]


def _add_bars(trace: go.Scatter, rows: pd.DataFrame, *, with_bar: np.ndarray) -> None:
    """Give some points of a trace their error bars."""
    style = {"type": "data", "width": 3, "thickness": 1, "color": theme.QUIET}
    for axis, half in (("error_x", rows["deep_noise"]), ("error_y", NORMAL * rows["se"])):
        trace[axis] = style | {"array": np.where(with_bar, half.to_numpy(dtype=float), np.nan)}


def _mark_quadrants(figure: go.Figure, values: _Values) -> None:
    """Draw the zero lines, shade where model and people disagree, say what the corners mean and how many are there."""
    reach = values.reach
    figure.update_xaxes(range=[-reach[0], reach[0]], zeroline=True, zerolinewidth=1.5)
    figure.update_yaxes(range=[-MARGIN * reach[1], MARGIN * reach[1]], zeroline=True, zerolinewidth=1.5)
    for across, up in ((1, -1), (-1, 1)):
        ends = {"x0": 0, "y0": 0, "x1": across * reach[0], "y1": up * reach[1]}
        figure.add_shape(
            type="rect", **ends, fillcolor=theme.VERMILLION, opacity=0.06, line={"width": 0}, layer="below"
        )
    for edge in (-reach[1], reach[1]):
        dots = {"color": theme.AXIS, "width": 1, "dash": "dot"}
        figure.add_shape(type="line", x0=-reach[0], x1=reach[0], y0=edge, y1=edge, line=dots, layer="below")
    corners = [
        (1, 1, "both: ALT raises"),
        (-1, 1, "people: ALT raises<br>model: ALT lowers"),
        (1, -1, "people: ALT lowers<br>model: ALT raises"),
        (-1, -1, "both: ALT lowers"),
    ]
    for across, up, text in corners:
        count = int(((np.sign(values.x) == across) & (np.sign(values.y) == up)).sum())
        share = words.percent(count / len(values.x) if len(values.x) else np.nan)
        figure.add_annotation(
            x=0.99 if across > 0 else 0.01, y=0.99 if up > 0 else 0.01, xref="paper", yref="paper",
            xanchor="right" if across > 0 else "left", yanchor="top" if up > 0 else "bottom",
            align="right" if across > 0 else "left", text=f"{text}<br><b>{count:,}</b> ({share})",
            showarrow=False, font={"size": 11, "color": theme.QUIET}, bgcolor="white", borderpad=1,
        )  # fmt: skip


def _count(table: pd.DataFrame, effect: str, *, known: np.ndarray) -> str:
    """Say how many are drawn, and why the others are not."""
    text = f"n = {int(known.sum()):,} pairs of gene and variant"
    no_effect = ~np.isfinite(table[effect].to_numpy(dtype=float))
    missing = [(int(no_effect.sum()), "a predicted effect"), (int((~known & ~no_effect).sum()), "an eQTL slope")]
    if not known.all():
        text += " (not drawn: " + ", ".join(f"{n:,} without {what}" for n, what in missing if n) + ")"
    nothing = int(((table[effect] == 0) | (table["slope"] == 0))[known].sum())
    return text + (f"; {nothing:,} with an effect or slope of 0, in no quadrant" if nothing else "")
