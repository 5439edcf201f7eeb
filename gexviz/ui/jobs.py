"""Background jobs: one worker thread a device, progress that can be read at any time, and cancelling."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from gexviz.errors import Cancelled, GexvizError
from gexviz.tasks import Progress

log = logging.getLogger(__name__)

State = Literal["waiting", "running", "done", "failed", "cancelled"]
Work = Callable[[Progress], Any]

_GROWTH = 1.3
_SECONDS = 2.0


@dataclass(eq=False)
class Job:
    """A piece of work in the background. Pages read its fields; only its worker writes them.

    Attributes
    ----------
    key : str
        Two jobs of one key never run together.
    label : str
        What it does, as people read it.
    unit : str
        What its progress counts; empty for genes and files, which need no word.
    gradual : bool
        Whether its results can be looked at one by one, before all are there.
    state : {"waiting", "running", "done", "failed", "cancelled"}
    finished_tasks, total : int
        Progress; `total` is 0 until the first task is finished.
    item : str
        The task that was finished last.
    checkpoint : int
        Goes up, ever more seldom, when enough was added to look at the results again.
    result : Any
        What the work returned.
    error : GexvizError or None
        Why it failed.
    """

    key: str
    label: str
    work: Work = field(repr=False)
    unit: str = ""
    gradual: bool = True
    state: State = "waiting"
    finished_tasks: int = 0
    total: int = 0
    item: str = ""
    checkpoint: int = 0
    result: Any = field(default=None, repr=False)
    error: GexvizError | None = None
    started: float | None = None
    ended: float | None = None
    _stop: threading.Event = field(default_factory=threading.Event, repr=False)
    _over: threading.Event = field(default_factory=threading.Event, repr=False)
    _starting: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _next_look: float = field(default=1.0, repr=False)
    _last_look: float = field(default=0.0, repr=False)

    @property
    def active(self) -> bool:
        """Whether it waits or runs."""
        return self.state in ("waiting", "running")

    @property
    def share(self) -> float:
        """Part that is finished, 0 to 1."""
        return min(self.finished_tasks / self.total, 1.0) if self.total else 0.0

    @property
    def remaining(self) -> float | None:
        """Seconds that are left at the pace so far; None while that can't be told."""
        if self.started is None or not self.finished_tasks or not self.total:
            return None
        return (time.monotonic() - self.started) * (self.total - self.finished_tasks) / self.finished_tasks

    @property
    def stopping(self) -> bool:
        """Whether it was told to stop, and hasn't yet."""
        return self.active and self._stop.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait until it has ended, but not longer than that; give whether it has."""
        return self._over.wait(seconds)

    def cancel(self) -> None:
        """Stop it: at once if it waits, after the task that it is at if it runs. Finished tasks stay."""
        self._stop.set()
        with self._starting:
            if self.state == "waiting":
                self._end("cancelled")

    def progress(self, done: int, total: int, label: str) -> None:
        """Take note of a finished task; the callback that the work is given."""
        self.finished_tasks, self.total, self.item = done, total, label
        if self.gradual and done >= self._next_look and time.monotonic() - self._last_look >= _SECONDS:
            self._last_look, self._next_look = time.monotonic(), done * _GROWTH
            self.checkpoint += 1
        if self._stop.is_set():
            raise Cancelled

    def run(self) -> None:
        """Do the work, in the worker's thread."""
        with self._starting:
            if self._stop.is_set():
                return
            self.state, self.started = "running", time.monotonic()
        try:
            self.result = self.work(self.progress)
            self._end("done")
        except Cancelled:
            self._end("cancelled")
        except GexvizError as error:
            self.error = error
            self._end("failed")
        except Exception as error:
            log.error("%s failed: %s", self.label, where_it_failed(error))
            self.error = GexvizError(
                "an unexpected error stopped the work",
                place=self.item or None,
                remedy="the server's log says where; please report it",
            )
            self._end("failed")

    def _end(self, state: State) -> None:
        self.ended = time.monotonic()
        self.work = _nothing  # what it holds on to can go
        self.checkpoint += 1
        self.state = state
        self._over.set()


class Jobs:
    """All jobs of a server. Each device has one worker thread, so that jobs on it run one after another."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}
        self._queues: dict[str, queue.Queue[Job]] = {}

    def submit(
        self, key: str, label: str, work: Work, *, device: str = "compute", unit: str = "", gradual: bool = True
    ) -> Job:
        """Queue some work, unless a job of this key waits or runs already.

        Parameters
        ----------
        key, label, unit, gradual
            See :class:`Job`.
        work : callable
            Takes the progress callback. It runs in another thread and must not touch Streamlit.
        device : str
            Whose worker does it.

        Returns
        -------
        Job
            The new one, or the one that is there.
        """
        with self._lock:
            known = self._jobs.get(key)
            if known is not None and known.active:
                return known
            job = self._jobs[key] = Job(key, label, work, unit, gradual)
            if device not in self._queues:
                self._queues[device] = queue.Queue()
                threading.Thread(target=_serve, args=(self._queues[device],), daemon=True).start()
            self._queues[device].put(job)
            return job

    def get(self, key: str) -> Job | None:
        """The newest job of a key."""
        return self._jobs.get(key)

    def all(self) -> list[Job]:
        """The newest job of every key, oldest first."""
        return list(self._jobs.values())


def _nothing(_: Progress) -> None:
    """Do nothing: the work of a job that has ended."""


def _serve(waiting: queue.Queue[Job]) -> None:
    while True:
        waiting.get().run()


def where_it_failed(error: BaseException) -> str:
    """The kind of an error and the lines it passed through; not its message, which may quote people's data."""
    places, trace = [], error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append(f"{code.co_filename}:{trace.tb_lineno} in {code.co_name}")
        trace = trace.tb_next
    return f"{type(error).__name__} at " + " < ".join(reversed(places[-6:]))


def clock(seconds: float) -> str:
    """A duration as people say it: 40 s, 3 min, 2 h 10 min."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
