"""The rows of the Mismatches page: filters, order, and the table to choose from."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

import pandas as pd
import streamlit as st

from gexviz.analysis.filtering import ANY, INSIDE, OUTSIDE, PairFilters, populations
from gexviz.analysis.mismatch_rules import CLASSES, VERDICTS
from gexviz.figures import words
from gexviz.mismatches import Mismatches
from gexviz.ui.downloads import csv_bytes
from gexviz.ui.frame import View

MOST_ROWS = 10_000
"""Rows that the table shows; all are in the file."""

ANYBODY = "Anybody"

_KEEP: Literal["session"] = "session"
_TABLE = "mismatches_table"
_Q = {"any": 1.0, "0.2": 0.2, "0.1": 0.1, "0.05": 0.05, "0.01": 0.01, "0.001": 0.001}
_ORDER = ("opposite", "concordant", "missed", "out of window", "unsupported driver", "ambiguous", "linear only")
_COLUMNS = ["name", "label", "class", "verdict", "role", "q", "p", "deep_effect", "slope", "distance", "weight",
            "ld_lead", "frequency", "carriers"]  # fmt: skip


def with_words(found: Mismatches) -> pd.DataFrame:
    """All rows with the gene's name, the variant's and the verdict; opposite and concordant first, then by p."""
    rows = found.variants
    rows = rows.assign(
        name=rows["gene"].map(found.genes["name"]),
        verdict=rows["gene"].map(found.genes["verdict"]),
        label=[words.variant_name(v) for v in rows["variant"]],
        role=[_role(*flags) for flags in zip(rows["lead"], rows["main_driver"], rows["driver"], strict=True)],
        _rank=rows["class"].map({name: n for n, name in enumerate(_ORDER)}).fillna(len(_ORDER)),
    )
    return rows.sort_values(["_rank", "p", "gene", "position"], kind="stable").drop(columns="_rank")


def _role(lead: bool, main: bool, driver: bool) -> str:  # noqa: FBT001
    return ", ".join(["lead"] * lead + (["main driver"] if main else ["driver"] * driver))


def filters(found: Mismatches) -> PairFilters:
    """Ask which rows to show."""
    groups = populations(found.variants)
    with st.container(horizontal=True, vertical_alignment="bottom", key="mismatch_filters"):
        classes = st.multiselect("Class", CLASSES, key="mm_class", persist_state=_KEEP, placeholder="all", width=250)
        verdicts = st.multiselect("Verdict of the gene", VERDICTS, key="mm_verdict", persist_state=_KEEP,
                                  placeholder="all", width=250)  # fmt: skip
        gene = st.text_input("Gene", key="mm_gene", persist_state=_KEEP, placeholder="part of a name", width=140)
        q = st.select_slider("q of the eQTL up to", list(_Q), key="mm_q", persist_state=_KEEP, width=190)
        where = st.selectbox("Where", [ANY, INSIDE, OUTSIDE], key="mm_where", persist_state=_KEEP, width=150)
        who = ANYBODY
        if groups:
            who = st.selectbox(
                "Common (≥ 5%) in", [ANYBODY, *groups], key="mm_population", persist_state=_KEEP, width=150,
                help="Known for variants in the model's window",
            )  # fmt: skip
    population = None if who in (None, ANYBODY) else who
    return PairFilters(list(classes), list(verdicts), (gene or "").strip(), _Q[q], where or ANY, population)


def choose(view: View, gene: str, variant: str | None) -> None:
    """Make a gene and a variant the chosen ones. For callbacks."""
    st.query_params.from_dict(view.selection.query(gene=gene, variant=variant, region=None))


def table(view: View, rows: pd.DataFrame, total: int, chosen: tuple[str, str] | None, found: Mismatches) -> None:
    """All rows that pass the filters; a click on one opens its gene's evidence.

    Parameters
    ----------
    view : View
    rows : DataFrame
        Those that pass the filters.
    total : int
        Of all rows.
    chosen : (str, str) or None
        Gene and variant.
    found : Mismatches
    """
    with st.container(horizontal=True, vertical_alignment="center"):
        number = f"{len(rows):,} of {total:,}" if len(rows) < total else f"{total:,}"
        st.subheader(f"{number} pairs of gene and variant", anchor=False, width="content")
        st.caption("Click a row for the evidence below; click a heading to sort.", width="content")
        st.space("stretch")
        shown = rows.drop(columns=["label"]).assign(position=rows["position"] + 1)
        st.download_button(
            "Download CSV", partial(csv_bytes, shown), "mismatches.csv", "text/csv", icon=":material/download:",
            on_click="ignore", key="mismatches_csv",
        )  # fmt: skip
    if rows.empty:
        st.info("No row passes these filters.")
        return
    part = rows.head(MOST_ROWS)
    if len(rows) > MOST_ROWS:
        st.caption(f"Shown are the first {MOST_ROWS:,}; filter to see others, or download them.")
    pairs = list(zip(part["gene"].astype(str), part["variant"].astype(str), strict=True))
    at = pairs.index(chosen) if chosen in pairs else -1
    _mark(at)
    groups = [f"frequency_{p}" for p in populations(rows)]
    columns = [c for c in (*_COLUMNS, *groups) if c != "weight" or found.linear is not None]
    st.dataframe(
        part.reset_index(drop=True), key=_TABLE, hide_index=True, height=min(330, 38 + 35 * len(part)),
        column_order=columns, column_config=_config(found, groups),
        on_select=partial(_row_clicked, view, pairs, at), selection_mode=["single-row", "single-cell"],
    )  # fmt: skip


def _config(found: Mismatches, groups: list[str]) -> dict[str, Any]:
    number = st.column_config.NumberColumn
    config: dict[str, Any] = {
        "name": st.column_config.TextColumn("Gene", pinned=True),
        "label": "Variant",
        "class": "Class",
        "verdict": "Gene's verdict",
        "role": "Role",
        "q": number("q", format="%.1e", help="Of the eQTL, by permutations"),
        "p": number("p", format="%.1e", help="Nominal"),
        "deep_effect": number("Deep effect", format="%.3f", help=f"Of one ALT on the reference; {found.unit}"),
        "slope": number("eQTL slope", format="%.3f", help=f"Per ALT; {found.eqtls.unit}"),
        "distance": number("To TSS", format="%+,d", help="bp, downstream positive"),
        "weight": number("Weight", format="%.3f", help=f"Per ALT, in {found.linear}; 0 for none"),
        "ld_lead": number("r with lead", format="%.2f", help="Correlation of dosages with the gene's lead"),
        "frequency": number("ALT freq.", format="percent"),
        "carriers": number("Carriers", format="%d", help="People with ALT; known in the model's window"),
    }
    return config | {g: number(f"in {g.removeprefix('frequency_')}", format="percent") for g in groups}


def _mark(at: int) -> None:
    """Mark one row, wherever it was chosen; none for -1."""
    selection = {"rows": [at] * (at >= 0), "columns": [], "cells": []}
    if dict(st.session_state.get(_TABLE, {}).get("selection", {})) != selection:
        st.session_state[_TABLE] = {"selection": selection}


def _row_clicked(view: View, pairs: list[tuple[str, str]], at: int) -> None:
    selection = st.session_state[_TABLE]["selection"]
    clicked = [*selection["rows"], *(cell[0] for cell in selection["cells"])]
    other = [row for row in clicked if row != at and row < len(pairs)]
    if other:
        choose(view, *pairs[other[0]])
