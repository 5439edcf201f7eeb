"""All that is known of a region, as tracks on one axis: genes, variants, gradients, mutagenesis, motifs, own tracks."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import plotly.graph_objects as go

from gexviz.cohort.exons import read_exons
from gexviz.cohort.user_tracks import read_user_track
from gexviz.cohort.windows import Window
from gexviz.explaining.attention import Attention
from gexviz.explaining.attributions import METHODS, Attribution, per_base, told
from gexviz.explaining.ism import Ism
from gexviz.explaining.regions import parse_region
from gexviz.explaining.target import Labels
from gexviz.figures.locus import locus_figure
from gexviz.figures.tracks.attributed import UNSIGNED, mutagenesis_tracks, value_track
from gexviz.figures.tracks.base import Region, Track
from gexviz.figures.tracks.difference import DifferenceTrack
from gexviz.figures.tracks.genes import GeneTrack
from gexviz.figures.tracks.motifs import MotifTrack
from gexviz.figures.tracks.user import UserTrack
from gexviz.figures.tracks.variants import VariantTrack
from gexviz.jupyter.kernel import in_kernel
from gexviz.lazy import lazy

if TYPE_CHECKING:
    from gexviz.jupyter.locus import LocusView
    from gexviz.study import Study

views = lazy("gexviz.jupyter.locus")


@dataclass(frozen=True, eq=False)
class Locus:
    """What is known of a region of one gene under one model. Anything may be absent.

    Attributes
    ----------
    labels : Labels
    region : Region
        What is shown, 0-based half-open.
    genes, exons : DataFrame
        As :class:`gexviz.figures.tracks.genes.GeneTrack` takes them.
    effects : DataFrame or None
        Index variant; columns of :class:`gexviz.analysis.effects.VariantEffects` and of the drivers.
    attribution : Ism, Gradients, Attention or None
        On the chosen sequence.
    other : Ism, Gradients, Attention or None
        The same on a second one, to compare with.
    motifs : DataFrame or None
        As :class:`gexviz.figures.tracks.motifs.MotifTrack` takes them.
    own : tuple of UserTrack
    chosen : collection of str
        Variants to highlight.
    """

    labels: Labels
    region: Region
    genes: pd.DataFrame
    exons: pd.DataFrame
    effects: pd.DataFrame | None = None
    attribution: Attribution | None = None
    other: Attribution | None = None
    motifs: pd.DataFrame | None = None
    own: tuple[UserTrack, ...] = ()
    chosen: Collection[str] = ()

    @property
    def tracks(self) -> list[Track]:
        """Its tracks, from top to bottom."""
        found: list[Track] = [GeneTrack(self.genes, self.exons, focus=self.labels.gene_id)]
        if self.effects is not None:
            found.append(VariantTrack(self.effects, self.labels.unit, chosen=self.chosen))
        found += _attribution_tracks(self.attribution, self.region)
        if self.attribution is not None and self.other is not None:
            found.append(
                DifferenceTrack(
                    per_base(self.attribution),
                    per_base(self.other),
                    self.attribution.labels.unit,
                    (self.attribution.labels.background, self.other.labels.background),
                )
            )
        if self.motifs is not None:
            found.append(MotifTrack(self.motifs))
        return [*found, *self.own]

    def figure(self) -> go.Figure:
        """All tracks on one genomic axis."""
        lines = [self.labels.subtitle()]
        if self.attribution is not None:
            lines.append(told(self.attribution))
        return locus_figure(
            self.tracks, self.region, title=self.labels.title(), lines=lines, highlight=self._highlight()
        )

    def view(self) -> LocusView:
        """The same as a widget: it zooms with all its detail, and variants can be selected.

        Returns
        -------
        LocusView
            ``.selection``, ``.table`` of variants; :func:`gexviz.link` links it with another.
        """
        whole = self.region
        window = Window(whole.contig, whole.start, whole.end, self.labels.strand, 0)
        there = pd.DataFrame(index=pd.Index([], name="variant")) if self.effects is None else self.effects
        position = there.get("position", pd.Series(dtype=int))
        return views.LocusView(
            views.Tracks(
                there[(position >= whole.start) & (position < whole.end)],
                whole,
                lambda region, chosen: self.zoomed(region.start, region.end).adding(chosen=chosen).figure(),
                lambda text: Region(whole.contig, *parse_region(text, window)),
            )
        )

    def _repr_mimebundle_(self, **formats: Any) -> dict[str, Any]:
        return self.view()._repr_mimebundle_(**formats) if in_kernel() else {"text/plain": repr(self)}

    def __repr__(self) -> str:
        return f"Locus of {self.labels.model} at {self.labels.gene}, {self.labels.background}, {self.region}"

    def zoomed(self, start: int, end: int) -> Locus:
        """The same of a part of the region, 0-based half-open."""
        return replace(self, region=Region(self.region.contig, start, end))

    def adding(
        self,
        *,
        other: Attribution | None = None,
        motifs: pd.DataFrame | None = None,
        own: Sequence[UserTrack] = (),
        chosen: Collection[str] = (),
    ) -> Locus:
        """The same with more on it; what is not given stays as it is."""
        return replace(
            self,
            other=self.other if other is None else other,
            motifs=self.motifs if motifs is None else motifs,
            own=(*self.own, *own),
            chosen=chosen or self.chosen,
        )

    def _highlight(self) -> tuple[int, int] | None:
        """Place of the one chosen variant."""
        if len(self.chosen) != 1:
            return None
        _, position, ref, _ = next(iter(self.chosen)).rsplit(":", 3)
        return int(position) - 1, int(position) - 1 + len(ref)


def own_track(path: str | Path, region: Region) -> UserTrack:
    """Read a track of the user's, to be given to :meth:`Locus.adding`.

    Parameters
    ----------
    path : path
        BED, bedGraph or bigWig.
    region : Region

    Raises
    ------
    GexvizError
        For a file that can't be read, naming the line.
    """
    found = read_user_track(path, region.contig, region.start, region.end)
    return UserTrack(found.table, f"{found.name} ({found.note})" if found.note else found.name)


def _attribution_tracks(attribution: Attribution | None, region: Region) -> list[Track]:
    if attribution is None:
        return []
    unit = attribution.labels.unit
    if isinstance(attribution, Ism):
        return mutagenesis_tracks(attribution.bases, attribution.importance, unit, region)
    if isinstance(attribution, Attention):
        return [value_track(per_base(attribution), unit, METHODS[attribution.how], region, signed=False)]
    remark, signed = attribution.completeness if attribution.flagged else "", attribution.method not in UNSIGNED
    return [value_track(attribution.values, unit, METHODS[attribution.method], region, remark, signed=signed)]


def genes_around(study: Study, region: Region) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Genes that overlap a region, and the exons of their representative transcripts.

    Parameters
    ----------
    study : Study
    region : Region

    Returns
    -------
    genes : DataFrame
        Index gene (the study's id where it has expression); ``name``, ``start``, ``end``, ``strand``, ``tss``.
    exons : DataFrame
        ``gene``, ``start``, ``end``, 0-based half-open.
    """
    annotation = study.cohort.annotation
    near = annotation[
        (annotation["contig"] == region.contig)
        & (annotation["start"] < region.end)
        & (annotation["end"] > region.start)
    ]
    near = near.set_axis(pd.Index([study.cohort.study_id(g) for g in near.index], name="gene"))
    exons = read_exons(study.cohort.path_of("genes"), region.contig)
    owner = dict(zip(near["transcript"], near.index, strict=True))
    exons = exons[exons["transcript"].isin(owner.keys() - {""})]
    exons = exons.assign(gene=exons["transcript"].map(owner))[["gene", "start", "end"]]
    return near[["name", "start", "end", "strand", "tss"]], exons

