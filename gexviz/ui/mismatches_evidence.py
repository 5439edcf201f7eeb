"""A gene's evidence: what its people and the model say of a variant, where its eQTLs lie, and the rule that decided."""

from __future__ import annotations

import time
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import streamlit as st

from gexviz.errors import GexvizError
from gexviz.explaining.attributions import ISM
from gexviz.explaining.effects import stored_effects
from gexviz.figures import words
from gexviz.figures.association import Evidence, association_figure, evidence_region
from gexviz.figures.comparison import Labels
from gexviz.figures.tracks import Region
from gexviz.figures.tracks.genes import GeneTrack
from gexviz.figures.two_sides import two_sides
from gexviz.mismatches import Mismatches
from gexviz.study import Study
from gexviz.ui import locus_variants, locus_work, mismatches_choice, tables
from gexviz.ui.charts import selected_ids, show_chart
from gexviz.ui.frame import PAGES, View, readable
from gexviz.ui.locus_looked import Looked, genes_of, known_motifs, motif_file, sequence_target
from gexviz.ui.messages import error_block, plain
from gexviz.ui.mismatches_words import gene_steps, variant_steps

WHOLE, ALL, WINDOW, NEAR = "Where the evidence is", "All tested variants", "Deep model's window", "Around the variant"
NEAR_BP = 20_000
MOST_GENES = 6
"""Genes drawn in the association plot: all genes of a megabase would need more room than the evidence."""

_CLASS_COLOURS: dict[str, Any] = {"concordant": "blue", "opposite": "red", "unsupported driver": "orange"}
_VERDICT_COLOURS: dict[str, Any] = {"predicts": "blue", "wrong direction": "red"}
_CHART = "association"


class Chosen(NamedTuple):
    """What is looked at.

    Attributes
    ----------
    view : View
    found : Mismatches
    rows : DataFrame
        The gene's, of :func:`gexviz.ui.mismatches_choice.with_words`.
    gene : str
    variant : str or None
        One of the rows'; None for a gene without rows.
    """

    view: View
    found: Mismatches
    rows: pd.DataFrame
    gene: str
    variant: str | None

    @property
    def row(self) -> pd.Series:
        """The variant's row."""
        return self.rows[(self.rows["variant"] == self.variant).to_numpy()].iloc[0]


def evidence(view: View, found: Mismatches, rows: pd.DataFrame, chosen: tuple[str, str | None]) -> None:
    """Show all that is known of a gene and a variant.

    Parameters
    ----------
    view : View
    found : Mismatches
    rows : DataFrame
        All, of :func:`gexviz.ui.mismatches_choice.with_words`.
    chosen : (str, str or None)
    """
    gene, asked = chosen
    name = plain(view.opened.book.names.get(gene, gene))
    if gene not in found.genes.index:
        st.subheader(name, anchor=False)
        reason = found.unserved.get(gene, "it has no expression in this study")
        st.info(f"**{plain(found.model)}** can't serve this gene: {plain(str(reason))}.", icon=":material/block:")
        return
    own = rows[(rows["gene"] == gene).to_numpy()]
    variant = asked if asked in set(own["variant"]) else next(iter(own["variant"]), None)
    looked = Chosen(view, found, own, gene, variant)
    _heading(looked, name)
    if asked is not None and asked != variant:
        who = f"{words.variant_name(asked)} matters to nobody here: no driver, no significant eQTL, no linear weight"
        st.warning(plain(f"{who}. Shown is another variant of the gene." if variant else f"{who}."),
                   icon=":material/search_off:")  # fmt: skip
    st.markdown(f"**Gene.** {plain(str(found.genes.at[gene, 'sentence']))}")
    if variant is None:
        st.caption("No variant matters to anyone at this gene: no driver, no eQTL, no linear weight.")
        _arithmetic(looked)
        return
    st.markdown(f"**Variant.** {plain(looked.row['sentence'])}")
    left, right = st.columns([3, 2], gap="medium")
    with left, readable("both sides of the variant"):
        _both_sides(looked)
    with right:
        _arithmetic(looked)
    with readable("the association plot"):
        _association(looked)
    with readable("the logos"):
        _logos(looked)


def _heading(looked: Chosen, name: str) -> None:
    """Name the gene and the variant, and lead to their other pages."""
    view, gene, variant = looked.view, looked.gene, looked.variant
    verdict = str(looked.found.genes.at[gene, "verdict"])
    with st.container(horizontal=True, vertical_alignment="center", key="evidence_heading"):
        st.subheader(name, anchor=False, width="content")
        st.badge(verdict, color=_VERDICT_COLOURS.get(verdict, "gray"))
        if variant is not None:
            st.session_state["evidence_variant"] = variant
            labels = {str(r["variant"]): _label(r) for r in looked.rows.to_dict("records")}
            st.selectbox(
                "Variant", list(labels), key="evidence_variant", format_func=lambda v: labels.get(v, v), width=420,
                label_visibility="collapsed", filter_mode="contains",
                on_change=lambda: mismatches_choice.choose(view, gene, st.session_state["evidence_variant"]),
            )  # fmt: skip
            kind = str(looked.row["class"])
            st.badge(kind, color=_CLASS_COLOURS.get(kind, "gray"))
        st.space("stretch")
        for page in ("Gene", "Locus"):
            path, icon = PAGES[page]
            in_window = variant is not None and bool(looked.row["in_window"])
            there = variant if page == "Gene" or in_window else None
            query = view.selection.query(gene=gene, variant=there, region=None)
            st.page_link(path, label=f"On the {page} page", icon=icon, query_params=query)


def _label(row: dict[Any, Any]) -> str:
    """Name a variant with its class and what it is."""
    parts = [row["label"], row["class"], row["role"]]
    return " · ".join(part for part in parts if part)


def _both_sides(looked: Chosen) -> None:
    """Observed and predicted by dosage."""
    view, variant, model = looked.view, str(looked.variant), looked.found.model
    stored = tables.gene_view(view.study, view.version, looked.gene, (model,))
    try:
        copies = tables.dosage(view.study, view.version, looked.gene, variant)
    except GexvizError as error:
        error_block(error)
        return
    table = stored.table.assign(**{variant: copies})
    groups = "population" if "population" in table and st.session_state.get("sides_by_population") else None
    labels = Labels(stored.name, looked.found.unit, view.study.cohort.observed_scale, model)
    figure = two_sides(table, variant, model, colour_by=groups, labels=labels)
    show_chart(figure, "two_sides", f"Observed and predicted expression of {stored.name} by genotype at {variant}")
    with st.container(horizontal=True, vertical_alignment="center"):
        if "population" in table:
            st.toggle("Colour by population", key="sides_by_population", persist_state="session")
        st.caption("The eQTL's slope has the covariates taken out; these slopes have not.", width="content")


def _arithmetic(looked: Chosen) -> None:
    """The numbers and the rules."""
    rules = looked.found.rules
    if looked.variant is not None:
        st.markdown("**How the variant got its class**")
        st.table(_plain(variant_steps(looked.row.to_dict(), rules)), hide_index=True)
    st.markdown("**How the gene got its verdict**")
    st.table(_plain(gene_steps(looked.found.genes.loc[[looked.gene]].iloc[0], rules)), hide_index=True)


def _plain(table: pd.DataFrame) -> pd.DataFrame:
    return table.map(lambda text: plain(str(text)))


def _association(looked: Chosen) -> None:
    """Association, deep effects and linear weights on one axis."""
    view, found, study = looked.view, looked.found, looked.view.study
    locus = study.locus(looked.gene)
    made = evidence_of(looked)
    wide = st.segmented_control(
        "Show", [WHOLE, ALL, WINDOW, NEAR], default=WHOLE, required=True, key="association_zoom",
        persist_state="session", label_visibility="collapsed",
    )  # fmt: skip
    region = shown_region(made, locus.contig, str(looked.variant), str(wide or WHOLE))
    genes, exons = genes_of(study, view.opened.files, locus.contig, region.start, region.end)
    near = nearest_genes(genes, locus.tss)
    name = "Genes" if len(near) == len(genes) else f"Genes ({len(near)} nearest of {len(genes):,})"
    figure = association_figure(
        made, region, units=(found.unit, "per copy of ALT"), title=f"{locus.name} · {found.model}",
        chosen=(str(looked.variant),), above=[GeneTrack(near, exons, focus=locus.id, name=name)],
    )  # fmt: skip
    what = f"Association, deep effects and linear weights around {locus.name}"
    show_chart(figure, _CHART, what, on_select=partial(_clicked, looked), modes=("points",))


def nearest_genes(genes: pd.DataFrame, tss: int) -> pd.DataFrame:
    """The genes whose TSS is nearest to one, at most :data:`MOST_GENES`."""
    return genes.loc[(genes["tss"] - tss).abs().nsmallest(MOST_GENES).index.intersection(genes.index)]


def evidence_of(looked: Chosen) -> Evidence:
    """The tables of the association plot."""
    study, found = looked.view.study, looked.found
    locus = study.locus(looked.gene)
    tests = found.eqtls.table
    tests = tests[(tests["gene"] == locus.id).to_numpy()].drop_duplicates("variant").set_index("variant")
    effects = stored_effects(study, found.model, locus)
    weights = None if found.linear is None else _weights(study, looked.view.version, found.linear, locus.id)
    row: Any = found.eqtls.genes.loc[locus.id] if locus.id in found.eqtls.genes.index else {}
    lead = row.get("variant")
    threshold = row.get("threshold")
    window = study.window(found.model, locus)
    return Evidence(
        tests,
        lead if isinstance(lead, str) else None,
        None if threshold is None or np.isnan(threshold) else float(threshold),
        None if effects is None else effects.table,
        weights,
        (window.start, window.end),
        locus.tss,
    )


@st.cache_data(show_spinner=False, max_entries=64)
def _weights(_study: Study, version: str, model: str, gene: str) -> pd.DataFrame | None:
    """A linear model's weights by variant; None where it has none. Kept, as it takes reading the genotypes."""
    if _study.unavailable(model, _study.locus(gene)) is not None:
        return None
    table = _study.gene(gene).weights(model)
    known = table[(table["status"] != "missing") & (table["position"] >= 0)]
    return known.groupby("variant").agg({"position": "first", "weight": "sum"})


def shown_region(made: Evidence, contig: str, variant: str, wide: str) -> Region:
    """Choose the part of the genome to show."""
    place = int(variant.rsplit(":", 3)[1]) - 1
    if wide == WINDOW and made.window is not None:
        return Region(contig, max(0, made.window[0]), made.window[1])
    tested = made.associations["position"]
    if wide == ALL and len(tested):
        return Region(contig, int(min(tested.min(), place)), int(max(tested.max(), place)) + 1)
    if wide == NEAR:
        return Region(contig, max(0, place - NEAR_BP), place + NEAR_BP)
    region = evidence_region(made, contig)
    room = max(50, (region.end - region.start) // 50)
    return Region(contig, max(0, min(region.start, place - room)), max(region.end, place + room))


def _clicked(looked: Chosen) -> None:
    own = set(looked.rows["variant"])
    for variant in selected_ids(_CHART):
        if variant in own and variant != looked.variant:
            mismatches_choice.choose(looked.view, looked.gene, variant)
            return


def _logos(looked: Chosen) -> None:
    """Mutagenesis around the variant with REF and with ALT, and the motifs that change."""
    view, study, model = looked.view, looked.view.study, looked.found.model
    variant = str(looked.variant)
    st.markdown("**The sequence around the variant, with REF and with ALT**")
    if not looked.row["in_window"]:
        st.caption("The variant is outside the deep model's window: the model never reads it.")
        return
    locus = study.locus(looked.gene)
    window = study.window(model, locus)
    first = sequence_target(study, view.opened.files, model, looked.gene, None)
    method = view.selection.method or ISM
    on = Looked(
        view, locus, model, window, (window.start, window.end), method, first=first, variant=variant,
        until=time.monotonic() + locus_work.PATIENCE,
    )  # fmt: skip
    locus_variants.logos(on, variant)
    motifs = motif_file(study)
    if motifs is not None:
        known_motifs(motifs)
        locus_variants.changes(on, variant, motifs)
