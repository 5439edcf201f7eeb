"""A kept view of the Overview page: all genes at once, and the field's benchmark."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from gexviz.analysis.filtering import GeneFilters, passing_genes
from gexviz.figures import words
from gexviz.figures.benchmark import benchmark_figure
from gexviz.figures.overview import model_vs_model, r_distribution
from gexviz.session import filters
from gexviz.session.contents import Session, View
from gexviz.session.shown.frozen import evaluation_of, gene_names, models_of, rows_of
from gexviz.session.shown.item import Shown

_COLUMNS = ("pearson", "pearson_low", "pearson_high", "q", "n")
_BENCHMARK = {
    "model": "model", "row": "row", "value": "r", "low": "low", "high": "high", "n": "n", "unit": "of",
    "published": "published", "published_cohort": "published of", "published_source": "source",
}  # fmt: skip


def overview_view(session: Session, view: View) -> list[Shown]:
    """One model's r against another's, the distributions of r, and the benchmark."""
    models = models_of(view, list(dict.fromkeys(rows_of(session, "evaluation")["model"])))
    tables = {model: evaluation_of(session, model) for model in models}
    tables, filtered = _passing(session, view, tables)
    found = []
    if len(tables) > 1:
        found.append(replace(_against(session, *list(tables.items())[:2]), note=filtered))
    if tables:
        found.append(replace(_distributions(session, tables), note=filtered))
    benchmark = rows_of(session, "benchmark")
    if len(benchmark):
        found.append(_benchmark(benchmark))
    return found


def _passing(session: Session, view: View, tables: dict[str, pd.DataFrame]) -> tuple[dict[str, pd.DataFrame], str]:
    """Tables of the genes that pass the view's filters, and what a reader must know of it."""
    compared = rows_of(session, "mismatch_genes", model=view.model, linear=view.linear)
    verdicts = compared.drop_duplicates("gene").set_index("gene")["verdict"]
    absent = filters.NOT_FROZEN if len(verdicts) else (*filters.NOT_FROZEN, filters.VERDICT)
    other = [f"{name}: {view.filters[name]}" for name in absent if name in view.filters]
    said = [f"Not in the session, so not applied: {'; '.join(other)}."] if other else []
    wanted = filters.gene_filters({name: value for name, value in view.filters.items() if name not in absent})
    if not tables or wanted == GeneFilters():
        return tables, " ".join(said)
    genes = pd.Index(dict.fromkeys(gene for table in tables.values() for gene in table.index))
    passing = passing_genes(tables, pd.Series(0.0, genes), wanted, verdicts)
    said.insert(0, f"Of the {len(passing):,} of {len(genes):,} genes that pass the filters.")
    return {model: table[table.index.isin(passing)] for model, table in tables.items()}, " ".join(said)


def _against(session: Session, deep: tuple[str, pd.DataFrame], linear: tuple[str, pd.DataFrame]) -> Shown:
    figure = model_vs_model(linear[1], deep[1], models=(linear[0], deep[0]), names=gene_names(session))
    table = _wide(session, dict([deep, linear]))
    both = sum((deep[1]["status"] == "ok") & (linear[1]["status"].reindex(deep[1].index) == "ok"))
    title = f"r across people: {deep[0]} against {linear[0]}"
    return Shown(title, table, figure, f"{title}, {both:,} genes as points. {_said(*deep)} {_said(*linear)}")


def _distributions(session: Session, tables: dict[str, pd.DataFrame]) -> Shown:
    alt = "Histograms of r across people, one for each model. " + " ".join(_said(*item) for item in tables.items())
    return Shown("Distribution of r across people", _wide(session, tables), r_distribution(tables), alt)


def _said(model: str, table: pd.DataFrame) -> str:
    r = table.loc[table["status"] == "ok", "pearson"]
    if r.empty:
        return f"{model}: no gene has r."
    share = words.percent(float((r < 0).mean()))
    return f"{model}: mean r {words.number(float(r.mean()), 3)} over {len(r):,} genes, {share} of them below 0."


def _wide(session: Session, tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """One row a gene, the surest first."""
    headings = {"pearson": "r", "pearson_low": "low", "pearson_high": "high"}
    parts = [table[list(_COLUMNS)].rename(columns=headings).add_prefix(f"{model} ") for model, table in tables.items()]
    wide = pd.concat(parts, axis=1)
    order = wide[[f"{model} q" for model in tables]].min(axis=1).sort_values(kind="stable", na_position="last").index
    wide = wide.loc[order].rename_axis("id").reset_index()
    wide.insert(0, "gene", wide["id"].map(gene_names(session)).fillna(wide["id"]))
    return wide


def _benchmark(table: pd.DataFrame) -> Shown:
    wanted = {"unit": "", "interval": "", "reason": "not told", "published_cohort": "", "published_note": ""}
    wanted |= {"published_source": ""}
    whole = table.assign(**{name: text for name, text in wanted.items() if name not in table})
    said = [
        f"{row['model']}, {row['row']}: {words.number(row['value'], 3)}"
        for row in whole.to_dict("records")
        if row["value"] == row["value"]
    ]
    kept = {column: name for column, name in _BENCHMARK.items() if column in table}
    return Shown(
        "The field's benchmark, this study beside published figures",
        table[list(kept)].rename(columns=kept),
        benchmark_figure(whole),
        "Correlations with 95% intervals. " + "; ".join(said) + ".",
        "Published figures are of other cohorts, genes or tissues: context, not a target.",
    )
