"""The checks of a study's files, with what to do about each finding."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from gexviz.study import Study
from gexviz.ui.background import in_background
from gexviz.ui.jobs import Jobs
from gexviz.ui.messages import plain
from gexviz.ui.tables import files_version

_STATUS = {"error": "✖ error", "warn": "▲ warning", "ok": "✔ ok"}


def preflight(study: Study, jobs: Jobs) -> None:
    """Show the table of checks; it is made in the background, once for the files as they are."""
    st.subheader("Checks", anchor=False)
    key = f"check {files_version(study)}"
    table: pd.DataFrame | None = in_background(jobs, key, "Checking the files", lambda p: study.check(progress=p))
    if table is None:
        return
    numbers = table["status"].value_counts()
    with st.container(horizontal=True):
        for status, color in (("error", "red"), ("warn", "orange"), ("ok", "green")):
            st.badge(f"{_STATUS[status]}: {numbers.get(status, 0)}", color=color)  # type: ignore[arg-type]
    trouble = table[table["status"] != "ok"]
    if trouble.empty:
        st.markdown("Everything that was looked at is as it should be.")
    else:
        st.table(preflight_text(trouble), hide_index=True)
    fine = table[table["status"] == "ok"]
    if not fine.empty:
        with st.expander(f"What was found to be right ({len(fine)} checks)"):
            st.table(preflight_text(fine).drop(columns="To do"), hide_index=True)


def preflight_text(table: pd.DataFrame) -> pd.DataFrame:
    """Write the checks as people read them: errors first, the status as a sign and a word."""
    order = {status: rank for rank, status in enumerate(_STATUS)}
    table = table.sort_values("status", key=lambda s: s.map(order), kind="stable")
    return pd.DataFrame(
        {
            "Status": table["status"].map(_STATUS),
            "File": [plain(str(f)) for f in table["file"]],
            "Check": [plain(str(c)) for c in table["check"]],
            "Found": [plain(str(f)) for f in table["found"]],
            "To do": [plain(str(t)) for t in table["todo"].fillna("")],
        }
    )
