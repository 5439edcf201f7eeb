"""Gene models: exons, strand, where transcription starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from gexviz.figures import theme, words
from gexviz.figures.tracks.base import Drawn, Region, overlapping
from gexviz.figures.tracks.lanes import LETTER, boxes, pack

LANE = 52
"""Height of a lane, px."""

BESIDE = 8
"""px between genes of a lane."""

ARROWS = 24
"""Arrows of a gene that spans the region."""


class _Gene(NamedTuple):
    gene: str
    name: str
    start: int
    end: int
    strand: str
    tss: int


@dataclass(frozen=True, eq=False)
class GeneTrack:
    """Genes in as many lanes as they need.

    Attributes
    ----------
    genes : DataFrame
        Index gene; ``name``, ``start``, ``end`` (0-based half-open), ``strand`` (+ or -), ``tss`` (0-based).
    exons : DataFrame or None
        ``gene``, ``start``, ``end``, 0-based half-open; without them a gene is one box.
    focus : str or None
        The gene that the figure is about, drawn darker.
    name : str
    most : int
        Exons above which only the widest are drawn.
    """

    genes: pd.DataFrame
    exons: pd.DataFrame | None = None
    focus: str | None = None
    name: str = "Genes"
    most: int = 1000

    def marks(self, region: Region) -> int:
        """Count the marks that :meth:`draw` makes."""
        genes = self._genes(region)
        starts = sum(region.start <= gene.tss < region.end for gene in genes)
        return len(genes) + len(self._exons(genes, region)) + len(_arrows(genes, region)) + 2 * starts

    def draw(self, region: Region) -> Drawn:
        """Draw the part of it that is in the region."""
        genes = self._genes(region)
        if not genes:
            return Drawn([], 2, {"visible": False, "range": [1, 0]}, "no gene here")
        lanes = _lanes(genes, region)
        exons = self._exons(genes, region)
        traces: list[Any] = []
        for in_focus in (False, True):
            those = [gene for gene in genes if (gene.gene == self.focus) == in_focus]
            if those:
                colour = theme.INK if in_focus else theme.AXIS
                traces += [_bodies(those, lanes, region, colour), _directions(those, lanes, region, colour)]
                traces.append(_exon_boxes(exons, those, lanes, colour))
        traces += _starts([gene for gene in genes if region.start <= gene.tss < region.end], lanes, region)
        count = max(lanes.values()) + 1
        axis = {"visible": False, "range": [count - 0.3, -0.55]}
        note = "bent arrow: transcription start" + ("" if self.exons is not None else "; exons not given")
        return Drawn(traces, LANE * count, axis, note, [self._label(gene, lanes, region) for gene in genes])

    def _genes(self, region: Region) -> list[_Gene]:
        rows = overlapping(self.genes, region)
        columns = [rows[column] for column in ("name", "start", "end", "strand", "tss")]
        return [_Gene(*values) for values in zip(rows.index, *columns, strict=True)]

    def _exons(self, genes: list[_Gene], region: Region) -> pd.DataFrame:
        """Boxes to draw, cut to the region, the widest of too many."""
        ids = [gene.gene for gene in genes]
        if self.exons is None:
            table = pd.DataFrame({"gene": ids, "start": [g.start for g in genes], "end": [g.end for g in genes]})
        else:
            table = self.exons.loc[self.exons["gene"].isin(ids), ["gene", "start", "end"]].drop_duplicates()
        table = overlapping(table, region)
        table = table.assign(start=table["start"].clip(lower=region.start), end=table["end"].clip(upper=region.end))
        widest = (table["end"] - table["start"]).rank(method="first", ascending=False) <= self.most
        return table[widest]

    def _label(self, gene: _Gene, lanes: dict[str, int], region: Region) -> dict[str, Any]:
        bold = gene.gene == self.focus
        text = f"<i>{words.safe(gene.name)}</i>"
        return {
            "x": _cut(gene, region)[0],
            "y": lanes[gene.gene] + 0.16,
            "text": f"<b>{text}</b>" if bold else text,
            "xanchor": "left",
            "yanchor": "top",
            "font": {"size": 12, "color": theme.INK if bold else theme.QUIET},
        }


def _cut(gene: _Gene, region: Region) -> tuple[float, float]:
    """Ends on the axis of the part that is seen."""
    return max(gene.start, region.start) + 0.5, min(gene.end, region.end) + 0.5


def _lanes(genes: list[_Gene], region: Region) -> dict[str, int]:
    """Lane of each gene, names and arrows of transcription starts having room."""
    left, right = np.array([_cut(gene, region) for gene in genes]).T
    names = np.array([len(gene.name) * LETTER for gene in genes]) * region.pixel
    arrows = np.array([gene.strand == "-" for gene in genes]) * 18 * region.pixel
    beside = BESIDE * region.pixel
    found = pack(left - arrows, np.maximum(right + beside, left + names + beside))
    return {gene.gene: int(lane) for gene, lane in zip(genes, found, strict=True)}


def _bodies(genes: list[_Gene], lanes: dict[str, int], region: Region, colour: str) -> go.Scatter:
    x = [end for gene in genes for end in (*_cut(gene, region), np.nan)]
    y = [lane for gene in genes for lane in (lanes[gene.gene], lanes[gene.gene], np.nan)]
    return go.Scatter(
        x=x, y=y, mode="lines", line={"color": colour, "width": 1.5}, hoverinfo="skip", showlegend=False, name="genes"
    )


def _arrows(genes: list[_Gene], region: Region) -> list[tuple[float, _Gene]]:
    """Evenly over the region, so that they stay where they are when genes come and go."""
    grid = region.start + region.width * (np.arange(ARROWS) + 0.5) / ARROWS
    return [(x, gene) for gene in genes for x in grid if gene.start <= x < gene.end]


def _directions(genes: list[_Gene], lanes: dict[str, int], region: Region, colour: str) -> go.Scatter:
    arrows = _arrows(genes, region)
    return go.Scatter(
        x=[x for x, _ in arrows],
        y=[lanes[gene.gene] for _, gene in arrows],
        mode="markers",
        marker={
            "symbol": ["triangle-left" if gene.strand == "-" else "triangle-right" for _, gene in arrows],
            "size": 7,
            "color": colour,
            "line": {"width": 0},
        },
        hoverinfo="skip",
        showlegend=False,
        name="strand",
    )


def _exon_boxes(exons: pd.DataFrame, genes: list[_Gene], lanes: dict[str, int], colour: str) -> go.Bar:
    of = {gene.gene: gene for gene in genes}
    rows = exons[exons["gene"].isin(of)]
    texts = [
        f"<b>{words.safe(of[gene].name)}</b> ({of[gene].strand} strand)<br>{start + 1:,}-{end:,}"
        for gene, start, end in zip(rows["gene"], rows["start"], rows["end"], strict=True)
    ]
    ends = rows["start"].to_numpy() + 0.5, rows["end"].to_numpy() + 0.5
    marker = {"color": colour, "line": {"width": 0}}
    return boxes(ends, rows["gene"].map(lanes).to_numpy(), texts, width=0.24, marker=marker)


def _starts(genes: list[_Gene], lanes: dict[str, int], region: Region) -> list[go.Scatter]:
    """Bent arrows, from the first transcribed base in its direction."""
    if not genes:
        return []
    along = np.array([-1 if gene.strand == "-" else 1 for gene in genes]) * 16 * region.pixel
    x = np.array([gene.tss for gene in genes]) + 1.0
    y = np.array([lanes[gene.gene] for gene in genes])
    none = np.full(len(genes), np.nan)
    line = go.Scatter(
        x=np.column_stack([x, x, x + along, none]).ravel(),
        y=np.column_stack([y, y - 0.36, y - 0.36, none]).ravel(),
        mode="lines",
        line={"color": theme.VERMILLION, "width": 2},
        hoverinfo="skip",
        showlegend=False,
        name="transcription start",
    )
    head = go.Scatter(
        x=x + along,
        y=y - 0.36,
        mode="markers",
        marker={
            "symbol": ["triangle-left" if gene.strand == "-" else "triangle-right" for gene in genes],
            "size": 9,
            "color": theme.VERMILLION,
        },
        customdata=[f"<b>{words.safe(g.name)}</b> ({g.strand} strand)<br>starts at {g.tss + 1:,}" for g in genes],
        hovertemplate="%{customdata}<extra></extra>",
        showlegend=False,
        cliponaxis=False,
        name="transcription start",
    )
    return [line, head]
