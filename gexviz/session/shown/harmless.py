"""Figures of strangers' text: Plotly takes ``<a href>`` in labels for a link, and no figure of ours has one."""

from __future__ import annotations

import json
import re

import plotly.graph_objects as go

_LINK = re.compile(r"(?:<|\\u003c)(?=\s*a\b)", re.IGNORECASE)


def without_links(figure: go.Figure) -> go.Figure:
    """The same figure; links in its texts are shown as they were typed.

    Parameters
    ----------
    figure : Figure

    Returns
    -------
    Figure
        The very same if it has none.
    """
    text = figure.to_json(validate=False)
    if _LINK.search(text) is None:
        return figure
    return go.Figure(json.loads(_LINK.sub("&lt;", text)))
