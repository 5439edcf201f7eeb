"""Predicted against observed expression of one gene, one point a person.

The prediction is on x, expression on y: the line through the points is the regression of expression on the prediction,
and models beside each other share the axis of expression.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from gexviz.analysis.evaluation import evaluate_genes
from gexviz.figures import theme, words
from gexviz.figures.points import Points, groups_of, point_trace


class Labels(NamedTuple):
    """What a figure is of, in words.

    Attributes
    ----------
    gene : str
    predicted : str
        Scale of the prediction, with its unit.
    observed : str
        Scale of expression, with its unit.
    model : str
        The model's name as shown; the column's if empty.
    """

    gene: str = ""
    predicted: str = "model's scale"
    observed: str = "as transformed"
    model: str = ""


def predicted_vs_observed(
    table: pd.DataFrame,
    model: str,
    *,
    colour_by: str | None = None,
    selected: Collection[str] | None = None,
    evaluation: pd.Series | None = None,
    labels: Labels | None = None,
) -> go.Figure:
    """Plot one model's predictions of one gene against its expression.

    Parameters
    ----------
    table : DataFrame
        Index sample; ``observed``, a column `model`, and the column to colour by.
    model : str
    colour_by : str, optional
        ``population`` or any column of labels, or a variant id with its dosages as a column.
    selected : collection of str, optional
        Sample ids to show as selected.
    evaluation : Series, optional
        The gene's row of :func:`gexviz.analysis.evaluation.evaluate_genes`; computed from the table, against the
        analytic null, if not given.
    labels : Labels, optional

    Returns
    -------
    Figure
        ``customdata[0]`` of each point is the sample id. The title has r with its 95% interval, n, p and the null.
    """
    labels = labels or Labels()
    row = _evaluated(table, model) if evaluation is None else evaluation
    figure = go.Figure()
    for trace in _traces(table, model, colour_by, selected):
        figure.add_trace(trace)
    figure.update_xaxes(title_text=words.axis_title("predicted", labels.predicted), range=_range(table, model, row))
    figure.update_yaxes(title_text=words.axis_title("observed", labels.observed))
    figure.update_layout(legend={"title": {"text": _legend_title(colour_by)}}, showlegend=colour_by is not None)
    heading = " · ".join(part for part in (labels.gene, labels.model or model) if part)
    lines = words.wrapped(words.correlation(row)) + words.wrapped(words.evidence(row))
    return theme.finish(figure, heading, lines, height=400, selectable=True)


def side_by_side(
    table: pd.DataFrame,
    models: Sequence[str],
    *,
    colour_by: str | None = None,
    selected: Collection[str] | None = None,
    scales: Mapping[str, str] | None = None,
    gene: str = "",
    observed: str = "as transformed",
) -> go.Figure:
    """Plot several models of one gene beside each other, on one axis of expression.

    Parameters
    ----------
    table, colour_by, selected
        As in :func:`predicted_vs_observed`.
    models : sequence of str
        Columns; two a row.
    scales : mapping, optional
        Model -> scale of its prediction.
    gene, observed : str
        As in :class:`Labels`.

    Returns
    -------
    Figure
    """
    columns = min(2, max(1, len(models)))
    rows = -(-len(models) // columns) or 1
    found = {model: _evaluated(table, model) for model in models}
    titles = [_panel_title(model, found[model]) for model in models]
    figure = make_subplots(
        rows=rows,
        cols=columns,
        shared_yaxes="all",
        subplot_titles=titles,
        horizontal_spacing=0.06,
        vertical_spacing=0.46 / rows,
    )
    legend_shown: set[str] = set()
    for place, model in enumerate(models):
        row, column = place // columns + 1, place % columns + 1
        for trace in _traces(table, model, colour_by, selected):
            if trace.legendgroup:
                trace.showlegend = trace.legendgroup not in legend_shown
                legend_shown.add(trace.legendgroup)
            figure.add_trace(trace, row=row, col=column)
        scale = words.wrapped((scales or {}).get(model, "model's scale"), 34)
        title = "<br>".join(["predicted", *(words.safe(line) for line in scale)])
        figure.update_xaxes(title_text=title, range=_range(table, model, found[model]), row=row, col=column)
        if column == 1:
            figure.update_yaxes(title_text=words.axis_title("observed", observed), row=row, col=column)
    figure.update_annotations(font={"size": 12, "color": theme.INK}, yshift=4)
    figure.update_layout(
        legend={"title": {"text": _legend_title(colour_by)}, "y": -0.3 / rows}, showlegend=colour_by is not None
    )
    heading = f"{gene}: observed against predicted" if gene else "Observed against predicted"
    lines = ["one point a person; r with 95% interval"]
    return theme.finish(figure, heading, lines, height=50 + 400 * rows, room=3 * theme.LINE + 12, selectable=True)


def _traces(
    table: pd.DataFrame, model: str, colour_by: str | None, selected: Collection[str] | None
) -> list[go.Scatter]:
    """Draw a trace a group, then the line."""
    x, y = table[model].to_numpy(dtype=float), table["observed"].to_numpy(dtype=float)
    points = Points(table.index, x, y, "predicted %{x:.4g}<br>observed %{y:.3f}")
    traces = [
        point_trace(points, group, selected, legendgroup=group.name) for group in groups_of(table, colour_by)
    ]
    line = _regression_line(x, y)
    return traces if line is None else [*traces, line]


def _regression_line(x: np.ndarray, y: np.ndarray) -> go.Scatter | None:
    """Draw the least-squares line of expression on the prediction, where there is one."""
    both = np.isfinite(x) & np.isfinite(y)
    x, y = x[both], y[both]
    if len(x) < 2 or np.ptp(x) <= 1e-6 * np.abs(x).max():
        return None
    centred = x - x.mean()
    slope = centred @ y / (centred @ centred)
    ends = np.array([x.min(), x.max()])
    return go.Scatter(
        x=ends,
        y=y.mean() + slope * (ends - x.mean()),
        mode="lines",
        line={"color": theme.QUIET, "width": 1.5, "dash": "dash"},
        hoverinfo="skip",
        showlegend=False,
        name="regression",
    )


def _evaluated(table: pd.DataFrame, model: str) -> pd.Series:
    return evaluate_genes(table[[model]].T, table[["observed"]].T.set_axis([model])).iloc[0]


def _range(table: pd.DataFrame, model: str, row: pd.Series) -> list[float] | None:
    """Give a constant prediction an axis on which it is one, not a magnified rounding error."""
    values = table[model].dropna()
    if row["status"] == "ok" or values.empty or "prediction" not in row["reason"]:
        return None
    middle, half = float(values.mean()), max(0.5, 0.1 * float(values.abs().max()))
    return [middle - half, middle + half]


def _panel_title(model: str, row: pd.Series) -> str:
    lines = [words.correlation(row), *words.evidence(row).split(", ", 1)]
    lines = [words.safe(short) for line in lines for short in words.wrapped(line, 36)]
    return "<br>".join([f"<b>{words.safe(model)}</b>", *lines])


def _legend_title(colour_by: str | None) -> str:
    return "" if colour_by is None else words.safe(words.variant_name(colour_by))
