"""The Locus page: why a model predicts what it does at one gene, base by base and variant by variant."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from gexviz.cohort.windows import Window
from gexviz.errors import GexvizError
from gexviz.explaining.attention import Attention
from gexviz.explaining.attributions import ISM, METHODS, Attribution
from gexviz.explaining.effects import stored_effects
from gexviz.explaining.ism import Ism
from gexviz.explaining.locus import Locus
from gexviz.explaining.regions import region_text
from gexviz.explaining.target import Target
from gexviz.figures.tracks.base import Region
from gexviz.figures.tracks.user import UserTrack
from gexviz.models.base import GeneLocus, PredictsDosages, PredictsSequences
from gexviz.results import digest_of
from gexviz.ui import keeping, locus_choices, locus_exports, locus_more, locus_variants, locus_work, tables
from gexviz.ui.charts import selected_ids, show_chart
from gexviz.ui.frame import PAGES, View, readable
from gexviz.ui.gene_heading import heading
from gexviz.ui.locus_choices import Files
from gexviz.ui.locus_looked import (
    Looked,
    Person,
    genes_of,
    known_motifs,
    motif_sites,
    own_track,
    sequence_target,
)
from gexviz.ui.messages import error_block, plain
from gexviz.ui.tables import stamp

_CHART = "locus"

MOST_SITES = 200
"""Motif sites above which there is no track of them: the few that fit would be chosen by their strength alone."""


def body(view: View) -> None:
    """Draw the page below the header."""
    model, gene = view.selection.model, view.selection.gene
    if model is None:
        st.info("This study has no model that can be opened. Add a `[models.NAME]` section to its file.")
        return
    assert gene is not None, "the frame chooses a gene where the URL names none"
    heading(view, gene, tables.ready_genes(view.study, view.version, tuple(view.selection.models)))
    locus = view.study.locus(gene)
    reason = view.study.unavailable(model, locus)
    opened = view.study.model(model)
    if not isinstance(opened, PredictsSequences):
        _sequence_models(view, model)
    if reason is not None:
        st.info(f"**{plain(model)}** can't serve this gene: {plain(reason)}.", icon=":material/block:")
        return
    if isinstance(opened, PredictsSequences):
        _with_sequence(view, model, locus)
    elif isinstance(opened, PredictsDosages):
        start, end = opened.cis_region(locus)
        _of_variants(view, model, locus, Window(locus.contig, max(0, start), end, locus.strand, 0))


def _sequence_models(view: View, model: str) -> None:
    """Say that a model reads no sequence, and offer those that do."""
    others = [m for m in view.opened.models if isinstance(view.study.model(m), PredictsSequences)]
    offer = "Look into a model that does:" if others else "This study has none that does."
    with st.container(horizontal=True, vertical_alignment="center", border=True, key="reads_no_sequence"):
        st.markdown(
            f":material/info: **{plain(model)}** reads no sequence, so its bases can't be looked into. {offer}",
            width="content",
        )
        for name in others:
            query = view.selection.query(model=name, linear=model, region=None)
            st.page_link(PAGES["Locus"][0], label=plain(name), query_params=query)


def _with_sequence(view: View, model: str, locus: GeneLocus) -> None:
    """Show a model that reads sequence."""
    window = view.study.window(model, locus)
    region = locus_choices.region_of(view, window)
    with st.container(horizontal=True, vertical_alignment="bottom", key="locus_what"):
        method = locus_choices.method_choice(view, model)
        first, second = locus_choices.sequence_choice(view.study)
        locus_choices.tracks_choice(view)
        files = locus_choices.files_choice(view.opened)
        export = st.container()
    looked = Looked(view, locus, model, window, region, method, until=time.monotonic() + locus_work.PATIENCE)
    _show(_sequences(looked, first, second), files, export)


def _of_variants(view: View, model: str, locus: GeneLocus, window: Window) -> None:
    """Show a model that has weights of variants."""
    region = locus_choices.region_of(view, window)
    with st.container(horizontal=True, vertical_alignment="bottom", key="locus_what"):
        locus_choices.tracks_choice(view)
        files = locus_choices.files_choice(view.opened)
        export = st.container()
    looked = Looked(view, locus, model, window, region, ISM, until=time.monotonic() + locus_work.PATIENCE)
    _show(looked, files, export)


def _with_effects(looked: Looked) -> Looked:
    """Add the effects of the variants, and choose the variant of the URL, or else the main driver."""
    study, model, locus = looked.study, looked.model, looked.locus
    wanted = locus_work.variant_effects(study, model, locus)
    read = partial(stored_effects, study, model, locus)
    effects = locus_work.found_or_begun(looked.view.jobs, wanted, read, looked.until)
    main = None if effects is None else effects.facts["main"]
    return looked._replace(effects=effects, variant=looked.view.selection.variant or main)


def _sequences(looked: Looked, first: Person | None, second: Person | str | None) -> Looked:
    """Add the sequences; say what is wrong with one, and go on with the reference, or without."""
    made = _target(looked, first)
    person = first if made is not None else None
    made = made or _target(looked, None)
    other = None if second is None else _target(looked, None if isinstance(second, str) else second)
    if made is not None and other is not None and isinstance(first, Person) and isinstance(second, Person):
        same = first.sample == second.sample
        made = _named(made, f"copy {first.copy} of the {'person' if same else 'first person'}")
        other = _named(other, f"copy {second.copy} of the {'same' if same else 'second'} person")
    return looked._replace(first=made, second=other, person=person)


def _target(looked: Looked, person: Person | None) -> Target | None:
    try:
        return sequence_target(looked.study, looked.files, looked.model, looked.locus.id, person)
    except GexvizError as error:
        error_block(error)
        return None


def _named(target: Target, label: str) -> Target:
    return target._replace(background=target.background._replace(label=label))


def _show(looked: Looked, files: Files, export: DeltaGenerator) -> None:
    """Show the figure, the variants, and the rest; offer files in the place kept for it."""
    where = st.container(horizontal=True, vertical_alignment="bottom", key="locus_where")
    looked = _with_effects(looked)
    keeping.looks_at(variant=looked.variant)
    with where:
        locus_choices.region_choice(looked.view, looked.window, looked.region, looked.variant)
    attributions = [
        target and locus_work.attributed(looked.view.jobs, target, looked.region, looked.method, looked.until)
        for target in (looked.first, looked.second)
    ]
    motifs, sites = _motifs(looked, files)
    with readable("the locus"):
        locus = _locus(looked, attributions, sites, _own_tracks(looked, files))
        _figure(looked, locus, files)
        _notes(looked, attributions, 0 if sites is None else len(sites))
    if isinstance(attributions[0], Attention):
        with readable("the agreement with mutagenesis"):
            _agreement(looked, attributions[0])
    with export, readable("the export"):
        locus_exports.exports(looked, attributions[0], sites)
    st.divider()
    if looked.effects is not None:
        left, right = st.columns([3, 2], gap="medium")
        with left, readable("the table of variants"):
            locus_variants.table(looked)
        with right, readable("the chosen variant"):
            locus_variants.panel(looked, motifs)
        st.divider()
    with readable("the rest"):
        locus_more.tabs(looked)


def _motifs(looked: Looked, files: Files) -> tuple[Path | None, pd.DataFrame | None]:
    """Find the motif file that can be read, and its sites in the region."""
    path = files.motifs
    if path is None or looked.first is None:
        return path, None
    try:
        known_motifs(path)
        return path, motif_sites(looked, path)
    except GexvizError as error:
        error_block(error)
        return None, None


def _own_tracks(looked: Looked, files: Files) -> list[UserTrack]:
    tracks = []
    for path in files.tracks:
        try:
            track, note = own_track(looked, path)
        except GexvizError as error:
            error_block(error)
            continue
        tracks.append(track)
        if note:
            st.caption(plain(f"{track.name}: {note}."))
    return tracks


def _locus(
    looked: Looked, found: Sequence[Attribution | None], sites: pd.DataFrame | None, own: list[UserTrack]
) -> Locus:
    genes, exons = genes_of(looked.study, looked.files, looked.window.contig, *looked.region)
    same = looked.first and looked.second and looked.first.key() == looked.second.key()
    shows = looked.view.selection.shows
    known = looked.effects is not None and looked.variant in looked.effects.table.index
    return Locus(
        looked.labels,
        Region(looked.window.contig, *looked.region),
        genes,
        exons,
        effects=None if looked.effects is None or not shows("variants") else looked.effects.table,
        attribution=found[0] if shows("bases") else None,
        other=None if same or not shows("difference") else found[1],
        motifs=None if sites is None or len(sites) > MOST_SITES or not shows("motifs") else sites,
        own=tuple(own) if shows("own") else (),
        chosen=(str(looked.variant),) if known else (),
    )


def _figure(looked: Looked, locus: Locus, files: Files) -> None:
    parts = [t.key(t.background.label) if t else None for t in (looked.first, looked.second)]
    there = [part is not None for part in (locus.effects, locus.attribution, locus.other, locus.motifs)]
    paths = [*files.tracks, *filter(None, [files.motifs])]
    content = digest_of(
        looked.files, looked.locus.id, looked.model, looked.region, looked.method, looked.variant, parts, there,
        [stamp(path) for path in paths], len(locus.own),
    )  # fmt: skip
    what = f"{looked.locus.name} under {looked.model}: genes, variants and {METHODS[looked.method]} along the genome"
    show_chart(
        _drawn(locus, content), _CHART, what, on_select=partial(_lollipop_clicked, looked), modes=("points",),
        image=(locus_exports.camera(), locus_exports.file_name(looked, looked.method)),
    )  # fmt: skip


@st.cache_resource(show_spinner=False, max_entries=24)
def _drawn(_locus: Locus, content: str) -> go.Figure:
    figure = _locus.figure()
    for kind in ("scatter", "bar"):  # a click fades nothing: the figure itself marks the chosen variant
        figure.update_traces(unselected={"marker": {"opacity": 1}}, selector={"type": kind})
    return figure


def _lollipop_clicked(looked: Looked) -> None:
    assert looked.effects is not None
    for variant in selected_ids(_CHART):
        if variant in looked.effects.table.index:
            locus_variants.choose(looked.view, variant)
            return


def _agreement(looked: Looked, attention: Attention) -> None:
    """How far attention agrees with mutagenesis of the same bases; the figure says that it is no explanation."""
    assert looked.first is not None
    known = locus_work.attributed(looked.view.jobs, looked.first, looked.region, ISM, looked.until)
    if isinstance(known, Ism):
        st.caption(f":material/info: {plain(attention.agreement_words(known))}")


def _notes(looked: Looked, found: Sequence[Any], sites: int) -> None:
    """What has to be known of the sequences."""
    notes = []
    if sites > MOST_SITES:
        notes.append(f"{sites:,} motif sites are in this region; zoom in to see them (up to {MOST_SITES} are drawn).")
    for target in (looked.first, looked.second):
        if target is not None and target.background.unknown:
            name = f"The sequence ({target.background.label})"
            notes.append(f"{name} has {target.background.unknown:,} bases that are not A, C, G or T.")
    if looked.first is not None and looked.second is not None:
        differ = looked.first.background.sequence != looked.second.background.sequence
        if not differ.any():
            notes.append("Both sequences are the same in the model's window, so there is no difference to show.")
        elif all(found):
            notes.append(f"The two sequences differ at {int(differ.sum()):,} of {len(differ):,} places of the input.")
    if looked.effects is not None and looked.inside.empty:
        where = region_text(looked.window.contig, *looked.region)
        notes.append(f"No variant of these people is in {where}.")
    if notes:
        st.caption("  \n".join(plain(note) for note in notes))



