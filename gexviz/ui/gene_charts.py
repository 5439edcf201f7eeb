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
from gexviz.ui import people, tables
from gexviz.ui.charts import show_chart
from gexviz.ui.frame import View
from gexviz.ui.gene_words import fact_lines, transform_words
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
        Its people, with the dosages of the chosen variant.
    variants : DataFrame
        Variants to choose from; see :func:`gexviz.ui.tables.gene_variants`.
    variant : str or None
        The chosen one.
    colour_by : str or None
        Column of the table.
    """

    view: View
    gene: str
    stored: GeneView
    table: pd.DataFrame
    variants: pd.DataFrame
    variant: str | None
    colour_by: str | None

    def labels(self, model: str = "") -> Labels:
        """Names for a figure, of a model's predictions or of expression alone."""
        scale = self.view.study.spec(model).scale if model else ""
        return Labels(self.stored.name, scale, transform_words(self.view.study), model)

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
    state, reason = shown.stored.states[model]
    if state != "ready":
        what, icon = _NOT_READY[state]
        why = f": {plain(reason)}." if reason else "."
        st.info(f"**{plain(model)}**: this gene {what}{why}", icon=icon)
        return
    counted = shown.table.loc[tables.held_out(shown.view.study, model)]
    _people_chart(
        shown,
        f"against_{model}",
        f"Predicted by {model} against observed expression of {shown.stored.name}, a point a person",
        lambda selected: comparison.predicted_vs_observed(
            counted, model, colour_by=shown.colour_by, selected=selected, evaluation=shown.stored.rows[model],
            labels=shown.labels(model),
        ),
    )  # fmt: skip
    facts = shown.stored.facts[model]
    for line, alarming in fact_lines(shown.view.study, model, facts, len(shown.table) - len(counted)):
        if alarming:
            st.warning(plain(line), icon=":material/warning:")
        else:
            st.caption(plain(line))


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
    variant = shown.variant
    if variant is None:
        st.caption("No variant near this gene varies among these people.")
        return
    options = list(dict.fromkeys([*shown.variants.index, variant]))
    st.session_state["variant_box"] = variant
    st.selectbox(
        "Variant", options, key="variant_box", on_change=_variant_chosen, filter_mode="contains",
        format_func=partial(variant_label, variants=shown.variants), label_visibility="collapsed",
    )  # fmt: skip
    if variant not in shown.table:
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
    parts = [text, f"{row['distance']:+,.0f} bp from the TSS"]
    if not math.isnan(row["weight"]):
        parts.append(f"weight {row['weight']:+.3g} in {row['model']}")
    return " · ".join(parts)


def _people_chart(shown: Shown, key: str, alt: str, draw: Callable[[list[str]], go.Figure]) -> None:
    """Show a chart of people; who is selected in it becomes the selection of all charts."""
    figure = draw(people.marked(key, shown.content, people.chosen(shown.table.index)))
    figure.update_layout(meta={"gene": shown.stored.name, "cleared": people.cleared()})
    show_chart(figure, key, alt, on_select=partial(people.take, key, shown.content))
