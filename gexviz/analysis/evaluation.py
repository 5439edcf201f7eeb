"""How well predictions tell people apart, gene by gene; and genes apart, person by person.

All tables are joined by their labels, never by row order, and pairs with a missing value on either side are left out.
Nothing is quietly undefined: where there is no correlation, ``status`` is ``undefined`` and ``reason`` says why.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from gexviz.analysis.correlation import fisher_interval
from gexviz.analysis.joined import BLOCK_VALUES, Correlated, Observed, Table, correlate_rows, row_blocks, shared_ids
from gexviz.analysis.nulls import Analytic, Null, Pairs
from gexviz.errors import GexvizError
from gexviz.lazy import lazy

scipy = lazy("scipy")

def evaluate_genes(
    predicted: pd.DataFrame, observed: pd.DataFrame, *, null: Null | None = None, level: float = 0.95
) -> pd.DataFrame:
    """Correlate predicted with observed expression across people, for every gene.

    Parameters
    ----------
    predicted, observed : DataFrame
        Index gene, columns sample. Genes may be in one only, people too.
    null : Null, optional
        What p is computed against; :class:`gexviz.analysis.nulls.Analytic` if not given.
    level : float
        Of the intervals.

    Returns
    -------
    DataFrame
        Index ``gene``: observed's genes in their order, then those only predicted. Columns:

        ``n`` (people with both), ``pearson``, ``pearson_low``, ``pearson_high`` (Fisher's z), ``spearman``, ``r2``
        (``pearson ** 2``: the share of variance that a line through the prediction explains. It has no sign: a gene
        predicted the wrong way round has a large one, so read it with ``pearson``. The coefficient of determination is
        not given, as models predict on scales other than expression's), ``p`` (two-sided), ``q`` (Benjamini-Hochberg
        over the genes with a p), ``null`` (the null's name), ``status`` (``ok`` or ``undefined``), ``reason``,
        ``mean_predicted``, ``mean_observed`` (over the same people). ``attrs`` hold the null's details and the level.

    Raises
    ------
    GexvizError
        If no person is in both tables, an id is there twice, or a table is not numeric.
    """
    return evaluate_models({"": predicted}, observed, null=null, level=level).drop(columns="model")


def evaluate_models(
    predicted: Mapping[str, pd.DataFrame], observed: pd.DataFrame, *, null: Null | None = None, level: float = 0.95
) -> pd.DataFrame:
    """Do :func:`evaluate_genes` for several models; observed expression is ranked once for all with the same people.

    Parameters
    ----------
    predicted : mapping
        Model -> predictions, as in :func:`evaluate_genes`.
    observed, null, level
        As in :func:`evaluate_genes`.

    Returns
    -------
    DataFrame
        As from :func:`evaluate_genes`, a block a model, with a first column ``model``.
    """
    _check_level(level)
    null = null or Analytic()
    target = Table.of(observed, "observed")
    tables = {model: Table.of(table, "predicted") for model, table in predicted.items()}
    people = {model: shared_ids(table.columns, target.columns) for model, table in tables.items()}
    parts: dict[str, list[pd.DataFrame]] = {model: [] for model in tables}
    for genes in row_blocks([target.rows, *(t.rows for t in tables.values())], len(target.columns)):
        known = target.has(genes)
        ready: dict[bytes, Observed] = {}
        for model, table in tables.items():
            samples = people[model]
            key = target.columns.get_indexer(samples).tobytes()
            if key not in ready:
                ready[key] = Observed(target.block(genes, samples))
            wanted = known | table.has(genes)
            keep = slice(None) if wanted.all() else wanted
            part = correlate_rows(table.block(genes[keep], samples), ready[key].take(keep))
            parts[model].append(_gene_rows(part, genes[keep], samples, null))
    blocks = [_finish(pd.concat(parts[m]), null, level).assign(model=m) for m in tables if parts[m]]
    result = pd.concat(blocks) if blocks else _finish(_gene_rows_empty(), null, level).assign(model="")
    result.attrs.update(null.details, level=level)
    result.index = result.index.astype(observed.index.dtype)
    return result[["model", *GENE_COLUMNS]]


GENE_COLUMNS = ["n", "pearson", "pearson_low", "pearson_high", "spearman", "r2", "p", "q", "null", "status", "reason",
                "mean_predicted", "mean_observed"]  # fmt: skip


def evaluate_groups(
    predicted: pd.DataFrame,
    observed: pd.DataFrame,
    groups: pd.Series,
    *,
    null: Null | None = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """Evaluate each group of people (each population) on its own.

    Parameters
    ----------
    predicted, observed, null, level
        As in :func:`evaluate_genes`.
    groups : Series
        Index sample, values the group; people without one are left out.

    Returns
    -------
    DataFrame
        As from :func:`evaluate_genes`, a block a group in sorted order, with a first column ``population``. ``q`` is
        over the genes of one group.
    """
    shared = shared_ids(predicted.columns, observed.columns)
    labels = groups.reindex(shared).dropna()
    if labels.empty:
        raise GexvizError(
            "no person that is evaluated has a population",
            expected="a population for people with predictions and expression",
            remedy="complete the samples' table, or evaluate without populations",
        )
    parts = [
        evaluate_genes(predicted[members], observed[members], null=null, level=level).assign(population=str(group))
        for group, members in labels.groupby(labels).groups.items()
    ]
    result = pd.concat(parts)
    result.attrs = parts[0].attrs
    return result[["population", *GENE_COLUMNS]]


def pool_groups(by_group: pd.DataFrame, *, level: float = 0.95) -> pd.DataFrame:
    """Pool the groups' correlations of each gene: the mean of Fisher's z, weighted by ``n - 3``.

    What comes out has no part of the differences between groups.

    Parameters
    ----------
    by_group : DataFrame
        From :func:`evaluate_groups`.
    level : float
        Of the interval.

    Returns
    -------
    DataFrame
        Index ``gene``; ``groups`` (with a correlation), ``n``, ``pearson``, ``pearson_low``, ``pearson_high``, ``p``
        (two-sided, of z against zero), ``q`` (Benjamini-Hochberg), ``null`` (``pooled_z``), ``heterogeneity_p``
        (Cochran's Q; NaN with fewer than two groups), ``status``, ``reason``.
    """
    _check_level(level)
    defined = by_group[by_group["status"] == "ok"]
    with np.errstate(divide="ignore"):
        z, weight = np.arctanh(defined["pearson"].clip(-1 + 1e-15, 1 - 1e-15)), defined["n"] - 3.0
    sums = pd.DataFrame({"groups": 1, "n": defined["n"], "w": weight, "wz": weight * z, "wzz": weight * z * z})
    sums = sums.groupby(level=0, sort=False).sum().reindex(by_group.index.unique(), fill_value=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        pooled, error = sums["wz"] / sums["w"], 1 / np.sqrt(sums["w"])
    half = scipy.special.ndtri((1 + level) / 2) * error
    spread = np.maximum(sums["wzz"] - sums["w"] * pooled**2, 0.0)
    several = sums["groups"] > 1
    missing = sums["groups"] == 0
    table = pd.DataFrame(
        {
            "groups": sums["groups"].astype(int),
            "n": sums["n"].astype(int),
            "pearson": np.tanh(pooled),
            "pearson_low": np.tanh(pooled - half),
            "pearson_high": np.tanh(pooled + half),
            "p": 2 * scipy.special.ndtr(-np.abs(pooled / error)),
            "q": np.nan,
            "null": "pooled_z",
            "heterogeneity_p": scipy.special.chdtrc((sums["groups"] - 1.0).where(several), spread),
            "status": np.where(missing, "undefined", "ok"),
            "reason": np.where(missing, "no group with a correlation", ""),
        },
        index=sums.index.rename("gene"),
    )
    return _add_q(table)


def evaluate_individuals(predicted: pd.DataFrame, observed: pd.DataFrame, *, level: float = 0.95) -> pd.DataFrame:
    """Correlate predicted with observed expression across genes, for every person.

    It says whether a model knows which genes are high, in this person; a model whose predictions are differences from
    a gene's mean (as PrediXcan's weighted sums are) is not made for it.

    Parameters
    ----------
    predicted, observed : DataFrame
        Index gene, columns sample.
    level : float
        Of the intervals.

    Returns
    -------
    DataFrame
        Index ``sample`` (the people in both tables); ``n_genes``, ``pearson``, ``pearson_low``, ``pearson_high``,
        ``spearman``, ``status``, ``reason``.
    """
    _check_level(level)
    left, right = Table.of(predicted, "predicted"), Table.of(observed, "observed")
    samples = shared_ids(left.columns, right.columns)
    genes = shared_ids(left.rows, right.rows, what="gene")
    parts = []
    step = max(1, BLOCK_VALUES // len(genes))
    for start in range(0, len(samples), step):
        some = samples[start : start + step]
        part = correlate_rows(left.block(genes, some).T, Observed(right.block(genes, some).T))
        parts.append(part.table.set_axis(some))
    table = pd.concat(parts).rename_axis("sample").rename(columns={"n": "n_genes"})
    table.index = table.index.astype(observed.columns.dtype)
    table["reason"] = table["reason"].str.replace("people", "genes")
    _add_interval(table, "n_genes", level)
    return table[["n_genes", "pearson", "pearson_low", "pearson_high", "spearman", "status", "reason"]]


def reference_correlation(predicted: pd.Series, observed: pd.Series, *, level: float = 0.95) -> pd.DataFrame:
    """Correlate predictions on the reference sequence (or mean predictions) with mean expression, across genes.

    Parameters
    ----------
    predicted, observed : Series
        Index gene.
    level : float
        Of the interval.

    Returns
    -------
    DataFrame
        One row, as from :func:`evaluate_individuals`, named ``reference``.
    """
    return evaluate_individuals(predicted.to_frame("reference"), observed.to_frame("reference"), level=level)


def _gene_rows(part: Correlated, genes: pd.Index, samples: pd.Index, null: Null) -> pd.DataFrame:
    """Add p to a block of genes."""
    table, ok = part.table.set_axis(genes), part.ok
    table["p"] = np.nan
    if not ok.any():
        return table
    rows = slice(None) if ok.all() else ok
    pairs = Pairs(
        genes[rows],
        samples,
        part.predicted.take(rows),
        part.observed.take(rows),
        part.present[rows],
        table["pearson"].to_numpy()[rows],
    )
    table.loc[ok, "p"] = null.p_values(pairs)
    table.loc[ok & table["p"].isna().to_numpy(), "reason"] = f"no p: the {null.name} null can't be built for this gene"
    return table


def _gene_rows_empty() -> pd.DataFrame:
    """Make the table of no genes."""
    nothing = np.empty((0, 1))
    part = correlate_rows(nothing, Observed(nothing))
    return _gene_rows(part, pd.Index([], dtype=object), pd.Index([]), Analytic())


def _finish(table: pd.DataFrame, null: Null, level: float) -> pd.DataFrame:
    """Add what needs all genes, or no data."""
    table["r2"] = table["pearson"] ** 2
    _add_interval(table, "n", level)
    table["q"] = np.nan
    table["null"] = null.name
    return _add_q(table).rename_axis("gene")


def _add_q(table: pd.DataFrame) -> pd.DataFrame:
    """Fill ``q`` where there is a ``p``."""
    tested = table["p"].notna()
    if tested.any():
        table.loc[tested, "q"] = scipy.stats.false_discovery_control(table.loc[tested, "p"])
    return table


def _add_interval(table: pd.DataFrame, n: str, level: float) -> None:
    """Add Fisher's interval to a table that has ``pearson`` and a column of counts."""
    low, high = fisher_interval(table["pearson"].to_numpy(), table[n].to_numpy(), level)
    table["pearson_low"], table["pearson_high"] = low, high


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise GexvizError(f"{level} is no level for an interval", expected="a number between 0 and 1, as 0.95")
