"""Asking a service of others politely: so many requests a minute, longer and longer waits where it is busy, an end."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from typing import Protocol

from gexviz.errors import Cancelled

FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
"""Seconds. Quotas are often by the minute: the waits of all attempts together last longer than one."""

ATTEMPTS = 9


def waits() -> Iterator[float]:
    """Seconds to wait after each attempt that failed: each about twice the last, with jitter."""
    for attempt in range(ATTEMPTS - 1):
        yield min(LONGEST_WAIT, FIRST_WAIT * 2.0**attempt) * random.uniform(0.75, 1.25)


class Call(Protocol):
    """A request under way."""

    def cancel(self) -> object:
        """End it; nothing happens where it is over."""
        ...


class Stop(threading.Event):
    """Ends all waiting once it is set, so that nothing begins; what is under way goes on, or is cancelled."""

    def __init__(self) -> None:
        super().__init__()
        self._calls: list[Call] = []
        self._cancelled = False

    def cancel(self) -> None:
        """Let nothing begin, and end what is under way."""
        self.set()
        self._cancelled = True
        for call in self._calls:
            call.cancel()

    def reaches(self, call: Call) -> None:
        """Have a request that began cancelled with the others, be it that they are already."""
        self._calls.append(call)
        if self._cancelled:
            call.cancel()


class Pace:
    """Lets requests begin one after another, evenly spread; of all threads of this process.

    Parameters
    ----------
    per_minute : int
    """

    def __init__(self, per_minute: int) -> None:
        self._apart = 60.0 / per_minute
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self, stop: threading.Event) -> None:
        """Wait for this request's turn.

        Raises
        ------
        Cancelled
            If `stop` is set meanwhile.
        """
        pause(0, stop)  # what won't begin takes no turn
        with self._lock:
            now = time.monotonic()
            mine = max(now, self._next)
            self._next = mine + self._apart
        pause(mine - now, stop)


def pause(seconds: float, stop: threading.Event) -> None:
    """Wait, unless told to stop.

    Raises
    ------
    Cancelled
        If `stop` is set before the time is over.
    """
    if stop.wait(seconds):
        raise Cancelled
