"""A gene's evidence on one genomic axis: association, the deep model's effects, a linear model's weights."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import pandas as pd
import plotly.graph_objects as go

from gexviz.figures import theme
from gexviz.figures.locus import locus_figure
from gexviz.figures.tracks import Region, Track, VariantTrack
from gexviz.figures.tracks.association import AssociationTrack
from gexviz.figures.tracks.weights import WeightTrack

SETTING = ("shaded: the deep model's window", "dashed: the gene's TSS")


class Evidence(NamedTuple):
    """Tables of one gene; index variant (contig:pos:ref:alt, 1-based), ``position`` 0-based.

    Attributes
    ----------
    associations : DataFrame
        As :class:`AssociationTrack` takes.
    lead : str or None
        The lead variant.
    threshold : float or None
        Nominal p of significance.
    effects : DataFrame or None
        As :class:`VariantTrack` takes, of the deep model, with ``effect_reference``.
    weights : DataFrame or None
        As :class:`WeightTrack` takes.
    window : (int, int) or None
        What the deep model reads, 0-based half-open.
    tss : int or None
        The gene's transcription start, 0-based.
    """

    associations: pd.DataFrame
    lead: str | None = None
    threshold: float | None = None
    effects: pd.DataFrame | None = None
    weights: pd.DataFrame | None = None
    window: tuple[int, int] | None = None
    tss: int | None = None


def evidence_region(evidence: Evidence, contig: str) -> Region:
    """Choose what to show: the deep model's window, the TSS, the lead and all weights other than 0, with some room.

    Parameters
    ----------
    evidence : Evidence
    contig : str

    Returns
    -------
    Region
        All tested variants, if there is none of these.
    """
    found = list(evidence.window or ()) + ([evidence.tss] if evidence.tss is not None else [])
    associations = evidence.associations
    found += associations.loc[associations.index == evidence.lead, "position"].tolist()
    if evidence.weights is not None:
        found += evidence.weights.loc[evidence.weights["weight"].fillna(0) != 0, "position"].tolist()
    if not found:
        found = associations["position"].tolist() or [0]
    low, high = min(found), max(found) + 1
    room = max(50, (high - low) // 20)
    return Region(contig, max(0, int(low - room)), int(high + room))


def association_figure(
    evidence: Evidence,
    region: Region,
    *,
    units: tuple[str, str],
    title: str,
    lines: Sequence[str] = (),
    chosen: Collection[str] = (),
    above: Sequence[Track] = (),
) -> go.Figure:
    """Stack association, deep effects and linear weights on one genomic axis.

    Parameters
    ----------
    evidence : Evidence
    region : Region
    units : (str, str)
        Of the deep model's effects and of the linear model's weights.
    title : str
    lines : sequence of str
        Below the title; wrapped.
    chosen : collection of str
        Variants to highlight in all tracks.
    above : sequence of Track
        Tracks to put first, as the genes.

    Returns
    -------
    Figure
        ``customdata[0]`` of a variant's point is its id.
    """
    deep_unit, weight_unit = units
    tracks: list[Track] = [
        *above,
        AssociationTrack(evidence.associations, evidence.lead, evidence.threshold, chosen),
    ]
    if evidence.effects is not None:
        tracks.append(VariantTrack(evidence.effects, deep_unit, chosen=chosen, name="Effects by the deep model"))
    if evidence.weights is not None:
        tracks.append(WeightTrack(evidence.weights, weight_unit, evidence.window, chosen))
    said = [text for text, known in zip(SETTING, (evidence.window, evidence.tss), strict=True) if known is not None]
    lines = [*lines, "; ".join(said)] if said else lines
    figure = locus_figure(tracks, region, title=title, lines=lines, highlight=_place(evidence, chosen))
    _shade(figure, evidence)
    return figure


def _shade(figure: go.Figure, evidence: Evidence) -> None:
    """Shade the deep model's window and draw a line at the transcription start, behind all tracks."""
    across = {"xref": "x", "yref": "paper", "y0": 0, "y1": 1, "layer": "below"}
    if evidence.window is not None:
        start, end = evidence.window
        fill = {"fillcolor": theme.ORANGE, "opacity": 0.13, "line": {"width": 0}}
        figure.add_shape(type="rect", x0=start + 0.5, x1=end + 0.5, **across, **fill)
    if evidence.tss is not None:
        line = {"color": theme.VERMILLION, "width": 1.5, "dash": "dash"}
        figure.add_shape(type="line", x0=evidence.tss + 1, x1=evidence.tss + 1, **across, line=line)


def _place(evidence: Evidence, chosen: Collection[str]) -> tuple[int, int] | None:
    """Where the reference allele of a variant is, if it is the only chosen one."""
    only = list(chosen)
    if len(only) != 1:
        return None
    for table in (evidence.associations, evidence.effects, evidence.weights):
        if table is not None and only[0] in table.index:
            start = int(table["position"].to_numpy()[table.index == only[0]][0])
            return start, start + len(only[0].rsplit(":", 2)[1])
    return None
