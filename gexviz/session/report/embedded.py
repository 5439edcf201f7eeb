"""What is put into the page as data: text that no reader of HTML takes for markup."""

from __future__ import annotations

import json
from typing import Any

import plotly.graph_objects as go
from markupsafe import Markup

_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})


def as_data(value: Any) -> Markup:
    """JSON for a ``script`` element of type ``application/json``; no ``<`` is in it."""
    return Markup(json.dumps(value, ensure_ascii=False, allow_nan=False).translate(_ESCAPES))


def figure_data(figure: go.Figure) -> str:
    """A figure as JSON, likewise. WebGL compiles code, which the page's policy forbids: points are drawn as SVG."""
    plain = figure.to_dict()
    for trace in plain["data"]:
        if trace["type"] == "scattergl":
            trace["type"] = "scatter"
    text: str = go.Figure(plain, skip_invalid=False).to_json(validate=False)
    return text.translate(_ESCAPES)
