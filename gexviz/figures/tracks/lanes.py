"""Packing intervals into lanes, so that neither they nor their names overlap; boxes on lanes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go

from gexviz.figures import theme, words
from gexviz.figures.tracks.base import Region

LETTER = 7.0
"""px a letter of a name takes."""


class Named(NamedTuple):
    """Boxes with their names, in lanes; arrays of shape (n,).

    Attributes
    ----------
    lanes : ndarray of int
    before : ndarray of bool
        Whether the name stands to the left of its box, as there is no room to the right of it.
    """

    lanes: np.ndarray
    before: np.ndarray


def pack_named(left: np.ndarray, right: np.ndarray, names: list[str], region: Region) -> Named:
    """Pack boxes whose names stand beside them.

    Parameters
    ----------
    left, right : ndarray, shape (n,)
        Ends on the axis.
    names : list of str
        An empty one needs no room.
    region : Region
    """
    room = np.array([len(name) * LETTER + 12 if name else 4 for name in names]) * region.pixel
    before = right + room > region.axis[1]
    start, end = np.where(before, left - room, left), np.where(before, right, right + room)
    return Named(pack(start, end), before)


def name_labels(left: np.ndarray, right: np.ndarray, names: list[str], named: Named) -> list[dict[str, Any]]:
    """Make annotations of the names."""
    return [
        {
            "x": start if before else end,
            "y": int(lane),
            "text": words.safe(name),
            "xanchor": "right" if before else "left",
            "xshift": -2 if before else 2,
            "font": {"size": 11, "color": theme.INK},
        }
        for start, end, name, lane, before in zip(left, right, names, *named, strict=True)
        if name
    ]


def pack(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Give each interval, one after the other, the first lane in which it overlaps none before it.

    Parameters
    ----------
    left, right : ndarray, shape (n,)
        Ends on the axis, names included.

    Returns
    -------
    ndarray of int
        Lane of each, from 0.
    """
    taken: list[list[tuple[float, float]]] = []
    lanes = np.zeros(len(left), dtype=int)
    for number, (start, end) in enumerate(zip(left, right, strict=True)):
        free = (n for n, lane in enumerate(taken) if all(end <= a or start >= b for a, b in lane))
        lanes[number] = next(free, len(taken))
        if lanes[number] == len(taken):
            taken.append([])
        taken[lanes[number]].append((start, end))
    return lanes


def place_name(start: int, end: int) -> str:
    """Write a 0-based half-open interval as people read it: 1-based, with its last base."""
    return f"{start + 1:,}" if end == start + 1 else f"{start + 1:,}-{end:,}"


def boxes(ends: tuple[np.ndarray, np.ndarray], lanes: np.ndarray, texts: list[str], **options: object) -> go.Bar:
    """Draw boxes on lanes.

    Parameters
    ----------
    ends : (ndarray, ndarray)
        Left and right, on the axis.
    lanes : ndarray
        y of each.
    texts : list of str
        Hover labels.
    options
        Given to the trace; ``width`` is their height in lanes.
    """
    left, right = ends
    return go.Bar(
        orientation="h",
        base=left,
        x=right - left,
        y=lanes,
        customdata=texts,
        hovertemplate="%{customdata}<extra></extra>",
        showlegend=False,
        **options,
    )
