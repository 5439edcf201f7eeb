"""Background jobs: order, progress, cancelling, failing."""

import itertools
import logging
import threading
import time

import pytest

from gexviz.errors import GexvizError
from gexviz.ui.jobs import Job, Jobs, clock


def until(condition, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def steps(number: int, gate: threading.Event | None = None, done: list | None = None):
    def work(progress):
        for i in range(1, number + 1):
            if gate is not None:
                assert gate.wait(60)
            if done is not None:
                done.append(i)
            progress(i, number, f"gene {i}")
        return number

    return work


def test_a_job_runs_and_tells_its_progress() -> None:
    job = Jobs().submit("a", "A", steps(7))
    until(lambda: not job.active)
    assert (job.state, job.result, job.finished_tasks, job.total, job.item) == ("done", 7, 7, 7, "gene 7")
    assert job.share == 1 and job.remaining == 0


def test_jobs_of_a_device_run_one_after_another_and_devices_side_by_side() -> None:
    jobs, gate = Jobs(), threading.Event()
    first = jobs.submit("a", "A", steps(1, gate))
    second = jobs.submit("b", "B", steps(1))
    other = jobs.submit("c", "C", steps(1), device="files")
    until(lambda: not other.active)
    assert first.state == "running" and second.state == "waiting"
    gate.set()
    until(lambda: not second.active)
    assert first.state == second.state == "done"


def test_a_running_job_is_not_started_twice_and_a_finished_one_can_be_again() -> None:
    jobs, gate = Jobs(), threading.Event()
    job = jobs.submit("a", "A", steps(2, gate))
    assert jobs.submit("a", "A", steps(2)) is job
    gate.set()
    until(lambda: not job.active)
    assert jobs.submit("a", "A", steps(2)) is not job


def test_cancelling_a_running_job_keeps_what_is_finished() -> None:
    fifth, told, done = threading.Event(), threading.Event(), []

    def work(progress):
        for i in range(1, 1001):
            if i == 5:
                fifth.set()
                assert told.wait(5)
            done.append(i)
            progress(i, 1000, f"gene {i}")

    job = Jobs().submit("a", "A", work)
    assert fifth.wait(5)
    job.cancel()
    assert job.stopping and job.active
    told.set()
    until(lambda: not job.active)
    assert job.state == "cancelled" and job.error is None
    assert done == [1, 2, 3, 4, 5] and job.finished_tasks == 5


def test_a_waiting_job_that_is_cancelled_never_runs() -> None:
    jobs, gate, done = Jobs(), threading.Event(), []
    jobs.submit("a", "A", steps(1, gate))
    waiting = jobs.submit("b", "B", steps(1, None, done))
    waiting.cancel()
    assert waiting.state == "cancelled"
    gate.set()
    last = jobs.submit("c", "C", steps(1))
    until(lambda: not last.active)
    assert done == [] and waiting.state == "cancelled"


def test_an_error_for_people_is_kept_and_the_worker_goes_on() -> None:
    jobs = Jobs()

    def work(progress):
        raise GexvizError("the disk is full", remedy="free some space")

    job = jobs.submit("a", "A", work)
    after = jobs.submit("b", "B", steps(1))
    until(lambda: not after.active)
    assert job.state == "failed" and job.error.problem == "the disk is full" and after.state == "done"


def test_an_unexpected_error_is_logged_without_its_message(caplog: pytest.LogCaptureFixture) -> None:
    def work(progress):
        raise KeyError("HG00096")

    with caplog.at_level(logging.ERROR):
        job = Jobs().submit("a", "A", work)
        until(lambda: not job.active)
    assert job.state == "failed" and "unexpected" in job.error.problem
    assert "KeyError" in caplog.text and "HG00096" not in caplog.text


def test_checkpoints_come_ever_more_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(float(3 * i) for i in range(1, 100_000))
    monkeypatch.setattr("gexviz.ui.jobs.time.monotonic", lambda: next(now))
    job, seen = Job("a", "A", steps(1)), []
    for done in range(1, 10_001):
        before = job.checkpoint
        job.progress(done, 10_000, "")
        if job.checkpoint != before:
            seen.append(done)
    assert seen[0] == 1 and len(seen) < 45
    assert all(b >= 1.3 * a for a, b in itertools.pairwise(seen))


@pytest.mark.parametrize(("seconds", "text"), [(0, "1 s"), (40, "40 s"), (200, "3 min"), (7800, "2 h 10 min")])
def test_durations_are_said_as_people_do(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_one_can_wait_for_a_job_but_not_for_ever() -> None:
    gate = threading.Event()
    job = Jobs().submit("a", "A", steps(1, gate))
    assert not job.wait(0.01) and job.active
    gate.set()
    assert job.wait(5) and job.state == "done"


def test_results_that_come_all_at_once_are_looked_at_once(monkeypatch) -> None:
    ticks = itertools.count()
    monkeypatch.setattr(time, "monotonic", lambda: 10.0 * next(ticks))
    looks = {}
    for gradual in (True, False):
        job = Job("a", "A", steps(40), gradual=gradual)
        job.run()
        looks[gradual] = job.checkpoint
    assert looks[False] == 1 < looks[True]


def test_a_job_that_has_ended_holds_on_to_nothing() -> None:
    big = [0] * 10
    job = Job("a", "A", lambda progress, big=big: len(big))
    job.run()
    assert job.result == 10
    job.work(job.progress)
    assert job.work.__defaults__ is None
