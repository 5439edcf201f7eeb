"""Predicted against observed expression of one gene as numbers of people in boxes: no point is a person."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.colors import sample_colorscale

from gexviz.figures import theme, words
from gexviz.figures.comparison import Labels

THIN = 0.012
"""Least side of a box, as a share of its axis: a prediction that is the same for everybody has none."""

SCALE = [[0.0, "#e3eef6"], [0.5, "#7fb3d5"], [1.0, "#0b4f7d"]]
DARK = 0.55
"""Share of the densest box from which its number is written in white."""


def binned_people(
    bins: pd.DataFrame, model: str, *, evaluation: pd.Series | None = None, labels: Labels | None = None
) -> go.Figure:
    """Plot how many people are in each box of prediction and expression.

    Parameters
    ----------
    bins : DataFrame
        Of one gene and model: ``observed_low``, ``observed_high``, ``predicted_low``, ``predicted_high``, ``people``.
        Boxes need not be of one size; where there is none, nobody is, or too few to be told.
    model : str
    evaluation : Series, optional
        The gene's row of :func:`gexviz.analysis.evaluation.evaluate_genes`, of the people themselves: r is not computed
        from boxes.
    labels : Labels, optional

    Returns
    -------
    Figure
        The number of people stands in each box; its colour tells how close together they are, as boxes differ in size.
    """
    labels = labels or Labels()
    boxes = bins[(bins["people"] > 0).to_numpy()]
    left, right = _ends(boxes["predicted_low"], boxes["predicted_high"])
    low, high = _ends(boxes["observed_low"], boxes["observed_high"])
    people = boxes["people"].to_numpy(dtype=float)
    crowded = people / ((right - left) * (high - low)) if len(boxes) else people
    crowded = crowded / crowded.max(initial=1e-300)
    figure = go.Figure()
    if len(boxes):
        figure.add_trace(_boxes((left, right), (low, high), people, crowded))
        _write_numbers(figure, (left + right) / 2, (low + high) / 2, people, crowded)
    figure.update_xaxes(title_text=words.axis_title("predicted", labels.predicted), zeroline=False)
    figure.update_yaxes(title_text=words.axis_title("observed", labels.observed), zeroline=False)
    figure.update_layout(barmode="overlay", bargap=0, showlegend=False)
    heading = " · ".join(part for part in (labels.gene, labels.model or model) if part)
    lines = []
    if evaluation is not None:
        lines = words.wrapped(words.correlation(evaluation)) + words.wrapped(words.evidence(evaluation))
    lines += words.wrapped(
        "number of people in each box; darker: closer together; no box: nobody, or too few to be told"
        if len(boxes)
        else "too few people to be told"
    )
    return theme.finish(figure, heading, lines, height=400)


def _ends(low: pd.Series, high: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Ends of boxes, those without a width given a small one."""
    first, last = low.to_numpy(dtype=float), high.to_numpy(dtype=float)
    whole = float(last.max(initial=-np.inf) - first.min(initial=np.inf)) if len(first) else 0.0
    half = max(THIN * whole, 1e-9 * float(np.abs(first).max(initial=1.0))) / 2
    thin = last - first < 2 * half
    middle = (first + last) / 2
    return np.where(thin, middle - half, first), np.where(thin, middle + half, last)


def _boxes(
    across: tuple[np.ndarray, np.ndarray], up: tuple[np.ndarray, np.ndarray], people: np.ndarray, crowded: np.ndarray
) -> go.Bar:
    (left, right), (low, high) = across, up
    texts = [
        f"<b>{int(n):,} people</b><br>predicted {a:.4g} to {b:.4g}<br>observed {c:.3f} to {d:.3f}".replace("-", "−")
        for n, a, b, c, d in zip(people, left, right, low, high, strict=True)
    ]
    return go.Bar(
        orientation="h",
        base=left,
        x=right - left,
        y=(low + high) / 2,
        width=high - low,
        customdata=texts,
        hovertemplate="%{customdata}<extra></extra>",
        name="people",
        marker={"color": sample_colorscale(SCALE, list(crowded)), "line": {"color": "white", "width": 1}},
    )


def _write_numbers(figure: go.Figure, x: np.ndarray, y: np.ndarray, people: np.ndarray, crowded: np.ndarray) -> None:
    """Write the number of people on each box."""
    figure.add_trace(
        go.Scatter(
            x=x, y=y, mode="text", text=[f"{int(n):,}" for n in people], hoverinfo="skip", showlegend=False,
            textfont={"size": 11, "color": np.where(crowded > DARK, "white", theme.INK).tolist()}, name="numbers",
        )
    )  # fmt: skip
