"""Letters of a sequence logo, scaled to their heights: outlines of real glyphs as filled lines.

Colours tell the bases apart, and the letters themselves do for whoever can't. A negative height turns the letter over,
below its base line, in a fainter tint.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from gexviz.figures import theme
from gexviz.lazy import lazy

textpath = lazy("matplotlib.textpath")
font_manager = lazy("matplotlib.font_manager")

COLOURS = {"A": theme.GREEN, "C": theme.BLUE, "G": theme.ORANGE, "T": theme.VERMILLION}
GAP = 0.06
"""Share of a letter's width that is left free."""


class Letters(NamedTuple):
    """Letters and where they stand; arrays of shape (n,).

    Attributes
    ----------
    letter : ndarray of str
        A, C, G, T; others are not drawn.
    left, right : ndarray
    base : ndarray
        y of the line a letter stands on.
    height : ndarray
        Signed; letters without height are not drawn.
    """

    letter: np.ndarray
    left: np.ndarray
    right: np.ndarray
    base: np.ndarray
    height: np.ndarray


@functools.cache
def outline(letter: str) -> np.ndarray:
    """Outline of a bold letter that fills the square from (0, 0) to (1, 1).

    Parameters
    ----------
    letter : str

    Returns
    -------
    ndarray, shape (m, 2)
        Closed polygons, holes running the other way round, with a row of NaN after each.
    """
    font = font_manager.FontProperties(family="DejaVu Sans", weight="bold")
    polygons = textpath.TextPath((0, 0), letter, size=50, prop=font).to_polygons()
    points = np.concatenate(polygons)
    low, high = points.min(axis=0), points.max(axis=0)
    rows = [row for polygon in polygons for row in ((polygon - low) / (high - low), [[np.nan, np.nan]])]
    found = np.concatenate(rows)
    found.flags.writeable = False
    return found


def stacked(heights: np.ndarray, left: np.ndarray, right: np.ndarray) -> Letters:
    """Stack the four letters of each position, the largest furthest from 0.

    Parameters
    ----------
    heights : ndarray, shape (n, 4)
        Signed, A C G T; positive letters stand on 0, negative ones hang from it.
    left, right : ndarray, shape (n,)

    Returns
    -------
    Letters
        4 n of them.
    """
    order = np.argsort(np.abs(heights), axis=1, kind="stable")
    sizes = np.nan_to_num(np.take_along_axis(heights, order, axis=1))
    up, down = np.maximum(sizes, 0), np.minimum(sizes, 0)
    base = np.where(sizes >= 0, np.cumsum(up, axis=1) - up, np.cumsum(down, axis=1) - down)
    letter = np.array(list("ACGT"))[order]
    return Letters(letter.ravel(), np.repeat(left, 4), np.repeat(right, 4), base.ravel(), sizes.ravel())


def count_letters(letters: Letters) -> int:
    """Count the letters that :func:`letter_traces` draws."""
    return int((np.isin(letters.letter, list(COLOURS)) & (np.nan_to_num(letters.height) != 0)).sum())


def letter_traces(letters: Letters) -> list[go.Scatter]:
    """Draw letters.

    Parameters
    ----------
    letters : Letters

    Returns
    -------
    list of Scatter
        One a base and sign, each a line filled to itself, with NaN between the outlines.
    """
    traces = []
    for letter, colour in COLOURS.items():
        for sign in (1, -1):
            members = (letters.letter == letter) & (np.sign(letters.height) == sign)
            if members.any():
                traces.append(_trace(letter, letters, members, colour if sign > 0 else _faint(colour)))
    return traces


def _trace(letter: str, letters: Letters, members: np.ndarray, colour: str) -> go.Scatter:
    shape = outline(letter)
    left, right, base, height = (np.asarray(part, float)[members, None] for part in letters[1:])
    width = (right - left) * (1 - GAP)
    return go.Scatter(
        x=(left + (right - left) * GAP / 2 + width * shape[:, 0]).ravel(),
        y=(base + height * shape[:, 1]).ravel().astype(np.float32),
        mode="lines",
        line={"width": 0, "color": colour, "simplify": False},
        fill="toself",
        fillcolor=colour,
        hoverinfo="skip",
        showlegend=False,
        name=letter,
    )


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[n : n + 2], 16) for n in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.55)"
