"""Work in steps of about a second, so that it can be told of, and cancelled, however fast a model is."""

from __future__ import annotations

import time
from collections.abc import Iterator

STEP = 1.0
"""Seconds that a step should take."""

_FASTEST = 1e-5


class Pacing:
    """How much is done at a time.

    Parameters
    ----------
    seconds : float
        What one sequence is guessed to take; a first step of one if not given.

    Attributes
    ----------
    seconds : float
        The same, as the last step had it.
    """

    def __init__(self, seconds: float = STEP) -> None:
        self.seconds = seconds

    def steps(self, total: int) -> Iterator[slice]:
        """Slices of `total` sequences; each has to be done before the next is asked for."""
        done = 0
        while done < total:
            here = slice(done, min(total, done + max(1, int(STEP / max(self.seconds, _FASTEST)))))
            begin = time.perf_counter()
            yield here
            self.seconds = (time.perf_counter() - begin) / (here.stop - here.start)
            done = here.stop
