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


_FIGURES = {
    "decided": "Direction right, decided eQTLs",
    "one a gene": "the same, one eQTL a gene",
    "all eQTLs": "the same, all eQTLs with a deep sign",
}
_NEGATIVE = "negative r, "
_NO_BREAK = "\N{NO-BREAK SPACE}"


def summary_text(summary: pd.DataFrame, parts: tuple[str, ...], published: pd.DataFrame) -> pd.DataFrame:
    """Rows of a study's summary as people read them: share, interval, counts, published figures.

    Parameters
    ----------
    summary : DataFrame
        From :func:`gexviz.analysis.mismatch_summary.summarise`.
    parts : tuple of str
        Which, in this order.
    published : DataFrame
        From :func:`gexviz.analysis.published.published_directions`.
    """
    rows = []
    for part in parts:
        for row in summary[summary["part"] == part].to_dict("records"):
            ours = "none" if not row["n"] else (
                f"{100 * row['value']:.3g}% [{100 * row['low']:.0f}, {100 * row['high']:.0f}]"
            )
            count = f"{row['count']:,} of {row['n']:,}"
            name = row["figure"]
            said = _FIGURES.get(name, _NEGATIVE * (part == "negative genes") + name)
            others = published[published["figure"] == ("eQTL direction" if name == "all eQTLs" else name)]
            beside = "; ".join(
                f"{p['name']} {'> ' if p['note'] == 'more than' else ''}{100 * p['value']:.3g}%"
                for p in others.to_dict("records")
            )
            whole = [text.replace(" ", _NO_BREAK) for text in (ours, count)]
            rows.append((said[:1].upper() + said[1:], *whole, beside))
    return pd.DataFrame(rows, columns=["Figure", "Ours [95%]", "Count", "Published"])
