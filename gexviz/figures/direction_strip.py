"""How often the model has the direction right: by stratum, with intervals, beside 50% and published figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from gexviz.figures import theme, words

ROW = 36
"""Height of a row, px: a line of text, and below it the interval."""

ABOVE = 14
"""px from an interval to the text above it."""

CHANCE = 0.5
LOOKS = {
    "above 50%": (theme.BLUE, "circle"),
    "below 50%": (theme.VERMILLION, "triangle-down"),
    "interval has 50% in it": (theme.QUIET, "square-open"),
}
WHOLE = "all"
HEADINGS = {"distance": "distance to the TSS", "frequency": "rarer allele's frequency", "effect size": "|effect|"}
MORE = "more than"
PUBLISHED = (theme.PURPLE, "diamond-open")


def direction_strip(
    strata: pd.DataFrame,
    *,
    model: str,
    published: pd.DataFrame | None = None,
    unit: str = "",
    title: str = "",
    lines: Sequence[str] = (),
) -> go.Figure:
    """Plot the direction accuracy of each stratum with its interval.

    Parameters
    ----------
    strata : DataFrame
        From :func:`gexviz.analysis.direction.direction_accuracy`: ``by``, ``stratum``, ``low_edge``,
        ``high_edge``, ``n``, ``correct``, ``accuracy`` (a share), ``low``, ``high`` (its 95% interval; NaN where n is
        0), in the order of drawing.
    model : str
    published : DataFrame, optional
        ``name``, ``value`` (a share), ``source``, ``note``, of one figure of
        :func:`gexviz.analysis.published.published_directions`: drawn below, with a line across.
    unit : str
        Of effects.
    title : str
    lines : sequence of str
        Below the title; wrapped.

    Returns
    -------
    Figure
        A row a stratum; ``customdata[0]`` of each point is ``by: name``. Colour and shape tell on which side of 50%
        the interval lies.
    """
    figure = go.Figure()
    rows = strata.reset_index(drop=True)
    places, headings = _places(rows["by"].tolist())
    given = pd.DataFrame(columns=["name", "value", "source", "note"]) if published is None else published
    below = places.max(initial=-1) + 2 + np.arange(len(given))
    if len(given):
        headings.append((float(below[0]) - 1, "published"))
    last = float(max(places.max(initial=0), below.max(initial=0)))
    for name, members in _sides(rows).items():
        if members.any():
            figure.add_trace(_points(rows[members], places[members], name, LOOKS[name]))
    if len(given):
        figure.add_trace(_published(given, below))
    for value in given["value"]:
        dots = {"color": PUBLISHED[0], "width": 1, "dash": "dot"}
        figure.add_shape(type="line", x0=value, x1=value, y0=-0.9, y1=last + 0.5, line=dots, layer="below")
    dashes = {"color": theme.INK, "width": 1.5, "dash": "dash"}
    figure.add_shape(type="line", x0=CHANCE, x1=CHANCE, y0=-0.9, y1=last + 0.5, line=dashes, layer="below")
    at = [*places, *below]
    names = [*map(_row_name, rows.to_dict("records")), *given["name"]]
    numbers = [*_said(rows), *map(_exact, given["value"], given["note"])]
    bold = [(place, f"<b>{words.safe(HEADINGS.get(kind, kind))}</b>") for place, kind in headings]
    figure.update_layout(
        annotations=[
            *(_beside(place, words.safe(text), "left") for place, text in zip(at, names, strict=True)),
            *(_beside(place, words.safe(text), "right") for place, text in zip(at, numbers, strict=True)),
            *(_beside(place, text, "left") for place, text in bold),
        ]
    )
    figure.update_yaxes(visible=False, range=[last + 0.5, -0.9], fixedrange=True)
    figure.update_xaxes(
        range=[-0.02, 1.02], tickformat=".0%", zeroline=False, fixedrange=True,
        title_text="pairs of gene and variant whose direction<br>the model has right",
    )  # fmt: skip
    short = [part for line in lines for part in words.wrapped(line)]
    short += words.wrapped(f"|effect|: {unit}") if unit and "effect size" in set(rows["by"]) else []
    short += words.wrapped("bars: 95% interval; dashed: 50%" + ("; dotted: published figures" if len(given) else ""))
    plot = int(ROW * (last + 1.4))
    theme.finish(figure, title or f"{model}: direction against eQTLs", short, height=plot + 120)
    figure.update_layout(margin={"b": 120, "l": 12, "r": 12}, legend={"y": -76 / plot})
    return figure


def _places(by: list[str]) -> tuple[np.ndarray, list[tuple[float, str]]]:
    """Height of each row, a line being left free for the name of each kind of strata."""
    places: list[float] = []
    headings = []
    at = -1.0
    for number, kind in enumerate(by):
        if kind != WHOLE and (number == 0 or kind != by[number - 1]):
            at += 1
            headings.append((at, kind))
        at += 1
        places.append(at)
    return np.array(places), headings


def _sides(rows: pd.DataFrame) -> dict[str, np.ndarray]:
    """Rows on each side of 50%; those of no pair are on none."""
    low, high = rows["low"].to_numpy(dtype=float), rows["high"].to_numpy(dtype=float)
    above, below = low > CHANCE, high < CHANCE
    return dict(zip(LOOKS, (above, below, np.isfinite(low) & ~above & ~below), strict=True))


def _points(rows: pd.DataFrame, places: np.ndarray, name: str, look: tuple[str, str]) -> go.Scatter:
    accuracy, low, high = (rows[column].to_numpy(dtype=float) for column in ("accuracy", "low", "high"))
    marker = theme.look(look, size=10) | {"opacity": 1}
    data = [
        [words.safe(f"{row['by']}: {_row_name(row)}"), f"{int(row['correct']):,} of {int(row['n']):,}"]
        for row in rows.to_dict("records")
    ]
    bars = {
        "type": "data", "symmetric": False, "thickness": 1.6, "width": 4, "color": look[0],
        "array": high - accuracy, "arrayminus": accuracy - low,
    }  # fmt: skip
    return go.Scatter(
        x=accuracy,
        y=places,
        mode="markers",
        marker=marker,
        error_x=bars,
        customdata=data,
        hovertemplate="<b>%{customdata[0]}</b><br>%{customdata[1]} right: %{x:.1%}<extra></extra>",
        name=name,
    )


def _published(given: pd.DataFrame, places: np.ndarray) -> go.Scatter:
    return go.Scatter(
        x=given["value"].to_numpy(dtype=float),
        y=places,
        mode="markers",
        marker=theme.look(PUBLISHED, size=10) | {"opacity": 1},
        customdata=[
            [words.safe(row["name"]), _exact(row["value"], row["note"]), words.safe(row["source"])]
            for row in given.to_dict("records")
        ],
        hovertemplate="<b>%{customdata[0]}</b>: %{customdata[1]}<br>%{customdata[2]}<extra></extra>",
        name="published",
    )


def _beside(place: float, text: str, side: Literal["left", "right"]) -> dict[str, Any]:
    """Write above a row, at one end of it."""
    return {
        "x": 0 if side == "left" else 1, "xref": "paper", "xanchor": side, "y": place, "yref": "y", "yanchor": "middle",
        "yshift": ABOVE, "text": text, "showarrow": False, "font": {"size": 12, "color": theme.INK},
        "bgcolor": "rgba(255,255,255,0.85)", "borderpad": 0,
    }  # fmt: skip


def _said(rows: pd.DataFrame) -> list[str]:
    """Accuracy, interval and count of each row."""
    texts = []
    for row in rows.to_dict("records"):
        if not row["n"]:
            texts.append("no pair")
            continue
        low, high = (f"{100 * row[bound]:.0f}" for bound in ("low", "high"))
        texts.append(f"{words.percent(row['accuracy'])} [{low}, {high}], n = {int(row['n']):,}")
    return texts


def _exact(value: float, note: str) -> str:
    return f"{note if note == MORE else ''} {100 * value:.3g}%".strip()


def _row_name(row: Mapping[Any, Any]) -> str:
    """Name a stratum: by its edges where it has them, in units that are easy to read."""
    low, high = float(row["low_edge"]), float(row["high_edge"])
    write = WRITTEN.get(row["by"])
    if write is None or np.isnan(low):
        return str(row["stratum"])
    return f"{write(low)} or more" if np.isinf(high) else f"{write(low)} to {write(high)}"


def _base_pairs(value: float) -> str:
    return f"{value:,.4g} bp" if value < 1000 else f"{value / 1000:,.4g} kb"


def _size(value: float) -> str:
    return f"{value:.2g}".replace("-", "−")


WRITTEN = {"distance": _base_pairs, "frequency": words.percent, "effect size": _size}
"""How edges of strata are written."""
