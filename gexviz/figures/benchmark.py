"""The three rows of the field's benchmark table, ours with intervals beside the published figures."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from gexviz.figures import theme, words

ROWS = {
    "reference": "Reference correlation: one r over genes",
    "across genes": "Across genes: mean over people",
    "across individuals": "Across people: mean over genes",
}


CAUTION = (
    "Bars: 95% intervals; those of means take people or genes as independent. "
    "Published figures are of other cohorts, genes or tissues."
)


def benchmark_figure(table: pd.DataFrame) -> go.Figure:
    """Plot :func:`gexviz.analysis.benchmark.benchmark_rows` of one or several models.

    Parameters
    ----------
    table : DataFrame
        Rows of one model or of several, stacked.

    Returns
    -------
    Figure
        A panel a row of the benchmark, a line a model: filled circles with intervals are this study's, open diamonds
        are published. A model without a value says why.
    """
    models = list(dict.fromkeys(table["model"]))
    figure = make_subplots(
        rows=3, cols=1, shared_xaxes=True, vertical_spacing=0.14, subplot_titles=list(ROWS.values())
    )  # fmt: skip
    first = {c: _first_row_with(table, c) for c in ("published", "value")}
    for number, row in enumerate(ROWS, start=1):
        part = table[table["row"] == row]
        for trace in (_published(part, shown=row == first["published"]), _ours(part, shown=row == first["value"])):
            figure.add_trace(trace, row=number, col=1)
        figure.update_yaxes(
            categoryorder="array", categoryarray=models[::-1], range=[-0.6, len(models) - 0.4], row=number, col=1,
            tickfont={"size": 12, "color": theme.INK},
        )  # fmt: skip
    figure.update_annotations(font={"size": 13, "color": theme.INK}, x=0, xanchor="left", yshift=2)
    for number, row in enumerate(ROWS, start=1):
        for missing in table[(table["row"] == row) & table["value"].isna()].itertuples():
            text = "<br>".join(words.safe(line) for line in words.wrapped(f"no value: {missing.reason}", 44))
            figure.add_annotation(
                x=0.01, xref="x domain", y=missing.model, text=text, showarrow=False, xanchor="left", align="left",
                font={"size": 11, "color": theme.QUIET}, row=number, col=1,
            )  # fmt: skip
    low, high = _range(table)
    figure.update_xaxes(range=[low, high], zeroline=True, showticklabels=True)
    figure.update_xaxes(title_text="correlation", row=3, col=1)
    panel = 34 + 30 * len(models)
    figure.update_layout(legend={"y": -0.62 / (3 + 3 * len(models) / 4)})
    lines = words.wrapped(CAUTION)
    return theme.finish(figure, "Benchmark, ours beside published", lines, height=3 * panel + 174, room=24)


def _first_row_with(table: pd.DataFrame, column: str) -> str | None:
    """The topmost panel that has points of a kind: the legend's item is theirs."""
    return next((row for row in ROWS if table.loc[table["row"] == row, column].notna().any()), None)


def _ours(part: pd.DataFrame, *, shown: bool) -> go.Scatter:
    part = part[part["value"].notna()]
    value = part["value"].to_numpy(dtype=float)
    counts = [f"n = {n:,} {unit}" for n, unit in zip(part["n"], part["unit"], strict=True)]
    bounds = [
        (f"[{words.number(low, 3)}, {words.number(high, 3)}] " if np.isfinite(low) else "") + words.safe(kind)
        for low, high, kind in zip(part["low"], part["high"], part["interval"], strict=True)
    ]
    return go.Scatter(
        x=value,
        y=part["model"],
        mode="markers",
        name="this study",
        legendrank=1,
        legendgroup="ours",
        showlegend=shown,
        marker=theme.look(theme.POSITIVE, size=10),
        error_x={
            "type": "data", "symmetric": False, "array": part["high"].to_numpy(dtype=float) - value,
            "arrayminus": value - part["low"].to_numpy(dtype=float), "color": theme.BLUE, "thickness": 1.6, "width": 4,
        },
        customdata=list(zip(part["model"], bounds, counts, strict=True)),
        hovertemplate="<b>%{customdata[0]}</b><br>%{x:.3f}<br>%{customdata[1]}<br>%{customdata[2]}"
        "<extra>this study</extra>",
    )  # fmt: skip


def _published(part: pd.DataFrame, *, shown: bool) -> go.Scatter:
    part = part[part["published"].notna()]
    about = ["<br>".join(words.safe(line) for line in words.wrapped(f"{r.published_cohort}; {r.published_note}; "
             f"{r.published_source}", 50)) for r in part.itertuples()]  # fmt: skip
    return go.Scatter(
        x=part["published"].to_numpy(dtype=float),
        y=part["model"],
        mode="markers",
        name="published, same family",
        legendgroup="published",
        showlegend=shown,
        marker=theme.look((theme.VERMILLION, "diamond"), filled=False, size=11),
        customdata=list(zip(part["model"], about, strict=True)),
        hovertemplate="<b>%{customdata[0]}</b><br>%{x:.3f}<br>%{customdata[1]}<extra>published</extra>",
    )


def _range(table: pd.DataFrame) -> tuple[float, float]:
    numbers = table[["value", "low", "high", "published"]].to_numpy(dtype=float)
    values = np.append(numbers[np.isfinite(numbers)], [0.0, 0.1])
    pad = 0.06 * float(np.ptp(values))
    return float(values.min()) - pad, float(values.max()) + pad
