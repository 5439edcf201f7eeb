"""What every track has: a region to draw, a number of marks, a drawing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd

from gexviz.figures.tracks.places import insertion_numbers

MARKS = 20_000
"""Points, bars, boxes, heatmap cells and letters that a figure may have, so that browsers stay quick."""

MOST = 1_500
"""Columns of a track: more than the pixels a figure is wide."""

LETTERS_BELOW = 300
"""bp from which letters are too narrow to read."""

PLOT_WIDTH = 560
"""px of the axis in a narrow figure, by which room for names is reckoned."""


class Region(NamedTuple):
    """What is shown.

    Attributes
    ----------
    contig : str
    start, end : int
        0-based half-open.
    """

    contig: str
    start: int
    end: int

    @property
    def width(self) -> int:
        """Length in bp."""
        return self.end - self.start

    @property
    def axis(self) -> tuple[float, float]:
        """The axis' ends: base p (0-based) is drawn around p + 1."""
        return self.start + 0.5, self.end + 0.5

    @property
    def pixel(self) -> float:
        """Bp a pixel of a narrow figure."""
        return self.width / PLOT_WIDTH

    def __str__(self) -> str:
        return f"{self.contig}:{self.start + 1:,}-{self.end:,}"


@dataclass(frozen=True, eq=False)
class Drawn:
    """A track's drawing.

    Attributes
    ----------
    traces : list
        Plotly traces without axes.
    height : int
        px, header not counted.
    axis : dict
        Settings of the y axis.
    note : str
        What the reader must know of it, as that it is binned; shown in the header.
    labels : list of dict
        Annotations with x and y in data.
    """

    traces: list[Any]
    height: int
    axis: dict[str, Any]
    note: str = ""
    labels: list[dict[str, Any]] = field(default_factory=list)


class Track(Protocol):
    """A component of the locus figure; a frozen dataclass.

    ``most`` is the number of columns (or variants, boxes) above which it shows less detail.
    """

    @property
    def name(self) -> str:
        """Shown in the header."""

    @property
    def most(self) -> int:
        """Largest number of columns."""

    def marks(self, region: Region) -> int:
        """Count the marks that :meth:`draw` makes."""

    def draw(self, region: Region) -> Drawn:
        """Draw the part of it that is in the region."""


def within(table: pd.DataFrame, region: Region) -> pd.DataFrame:
    """Rows of a table with ``position`` (0-based) that are in the region, in genome order.

    Tables of bases (``inserted``) get ``nth``: 0, or the number of an inserted base among those of its place.
    """
    position = table["position"].to_numpy()
    rows = table[(position >= region.start) & (position < region.end)].sort_values("position", kind="stable")
    return rows.assign(nth=insertion_numbers(rows)) if "inserted" in rows else rows


def overlapping(table: pd.DataFrame, region: Region) -> pd.DataFrame:
    """Rows of a table of intervals (``start``, ``end``, 0-based half-open) that touch the region, in genome order."""
    rows = table[(table["start"] < region.end) & (table["end"] > region.start)]
    return rows.sort_values("start", kind="stable")


def span(values: np.ndarray, *, above: float = 0.08, below: float = 0.08) -> list[float]:
    """Range of a y axis on which all values and 0 are, with a share of it as room."""
    finite = values[np.isfinite(values)]
    low, high = min(0.0, finite.min(initial=0.0)), max(0.0, finite.max(initial=0.0))
    room = (high - low) or 1.0
    return [float(low - (below * room if low < 0 else 0)), float(high + above * room)]


def joined(*parts: str) -> str:
    """Join the parts of a note that say something."""
    return "; ".join(part for part in parts if part)
