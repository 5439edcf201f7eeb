"""How linear a model is around a sequence: what its gradient says of each substitution, against mutagenesis."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from gexviz.analysis.correlation import row_products, standardise
from gexviz.models.onehot import one_hot

Verdict = Literal["linear", "partly linear", "misleading", "nothing to compare"]

LINEAR_R, LINEAR_SLOPES = 0.9, (0.75, 4 / 3)
MISLEADING_R = 0.5
"""The rule of :func:`gradient_agreement`."""

_FEWEST = 3  # substitutions


class Agreement(NamedTuple):
    """Gradient and mutagenesis, compared over substitutions.

    Attributes
    ----------
    pearson, spearman : float
        Of the gradient's prediction with the effect; NaN where either is constant, or of fewer than three.
    slope : float
        Of the line through the origin that gives effects from the gradient's predictions by least squares: 1 where the
        gradient has the size right, 0.5 where effects are half of what it says. NaN where the gradient is zero.
    n : int
        Substitutions compared, three a base.
    verdict : {"linear", "partly linear", "misleading", "nothing to compare"}
    words : str
        The verdict as a sentence.
    largest : DataFrame
        The bases where they differ most, largest difference first; one row a base, its worst substitution: ``row``
        (of the arrays compared), ``ref``, ``alt``, ``gradient``, ``ism``, ``difference`` (ism - gradient).
    """

    pearson: float
    spearman: float
    slope: float
    n: int
    verdict: Verdict
    words: str
    largest: pd.DataFrame


def gradient_agreement(full: np.ndarray, delta: np.ndarray, bases: np.ndarray, *, n_top: int = 20) -> Agreement:
    """Compare the gradient's first-order prediction of each substitution with its effect.

    Parameters
    ----------
    full : ndarray, float (n, 4)
        ``Attribution.full`` at n bases of a sequence, columns A C G T.
    delta : ndarray, float (n, 4)
        Effects of mutagenesis at the same bases, altered - original, as ``Saturation.delta``; raw, not centred.
    bases : ndarray, uint8 (n,)
        ASCII letters that are there, either case. N and other letters are left out.
    n_top : int
        Rows of ``largest``, at most.

    Returns
    -------
    Agreement

    Raises
    ------
    ValueError
        For arrays of other shapes.

    Notes
    -----
    The first-order prediction of ref -> alt is full[alt] - full[ref]. What an attribution takes off all four bases
    alike (the off-simplex part, the baseline's share) drops out, so that this is the plain gradient's prediction for
    gradient methods, and that of the multipliers for integrated gradients and DeepLIFT.

    The verdict is "linear" from Pearson's r of 0.9 on with a slope of 3/4 to 4/3: gradients can stand for mutagenesis
    here. It is "misleading" where r is below 0.5 (or the gradient is constant and effects are not): they are no
    guide to effects. In between, and where only the size is off, it is "partly linear".
    """
    if full.ndim != 2 or full.shape[1] != 4 or full.shape != delta.shape or bases.shape != full.shape[:1]:
        raise ValueError(f"full and delta are (n, 4) and bases (n,), not {full.shape}, {delta.shape}, {bases.shape}")
    there = one_hot(np.ascontiguousarray(bases, dtype=np.uint8)[None])[0].T.astype(bool)
    rows = np.flatnonzero(there.any(axis=1))
    there = there[rows]
    gradient = np.asarray(full, dtype=np.float64)[rows]
    gradient -= gradient[there][:, None]
    effect = np.asarray(delta, dtype=np.float64)[rows]
    effect -= effect[there][:, None]
    x, y = gradient[~there], effect[~there]
    pearson, spearman = _correlations(x, y)
    square = float(x @ x)
    slope = float(x @ y) / square if square > 0 else np.nan
    verdict, words = _verdict(x, y, pearson, slope)
    return Agreement(pearson, spearman, slope, len(x), verdict, words, _largest(rows, there, gradient, effect, n_top))


def _correlations(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Pearson's and Spearman's r."""
    if len(x) < _FEWEST:
        return np.nan, np.nan
    present = np.ones((1, len(x)), dtype=bool)
    a, b = standardise(x[None], present), standardise(y[None], present)
    if a.constant[0] or b.constant[0]:
        return np.nan, np.nan
    return float(row_products(a.unit, b.unit)[0]), float(row_products(a.rank_unit, b.rank_unit)[0])


def _verdict(x: np.ndarray, y: np.ndarray, pearson: float, slope: float) -> tuple[Verdict, str]:
    """The rule, and what it says in words."""
    if len(x) < _FEWEST or not y.any():
        what = "There are too few substitutions" if len(x) < _FEWEST else "No substitution has an effect"
        return "nothing to compare", f"{what}, so gradients can't be compared with mutagenesis here."
    if np.isnan(pearson):
        if np.ptp(x) == 0 and np.ptp(y) > 0:
            flat = "zero" if not x.any() else "the same for every substitution"
            return "misleading", f"The gradient is {flat}, but effects are not: gradients mislead here."
        return "nothing to compare", "All substitutions are alike, so gradients can't be compared here."
    figures = f"r = {pearson:.2f}, slope {slope:.2f}"
    if pearson < MISLEADING_R:
        return "misleading", f"Gradients mislead here: they say little of what substitutions do ({figures})."
    if pearson >= LINEAR_R and LINEAR_SLOPES[0] <= slope <= LINEAR_SLOPES[1]:
        return "linear", f"The model is nearly linear here: gradients agree with mutagenesis ({figures})."
    if pearson >= LINEAR_R:
        size = "larger" if slope > 1 else "smaller"
        return "partly linear", f"Gradients have the order right, but effects are {size} than they say ({figures})."
    return "partly linear", f"Gradients are a rough guide here: trust mutagenesis where they differ ({figures})."


def _largest(rows: np.ndarray, there: np.ndarray, gradient: np.ndarray, effect: np.ndarray, n_top: int) -> pd.DataFrame:
    """The bases where both differ most."""
    difference = effect - gradient
    worst = np.abs(difference).argmax(axis=1) if len(rows) else np.zeros(0, dtype=np.intp)
    base = np.arange(len(rows))
    order = np.argsort(-np.abs(difference[base, worst]), kind="stable")[:n_top]
    letters = np.array(list("ACGT"))
    # where both agree in full the worst is the base itself, which is no substitution
    order = order[~there[order, worst[order]]]
    chosen = order, worst[order]
    return pd.DataFrame(
        {
            "row": rows[order],
            "ref": letters[there[order].argmax(axis=1)],
            "alt": letters[worst[order]],
            "gradient": gradient[chosen],
            "ism": effect[chosen],
            "difference": difference[chosen],
        }
    )
