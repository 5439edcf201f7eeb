"""Values of bases as intervals of the reference."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd


class Exported(NamedTuple):
    """What was written.

    Attributes
    ----------
    path : Path
    written : int
        Intervals, variants or sites.
    left_out : int
        Rows that can't stand on the reference's axis (inserted bases, or off the contig) or have no value.
    """

    path: Path
    written: int
    left_out: int


class Intervals(NamedTuple):
    """Sorted intervals that don't overlap: 0-based half-open starts and ends, values, and rows left out."""

    start: np.ndarray
    end: np.ndarray
    value: np.ndarray
    left_out: int


def intervals_of(table: pd.DataFrame) -> Intervals:
    """Join neighbouring bases of equal value.

    Parameters
    ----------
    table : DataFrame
        ``position`` (0-based), ``inserted`` (bool), ``value``; a row a base.

    Returns
    -------
    Intervals

    Raises
    ------
    ValueError
        If two bases that aren't inserted have one position.
    """
    position = table["position"].to_numpy(dtype=np.int64)
    value = table["value"].to_numpy(dtype=np.float32)
    kept = ~table["inserted"].to_numpy(dtype=bool) & (position >= 0) & np.isfinite(value)
    order = np.argsort(position[kept], kind="stable")
    position, value = position[kept][order], value[kept][order]
    step = np.diff(position)
    if (step == 0).any():
        raise ValueError(f"two bases at position {position[1:][step == 0][0]}")
    begins = np.flatnonzero(np.concatenate([[True], (step != 1) | (np.diff(value) != 0)])[: len(position)])
    ends = np.append(begins[1:], len(position)) - 1 if len(begins) else begins
    return Intervals(position[begins], position[ends] + 1, value[begins], int((~kept).sum()))


def comment(left_out: int, what: str) -> str:
    """A line that says how much is missing and why."""
    return f"# {left_out:,} {what} left out\n" if left_out else ""
