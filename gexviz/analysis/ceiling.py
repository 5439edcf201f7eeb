"""How much of a gene's expression its cis variants can explain: heritability by restricted maximum likelihood (GREML).

Yang et al., Nature Genetics 42:565 (2010), for one gene: ``y = X b + g + e``, g ~ N(0, s² h2 K), e ~ N(0, s² (1 - h2)),
K = Z Z' / m of standardised dosages. Covariates are projected out; what is left is rotated by K's eigenvectors, so that
the restricted likelihood is a sum over people and has one free parameter.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gexviz.lazy import lazy

optimize = lazy("scipy.optimize")
special = lazy("scipy.special")

FEWEST = 30
"""People, less covariates, that an estimate takes."""

_TOP = 1 - 1e-6


class Heritability(NamedTuple):
    """Cis-heritability of one gene.

    Attributes
    ----------
    h2 : float
        Share of the variance, after covariates, that the variants explain together, linearly.
    low, high : float
        Profile likelihood interval.
    p : float
        Likelihood ratio against h2 = 0: half of it is a point mass at p = 1.
    n, variants : int
        People, and variants that vary.
    reason : str
        Why there is no estimate; empty if there is.
    """

    h2: float
    low: float
    high: float
    p: float
    n: int
    variants: int
    reason: str


def cis_heritability(
    expression: np.ndarray, dosages: np.ndarray, covariates: np.ndarray | None = None, *, level: float = 0.95
) -> Heritability:
    """Estimate the cis-heritability of one gene.

    Parameters
    ----------
    expression : ndarray, shape (n,)
        People with NaN take no part.
    dosages : ndarray, shape (n_variants, n)
        Of the cis window, common variants; missing calls are the variant's mean.
    covariates : ndarray, shape (n, n_covariates), optional
        Without an intercept; finite.
    level : float
        Of the interval.

    Returns
    -------
    Heritability
    """
    has = np.isfinite(expression)
    y, n = np.asarray(expression, np.float64)[has], int(has.sum())
    z = _standardised(np.asarray(dosages, np.float64)[:, has])
    design = np.ones((n, 1)) if covariates is None else np.column_stack([np.ones(n), np.asarray(covariates)[has]])

    def without(reason: str) -> Heritability:
        nan = float("nan")
        return Heritability(nan, nan, nan, nan, n, len(z), reason)

    u, s, _ = np.linalg.svd(design, full_matrices=True)
    rank = int((s > s[0] * 1e-10).sum()) if n else 0
    if n - rank < FEWEST:
        return without(f"fewer than {FEWEST} people more than covariates")
    if not len(z):
        return without("no variant varies")
    free = u[:, rank:]
    y_free, z_free = free.T @ y, z @ free
    if np.abs(y_free).max() <= 1e-10 * max(1.0, np.abs(y).max()):
        return without("constant expression after covariates")
    values, vectors = np.linalg.eigh(z_free.T @ z_free / len(z))
    return _maximised(values, (vectors.T @ y_free) ** 2, level, (n, len(z)))


def _standardised(dosages: np.ndarray) -> np.ndarray:
    """Rows of mean 0 and variance 1; those that don't vary are left out."""
    there = np.isfinite(dosages)
    mean = np.where(there, dosages, 0.0).sum(axis=1) / np.maximum(there.sum(axis=1), 1)
    centred = np.where(there, dosages - mean[:, None], 0.0)
    sd = np.sqrt((centred**2).mean(axis=1)) if centred.shape[1] else np.zeros(len(centred))
    return centred[sd > 1e-9] / sd[sd > 1e-9, None]


def restricted_likelihood(h2: float, values: np.ndarray, squares: np.ndarray) -> float:
    """Restricted log likelihood, but for a constant, with the scale profiled out.

    Parameters
    ----------
    h2 : float
    values : ndarray
        Eigenvalues of the projected K.
    squares : ndarray
        Squares of the projected expression in its eigenvectors.

    Returns
    -------
    float
    """
    variance = h2 * values + (1 - h2)
    return float(-0.5 * (np.log(variance).sum() + len(values) * np.log((squares / variance).mean())))


def _maximised(values: np.ndarray, squares: np.ndarray, level: float, counts: tuple[int, int]) -> Heritability:
    """Find the maximum on [0, 1) and where the likelihood falls below the interval's limit."""

    def fall(h2: float) -> float:
        return -restricted_likelihood(h2, values, squares)

    grid = np.linspace(0, _TOP, 41)
    heights = [fall(h2) for h2 in grid]
    best = int(np.argmin(heights))
    around = grid[max(best - 1, 0)], grid[min(best + 1, 40)]
    found = optimize.minimize_scalar(fall, bounds=around, method="bounded", options={"xatol": 1e-7})
    h2, lowest = (float(found.x), float(found.fun)) if found.fun < heights[best] else (float(grid[best]), heights[best])
    limit = lowest + 0.5 * float(special.chdtri(1, 1 - level))
    low = 0.0 if heights[0] <= limit else optimize.brentq(lambda x: fall(x) - limit, 0.0, h2)
    high = 1.0 if heights[-1] <= limit else optimize.brentq(lambda x: fall(x) - limit, h2, _TOP)
    ratio = max(0.0, 2 * (heights[0] - lowest))
    p = 1.0 if h2 == 0 or ratio == 0 else float(0.5 * special.chdtrc(1, ratio))
    return Heritability(h2, float(low), float(high), p, *counts, "")
