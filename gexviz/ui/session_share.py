"""Sharing a session: the level of privacy, what exactly will be in the file, the file and the report."""

from __future__ import annotations

import re
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import streamlit as st

from gexviz.errors import GexvizError
from gexviz.freezing import Frozen, freeze, preview
from gexviz.results import digest_of
from gexviz.session import pseudonyms
from gexviz.session.contents import Level, Note, Session, State
from gexviz.session.draft import Draft
from gexviz.session.report import LIMIT, ReportSize, report_html
from gexviz.session.writing import write_session
from gexviz.study import Study
from gexviz.tasks import Progress
from gexviz.ui.frame import View
from gexviz.ui.keeping import notes_of
from gexviz.ui.messages import error_block, plain
from gexviz.ui.session_words import LEVELS

MOST_ROWS = 500
"""Rows of a table that the preview shows."""


class Made(NamedTuple):
    """A session that is ready to be given away.

    Attributes
    ----------
    of : str
        Digest of what it was made of.
    session : Frozen
    members : DataFrame
        :func:`gexviz.freezing.preview` of it.
    content : bytes
        The file.
    trouble : GexvizError or None
        Why it has no report.
    """

    of: str
    session: Frozen
    members: pd.DataFrame
    content: bytes
    trouble: GexvizError | None


class Wish(NamedTuple):
    """What shall be made.

    Attributes
    ----------
    state : State
    notes : tuple of Note
    level : Level
    compute : bool
        Whether what isn't stored is computed.
    """

    state: State
    notes: tuple[Note, ...]
    level: Level
    compute: bool

    def digest(self, version: str) -> str:
        """Changes whenever the file would."""
        notes = [note.id for note in self.notes]
        return digest_of(self.state.model_dump(mode="json"), notes, self.level, self.compute, version)


def share(view: View, draft: Draft, state: State) -> None:
    """Make the file, show what is in it, give it."""
    if not state.views:
        st.info("Keep a view first: a session holds the results that its views show.", icon=":material/bookmark_add:")
        return
    level = _level()
    confirmed = level != "full" or _confirmation(view.study)
    compute = st.toggle(
        "Compute what isn't stored yet", key="session_compute", persist_state="session",
        help="Else it is left out, and the file says so. May take long; it goes on in the background.",
    )  # fmt: skip
    wish = Wish(state, notes_of(draft), level, bool(compute))
    key, wanted = f"session {level}", wish.digest(view.version)
    job = view.jobs.get(key)
    st.button(
        "Make the file and preview it", icon=":material/inventory_2:", type="primary", key="make_session",
        disabled=not confirmed or (job is not None and job.active),
        on_click=partial(_begin, view, wish, key, wanted),
    )
    if job is None or not confirmed:
        return
    if job.active:
        st.info("The file is being made: see the progress above.", icon=":material/hourglass_empty:")
    elif job.error is not None:
        error_block(job.error)
    elif job.result is not None and job.result.of != wanted:
        st.info("The session or the results changed since the file was made: make it again.", icon=":material/update:")
    elif job.result is not None:
        _made(view.study, job.result)


def _begin(view: View, wish: Wish, key: str, of: str) -> None:
    work = partial(make, view.study, wish, of)
    view.jobs.submit(key, "Collecting the session's results", work, unit="steps", gradual=False)


def make(study: Study, wish: Wish, of: str, progress: Progress) -> Made:
    """Freeze, report, pack. Nothing of Streamlit: it runs in the background."""
    confirm = study.name if wish.level == "full" else None  # the page asked for it
    session = freeze(
        study, wish.state, wish.notes, wish.level, confirm=confirm, compute=wish.compute, progress=progress
    )
    trouble = None
    try:
        session = replace(session, report=report_html(session))
    except GexvizError as error:  # too large: the file itself can still be given
        trouble = error
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "session.gexviz.zip"
        write_session(session, path)
        return Made(of, session, preview(session), path.read_bytes(), trouble)


def _level() -> Level:
    chosen = st.radio(
        "Level of privacy", list(LEVELS), key="session_level", persist_state="session",
        format_func=lambda level: LEVELS[level][0], captions=[about for _, about in LEVELS.values()],
    )  # fmt: skip
    return chosen or "aggregate"


def _confirmation(study: Study) -> bool:
    """Whether the study's name was typed."""
    typed = st.text_input(
        "Type the study's name to name its people in the file", key="session_confirm", placeholder=study.name
    )
    return typed == study.name


def _made(study: Study, made: Made) -> None:
    manifest = made.session.manifest
    st.subheader("What is in the file", anchor=False)
    of_people = int(made.members["people"].sum())
    if of_people:
        st.warning(f"{of_people} of its tables have a row for each person.", icon=":material/groups:")
    else:
        st.success("No table in it has a row for each person.", icon=":material/shield_person:")
    rows = ["" if pd.isna(number) else f"{number:,}" for number in made.members["rows"]]
    order = ["member", "holds", *["people"] * bool(of_people), "rows", "columns", "bytes"]
    st.dataframe(
        made.members.assign(rows=rows), hide_index=True, key="session_members", column_order=order,
        height=min(700, 38 + 35 * len(rows)), column_config={
            "member": st.column_config.TextColumn("Member", width=230),
            "holds": "What it holds", "people": "Row a person", "columns": "Columns",
            "rows": st.column_config.TextColumn("Rows", alignment="right"),
            "bytes": st.column_config.NumberColumn("Bytes", format="bytes"),
        },
    )  # fmt: skip
    _look_into(made.session)
    if manifest.left_out:
        with st.expander(f"Left out: {len(manifest.left_out):,}", icon=":material/visibility_off:"):
            st.text("\n".join(manifest.left_out))
    if manifest.level == "pseudonymous" and "people" in made.session.tables:
        where = pseudonyms.path_of(study.results.folder, made.session.tables["people"]["person"])
        st.caption(
            f"Once the session or its report is downloaded, who is who stands in {plain(where.name)} in the results "
            "folder, on this machine alone."
        )
    _downloads(study, made)


def _look_into(session: Session) -> None:
    """The rows of a table, as they are in the file."""
    if not session.tables:
        return
    with st.expander("Look into a table", icon=":material/table_view:"):
        name = st.selectbox("Table", list(session.tables), key="session_table", label_visibility="collapsed")
        table = session.tables[name or next(iter(session.tables))]
        st.dataframe(table.head(MOST_ROWS), hide_index=True)
        if len(table) > MOST_ROWS:
            st.caption(f"The first {MOST_ROWS} of {len(table):,} rows.")


def _given(study: Study, made: Made, content: bytes | str) -> bytes | str:
    """What is downloaded; who is who is kept first."""
    made.session.keep_who_is_who(study.results.folder)
    return content


def _downloads(study: Study, made: Made) -> None:
    name = _slug(made.session.state.title) or "session"
    report = made.session.report
    with st.container(horizontal=True):
        st.download_button(
            f"Session file ({_megabytes(len(made.content))})", partial(_given, study, made, made.content),
            f"{name}.gexviz.zip", "application/zip", icon=":material/download:", on_click="ignore", type="primary",
            key="session_zip",
        )  # fmt: skip
        if report is not None:
            st.download_button(
                f"Report ({_megabytes(len(report.encode()))})", partial(_given, study, made, report),
                f"{name}.html", "text/html", icon=":material/download:", on_click="ignore", key="session_html",
            )  # fmt: skip
    if made.trouble is not None:
        error_block(made.trouble)
    elif report is not None:
        size = ReportSize(len(report.encode()), {})
        about = "it opens in any browser, with the network off"
        st.progress(min(size.total / LIMIT, 1.0), text=f"Report: {size}; {about}.")


def _slug(title: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", title).strip("-").lower()[:60]


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size / 1e3:,.0f} kB"
