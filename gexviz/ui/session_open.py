"""A session file that somebody sent: verified, compared with the open study, and shown from its frozen tables."""

from __future__ import annotations

import hashlib
from functools import partial

import streamlit as st

from gexviz import fingerprints
from gexviz.errors import GexvizError
from gexviz.session.comparing import Comparison
from gexviz.session.container import MOST_PACKED
from gexviz.session.contents import Manifest, Session, State
from gexviz.session.draft import Draft
from gexviz.session.notes import merge
from gexviz.session.reading import read_session
from gexviz.session.shown import Shown, shown
from gexviz.ui.background import in_background
from gexviz.ui.charts import show_chart
from gexviz.ui.frame import PAGES, View, readable
from gexviz.ui.keeping import VIEW, link_of
from gexviz.ui.messages import error_block, plain
from gexviz.ui.session_notes import counts
from gexviz.ui.session_words import LEVELS, view_line
from gexviz.ui.tables import files_version
from gexviz.ui.trying import failure, trying

_TAKING = "taking {}"


def open_file(view: View, draft: Draft) -> None:
    """Ask for a file and show it. It is only read: nothing in it is run, and its report is not shown."""
    file = st.file_uploader(
        "Session file (.gexviz.zip)", type=["zip"], key="session_file", max_upload_size=-(-MOST_PACKED // 1_000_000)
    )
    if file is None:
        return
    content = file.getvalue()
    digest = hashlib.sha256(content).hexdigest()
    try:
        session = _read(digest, file.name, content)
    except GexvizError as error:
        error_block(error)
        return
    _manifest(session, file.name, digest)
    found: Comparison | None = None
    key = f"compare {digest} {files_version(view.study)}"
    with readable("the comparison with the study"):
        found = in_background(
            view.jobs, key, "Comparing the session with the study",
            lambda progress: fingerprints.compare(session, view.study),
        )  # fmt: skip
        if found is not None:
            _comparison(found, view)
        _take(session, draft, _TAKING.format(digest), live=found is not None and found.live)
    _views(session, view, live=found is not None and found.live)


@st.cache_resource(show_spinner="Reading the session…", max_entries=2)
def _read(digest: str, name: str, _content: bytes) -> Session:
    return read_session(_content, name)


def _manifest(session: Session, name: str, digest: str) -> None:
    """What the file says it is."""
    manifest: Manifest = session.manifest
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(plain(session.state.title or name), anchor=False, width="content")
        if manifest.simulated:
            st.badge("SIMULATED DATA", icon=":material/science:", color="orange")
        else:
            st.badge("Real data", icon=":material/groups:", color="green")
        st.badge(LEVELS[manifest.level][0], icon=":material/shield_person:", color="blue")
    people = "" if manifest.people is None else f"{manifest.people:,} people"
    facts = [manifest.study, manifest.genome, people, f"{manifest.created:%d %B %Y}", f"gexviz {manifest.gexviz}"]
    st.caption(plain(" · ".join(fact for fact in facts if fact)))
    st.success(
        f"Whole: all {len(manifest.members):,} members match the SHA-256 in its manifest. This says that nothing was "
        "changed on the way by accident, not who made it.", icon=":material/verified:",
    )  # fmt: skip
    with st.expander("What it was made from", icon=":material/receipt_long:"):
        st.text("\n".join([f"SHA-256 of the file  {digest}", *(f"{k}  {v}" for k, v in manifest.inputs.items())]))
        for model, facts_ in manifest.models.items():
            st.markdown(f"**{plain(model)}** · {plain(facts_.family)} · {plain(facts_.scale)} {plain(facts_.citation)}")
        if manifest.left_out:
            st.markdown("Left out:\n" + "\n".join(f"- {plain(line)}" for line in manifest.left_out[:200]))


def _comparison(found: Comparison, view: View) -> None:
    if found.live:
        st.info(
            f"Made from the files and models of **{plain(view.study.name)}** as they are now: every view has a link to "
            "its live page.", icon=":material/link:",
        )  # fmt: skip
        return
    lines = "  \n".join(plain(line) for line in found.changed[:20])
    more = "" if len(found.changed) <= 20 else f"  \nand {len(found.changed) - 20:,} more"
    st.warning(
        f"**Not made from what the open study has now; shown as it was frozen, read-only.**  \n{lines}{more}",
        icon=":material/link_off:",
    )


def _take(session: Session, draft: Draft, what: str, *, live: bool) -> None:
    """Offer to take its notes, and, if it is of this study, its views; `what` names it among things tried."""
    merged = merge(draft.notes(), session.notes) if session.notes else None
    known = {v.id for v in (*draft.state().views, *draft.removed())}
    new = [v for v in session.state.views if v.id not in known]
    with st.container(horizontal=True):
        if merged is not None:
            st.button(
                f"Merge its notes ({counts(merged)})", icon=":material/forum:", disabled=not merged.added,
                on_click=partial(_taken, what, draft, State(), session),
            )  # fmt: skip
        if live:
            st.button(
                f"Add its views ({len(new):,} new)", icon=":material/bookmark_add:", disabled=not new,
                on_click=partial(_taken, what, draft, session.state, None),
                help="Its title, question and findings come along where this study's session has none.",
            )  # fmt: skip
    failure(what)


def _taken(what: str, draft: Draft, state: State, notes: Session | None) -> None:
    with trying(what):
        if notes is not None:
            draft.merge(notes.notes)
        for kept in state.views:
            draft.keep(kept)
        ours = draft.state()
        for field in ("title", "question", "findings"):
            if not getattr(ours, field) and getattr(state, field):
                draft.set_story(**{field: getattr(state, field)})


def _views(session: Session, view: View, *, live: bool) -> None:
    """The story, and one view at a time."""
    state = session.state
    for label, text in (("Question", state.question), ("Findings", state.findings)):
        if text:
            st.markdown(f"**{label}**")
            st.text(text)
    if not state.views:
        st.info("It has no views.")
        return
    number = st.selectbox(
        "View", range(len(state.views)), key="opened_view_number",
        format_func=lambda at: f"{at + 1}. {view_line(state.views[at], view.opened)}",
    )  # fmt: skip
    chosen = state.views[number or 0]
    if chosen.text:
        st.text(chosen.text)
    if live:
        page, query = link_of(chosen)
        path, icon = PAGES[page]
        query.pop(VIEW)
        st.page_link(path, label="Open the live page", icon=icon, query_params=query)
    with readable("the frozen view"):
        items = shown(session, chosen)
        if not items:
            st.info("The file holds nothing of this view; its list of what was left out says why.")
        beside = 1 if chosen.page == "locus" else 2
        columns = st.columns(beside, gap="medium")
        for at, item in enumerate(items):
            place = columns[at % beside] if item.figure is not None else st.container()
            with place:
                _item(item, f"frozen {chosen.id} {at}")


def _item(item: Shown, key: str) -> None:
    st.subheader(plain(item.title), anchor=False)
    if item.figure is not None:
        show_chart(item.figure, key, item.alt or item.title)
    if item.note:
        st.caption(plain(item.note))
    if item.figure is None:
        st.dataframe(item.table, hide_index=True)
    else:
        with st.expander("The numbers behind it", icon=":material/table:"):
            st.dataframe(item.table, hide_index=True)
