"""The Gene page: one gene, its people, predicted and observed; its haplotypes; its variants."""

from __future__ import annotations

import time
from functools import partial

import pandas as pd
import streamlit as st

from gexviz.errors import GexvizError
from gexviz.ui import gene_charts, keeping, people, session_notes, tables
from gexviz.ui.downloads import csv_bytes
from gexviz.ui.frame import View, readable
from gexviz.ui.gene_charts import Shown
from gexviz.ui.gene_heading import heading
from gexviz.ui.messages import error_block

HEAD_START = 0.0003
"""Seconds a person, in which the browser draws the two upper figures before it is sent the rest: that holds them up."""

_COLOURS = "colour_by"
POPULATION, GENOTYPE, NONE = "Population", "Genotype", "None"


def body(view: View) -> None:
    """Draw the page below the header."""
    models = tuple(view.selection.models)
    if not models:
        st.info("This study has no model that can be opened. Add a `[models.NAME]` section to its file.")
        return
    ready = tables.ready_genes(view.study, view.version, models)
    gene = view.selection.gene
    assert gene is not None, "the frame chooses a gene where the URL names none"
    stored = tables.gene_view(view.study, view.version, gene, models)
    heading(view, gene, ready)
    with readable("the notes"):
        session_notes.beside(view, gene, view.selection.variant)
    choice = _colour_choice(stored.table)
    shown = Shown(view, gene, stored, stored.table, None, "population" if choice == POPULATION else None)
    if choice == GENOTYPE:
        shown = _with_genotypes(shown)
        shown = shown._replace(colour_by=shown.variant)
    for column, model in zip(st.columns(max(2, len(models)), gap="medium"), models, strict=False):
        with column, readable(f"the comparison of {model}"):
            gene_charts.comparison_with(shown, model)
    time.sleep(HEAD_START * min(len(stored.table), 1_000))
    st.divider()
    left, right = st.columns(2, gap="medium")
    with left, readable("the haplotypes"):
        gene_charts.haplotype_predictions(shown)
    with right, readable("expression by genotype"):
        shown = _with_genotypes(shown)  # last, as it reads the genotypes of a wide region
        gene_charts.expression_by_genotype(shown)
        keeping.looks_at(variant=shown.variant)
    with readable("the table of people"):
        _people_table(gene, shown.table)


def _with_genotypes(shown: Shown) -> Shown:
    """Add the dosages of the chosen variant: the URL's, or else the first of the list. A wrong one is said."""
    variant = shown.view.selection.variant or next(iter(shown.variants.index), None)
    if variant is None or variant in shown.table:
        return shown
    try:
        copies = tables.dosage(shown.view.study, shown.view.version, shown.gene, variant)
    except GexvizError as error:
        error_block(error)
        return shown
    return shown._replace(table=shown.table.assign(**{variant: copies}), variant=variant)


def _colour_choice(table: pd.DataFrame) -> str:
    """Ask what to colour people by, and show how many are selected."""
    options = [POPULATION] * ("population" in table) + [GENOTYPE, NONE]
    with st.container(horizontal=True, vertical_alignment="bottom", key="colours"):
        default = None if _COLOURS in st.session_state else options[0]  # the Locus page may have set it
        choice = st.segmented_control(
            "Colour people by", options, default=default, key=_COLOURS, required=True, persist_state="session"
        )
        people.note(table.index)
    return choice or NONE


def _people_table(gene: str, table: pd.DataFrame) -> None:
    """Everybody, or the selected people, in numbers."""
    with st.expander(f"All {len(table):,} people as a table", icon=":material/table:"):
        chosen = people.chosen(table.index)
        st.dataframe(table.loc[chosen] if chosen else table, height=320)
        st.download_button(
            "Download CSV", partial(csv_bytes, table), f"{gene}.csv", "text/csv", icon=":material/download:",
            on_click="ignore", key="people_csv",
        )  # fmt: skip
