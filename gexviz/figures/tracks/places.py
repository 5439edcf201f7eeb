"""Where bases stand on the genomic axis, inserted ones too.

A base of the reference at 0-based p is drawn around x = p + 1, from p + 0.5 to p + 1.5. Bases inserted after it have no
place of their own on a reference axis: they share a slot around p + 1.5, which the two neighbours make room for by
being drawn narrower. So nothing overlaps, everything else stays where it is, and zooming in shows them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

SLOT = 0.8
"""Widest room of an insertion, bp; a base between two insertions keeps 0.2."""


class Places(NamedTuple):
    """Left and right ends of bases on the axis, both shape (n,)."""

    left: np.ndarray
    right: np.ndarray

    @property
    def middle(self) -> np.ndarray:
        """Where their marks stand."""
        return (self.left + self.right) / 2

    @property
    def width(self) -> np.ndarray:
        """In bp of the axis."""
        return self.right - self.left


def places(table: pd.DataFrame) -> Places:
    """Place the bases of a table.

    Parameters
    ----------
    table : DataFrame
        ``position`` (0-based, ascending; inserted bases have that of the reference base before them) and ``inserted``,
        inserted bases in the order they stand in on the forward strand.

    Returns
    -------
    Places
    """
    position, inserted = table["position"].to_numpy(dtype=np.int64), table["inserted"].to_numpy(dtype=bool)
    at, counts = np.unique(position[inserted], return_counts=True)
    slots = np.minimum(SLOT, 2 * counts / (counts + 2))
    left = position + 0.5 + _at(position - 1, at, slots) / 2
    right = position + 1.5 - _at(position, at, slots) / 2
    share = _at(position, at, slots / np.maximum(counts, 1))[inserted]
    left[inserted] = right[inserted] + ordinals(position[inserted]) * share
    right[inserted] = left[inserted] + share
    return Places(left, right)


def ordinals(position: np.ndarray) -> np.ndarray:
    """Count 0, 1, 2... along each run of equal numbers."""
    starts = np.flatnonzero(np.diff(position, prepend=position[:1] - 1))
    return np.arange(len(position)) - np.repeat(starts, np.diff(starts, append=len(position)))


def base_names(table: pd.DataFrame, alt: str = "") -> list[str]:
    """Say which base each row is (1-based), with `alt` what it is changed to.

    ``20,004,600 G``, ``20,004,600 G>C``; of inserted bases ``2nd base inserted after 20,004,600: A``. The number comes
    from the column ``nth`` where there is one, as tables with rows left out must have.
    """
    change = f">{alt}" if alt else ""
    number = table["nth"].to_numpy() if "nth" in table else insertion_numbers(table)
    return [
        f"{_nth(n)} base inserted after {place + 1:,}: {base}{change}" if n else f"{place + 1:,} {base}{change}"
        for place, n, base in zip(table["position"], number, table["ref"], strict=True)
    ]


def insertion_numbers(table: pd.DataFrame) -> np.ndarray:
    """Number the inserted bases of each place 1, 2...; bases of the reference are 0."""
    inserted = table["inserted"].to_numpy(dtype=bool)
    numbers = np.zeros(len(table), dtype=int)
    numbers[inserted] = ordinals(table["position"].to_numpy()[inserted]) + 1
    return numbers


def _nth(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _at(position: np.ndarray, keys: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Look values up by position; 0 where there is none."""
    if not len(keys):
        return np.zeros(len(position))
    found = np.minimum(np.searchsorted(keys, position), len(keys) - 1)
    return np.where(keys[found] == position, values[found], 0.0)
