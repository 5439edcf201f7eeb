"""Two haplotypes against each other: where their sequences differ, and how their attributions do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from gexviz.figures import theme
from gexviz.figures.tracks import bars, binning
from gexviz.figures.tracks.base import MOST, Drawn, Region, joined, span, within
from gexviz.figures.tracks.places import insertion_numbers

LOOKS = {
    "substituted": ("line-ns-open", theme.INK),
    "inserted": ("triangle-down", theme.PURPLE),
    "deleted": ("x-thin-open", theme.GREEN),
}


@dataclass(frozen=True, eq=False)
class DifferenceTrack:
    """Second haplotype minus first: bars of attribution below marks of where the sequences differ.

    Attributes
    ----------
    first, second : DataFrame
        ``position`` (0-based), ``inserted``, ``ref`` (the haplotype's own base, forward strand), ``value``, in genome
        order.
    unit : str
    names : (str, str)
        Of the haplotypes.
    name : str
    most, height : int
    """

    first: pd.DataFrame
    second: pd.DataFrame
    unit: str
    names: tuple[str, str] = ("copy 1", "copy 2")
    name: str = "Difference"
    most: int = MOST
    height: int = 110

    def marks(self, region: Region) -> int:
        """Count the marks that :meth:`draw` makes."""
        rows, events = self._compared(region)
        return binning.count_bins(rows, region, self.most) + len(events)

    def draw(self, region: Region) -> Drawn:
        """Draw the part of it that is in the region."""
        rows, events = self._compared(region)
        traces, step = bars.value_bars(rows, region, self.most, self.unit)
        reach = span(rows["value"].to_numpy(dtype=float), above=0.3)
        drawn = [*traces, *_marks(events, bars.near_top(reach))]
        what = f"{self.names[1]} − {self.names[0]}"
        axis = {"title": self.unit, "range": reach}
        return Drawn(drawn, self.height, axis, joined(what, binning.in_words("difference", step)))

    def _compared(self, region: Region) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Differences of bases that both have, and where the sequences differ."""
        both = aligned(within(self.first, region), within(self.second, region))
        events = differences(both, self.names)
        if len(events) > self.most // 2:
            step = binning.step_for(len(events), region, self.most // 6)  # of each kind
            events = events[~pd.DataFrame({"k": events["kind"], "b": events["position"] // step}).duplicated()]
        shared = both[both["ref_first"].notna() & both["ref_second"].notna()]
        rows = shared.assign(
            value=shared["value_second"] - shared["value_first"],
            inserted=shared["nth"] > 0,
            ref=shared["ref_first"].where(
                shared["ref_first"] == shared["ref_second"], shared["ref_first"] + "/" + shared["ref_second"]
            ),
        )
        return rows, events


def aligned(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """Put two haplotypes' bases beside each other by their place on the reference.

    Parameters
    ----------
    first, second : DataFrame
        ``position``, ``inserted``, ``ref`` and any values, in genome order.

    Returns
    -------
    DataFrame
        ``position``, ``nth`` (0 for a base of the reference, 1... for inserted ones), and all other columns with
        ``_first`` and ``_second`` added, missing where a haplotype has no such base; in genome order.
    """
    keyed = [table.assign(nth=insertion_numbers(table)).drop(columns="inserted") for table in (first, second)]
    both = keyed[0].merge(keyed[1], on=["position", "nth"], how="outer", suffixes=("_first", "_second"))
    return both.sort_values(["position", "nth"], kind="stable", ignore_index=True)


def differences(both: pd.DataFrame, names: tuple[str, str]) -> pd.DataFrame:
    """Find where two aligned haplotypes differ.

    Parameters
    ----------
    both : DataFrame
        From :func:`aligned`.
    names : (str, str)

    Returns
    -------
    DataFrame
        ``position`` (0-based, of the first base), ``x`` (on the axis), ``kind`` (substituted; inserted or deleted
        against the reference in one of the two), ``text``. Neighbouring bases that are missing are one row.
    """
    first, second = (both[f"ref_{which}"].fillna("").to_numpy(dtype=object) for which in ("first", "second"))
    inserted = both["nth"].to_numpy() > 0
    position = both["position"].to_numpy()
    rows = []
    for at in np.flatnonzero((first != second) & (first != "") & (second != "")):
        after = "inserted after " if inserted[at] else ""
        text = f"{after}{position[at] + 1:,}: {first[at]} in {names[0]}, {second[at]} in {names[1]}"
        rows.append((position[at], position[at] + (1.5 if inserted[at] else 1.0), "substituted", text))
    for has, lacks, name in ((first, second, names[0]), (second, first, names[1])):
        for run in _runs(np.flatnonzero((has != "") & (lacks == "") & inserted), position, same=True):
            place = position[run[0]]
            text = f"{''.join(has[run])} inserted after {place + 1:,} in {name}"
            rows.append((place, place + 1.5, "inserted", text))
        missing = _runs(np.flatnonzero((has == "") & (lacks != "") & ~inserted), position, same=False)
        for run in missing:
            start, end = position[run[0]], position[run[-1]]
            text = f"{start + 1:,}-{end + 1:,} deleted in {name} ({len(run):,} bp)"
            rows.append((start, (start + end) / 2 + 1.0, "deleted", text))
    return pd.DataFrame(rows, columns=["position", "x", "kind", "text"]).sort_values("position", ignore_index=True)


def _runs(at: np.ndarray, position: np.ndarray, *, same: bool) -> list[np.ndarray]:
    """Split rows where the position does not stay (`same`) or does not go on by one."""
    if not len(at):
        return []
    return np.split(at, np.flatnonzero(np.diff(position[at]) != (0 if same else 1)) + 1)


def _marks(events: pd.DataFrame, height: float) -> list[go.Scatter]:
    traces = []
    for kind, (symbol, colour) in LOOKS.items():
        rows = events[events["kind"] == kind]
        if len(rows):
            marker = {"symbol": symbol, "color": colour, "size": 9, "line": {"width": 2, "color": colour}}
            trace = go.Scatter(
                x=rows["x"].to_numpy(),
                y=np.full(len(rows), height),
                mode="markers",
                marker=marker,
                customdata=rows["text"].tolist(),
                hovertemplate="%{customdata}<extra></extra>",
                name=kind,
            )
            traces.append(trace)
    return traces
