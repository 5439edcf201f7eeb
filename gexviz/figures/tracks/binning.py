"""Less detail for wide regions: of each bin the value furthest from 0, with its sign and its place."""

from __future__ import annotations

import numpy as np
import pandas as pd

from gexviz.figures.tracks.base import Region


def step_for(rows: int, region: Region, most: int) -> int:
    """Bp of a bin: 1, and not binned, as long as there are no more rows than columns."""
    return 1 if rows <= most else max(2, -(-region.width // most))


def bins_of(position: np.ndarray, region: Region, step: int) -> np.ndarray:
    """Number of the bin that each 0-based position is in."""
    return (position - region.start) // step


def strongest(values: np.ndarray, bins: np.ndarray) -> np.ndarray:
    """Find the row furthest from 0 of each bin.

    Parameters
    ----------
    values : ndarray, shape (n,)
        A NaN is taken only where the bin has nothing else.
    bins : ndarray of int, shape (n,)

    Returns
    -------
    ndarray of int
        A row for each bin that has any, by bin.
    """
    order = np.lexsort((-np.abs(values), bins))
    return order[np.unique(bins[order], return_index=True)[1]]


def bin_ends(bins: np.ndarray, region: Region, step: int) -> tuple[np.ndarray, np.ndarray]:
    """Left and right ends of bins on the axis."""
    left = region.start + 0.5 + bins * step
    return left, np.minimum(left + step, region.end + 0.5)


def in_words(what: str, step: int) -> str:
    """Say that a track is binned."""
    return f"largest |{what}| per {step:,} bp" if step > 1 else ""


def count_bins(table: pd.DataFrame, region: Region, most: int) -> int:
    """Count the columns that a table of bases within the region is drawn in."""
    step = step_for(len(table), region, most)
    return len(table) if step == 1 else len(np.unique(bins_of(table["position"].to_numpy(), region, step)))
