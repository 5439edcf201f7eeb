"""The variants of the Locus page: a table to choose from, and all that is known of the chosen one."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import streamlit as st

from gexviz.explaining.attributions import METHODS, per_base
from gexviz.figures import words
from gexviz.figures.logos import side_by_side_logos
from gexviz.ui import locus_work
from gexviz.ui.charts import show_chart
from gexviz.ui.downloads import csv_bytes
from gexviz.ui.frame import View, open_gene, readable
from gexviz.ui.locus_exports import file_name
from gexviz.ui.locus_looked import Looked, motif_changes, variant_sequences
from gexviz.ui.locus_regions import around
from gexviz.ui.messages import plain

_KEEP: Literal["session"] = "session"
_TABLE = "variants"
_HEIGHT = 640
"""Of the table, px; about that of what stands beside it."""
_FREQUENCIES = {"any": 0.0, "1%": 0.01, "5%": 0.05, "10%": 0.1}
_KINDS = {"All": None, "SNVs": ("SNV",), "Indels": ("insertion", "deletion"), "Others": ("MNV",)}
_COLUMNS = [
    "name", "effect_reference", "effect_mean", "effect_sd", "share", "frequency", "distance", "kind", "role",
    "carriers", "rank",
]  # fmt: skip


def choose(view: View, variant: str) -> None:
    """Make a variant the chosen one. For callbacks."""
    st.query_params.from_dict(view.selection.query(variant=variant))


def table(looked: Looked) -> None:
    """All variants that pass the filters; a click on a row chooses one."""
    assert looked.effects is not None
    rows = _filtered(looked)
    total = len(looked.effects.table)
    with st.container(horizontal=True, vertical_alignment="center"):
        title = f"{len(rows):,} of {total:,} variants" if len(rows) < total else f"{total:,} variants"
        st.subheader(title, anchor=False, width="content")
        st.space("stretch")
        st.download_button(
            "Download CSV", partial(csv_bytes, looked.effects.table), file_name(looked, "variants") + ".csv",
            "text/csv", icon=":material/download:", on_click="ignore", key="variants_csv",
        )  # fmt: skip
    st.caption(plain(looked.effects.drivers_line[:1].upper() + looked.effects.drivers_line[1:]) + ".")
    if rows.empty:
        st.info("No variant passes these filters.")
        return
    columns = [*_COLUMNS, "reason"] if rows["reason"].astype(bool).any() else _COLUMNS
    rows = rows.assign(share=rows["share"].round(4) + 0.0)  # no -0%
    at = list(rows.index).index(looked.variant) if looked.variant in rows.index else -1
    _marked(at)
    st.dataframe(
        rows.reset_index(), key=_TABLE, hide_index=True, height=min(_HEIGHT, 38 + 35 * len(rows)), column_order=columns,
        column_config=_config(looked), on_select=partial(_row_clicked, looked.view, rows.index, at),
        selection_mode=["single-row", "single-cell"],
    )  # fmt: skip


def _filtered(looked: Looked) -> pd.DataFrame:
    """The variants that the reader wants to see, those with the largest effects first."""
    assert looked.effects is not None
    rows = looked.effects.table
    with st.container(horizontal=True, vertical_alignment="bottom", key="variant_filters"):
        kind = st.segmented_control(
            "Kind", list(_KINDS), default="All", required=True, key="variant_kind", persist_state=_KEEP
        )
        least = st.selectbox(
            "Minor allele from", list(_FREQUENCIES), key="variant_frequency", width=110, persist_state=_KEEP
        )
        drivers = st.toggle("Drivers only", key="variant_drivers", persist_state=_KEEP)
        here = st.toggle("In the region shown", key="variant_here", persist_state=_KEEP)
    keep = np.ones(len(rows), dtype=bool)
    if kinds := _KINDS[kind or "All"]:
        keep &= rows["kind"].isin(kinds).to_numpy()
    frequency = rows["frequency"].to_numpy(float)
    keep &= np.minimum(frequency, 1 - frequency) >= _FREQUENCIES[least or "any"]
    if drivers:
        keep &= rows["driver"].to_numpy(bool)
    if here:
        keep &= rows.index.isin(looked.inside.index)
    rows = rows[keep]
    order = rows["effect_reference"].abs().sort_values(ascending=False, kind="stable", na_position="last").index
    rows = rows.loc[order]
    roles = np.where(rows["main_driver"], "main", np.where(rows["driver"], "yes", ""))
    return rows.assign(name=[words.variant_name(str(v)) for v in order], role=roles)


def _config(looked: Looked) -> dict[str, Any]:
    number, unit = st.column_config.NumberColumn, looked.labels.unit
    return {
        "name": "Variant",
        "effect_reference": number("Effect", format="%.4f", help=f"On the reference, ALT - REF, one copy; {unit}"),
        "effect_mean": number("Mean", format="%.4f", help=f"Over people's haplotypes; {unit}"),
        "effect_sd": number("SD", format="%.4f", help=f"Over people's haplotypes; {unit}"),
        "share": number("Share", format="percent", help="Of the variance of predicted expression"),
        "frequency": number("ALT freq.", format="percent"),
        "distance": number("To TSS", format="%+,d", help="bp, downstream positive"),
        "kind": "Kind",
        "role": "Driver",
        "carriers": number("Carriers", format="%d"),
        "rank": number("Rank", format="%d", help="By the size of the effect on the reference"),
        "reason": "Why none",
    }


def _marked(at: int) -> None:
    """Mark one row of the table, the chosen variant's, wherever it was chosen; none for -1."""
    selection = {"rows": [at] * (at >= 0), "columns": [], "cells": []}
    if dict(st.session_state.get(_TABLE, {}).get("selection", {})) != selection:
        st.session_state[_TABLE] = {"selection": selection}


def _row_clicked(view: View, rows: pd.Index, at: int) -> None:
    selection = st.session_state[_TABLE]["selection"]
    clicked = [*selection["rows"], *(cell[0] for cell in selection["cells"])]
    other = [row for row in clicked if row != at and row < len(rows)]
    if other:
        choose(view, str(rows[other[0]]))


def panel(looked: Looked, motifs: Path | None) -> None:
    """All that is known of the chosen variant."""
    assert looked.effects is not None
    variant = looked.variant
    if variant is None or variant not in looked.effects.table.index:
        if variant is not None:
            reads = f"the {len(looked.effects.table):,} variants that {looked.model} reads at this gene"
            st.warning(plain(f"{variant} is not among {reads}."), icon=":material/search_off:")
        st.subheader("No variant chosen", anchor=False)
        st.caption("Click a lollipop in the figure, or a row of the table.")
        return
    row = looked.effects.table.loc[[variant]].iloc[0]
    with st.container(horizontal=True, vertical_alignment="center", key="variant_heading"):
        st.subheader(plain(words.variant_name(variant)), anchor=False, width="content")
        if row["main_driver"]:
            st.badge("main driver", color="violet")
        elif row["driver"]:
            st.badge("driver", color="gray")
    st.button(
        "Carriers on the Gene page", icon=":material/genetics:", key="carriers",
        on_click=partial(_carriers, looked.view, variant), help="People coloured by their genotype at this variant",
    )  # fmt: skip
    if row["status"] != "ok":
        st.info(f"No effect could be computed: {plain(str(row['reason']))}.", icon=":material/block:")
    st.table(facts(row, looked.labels.unit), hide_index=True)
    if looked.first is not None and row["status"] == "ok":
        with readable("the logos"):
            logos(looked, variant)
        with readable("the motifs"):
            changes(looked, variant, motifs)


def facts(row: pd.Series, unit: str) -> pd.DataFrame:
    """What is known of a variant, as people read it: two columns of text.

    Parameters
    ----------
    row : Series
        Of :attr:`gexviz.explaining.effects.Effects.table`.
    unit : str
        Of the effects.
    """

    def effect(value: float) -> str:
        return "none" if np.isnan(value) else f"{value:+.4g}"

    number, lowest, highest = int(row["n_backgrounds"]), row["effect_min"], row["effect_max"]
    lines = {f"Effect on the reference ({unit})": effect(row["effect_reference"])}
    if not np.isnan(row["effect_forward"]):
        lines["of each strand"] = f"{effect(row['effect_forward'])}, reverse {effect(row['effect_reverse'])}"
    if number:
        spread = "" if np.isnan(row["effect_sd"]) else f" (SD {row['effect_sd']:.2g})"
        kinds = "1 distinct background" if number == 1 else f"{number:,} distinct backgrounds"
        lines["Mean over haplotypes"] = f"{effect(row['effect_mean'])}{spread}, {kinds}"
        lines["Range over haplotypes"] = f"{effect(lowest)} to {effect(highest)}"
    share = row["share"]
    lines["Share of predicted variance"] = "none" if np.isnan(share) else f"{share:.1%}"
    lines["ALT among copies"] = f"{row['frequency']:.2%}; {int(row['carriers']):,} carriers"
    populations = {c.removeprefix("frequency_"): row[c] for c in row.index if str(c).startswith("frequency_")}
    if populations:
        lines["by population"] = ", ".join(f"{name} {f:.2%}" for name, f in populations.items())
    lines["Distance to the TSS"] = f"{int(row['distance']):+,} bp"
    if row["driver"]:
        lines["Driver"] = f"raises r by {row['rise']:.2f}; own r {row['own_r']:.2f}"
    return pd.DataFrame({"What": map(plain, lines), "Value": map(plain, lines.values())})


def _carriers(view: View, variant: str) -> None:
    """Go to the Gene page, its people coloured by genotype at the variant."""
    st.session_state["colour_by"] = "Genotype"
    open_gene(view.selection._replace(variant=variant), str(view.selection.gene))


def logos(looked: Looked, variant: str) -> None:
    """The attribution around the variant, with REF and with ALT."""
    assert looked.first is not None
    bp = st.segmented_control(
        "Bases on each side", [10, 20, 40, 70], default=20, required=True, key="logo_bp", persist_state=_KEEP
    )
    region = around(variant, looked.window, int(bp or 20))
    if region is None:
        return
    sequences = variant_sequences(looked.study, looked.files, looked.model, looked.locus.id)
    pair = sequences.pair(variant, *(looked.person or (None, None)))
    jobs, method = looked.view.jobs, looked.method
    targets = [looked.first._replace(background=background) for background in pair]
    found = [locus_work.attributed(jobs, target, region, method, looked.until) for target in targets]
    if found[0] is None or found[1] is None:
        return
    figure = side_by_side_logos(
        per_base(found[0]), per_base(found[1]), variant, unit=found[0].labels.unit,
        title=f"{METHODS[looked.method]}, on {looked.first.background.label}",
    )  # fmt: skip
    alt = f"Sequence logos around {words.variant_name(variant)} with the reference and the alternative allele"
    show_chart(figure, "logos", alt, image=("svg", file_name(looked, "logos")))


def changes(looked: Looked, variant: str, motifs: Path | None) -> None:
    """Motifs gained and lost."""
    st.markdown("**Motifs gained and lost**")
    if motifs is None:
        st.caption(
            "No motif file. Put one in MEME format beside the study's file as motifs.meme, or type its path under "
            "“Own tracks and motifs”."
        )
        return
    found = motif_changes(looked, variant, motifs)
    if found.empty:
        st.caption(f"No site of the motifs in {plain(motifs.name)} is made or broken (p < 0.0001).")
        return
    shown = found.assign(place=[f"{s + 1:,}-{e:,}" for s, e in zip(found["start"], found["end"], strict=True)])
    number = st.column_config.NumberColumn
    st.dataframe(
        shown, hide_index=True, height=min(300, 38 + 35 * len(shown)),
        column_order=["change", "motif", "score_ref", "score_alt", "p_ref", "p_alt", "place", "strand"],
        column_config={
            "change": "Change", "motif": "Motif", "place": "Where", "strand": "Strand",
            "score_ref": number("REF bits", format="%.1f"), "score_alt": number("ALT bits", format="%.1f"),
            "p_ref": number("p REF", format="%.1e"), "p_alt": number("p ALT", format="%.1e"),
        },
    )  # fmt: skip
