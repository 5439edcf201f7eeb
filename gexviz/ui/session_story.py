"""The story of a session and its kept views: to open, to order, to edit, to remove."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import streamlit as st

from gexviz.session.contents import State, View
from gexviz.session.draft import Draft
from gexviz.ui.frame import PAGES
from gexviz.ui.keeping import link_of, name_of
from gexviz.ui.messages import plain
from gexviz.ui.opening import Opened
from gexviz.ui.session_text import saved_text
from gexviz.ui.session_words import what_is_shown
from gexviz.ui.trying import failure, trying

AT_ONCE = 20
"""Views on a page of the list."""

_CHANGING = "views"


def story(draft: Draft, state: State) -> None:
    """Title, question and findings, saved when they are changed."""
    save = draft.set_story
    saved_text("Title", "story_title", state.title, lambda t, was: save(title=t, was=State(title=was)),
               placeholder="What the session is about")  # fmt: skip
    left, right = st.columns(2, gap="medium")
    with left:
        saved_text("Question", "story_question", state.question, most=20_000, height=120,
                   save=lambda t, was: save(question=t, was=State(question=was)))  # fmt: skip
    with right:
        saved_text("Findings", "story_findings", state.findings, most=20_000, height=120,
                   save=lambda t, was: save(findings=t, was=State(findings=was)))  # fmt: skip


def views(opened: Opened, draft: Draft, state: State) -> None:
    """The kept views in order, and those that were removed."""
    failure(_CHANGING)
    number = len(state.views)
    st.subheader("1 kept view" if number == 1 else f"{number:,} kept views", anchor=False)
    if not number:
        where = "the Data, Overview, Gene, Locus or Mismatches page"
        st.info(f"Press “Keep this view” on {where}.", icon=":material/bookmark_add:")
    pages = -(-number // AT_ONCE)
    first = AT_ONCE * (st.pagination(pages, key="views_page") - 1) if pages > 1 else 0
    for at, view in enumerate(state.views[first : first + AT_ONCE], first):
        _view(opened, draft, view, at, number)
    _removed(opened, draft)


def _view(opened: Opened, draft: Draft, view: View, at: int, number: int) -> None:
    page, query = link_of(view)
    path, icon = PAGES[page]
    with st.container(border=True, key=f"view {view.id}", gap="small"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.page_link(path, label=plain(f"{at + 1}. {name_of(view, opened)}"), icon=icon, query_params=query)
            st.space("stretch")
            for label, symbol, to in (("Up", "arrow_upward", at - 1), ("Down", "arrow_downward", at + 1)):
                st.button(
                    label, icon=f":material/{symbol}:", key=f"{label} {view.id}", disabled=not 0 <= to < number,
                    on_click=partial(_change, draft.move, view.id, to), type="tertiary",
                )  # fmt: skip
            st.button(
                "Remove", icon=":material/delete:", key=f"remove {view.id}", type="tertiary",
                on_click=partial(_change, draft.remove, view.id),
            )  # fmt: skip
        st.caption(plain(what_is_shown(view, opened)))
        left, right = st.columns([2, 3], gap="small")
        with left:
            saved_text("Title", f"title {view.id}", view.title, partial(_edit, draft, view, "title"),
                       placeholder=name_of(view, opened))  # fmt: skip
        with right:
            saved_text("Why it matters", f"text {view.id}", view.text, partial(_edit, draft, view, "text"),
                       most=20_000, height=80)  # fmt: skip


def _edit(draft: Draft, view: View, field: str, text: str, was: str) -> None:
    draft.edit(view.model_copy(update={field: text}), view.model_copy(update={field: was}))


def _removed(opened: Opened, draft: Draft) -> None:
    removed = draft.removed()
    if not removed:
        return
    with st.expander(f"{len(removed):,} removed", icon=":material/delete:"):
        for view in removed[:AT_ONCE]:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.button(
                    "Restore", icon=":material/undo:", key=f"restore {view.id}",
                    on_click=partial(_change, draft.restore, view.id),
                )  # fmt: skip
                st.markdown(plain(name_of(view, opened)), width="content")
                st.caption(plain(what_is_shown(view, opened)), width="content")
        if len(removed) > AT_ONCE:
            st.caption(f"The first {AT_ONCE} are shown.")


def _change(act: Callable[..., None], *given: object) -> None:
    with trying(_CHANGING):
        act(*given)
