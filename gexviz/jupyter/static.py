"""What a view is without a kernel: on GitHub, through nbconvert, in an editor. No person's id is in it."""

from __future__ import annotations

import base64
import html
import importlib.util
import json
from functools import cache
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from gexviz.lazy import lazy

kaleido = lazy("kaleido")
kaleido_errors = lazy("kaleido.errors")

PLOTLY = "application/vnd.plotly.v1+json"
WIDTH = 960
ROWS = 40
"""Rows of a table that are kept in a notebook."""


def static_bundle(figure: go.Figure, table: pd.DataFrame | None = None) -> dict[str, Any]:
    """Make what stands for a view where it can't be shown.

    Parameters
    ----------
    figure : Figure
    table : DataFrame, optional
        What the view is a table of, if it is one.

    Returns
    -------
    dict
        MIME type -> content. With kaleido and a browser (``pip install gexviz[static]``) a picture: as ``image/png``,
        or inside ``text/html`` above the table. Without, Plotly's JSON for editors that draw it, and the table or a
        line that says what is missing.
    """
    picture = png(figure)
    if picture is not None and table is None:
        return {"image/png": picture}
    if picture is not None:
        image = f'<img alt="{html.escape(title_of(figure))}" width="{WIDTH}" src="data:image/png;base64,{picture}">'
        return {"text/html": image + table_html(table)}
    if table is None:
        lines = f"<p>{html.escape(title_of(figure))}</p><p>(a figure: run the cell, or install gexviz[static])</p>"
        return {PLOTLY: nameless(figure), "text/html": lines}
    return {PLOTLY: nameless(figure), "text/html": table_html(table)}


def png(figure: go.Figure) -> str | None:
    """Draw a figure as PNG in base64; None without kaleido or a browser for it."""
    if not _can_draw():
        return None
    size = {"format": "png", "width": WIDTH, "height": int(figure.layout.height or 480), "scale": 1.5}
    return base64.b64encode(kaleido.calc_fig_sync(figure.to_dict(), opts=size)).decode()


@cache
def _can_draw() -> bool:
    """Start a browser that stays for the next pictures, once; it loads nothing from elsewhere."""
    if importlib.util.find_spec("kaleido") is None:
        return False
    try:
        kaleido.start_sync_server(page_generator=kaleido.PageGenerator(mathjax=False), silence_warnings=True)
        kaleido.calc_fig_sync(go.Figure().to_dict(), opts={"format": "png", "width": 10, "height": 10})
    except kaleido_errors.ChromeNotFoundError:
        return False
    return True


def nameless(figure: go.Figure) -> dict[str, Any]:
    """A figure's JSON without what hover labels say: there stand the ids of people."""
    bare = go.Figure(figure)
    for trace in bare.data:
        trace.update(customdata=None, hovertemplate=None, selectedpoints=None)
        if trace.type in ("scatter", "scattergl"):
            trace.update(ids=None, text=None)
    return json.loads(bare.to_json())


def table_html(table: pd.DataFrame | None) -> str:
    """The first rows of a table; everything in it is text."""
    if table is None:
        return ""
    more = f"<p>{ROWS} of {len(table):,} rows</p>" if len(table) > ROWS else ""
    return table.head(ROWS).to_html(float_format="{:.3g}".format, na_rep="", border=0) + more


def title_of(figure: go.Figure) -> str:
    """A figure's heading as plain text."""
    text = str(figure.layout.title.text or "a figure")
    return html.unescape(text.partition("</b>")[0].replace("<b>", "").replace("<br>", " "))
