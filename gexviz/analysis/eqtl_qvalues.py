"""False discovery rates across genes: Benjamini and Hochberg, and Storey's q values."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from gexviz.lazy import lazy

stats = lazy("scipy.stats")
interpolate = lazy("scipy.interpolate")
optimize = lazy("scipy.optimize")

LAMBDAS = np.arange(5, 100, 5) / 100
SMOOTHER_DF = 3.0


class QValues(NamedTuple):
    """Storey's q values.

    Attributes
    ----------
    q : ndarray
        As long as p.
    pi0 : float
        The share of true nulls that they rest on.
    note : str
        Why pi0 could not be estimated and is 1, which makes q that of Benjamini and Hochberg; empty if it could.
    """

    q: np.ndarray
    pi0: float
    note: str


def benjamini_hochberg(p: np.ndarray) -> np.ndarray:
    """Adjust p values (Benjamini and Hochberg 1995).

    Parameters
    ----------
    p : ndarray
        Without NaN.

    Returns
    -------
    ndarray
    """
    return stats.false_discovery_control(p) if len(p) else np.zeros(0)


def storey(p: np.ndarray) -> QValues:
    """Estimate q values (Storey and Tibshirani 2003), as R's ``qvalue`` with its smoother.

    The share of p above each of 0.05, 0.10 ... 0.95, over what uniform p would have there, is smoothed by a cubic
    spline with 3 degrees of freedom; its value at 0.95 is pi0, at most 1.

    Parameters
    ----------
    p : ndarray
        Without NaN.

    Returns
    -------
    QValues
    """
    p = np.asarray(p, float)
    if not len(p) or p.max() < LAMBDAS[-1]:
        return QValues(benjamini_hochberg(p), 1.0, f"no p value is {LAMBDAS[-1]:g} or more")
    shares = (p >= LAMBDAS[:, None]).mean(axis=1) / (1.0 - LAMBDAS)
    pi0 = float(_last_smoothed() @ shares)
    if pi0 <= 0:
        return QValues(benjamini_hochberg(p), 1.0, f"the estimate of pi0 is {pi0:.3g}")
    pi0 = min(pi0, 1.0)
    return QValues(pi0 * benjamini_hochberg(p), pi0, "")


@cache
def _last_smoothed() -> np.ndarray:
    """Weights of the values at :data:`LAMBDAS` in the smoothed value at the last of them."""

    def smoother(log_penalty: float) -> np.ndarray:
        penalty = np.exp(log_penalty)
        each = np.eye(len(LAMBDAS))
        return np.column_stack([interpolate.make_smoothing_spline(LAMBDAS, y, lam=penalty)(LAMBDAS) for y in each])

    found = optimize.brentq(lambda penalty: np.trace(smoother(penalty)) - SMOOTHER_DF, -20.0, 5.0)
    return smoother(found)[-1]
