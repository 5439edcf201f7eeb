"""Work that the Locus page waits for, in the background; what takes long is tried first and then asked about."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import streamlit as st

from gexviz.analysis import ism as analysis_ism
from gexviz.analysis.prediction import predict_sequences
from gexviz.errors import Cancelled
from gexviz.explaining import attributions, effects, ism
from gexviz.explaining.attributions import ISM, METHODS, Attribution
from gexviz.explaining.target import Target
from gexviz.models.base import GeneLocus
from gexviz.results import digest_of
from gexviz.study import Study
from gexviz.tasks import Progress
from gexviz.ui.jobs import Job, Jobs, clock
from gexviz.ui.messages import error_block, plain

PATIENCE = 1.5
"""Seconds from a page's beginning in which it waits for work, so that quick work needs no second look."""

ASK_ABOVE = 30.0
"""Seconds of work that are not spent without being asked for."""

TRIAL = 3.0
"""Seconds after which it is reckoned how long work takes."""

_SETTLED = 5.0


DONE = "stored"
"""What work gives back that stores what it makes."""


class TooLong(NamedTuple):
    """What comes of work that would take too long to do without being asked.

    Attributes
    ----------
    seconds : float
        That it would take, about.
    """

    seconds: float


class _StoppedEarly(Cancelled):
    """Stops the trial of some work."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds


class Wanted(NamedTuple):
    """Work that is wanted.

    Attributes
    ----------
    key, label, unit
        See :class:`gexviz.ui.jobs.Job`.
    work : callable
        Takes the progress callback. It returns what it makes, or stores it and returns :data:`DONE`.
    beforehand : callable, optional
        Gives the seconds that it will take if that can be told before it tells any progress, else 0.
    device : str
        Whose worker does it; see :meth:`gexviz.ui.jobs.Jobs.submit`.
    """

    key: str
    label: str
    unit: str
    work: Callable[[Progress], Any]
    beforehand: Callable[[], float] | None = None
    device: str = "locus"


def attributed(jobs: Jobs, target: Target, region: tuple[int, int], method: str, until: float) -> Attribution | None:
    """An attribution; while there is none it is computed, and that is said."""
    read = partial(attributions.stored, target, region, method)
    found: Attribution | None = found_or_begun(jobs, attribution(target, region, method), read, until)
    return found


def attribution(target: Target, region: tuple[int, int], method: str) -> Wanted:
    """Computing an attribution of a sequence; of a region only for mutagenesis, which is done base by base."""
    key = digest_of(str(target.study.results.path), target.key(method, region if method == ISM else None))
    what = "Mutagenesis" if method == ISM else METHODS[method]
    on = "" if target.background.label == "reference" else f" on {target.background.label}"

    def work(progress: Progress) -> str:
        attributions.attributed(target, region, method, progress)
        return DONE

    label = f"{what} of {target.locus.name} with {target.name}{on}"
    if method == ISM:
        return Wanted(f"locus {key}", label, "bases", work, partial(_plain_seconds, target, region))
    return Wanted(f"locus {key}", label, "steps", work)


def variant_effects(study: Study, model: str, locus: GeneLocus) -> Wanted:
    """Computing the effects of a gene's variants."""
    key = digest_of(str(study.results.path), "effects", study.key(model, "prediction", locus))

    def work(progress: Progress) -> str:
        effects.variant_effects(study, model, locus, progress=progress)
        return DONE

    return Wanted(f"locus {key}", f"Variant effects of {locus.name} with {model}", "steps", work)


def found_or_begun(jobs: Jobs, wanted: Wanted, read: Callable[[], Any], until: float) -> Any:
    """Give what is stored; if nothing is, begin the work, and say how it stands.

    Parameters
    ----------
    jobs : Jobs
    wanted : Wanted
    read : callable
        Gives what is stored, or None.
    until : float
        Time (``time.monotonic()``) up to which the work is waited for.
    """
    found = read()
    if found is None and outcome(jobs, wanted, until) is DONE:
        found = read()
    return found


def outcome(jobs: Jobs, wanted: Wanted, until: float) -> Any:
    """Begin some work if nobody has, and say how it stands; what it returned, if it did.

    Work that takes more than :data:`ASK_ABOVE` seconds is stopped after a trial, and offered with a button.
    """
    job = jobs.get(wanted.key)
    if job is None or _lost(job):
        job = _begin(jobs, wanted)
    if job.active and (left := until - time.monotonic()) > 0:
        job.wait(left)
    if job.active:
        st.info(f"{plain(wanted.label)}: see the progress above.", icon=":material/hourglass_empty:")
        return None
    if job.state == "done" and not isinstance(job.result, TooLong):
        return job.result
    if job.error is not None:
        error_block(job.error)
        _button("Run again", jobs, wanted)
        return None
    with st.container(horizontal=True, vertical_alignment="center", border=True, key=f"ask {wanted.key}"):
        if isinstance(job.result, TooLong):
            time_ = clock(job.result.seconds)
            st.markdown(f":material/hourglass_empty: {plain(wanted.label)} takes about {time_}.", width="content")
            _button(f"Compute it (about {time_})", jobs, wanted)
        else:
            st.markdown(f":material/cancel: {plain(wanted.label)} was cancelled.", width="content")
            _button("Run again", jobs, wanted)
    return None


def _lost(job: Job) -> bool:
    """Whether results that were stored some time ago are not there any more."""
    done = job.state == "done" and job.result is DONE
    return done and job.ended is not None and time.monotonic() - job.ended > _SETTLED


def _button(label: str, jobs: Jobs, wanted: Wanted) -> None:
    def begin() -> None:
        _begin(jobs, wanted, asked=True)

    st.button(label, key=f"begin {wanted.key}", on_click=begin)


def _begin(jobs: Jobs, wanted: Wanted, *, asked: bool = False) -> Job:
    work = wanted.work if asked else partial(_tried, wanted)
    return jobs.submit(wanted.key, wanted.label, work, device=wanted.device, unit=wanted.unit, gradual=False)


def _tried(wanted: Wanted, progress: Progress) -> Any:
    """Do some work unless it turns out to take long."""
    if wanted.beforehand is not None and (seconds := wanted.beforehand()) > ASK_ABOVE:
        return TooLong(seconds)
    first: list[tuple[float, int]] = []  # a cold start is not the pace

    def watched(done: int, total: int, label: str) -> None:
        if not first:
            first.append((time.monotonic(), done))
        progress(done, total, label)  # whoever cancels hears that it was cancelled, not how long it would take
        spent, more = time.monotonic() - first[0][0], done - first[0][1]
        if more > 0 and spent >= TRIAL and (left := spent * (total - done) / more) > ASK_ABOVE:
            raise _StoppedEarly(left)

    try:
        return wanted.work(watched)
    except _StoppedEarly as stopped:
        return TooLong(stopped.seconds)


def forward_seconds(target: Target) -> float:
    """Seconds of one forward pass, which is done for it."""
    begin = time.monotonic()
    predict_sequences(target.model, target.background.sequence[None])
    return time.monotonic() - begin


def _plain_seconds(target: Target, region: tuple[int, int]) -> float:
    """Seconds of mutagenesis, reckoned from one forward pass, if even its first piece takes long; else 0."""
    sequence, forward = target.background.sequence, forward_seconds(target)
    if forward * 3 * ism.CHUNK <= ASK_ABOVE or analysis_ism.Mutagenesis(target.model, sequence).method == "incremental":
        return 0.0
    return forward * 3 * len(target.background.within(*region))
