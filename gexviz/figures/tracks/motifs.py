"""Motif hits as boxes with names."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from gexviz.figures import theme, words
from gexviz.figures.tracks.base import Drawn, Region, joined, overlapping
from gexviz.figures.tracks.lanes import Named, boxes, name_labels, pack_named

LANE = 24
"""Height of a lane, px."""

LOOKS = {
    "": (theme.SKY, ""),
    "gained": (theme.POSITIVE[0], "+"),
    "stronger": (theme.POSITIVE[0], "↑"),
    "lost": (theme.NEGATIVE[0], "−"),
    "weaker": (theme.NEGATIVE[0], "↓"),
}
"""Colour, and sign before the name."""

MOST_LANES = 6


@dataclass(frozen=True, eq=False)
class MotifTrack:
    """Boxes in lanes, each with the motif's name and an arrow to its 3' end; the strongest where there are too many.

    Attributes
    ----------
    hits : DataFrame
        ``start``, ``end`` (0-based half-open), ``strand`` (+ or -), ``motif``, ``score`` (bits), and if known ``p`` and
        ``change``: gained, lost, stronger, weaker, or empty.
    name : str
    most : int
        Hits above which the strongest are drawn.
    """

    hits: pd.DataFrame
    name: str = "Motifs"
    most: int = 200

    def marks(self, region: Region) -> int:
        """Count the marks that :meth:`draw` makes."""
        return len(self._placed(region)[0])

    def draw(self, region: Region) -> Drawn:
        """Draw the part of it that is in the region."""
        hits, named, note = self._placed(region)
        if hits.empty:
            return Drawn([], 2, {"visible": False, "range": [1, 0]}, "no motif here")
        left, right = _ends(hits, region)
        marker = {"color": [LOOKS[change][0] for change in _changes(hits)], "line": {"width": 0}}
        texts = [_text(row) for row in hits.to_dict("records")]
        count = int(named.lanes.max()) + 1
        return Drawn(
            [boxes((left, right), named.lanes, texts, width=0.62, marker=marker)],
            LANE * count,
            {"visible": False, "range": [count - 0.5, -0.5]},
            note,
            name_labels(left, right, _names(hits), named),
        )

    def _placed(self, region: Region) -> tuple[pd.DataFrame, Named, str]:
        """Choose hits, the strongest first, as long as lanes have room, and say what is left out."""
        found = overlapping(self.hits, region).sort_values("score", ascending=False, kind="stable")
        hits = found.head(self.most)
        named = pack_named(*_ends(hits, region), _names(hits), region)
        fit = named.lanes < MOST_LANES
        hits, named = hits[fit], Named(named.lanes[fit], named.before[fit])
        left_out = f"{len(hits):,} of {len(found):,}, the strongest that fit" if len(hits) < len(found) else ""
        changes = _changes(hits)
        signs = ", ".join(f"{sign} {change}" for change, (_, sign) in LOOKS.items() if sign and change in changes)
        return hits, named, joined(left_out, signs)


def _ends(hits: pd.DataFrame, region: Region) -> tuple[np.ndarray, np.ndarray]:
    """Ends on the axis, cut to the region, at least 2 px apart."""
    left = np.maximum(hits["start"].to_numpy(), region.start) + 0.5
    right = np.minimum(hits["end"].to_numpy(), region.end) + 0.5
    return left, np.maximum(right, left + 2 * region.pixel)


def _changes(hits: pd.DataFrame) -> list[str]:
    return hits["change"].fillna("").tolist() if "change" in hits else [""] * len(hits)


def _names(hits: pd.DataFrame) -> list[str]:
    return [
        f"{LOOKS[c][1]}{name} {'◂' if strand == '-' else '▸'}"
        for c, name, strand in zip(_changes(hits), hits["motif"], hits["strand"], strict=True)
    ]


def _text(hit: dict[Hashable, Any]) -> str:
    parts = [f"<b>{words.safe(hit['motif'])}</b> ({hit['strand']} strand)"]
    parts.append(f"{hit['start'] + 1:,}-{hit['end']:,}")
    parts.append(f"score {hit['score']:.3g}")
    if "p" in hit:
        parts.append(words.p_value(hit["p"]))
    if hit.get("change"):
        parts.append(str(hit["change"]))
    return "<br>".join(parts)
