"""Correlations of many pairs of rows at once: Pearson, Spearman, their intervals and p values."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gexviz.lazy import lazy

scipy = lazy("scipy")

CONSTANT = 1e-6
"""Rows whose spread (largest minus smallest value) is at most this part of their largest absolute value are constant.

That is eight steps of float32: a network gives identical haplotypes values that differ by one to a few such steps,
depending on the batch. Expression, in float64, is far above it wherever it varies at all.
"""


class Rows(NamedTuple):
    """Rows made ready for correlation: the product of two such rows is their r.

    Attributes
    ----------
    unit, rank_unit : ndarray, float64, shape (rows, columns)
        Values, and their mean ranks, centred and of unit length; 0 where missing, and everywhere in constant rows.
    n : ndarray, int, shape (rows,)
        Values present.
    mean : ndarray, float64, shape (rows,)
        NaN where nothing is present.
    constant : ndarray, bool, shape (rows,)
        See :data:`CONSTANT`; also true where fewer than two values are present.
    """

    unit: np.ndarray
    rank_unit: np.ndarray
    n: np.ndarray
    mean: np.ndarray
    constant: np.ndarray

    def take(self, rows: np.ndarray | slice) -> Rows:
        """Keep some rows (an index, a mask or a slice)."""
        return Rows(*(array[rows] for array in self))


def standardise(values: np.ndarray, present: np.ndarray) -> Rows:
    """Centre and scale each row, and its mean ranks, over the values that are present.

    Parameters
    ----------
    values : ndarray, float64, shape (rows, columns)
    present : ndarray, bool, shape (rows, columns)
        Where to look; all of it finite.

    Returns
    -------
    Rows
    """
    n = present.sum(axis=1)
    whole = bool(present.all())
    filled = values if whole else np.where(present, values, 0.0)
    highest = filled.max(axis=1) if whole else np.where(present, values, -np.inf).max(axis=1, initial=-np.inf)
    lowest = filled.min(axis=1) if whole else np.where(present, values, np.inf).min(axis=1, initial=np.inf)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = filled.sum(axis=1) / n
        size = np.maximum(np.abs(highest), np.abs(lowest))
        half_spread = highest / 2 - lowest / 2
        constant = (n < 2) | ~(2 * half_spread > CONSTANT * size)
    mask = None if whole else present
    unit = _unit(filled - np.where(n > 0, mean, 0.0)[:, None], mask, np.where(constant, np.inf, half_spread))
    ranks = mean_ranks(filled if whole else np.where(present, values, np.inf))
    ranks -= (n[:, None] + 1) / 2
    return Rows(unit, _unit(ranks, mask, np.where(constant, np.inf, n)), n, mean, constant)


def _unit(centred: np.ndarray, present: np.ndarray | None, size: np.ndarray) -> np.ndarray:
    """Scale rows, in place, to unit length; what is missing, and rows of infinite size, become 0."""
    if present is not None:
        centred *= present
    centred /= size[:, None]  # so that no square over- or underflows
    length = np.sqrt(np.einsum("ij,ij->i", centred, centred))
    centred /= np.where(length == 0, 1.0, length)[:, None]
    return centred


def mean_ranks(values: np.ndarray) -> np.ndarray:
    """Rank each row from 1; ties share the mean of their ranks.

    Parameters
    ----------
    values : ndarray, shape (rows, columns)
        No NaN; missing values may stand as +inf: they rank last, in no particular order.

    Returns
    -------
    ndarray, float64, shape (rows, columns)
    """
    rows, columns = values.shape
    order = np.argsort(values, axis=1)
    in_order = np.take_along_axis(values, order, axis=1)
    tied = in_order[:, 1:] == in_order[:, :-1]
    if np.isinf(in_order[:, -1:]).any():
        tied &= in_order[:, 1:] < np.inf
    ranks = np.empty((rows, columns))
    np.put_along_axis(ranks, order, np.arange(1.0, columns + 1)[None], axis=1)
    some = np.flatnonzero(tied.any(axis=1))
    if some.size:
        first = np.ones((some.size, columns), dtype=bool)
        first[:, 1:] = ~tied[some]
        starts = np.flatnonzero(first)
        lengths = np.diff(starts, append=first.size)
        shared = np.repeat(starts % columns + (lengths + 1) / 2, lengths).reshape(first.shape)
        repaired = np.empty(first.shape)
        np.put_along_axis(repaired, order[some], shared, axis=1)
        ranks[some] = repaired
    return ranks


def row_products(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Correlate unit rows with unit rows, one to one; clipped to [-1, 1]."""
    return np.clip(np.einsum("ij,ij->i", left, right), -1.0, 1.0)


def fisher_interval(r: np.ndarray, n: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Confidence interval of Pearson's r through Fisher's z (standard error ``1 / sqrt(n - 3)``).

    Parameters
    ----------
    r : ndarray
    n : ndarray
        Pairs; NaN comes back where there are fewer than 4.
    level : float
        As 0.95.

    Returns
    -------
    low, high : ndarray
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        half = scipy.special.ndtri((1 + level) / 2) / np.sqrt(np.where(np.asarray(n) > 3, np.asarray(n) - 3.0, np.nan))
        z = np.arctanh(r)
    return np.tanh(z - half), np.tanh(z + half)


def correlation_p(r: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Two-sided p of Pearson's r against zero, from Student's t with ``n - 2`` degrees of freedom.

    Computed through the incomplete beta function, so that small p keep their digits.
    """
    r, n = np.asarray(r, dtype=float), np.asarray(n, dtype=float)
    usable = n > 2
    return np.where(usable, scipy.special.betainc(np.where(usable, n / 2 - 1, 1.0), 0.5, (1 - r) * (1 + r)), np.nan)
