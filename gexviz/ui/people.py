"""The people who are selected: in any figure, marked in all of them. Kept in the session, never in the URL."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from gexviz.ui.charts import selected_ids

_CHOSEN = "selected_people"
_ORIGIN = "selected_in"
_DRAWN = "selection_as_drawn"
_CLEARED = "selections_cleared"


def chosen(present: pd.Index) -> list[str]:
    """Ids of the selected people who are in a table."""
    there = set(present)
    return [p for p in st.session_state.get(_CHOSEN, []) if p in there]


def take(key: str, content: str) -> None:
    """Take over what was selected in a chart; for its callback.

    Parameters
    ----------
    key : str
        The chart's.
    content : str
        What the chart shows, as given to :func:`marked`.
    """
    ids = sorted(selected_ids(key))
    st.session_state[_CHOSEN] = ids
    st.session_state[_ORIGIN] = (key, content) if ids else None


def marked(key: str, content: str, ids: list[str]) -> list[str]:
    """The people to mark in a chart.

    The chart that they were selected in is drawn as it was: it marks them itself, keeps its box, and a double click in
    it ends the selection. A chart whose figure changes is made anew by Streamlit, and forgets its own selection.

    Parameters
    ----------
    key : str
        The chart's.
    content : str
        Changes whenever the chart shows something else.
    ids : list of str
        The selected people.
    """
    drawn: dict[str, list[str]] = st.session_state.setdefault(_DRAWN, {})
    marks_itself = st.session_state.get(_ORIGIN) == (key, content) and bool(selected_ids(key))
    if not (marks_itself and key in drawn):
        drawn[key] = ids
    return drawn[key]


def forget() -> None:
    """Select nobody."""
    st.session_state[_CHOSEN] = []
    st.session_state[_ORIGIN] = None
    st.session_state[_CLEARED] = cleared() + 1


def cleared() -> int:
    """How often the selection was cleared; a chart with another number in it is made anew."""
    return int(st.session_state.get(_CLEARED, 0))


def note(present: pd.Index) -> None:
    """Say how many are selected, and how to select or forget them."""
    number = len(chosen(present))
    if number:
        text = f"Clear the {number:,} selected people" if number > 1 else "Clear the selected person"
        st.button(text, icon=":material/close:", on_click=forget, key="clear_people")
    else:
        st.caption("Draw a box or a lasso in a figure: the same people are marked in all of them.", width="content")
