"""The Overview page: every gene's correlation across people, one model against another."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from gexviz.analysis.filtering import GeneFilters, passing_genes
from gexviz.analysis.mismatch_rules import VERDICTS
from gexviz.figures import benchmark, overview
from gexviz.ui import mismatches_work, tables
from gexviz.ui.background import in_background
from gexviz.ui.charts import selected_ids, show_chart
from gexviz.ui.downloads import csv_bytes
from gexviz.ui.frame import PAGES, View, open_gene, readable
from gexviz.ui.messages import plain
from gexviz.ui.predicting import unavailable_note

EVERYBODY = "Everybody"

MANY_VALUES = 1_000_000
"""Genes times people from which the benchmark is summed up in the background."""

_Q = {"any": 1.0, "0.2": 0.2, "0.1": 0.1, "0.05": 0.05, "0.01": 0.01}


def body(view: View) -> None:
    """Draw the page below the header."""
    models = view.selection.models
    if not models:
        st.info("This study has no model that can be opened. Add a `[models.NAME]` section to its file.")
        return
    verdicts = _verdicts(view)
    places = st.columns(4 if verdicts is None else 5, gap="medium", vertical_alignment="bottom")
    with places[0]:
        population = _population_choice(view)
    evaluated = {m: tables.evaluation(view.study, view.version, m, population) for m in models}
    evaluated = {m: t for m, t in evaluated.items() if not t.empty}
    if not evaluated:
        st.info("There are no predictions to show yet.", icon=":material/hourglass_empty:")
        return
    genes = _filtered(view, evaluated, verdicts, places[1:])
    kept = {m: t.loc[t.index.intersection(genes, sort=False)] for m, t in evaluated.items()}
    left, right = st.columns([3, 2], gap="medium")
    with left, readable("the comparison of models"):
        _against(view, kept, verdicts)
    with right, readable("the distributions"):
        figure = overview.r_distribution(kept)
        show_chart(figure, "distributions", "Distribution of r across people for each model")
    _notes(view, evaluated)
    with readable("the table of genes"):
        _genes_table(view, kept, verdicts)
    with readable("the benchmark"):
        _benchmark(view)


def _population_choice(view: View) -> str | None:
    """One population, or everybody. First in the row of filters, as all else depends on it."""
    if "population" not in view.study.samples:
        return None
    counts = view.study.samples["population"].value_counts().sort_index()
    label = {EVERYBODY: f"{EVERYBODY} ({counts.sum():,})"} | {str(p): f"{p} ({n:,})" for p, n in counts.items()}
    choice = st.selectbox(
        "People", list(label), key="population", persist_state="session", format_func=lambda p: label.get(p, p)
    )
    return None if choice in (None, EVERYBODY) else choice


def _verdicts(view: View) -> pd.Series | None:
    """Verdict by gene, if the chosen models were compared with eQTLs and nothing has changed since."""
    pair = mismatches_work.pair_of(view.opened, view.selection)
    return None if pair is None else mismatches_work.verdicts(view.opened, pair)


def _filtered(
    view: View, evaluated: dict[str, pd.DataFrame], verdicts: pd.Series | None, places: Sequence[DeltaGenerator]
) -> pd.Index:
    """Show the filters, and give the genes that pass them."""
    mean = view.study.genes["mean_expression"]
    low, high = float(np.floor(mean.min())), float(np.ceil(mean.max()))
    first, second, third, *more = places
    with first:
        high = max(high, low + 1)
        expression = st.slider("Mean expression", low, high, (low, high), key="expression", persist_state="session")
    with second:
        size = st.slider("|r| of at least one model from", 0.0, 1.0, 0.0, 0.05, key="size", persist_state="session")
    with third:
        q = st.select_slider("q of at least one model up to", list(_Q), key="q", persist_state="session")
    chosen: list[str] = []
    if not more:
        st.session_state.pop("verdicts", None)  # a kept view may have set it
    for place in more:
        chosen = place.multiselect("Verdict", VERDICTS, key="verdicts", persist_state="session", placeholder="all")
    filters = GeneFilters(expression, size, _Q[q], tuple(chosen))
    return passing_genes(evaluated, mean, filters, verdicts)


def _against(view: View, kept: dict[str, pd.DataFrame], verdicts: pd.Series | None) -> None:
    """The two models against each other, genes coloured by verdict if there are; a click on a gene opens it."""
    if len(kept) < 2:
        st.caption("Predictions of a second model are needed to set two models against each other.")
        return
    deep, linear = kept
    up = kept[deep]
    if verdicts is not None and st.session_state.get("by_verdict", True):
        up = up.assign(category=verdicts.reindex(up.index))
    figure = overview.model_vs_model(
        kept[linear], up, models=(linear, deep), names=view.study.genes["name"],
        intervals=bool(st.session_state.get("intervals", False)),
    )  # fmt: skip
    figure.update_layout(dragmode="zoom")
    alt = f"Correlation across people of {deep} against {linear}, one point a gene"
    if figure.layout.clickmode != "event+select":  # binned
        show_chart(figure, "against", alt)
        return
    show_chart(figure, "against", alt, on_select=partial(_point_clicked, view), modes=("points",))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.toggle("95% intervals", key="intervals", persist_state="session")
        if verdicts is not None:
            st.toggle("Colour by verdict", value=True, key="by_verdict", persist_state="session")
        st.caption("Click a gene to open it.", width="content")
        if verdicts is None:
            _offer_verdicts(view)
        path, icon = PAGES["Mismatches"]
        label = "Why each gene fails" if verdicts is None else "Verdicts and their evidence"
        st.page_link(path, label=label, icon=icon, query_params=view.selection.query())


def _offer_verdicts(view: View) -> None:
    """Offer to compare the models with eQTLs, which gives each gene its verdict."""
    pair = mismatches_work.pair_of(view.opened, view.selection)
    if pair is None:
        return
    job = view.jobs.get(mismatches_work.wanted(view.opened, pair).key)
    if job is not None and job.active:
        st.caption("Verdicts come when the comparison with eQTLs is done.", width="content")
        return
    st.button(
        "Compare with eQTLs for verdicts", key="begin_verdicts", icon=":material/rule:",
        help="eQTLs with 1,000 permutations, predictions and variant effects of all genes; what is stored is kept. "
        "Takes seconds to hours, in the background.",
        on_click=mismatches_work.begin, args=(view.opened, view.jobs, pair),
    )  # fmt: skip


def _point_clicked(view: View) -> None:
    for gene in selected_ids("against")[:1]:
        open_gene(view.selection, gene)


def _notes(view: View, evaluated: dict[str, pd.DataFrame]) -> None:
    """Genes that a model can't serve, and where an r of theirs is from all the same."""
    for model in view.selection.models:
        there = tables.coverage(view.study, view.version, model)
        note = unavailable_note(model, there)
        if note:
            found = evaluated[model]["pearson"].dropna().index if model in evaluated else ()
            shown = not there.unserved.isdisjoint(found)
            st.caption(note + (" Shown are the out-of-fold predictions of its training." if shown else ""))


def _genes_table(view: View, kept: dict[str, pd.DataFrame], verdicts: pd.Series | None) -> None:
    """All genes that pass the filters; a click on a row opens the gene."""
    wide = surest_first(tables.merged(view.study, kept), list(kept))
    if verdicts is not None:
        wide.insert(1, "verdict", verdicts.reindex(wide.index))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader("1 gene" if len(wide) == 1 else f"{len(wide):,} genes", anchor=False, width="content")
        st.caption("Click a row to open its gene; click a heading to sort.", width="content")
        st.space("stretch")
        st.download_button(
            "Download CSV", partial(csv_bytes, wide), "genes.csv", "text/csv", icon=":material/download:",
            on_click="ignore", key="genes_csv",
        )  # fmt: skip
    number = st.column_config.NumberColumn
    config: dict[str, Any] = {"gene": "Id", "name": "Gene", "contig": "Contig", "verdict": "Verdict"}
    config["mean_expression"] = number("Mean expr.", format="%.2f")
    for model in kept:
        config |= {
            f"{model} r": number(format="%.3f"), f"{model} low": number(format="%.3f"),
            f"{model} high": number(format="%.3f"), f"{model} q": number(format="%.2g"),
            f"{model} n": number(format="%d"),
        }  # fmt: skip
    shown = ["name", *(c for c in wide.columns if not c.endswith(" reason") and c != "name"), "gene"]
    st.dataframe(
        wide.reset_index(), key="genes", hide_index=True, height=380, column_config=config,
        on_select=partial(_row_clicked, view, wide.index), selection_mode=["single-row", "single-cell"],
        column_order=shown,
    )  # fmt: skip


def surest_first(wide: pd.DataFrame, models: list[str]) -> pd.DataFrame:
    """Sort genes by their smallest q of any model; those without come last."""
    smallest = wide[[f"{m} q" for m in models]].min(axis=1)
    return wide.loc[smallest.sort_values(kind="stable", na_position="last").index]


def _row_clicked(view: View, genes: pd.Index) -> None:
    chosen = st.session_state["genes"]["selection"]
    rows = [*chosen["rows"], *(cell[0] for cell in chosen["cells"])]
    if rows:
        open_gene(view.selection, str(genes[rows[0]]))


def _benchmark(view: View) -> None:
    """The field's three rows, ours beside the published ones."""
    st.subheader("Benchmark", anchor=False)
    models = tuple(view.selection.models)
    rows: pd.DataFrame | None
    if len(view.study.genes) * len(view.study.samples) < MANY_VALUES:
        rows = tables.benchmark(view.study, view.version, models)
    else:
        key = f"benchmark {view.version} {' '.join(models)}"
        rows = in_background(view.jobs, key, "Summing up", lambda _: tables.ready_benchmark(view.study, models))
    if rows is None or rows.empty:
        return
    left, right = st.columns([2, 3], gap="medium")
    with left:
        show_chart(benchmark.benchmark_figure(rows), "benchmark", "Benchmark rows, ours beside published figures")
    with right:
        st.table(benchmark_text(rows), hide_index=True)
        sources = dict.fromkeys(s for s in rows["published_source"] if s)
        if sources:
            st.caption("Published figures are context, not a target: " + plain("; ".join(sources)) + ".")


def benchmark_text(rows: pd.DataFrame) -> pd.DataFrame:
    """The benchmark as people read it: a line a row, with interval, count and the published figure."""

    def value(row: pd.Series) -> str:
        if np.isnan(row["value"]):
            return plain(f"none: {row['reason']}")
        bounds = "" if np.isnan(row["low"]) else f" [{row['low']:.3f}, {row['high']:.3f}]"
        return plain(f"{row['value']:.3f}{bounds}")

    return pd.DataFrame(
        {
            "Row": rows["row"].str.capitalize(),
            "Model": [plain(m) for m in rows["model"]],
            "Ours (95% interval)": rows.apply(value, axis=1),
            "n": [f"{n:,} {unit}" if n else "" for n, unit in zip(rows["n"], rows["unit"], strict=True)],
            "Published": ["" if np.isnan(p) else f"{p:.3g}" for p in rows["published"]],
            "Of": [plain(c) for c in rows["published_cohort"]],
        }
    )
