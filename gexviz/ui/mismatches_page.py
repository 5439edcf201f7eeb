"""The Mismatches page: where a deep model and genetics disagree in direction, how surely, and why."""

from __future__ import annotations

import time
from functools import partial

import pandas as pd
import streamlit as st

from gexviz.analysis.direction import SETS, populations
from gexviz.analysis.filtering import passing_pairs
from gexviz.analysis.mismatch_rules import RULES
from gexviz.analysis.mismatch_summary import summary_text
from gexviz.analysis.panel import Density, density
from gexviz.analysis.published import published_directions
from gexviz.figures.comparison import Labels
from gexviz.figures.direction_strip import direction_strip
from gexviz.figures.quadrant import BARS, pair_id, quadrants, split_pair
from gexviz.figures.verdicts import verdict_bars
from gexviz.mismatches import Mismatches
from gexviz.models.base import PredictsSequences
from gexviz.ui import candidates, keeping, locus_work, mismatches_choice, mismatches_evidence, mismatches_work
from gexviz.ui.charts import selected_ids, show_chart
from gexviz.ui.frame import PAGES, View, readable
from gexviz.ui.messages import plain

_QUADRANTS = "quadrants"
_STRATA = {
    "Distance": "distance", "Frequency": "frequency", "Effect size": "effect size", "Population": "population",
}  # fmt: skip
_SETS = {"decided": "Decided", "one a gene": "One a gene", "all eQTLs": "All eQTLs", "drivers": "Drivers"}
_PUBLISHED = {"all eQTLs": "eQTL direction", "drivers": "drivers supported"}


def body(view: View) -> None:
    """Draw the page below the header."""
    if view.selection.model is None:
        st.info("This study has no model that can be opened. Add a `[models.NAME]` section to its file.")
        return
    pair = mismatches_work.pair_of(view.opened, view.selection)
    if pair is None:
        _other_models(view)
        return
    until = time.monotonic() + locus_work.PATIENCE
    found = mismatches_work.found_or_begun(view.opened, view.jobs, pair, until)
    if found is None:
        st.caption(
            "First come the eQTLs of all genes with 1,000 permutations (a time that is told is theirs), then "
            "predictions, and the effects of all variants that the model reads. All is kept: the next time this takes "
            "seconds."
        )
        return
    _show(view, found)


def _other_models(view: View) -> None:
    """Say that the model reads no sequence, and offer those that do."""
    model = view.selection.model
    others = [m for m in view.opened.models if isinstance(view.study.model(m), PredictsSequences)]
    offer = "Compare one that does:" if others else "This study has none that does."
    with st.container(horizontal=True, vertical_alignment="center", border=True, key="reads_no_sequence"):
        says = "reads no sequence, so the effect of a variant can't be computed"
        st.markdown(f":material/info: **{plain(str(model))}** {says}. {offer}", width="content")
        for name in others:
            query = view.selection.query(model=name, linear=model)
            st.page_link(PAGES["Mismatches"][0], label=plain(name), query_params=query)


def _show(view: View, found: Mismatches) -> None:
    with readable("what the genotypes can show"):
        _limits(view, found)
    rows = mismatches_choice.with_words(found)
    shown = passing_pairs(rows, mismatches_choice.filters(found))
    chosen = _chosen(view, rows, shown)
    if chosen is not None:
        keeping.looks_at(gene=chosen[0], variant=chosen[1])
    left, right = st.columns(2, gap="medium")
    with left, readable("effects against slopes"):
        _quadrants(view, found, shown, chosen)
    with right, readable("the direction accuracy"):
        _strip(found)
    with readable("the table of variants"):
        mark = None if chosen is None or chosen[1] is None else (chosen[0], chosen[1])
        mismatches_choice.table(view, shown, len(rows), mark, found)
    st.divider()
    if chosen is not None:
        with readable("the evidence"):
            mismatches_evidence.evidence(view, found, rows, chosen)
        st.divider()
    with readable("the summary"):
        _summary(view, found)
    st.divider()
    with readable("the candidates"):
        candidates.section(view, found, shown)


def _limits(view: View, found: Mismatches) -> None:
    """Say what the genotypes let anyone claim."""
    density_: Density = _density(found, f"{view.opened.files} {found.model}")
    text = plain(density_.sentence(simulated=view.study.simulated))
    if density_.thinned and not view.study.simulated:
        st.warning(text, icon=":material/blur_on:")
    else:
        st.caption(text)
    unserved = found.unserved.value_counts()
    if len(unserved):
        reasons = ", ".join(f"{plain(str(reason))}: {number:,}" for reason, number in unserved.items())
        st.caption(f"{plain(found.model)} can't serve {unserved.sum():,} genes ({reasons}).")
    if found.linear is None:
        st.caption("No linear model is compared: choose one with variant weights above.")
    for note in found.notes:
        st.caption(plain(f"{note[:1].upper()}{note[1:]}."))


@st.cache_data(show_spinner=False, max_entries=4)
def _density(_found: Mismatches, key: str) -> Density:
    return density(_found.eqtls.table)


def _chosen(view: View, rows: pd.DataFrame, shown: pd.DataFrame) -> tuple[str, str | None] | None:
    """The URL's gene and variant; the first row that passes the filters where it names none."""
    gene, variant = view.selection.gene, view.selection.variant
    if gene is not None:
        own = rows.loc[(rows["gene"] == gene).to_numpy(), "variant"]
        return gene, variant if variant is not None else next(iter(own), None)
    if shown.empty:
        return None
    first = shown.iloc[0]
    return str(first["gene"]), str(first["variant"])


def _quadrants(view: View, found: Mismatches, shown: pd.DataFrame, chosen: tuple[str, str | None] | None) -> None:
    marked = [pair_id(chosen[0], chosen[1])] if chosen is not None and chosen[1] is not None else None
    labels = Labels(predicted=found.unit, observed=found.eqtls.unit, model=found.model)
    bars = bool(st.session_state.get("quadrant_bars", False))
    figure = quadrants(shown, labels=labels, names=found.genes["name"], selected=marked, bars=bars)
    figure.update_layout(dragmode="zoom")  # with another one, clicks select nothing
    figure.update_traces(selector={"mode": "markers"}, selected_marker_size=13, unselected_marker_opacity=0.7)
    show_chart(
        figure, _QUADRANTS, f"Effects of ALT by {found.model} against eQTL slopes, a point a gene and variant",
        on_select=partial(_point_clicked, view, marked), modes=("points",),
    )  # fmt: skip
    with st.container(horizontal=True, vertical_alignment="center"):
        st.toggle(
            "Error bars", key="quadrant_bars", persist_state="session",
            help=f"Of up to {BARS} pairs: 95% interval of the slope, noise of the effect. The chosen pair always has "
            "its bars, and each label has the numbers.",
        )  # fmt: skip
        st.caption("Click a point for its evidence.", width="content")


def _point_clicked(view: View, marked: list[str] | None) -> None:
    for pair in selected_ids(_QUADRANTS):
        if pair not in (marked or []):
            mismatches_choice.choose(view, *split_pair(pair))
            return


def _strip(found: Mismatches) -> None:
    """How often the direction is right, of all genes, whatever the filters."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="strip_choice"):
        which = st.selectbox(
            "Of", list(_SETS), key="strip_set", format_func=lambda s: _SETS[s], persist_state="session", width=140,
            help="  \n".join(f"**{_SETS[name]}**: {SETS[name]}" for name in _SETS),
        )  # fmt: skip
        by = st.selectbox(
            "By", [name for name in _STRATA if name != "Population" or populations(found.variants)], key="strip_by",
            persist_state="session", width=140,
        )  # fmt: skip
    accuracy = found.accuracy(which or "decided")
    strata = accuracy[accuracy["by"].isin(["all", _STRATA[by or "Distance"]])]
    given = published_directions()
    given = given[given["figure"] == _PUBLISHED.get(which or "decided", "eQTL direction")]
    lines = ["all genes, whatever the filters"]
    if by == "Population":
        again = "eQTLs are those of everybody" if which == "drivers" else "the same eQTLs, if they are eQTLs there too"
        lines += [f"within each population of at least {RULES.fewest_people} people: {again}"]
    figure = direction_strip(strata, model=found.model, published=given, unit=found.unit, title="Direction accuracy",
                             lines=lines)  # fmt: skip
    show_chart(figure, "strip", f"Share of eQTLs whose direction {found.model} has right")


def _summary(view: View, found: Mismatches) -> None:
    """The study in numbers, published figures beside."""
    st.subheader("The study", anchor=False)
    left, right = st.columns([2, 3], gap="medium")
    with left:
        figure = verdict_bars(found.genes, model=found.model, names=found.genes["name"])
        show_chart(figure, "verdict_bars", f"Number of genes of each verdict under {found.model}")
    with right:
        given = published_directions()
        text = summary_text(found.summary, ("direction", "drivers", "negative genes"), given)
        st.table(text.map(lambda cell: plain(str(cell))), hide_index=True)
        sources = plain("; ".join(given["source"].unique()))
        st.caption(f"Published figures are of other cohorts and definitions, context and no target: {sources}.")
