"""What a button tried in vain: the reason stays on the page until it is tried again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from gexviz.errors import GexvizError
from gexviz.ui.messages import error_block

_FAILED = "failed {}"


@contextmanager
def trying(what: str) -> Iterator[None]:
    """Do something in a button's callback. An error ends it, and is shown by :func:`failure` from the next run on.

    Parameters
    ----------
    what : str
        Names what is tried, so that one failure isn't shown for another's.
    """
    key = _FAILED.format(what)
    st.session_state.pop(key, None)
    try:
        yield
    except GexvizError as error:
        st.session_state[key] = error


def failure(what: str) -> None:
    """Show why it could not be done when it was tried last, if it couldn't.

    It is not forgotten when shown: a page is drawn anew for many reasons, and an error that is gone before anybody
    could read it was never said.
    """
    error = st.session_state.get(_FAILED.format(what))
    if error is not None:
        error_block(error)
