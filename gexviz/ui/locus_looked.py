"""What the Locus page looks into: one gene under one model, on one sequence or two; and reading what is known of it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
import streamlit as st

from gexviz.analysis.meme import read_motifs
from gexviz.cohort import user_tracks
from gexviz.cohort.variant_sequences import VariantSequences
from gexviz.cohort.windows import Window
from gexviz.explaining import motifs
from gexviz.explaining.effects import Effects, read_sequences
from gexviz.explaining.locus import genes_around
from gexviz.explaining.motifs import Motifs
from gexviz.explaining.target import Labels, Target, target
from gexviz.figures.tracks.base import Region
from gexviz.figures.tracks.user import UserTrack
from gexviz.models.base import GeneLocus
from gexviz.study import Study
from gexviz.ui.frame import View
from gexviz.ui.tables import stamp


class Person(NamedTuple):
    """Whose haplotype; the sample stands in no URL, label, key or file name.

    Attributes
    ----------
    sample : str
    copy : {1, 2}
    """

    sample: str
    copy: Literal[1, 2]


class Looked(NamedTuple):
    """What is looked into.

    Attributes
    ----------
    view : View
    locus : GeneLocus
    model : str
    window : Window
        What the model may use.
    region : tuple of int
        What of it is shown; 0-based half-open.
    method : str
        One of :data:`gexviz.explaining.attributions.METHODS`.
    person : Person or None
        Whose haplotype is `first`; None for the reference.
    first, second : Target or None
        The sequence, and the one that it is compared with. No `first` for models that read none.
    effects : Effects or None
        None while they aren't computed.
    variant : str or None
        The chosen one: the URL's, or else the main driver.
    until : float
        Time (``time.monotonic()``) up to which the page waits for quick work.
    """

    view: View
    locus: GeneLocus
    model: str
    window: Window
    region: tuple[int, int]
    method: str
    person: Person | None = None
    first: Target | None = None
    second: Target | None = None
    effects: Effects | None = None
    variant: str | None = None
    until: float = 0.0

    @property
    def study(self) -> Study:
        """The study."""
        return self.view.study

    @property
    def labels(self) -> Labels:
        """What is shown, in words."""
        if self.first is not None:
            return self.first.labels()
        locus, scale = self.locus, self.study.spec(self.model).scale
        return Labels(
            locus.name, locus.id, self.model, scale, locus.contig, locus.tss, locus.strand, "weights of variants"
        )

    @property
    def whole(self) -> bool:
        """Whether all of the window is shown."""
        return self.region == (self.window.start, self.window.end)

    @property
    def inside(self) -> pd.DataFrame:
        """Effects of the variants of the region; empty while there are none."""
        if self.effects is None:
            return pd.DataFrame()
        table = self.effects.table
        return table[(table["position"] >= self.region[0]) & (table["position"] < self.region[1])]

    @property
    def files(self) -> str:
        """Version of the study's files."""
        return self.view.opened.files


@st.cache_resource(show_spinner=False, max_entries=64)
def sequence_target(_study: Study, files: str, model: str, gene: str, person: Person | None) -> Target:
    """A sequence to look into; see :func:`gexviz.explaining.target.target`."""
    sample, copy = person or (None, None)
    return target(_study, model, _study.locus(gene), sample=sample, copy=copy)


@st.cache_resource(show_spinner="Reading haplotypes…", max_entries=4)
def variant_sequences(_study: Study, files: str, model: str, gene: str) -> VariantSequences:
    """The variants of a window, and what people carry there."""
    return read_sequences(_study, model, _study.locus(gene))


@st.cache_data(show_spinner=False, max_entries=64)
def genes_of(_study: Study, files: str, contig: str, start: int, end: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Genes and exons of a stretch; see :func:`gexviz.explaining.locus.genes_around`."""
    return genes_around(_study, Region(contig, start, end))


def motif_file(study: Study) -> Path | None:
    """The motifs to use where none were typed: ``motifs.meme`` beside the study's file, if it is there."""
    beside = study.config.permitted("motifs.meme", "study")
    return beside if beside.is_file() else None


def known_motifs(path: Path) -> Motifs:
    """Read a motif file; once, until it changes."""
    return _motifs(str(path), stamp(path))


@st.cache_resource(show_spinner=False, max_entries=4)
def _motifs(path: str, version: str) -> dict[str, np.ndarray]:
    return read_motifs(path)


def motif_sites(looked: Looked, path: Path) -> pd.DataFrame:
    """Sites of the motifs in the region of the first sequence."""
    assert looked.first is not None
    return _sites(looked.first, looked.first.key("motifs"), looked.region, str(path), stamp(path))


@st.cache_data(show_spinner="Looking for motifs…", max_entries=32)
def _sites(_target: Target, sequence: str, region: tuple[int, int], path: str, version: str) -> pd.DataFrame:
    return motifs.sites(_target.background, region, known_motifs(Path(path)))


def motif_changes(looked: Looked, variant: str, path: Path) -> pd.DataFrame:
    """Motif sites that a variant makes, breaks, strengthens or weakens on the first sequence."""
    key = looked.files, looked.model, looked.locus.id, variant, looked.person
    return _changes(looked.study, key, str(path), stamp(path))


@st.cache_data(show_spinner="Looking for motifs…", max_entries=64)
def _changes(
    _study: Study, key: tuple[str, str, str, str, Person | None], path: str, version: str
) -> pd.DataFrame:
    files, model, gene, variant, person = key
    found = variant_sequences(_study, files, model, gene)
    return motifs.changed_sites(found, [variant], known_motifs(Path(path)), haplotype=person)


def own_track(looked: Looked, path: Path) -> tuple[UserTrack, str]:
    """A reader's own track, in the region; and what has to be said of it."""
    found = _own(str(path), stamp(path), looked.window.contig, *looked.region)
    return UserTrack(found.table, found.name), found.note


@st.cache_data(show_spinner="Reading the track…", max_entries=32)
def _own(path: str, version: str, contig: str, start: int, end: int) -> user_tracks.UserTrack:
    return user_tracks.read_user_track(path, contig, start, end)
