"""The locus figure: tracks above each other on one genomic axis."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from gexviz.figures import theme, words
from gexviz.figures.tracks.base import MARKS, Drawn, Region, Track

HEADER = 18
"""Height of a line of a track's header, px."""

BETWEEN = 12
"""px between tracks."""

BOTTOM = 64
LEGEND = 20
"""Height of a line of the legend, px."""

HEADER_WIDTH = 84
"""Characters of a header's line."""

SMALL = 11


def locus_figure(
    tracks: Sequence[Track],
    region: Region,
    *,
    title: str,
    lines: Sequence[str] = (),
    highlight: tuple[int, int] | None = None,
) -> go.Figure:
    """Stack tracks on a shared genomic axis.

    Parameters
    ----------
    tracks : sequence of Track
        From top to bottom.
    region : Region
        What is drawn, 0-based half-open; the axis counts from 1.
    title : str
    lines : sequence of str
        Below the title; wrapped.
    highlight : (int, int), optional
        Part of the region to shade across all tracks, 0-based half-open, as the chosen variant's reference allele.

    Returns
    -------
    Figure
        Panning and zooming go along the genome, in all tracks together. It has at most :data:`MARKS` marks: tracks show
        less detail, and say so, where there would be more. ``customdata[0]`` of a variant's point is its id.
    """
    drawings = [track.draw(region) for track in fitted(tracks, region)]
    headers = [_header(track.name, drawing.note) for track, drawing in zip(tracks, drawings, strict=True)]
    plot = sum(d.height + HEADER * len(h) for d, h in zip(drawings, headers, strict=True)) + BETWEEN * len(tracks)
    notes: list[dict[str, Any]] = []
    axes: dict[str, Any] = {}
    top = 0
    for number, (drawing, header) in enumerate(zip(drawings, headers, strict=True), start=1):
        upper = top + HEADER * len(header)
        ends = 1 - (upper + drawing.height) / plot, 1 - upper / plot
        y = "y" if number == 1 else f"y{number}"
        _attach(drawing, y, ends)
        axes[f"yaxis{y[1:]}"] = _value_axis(drawing, ends)
        notes += [_header_note(header, ends[1])]
        notes += [{"xref": "x", "yref": y, "showarrow": False} | label for label in drawing.labels]
        top = upper + drawing.height + BETWEEN
    figure = go.Figure([trace for drawing in drawings for trace in drawing.traces])
    entries = sum(trace.type == "scatter" and trace.showlegend is not False for trace in figure.data)
    bottom = BOTTOM + LEGEND * -(-entries // 4)  # as many go side by side in a narrow figure
    _genomic_axis(figure, region, len(drawings))
    if highlight is not None:
        _shade(figure, region, highlight)
    figure.update_layout(
        **axes,
        annotations=notes,
        barmode="overlay",
        bargap=0,
        hovermode="closest",
        dragmode="zoom",
        clickmode="event+select",
        uirevision=str(region),
        showlegend=entries > 0,
    )
    short = [part for line in lines for part in words.wrapped(line, HEADER_WIDTH)]
    theme.finish(figure, title, short, height=plot + bottom, room=6)
    figure.update_layout(
        margin={"b": bottom, "r": 84 if any(t.type == "heatmap" for t in figure.data) else 20, "l": 64},
        legend={"y": -(BOTTOM - 8) / plot, "itemsizing": "trace", "itemclick": False, "itemdoubleclick": False},
    )
    return figure


def fitted(tracks: Sequence[Track], region: Region) -> list[Track]:
    """Lower the detail of all tracks alike until they have at most :data:`MARKS` marks together.

    Parameters
    ----------
    tracks : sequence of Track
    region : Region

    Returns
    -------
    list of Track
    """
    chosen = list(tracks)
    total = sum(track.marks(region) for track in chosen)
    while total > MARKS and max(track.most for track in chosen) > 1:
        share = 0.9 * MARKS / total
        chosen = [dataclasses.replace(t, most=max(1, int(t.most * share))) for t in chosen]  # type: ignore[type-var]
        total = sum(track.marks(region) for track in chosen)
    return chosen


def _header(name: str, note: str) -> list[str]:
    """Make the lines above a track: its name, and what must be known of it."""
    if not note:
        return [f"<b>{words.safe(name)}</b>"]
    lines = words.wrapped(f"{name}  {note}", HEADER_WIDTH)
    if not lines[0].startswith(name):
        return [f"<b>{words.safe(name)}</b>", *(_quiet(line) for line in words.wrapped(note, HEADER_WIDTH))]
    first = f"<b>{words.safe(name)}</b>  {_quiet(lines[0][len(name) :].strip())}"
    return [first, *(_quiet(line) for line in lines[1:])]


def _quiet(text: str) -> str:
    return f"<span style='color:{theme.QUIET}'>{words.safe(text)}</span>"


def _header_note(header: list[str], y: float) -> dict[str, Any]:
    return {
        "text": "<br>".join(header),
        "xref": "paper",
        "yref": "paper",
        "x": 0,
        "y": y,
        "xanchor": "left",
        "yanchor": "bottom",
        "align": "left",
        "showarrow": False,
        "font": {"size": 12, "color": theme.INK},
    }


def _attach(drawing: Drawn, y: str, ends: tuple[float, float]) -> None:
    """Put a drawing's traces into its row: all rows share the x axis, each has its own y axis."""
    for trace in drawing.traces:
        trace.xaxis, trace.yaxis = "x", y
        if trace.type == "heatmap":
            bar = {"x": 1.01, "thickness": 9, "lenmode": "pixels", "len": 0.9 * drawing.height, "ypad": 0, "xpad": 4}
            bar |= {"y": sum(ends) / 2, "outlinewidth": 0, "tickfont": {"size": SMALL, "color": theme.QUIET}}
            bar |= {"title": {"side": "right", "font": {"size": SMALL}}}
            trace.colorbar.update(bar)


def _value_axis(drawing: Drawn, ends: tuple[float, float]) -> dict[str, Any]:
    """Make the y axis of a row."""
    axis: dict[str, Any] = {"domain": [max(0.0, ends[0]), ends[1]], "fixedrange": True, "anchor": "x", "nticks": 5}
    axis |= {"tickfont": {"size": SMALL, "color": theme.QUIET}} | drawing.axis
    if axis.get("title"):
        lines = words.wrapped(axis["title"], int(drawing.height / 5.6))
        text = "<br>".join(words.safe(line) for line in lines)
        axis["title"] = {"text": text, "font": {"size": SMALL}, "standoff": 4}
    return axis


def _genomic_axis(figure: go.Figure, region: Region, rows: int) -> None:
    left, right = region.axis
    figure.update_xaxes(
        range=[left, right],
        minallowed=left,
        maxallowed=right,
        anchor="y" if rows == 1 else f"y{rows}",
        title_text=words.safe(f"position on contig {region.contig} (bp)"),
        tickformatstops=[
            {"dtickrange": [None, 0.9], "value": ",.1f"},
            {"dtickrange": [1, None], "value": ",d"},
        ],
        zeroline=False,
    )


def _shade(figure: go.Figure, region: Region, highlight: tuple[int, int]) -> None:
    """Shade a part of the region, at least 2 px wide."""
    start, end = highlight
    half = max(end - start, 2 * region.pixel) / 2
    middle = (start + end) / 2 + 0.5
    figure.add_shape(
        type="rect",
        xref="x",
        yref="paper",
        x0=middle - half,
        x1=middle + half,
        y0=0,
        y1=1,
        fillcolor=theme.PURPLE,
        opacity=0.22,
        line={"width": 0},
        layer="below",
    )
