"""Predictions from the pages: what is there, what is missing or stale and why, and computing it in the background."""

from __future__ import annotations

import streamlit as st

from gexviz.tasks import Progress
from gexviz.ui.jobs import Jobs
from gexviz.ui.messages import error_block, plain
from gexviz.ui.opening import Opened
from gexviz.ui.tables import Coverage, coverage


def job_key(opened: Opened, model: str) -> str:
    """Name of the job that predicts all genes of a model, from these files into this folder."""
    return f"predict {opened.study.results.path} {model} {opened.files}"


def start(opened: Opened, jobs: Jobs, model: str) -> None:
    """Predict in the background what is missing or stale of a model."""
    study = opened.study

    def work(progress: Progress) -> None:
        study.compute(model, progress=progress)

    jobs.submit(job_key(opened, model), f"Predicting with {model}", work)


def start_demo(opened: Opened, jobs: Jobs, version: str) -> None:
    """Predict a simulated study without being asked, once; a reader who cancels it is not overruled."""
    if not opened.study.simulated:
        return
    for model in opened.models:
        if jobs.get(job_key(opened, model)) is None and coverage(opened.study, version, model).waiting:
            start(opened, jobs, model)


def panel(opened: Opened, jobs: Jobs, version: str, models: list[str]) -> None:
    """Show, for each model, what failed, and what is missing with a button to compute it."""
    for model in models:
        job = jobs.get(job_key(opened, model))
        if job is not None and job.active:
            continue
        if job is not None and job.error is not None:
            error_block(job.error)
        _offer(opened, jobs, model, coverage(opened.study, version, model))


def _offer(opened: Opened, jobs: Jobs, model: str, there: Coverage) -> None:
    """Say what of a model is missing or stale, with a button; nothing where all is there."""
    if not there.waiting:
        return
    ready, stale, missing = (there.counts.get(s, 0) for s in ("ready", "stale", "missing"))
    parts = [f"{ready:,} genes ready"]
    parts += [f"{stale:,} stale ({plain(there.stale or 'inputs changed')})"] if stale else []
    parts += [f"{missing:,} not predicted yet"] if missing else []
    if unavailable := there.counts.get("unavailable", 0):
        parts.append(f"{unavailable:,} that it can't serve")
    with st.container(horizontal=True, vertical_alignment="center", border=True, key=f"offer_{model}"):
        st.markdown(f":material/hourglass_empty: **{plain(model)}**: {', '.join(parts)}.")
        st.button(
            f"Predict {there.waiting:,} genes now",
            key=f"predict_{model}",
            type="primary",
            on_click=lambda: start(opened, jobs, model),
        )


def unavailable_note(model: str, there: Coverage) -> str | None:
    """One line on the genes that a model can't serve, with the reasons; None where there are none."""
    if not there.unavailable:
        return None
    reasons = ", ".join(f"{plain(reason)}: {number:,}" for reason, number in there.unavailable.items())
    return f"{plain(model)} can't serve {sum(there.unavailable.values()):,} genes ({reasons})."
