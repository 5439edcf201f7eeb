"""Variants as lollipops: how high is the effect, how large the frequency."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from gexviz.figures import theme, words
from gexviz.figures.tracks import binning
from gexviz.figures.tracks.base import Drawn, Region, span, within

DRIVER = theme.INK
CHOSEN = theme.PURPLE
UNKNOWN_SIZE = 7.0


@dataclass(frozen=True, eq=False)
class VariantTrack:
    """Lollipops. Colour and shape: direction; size: frequency of ALT; dark rim: driver; the main driver is named.

    Attributes
    ----------
    variants : DataFrame
        Index variant (contig:pos:ref:alt, 1-based); ``position`` (0-based), the column of effects (NaN: none could be
        computed), and as far as known ``frequency``, ``carriers``, ``driver``, ``main_driver``, ``reason``.
    unit : str
        Of the effect.
    value : str
        Column of effects.
    chosen : collection of str
        Variants to highlight.
    name : str
    most : int
        Variants above which only the strongest of each bin and direction, drivers and chosen ones are drawn.
    height : int
    """

    variants: pd.DataFrame
    unit: str
    value: str = "effect_reference"
    chosen: Collection[str] = ()
    name: str = "Variants"
    most: int = 600
    height: int = 150

    def marks(self, region: Region) -> int:
        """Count the marks that :meth:`draw` makes."""
        rows, _ = self._shown(region)
        return int(rows[self.value].notna().sum()) + len(rows) + int(rows.index.isin(list(self.chosen)).sum())

    def draw(self, region: Region) -> Drawn:
        """Draw the part of it that is in the region."""
        rows, note = self._shown(region)
        if rows.empty:
            return Drawn([], 2, {"visible": False, "range": [0, 1]}, "no variant here")
        values = rows[self.value].to_numpy(dtype=float)
        reach = span(values, above=0.2, below=0.2)
        x = rows["position"].to_numpy() + 1.0
        rings = self._rings(rows, x, values)
        traces = [_stems(x, values), *self._heads(rows, x, values), *rings, *_legend(rows, chosen=bool(rings))]
        main = _flag(rows, "main_driver") & np.isfinite(values)
        labels = [_label(at, value) for at, value in zip(x[main], values[main], strict=True)]
        return Drawn(traces, self.height, {"title": self.unit, "range": reach}, note, labels)

    def _shown(self, region: Region) -> tuple[pd.DataFrame, str]:
        """Choose the variants to draw, and say what is left out."""
        rows = within(self.variants, region)
        step = binning.step_for(len(rows), region, self.most // 2)
        if step == 1:
            return rows, ""
        values = rows[self.value].to_numpy(dtype=float)
        bins = binning.bins_of(rows["position"].to_numpy(), region, step)
        keep = _flag(rows, "driver") | _flag(rows, "main_driver") | rows.index.isin(list(self.chosen))
        keep[binning.strongest(values, 2 * bins + (values < 0))] = True
        what = f"largest rise and fall in each {step:,} bp, and drivers: {int(keep.sum()):,} of {len(rows):,} variants"
        return rows[keep], what

    def _heads(self, rows: pd.DataFrame, x: np.ndarray, values: np.ndarray) -> list[go.Scatter]:
        sizes, texts = _sizes(rows), _texts(rows)
        driver = _flag(rows, "driver")
        groups = [
            ("raises", values >= 0, theme.POSITIVE),
            ("lowers", values < 0, theme.NEGATIVE),
            ("no effect known", np.isnan(values), theme.MISSING),
        ]
        traces = []
        for name, members, (colour, symbol) in groups:
            if not members.any():
                continue
            marker = {
                "symbol": symbol,
                "color": colour,
                "size": sizes[members] * (1.25 if symbol.startswith("triangle") else 1),
                "opacity": 1,
                "line": {
                    "color": np.where(driver[members], DRIVER, "white").tolist(),
                    "width": np.where(driver[members], 1.8, 0.7),
                },
            }
            number = f"%{{y:.3g}} {words.safe(self.unit)}" if name != "no effect known" else "no effect"
            traces.append(
                go.Scatter(
                    x=x[members],
                    y=np.nan_to_num(values[members]),
                    mode="markers",
                    marker=marker,
                    customdata=[[str(v), *t] for v, t in zip(rows.index[members], texts[members], strict=True)],
                    hovertemplate=f"<b>%{{customdata[1]}}</b><br>{number}%{{customdata[2]}}<extra></extra>",
                    showlegend=False,
                    name=name,
                    selected={"marker": {"opacity": 1}},
                    unselected={"marker": {"opacity": 0.45}},
                    cliponaxis=False,
                )
            )
        return traces

    def _rings(self, rows: pd.DataFrame, x: np.ndarray, values: np.ndarray) -> list[go.Scatter]:
        """Ring the chosen variants."""
        members = rows.index.isin(list(self.chosen))
        if not members.any():
            return []
        marker = {
            "symbol": "circle-open",
            "size": _sizes(rows)[members] + 10,
            "color": CHOSEN,
            "line": {"width": 2.5, "color": CHOSEN},
        }
        return [
            go.Scatter(
                x=x[members],
                y=np.nan_to_num(values[members]),
                mode="markers",
                marker=marker,
                hoverinfo="skip",
                showlegend=False,
                name="chosen",
                cliponaxis=False,
            )
        ]


def _flag(rows: pd.DataFrame, column: str) -> np.ndarray:
    if column not in rows:
        return np.zeros(len(rows), dtype=bool)
    return rows[column].astype("boolean").fillna(False).to_numpy(dtype=bool)


def _size(frequency: np.ndarray) -> np.ndarray:
    """Marker size: its area grows with the frequency."""
    return np.sqrt(45 + 300 * frequency)


def _sizes(rows: pd.DataFrame) -> np.ndarray:
    if "frequency" not in rows:
        return np.full(len(rows), UNKNOWN_SIZE)
    return _size(np.nan_to_num(rows["frequency"].to_numpy(dtype=float)))


def _texts(rows: pd.DataFrame) -> np.ndarray:
    """What is said of each variant besides its effect."""
    texts = []
    for variant, row in zip(rows.index, rows.to_dict("records"), strict=True):
        parts = []
        if pd.notna(row.get("frequency")):
            parts.append(f"ALT in {words.percent(row['frequency'])} of copies")
        if pd.notna(row.get("carriers")):
            parts.append(f"{int(row['carriers']):,} carriers")
        if row.get("main_driver") is True or row.get("driver") is True:
            parts.append("main driver" if row.get("main_driver") is True else "driver")
        if row.get("reason"):
            parts.append(words.safe(row["reason"]))
        texts.append((words.safe(words.variant_name(str(variant))), "".join(f"<br>{part}" for part in parts)))
    return np.array(texts, dtype=object).reshape(-1, 2)


def _stems(x: np.ndarray, values: np.ndarray) -> go.Scatter:
    known = np.isfinite(values)
    x, y = x[known], values[known]
    none = np.full(len(x), np.nan)
    return go.Scatter(
        x=np.column_stack([x, x, none]).ravel(),
        y=np.column_stack([np.zeros(len(x)), y, none]).ravel(),
        mode="lines",
        line={"color": theme.AXIS, "width": 1.2},
        hoverinfo="skip",
        showlegend=False,
        name="stems",
    )


def _label(x: float, value: float) -> dict[str, Any]:
    up = value >= 0
    return {
        "x": x,
        "y": value,
        "text": "<b>main driver</b>",
        "yanchor": "bottom" if up else "top",
        "yshift": 9 if up else -9,
        "font": {"size": 11, "color": theme.INK},
    }


def _legend(rows: pd.DataFrame, *, chosen: bool) -> list[go.Scatter]:
    """Entries for what colours, shapes, rims and sizes say."""
    entries: list[tuple[str, tuple[str, str], dict[str, Any]]] = [
        ("raises", theme.POSITIVE, {"size": 10}),
        ("lowers", theme.NEGATIVE, {"size": 11}),
    ]
    if _flag(rows, "driver").any():
        entries.append(("driver", ("white", "circle"), {"size": 11, "line": {"color": DRIVER, "width": 2}}))
    if chosen:
        entries.append(("chosen", (CHOSEN, "circle-open"), {"size": 14, "line": {"color": CHOSEN, "width": 2.5}}))
    if "frequency" in rows:
        for share in (0.01, 0.1, 0.5):
            marker = {"size": float(_size(np.array(share))), "line": {"width": 0}}
            entries.append((f"ALT {words.percent(share)}", (theme.AXIS, "circle"), marker))
    return [
        go.Scatter(
            x=[None],
            y=[None],
            mode="markers",
            name=name,
            marker={"color": colour, "symbol": symbol} | marker,
            hoverinfo="skip",
        )
        for name, (colour, symbol), marker in entries
    ]
