"""A Plotly figure in a widget, whose points are known by their ids."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence, Set
from functools import partial
from typing import Any

import numpy as np
import plotly.graph_objects as go


class _Figure(go.FigureWidget):
    """Plotly's widget, sent whole: it opens before it has its data, and a browser that is quick draws an empty one."""

    _whole = False

    def open(self) -> None:
        """Open a comm to the front-end, once the figure is there."""
        if self._whole:
            super().open()


class Chart:
    """A figure of which points can be selected and marked.

    Parameters
    ----------
    figure : Figure
        ``customdata[0]`` of a point is its id.
    chosen : callable
        Told the ids of what was boxed, lassoed or clicked; an empty list when that was undone.
    known : set of str, optional
        Ids that count; all if not given. Points of other things may be in the figure, too.

    Attributes
    ----------
    widget : FigureWidget
    """

    def __init__(
        self, figure: go.Figure, chosen: Callable[[Sequence[str]], None], known: Set[str] | None = None
    ) -> None:
        self.widget = _Figure(_without_nan(figure))
        self.widget._whole = True
        self.keep()
        self.widget.open()
        self.widget._config = {"displaylogo": False, "modeBarButtonsToRemove": ["autoScale2d"]}
        self._chosen = chosen
        self._found: dict[int, list[str]] = {}
        self._boxed: set[str] = set()
        self._ids = {
            number: ids
            for number, trace in enumerate(self.widget.data)
            if (ids := _ids(trace)) and (known is None or not known.isdisjoint(ids))
        }
        for number in self._ids:
            trace = self.widget.data[number]
            trace.on_selection(partial(self._selected, number))
            trace.on_deselect(self._deselected)

    @property
    def ids(self) -> list[str]:
        """Ids of all its points."""
        return [name for ids in self._ids.values() for name in ids]

    def mark(self, ids: Collection[str]) -> None:
        """Show points as selected and fade all others; none for no selection."""
        wanted = list(ids)
        if self._boxed and set(wanted) != self._boxed:
            self._forget_box()
        with self.widget.batch_update():
            for number, known in self._ids.items():
                found = np.flatnonzero(np.isin(known, wanted)).tolist() if wanted else None
                self.widget.data[number].selectedpoints = found
        self.keep()

    def widen(self, width: int) -> None:
        """Make it `width` px wide."""
        self.widget.layout.width = width
        self.keep()

    def keep(self) -> None:
        """Let browsers that open it from now on see it as it is now: Plotly's widget gives them what it began with."""
        self.widget._repr_mimebundle_()

    def _selected(self, number: int, trace: Any, points: Any, selector: Any) -> None:
        """Gather what is told trace by trace, in their order."""
        self._found[number] = [self._ids[number][n] for n in points.point_inds]
        if number == max(self._ids):
            ids = [name for ids in self._found.values() for name in ids]
            self._boxed = set(ids)
            self._chosen(ids)

    def _deselected(self, trace: Any, points: Any) -> None:
        self._boxed = set()
        self._chosen([])

    def _forget_box(self) -> None:
        """Take away the box that people drew: only their browser knows it, and nothing is sent that does not change."""
        self._boxed = set()
        self.widget.layout.selections = [{"type": "rect", "x0": 0, "x1": 0, "y0": 0, "y1": 0}]
        self.widget.layout.selections = ()


def _without_nan(figure: go.Figure) -> go.Figure:
    """A copy with None for NaN in lists, which JSON has not; arrays travel as bytes."""
    clean = go.Figure(figure)
    for trace in clean.data:
        for axis in ("x", "y"):
            if axis in trace and isinstance(trace[axis], tuple):
                trace[axis] = [None if value != value else value for value in trace[axis]]
    return clean


def _ids(trace: Any) -> list[str]:
    """Ids of a trace's points; none for what has no points of its own."""
    if trace.type not in ("scatter", "scattergl") or trace.customdata is None:
        return []
    return [str(row[0]) for row in trace.customdata]
