"""Which genes, and which pairs of gene and variant, pass what someone asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

COMMON = 0.05
ANY, INSIDE, OUTSIDE = "Anywhere", "In the window", "Outside"


class PairFilters(NamedTuple):
    """Which pairs of gene and variant are shown; what is empty lets all through.

    Attributes
    ----------
    classes, verdicts : sequence of str
    gene : str
        Part of a gene's name or id.
    q : float
        Largest q of the eQTL.
    where : str
        :data:`ANY`, :data:`INSIDE` or :data:`OUTSIDE` the deep model's window.
    population : str or None
        In which the rarer allele has at least 5%.
    """

    classes: Sequence[str] = ()
    verdicts: Sequence[str] = ()
    gene: str = ""
    q: float = 1.0
    where: str = ANY
    population: str | None = None


class GeneFilters(NamedTuple):
    """Which genes are shown.

    Attributes
    ----------
    expression : (float, float)
        Bounds of the mean expression.
    size : float
        Least absolute r of at least one model.
    q : float
        Largest q of at least one model.
    verdicts : sequence of str
        Verdicts of the comparison with eQTLs; empty for any, and none.
    """

    expression: tuple[float, float] = (-np.inf, np.inf)
    size: float = 0.0
    q: float = 1.0
    verdicts: Sequence[str] = ()


def populations(variants: pd.DataFrame) -> list[str]:
    """Populations that :class:`PairFilters` can name: those whose frequencies are known."""
    return [str(c).removeprefix("frequency_") for c in variants if str(c).startswith("frequency_")]


def passing_pairs(rows: pd.DataFrame, filters: PairFilters) -> pd.DataFrame:
    """Rows that pass some filters, in their order.

    Parameters
    ----------
    rows : DataFrame
        Of variants that :class:`gexviz.mismatches.Mismatches` has, with ``name`` and ``verdict`` of the gene. Columns
        that no filter asks for may be missing.
    filters : PairFilters

    Returns
    -------
    DataFrame
    """
    keep = np.ones(len(rows), dtype=bool)
    if filters.classes:
        keep &= rows["class"].isin(filters.classes).to_numpy()
    if filters.verdicts:
        keep &= rows["verdict"].isin(filters.verdicts).to_numpy()
    if filters.gene:
        text = filters.gene.upper()
        keep &= np.array([text in f"{n} {g}".upper() for n, g in zip(rows["name"], rows["gene"], strict=True)], bool)
    if filters.q < 1:
        keep &= (rows["q"] <= filters.q).to_numpy()
    if filters.where != ANY:
        keep &= rows["in_window"].to_numpy(bool) == (filters.where == INSIDE)
    if filters.population is not None:
        there = rows[f"frequency_{filters.population}"].to_numpy(float)
        keep &= np.minimum(there, 1 - there) >= COMMON
    return rows[keep]


def passing_genes(
    evaluated: Mapping[str, pd.DataFrame],
    mean: pd.Series,
    filters: GeneFilters,
    verdicts: pd.Series | None = None,
) -> pd.Index:
    """Find the genes that pass some filters.

    Parameters
    ----------
    evaluated : mapping
        Model -> :func:`gexviz.analysis.evaluation.evaluate_genes`.
    mean : Series
        Mean expression by gene.
    filters : GeneFilters
    verdicts : Series, optional
        Verdict by gene, as far as known.

    Returns
    -------
    Index
        Gene ids. Without limits on r and q, genes without r stay.
    """
    low, high = filters.expression
    keep = mean.between(low, high)
    if filters.size > 0:
        keep &= _any(evaluated, mean.index, lambda t: t["pearson"].abs() >= filters.size)
    if filters.q < 1:
        keep &= _any(evaluated, mean.index, lambda t: t["q"] <= filters.q)
    if filters.verdicts and verdicts is not None:
        keep &= verdicts.reindex(mean.index).isin(filters.verdicts)
    return mean.index[keep]


def _any(
    evaluated: Mapping[str, pd.DataFrame], genes: pd.Index, test: Callable[[pd.DataFrame], pd.Series]
) -> pd.Series:
    passed = [test(t).reindex(genes, fill_value=False) for t in evaluated.values()]
    return pd.concat(passed, axis=1).any(axis=1)
