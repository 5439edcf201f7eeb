"""The charts of the Gene page. People selected in one are marked in all."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from gexviz.figures import comparison, dosage, haplotypes, words
from gexviz.figures.comparison import Labels
from gexviz.gene import held_out
from gexviz.ui import people, tables
from gexviz.ui.charts import show_chart
from gexviz.ui.frame import PAGES, View
from gexviz.ui.gene_words import fact_lines
from gexviz.ui.messages import plain
from gexviz.ui.tables import GeneView


class Shown(NamedTuple):
    """A gene as it is shown.

    Attributes
    ----------
    view : View
    gene : str
        Its id.
    stored : GeneView
    table : DataFrame
        Its people, with the dosages of the variant.
    variant : str or None
        The chosen one; None while nobody asked for it.
    colour_by : str or None
        Column of the table.
    """

    view: View
    gene: str
    stored: GeneView
    table: pd.DataFrame
    variant: str | None
    colour_by: str | None

    def labels(self, model: str = "") -> Labels:
        """Names for a figure, of a model's predictions or of expression alone."""
        scale = self.view.study.spec(model).scale if model else ""
        return Labels(self.stored.name, scale, self.view.study.cohort.observed_scale, model)

    @property
    def variants(self) -> pd.DataFrame:
        """Variants to choose from. The first look at a gene reads the genotypes of a wide region."""
        return tables.gene_variants(self.view.study, self.view.version, self.gene, tuple(self.view.selection.models))

    @property
    def content(self) -> str:
        """Changes whenever the charts show something else."""
        return f"{self.gene} {self.variant} {self.colour_by} {self.view.version} {people.cleared()}"


_NOT_READY = {
    "missing": ("is not predicted yet", ":material/hourglass_empty:"),
    "stale": ("has a stale prediction", ":material/update:"),
    "unavailable": ("can't be predicted", ":material/block:"),
}


def comparison_with(shown: Shown, model: str) -> None:
    """One model's predictions against expression, and what is behind them."""
    if not shown.table[model].notna().any():
        _not_ready(shown, model)
        return
    counted = shown.table.loc[held_out(shown.view.study, model)]
    _people_chart(
        shown,
        f"against_{model}",
        f"Predicted by {model} against observed expression of {shown.stored.name}, a point a person",
        lambda selected: comparison.predicted_vs_observed(
            counted, model, colour_by=shown.colour_by, selected=selected, evaluation=shown.stored.rows[model],
            labels=shown.labels(model),
        ),
    )  # fmt: skip
    if shown.stored.states[model][0] != "ready":  # predicted out of fold, but its weights were not kept in the model
        _not_ready(shown, model, " Shown are the out-of-fold predictions of its training.")
    facts = shown.stored.facts[model]
    lines = fact_lines(shown.view.study, model, facts, len(shown.table) - len(counted))
    for line, alarming in lines:
        if alarming:
            st.warning(plain(line), icon=":material/warning:")
    st.caption("  \n".join(plain(line) for line, alarming in lines if not alarming))


def _not_ready(shown: Shown, model: str, more: str = "") -> None:
    """Say why a model has no prediction of the gene."""
    state, reason = shown.stored.states[model]
    what, icon = _NOT_READY.get(state, ("has no prediction for these people", ":material/block:"))
    st.info(f"**{plain(model)}**: this gene {what}" + (f": {plain(reason)}." if reason else ".") + more, icon=icon)


def haplotype_predictions(shown: Shown) -> None:
    """Predictions of the two copies of each person."""
    st.subheader("Per-haplotype predictions", anchor=False)
    model = next((m for m in shown.view.selection.models if f"{m}_haplotype_1" in shown.table), None)
    if model is None:
        st.caption("None of the chosen models predicts the two copies of a person apart, or not at this gene.")
        return
    which = st.segmented_control(
        "Show", ["Copy against copy", "Distinct predictions"], default="Copy against copy", key="haplotype_view",
        required=True, label_visibility="collapsed", persist_state="session",
    )  # fmt: skip
    labels = shown.labels(model)
    if which == "Distinct predictions":
        figure = haplotypes.distinct_predictions(shown.table, model, labels=labels)
        figure.update_layout(meta={"gene": shown.stored.name})
        show_chart(figure, "distinct", f"Distinct predictions of {model} for one copy of {shown.stored.name}")
        return
    _people_chart(
        shown,
        "copies",
        f"Prediction of {model} for the two copies of {shown.stored.name}, a point a person",
        lambda selected: haplotypes.copy_against_copy(
            shown.table, model, colour_by=shown.colour_by, selected=selected, labels=labels
        ),
    )


def expression_by_genotype(shown: Shown) -> None:
    """Observed expression by genotype at the chosen variant."""
    st.subheader("Observed by genotype", anchor=False)
    variants, variant = shown.variants, shown.variant
    if variants.empty and variant is None:
        st.caption("No variant near this gene varies among these people.")
        return
    st.session_state["variant_box"] = variant
    with st.container(horizontal=True, vertical_alignment="center", key="variant_choice"):
        st.selectbox(
            "Variant", list(dict.fromkeys([*variants.index, *([variant] if variant else [])])), key="variant_box",
            on_change=_variant_chosen, filter_mode="contains", format_func=partial(variant_label, variants=variants),
            label_visibility="collapsed", placeholder="Choose a variant",
        )  # fmt: skip
        path, icon = PAGES["Locus"]
        query = shown.view.selection.query(variant=variant)
        st.page_link(path, label="On the Locus page", icon=icon, query_params=query, help="What it does to the model")
    if variant is None:
        return
    population = shown.colour_by if shown.colour_by == "population" else None
    _people_chart(
        shown,
        "by_variant",
        f"Observed expression of {shown.stored.name} by genotype at {variant}",
        lambda selected: dosage.by_dosage(
            shown.table, variant, colour_by=population, selected=selected, labels=shown.labels()
        ),
    )


def _variant_chosen() -> None:
    st.query_params["variant"] = st.session_state["variant_box"]


def variant_label(variant: str, variants: pd.DataFrame) -> str:
    """Name a variant with its distance to the TSS, and its weight where a model has one."""
    text = words.variant_name(variant)
    if variant not in variants.index:
        return text
    row = variants.loc[variant].to_dict()
    parts = [text, f"{row['distance']:+,.0f} bp from the TSS", f"ALT {row['frequency']:.1%}"]
    if not math.isnan(row["weight"]):
        parts.append(f"weight {row['weight']:+.3g} in {row['model']}")
    return " · ".join(parts)


def _people_chart(shown: Shown, key: str, alt: str, draw: Callable[[list[str]], go.Figure]) -> None:
    """Show a chart of people; who is selected in it becomes the selection of all charts."""
    figure = draw(people.marked(key, shown.content, people.chosen(shown.table.index)))
    figure.update_layout(meta={"gene": shown.stored.name, "cleared": people.cleared()})
    show_chart(figure, key, alt, on_select=partial(people.take, key, shown.content))
