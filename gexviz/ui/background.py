"""Background jobs on a page: results when they are there, progress while they aren't, and cancelling."""

from __future__ import annotations

from typing import Any

import streamlit as st

from gexviz.ui.jobs import Job, Jobs, Work, clock
from gexviz.ui.messages import error_block, plain

_POLL_SECONDS = 1.0
_FILES = "files"
_LINES = "lines of jobs"
_ENDED_LINES = 3
_BUTTON = {"done": "Done", "failed": "Failed", "cancelled": "Cancelled"}


def in_background(jobs: Jobs, key: str, label: str, work: Work) -> Any:
    """Begin some work on the study's files, or give what came of it.

    Parameters
    ----------
    jobs : Jobs
    key, label, work
        As in :meth:`gexviz.ui.jobs.Jobs.submit`. Another key is other work.

    Returns
    -------
    Any
        The work's result; None while there is none, and then the page says why.
    """

    def begin() -> None:
        jobs.submit(key, label, work, device=_FILES)

    if jobs.get(key) is None:
        begin()
    job = jobs.get(key)
    assert job is not None
    if job.state == "done":
        return job.result
    if job.active:
        st.info(f"{plain(label)}: see the progress above.", icon=":material/hourglass_empty:")
        return None
    if job.error is not None:
        error_block(job.error)
    else:
        st.info(f"{plain(label)} was cancelled.", icon=":material/cancel:")
    st.button("Run again", key=f"again {key}", icon=":material/refresh:", on_click=begin)
    return None


def checkpoints(jobs: Jobs) -> int:
    """A number that goes up whenever enough came in to look at results again."""
    return sum(job.checkpoint for job in jobs.all())


def running(jobs: Jobs, seen: int) -> None:
    """Show the jobs that wait or run, and have the page drawn again when results come in.

    A job that ends keeps its line while others go on: no Cancel takes another's place just when somebody clicks on it.

    Parameters
    ----------
    jobs : Jobs
    seen : int
        The :func:`checkpoints` when the page began to look at results.
    """
    if checkpoints(jobs) != seen or any(job.active for job in jobs.all()):
        _poll(jobs, seen)
    else:
        st.session_state.pop(_LINES, None)


@st.fragment(run_every=_POLL_SECONDS)
def _poll(jobs: Jobs, seen: int) -> None:
    if checkpoints(jobs) != seen:
        st.rerun()
    for job in _lines(jobs):
        with st.container(horizontal=True, vertical_alignment="bottom", key=f"job {job.key}"):
            st.progress(job.share, text=describe(job))
            st.button(
                "Stopping…" if job.stopping else _BUTTON.get(job.state, "Cancel"),
                key=f"cancel {job.key}",
                icon=":material/cancel:" if job.active else None,
                disabled=job.stopping or not job.active,
                on_click=_cancel,
                args=(jobs, job.key),
            )


def _cancel(jobs: Jobs, key: str) -> None:
    if (job := jobs.get(key)) is not None:  # the newest of the key: the button may be older than it
        job.cancel()


def _lines(jobs: Jobs) -> list[Job]:
    """The active jobs, and the last that ended while they were shown: each where it was, new ones below."""
    shown: list[str] = st.session_state.get(_LINES, [])
    active = [job.key for job in jobs.all() if job.active]
    ended = [key for key in shown if key not in active]
    kept = [key for key in shown if key in active or key in ended[-_ENDED_LINES:]]
    st.session_state[_LINES] = kept + [key for key in active if key not in kept]
    return [job for key in st.session_state[_LINES] if (job := jobs.get(key)) is not None]


def describe(job: Job) -> str:
    """A job in a line: what, how far, how long still."""
    if not job.active:
        return f"{plain(job.label)}: {job.state}"
    if job.state == "waiting":
        return f"{plain(job.label)}: waits for its turn"
    if not job.total:
        return f"{plain(job.label)}: starting"
    left = "" if job.remaining is None else f", about {clock(job.remaining)} left"
    unit = f" {job.unit}" if job.unit else ""
    return f"{plain(job.label)}: {job.finished_tasks:,} of {job.total:,}{unit}{left}"
