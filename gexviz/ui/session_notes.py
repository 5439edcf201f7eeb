"""Notes as threads: all of them on the Session page, those of one gene beside it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from itertools import groupby
from typing import TypeVar

import streamlit as st

from gexviz.errors import GexvizError
from gexviz.session.contents import Anchor, Note
from gexviz.session.draft import Draft
from gexviz.session.notes import MOST_BYTES, Merged, Threaded, merge, parse_notes, threads
from gexviz.ui.frame import View
from gexviz.ui.keeping import draft_of, notes_of, typed
from gexviz.ui.messages import error_block, plain
from gexviz.ui.opening import Opened
from gexviz.ui.trying import failure, trying

T = TypeVar("T")
_AUTHOR = "note_author"
_MERGING = "merging"
_ADDING = "adding a note {}"
_RETURNED = "notes_returned"
AT_ONCE = 20
"""Threads on a page of a list: each has a form to reply with, and the server makes all of them in every run."""

DEEPEST = 4
"""Steps to the right that replies take; deeper ones stand below each other."""


def beside(view: View, gene: str, variant: str | None) -> None:
    """The notes of a gene and its variants, with room for another; for the Gene page."""
    draft = draft_of(view.study)
    notes = of_gene(notes_of(draft), gene, variant)
    count = f"Notes ({len(notes):,})" if notes else "Notes"
    with st.expander(count, icon=":material/forum:", expanded=bool(notes), key=f"notes {gene} {len(notes)}"):
        _threads(draft, _page(conversations(notes), f"of {gene}", newest=True), view.opened)
        _new(draft, Anchor(gene=gene), f"gene {gene}")


def _returned(draft: Draft) -> None:
    """Take the notes that a collaborator sent back, from the report or a session."""
    files = st.file_uploader(
        "Returned notes (notes.jsonl, as the report saves it)", type=["jsonl"], accept_multiple_files=True,
        key=f"returned {st.session_state.get(_RETURNED, 0)}", max_upload_size=-(-MOST_BYTES // 1_000_000),
    )  # fmt: skip
    for file in files:
        try:
            notes = parse_notes(file.getvalue(), file.name)
            merged = merge(draft.notes(), notes)
        except GexvizError as error:
            error_block(error)
            return
        st.markdown(f"**{plain(file.name)}**: {counts(merged)}.")
    if files:
        found = [note for file in files for note in parse_notes(file.getvalue(), file.name)]
        st.button("Merge these notes", icon=":material/merge:", type="primary", on_click=partial(_merge, draft, found))
        failure(_MERGING)


def counts(merged: Merged) -> str:
    """How many notes are new."""
    return f"{merged.added:,} new, {merged.known:,} known already"


def _merge(draft: Draft, notes: Iterable[Note]) -> None:
    with trying(_MERGING):
        st.toast(f"Notes merged: {counts(draft.merge(notes))}.", icon=":material/forum:")
        st.session_state[_RETURNED] = st.session_state.get(_RETURNED, 0) + 1  # another key empties the box


def of_gene(notes: Iterable[Note], gene: str, variant: str | None) -> list[Note]:
    """The threads in which anything is about a gene or a variant."""
    found: list[Note] = []
    for thread in conversations(notes):
        anchors = [each.note.anchor for each in thread]
        if any(a.gene == gene or (variant is not None and a.variant == variant) for a in anchors):
            found += [each.note for each in thread]
    return found


def all_notes(opened: Opened, draft: Draft) -> None:
    """Every thread, by what it is about; and room for those that were sent back."""
    _returned(draft)
    groups: dict[str, list[list[Threaded]]] = {}
    for thread in conversations(notes_of(draft)):
        groups.setdefault(about(thread[0].note.anchor, opened), []).append(thread)
    if not groups:
        st.info("No notes yet: write one beside a gene, or merge those that were returned.", icon=":material/forum:")
    found = [(name, thread) for name in sorted(groups, key=str.upper) for thread in groups[name]]
    for name, part in groupby(_page(found, "of all"), key=lambda pair: pair[0]):
        st.subheader(plain(name), anchor=False)
        _threads(draft, [thread for _, thread in part], opened)


def _page(found: list[T], key: str, *, newest: bool = False) -> list[T]:
    """The threads of the page that is chosen; of the last page to begin with, where the newest ones are asked for."""
    pages = max(1, -(-len(found) // AT_ONCE))
    if pages == 1:
        return found
    first = AT_ONCE * (st.pagination(pages, default=pages if newest else 1, key=f"notes {key} {pages}") - 1)
    return found[first : first + AT_ONCE]


def about(anchor: Anchor, opened: Opened) -> str:
    """What a note is about, as people read it."""
    gene = opened.book.names.get(anchor.gene or "", anchor.gene)
    return " · ".join(part for part in (gene, anchor.variant, anchor.region) if part)


def conversations(notes: Iterable[Note]) -> list[list[Threaded]]:
    """Each thread on its own, oldest first."""
    found: list[list[Threaded]] = []
    for each in threads(notes):
        if each.depth == 0:
            found.append([])
        found[-1].append(each)
    return found


def _threads(draft: Draft, shown: Iterable[list[Threaded]], opened: Opened) -> None:
    """Show notes with their replies. What others wrote is never read as markup."""
    for thread in shown:
        first = thread[0].note
        with st.container(border=True, gap="small", key=f"thread {first.id}"):
            for note, depth in thread:
                _note(note, min(depth, DEEPEST), opened)
            _new(draft, first.anchor, f"reply {first.id}", reply_to=first)


def _note(note: Note, depth: int, opened: Opened) -> None:
    place = st.columns([depth, 24], gap="small")[1] if depth else st.container()
    with place:
        parts = (note.author or "unnamed", f"{note.time:%d %B %Y, %H:%M} UTC", about(note.anchor, opened))
        st.caption(plain(" · ".join(part for part in parts if part)))
        st.text(note.text)


def _new(draft: Draft, anchor: Anchor, key: str, reply_to: Note | None = None) -> None:
    what = "Note" if reply_to is None else "Reply"
    made = st.session_state.get(f"made {key}", 0)
    icon = ":material/edit_note:" if reply_to is None else ":material/reply:"
    box = st.popover(f"Write a {what.lower()}", icon=icon, key=f"write {key} {made}", type="tertiary")
    with box, st.form(f"form {key}", border=False):
        author = st.session_state.get(_AUTHOR, "")
        st.text_input("Your name", key=f"author {key}", value=author, max_chars=200, width=420)
        st.text_area(what, key=f"words {key}", max_chars=20_000, height=110, width=420)
        st.form_submit_button("Add", type="primary", on_click=partial(_add, draft, anchor, key, reply_to))
    failure(_ADDING.format(key))


def _add(draft: Draft, anchor: Anchor, key: str, reply_to: Note | None) -> None:
    author, text = (typed(st.session_state.get(f"{field} {key}") or "") for field in ("author", "words"))
    if not text:
        return
    answered = None if reply_to is None else reply_to.id
    with trying(_ADDING.format(key)):
        draft.add_note(Note(author=author, anchor=anchor, text=text, reply_to=answered))
        st.session_state[_AUTHOR] = author
        st.session_state[f"words {key}"] = ""
        st.session_state[f"made {key}"] = st.session_state.get(f"made {key}", 0) + 1
