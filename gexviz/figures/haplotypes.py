"""What a model predicts for each of a person's two copies of a gene."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from gexviz.figures import theme, words
from gexviz.figures.comparison import Labels
from gexviz.figures.points import Points, groups_of, point_trace

GOLDEN_ANGLE = 2.399963229728653


def copy_against_copy(
    table: pd.DataFrame,
    model: str,
    *,
    colour_by: str | None = None,
    selected: Collection[str] | None = None,
    labels: Labels | None = None,
) -> go.Figure:
    """Plot the prediction of the second copy against that of the first, one point a person.

    People with the same two haplotypes stand on one spot; they are spread around it like seeds, so that the size of a
    patch shows how many they are. Hover labels give the true values.

    Parameters
    ----------
    table : DataFrame
        Index sample; ``MODEL_haplotype_1``, ``MODEL_haplotype_2``, and the column to colour by.
    model : str
    colour_by, selected, labels
        As in :func:`gexviz.figures.comparison.predicted_vs_observed`.

    Returns
    -------
    Figure
        ``customdata[0]`` of each point is the sample id.
    """
    labels = labels or Labels()
    first, second = (table[f"{model}_haplotype_{copy}"].to_numpy(dtype=float) for copy in (1, 2))
    known = np.isfinite(first) & np.isfinite(second)
    step = _span(np.concatenate([first[known], second[known]])) / 150
    x, y = _seeds(first, second, step)
    hover = "copy 1 %{customdata[1]:.4g}<br>copy 2 %{customdata[2]:.4g}"
    figure = go.Figure()
    for group in groups_of(table, colour_by):
        points = Points(table.index, x, y, hover, (first, second))
        figure.add_trace(point_trace(points, group, selected))
    if known.any():
        low, high = float(min(x[known].min(), y[known].min())), float(max(x[known].max(), y[known].max()))
        pad = 0.06 * ((high - low) or 1.0)
        ends = [low - pad, high + pad]
        line = {"color": theme.AXIS, "width": 1, "dash": "dot"}
        figure.add_shape(type="line", x0=ends[0], y0=ends[0], x1=ends[1], y1=ends[1], line=line, layer="below")
        figure.update_xaxes(range=ends)
        figure.update_yaxes(range=ends)
    figure.update_xaxes(title_text=words.axis_title("copy 1", labels.predicted))
    figure.update_yaxes(title_text=words.axis_title("copy 2", labels.predicted))
    title = words.safe(words.variant_name(colour_by)) if colour_by else ""
    figure.update_layout(legend={"title": {"text": title}}, showlegend=colour_by is not None)
    values = np.unique(_rounded(np.concatenate([first[known], second[known]])))
    differ = int((_rounded(first) != _rounded(second))[known].sum())
    line_text = f"n = {int(known.sum()):,} people; {differ:,} with different predictions for their copies"
    lines = words.wrapped(f"{line_text}; {len(values):,} distinct predictions. Points on one spot are spread.")
    heading = " · ".join(p for p in (labels.gene, labels.model or model, "the two copies") if p)
    return theme.finish(figure, heading, lines, height=420, selectable=True)


def distinct_predictions(table: pd.DataFrame, model: str, *, labels: Labels | None = None) -> go.Figure:
    """Plot how many copies in the cohort have each distinct prediction.

    Parameters
    ----------
    table : DataFrame
        Index sample; ``MODEL_haplotype_1``, ``MODEL_haplotype_2``; ``population``, if there, parts the bars.
    model : str
    labels : Labels, optional

    Returns
    -------
    Figure
        Haplotypes with the same prediction (to 6 digits) are one stem. ``customdata[0]`` of each is its value.
    """
    labels = labels or Labels()
    copies = pd.concat([table[f"{model}_haplotype_1"], table[f"{model}_haplotype_2"]]).dropna()
    values = pd.Series(_rounded(copies.to_numpy(dtype=float)), copies.index)
    counts = values.value_counts().sort_index()
    where = pd.Series("", counts.index)
    if "population" in table:
        by = pd.crosstab(values, table["population"].reindex(values.index))
        where = by.apply(lambda row: "<br>".join(f"{words.safe(p)}: {n:,}" for p, n in row.items() if n), axis=1)
    figure = go.Figure()
    stems = np.array([[v, v, np.nan] for v in counts.index]).ravel()
    heights = np.array([[0, n, np.nan] for n in counts]).ravel()
    line = {"color": theme.BLUE, "width": 2}
    figure.add_trace(go.Scatter(x=stems, y=heights, mode="lines", line=line, hoverinfo="skip", showlegend=False))
    figure.add_trace(
        go.Scatter(
            x=counts.index.to_numpy(),
            y=counts.to_numpy(),
            mode="markers",
            marker=theme.look(theme.group_look(0), size=9),
            customdata=[[f"{v:.9g}", text] for v, text in where.items()],
            hovertemplate="predicted %{x:.5g}<br>%{y:,} copies<br>%{customdata[1]}<extra></extra>",
            showlegend=False,
        )
    )
    figure.update_xaxes(title_text=words.axis_title("prediction of one copy", labels.predicted))
    figure.update_yaxes(title_text="copies in the cohort", rangemode="tozero")
    heading = " · ".join(p for p in (labels.gene, labels.model or model, "distinct predictions") if p)
    common = f"; the commonest has {words.percent(counts.max() / counts.sum())}" if len(counts) else ""
    lines = words.wrapped(f"n = {len(values):,} copies, {len(counts):,} distinct predictions{common}")
    return theme.finish(figure, heading, lines, height=320)


def _rounded(values: np.ndarray) -> np.ndarray:
    """Round to 6 significant digits of the largest, so that noise of the last float32 digit makes no new value."""
    finite = values[np.isfinite(values)]
    largest = np.abs(finite).max(initial=0.0)
    return values if largest == 0 else np.round(values, int(5 - np.floor(np.log10(largest))))


def _span(values: np.ndarray) -> float:
    return float(np.ptp(values)) or 1.0 if values.size else 1.0


def _seeds(first: np.ndarray, second: np.ndarray, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Move points that coincide apart, in a sunflower's spiral around their spot."""
    spots = pd.DataFrame({"x": _rounded(first), "y": _rounded(second)})
    turn = spots.groupby(["x", "y"]).cumcount().to_numpy()
    radius, angle = step * np.sqrt(turn), turn * GOLDEN_ANGLE
    return first + radius * np.cos(angle), second + radius * np.sin(angle)
