"""The three rows of the field's benchmark table, ours beside the published ones."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from gexviz.analysis.correlation import fisher_interval
from gexviz.analysis.published import published_figure
from gexviz.lazy import lazy

scipy = lazy("scipy")

COLUMNS = ["model", "row", "statistic", "value", "low", "high", "interval", "n", "unit", "undefined", "reason",
           "published", "published_cohort", "published_source", "published_note"]  # fmt: skip


def benchmark_rows(
    model: str,
    family: str,
    *,
    genes: pd.DataFrame | None = None,
    individuals: pd.DataFrame | None = None,
    reference: pd.DataFrame | None = None,
    statistic: Literal["pearson", "spearman"] = "pearson",
    level: float = 0.95,
) -> pd.DataFrame:
    """Sum up one model as reviews of the field do.

    Parameters
    ----------
    model, family : str
    genes, individuals, reference : DataFrame, optional
        From ``evaluate_genes``, ``evaluate_individuals`` and ``reference_correlation`` of
        :mod:`gexviz.analysis.evaluation`; a row without its table says that there is none.
    statistic : {"pearson", "spearman"}
    level : float
        Of the intervals.

    Returns
    -------
    DataFrame
        Three rows: ``row`` ``reference`` (one correlation across genes), ``across genes`` (mean over people),
        ``across individuals`` (mean over genes). Columns ``model``, ``row``, ``statistic``, ``value``, ``low``,
        ``high``, ``interval`` (which one: Fisher's z of one correlation, or Student's t of a mean), ``n`` and ``unit``
        (genes or people in the value), ``undefined`` (left out of a mean, as they have no correlation), ``reason`` (why
        there is no value), ``published``, ``published_cohort``, ``published_source``, ``published_note``.

    Notes
    -----
    The intervals of the means take the averaged correlations as independent. People share the same genes and genes the
    same people, so they are narrower than a new cohort's would be; that of ``across genes`` by far.
    """
    rows = [
        {"row": "reference", "unit": "genes"} | _one(reference, statistic, level),
        {"row": "across genes", "unit": "people"} | _mean(individuals, statistic, level, "people"),
        {"row": "across individuals", "unit": "genes"} | _mean(genes, statistic, level, "genes"),
    ]
    table = pd.DataFrame(rows).assign(model=model, statistic=statistic)
    found = [published_figure(family, row) for row in table["row"]]
    table["published"] = [np.nan if f is None else float(f["value"]) for f in found]
    for key in ("cohort", "source", "note"):
        table[f"published_{key}"] = ["" if f is None else f[key] for f in found]
    return table[COLUMNS]


_NONE = {"value": np.nan, "low": np.nan, "high": np.nan, "interval": "", "n": 0, "undefined": 0}


def _one(table: pd.DataFrame | None, statistic: str, level: float) -> dict[str, object]:
    """One correlation and its interval."""
    if table is None:
        return _NONE | {"reason": "no predictions on the reference sequence"}
    row = table.iloc[0]
    n = int(row["n_genes"])
    if row["status"] != "ok":
        return _NONE | {"n": n, "undefined": 1, "reason": row["reason"]}
    low, high = fisher_interval(np.array([row[statistic]]), np.array([n]), level)
    name = "Fisher z" if statistic == "pearson" else "Fisher z (approximate for ranks)"
    return {
        "value": float(row[statistic]), "low": float(low[0]), "high": float(high[0]), "interval": f"{level:.0%} {name}",
        "n": n, "undefined": 0, "reason": "",
    }  # fmt: skip


def _mean(table: pd.DataFrame | None, statistic: str, level: float, unit: str) -> dict[str, object]:
    """Mean of correlations, and Student's interval of the mean."""
    if table is None:
        return _NONE | {"reason": "not evaluated"}
    values = table.loc[table["status"] == "ok", statistic].to_numpy(dtype=float)
    undefined = len(table) - len(values)
    if not len(values):
        return _NONE | {"undefined": undefined, "reason": f"no {unit} with a correlation"}
    mean, half = float(values.mean()), np.nan
    if len(values) > 1:
        half = scipy.special.stdtrit(len(values) - 1, (1 + level) / 2) * values.std(ddof=1) / np.sqrt(len(values))
    return {
        "value": mean, "low": mean - half, "high": mean + half, "n": len(values), "undefined": undefined, "reason": "",
        "interval": f"{level:.0%} t of the mean over {unit}" if len(values) > 1 else "none: one value",
    }  # fmt: skip
