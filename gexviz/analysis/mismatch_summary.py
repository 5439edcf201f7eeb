"""A study's comparison of the deep model with genetics in one table, published figures beside."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from gexviz.analysis.direction import negative_share, sign_pairs, wilson
from gexviz.analysis.mismatch_rules import CLASSES, RULES, VERDICTS, Rules
from gexviz.analysis.published import published_directions

COLUMNS = ["part", "figure", "count", "n", "value", "low", "high", "published", "published_note"]


def summarise(
    variants: pd.DataFrame,
    genes: pd.DataFrame,
    evaluations: Mapping[str, pd.DataFrame] | None = None,
    *,
    level: float = 0.95,
    rules: Rules = RULES,
) -> pd.DataFrame:
    """Summarise a study.

    Parameters
    ----------
    variants : DataFrame
        Of :class:`gexviz.analysis.mismatch.Classified`.
    genes : DataFrame
        From :func:`gexviz.analysis.verdicts.gene_verdicts`.
    evaluations : mapping, optional
        Name of a null -> table of :func:`gexviz.analysis.evaluation.evaluate_genes`.
    level : float
        Of the intervals.
    rules : Rules

    Returns
    -------
    DataFrame
        ``part`` (``direction``, ``drivers``, ``negative genes``, ``classes``, ``verdicts``), ``figure``, ``count``,
        ``n``, ``value`` (count / n; NaN for n = 0), ``low``, ``high`` (Wilson), ``published``, ``published_note``
        (missing and empty where nothing is published). Genes predicted the right (wrong) way round are those with
        q <= ``rules.fdr`` and r > 0 (r < 0). ``negative genes`` are told of all with an r, and of those that are
        significant under each null.
    """
    rows: list[tuple[str, str, int, int]] = []
    for name in ("decided", "one a gene", "all eQTLs"):
        pairs = sign_pairs(variants, name)
        rows.append(("direction", name, int(pairs["agree"].sum()), len(pairs)))
    drivers = sign_pairs(variants, "drivers")
    rows.append(("drivers", "drivers supported", int(drivers["agree"].sum()), len(drivers)))
    told = genes[genes["main_supported"].notna() & (genes["q_deep"] <= rules.fdr)]
    for sign, members in (("r > 0", told["r_deep"] > 0), ("r < 0", told["r_deep"] < 0)):
        supported = told.loc[members, "main_supported"]
        rows.append(("drivers", f"main driver supported, {sign}", int(supported.sum()), len(supported)))
    predicts = told["main_sign_predicts_r"].dropna()
    rows.append(("drivers", "main driver's sign predicts r's", int(predicts.sum()), len(predicts)))
    shares = negative_share(evaluations or {}, level=level, rules=rules)
    for _, row in shares.head(1).iterrows():  # r is the same under each null
        rows.append(("negative genes", "of all with an r", int(row["negative"]), int(row["genes"])))
    for null, row in shares.iterrows():
        count, number = int(row["negative_significant"]), int(row["significant"])
        rows.append(("negative genes", f"of the significant ones, {str(null).replace('_', ' ')} null", count, number))
    rows += [("classes", name, int((variants["class"] == name).sum()), len(variants)) for name in CLASSES]
    rows += [("verdicts", name, int((genes["verdict"] == name).sum()), len(genes)) for name in VERDICTS]
    table = pd.DataFrame(rows, columns=["part", "figure", "count", "n"])
    table["value"] = table["count"] / table["n"].where(table["n"] > 0)
    limits = [wilson(count, n, level) for count, n in zip(table["count"], table["n"], strict=True)]
    table["low"], table["high"] = [limit.low for limit in limits], [limit.high for limit in limits]
    return _with_published(table)[COLUMNS]


def _with_published(table: pd.DataFrame) -> pd.DataFrame:
    """Add published figures: of the direction to the row of all eQTLs, of drivers to their own."""
    given = published_directions()
    of = table["figure"].where(table["part"] == "drivers", "").mask(table["figure"] == "all eQTLs", "eQTL direction")
    found = {name: some for name, some in given.groupby("figure")}
    values, notes = [], []
    for name in of:
        some = found.get(name)
        values.append(float(some["value"].iloc[0]) if some is not None and len(some) == 1 else float("nan"))
        notes.append("" if some is None else "; ".join(_told(row) for row in some.itertuples(index=False)))
    return table.assign(published=values, published_note=notes)


def _told(row: object) -> str:
    """A published figure in words."""
    known = row._asdict()  # type: ignore[attr-defined]
    counts = "" if pd.isna(known["n"]) else f" ({known['count']} of {known['n']})"
    more = f"{known['note']} " if known["note"] == "more than" else ""
    return f"{known['name']} {more}{100 * known['value']:.3g}%{counts}, {known['source']}"
