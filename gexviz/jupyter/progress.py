"""A bar below the cell while something long is computed."""

from __future__ import annotations

import functools
import html
import inspect
import time
from collections.abc import Callable
from contextvars import ContextVar
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from gexviz.jupyter.kernel import in_kernel
from gexviz.lazy import lazy

display = lazy("IPython.display")

AFTER = 0.5
"""Seconds of work before a bar is shown: what is quicker shows none."""

EVERY = 0.1
"""Seconds between two states of a bar."""

STOPPED = "stopped; what was finished is kept, and the same call goes on from there"

_showing: ContextVar[bool] = ContextVar("_showing", default=False)

P = ParamSpec("P")
T = TypeVar("T")


class Bar:
    """A :class:`gexviz.tasks.Progress` that is shown in a notebook; it is gone when the work is done."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._told = 0.0
        self._handle: Any = None

    def __call__(self, done: int, total: int, label: str) -> None:
        """Show that `done` of `total` are finished, the last of them `label`."""
        now = time.monotonic()
        if now - self._began < AFTER or (now - self._told < EVERY and done < total):
            return
        self._told = now
        bar = f'<progress max="{total:d}" value="{done:d}" aria-label="progress" style="width:20em"></progress>'
        text = f"{done:,} of {total:,} · {label}"
        self._show({"text/html": f"{bar} {html.escape(text)}", "text/plain": text})

    def __enter__(self) -> Bar:
        self._open = _showing.set(True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _showing.reset(self._open)
        stopped = kind is not None and issubclass(kind, KeyboardInterrupt)
        if stopped or self._handle is not None:
            self._show({"text/plain": STOPPED if stopped else ""})

    def _show(self, bundle: dict[str, str]) -> None:
        if self._handle is None:
            self._handle = display.display(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)


def shows_progress(work: Callable[P, T]) -> Callable[P, T]:
    """Give a function that takes `progress` a bar when it is called in a notebook without one.

    Work within such work shows none of its own.
    """
    signature = inspect.signature(work)

    @functools.wraps(work)
    def shown(*args: P.args, **kwargs: P.kwargs) -> T:
        if not in_kernel() or _showing.get():
            return work(*args, **kwargs)
        given = signature.bind(*args, **kwargs)
        if given.arguments.get("progress") is not None:
            return work(*args, **kwargs)
        with Bar() as given.arguments["progress"]:
            return work(*given.args, **given.kwargs)

    return shown
