"""How far values of bases rank them as effects do, with an interval that allows for neighbours being alike."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gexviz.lazy import lazy

stats = lazy("scipy.stats")

STRETCH = 16
"""Neighbouring bases that are resampled together: they share tokens, and motifs."""

FEWEST = 20
"""Stretches below which there is no interval."""

_RESAMPLED = 2_000
_LEVEL = 0.95


class RankAgreement(NamedTuple):
    """Spearman's correlation over bases.

    Attributes
    ----------
    r : float
        NaN where either is constant.
    low, high : float
        95% interval; NaN where there are fewer than :data:`FEWEST` stretches.
    n : int
        Bases compared.
    """

    r: float
    low: float
    high: float
    n: int

    @property
    def words(self) -> str:
        """As ``Spearman's r = 0.12 [0.05, 0.19] over 1,000 bases``."""
        over = f"over {self.n:,} bases"
        if np.isnan(self.r):
            return f"Spearman's r is undefined {over}, as one of the two is constant"
        if np.isnan(self.low):
            return f"Spearman's r = {_number(self.r)} {over} (too few for an interval, which needs {STRETCH * FEWEST})"
        return f"Spearman's r = {_number(self.r)} [{_number(self.low)}, {_number(self.high)}] {over}"


def rank_agreement(values: np.ndarray, effects: np.ndarray, *, seed: int = 0) -> RankAgreement:
    """Compare the ranks of two values a base.

    Parameters
    ----------
    values, effects : ndarray, float (n,)
        In the order of the bases; those that are NaN in either are left out.
    seed : int
        Of the resampling.

    Notes
    -----
    The interval is a percentile bootstrap (2,000 times) of stretches of :data:`STRETCH` bases, with the ranks of all
    bases kept. Fisher's interval would count the bases of a token as so many observations.
    """
    there = np.flatnonzero(np.isfinite(values) & np.isfinite(effects))
    n = len(there)
    x, y = (stats.rankdata(array[there]) - (n + 1) / 2 for array in (values, effects))
    if n < 2 or not x.any() or not y.any():
        return RankAgreement(np.nan, np.nan, np.nan, n)
    r = float(np.clip(x @ y / np.sqrt((x @ x) * (y @ y)), -1, 1))
    _, stretch = np.unique(there // STRETCH, return_inverse=True)
    number = int(stretch[-1]) + 1
    if number < FEWEST:
        return RankAgreement(r, np.nan, np.nan, n)
    sums = np.stack([np.bincount(stretch, part) for part in (np.ones(n), x, y, x * x, y * y, x * y)], axis=1)
    drawn = np.random.default_rng(seed).multinomial(number, np.full(number, 1 / number), size=_RESAMPLED)
    m, sx, sy, xx, yy, xy = (drawn @ sums).T
    with np.errstate(invalid="ignore", divide="ignore"):
        made = (xy - sx * sy / m) / np.sqrt((xx - sx * sx / m) * (yy - sy * sy / m))
    low, high = np.nanquantile(made, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return RankAgreement(r, float(low), float(high), n)


def _number(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")
