"""Association of a gene's expression with the variants around it: -log10 p, LD with the lead."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from gexviz.figures import theme, words
from gexviz.figures.tracks import binning
from gexviz.figures.tracks.base import Drawn, Region, joined, within

LD = (
    (0.8, "≥ 0.8", "#00372b"),
    (0.6, "0.6–0.8", "#00805f"),
    (0.4, "0.4–0.6", "#3cb393"),
    (0.2, "0.2–0.4", "#97d6c3"),
    (0.0, "< 0.2", "#c3ccd5"),
)
"""Least r2, its name and its colour: the darker and larger, the closer to the lead."""

SIZES = (10.0, 9.0, 8.0, 7.0, 6.0)
LEAD_SIZE = 14
SMALLEST = 5e-324
"""Least p that a double holds: p that is 0 is drawn there."""

RAISES, LOWERS, NEITHER = "circle", "triangle-down", "square"


@dataclass(frozen=True, eq=False)
class AssociationTrack:
    """Points. Height: -log10 p; colour and size: LD with the lead; shape: direction; a black diamond: the lead.

    Attributes
    ----------
    variants : DataFrame
        Index variant (contig:pos:ref:alt, 1-based), of one gene; ``position`` (0-based), ``p`` (nominal; NaN: not
        tested), and as far as known ``ld_lead`` (dosage correlation with the lead), ``slope``, ``se``, ``maf``.
    lead : str or None
        The lead variant.
    threshold : float or None
        Nominal p of significance, a dotted line; NaN: none.
    chosen : collection of str
        Variants to highlight.
    name : str
    most : int
        Variants above which, of those with larger p, only the smallest p of each bin is drawn.
    height : int
    """

    variants: pd.DataFrame
    lead: str | None = None
    threshold: float | None = None
    chosen: Collection[str] = ()
    name: str = "Association with expression"
    most: int = 1_500
    height: int = 210

    def marks(self, region: Region) -> int:
        """Count the marks that :meth:`draw` makes."""
        rows, _ = self._shown(region)
        if rows.empty:
            return 0
        rings = int(rows.index.isin(list(self.chosen)).sum())
        return len(rows) + rings + (self._level is not None)

    def draw(self, region: Region) -> Drawn:
        """Draw the part of it that is in the region."""
        rows, note = self._shown(region)
        if rows.empty:
            return Drawn([], 2, {"visible": False, "range": [0, 1]}, joined("no tested variant here", note))
        heights = _log_p(rows["p"].to_numpy(dtype=float))
        highest = max(heights.max(), 1.0, self._level or 0.0)
        reach = [0.0, float(highest * 1.34)]  # room for the legend and the lead's name
        traces = [] if self._level is None else [_across(region, self._level)]
        traces += self._points(rows, heights) + self._rings(rows, heights)
        said = "dotted: nominal p of significance" if self._level is not None else ""
        labels = [_legend(rows, reach[1]), *self._lead_label(rows, heights, region)]
        axis = {"title": "−log10 p", "range": reach}
        return Drawn(traces, self.height, axis, joined(said, note), labels)

    @property
    def _level(self) -> float | None:
        """Height of the threshold."""
        if self.threshold is None or not self.threshold > 0:
            return None
        return float(-np.log10(self.threshold))

    def _shown(self, region: Region) -> tuple[pd.DataFrame, str]:
        """Choose the variants to draw, and say what is left out."""
        rows = within(self.variants, region)
        tested = rows["p"].notna().to_numpy()
        untested = f"{int((~tested).sum()):,} variants without p" if not tested.all() else ""
        rows = rows[tested]
        half = max(1, self.most // 2)
        step = binning.step_for(len(rows), region, half) if len(rows) > self.most else 1
        if step == 1:
            return rows, untested
        p = rows["p"].to_numpy(dtype=float)
        keep = rows.index.isin([self.lead, *self.chosen])
        keep[np.argsort(p, kind="stable")[:half]] = True
        bins = binning.bins_of(rows["position"].to_numpy(), region, step)
        keep[binning.strongest(_log_p(p), bins)] = True
        what = f"smallest p, and the smallest in each {step:,} bp: {int(keep.sum()):,} of {len(rows):,} variants"
        return rows[keep], joined(what, untested)

    def _points(self, rows: pd.DataFrame, heights: np.ndarray) -> list[go.Scatter]:
        """Draw the lead, and the others by LD, the closest to the lead on top."""
        x = rows["position"].to_numpy() + 1.0
        bins = ld_bins(_column(rows, "ld_lead"))
        lead = rows.index == self.lead
        slopes = _column(rows, "slope")
        shapes = np.select([slopes > 0, slopes < 0], [RAISES, LOWERS], NEITHER)
        texts = _texts(rows)
        groups = [("LD unknown", (bins == len(LD)) & ~lead, theme.AXIS, SIZES[-1])]
        groups += [
            (f"r² {name}", (bins == n) & ~lead, colour, SIZES[n]) for n, (_, name, colour) in reversed([*enumerate(LD)])
        ]
        groups.append(("lead", lead, theme.BLACK, LEAD_SIZE))
        traces = []
        for name, members, colour, size in groups:
            if not members.any():
                continue
            symbols = ["diamond"] * int(members.sum()) if name == "lead" else shapes[members].tolist()
            sizes = np.where(shapes[members] == LOWERS, 1.25 * size, size)
            edge = 0.7 if len(rows) <= theme.EDGED or name == "lead" else 0
            marker = {"color": colour, "symbol": symbols, "size": sizes, "opacity": 1}
            marker["line"] = {"color": "white", "width": edge}
            traces.append(
                go.Scatter(
                    x=x[members],
                    y=heights[members],
                    mode="markers",
                    marker=marker,
                    customdata=[[str(v), *t] for v, t in zip(rows.index[members], texts[members], strict=True)],
                    hovertemplate=f"<b>%{{customdata[1]}}</b>%{{customdata[2]}}<extra>{words.safe(name)}</extra>",
                    showlegend=False,
                    name=name,
                    selected={"marker": {"opacity": 1}},
                    unselected={"marker": {"opacity": 0.45}},
                    cliponaxis=False,
                )
            )
        return traces

    def _rings(self, rows: pd.DataFrame, heights: np.ndarray) -> list[go.Scatter]:
        """Ring the chosen variants."""
        members = rows.index.isin(list(self.chosen))
        if not members.any():
            return []
        line = {"width": 2.5, "color": theme.PURPLE}
        return [
            go.Scatter(
                x=rows["position"].to_numpy()[members] + 1.0,
                y=heights[members],
                mode="markers",
                marker={"symbol": "circle-open", "size": LEAD_SIZE + 6, "color": theme.PURPLE, "line": line},
                hoverinfo="skip",
                showlegend=False,
                name="chosen",
                cliponaxis=False,
            )
        ]

    def _lead_label(self, rows: pd.DataFrame, heights: np.ndarray, region: Region) -> list[dict[str, Any]]:
        here = np.flatnonzero(rows.index == self.lead)
        if not len(here):
            return []
        row, at = rows.iloc[here[0]], int(rows["position"].iloc[here[0]]) + 1
        direction = {1: ", ALT raises", -1: ", ALT lowers"}.get(np.sign(row.get("slope", np.nan)), "")
        left = at < sum(region.axis) / 2
        return [
            {
                "x": at,
                "y": float(heights[here[0]]),
                "text": words.safe(f"lead {words.variant_name(str(self.lead))}{direction}"),
                "xanchor": "left" if left else "right",
                "yanchor": "bottom",
                "xshift": 8 if left else -8,
                "font": {"size": 11, "color": theme.INK},
                "bgcolor": "rgba(255,255,255,0.75)",
            }
        ]


def ld_bins(r: np.ndarray) -> np.ndarray:
    """Bin each variant by its LD with the lead.

    Parameters
    ----------
    r : ndarray, shape (n,)
        Correlation; NaN: unknown.

    Returns
    -------
    ndarray of int
        Number in :data:`LD`, the length of it where r is unknown.
    """
    least = np.array([bound for bound, _, _ in LD])
    squared = np.nan_to_num(r) ** 2
    number = (squared[:, None] < least[None, :]).sum(axis=1)
    return np.where(np.isnan(r), len(LD), number)


def _across(region: Region, y: float) -> go.Scatter:
    """Draw a dotted line across."""
    line = {"color": theme.QUIET, "width": 1.3, "dash": "dot"}
    return go.Scatter(
        x=[*region.axis, None], y=[y, y, None], mode="lines", line=line, hoverinfo="skip", showlegend=False
    )


def _log_p(p: np.ndarray) -> np.ndarray:
    return -np.log10(np.maximum(p, SMALLEST))


def _column(rows: pd.DataFrame, column: str) -> np.ndarray:
    return rows[column].to_numpy(dtype=float) if column in rows else np.full(len(rows), np.nan)


def _texts(rows: pd.DataFrame) -> np.ndarray:
    """Name of each variant, and what is said of it."""
    columns = (_column(rows, name) for name in ("p", "slope", "se", "ld_lead", "maf"))
    texts = []
    for variant, p, slope, se, r, maf in zip(rows.index, *columns, strict=True):
        parts = [words.p_value(p)]
        if np.isfinite(slope):
            error = f" ± {se:.2g} (standard error)" if np.isfinite(se) else ""
            parts.append(f"slope {slope:.3g}{error}".replace("-", "−"))
        if np.isfinite(r):
            parts.append(f"r² {r * r:.2f} with the lead")
        if np.isfinite(maf):
            parts.append(f"minor allele in {words.percent(maf)} of copies")
        text = "".join(f"<br>{words.safe(part)}" for part in parts)
        texts.append((words.safe(words.variant_name(str(variant))), text))
    return np.array(texts, dtype=object).reshape(-1, 2)


def _legend(rows: pd.DataFrame, top: float) -> dict[str, Any]:
    """Say in words what colours and shapes mean, along the top of the track, wherever it is zoomed to."""
    dots = [f"{_dot(colour)} {words.safe(name)}" for _, name, colour in LD]
    r = _column(rows, "ld_lead")
    if np.isnan(r).all():
        dots = ["unknown"]
    elif np.isnan(r).any():
        dots.append(f"{_dot(theme.AXIS)} unknown")
    text = "r² with the lead: " + "  ".join(dots)
    if "slope" in rows:
        text += "   ALT: ● raises  ▼ lowers"
    return {
        "x": 0,
        "xref": "paper",
        "y": top,
        "xanchor": "left",
        "yanchor": "top",
        "text": text,
        "font": {"size": 11, "color": theme.INK},
        "bgcolor": "rgba(255,255,255,0.8)",
    }


def _dot(colour: str) -> str:
    return f"<span style='color:{colour};font-size:16px'>●</span>"
