"""The elastic-net path as R's glmnet fits it, and its cross-validation (Friedman, Hastie and Tibshirani 2010).

For each penalty ``l`` of a path the coefficients ``b`` minimise, with `y` and the predictors centred and scaled to unit
variance (with 1/n)::

    |y - X b|^2 / (2 n)  +  l * (alpha * |b|_1  +  (1 - alpha) / 2 * |b|^2)

Penalties are told times the standard deviation of `y`, as glmnet tells them. The penalties, the early end of the path
and the choice among them follow glmnet 4.1. glmnet stops its coordinate descent when the steps get small
(``thresh = 1e-7``); here each point of the path is solved exactly, so the two differ by glmnet's tolerance.
The solver is in :mod:`gexviz.analysis.active_set`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gexviz.analysis.active_set import PathProblem

MIN_LAMBDAS = 5  # glmnet.control(): mnlam, fdev and devmax
MIN_GAIN = 1e-5
MAX_EXPLAINED = 0.999


class Path(NamedTuple):
    """Elastic-net fits along decreasing penalties.

    Attributes
    ----------
    lambdas : ndarray, shape (n_lambdas,)
        Decreasing; one only, 0, where there was nothing to fit (constant `y`, or no predictor that varies).
    intercept : ndarray, shape (n_lambdas,)
    coef : ndarray, shape (n_lambdas, n_predictors)
        On the predictors' own scale.
    explained : ndarray, shape (n_lambdas,)
        Fraction of deviance explained in the data of the fit.
    """

    lambdas: np.ndarray
    intercept: np.ndarray
    coef: np.ndarray
    explained: np.ndarray

    def predict(self, x: np.ndarray, lambdas: np.ndarray | None = None) -> np.ndarray:
        """Predict at the path's penalties, or at others, interpolated linearly as glmnet does.

        Parameters
        ----------
        x : ndarray, shape (n, n_predictors)
        lambdas : ndarray, optional
            Penalties beyond the ends of the path take the nearest end.

        Returns
        -------
        ndarray, shape (n, n_lambdas)
        """
        fitted = self.intercept + x @ self.coef.T
        if lambdas is None:
            return fitted
        rising = self.lambdas[::-1]
        right = np.clip(np.searchsorted(rising, lambdas), 1, max(len(rising) - 1, 1))
        if len(rising) == 1:
            return np.repeat(fitted, len(lambdas), axis=1)
        share = np.clip((lambdas - rising[right - 1]) / (rising[right] - rising[right - 1]), 0.0, 1.0)
        fitted = fitted[:, ::-1]
        return fitted[:, right] * share + fitted[:, right - 1] * (1.0 - share)


class CrossValidation(NamedTuple):
    """A path on all rows, with its cross-validated error.

    Attributes
    ----------
    path : Path
        Fitted to all rows.
    mse : ndarray, shape (n_lambdas,)
        Mean squared error of the held-out rows at each penalty of `path`.
    held_out : ndarray, shape (n, n_lambdas)
        Each row's prediction by the path fitted without its fold.
    best : int
        Index of ``lambda.min``: the largest penalty whose `mse` is the smallest.
    """

    path: Path
    mse: np.ndarray
    held_out: np.ndarray
    best: int

    @property
    def lambda_min(self) -> float:
        """The chosen penalty."""
        return float(self.path.lambdas[self.best])

    @property
    def coef(self) -> np.ndarray:
        """Coefficients at the chosen penalty, shape (n_predictors,)."""
        return self.path.coef[self.best]

    @property
    def intercept(self) -> float:
        """Intercept at the chosen penalty."""
        return float(self.path.intercept[self.best])

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Predict at the chosen penalty, (n, n_predictors) -> (n,)."""
        return self.intercept + x @ self.coef


def elastic_net_path(
    x: np.ndarray,
    y: np.ndarray,
    *,
    alpha: float = 0.5,
    n_lambdas: int = 100,
    lambda_min_ratio: float | None = None,
    lambdas: np.ndarray | None = None,
) -> Path:
    """Fit the path, equal to ``glmnet(x, y, alpha = alpha)``.

    Parameters
    ----------
    x : ndarray, shape (n, n_predictors)
        Finite. Predictors that don't vary get a coefficient of 0.
    y : ndarray, shape (n,)
        Finite.
    alpha : float
        Share of the lasso penalty, above 0 and at most 1.
    n_lambdas : int
        Length of the path, before it ends early.
    lambda_min_ratio : float, optional
        Smallest over largest penalty; glmnet's rule if not given: 0.01 where n < n_predictors, else 1e-4.
    lambdas : ndarray, optional
        Penalties to use instead; then the path doesn't end early.

    Returns
    -------
    Path

    Raises
    ------
    ValueError
        For shapes that don't agree, values that aren't finite, or an `alpha` out of range.
    """
    x, y = _checked(x, y, alpha)
    n, p = x.shape
    centre, scale = x.mean(axis=0), x.std(axis=0)
    varies = np.ptp(x, axis=0) > 0 if n else np.zeros(p, bool)
    mean, spread = float(y.mean()), float(y.std())
    if n < 2 or not varies.any() or np.ptp(y) == 0:
        return Path(np.zeros(1), np.array([mean]), np.zeros((1, p)), np.zeros(1))
    scale = np.where(varies, scale, 1.0)
    problem = PathProblem(np.ascontiguousarray(((x - centre) / scale * varies).T), (y - mean) / spread, alpha)
    ratio = lambda_min_ratio if lambda_min_ratio is not None else (0.01 if n < p else 1e-4)
    if lambdas is None:
        grid = problem.largest * ratio ** (np.arange(n_lambdas) / max(n_lambdas - 1, 1))
    else:
        grid = np.sort(np.asarray(lambdas, float))[::-1] / spread
    coef = np.zeros((len(grid), p))
    explained = np.zeros(len(grid))
    used = len(grid)
    for k, penalty in enumerate(grid):
        if k > 0 or lambdas is not None:  # glmnet's first penalty is infinite inside
            problem.solve(penalty)
            coef[k], explained[k] = problem.coef, problem.explained()
        if lambdas is None and k + 1 >= MIN_LAMBDAS and _ends(explained[k], explained[k - 1]):
            used = k + 1
            break
    coef = coef[:used] * spread / scale
    return Path(grid[:used] * spread, mean - coef @ centre, coef, explained[:used])


def cross_validate(x: np.ndarray, y: np.ndarray, folds: np.ndarray, *, alpha: float = 0.5) -> CrossValidation:
    """Choose the penalty by cross-validation, equal to ``cv.glmnet(x, y, foldid = folds, alpha = alpha)``.

    Every fold has its own path; its predictions are interpolated at the penalties of the path on all rows.

    Parameters
    ----------
    x : ndarray, shape (n, n_predictors)
    y : ndarray, shape (n,)
    folds : ndarray of int, shape (n,)
        The fold that each row is held out in.
    alpha : float

    Returns
    -------
    CrossValidation
    """
    path = elastic_net_path(x, y, alpha=alpha)
    held_out = np.empty((len(y), len(path.lambdas)))
    for fold in np.unique(folds):
        out = folds == fold
        held_out[out] = elastic_net_path(x[~out], y[~out], alpha=alpha).predict(x[out], path.lambdas)
    mse = ((held_out - y[:, None]) ** 2).mean(axis=0)
    return CrossValidation(path, mse, held_out, int(mse.argmin()))


def _checked(x: np.ndarray, y: np.ndarray, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.asarray(x, float), np.asarray(y, float)
    if x.ndim != 2 or y.shape != x.shape[:1]:
        raise ValueError(f"expected x (n, p) and y (n,), got {x.shape} and {y.shape}")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("x and y must be finite: fill in missing values first")
    if not 0.0 < alpha <= 1.0:
        raise ValueError(f"alpha must be above 0 and at most 1, got {alpha}")
    return x, y


def _ends(explained: float, before: float) -> bool:
    """Whether glmnet ends the path here."""
    return explained - before < MIN_GAIN * explained or explained > MAX_EXPLAINED
