"""A variant's two alleles as logos above each other, base by base."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from gexviz.figures import letters, theme, words
from gexviz.figures.tracks.difference import aligned
from gexviz.figures.tracks.logo import letters_of, logo_hover, logo_span
from gexviz.figures.tracks.places import Places, base_names, insertion_numbers

ROW = 130
"""Height of a logo, px."""


def side_by_side_logos(
    ref: pd.DataFrame, alt: pd.DataFrame, variant: str, *, unit: str, title: str = "", lines: tuple[str, ...] = ()
) -> go.Figure:
    """Draw the attribution around a variant with its reference and with its alternative allele.

    Parameters
    ----------
    ref, alt : DataFrame
        Tables of heights, ``position`` (0-based), ``inserted``, ``ref`` (the base that is there, forward strand) and
        ``value`` or ``A``, ``C``, ``G``, ``T``, around the variant, in genome order.
    variant : str
        contig:pos:ref:alt, 1-based; its columns are shaded.
    unit : str
        Of the heights.
    title : str, optional
        The variant's name by default.
    lines : tuple of str
        Below the title; wrapped.

    Returns
    -------
    Figure
        Both on one scale. Each base has a column of its own: inserted bases have an empty one opposite, deleted bases
        too, and ticks count the reference's bases.
    """
    columns = aligned(ref, alt)[["position", "nth"]]
    contig, pos, ref_allele, alt_allele = variant.rsplit(":", 3)
    spans = [logo_span(table) for table in (ref, alt)]
    reach = [min(low for low, _ in spans), max(high for _, high in spans)]
    figure = go.Figure()
    for number, (table, allele) in enumerate(((ref, ref_allele), (alt, alt_allele)), start=1):
        y = "y" if number == 1 else "y2"
        where = _columns(table, columns)
        hover = logo_hover(table, base_names(table), where, reach, unit)
        for trace in [hover, *letters.letter_traces(letters_of(table, where))]:
            figure.add_trace(trace.update(xaxis="x", yaxis=y))
        domain = [0.55, 0.94] if number == 1 else [0, 0.39]
        axis = {"domain": domain, "range": reach, "fixedrange": True, "anchor": "x", "nticks": 5}
        title_text = "<br>".join(words.safe(line) for line in words.wrapped(unit, ROW // 7))
        axis["title"] = {"text": title_text, "font": {"size": 11}, "standoff": 4}
        figure.update_layout({f"yaxis{y[1:]}": axis})
        _name(figure, "reference" if number == 1 else "alternative", allele, domain[1])
    start = int(pos) - 1
    _mark(figure, columns, start, start + len(ref_allele))
    ticks = _ticks(columns)
    figure.update_xaxes(
        anchor="y2",
        range=[-0.5, len(columns) - 0.5],
        tickvals=ticks,
        ticktext=[f"{columns['position'].iloc[n] + 1:,}" for n in ticks],
        title_text=words.safe(f"position on contig {contig} (bp)"),
        showgrid=False,
        zeroline=False,
    )
    figure.update_layout(barmode="overlay", bargap=0, hovermode="closest", dragmode="zoom", showlegend=False)
    short = [part for line in lines for part in words.wrapped(line)]
    theme.finish(figure, title or words.variant_name(variant), short, height=int(2 * ROW / 0.78) + 64)
    return figure.update_layout(margin={"b": 64, "l": 64, "r": 44})


def _columns(table: pd.DataFrame, columns: pd.DataFrame) -> Places:
    """Find the column that each base stands in."""
    keys = pd.MultiIndex.from_frame(columns)
    own = pd.MultiIndex.from_arrays([table["position"], insertion_numbers(table)])
    at = keys.get_indexer(own)
    return Places(at - 0.5, at + 0.5)


def _ticks(columns: pd.DataFrame) -> np.ndarray:
    """Choose columns of reference bases at round positions, at most 7."""
    bases = columns["nth"].to_numpy() == 0
    round_to = next(n for n in (1, 2, 5, 10, 20, 50, 100, 200, 500) if n == 500 or bases.sum() / n <= 6)
    return np.flatnonzero(bases & ((columns["position"].to_numpy() + 1) % round_to == 0))


def _mark(figure: go.Figure, columns: pd.DataFrame, start: int, end: int) -> None:
    """Shade the columns of the variant's alleles."""
    position = columns["position"].to_numpy()
    at = np.flatnonzero((position >= start) & (position < end))
    if len(at):
        box = {"x0": at[0] - 0.5, "x1": at[-1] + 0.5, "y0": 0, "y1": 0.94, "xref": "x", "yref": "paper"}
        figure.add_shape(type="rect", fillcolor=theme.PURPLE, opacity=0.22, line={"width": 0}, layer="below", **box)


def _name(figure: go.Figure, what: str, allele: str, y: float) -> None:
    short = allele if len(allele) <= 12 else f"{allele[:10]}… ({len(allele)} bp)"
    figure.add_annotation(
        text=f"<b>{what}</b> {words.safe(short)}",
        xref="paper",
        yref="paper",
        x=0,
        y=y,
        xanchor="left",
        yanchor="bottom",
        showarrow=False,
        font={"size": 12, "color": theme.INK},
    )
