"""One variant from two sides: what its carriers express, and what the model predicts for them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from gexviz.figures import theme, words
from gexviz.figures.comparison import Labels
from gexviz.figures.dosage import by_dosage, slope


def two_sides(
    table: pd.DataFrame,
    variant: str,
    model: str,
    *,
    colour_by: str | None = None,
    selected: Collection[str] | None = None,
    labels: Labels | None = None,
    lines: Sequence[str] = (),
) -> go.Figure:
    """Plot observed expression and a prediction by the same people's dosage, side by side.

    Parameters
    ----------
    table : DataFrame
        Index sample; ``observed``, a column `model`, and a column named after the variant with copies of ALT (NaN: no
        call).
    variant : str
        contig:pos:ref:alt, 1-based.
    model : str
    colour_by : str, optional
        Column of labels to colour the people by.
    selected : collection of str, optional
        Sample ids to show as selected, on both sides.
    labels : Labels, optional
    lines : sequence of str
        Below the title, as why the two differ; wrapped.

    Returns
    -------
    Figure
        ``customdata[0]`` of each point is the sample id. Each side has its slope with its 95% interval.
    """
    labels = labels or Labels()
    sides = {"observed": "observed", model: f"predicted by {labels.model or model}"}
    titles = [_side_title(table, variant, column, name) for column, name in sides.items()]
    figure = make_subplots(rows=1, cols=2, subplot_titles=titles, horizontal_spacing=0.16)
    for column, value in enumerate(sides, start=1):
        side = by_dosage(table, variant, value=value, colour_by=colour_by, selected=selected, labels=labels)
        for trace in side.data:
            grouped = trace.customdata is not None
            options = {"legendgroup": trace.name, "showlegend": column == 1} if grouped else {}
            figure.add_trace(trace.update(options), row=1, col=column)
        ticks = [_narrow(tick) for tick in side.layout.xaxis.ticktext]
        figure.update_xaxes(side.layout.xaxis, ticktext=ticks, row=1, col=column)
        scale = labels.observed if column == 1 else labels.predicted
        title = words.wrapped(f"{'observed' if column == 1 else 'predicted'} ({scale})", 34)
        figure.update_yaxes(title_text="<br>".join(map(words.safe, title)), row=1, col=column)
    figure.update_annotations(font={"size": 12, "color": theme.INK}, yshift=4)
    legend = {"title": {"text": words.safe(colour_by or "")}, "y": -0.26}
    figure.update_layout(showlegend=colour_by is not None, legend=legend)
    heading = " · ".join(part for part in (labels.gene, words.variant_name(variant)) if part)
    short = [part for line in lines for part in words.wrapped(line)]
    room = theme.LINE * max(title.count("<br>") + 1 for title in titles)
    return theme.finish(figure, heading, short, height=470, room=room, selectable=True)


def _narrow(tick: str) -> str:
    """Break a genotype's tick, so that three fit half a figure."""
    return tick.replace(" · ", "<br>")


def _side_title(table: pd.DataFrame, variant: str, column: str, name: str) -> str:
    """Say a side's slope in three lines."""
    found = slope(table[variant].to_numpy(dtype=float), table[column].to_numpy(dtype=float))
    count = f"n = {found.n:,} people"
    if np.isnan(found.value):
        parts = ["no slope: genotype or value does not vary", count]
    else:
        digits = 2 if abs(found.value) >= 0.1 else 4
        low, high = (words.number(bound, digits) for bound in (found.low, found.high))
        parts = [f"slope {words.number(found.value, digits)} a copy [{low}, {high}]"]
        parts += [f"{count}, {words.p_value(found.p)}"]
    short = [words.safe(line) for part in parts for line in words.wrapped(part, 40)]
    return "<br>".join([f"<b>{'<br>'.join(words.safe(line) for line in words.wrapped(name, 40))}</b>", *short])
