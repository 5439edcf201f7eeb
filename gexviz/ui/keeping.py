"""Keeping what is looked at, and opening it again."""

from __future__ import annotations

import unicodedata
from functools import partial
from typing import Any, cast

import streamlit as st
from pydantic import ValidationError

from gexviz.errors import GexvizError
from gexviz.session import contents
from gexviz.session.draft import Draft
from gexviz.study import Study
from gexviz.ui import keeping_filters
from gexviz.ui.links import Selection
from gexviz.ui.messages import plain
from gexviz.ui.opening import Opened
from gexviz.ui.tables import stamp
from gexviz.ui.trying import failure, trying

VIEW = "view"
"""The URL's parameter that holds the id of a kept view, while it is opened. Never copied into a link."""

FIELDS: dict[str, tuple[str, ...]] = {
    "Data": (),
    "Overview": ("model", "linear"),
    "Gene": ("gene", "model", "linear", "variant"),
    "Locus": ("gene", "model", "linear", "variant", "region", "method"),
    "Mismatches": ("gene", "model", "linear", "variant"),
}
"""Pages whose views can be kept, and what of the selection each shows."""

_LOOKED_AT = "looked_at"
_OPENED = "opened_view"
_MADE = "views_made"
_TITLE, _TEXT = "keep_title", "keep_text"
_PERSONAL = {
    "first_sequence": "the person's own sequence (a link or file names nobody)",
    "second_sequence": "the second sequence",
    "own_tracks": "own tracks (paths are of this machine)",
}
"""Choices of the Locus page that are never kept."""


def draft_of(study: Study) -> Draft:
    """What is kept for a study."""
    return Draft(study.results.folder)


def notes_of(draft: Draft) -> tuple[contents.Note, ...]:
    """All notes. Read again when the file has changed, as hundreds of them take a while."""
    return _notes(draft, stamp(draft.path))


@st.cache_resource(show_spinner=False, max_entries=4)
def _notes(_draft: Draft, version: str) -> tuple[contents.Note, ...]:
    return _draft.notes()


def looks_at(**what: str | None) -> None:
    """Take note of what a page shows where the URL names nothing: a page's own choice of gene or variant."""
    st.session_state.setdefault(_LOOKED_AT, {}).update(what)


def begin() -> None:
    """Forget what the page showed before; at the start of every run."""
    st.session_state[_LOOKED_AT] = {}


def view_of(page: str, opened: Opened, selection: Selection, *, title: str = "", text: str = "") -> contents.View:
    """What is looked at, as it is kept: never a person, a path, or anything typed that is no place."""
    shown = {k: v for k, v in st.session_state.get(_LOOKED_AT, {}).items() if v is not None}
    link = selection._replace(**shown).link()
    fields: dict[str, Any] = {key: link.get(key) for key in FIELDS[page]}
    if page == "Locus" and "tracks" in link:
        fields["tracks"] = tuple(link["tracks"].split(","))
    name = cast("contents.Page", page.lower())
    filters = keeping_filters.kept(page, opened)
    return contents.View(page=name, title=title, text=text, filters=filters, **fields)


def link_of(view: contents.View) -> tuple[str, dict[str, str]]:
    """The page of a kept view, and the URL's parameters that open it."""
    keys = ("gene", "model", "linear", "variant", "region", "method")
    query = {key: value for key in keys if (value := getattr(view, key)) is not None}
    tracks = {"tracks": ",".join(view.tracks)} if view.tracks else {}
    return view.page.capitalize(), query | tracks | {VIEW: view.id}


def typed(text: str) -> str:
    """What somebody typed, without control characters and halves of characters, which a session doesn't hold."""
    kept = (c for c in text.replace("\r\n", "\n") if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs"))
    return "".join(kept).strip()


def button(page: str, opened: Opened, selection: Selection) -> None:
    """Offer to keep what is looked at."""
    made = st.session_state.get(_MADE, 0)
    with st.popover(
        "Keep this view", icon=":material/bookmark_add:", disabled=page not in FIELDS, width="stretch",
        key=f"keep {made}", help="With a note, in this study's session" if page in FIELDS else None,
    ), st.form("keep", border=False):  # fmt: skip
        st.text_input("Title", key=_TITLE, max_chars=200, placeholder=selection.gene or "", width=420)
        st.text_area("Why it matters", key=_TEXT, max_chars=20_000, height=110, width=420)
        left_out = [why for key, why in _PERSONAL.items() if page == "Locus" and _is_chosen(key)]
        if left_out:
            st.caption("Kept without " + plain(", ".join(left_out)) + ".", width=420)
        st.form_submit_button(
            "Keep", icon=":material/bookmark_add:", type="primary", on_click=partial(_keep, page, opened, selection)
        )
        failure(_keeping(page, selection))


def _is_chosen(key: str) -> bool:
    return st.session_state.get(key) not in (None, "", "Reference", "Nothing")


def _keep(page: str, opened: Opened, selection: Selection) -> None:
    title, text = (typed(st.session_state.get(key) or "") for key in (_TITLE, _TEXT))
    with trying(_keeping(page, selection)):
        draft = draft_of(opened.study)
        try:
            view = view_of(page, opened, selection, title=title, text=text)
        except ValidationError:
            raise GexvizError(
                "this view can't be kept", expected="names of up to 300 characters; a variant's alleles may be longer"
            ) from None
        draft.keep(view)
        st.session_state[_TITLE] = st.session_state[_TEXT] = ""
        st.session_state[_MADE] = st.session_state.get(_MADE, 0) + 1  # another key closes the popover
        number = len(draft.state().views)
        st.toast(f"Kept as view {number:,} of the session.", icon=":material/bookmark_added:")


def _keeping(page: str, selection: Selection) -> str:
    """The name of what is tried: of this page with this selection."""
    return f"keeping {page} {selection}"


def reopened(page: str, opened: Opened) -> contents.View | None:
    """The kept view that the URL asks for; its filters are set, before any widget is made."""
    wanted = st.query_params.get(VIEW)
    if wanted is None or page not in FIELDS:
        st.session_state.pop(_OPENED, None)
        return None
    draft = draft_of(opened.study)
    found = next((v for v in (*draft.state().views, *draft.removed()) if v.id == wanted), None)
    if found is not None and st.session_state.get(_OPENED) != wanted:
        st.session_state[_OPENED] = wanted
        keeping_filters.set_to(page, opened, found.filters)
    return found


def banner(page: str, opened: Opened, view: contents.View | None) -> None:
    """What was said of the view that was opened, and what of it can't be shown; after the page is drawn."""
    if view is None:
        if VIEW in st.query_params and page in FIELDS:
            st.warning("This view is not in the study's session.", icon=":material/bookmark_remove:")
        return
    with st.container(border=True, key="kept_view", gap="small"):
        st.markdown(f":material/bookmark: **{plain(name_of(view, opened))}**")
        if view.text:
            st.text(view.text)
        missing = keeping_filters.not_set(page, opened, view.filters)
        if missing:
            st.caption("Not as it was kept: " + plain("; ".join(missing)) + ".")


def name_of(view: contents.View, opened: Opened) -> str:
    """A view's title, or else what it shows."""
    return view.title or opened.book.names.get(view.gene or "", view.gene) or view.page.capitalize()


