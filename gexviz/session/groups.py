"""Values by the number of ALT copies, as the quantiles of groups of people, none of them small."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from gexviz.session.privacy import K, grid_step, rounded_count, too_few

COLUMNS = ["value", "copies", "people", "q10", "q25", "q50", "q75", "q90"]

_PERCENTILES = (10, 25, 50, 75, 90)
_PER_SD = 10
_PARTITIONS: tuple[tuple[tuple[int, ...], ...], ...] = (((0,), (1,), (2,)), ((0,), (1, 2)), ((0, 1), (2,)))
"""How groups may be joined, the finest first."""


def groups(table: pd.DataFrame, copies: pd.Series, values: Sequence[str], k: int = K) -> pd.DataFrame:
    """Sum up values by dosage.

    A group stands alone if it has `k` people or more; else it is joined with its neighbour (``1 or 2``), also if it is
    empty, so that the names of groups don't tell which. Where that isn't enough, nothing is shown. Quantiles are told
    if half of `k` people or more lie beyond them, and are rounded to a tenth of the standard deviation or so.

    Parameters
    ----------
    table : DataFrame
        A row a person: ``observed``, and a column a model.
    copies : Series
        ALT copies of the same people; NaN without a call.
    values : sequence of str
        Columns.
    k : int

    Returns
    -------
    DataFrame
        `COLUMNS`; ``people`` is a multiple of `k`.
    """
    rows: list[tuple[str | float, ...]] = []
    if too_few(len(table), k):
        return pd.DataFrame(rows, columns=COLUMNS)
    called = copies.round().to_numpy(np.float64)
    for value in values:
        known = table[value].to_numpy(np.float64)
        there = np.isfinite(known) & np.isfinite(called)
        step = grid_step(known, _PER_SD)
        for members in partition(np.array([(there & (called == n)).sum() for n in range(3)]), k):
            inside = known[there & np.isin(called, members)]
            quantiles = (_quantile(inside, percent, step, k) for percent in _PERCENTILES)
            rows.append((value, " or ".join(map(str, members)), rounded_count(len(inside), k), *quantiles))
    return pd.DataFrame(rows, columns=COLUMNS)


def partition(counts: np.ndarray, k: int = K) -> tuple[tuple[int, ...], ...]:
    """Which groups (of 0, 1, 2 copies) are told apart; none if each way would make one of fewer than `k`."""
    for parts in _PARTITIONS:
        if all(counts[list(part)].sum() >= k for part in parts):
            return parts
    return ()


def _quantile(values: np.ndarray, percent: int, step: float, k: int) -> float:
    """A percentile on a grid; NaN where fewer than half of `k` people lie beyond it."""
    if min(percent, 100 - percent) * len(values) < 50 * k:
        return float("nan")
    found = float(np.percentile(values, percent))
    return found if np.ptp(values) == 0 else round(found / step) * step
