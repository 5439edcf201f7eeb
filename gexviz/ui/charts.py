"""Showing Plotly figures in the app's font, without its own theme on top."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import plotly.graph_objects as go
import streamlit as st

_FONT = "Source Sans, Source Sans Pro, Helvetica Neue, Arial, sans-serif"
_CONFIG = {
    "displaylogo": False,
    "modeBarButtonsToRemove": ["autoScale2d", "toggleSpikelines"],
}


def show_chart(
    figure: go.Figure,
    key: str,
    alt: str,
    *,
    on_select: Callable[[], None] | None = None,
    modes: tuple[Literal["points", "box", "lasso"], ...] = ("points", "box", "lasso"),
    image: tuple[Literal["svg", "png"], str] = ("svg", "gexviz"),
) -> None:
    """Show a figure, as wide as its column.

    Parameters
    ----------
    figure : Figure
        Changed in place: its font.
    key : str
        Of the widget; unique on the page.
    alt : str
        What it shows, for those who can't see it.
    on_select : callable, optional
        Called when something was selected or the selection was cleared; reads the event from ``st.session_state[key]``.
    modes : tuple
        What can be selected with.
    image : (str, str)
        Format and name of the file that the camera button saves.
    """
    font = {"family": _FONT}
    figure.update_layout(font=font, hoverlabel={"font": font})
    saved = {"format": image[0], "filename": image[1], "scale": 1 if image[0] == "svg" else 3}
    config = _CONFIG | {"toImageButtonOptions": saved}
    options: dict[str, Any] = {"theme": None, "config": config, "key": key, "alt": alt}
    if on_select is None:
        st.plotly_chart(figure, **options)
    else:
        st.plotly_chart(figure, on_select=on_select, selection_mode=modes, **options)


def selected_ids(key: str) -> list[str]:
    """Stable ids of the points selected in a chart: the first item of their customdata."""
    event = st.session_state.get(key)
    points = event["selection"]["points"] if event else []
    return list(dict.fromkeys(str(_first(point["customdata"])) for point in points if point.get("customdata")))


def _first(customdata: object) -> object:
    """The first item of a list, or of the mapping that Plotly makes of one in some events."""
    if isinstance(customdata, dict):
        return next(iter(customdata.values()))
    return customdata[0] if isinstance(customdata, list | tuple) else customdata
