"""The Session page: the story and the kept views, the notes, and what is shared."""

from __future__ import annotations

import streamlit as st

from gexviz.ui import session_notes, session_open, session_share, session_story
from gexviz.ui.frame import View, readable
from gexviz.ui.keeping import draft_of


def body(view: View) -> None:
    """Draw the page below the header."""
    draft = draft_of(view.study)
    state = draft.state()
    st.header("Session", anchor=False)
    views, notes, sharing, received = st.tabs(["Story and views", "Notes", "Share", "Open a file"], key="session_tabs")
    with views, readable("the story"):
        session_story.story(draft, state)
        session_story.views(view.opened, draft, state)
    with notes, readable("the notes"):
        session_notes.all_notes(view.opened, draft)
    with sharing, readable("what is shared"):
        session_share.share(view, draft, state)
    with received, readable("the file"):
        session_open.open_file(view, draft)
