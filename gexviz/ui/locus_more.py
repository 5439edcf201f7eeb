"""What else there is to ask on the Locus page, computed when its tab is opened."""

from __future__ import annotations

from functools import partial
from typing import Literal

import pandas as pd
import streamlit as st

from gexviz.explaining import epistasis
from gexviz.explaining.agreement import Linearity, linearity
from gexviz.explaining.attributions import ISM
from gexviz.explaining.epistasis import Interactions
from gexviz.explaining.gradients import NAMES, Gradients
from gexviz.explaining.ism import Ism
from gexviz.figures import words
from gexviz.models.base import Differentiable
from gexviz.results import digest_of
from gexviz.tasks import Progress
from gexviz.ui import locus_work
from gexviz.ui.charts import show_chart
from gexviz.ui.frame import readable
from gexviz.ui.locus_exports import file_name
from gexviz.ui.locus_looked import Looked
from gexviz.ui.locus_stretches import stretches
from gexviz.ui.locus_work import Wanted
from gexviz.ui.messages import plain

_KEEP: Literal["session"] = "session"
_LARGEST = 6
"""Variants of the epistasis matrix where fewer than two are drivers."""

DRIVERS, ADDITIVE, EPISTASIS = "Drivers", "Additivity", "Epistasis"
LINEAR, STRETCHES = "Gradient against mutagenesis", "Stretches"
_OF_VARIANTS = (DRIVERS, ADDITIVE, EPISTASIS)


def tabs(looked: Looked) -> None:
    """Show the tabs; only the open one does anything."""
    names = [DRIVERS, ADDITIVE] + [EPISTASIS, LINEAR, STRETCHES] * (looked.first is not None)
    draw = {DRIVERS: _drivers, ADDITIVE: _additivity, EPISTASIS: _epistasis, LINEAR: _linearity, STRETCHES: stretches}
    for name, tab in zip(names, st.tabs(names, key="locus_tabs", on_change="rerun"), strict=True):
        if not tab.open:
            continue
        with tab, readable(name.lower()):
            if looked.effects is None and name in _OF_VARIANTS:
                st.caption("The effects of the variants are not computed yet.")
            else:
                draw[name](looked)


def _drivers(looked: Looked) -> None:
    assert looked.effects is not None
    if looked.effects.facts["drivers_reason"]:
        st.caption(plain(f"There are no drivers to find: {looked.effects.facts['drivers_reason']}."))
        return
    figure = looked.effects.running_figure()
    alt = "Correlation with the full prediction as variants are added, the largest effect first"
    show_chart(figure, "running", alt, image=("svg", file_name(looked, "drivers")))
    st.caption(
        "Drivers after Sasse et al. 2023: variants are added by the size of their effect on the reference, and those "
        "that raise the correlation with the full prediction most are drivers."
    )


def _additivity(looked: Looked) -> None:
    assert looked.effects is not None
    which = st.segmented_control(
        "Sum of dosage times", ["effect on the reference", "mean effect over haplotypes"],
        default="effect on the reference", required=True, key="additivity_of", persist_state=_KEEP,
    )  # fmt: skip
    effect = "mean" if which and which.startswith("mean") else "reference"
    figure = looked.effects.additivity_figure(effect=effect)
    alt = "Each person's prediction against the sum of their variants' effects"
    show_chart(figure, "additivity", alt, image=("svg", file_name(looked, "additivity")))
    row = looked.effects.additivity.loc[effect]
    if row["status"] != "ok":
        st.caption(plain(str(row["reason"])))


def _epistasis(looked: Looked) -> None:
    assert looked.effects is not None and looked.first is not None
    usable = looked.effects.table[looked.effects.table["status"] == "ok"]
    if len(usable) < 2:
        st.caption("Epistasis needs two variants.")
        return
    order = usable["effect_reference"].abs().sort_values(ascending=False, kind="stable").index
    drivers = [v for v in looked.effects.drivers.index if v in usable.index][: epistasis.MOST]
    chosen = st.multiselect(
        f"Variants, 2 to {epistasis.MOST}", list(order), drivers if len(drivers) > 1 else list(order[:_LARGEST]),
        key=f"epistasis of {looked.locus.id} {looked.model}", max_selections=epistasis.MOST,
        format_func=lambda v: words.variant_name(str(v)),
    )  # fmt: skip
    if len(chosen) < 2:
        st.caption("Choose at least two variants.")
        return
    position = usable["position"]
    wanted = _interactions(looked, sorted(chosen, key=lambda v: position[v]))
    found = locus_work.outcome(looked.view.jobs, wanted, looked.until)
    if isinstance(found, Interactions):
        show_chart(found.figure(), "epistasis", "Epistasis of each pair of the chosen variants",
                   image=("svg", file_name(looked, "epistasis")))  # fmt: skip


def _interactions(looked: Looked, variants: list[str]) -> Wanted:
    study, model, locus, person = looked.study, looked.model, looked.locus, looked.person
    assert looked.first is not None
    key = digest_of("epistasis", looked.files, locus.id, looked.first.key(looked.first.background.label), variants)

    def work(progress: Progress) -> Interactions:
        return epistasis.interactions(study, model, locus, variants, haplotype=person, progress=progress)

    label = f"Epistasis of {len(variants)} variants of {locus.name} with {model}"
    return Wanted(f"locus {key}", label, "sequences", work)


def _linearity(looked: Looked) -> None:
    """How far a gradient tells what mutagenesis finds."""
    assert looked.first is not None
    if not isinstance(looked.study.model(looked.model), Differentiable):
        st.caption(f"{plain(looked.model)} has no gradient.")
        return
    if looked.method in NAMES:
        method = looked.method
    else:
        method = st.selectbox(
            "Gradient", list(NAMES), key="linearity_of", format_func=lambda m: NAMES[m], width=230, persist_state=_KEEP
        )
    jobs = looked.view.jobs
    mutated, gradient = (
        locus_work.attributed(jobs, looked.first, looked.region, m, looked.until) for m in (ISM, method)
    )
    if not isinstance(mutated, Ism) or not isinstance(gradient, Gradients):
        return
    compared = linearity(mutated, gradient)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        show_chart(compared.figure(), "linearity", "Gradient against mutagenesis, a point a substitution",
                   image=("svg", file_name(looked, "linearity")))  # fmt: skip
    with right:
        st.markdown(plain(compared.found.words))
        st.caption(plain(gradient.completeness[:1].upper() + gradient.completeness[1:]) + ".")
        _largest(compared)


def _largest(compared: Linearity) -> None:
    """The bases where gradient and mutagenesis differ most."""
    if compared.largest.empty:
        return
    st.caption(f"Where they differ most ({plain(compared.labels.unit)})")
    number = partial(st.column_config.NumberColumn, format="%.3g")
    shown: pd.DataFrame = compared.largest.assign(position=compared.largest["position"] + 1)
    st.dataframe(
        shown, hide_index=True, height=320, column_order=["position", "ref", "alt", "gradient", "ism", "difference"],
        column_config={
            "position": st.column_config.NumberColumn("Position", format="localized"), "ref": "Ref", "alt": "Alt",
            "gradient": number("Gradient"), "ism": number("ISM"), "difference": number("ISM - gradient"),
        },
    )  # fmt: skip
