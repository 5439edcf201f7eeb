"""Direction accuracy: how often a deep effect has the sign of the eQTL, with intervals, and by what it depends on."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd

from gexviz.analysis.mismatch_rules import RULES, Rules
from gexviz.analysis.variant_q import adjusted
from gexviz.lazy import lazy

scipy = lazy("scipy")

SETS: Mapping[str, str] = {
    "decided": "eQTLs in the window that are concordant or opposite: linkage can't turn them",
    "one a gene": "the most significant of these of each gene: independent of each other, as the interval assumes",
    "all eQTLs": "all significant eQTLs in the window with a deep sign, ambiguous ones too, as the literature counts",
    "drivers": "all drivers, significant or not; supported if the signs agree (Sasse et al. 2023)",
    "main drivers": "each gene's main driver, likewise",
}
"""What an accuracy may be of."""

DISTANCES = (0, 200, 1_000, 5_000, 20_000, 100_000, np.inf)
FREQUENCIES = (0.0, 0.01, 0.05, 0.1, 0.2, 0.5)
COLUMNS = ["set", "by", "stratum", "low_edge", "high_edge", "n", "correct", "accuracy", "low", "high", "p"]


class Interval(NamedTuple):
    """A proportion's interval."""

    low: float
    high: float


def wilson(agree: int, n: int, level: float = 0.95) -> Interval:
    """Wilson's score interval of a binomial proportion; NaN for n = 0."""
    if n == 0:
        return Interval(float("nan"), float("nan"))
    found = scipy.stats.binomtest(agree, n).proportion_ci(level, method="wilson")
    return Interval(float(found.low), float(found.high))


def populations(variants: pd.DataFrame) -> list[str]:
    """Populations within which eQTLs were tested."""
    return [str(name).removeprefix("slope_") for name in variants if str(name).startswith("slope_")]


def sign_pairs(
    variants: pd.DataFrame, chosen: str, population: str | None = None, *, rules: Rules = RULES
) -> pd.DataFrame:
    """Rows of a set in which both signs are known, with ``agree``.

    Parameters
    ----------
    variants : DataFrame
        Of :class:`gexviz.analysis.mismatch.Classified`.
    chosen : str
        A key of `SETS`.
    population : str, optional
        Take the slopes within one population, and of a set of eQTLs only those that are eQTLs there
        (Benjamini-Hochberg over the set, at ``rules.fdr``). What linkage can turn is judged in everybody.
    rules : Rules

    Returns
    -------
    DataFrame
        Drivers are compared by the sign of their effect on the reference, whatever its noise, as published.
    """
    if population is not None:
        own = {name: variants[f"{name}_{population}"] for name in ("slope", "se", "p")}
        variants = variants.assign(**own)
    slope = np.sign(variants["slope"].to_numpy(np.float64))
    effect = np.sign(variants["deep_effect"].to_numpy(np.float64))
    if chosen in ("drivers", "main drivers"):
        deep = effect
        member = variants["driver" if chosen == "drivers" else "main_driver"].to_numpy(bool)
    else:
        deep = variants["deep_sign"].to_numpy(np.float64, na_value=np.nan)
        member = variants["significant"].to_numpy(bool) & variants["in_window"].to_numpy(bool)
        if chosen != "all eQTLs":
            member &= variants["class"].isin(["concordant", "opposite"]).to_numpy()
    known = np.isfinite(slope) & np.isfinite(deep) & (slope != 0) & (deep != 0)
    rows = variants[member & known].assign(agree=(slope == deep)[member & known])
    if population is not None and "drivers" not in chosen:
        rows = rows[adjusted(rows["p"].to_numpy(np.float64)) <= rules.fdr]
    if chosen == "one a gene":
        t = np.abs(rows["slope"] / rows["se"])
        order = rows.assign(_t=-t, _d=rows["distance"].abs()).sort_values(["_t", "_d", "position"], kind="stable").index
        rows = rows.loc[order[~rows.loc[order, "gene"].duplicated().to_numpy()]]
    return rows


def direction_accuracy(
    variants: pd.DataFrame, chosen: str = "decided", *, level: float = 0.95, rules: Rules = RULES
) -> pd.DataFrame:
    """Share of variants whose deep sign is that of their eQTL: overall, and by distance, frequency, effect and people.

    Parameters
    ----------
    variants : DataFrame
        Of :class:`gexviz.analysis.mismatch.Classified`.
    chosen : str
        A key of `SETS`.
    level : float
        Of the intervals.
    rules : Rules

    Returns
    -------
    DataFrame
        ``set``; ``by`` (``all``; ``distance``: bp to the TSS; ``frequency``: of the rarer allele; ``effect size``:
        quarters of the absolute deep effects, on the model's scale; ``population``: eQTLs tested again within it, see
        :func:`sign_pairs`), ``stratum`` (in words), ``low_edge`` (included), ``high_edge`` (not
        included, but for the last), ``n``, ``correct``, ``accuracy``, ``low``, ``high`` (Wilson), ``p`` (exact
        binomial, against one half). NaN for strata without variants (n = 0). Variants of one gene are linked: only
        for ``one a gene`` and ``main drivers`` are the intervals as wide as they should be.
    """
    pairs = sign_pairs(variants, chosen)
    agree = pairs["agree"].to_numpy(bool)
    frequency = pairs["frequency"].to_numpy(np.float64)
    size = np.abs(pairs["deep_effect"].to_numpy(np.float64))
    rows = [("all", "all", np.nan, np.nan, np.ones(len(pairs), bool))]
    rows += _binned("distance", np.abs(pairs["distance"].to_numpy(np.float64)), DISTANCES)
    rows += _binned("frequency", np.minimum(frequency, 1 - frequency), FREQUENCIES)
    if len(pairs):
        rows += _binned("effect size", size, tuple(np.unique(np.quantile(size, [0, 0.25, 0.5, 0.75, 1]))))
    made = [(chosen, *row[:4], *_counted(agree[row[4]], level)) for row in rows]
    for name in populations(variants):
        within = sign_pairs(variants, chosen, name, rules=rules)["agree"].to_numpy(bool)
        made.append((chosen, "population", name, np.nan, np.nan, *_counted(within, level)))
    return pd.DataFrame(made, columns=COLUMNS)


def _binned(by: str, values: np.ndarray, edges: tuple[float, ...]) -> list[tuple[str, str, float, float, np.ndarray]]:
    """Strata between edges; the last one includes its upper edge."""
    rows = []
    pairs = list(pairwise(edges)) or [(edges[0], edges[0])]
    for number, (low, high) in enumerate(pairs):
        last = number == len(pairs) - 1
        inside = (values >= low) & ((values <= high) if last else (values < high))
        text = f"{low:,.3g} or more" if np.isinf(high) else f"{low:,.3g} to {high:,.3g}"
        rows.append((by, text.replace("e+0", "e"), float(low), float(high), inside))
    return rows


def _counted(agree: np.ndarray, level: float) -> tuple[int, int, float, float, float, float]:
    n, number = len(agree), int(agree.sum())
    low, high = wilson(number, n, level)
    p = float(scipy.stats.binomtest(number, n).pvalue) if n else float("nan")
    return n, number, number / n if n else float("nan"), low, high, p


def negative_share(
    evaluations: Mapping[str, pd.DataFrame], *, level: float = 0.95, rules: Rules = RULES
) -> pd.DataFrame:
    """Share of genes that are predicted the wrong way round, under each null: it depends on the null.

    Parameters
    ----------
    evaluations : mapping
        Name of a null -> table of :func:`gexviz.analysis.evaluation.evaluate_genes`.
    level : float
        Of the intervals.
    rules : Rules

    Returns
    -------
    DataFrame
        Index ``null``; ``genes`` (with an r), ``negative`` (of them), ``tested`` (with a p: a null can't be built for
        every gene), ``significant`` (q <= ``rules.fdr``), ``negative_significant``, ``share``
        (``negative_significant / significant``), ``low``, ``high`` (Wilson; genes taken as independent). NaN
        where no gene is significant.
    """
    rows = {}
    for name, table in evaluations.items():
        known = table[table["status"] == "ok"]
        significant = known[known["q"] <= rules.fdr]
        negative = int((significant["pearson"] < 0).sum())
        low, high = wilson(negative, len(significant), level)
        rows[name] = {
            "genes": len(known),
            "negative": int((known["pearson"] < 0).sum()),
            "tested": int(known["p"].notna().sum()),
            "significant": len(significant),
            "negative_significant": negative,
            "share": negative / len(significant) if len(significant) else float("nan"),
            "low": low,
            "high": high,
        }
    columns = ["genes", "negative", "tested", "significant", "negative_significant", "share", "low", "high"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("null")
