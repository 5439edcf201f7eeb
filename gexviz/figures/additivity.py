"""How additive a model is in a window: the sum of single effects against the full prediction."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from gexviz.figures import theme, words
from gexviz.figures.comparison import Labels
from gexviz.figures.dosage import slope
from gexviz.figures.points import Points, groups_of, point_trace


def additivity_figure(
    table: pd.DataFrame,
    *,
    colour_by: str | None = None,
    selected: Collection[str] | None = None,
    labels: Labels | None = None,
) -> go.Figure:
    """Plot each person's full prediction against the sum of its variants' effects.

    Parameters
    ----------
    table : DataFrame
        Index sample; ``additive`` (baseline plus the sum of dosage x effect) and ``full`` (the prediction of the
        person's haplotypes), on one scale; and the column to colour by.
    colour_by : str, optional
        Column of labels.
    selected : collection of str, optional
        Sample ids to show as selected.
    labels : Labels, optional
        ``predicted`` is the scale of both axes.

    Returns
    -------
    Figure
        ``customdata[0]`` of each point is the sample id. The title has r, the slope of full on additive with its 95%
        interval, and n. The dashed line is where both are the same.
    """
    labels = labels or Labels()
    x, y = table["additive"].to_numpy(dtype=float), table["full"].to_numpy(dtype=float)
    both = np.isfinite(x) & np.isfinite(y)
    hover = "additive %{x:.5g}<br>full %{y:.5g}"
    points = Points(table.index, x, y, hover)
    figure = go.Figure()
    if both.any():
        figure.add_trace(_identity(np.concatenate([x[both], y[both]])))
    for group in groups_of(table, colour_by):
        figure.add_trace(point_trace(points, group, selected))
    figure.update_xaxes(title_text=words.axis_title("baseline + sum of dosage × effect", labels.predicted))
    figure.update_yaxes(title_text=words.axis_title("full prediction", labels.predicted))
    legend = {"title": {"text": words.safe(colour_by or "")}}
    figure.update_layout(showlegend=colour_by is not None, legend=legend)
    heading = " · ".join(part for part in (labels.gene, labels.model, "how additive") if part)
    lines = _lines(x, y) + words.wrapped("dashed: full = additive")
    return theme.finish(figure, heading, lines, height=400, selectable=True)


def _lines(x: np.ndarray, y: np.ndarray) -> list[str]:
    """Say r, slope and n."""
    both = np.isfinite(x) & np.isfinite(y)
    found = slope(x, y)
    count = f"n = {int(both.sum()):,} people"
    if np.isnan(found.value):
        return words.wrapped(f"r undefined: fewer than 3 people, or no variation; {count}")
    r = float(np.corrcoef(x[both], y[both])[0, 1])
    bounds = ", ".join(words.number(bound) for bound in (found.low, found.high))
    return words.wrapped(f"r = {words.number(r, 3)}, slope {words.number(found.value)} [{bounds}], {count}")


def _identity(values: np.ndarray) -> go.Scatter:
    ends = [values.min(), values.max()]
    return go.Scatter(
        x=ends,
        y=ends,
        mode="lines",
        line={"color": theme.QUIET, "width": 1.5, "dash": "dash"},
        hoverinfo="skip",
        showlegend=False,
        name="full = additive",
    )
