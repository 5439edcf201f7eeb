"""How all figures look: colours that colour-blind readers can tell apart, symbols, fonts, one template.

What a colour says, a symbol or a pattern says too. Colours are Okabe and Ito's (2008).
"""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

from gexviz.figures import words

INK = "#1f2933"
QUIET = "#5f6c7b"
GRID = "#e6eaee"
AXIS = "#9aa5b1"

BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, BLACK = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000",
)  # fmt: skip

COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, BLACK)
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "star", "triangle-down", "pentagon", "hexagram")
"""Of another length than the colours, so that 63 groups have 63 looks."""

GENOTYPES = ((SKY, "circle"), (ORANGE, "diamond"), (VERMILLION, "square"))
"""Colour and symbol of 0, 1 and 2 copies of ALT."""

MISSING = (AXIS, "x-thin-open")
POSITIVE, NEGATIVE = (BLUE, "circle"), (VERMILLION, "triangle-down")

GL_ABOVE = 2_000
"""Points from which WebGL draws faster than SVG; browsers allow few WebGL figures a page."""

EDGED = 400
"""Points up to which filled symbols have a white edge: without a graphics card 1,000 take half a second to draw."""

FONT = "Arial, sans-serif"
"""Plotly measures legends wrongly with fonts that a machine has not: entries are then cut."""

LINE = 18
"""Height of a line of the title, px."""

_AXIS = {
    "gridcolor": GRID,
    "zerolinecolor": AXIS,
    "zerolinewidth": 1,
    "linecolor": AXIS,
    "showline": True,
    "ticks": "outside",
    "tickcolor": AXIS,
    "ticklen": 4,
    "title": {"font": {"size": 13}, "standoff": 8},
    "tickfont": {"size": 12, "color": QUIET},
    "automargin": True,
    "separatethousands": True,
}

TEMPLATE = go.layout.Template(
    layout={
        "font": {"family": FONT, "size": 13, "color": INK},
        "colorway": COLOURS,
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "margin": {"l": 56, "r": 20, "t": 60, "b": 48},
        "xaxis": _AXIS,
        "yaxis": _AXIS,
        "hoverlabel": {"bgcolor": "white", "bordercolor": AXIS, "font": {"family": FONT, "size": 13, "color": INK}},
        "legend": {
            "orientation": "h", "x": 0, "xanchor": "left", "y": -0.2, "yanchor": "top",
            "font": {"size": 12}, "itemsizing": "constant",
            "title": {"font": {"size": 12, "color": QUIET}, "side": "top"},
        },
        "title": {
            "x": 0, "xref": "container", "xanchor": "left", "yref": "container", "yanchor": "top",
            "pad": {"l": 12}, "font": {"size": 15, "color": INK},
        },
        "modebar": {"bgcolor": "rgba(255,255,255,0)", "color": AXIS, "activecolor": BLUE, "orientation": "v"},
    }
)  # fmt: skip


def look(colour_and_symbol: tuple[str, str], *, filled: bool = True, size: float = 8) -> dict[str, Any]:
    """Make a marker: its colour, its symbol, open or filled."""
    colour, symbol = colour_and_symbol
    if symbol.startswith("triangle"):  # else smaller than the others to the eye
        size *= 1.25
    if not filled and not symbol.endswith("-open"):
        symbol += "-open"
    edge = {"color": "white", "width": 0.7} if filled and "-open" not in symbol else {"color": colour, "width": 1.3}
    return {"color": colour, "symbol": symbol, "size": size, "opacity": 0.85, "line": edge}


def group_look(number: int) -> tuple[str, str]:
    """Colour and symbol of the n-th group."""
    return COLOURS[number % len(COLOURS)], SYMBOLS[number % len(SYMBOLS)]


def finish(
    figure: go.Figure, heading: str, lines: list[str], *, height: int, room: int = 0, selectable: bool = False
) -> go.Figure:
    """Give a figure its template, title and height.

    Parameters
    ----------
    figure : Figure
        Changed in place.
    heading : str
        In bold; wrapped.
    lines : list of str
        Lines below it, already short enough (:func:`gexviz.figures.words.wrapped`).
    height : int
        px, title not counted.
    room : int
        px between the title and the plot, as for titles of panels; counted in `height`.
    selectable : bool
        Whether points can be boxed and clicked.

    Returns
    -------
    Figure
        The same.
    """
    headings = [f"<b>{words.safe(line)}</b>" for line in words.wrapped(heading, words.WIDTH - 8)]
    small = [f"<span style='font-size:13px;color:{QUIET}'>{words.safe(line)}</span>" for line in lines]
    text = "<br>".join(headings + small)
    top = 24 + LINE * (len(headings) + len(lines))
    title = {"text": text, "y": 1 - 24 / (height + top)}  # the baseline of the first line
    figure.update_layout(template=TEMPLATE, title=title, height=height + top, margin={"t": top + room})
    if selectable:
        figure.update_layout(dragmode="select", clickmode="event+select", selectionrevision="kept")
    return figure
