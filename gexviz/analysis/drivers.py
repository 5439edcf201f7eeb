"""Driver variants, by the forward rule of Sasse et al. 2023 (Nature Genetics 55:2060).

Variants are sorted by the size of their effect on the reference. A variant's importance for a person is dosage x
effect; one after another they are added up, and every variant stays in the running sum. A variant is a driver if adding
it raises r(running sum, full prediction), as a part of r(sum over all, full prediction), by more than 0.05; and its own
importance correlates positively with the full prediction, with p < 0.01 / number of variants. The main driver has the
largest rise.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from gexviz.analysis.correlation import correlation_p, row_products, standardise

SCHEMA = 1
"""Raised when the numbers would come out differently for the same inputs."""

RISE = 0.05
ALPHA = 0.01
FEWEST = 4
COLUMNS = ["rank", "running_r", "rise", "own_r", "own_p", "driver", "main_driver"]


class Drivers(NamedTuple):
    """Which variants make the differences between people's predictions.

    Attributes
    ----------
    table : DataFrame
        Index ``variant``, as given. ``rank`` (1 = largest effect; missing for variants without an effect),
        ``running_r`` (of the sum up to this variant; 0 as long as the sum is constant), ``rise`` (of running_r over
        ``approximation_r``, against the variant before; NaN where there are no drivers to find), ``own_r``, ``own_p``
        (two-sided; NaN for a variant whose importance is constant), ``driver``, ``main_driver``.
    approximation_r : float
        Of the sum over all variants with the full prediction.
    drivers_only_r : float
        The same for the sum over the drivers; NaN without any.
    people : DataFrame
        Index sample; ``prediction``, ``sum_all``, ``sum_drivers``.
    n : int
        Variants behind ``p < 0.01 / n``: those that vary among these people.
    main : str or None
    reason : str
        Why there are no drivers to find; empty if there are.
    """

    table: pd.DataFrame
    approximation_r: float
    drivers_only_r: float
    people: pd.DataFrame
    n: int
    main: str | None
    reason: str


def find_drivers(effect: pd.Series, dosages: pd.DataFrame, prediction: pd.Series) -> Drivers:
    """Find driver variants.

    Parameters
    ----------
    effect : Series
        Index variant: effects on the reference; NaN where there is none.
    dosages : DataFrame
        Variant x sample: ALT copies, no NaN.
    prediction : Series
        Index sample: the full prediction from both haplotypes; people without one are left out.

    Returns
    -------
    Drivers
        Without a prediction that varies, without variants that vary, or if the sum over all does not correlate
        positively with the prediction, nothing is a driver, and ``reason`` says why.

    Notes
    -----
    The published code has no variant that does not vary; here such a variant is in the sums (where it changes nothing)
    but not in n. Equal effects keep the order they are given in.
    """
    full = prediction.reindex(dosages.columns).astype(np.float64)
    full = full[np.isfinite(full)]
    copies = dosages.reindex(effect.index)[full.index].to_numpy(dtype=np.float64)
    size = effect.to_numpy(dtype=np.float64)
    has_effect = np.isfinite(size)
    order = np.argsort(-np.where(has_effect, np.abs(size), -1.0), kind="stable")
    importance = copies * np.where(has_effect, size, 0.0)[:, None]
    varies = has_effect & (np.ptp(copies, axis=1) > 0) if len(full) else np.zeros(len(size), dtype=bool)
    own, running = _correlations(importance, full), _correlations(np.cumsum(importance[order], axis=0), full)
    total = float(running[-1]) if len(running) else float("nan")
    reason = _no_drivers(full, int(varies.sum()), total)
    running_r = np.empty(len(order))
    running_r[order] = np.nan_to_num(running)
    steps = np.diff(np.nan_to_num(running), prepend=0.0) / (np.nan if reason else total)
    rise = np.empty(len(order))
    rise[order] = steps
    own_p = correlation_p(own, np.full(len(own), len(full)))
    number = int(varies.sum())
    with np.errstate(invalid="ignore"):
        driver = (rise > RISE) & (own > 0) & (own_p < ALPHA / max(number, 1))
    best = int(np.argmax(np.where(driver, rise, -np.inf))) if driver.any() else None
    rank = np.empty(len(order))
    rank[order] = np.arange(1, len(order) + 1)
    table = pd.DataFrame(
        {
            "rank": pd.array(np.where(has_effect, rank, np.nan), dtype="Int64"),
            "running_r": running_r,
            "rise": rise,
            "own_r": own,
            "own_p": own_p,
            "driver": driver,
            "main_driver": np.arange(len(order)) == (-1 if best is None else best),
        },
        index=effect.index,
    )
    people = pd.DataFrame(
        {"prediction": full, "sum_all": importance.sum(axis=0), "sum_drivers": importance[driver].sum(axis=0)}
    )
    only = (
        float(_correlations(importance[driver].sum(axis=0, keepdims=True), full)[0]) if driver.any() else float("nan")
    )
    main = None if best is None else str(effect.index[best])
    return Drivers(table, total, only, people, number, main, reason)


def _correlations(rows: np.ndarray, full: pd.Series) -> np.ndarray:
    """Pearson's r of each row with the prediction; NaN where either is constant."""
    whole = full.to_numpy()[None]
    if not len(rows) or not len(full):
        return np.full(len(rows), np.nan)
    ready, made = standardise(whole, np.ones(whole.shape, bool)), standardise(rows, np.ones(rows.shape, bool))
    r = row_products(made.unit, np.broadcast_to(ready.unit, made.unit.shape))
    return np.where(made.constant | ready.constant[0], np.nan, r)


def _no_drivers(full: pd.Series, varying: int, total: float) -> str:
    """Why no variant can be a driver, or nothing."""
    if len(full) < FEWEST:
        return f"fewer than {FEWEST} people with a prediction"
    if standardise(full.to_numpy()[None], np.ones((1, len(full)), bool)).constant[0]:
        return "constant prediction"
    if not varying:
        return "no variant that varies among these people"
    if np.isnan(total):
        return "constant sum: no variant that varies has an effect"
    if total <= 0:
        return f"the sum over all variants does not rise with the prediction (r = {total:.2f})"
    return ""
