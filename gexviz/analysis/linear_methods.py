"""Ways to predict one gene's expression from dosages by weights: elastic net, lasso, ridge, and its top eQTL alone.

Each chooses what it has to choose (a penalty, a variant) from the rows it is given, so that a fit on a training fold
knows nothing of the people left out.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gexviz.analysis.elastic_net import cross_validate
from gexviz.analysis.settings import LinearSettings
from gexviz.lazy import lazy

linear_model = lazy("sklearn.linear_model")

_HERITABILITIES = np.geomspace(0.005, 0.9, 25)
"""Shares of variance explained that ridge's penalties stand for."""


class Fit(NamedTuple):
    """Weights of one gene.

    Attributes
    ----------
    intercept : float
    coef : ndarray, shape (n_predictors,)
    held_out : ndarray, shape (n,)
        Each row's prediction by a fit, at the chosen penalty, without its inner fold; of ridge, without this row alone.
    penalty : float
        Chosen, as glmnet tells penalties; NaN for a method without.
    """

    intercept: float
    coef: np.ndarray
    held_out: np.ndarray
    penalty: float

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Predict, (n, n_predictors) -> (n,)."""
        return self.intercept + x @ self.coef


def fit(x: np.ndarray, y: np.ndarray, folds: np.ndarray, settings: LinearSettings) -> Fit:
    """Fit one gene by the method of the settings.

    Parameters
    ----------
    x : ndarray, shape (n, n_predictors)
        Dosages; finite.
    y : ndarray, shape (n,)
        Expression; finite.
    folds : ndarray of int, shape (n,)
        Inner folds.
    settings : LinearSettings

    Returns
    -------
    Fit
    """
    if settings.method == "ridge":
        return _ridge(x, y)
    if settings.method == "top_eqtl":
        return _top_eqtl(x, y, folds)
    found = cross_validate(x, y, folds, alpha=settings.mixing)
    return Fit(found.intercept, found.coef, found.held_out[:, found.best], found.lambda_min)


def _ridge(x: np.ndarray, y: np.ndarray) -> Fit:
    """Ridge on standardised predictors; the penalty with the least error of leaving out one person at a time.

    A penalty stands for a heritability h2 shared evenly by p standardised variants: p (1 - h2) / h2, that of the best
    linear unbiased predictor.
    """
    centre, scale = x.mean(axis=0), x.std(axis=0)
    varies = np.ptp(x, axis=0) > 0
    if not varies.any() or np.ptp(y) == 0:
        return _constant(x, y)
    scale = np.where(varies, scale, 1.0)
    z = (x - centre) / scale * varies
    penalties = varies.sum() * (1.0 - _HERITABILITIES) / _HERITABILITIES
    found = linear_model.RidgeCV(alphas=penalties, scoring="neg_mean_squared_error", store_cv_results=True).fit(z, y)
    coef = found.coef_ / scale * varies
    held_out = found.cv_results_[:, int(np.flatnonzero(penalties == found.alpha_)[0])]
    return Fit(float(found.intercept_ - centre @ coef), coef, held_out, float(found.alpha_ / len(y)))


def _top_eqtl(x: np.ndarray, y: np.ndarray, folds: np.ndarray) -> Fit:
    """Least squares on the one variant with the strongest marginal association, in each fold its own."""
    intercept, coef = _lead(x, y)
    held_out = np.empty(len(y))
    for fold in np.unique(folds):
        out = folds == fold
        inner_intercept, inner = _lead(x[~out], y[~out])
        held_out[out] = inner_intercept + x[out] @ inner
    return Fit(intercept, coef, held_out, float("nan"))


def _lead(x: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    """Intercept and weights, one of them other than 0, of the variant with the largest absolute correlation."""
    centred = x - x.mean(axis=0)
    squares = (centred**2).sum(axis=0)
    coef = np.zeros(x.shape[1])
    varies = np.ptp(x, axis=0) > 0
    if varies.any():
        together = centred.T @ (y - y.mean())
        lead = int(np.argmax(np.where(varies, together**2 / np.where(varies, squares, 1.0), -1.0)))
        coef[lead] = together[lead] / squares[lead]
    return float(y.mean() - x.mean(axis=0) @ coef), coef


def _constant(x: np.ndarray, y: np.ndarray) -> Fit:
    mean = float(y.mean())
    return Fit(mean, np.zeros(x.shape[1]), np.full(len(y), mean), float("nan"))
