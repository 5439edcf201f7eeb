"""Training of PrediXcan's elastic net (Gamazon et al. 2015), or another linear method, for one gene, as PredictDB does.

As in PredictDB: covariates are projected out of the expression, not out of the genotypes; what is left is scaled to
unit variance; the penalty is ``lambda.min`` of a 10-fold cross-validation; performance comes from 5 outer folds, each
predicted by a model whose penalty was chosen without it; the folds' correlations are combined by Stouffer's method on
Fisher's z; the weights are those of a fit on everybody.

Unlike PredictDB, the projection is fitted on each outer training fold alone and then applied to the people left out.
Fitted on all people, the residuals of the training people would depend on the expression of the tested ones, and the
other way round. (Covariates that were themselves computed from everybody's expression, as expression PCs are, still
leak; nothing done here can mend that.) The projection of the final fit is on everybody, as are the means that fill in
missing calls and the allele frequencies, which know nothing of expression.
"""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple, Protocol

import numpy as np

from gexviz.analysis.linear_methods import Fit, fit
from gexviz.analysis.settings import LinearSettings
from gexviz.lazy import lazy

stats = lazy("scipy.stats")

SCHEMA = 1
"""Raised when the numbers would come out differently for the same inputs."""

MIN_RHO = 0.1  # PredictDB's filter
MAX_P = 0.05
MIN_FREE = 10  # degrees of freedom that the covariates must leave in a training fold
CONSTANT = 1e-10  # relative spread below which a residual is rounding error
_ALIKE = "people's sequences are all alike"


class GeneTraining(NamedTuple):
    """What training made of one gene. Weights and predictions are in standard deviations of the adjusted expression.

    Attributes
    ----------
    reason : str or None
        Why the gene could not be trained; None if it was.
    seed : int
        Of this gene's folds.
    people : int
        With expression.
    variants : int
        That passed the frequency filter.
    rows : ndarray of int, shape (n_weights,)
        Rows of the dosages that have a weight other than 0.
    weights : ndarray, shape (n_weights,)
        Per copy of the ALT allele.
    out_of_fold : ndarray, shape (n_samples,)
        Each person's prediction by the model of the outer fold that left them out; NaN without expression.
    folds : ndarray of int8, shape (n_samples,)
        The outer fold that each person was left out of; -1 without expression.
    summary : dict
        PredictDB's figures: lambda_min_mse, test_R2_avg, test_R2_sd, cv_R2_avg, cv_R2_sd, in_sample_R2,
        nested_cv_fisher_pval, rho_avg, rho_se, rho_zscore, rho_avg_squared, zscore_pval. Empty if not trained.
    """

    reason: str | None
    seed: int
    people: int
    variants: int
    rows: np.ndarray
    weights: np.ndarray
    out_of_fold: np.ndarray
    folds: np.ndarray
    summary: dict[str, float]

    @property
    def significant(self) -> bool:
        """Whether the gene passes PredictDB's filter: zscore_pval < 0.05 and rho_avg > 0.1."""
        return self.reason is None and self.summary["zscore_pval"] < MAX_P and self.summary["rho_avg"] > MIN_RHO


def gene_seed(seed: int, gene: str) -> int:
    """Seed of one gene's folds, the same whichever other genes are trained.

    Parameters
    ----------
    seed : int
        Of the whole training.
    gene : str
        Its id.

    Returns
    -------
    int
        Below 2**31.
    """
    digest = hashlib.blake2b(f"{seed}:{gene}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") >> 1


def train_gene(
    dosages: np.ndarray,
    expression: np.ndarray,
    covariates: np.ndarray | None,
    *,
    settings: LinearSettings,
    seed: int,
) -> GeneTraining:
    """Train one gene.

    Parameters
    ----------
    dosages : ndarray, shape (n_variants, n_samples)
        ALT copies of the variants in the gene's window; NaN where a call is missing (filled in by the variant's mean).
    expression : ndarray, shape (n_samples,)
        Transformed; people with NaN take no part.
    covariates : ndarray, shape (n_samples, n_covariates), or None
        Without an intercept; finite.
    settings : LinearSettings
        `window`, `seed` and `keep` are the caller's affair.
    seed : int
        Of this gene's folds; see :func:`gene_seed`.

    Returns
    -------
    GeneTraining
        With a `reason` in place of weights for a gene that can't be trained.

    Raises
    ------
    ValueError
        For shapes that don't agree, or covariates that aren't finite.
    """
    dosages, expression = np.atleast_2d(np.asarray(dosages, float)), np.asarray(expression, float)
    design = _design(covariates, len(expression))
    if dosages.shape[1] != len(expression) or len(design) != len(expression):
        raise ValueError(
            f"people don't agree: dosages {dosages.shape}, expression {expression.shape}, covariates {design.shape}"
        )
    has = np.isfinite(expression)
    x, rows = _predictors(dosages[:, has], settings.maf)
    none = f"no variant in the window has a minor allele frequency of {settings.maf:g} or more"
    return _trained_if_possible(_Data(x, expression[has], design[has]), rows, has, none, settings, seed)


def train_predictors(
    predictors: np.ndarray,
    expression: np.ndarray,
    covariates: np.ndarray | None,
    *,
    settings: LinearSettings,
    seed: int,
) -> GeneTraining:
    """Train one gene on other predictors than dosages.

    Parameters
    ----------
    predictors : ndarray, shape (n_samples, n_predictors)
        Finite for people with expression; those that don't vary are left out.
    expression, covariates, settings, seed
        See :func:`train_gene`.

    Returns
    -------
    GeneTraining
        Its rows are columns of `predictors`.
    """
    design, has = _design(covariates, len(expression)), np.isfinite(expression)
    columns = np.flatnonzero(np.ptp(predictors[has], axis=0) > 0) if has.any() else np.zeros(0, int)
    data = _Data(predictors[has][:, columns], expression[has], design[has])
    return _trained_if_possible(data, columns, has, _ALIKE, settings, seed)


class NestedTraining(NamedTuple):
    """What nested cross-validation made of one gene by any method.

    Attributes
    ----------
    reason : str or None
        Why the gene could not be trained; None if it was.
    people : int
        With expression.
    final : Any
        What was fitted on everybody; None if not trained.
    out_of_fold, folds, summary
        As :class:`GeneTraining` has them; of the figures those of left-out people.
    """

    reason: str | None
    people: int
    final: Any
    out_of_fold: np.ndarray
    folds: np.ndarray
    summary: dict[str, float]


class Fitter(Protocol):
    """Fits any method on some people."""

    def __call__(self, people: np.ndarray, y: np.ndarray, seed: int) -> Any:
        """Fit on people, rows of the predictors, and their adjusted expression; the same seed, the same fit."""

    def predict(self, fitted: Any, people: np.ndarray) -> np.ndarray:
        """Predict people, rows of the predictors."""


def train_nested(
    fitter: Fitter,
    predictors: np.ndarray,
    expression: np.ndarray,
    covariates: np.ndarray | None,
    *,
    settings: LinearSettings,
    seed: int,
) -> NestedTraining:
    """Train one gene by any method, in the outer folds that :func:`train_predictors` has for the same seed.

    Parameters
    ----------
    fitter : Fitter
    predictors : ndarray, shape (n_samples, n_predictors)
        Only looked at to see whether they vary.
    expression, covariates, settings, seed
        See :func:`train_gene`.

    Returns
    -------
    NestedTraining
        Predictions are in standard deviations of the adjusted expression.
    """
    design, has = _design(covariates, len(expression)), np.isfinite(expression)
    columns = np.flatnonzero(np.ptp(predictors[has], axis=0) > 0) if has.any() else np.zeros(0, int)
    data, people = _Data(predictors[has][:, columns], expression[has], design[has]), np.flatnonzero(has)
    nobody = np.full(len(has), np.nan), np.full(len(has), -1, np.int8)
    reason = _untrainable(data, _ALIKE, settings)
    if reason is not None:
        return NestedTraining(reason, len(people), None, *nobody, {})
    rng = np.random.default_rng(seed)
    folds = _draw_folds(len(people), settings.outer_folds, rng)
    predicted, adjusted = np.empty(len(people)), np.empty(len(people))
    for fold in range(settings.outer_folds):
        out, train = folds == fold, folds != fold
        residual, adjusted[out] = _adjusted(data, out)
        fitted = fitter(people[train], residual, seed + 1 + fold)
        predicted[out] = fitter.predict(fitted, people[out])
    residual = _residual(data.y, data.design, data.design, data.y)
    spread = residual.std(ddof=1)
    everyone, fold_of = nobody
    everyone[has], fold_of[has] = predicted / spread, folds
    final = fitter(people, residual / spread, seed)
    return NestedTraining(None, len(people), final, everyone, fold_of, _nested(adjusted, predicted, folds, rng))


def _trained_if_possible(
    data: _Data, rows: np.ndarray, has: np.ndarray, none: str, settings: LinearSettings, seed: int
) -> GeneTraining:
    """Train, or say why not; `none` says why there are no predictors."""
    reason = _untrainable(data, none, settings)
    if reason is None:
        try:
            return _train(data, rows, has, settings, seed)
        except ArithmeticError as error:
            reason = str(error)
    nobody = np.full(len(has), np.nan), np.full(len(has), -1, np.int8)
    return GeneTraining(reason, seed, int(has.sum()), len(rows), rows[:0], np.zeros(0), *nobody, {})


class _Data(NamedTuple):
    """People with expression: predictors (n, p), expression (n,), covariates with an intercept (n, c)."""

    x: np.ndarray
    y: np.ndarray
    design: np.ndarray


def _design(covariates: np.ndarray | None, n: int) -> np.ndarray:
    if covariates is None:
        return np.ones((n, 1))
    covariates = np.asarray(covariates, float)
    if not np.isfinite(covariates).all():
        raise ValueError("covariates must be finite")
    return np.column_stack([np.ones(len(covariates)), covariates])


def _predictors(dosages: np.ndarray, maf: float) -> tuple[np.ndarray, np.ndarray]:
    """Variants that vary and pass the frequency filter: (people, variants), and their rows."""
    called = np.isfinite(dosages)
    mean = np.where(called, dosages, 0.0).sum(axis=1) / np.maximum(called.sum(axis=1), 1)
    filled = np.where(called, dosages, mean[:, None])
    frequency = mean / 2.0
    passes = (np.minimum(frequency, 1.0 - frequency) >= maf) & called.any(axis=1)
    passes &= (filled != filled[:, :1]).any(axis=1)
    return np.ascontiguousarray(filled[passes].T), np.flatnonzero(passes)


def _untrainable(data: _Data, none: str, settings: LinearSettings) -> str | None:
    x, y, design = data
    if len(y) < settings.min_people:
        return f"expression of {len(y)} people; {settings.min_people} are needed"
    if np.ptp(y) == 0:
        return "constant expression"
    if x.shape[1] == 0:
        return none
    smallest = len(y) - -(-len(y) // settings.outer_folds)
    if design.shape[1] >= smallest - MIN_FREE:
        return f"{design.shape[1] - 1} covariates leave too little of {smallest} people in a training fold"
    if _residual(y, design, design, y).std() <= CONSTANT * y.std():
        return "the covariates explain the expression entirely"
    return None


def _residual(y: np.ndarray, design: np.ndarray, others: np.ndarray, others_y: np.ndarray) -> np.ndarray:
    """What is left of `others_y` by the projection fitted to `y`."""
    return others_y - others @ np.linalg.lstsq(design, y, rcond=None)[0]


def _train(data: _Data, rows: np.ndarray, has: np.ndarray, settings: LinearSettings, seed: int) -> GeneTraining:
    rng = np.random.default_rng(seed)
    folds = _draw_folds(len(data.y), settings.outer_folds, rng)
    predicted, adjusted = np.empty(len(data.y)), np.empty(len(data.y))
    for fold in range(settings.outer_folds):
        out = folds == fold
        predicted[out], adjusted[out] = _left_out(data, out, settings, rng)
    residual = _residual(data.y, data.design, data.design, data.y)
    spread = residual.std(ddof=1)
    inner = _draw_folds(len(residual), settings.inner_folds, rng)
    final = fit(data.x, residual / spread, inner, settings)
    used = np.flatnonzero(final.coef)
    everyone, fold_of = np.full(len(has), np.nan), np.full(len(has), -1, np.int8)
    everyone[has], fold_of[has] = predicted / spread, folds
    return GeneTraining(
        reason=None,
        seed=seed,
        people=len(data.y),
        variants=len(rows),
        rows=rows[used],
        weights=final.coef[used],
        out_of_fold=everyone,
        folds=fold_of,
        summary=_nested(adjusted, predicted, folds, rng) | _final(final, data.x, residual / spread, inner),
    )


def _draw_folds(n: int, folds: int, rng: np.random.Generator) -> np.ndarray:
    """Folds of nearly equal size, 0 to folds - 1, in random order."""
    return rng.permutation(np.arange(n) % folds)


def _left_out(
    data: _Data, out: np.ndarray, settings: LinearSettings, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Fit on everybody but `out`; predicted and adjusted expression of those left out, both by the training alone."""
    train = ~out
    residual, adjusted = _adjusted(data, out)
    folds = _draw_folds(len(residual), settings.inner_folds, rng)
    found = fit(data.x[train], residual, folds, settings)
    # The residual's mean is 0, so this has the intercept in it; an empty model gives 0, not rounding error.
    return (data.x[out] - data.x[train].mean(axis=0)) @ found.coef, adjusted


def _adjusted(data: _Data, out: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Expression without covariates, of those not left out and of those left out, by the projection of the former."""
    train = ~out
    residual = _residual(data.y[train], data.design[train], data.design[train], data.y[train])
    return residual, _residual(data.y[train], data.design[train], data.design[out], data.y[out])


def _nested(
    observed: np.ndarray, predicted: np.ndarray, folds: np.ndarray, rng: np.random.Generator
) -> dict[str, float]:
    """PredictDB's figures of the outer folds."""
    r2, rho, z, p = np.array([_agreement(observed[folds == f], predicted[folds == f], rng) for f in np.unique(folds)]).T
    zscore = float(z.sum() / np.sqrt(len(z)))
    return {
        "test_R2_avg": float(r2.mean()),
        "test_R2_sd": float(r2.std(ddof=1)),
        "nested_cv_fisher_pval": float(stats.chi2.sf(-2.0 * np.log(np.maximum(p, 1e-300)).sum(), 2 * len(p))),
        "rho_avg": float(rho.mean()),
        "rho_se": float(rho.std(ddof=1)),
        "rho_zscore": zscore,
        "rho_avg_squared": float(rho.mean() ** 2),
        "zscore_pval": float(2.0 * stats.norm.sf(abs(zscore))),
    }


def _agreement(observed: np.ndarray, predicted: np.ndarray, rng: np.random.Generator) -> tuple[float, ...]:
    """R2, correlation, Fisher's z and p of one fold; an empty model has r = 0 and, as in PredictDB, a random p."""
    r2 = _r2(observed, predicted)
    if np.ptp(predicted) == 0 or np.ptp(observed) == 0:
        return r2, 0.0, 0.0, rng.uniform()
    rho, p = stats.pearsonr(predicted, observed)
    return r2, float(rho), float(np.arctanh(np.clip(rho, -1 + 1e-15, 1 - 1e-15)) * np.sqrt(len(observed) - 3)), float(p)


def _r2(observed: np.ndarray, predicted: np.ndarray) -> float:
    return float(1.0 - ((observed - predicted) ** 2).sum() / (observed**2).sum())


def _final(found: Fit, x: np.ndarray, y: np.ndarray, folds: np.ndarray) -> dict[str, float]:
    """PredictDB's figures of the fit on everybody."""
    r2 = np.array([_r2(y[folds == f], found.held_out[folds == f]) for f in np.unique(folds)])
    return {
        "lambda_min_mse": found.penalty,
        "cv_R2_avg": float(r2.mean()),
        "cv_R2_sd": float(r2.std(ddof=1)),
        "in_sample_R2": _r2(y, found.predict(x)),
    }
