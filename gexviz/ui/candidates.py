"""Candidates to test: what a bench scientist orders, as CSV, FASTA, VCF and BED."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import streamlit as st

from gexviz.analysis import candidates as analysis
from gexviz.analysis.mismatch_rules import CLASSES
from gexviz.mismatches import Candidates, Mismatches
from gexviz.ui.frame import View

MOST = 5_000
"""Candidates at once."""

_KEEP: Literal["session"] = "session"
_SHOWN = ["name", "variant", "class", "deep_effect", "slope", "q", "carriers", "oligo_ref", "oligo_alt", "oligo_note",
          "edit_context", "guide", "guide_pam", "guide_strand", "guide_cut"]  # fmt: skip


def section(view: View, found: Mismatches, passing: pd.DataFrame) -> None:
    """Offer variants to test.

    Parameters
    ----------
    view : View
    found : Mismatches
    passing : DataFrame
        Rows that pass the page's filters.
    """
    st.subheader("Candidates to test", anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom", key="candidate_choice"):
        classes = st.multiselect("Significant variants of class", CLASSES, default=list(analysis.DEFAULT),
                                 key="candidate_classes", width=420)  # fmt: skip
        length = st.number_input("Oligo length, bp", 50, 400, analysis.LENGTH, 10, key="candidate_length", width=130,
                                 persist_state=_KEEP)  # fmt: skip
        only = st.toggle("Only what passes the filters above", key="candidate_filtered", persist_state=_KEEP)
    rows = analysis.choose(passing if only else found.variants, classes)
    if rows.empty:
        st.caption("No significant variant is of these classes.")
        return
    if len(rows) > MOST:
        st.caption(f"Taken are the {MOST:,} surest of {len(rows):,}.")
    key = f"{view.opened.files} {found.model} {found.linear}"
    made = _made(replace(found, variants=rows), key, tuple(rows.index), int(length))
    _downloads(made)
    number = st.column_config.NumberColumn
    st.dataframe(
        made.table, hide_index=True, height=min(300, 38 + 35 * len(made.table)), column_order=_SHOWN, key="candidates",
        column_config={
            "name": "Gene", "variant": "Variant", "class": "Class",
            "deep_effect": number("Deep effect", format="%.3f", help=f"Of one ALT on the reference; {found.unit}"),
            "slope": number("eQTL slope", format="%.3f", help=f"Per ALT; {found.eqtls.unit}"),
            "q": number("q", format="%.1e"), "carriers": number("Carriers", format="%d"),
            "oligo_ref": "Oligo with REF", "oligo_alt": "Oligo with ALT", "oligo_note": "Note",
            "edit_context": "Edit context", "guide": "Nearest guide", "guide_pam": "PAM", "guide_strand": "Strand",
            "guide_cut": number("Cut, bp away", format="%d"),
        },
    )  # fmt: skip
    st.caption(
        "Oligos are the forward strand of the reference, the variant in the middle, with the same flanks for both "
        "alleles. Guides are the nearest SpCas9 sites (NGG, cut within 20 bp); off-targets are not looked at. No "
        "file tells anything of single people."
    )


@st.cache_resource(show_spinner="Reading the reference…", max_entries=8)
def _made(_chosen: Mismatches, key: str, which: tuple[Any, ...], length: int) -> Candidates:
    return _chosen.candidates(CLASSES, length=length, most=MOST)


def _downloads(made: Candidates) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        for label, ending in (("CSV", "csv"), ("FASTA", "fa"), ("VCF", "vcf"), ("BED", "bed")):
            st.download_button(
                label, partial(_written, made, ending), f"candidates-{made.model}.{ending}", on_click="ignore",
                icon=":material/download:", key=f"candidates_{ending}",
            )  # fmt: skip
        with_oligos = int((made.table["oligo_ref"] != "").sum())
        st.caption(f"{len(made.table):,} candidates, {with_oligos:,} with oligos", width="content")


def _written(made: Candidates, ending: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return made.write(Path(folder) / f"candidates.{ending}").path.read_bytes()
