"""Independent per-gene tasks, run in this process or on Dask, with progress and cancelling."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

from gexviz.lazy import lazy

distributed = lazy("distributed")


class Progress(Protocol):
    """Told after each finished task; raises :class:`gexviz.errors.Cancelled` to stop the work."""

    def __call__(self, done: int, total: int, label: str) -> None:
        """Take note that `done` of `total` tasks are finished, the last of them `label`."""


def inside(progress: Progress | None, stored: int, piece: int, whole: int) -> Progress | None:
    """Progress within a piece that is not stored yet: it can be cancelled there, and is never told to be finished.

    Parameters
    ----------
    progress : Progress or None
        Of the whole.
    stored, piece, whole : int
        How much is stored already, how much the piece is, and how much there is in all.
    """
    if progress is None:
        return None

    def told(done: int, total: int, label: str) -> None:
        progress(min(stored + piece * done // total, stored + piece - 1), whole, label)

    return told


class Task(NamedTuple):
    """One call, independent of all others. For Dask, `function` and `args` must pickle."""

    label: str
    function: Callable[..., Any]
    args: tuple[Any, ...]


class Executor(Protocol):
    """Runs tasks and gives each result as it comes, in any order."""

    def run(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, Any]]:
        """Give (task, result) pairs; a task's exception is raised here."""
        ...


class InProcess:
    """Runs the tasks one after another in this process (the default)."""

    def run(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, Any]]:
        """Give (task, result) pairs in order."""
        for task in tasks:
            yield task, task.function(*task.args)


class Dask:
    """Runs the tasks on a Dask cluster, local or remote.

    Parameters
    ----------
    client : distributed.Client
        Its workers must see the study's files under the same paths.
    """

    def __init__(self, client: Any) -> None:
        self.client = client

    def run(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, Any]]:
        """Give (task, result) pairs as they finish; what is still waiting is cancelled when the caller stops."""
        futures = {self.client.submit(t.function, *t.args, pure=False): t for t in tasks}
        try:
            for future, result in distributed.as_completed(list(futures), with_results=True):
                yield futures.pop(future), result
        finally:
            self.client.cancel(list(futures))


@contextmanager
def local_executor(jobs: int) -> Iterator[Executor]:
    """An executor for `jobs` processes on this machine: in-process for one, else a local Dask cluster."""
    if jobs <= 1:
        yield InProcess()
        return
    with _children_ignore_interrupts():
        cluster = distributed.LocalCluster(
            n_workers=jobs,
            threads_per_worker=1,
            dashboard_address=None,
            host="127.0.0.1",
            silence_logs=logging.ERROR,  # errors of tasks are raised here; being told to stop is no news
        )
    with cluster, distributed.Client(cluster) as client:
        # a worker that is stopped between two heartbeats calls it an error; one that dies is told of by this process
        client.run(logging.getLogger("distributed").setLevel, logging.CRITICAL)
        yield Dask(client)


@contextmanager
def _children_ignore_interrupts() -> Iterator[None]:
    """Leave Ctrl-C, which reaches all processes of a terminal, to this one: it stops those started here in order."""
    if threading.current_thread() is not threading.main_thread():  # others may not set signals
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def run(
    tasks: Iterable[Task], executor: Executor | None = None, progress: Progress | None = None
) -> Iterator[tuple[Task, Any]]:
    """Run independent tasks and give each result as soon as it is there.

    Parameters
    ----------
    tasks : iterable of Task
    executor : Executor, optional
        Where to run; in this process if not given.
    progress : Progress, optional
        Called after each task, once its result was taken by the caller (so what it stored is stored).

    Yields
    ------
    (Task, result)
    """
    waiting = list(tasks)
    for done, (task, result) in enumerate((executor or InProcess()).run(waiting), start=1):
        yield task, result
        if progress is not None:
            progress(done, len(waiting), task.label)
