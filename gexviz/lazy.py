"""Modules that are imported when they are first used.

``lazy_loader`` and :class:`importlib.util.LazyLoader` put half-made modules into ``sys.modules``; whatever looks
through that table (``inspect.stack()`` does) imports them in the middle of another import, and threads can wait for
each other for ever. This one is only a name until an attribute is asked for.
"""

from __future__ import annotations

import importlib
from typing import Any


class LazyModule:
    """Stands for a module; the first attribute asked for imports it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(importlib.import_module(self._name), attribute)

    def __repr__(self) -> str:
        return f"LazyModule({self._name!r})"


def lazy(name: str) -> Any:
    """Give a stand-in for a module that is slow to import or seldom needed.

    Parameters
    ----------
    name : str
        Absolute, as ``scipy.stats``.

    Returns
    -------
    LazyModule
        Typed as Any, so that its attributes are too.
    """
    return LazyModule(name)
