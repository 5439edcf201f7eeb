"""A text that is saved when it is changed, and not over what another window wrote meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import streamlit as st

from gexviz.errors import GexvizError
from gexviz.session.draft import Conflict
from gexviz.ui.keeping import typed
from gexviz.ui.messages import error_block

Save = Callable[[str, str], None]
"""Takes the new text and the one that was read before; raises Conflict if it is another one by now."""

_LINE = 200


def saved_text(
    label: str,
    key: str,
    stored: str,
    save: Save,
    *,
    height: int | None = None,
    placeholder: str = "",
    most: int = _LINE,
) -> None:
    """Show a text to edit.

    Parameters
    ----------
    label : str
    key : str
        Of the widget.
    stored : str
        As it is on disk.
    save : callable
    height : int, optional
        Pixels; one line if not given.
    placeholder : str
    most : int
        Characters.
    """
    began = f"began {key}"
    if key not in st.session_state or began not in st.session_state:  # the page has just been entered
        st.session_state[key] = st.session_state[began] = stored
    on_change = partial(_changed, key, save)
    if height is None:
        st.text_input(label, key=key, max_chars=most, placeholder=placeholder, on_change=on_change)
    else:
        st.text_area(label, key=key, max_chars=most, placeholder=placeholder, height=height, on_change=on_change)
    error = st.session_state.get(f"failed {key}")
    if isinstance(error, Conflict):
        _choice(key, stored, save)
    elif error is not None:
        error_block(error)


def _changed(key: str, save: Save) -> None:
    _save(key, save, typed(st.session_state[key] or ""), st.session_state[f"began {key}"])


def _save(key: str, save: Save, text: str, was: str) -> None:
    st.session_state.pop(f"failed {key}", None)
    try:
        save(text, was)
    except GexvizError as error:
        st.session_state[f"failed {key}"] = error
    else:
        st.session_state[key] = st.session_state[f"began {key}"] = text


def _choice(key: str, stored: str, save: Save) -> None:
    """Show what was written elsewhere, beside what is in the box, and let one be chosen."""
    with st.container(border=True, key=f"conflict {key}", gap="small"):
        st.markdown(":material/warning: **Another window changed this text; yours is not saved yet.** It wrote:")
        st.text(stored or "(nothing)")
        with st.container(horizontal=True):
            mine = typed(st.session_state[key] or "")
            st.button("Keep mine", key=f"mine {key}", on_click=partial(_save, key, save, mine, stored))
            st.button("Take theirs", key=f"theirs {key}", on_click=partial(_save, key, save, stored, stored))
            both = f"{stored}\n{mine}"
            st.button("Keep both", key=f"both {key}", on_click=partial(_save, key, save, both, stored))
