"""A reader's own track: intervals as boxes, or values as a step line."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from gexviz.figures import theme, words
from gexviz.figures.tracks import binning
from gexviz.figures.tracks.base import MOST, Drawn, Region, overlapping, span
from gexviz.figures.tracks.lanes import Named, boxes, name_labels, pack_named, place_name

LANE = 22
"""Height of a lane, px."""

MOST_LANES = 6
LOOK = theme.GREEN


@dataclass(frozen=True, eq=False)
class UserTrack:
    """Intervals of a BED file, or values of a bedGraph or bigWig.

    Attributes
    ----------
    table : DataFrame
        ``start``, ``end`` (0-based half-open); with ``value`` they are drawn as steps (intervals must not overlap),
        else as boxes with their ``name`` and ``strand`` where there are such columns.
    name : str
        Of the track.
    unit : str
        Of the values.
    most, height : int
        Steps or boxes above which there is less detail; height of steps.
    signed : bool
        Whether values below 0 mean that something lowers the prediction; they have a colour of their own then.
    """

    table: pd.DataFrame
    name: str
    unit: str = ""
    most: int = MOST
    height: int = 72
    signed: bool = False

    def marks(self, region: Region) -> int:
        """Count the marks that :meth:`draw` makes."""
        return len(self._steps(region)[0] if "value" in self.table else self._placed(region)[0])

    def draw(self, region: Region) -> Drawn:
        """Draw the part of it that is in the region."""
        if overlapping(self.table, region).empty:
            return Drawn([], 2, {"visible": False, "range": [1, 0]}, "nothing here")
        return self._draw_steps(region) if "value" in self.table else self._draw_boxes(region)

    def _steps(self, region: Region) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
        """Left ends, right ends and values of the steps, and bp of a bin."""
        rows = overlapping(self.table, region)
        left = np.maximum(rows["start"].to_numpy(), region.start)
        right = np.minimum(rows["end"].to_numpy(), region.end)
        values = rows["value"].to_numpy(dtype=float)
        if len(rows) <= self.most:
            return left + 0.5, right + 0.5, values, 1
        step = max(2, -(-region.width // self.most))
        starts = np.arange(region.start, region.end, step)
        ends = np.minimum(starts + step, region.end)
        first, last = np.searchsorted(right, starts, side="right"), np.searchsorted(left, ends, side="left")
        some = first < last
        pairs = np.column_stack([first[some], last[some]]).ravel()
        padded = np.append(values, np.nan)  # so that the last bin may end behind the last value
        high, low = np.fmax.reduceat(padded, pairs)[::2], np.fmin.reduceat(padded, pairs)[::2]
        return starts[some] + 0.5, ends[some] + 0.5, np.where(high >= -low, high, low), step

    def _draw_steps(self, region: Region) -> Drawn:
        left, right, values, step = self._steps(region)
        steps = go.Bar(
            x=(left + right) / 2,
            y=values,
            width=right - left,
            marker={"color": self._colours(values), "line": {"width": 0}},
            customdata=[place_name(int(a - 0.5), int(b - 0.5)) for a, b in zip(left, right, strict=True)],
            hovertemplate=f"<b>%{{customdata}}</b><br>%{{y:.4g}} {words.safe(self.unit)}<extra></extra>",
            showlegend=False,
        )
        note = binning.in_words("value", step)
        axis = {"title": self.unit, "range": span(values)}
        return Drawn([steps], self.height, axis, note)

    def _colours(self, values: np.ndarray) -> str | list[str]:
        if not self.signed:
            return LOOK
        return np.where(values < 0, theme.NEGATIVE[0], theme.POSITIVE[0]).tolist()

    def _placed(self, region: Region) -> tuple[pd.DataFrame, Named, str]:
        """Boxes and their lanes; where they don't fit, all in one lane, joined and without names."""
        rows = overlapping(self.table, region)
        rows = rows.assign(start=rows["start"].clip(lower=region.start), end=rows["end"].clip(upper=region.end))
        gap = 0
        if len(rows) <= self.most:
            named = pack_named(*_ends(rows, region), _names(rows), region)
            if named.lanes.max(initial=0) < MOST_LANES:
                return rows, named, ""
        else:
            gap = -(-region.width // self.most)
        one = _joined(rows, gap)
        note = f"{len(rows):,} intervals" + (f", those closer than {gap:,} bp joined" if gap else "")
        return one, Named(np.zeros(len(one), dtype=int), np.zeros(len(one), dtype=bool)), note

    def _draw_boxes(self, region: Region) -> Drawn:
        rows, named, note = self._placed(region)
        names = _names(rows)
        texts = [
            (f"<b>{words.safe(name)}</b><br>" if name else "") + place_name(start, end)
            for name, start, end in zip(names, rows["start"], rows["end"], strict=True)
        ]
        left, right = _ends(rows, region)
        trace = boxes((left, right), named.lanes, texts, width=0.62, marker={"color": LOOK, "line": {"width": 0}})
        count = int(named.lanes.max()) + 1
        axis = {"visible": False, "range": [count - 0.5, -0.5]}
        return Drawn([trace], LANE * count, axis, note, name_labels(left, right, names, named))


def _ends(rows: pd.DataFrame, region: Region) -> tuple[np.ndarray, np.ndarray]:
    """Ends on the axis, at least 1 px apart."""
    left = rows["start"].to_numpy() + 0.5
    return left, np.maximum(rows["end"].to_numpy() + 0.5, left + region.pixel)


def _names(rows: pd.DataFrame) -> list[str]:
    names = rows["name"].fillna("").astype(str) if "name" in rows else pd.Series("", index=rows.index)
    arrows = rows["strand"].map({"+": " ▸", "-": " ◂"}).fillna("") if "strand" in rows else ""
    return [name.strip() for name in names + arrows]


def _joined(rows: pd.DataFrame, gap: int) -> pd.DataFrame:
    """Join intervals that overlap, touch or are closer than `gap`."""
    reach = rows["end"].cummax()
    number = (rows["start"] > reach.shift(fill_value=rows["start"].iloc[0]) + gap).cumsum()
    return pd.DataFrame({"start": rows["start"].groupby(number).min(), "end": rows["end"].groupby(number).max()})
