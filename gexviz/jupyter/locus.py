"""A locus in a cell: tracks on the genome, zoomed with the mouse or by typing; a click on a variant selects it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple

import ipywidgets
import pandas as pd
import plotly.graph_objects as go

from gexviz.errors import GexvizError
from gexviz.figures.tracks.base import Region
from gexviz.jupyter.charts import Chart
from gexviz.jupyter.view import View

NARROWEST = 20
"""bp to which one can zoom in."""


class Tracks(NamedTuple):
    """What is shown of a locus.

    Attributes
    ----------
    variants : DataFrame
        Index variant.
    whole : Region
        All there is to see, 0-based half-open.
    draw : callable
        Figure of a part of it, given the variants to highlight.
    read : callable
        Region of what people type.
    """

    variants: pd.DataFrame
    whole: Region
    draw: Callable[[Region, Sequence[str]], go.Figure]
    read: Callable[[str], Region]


class LocusView(View):
    """Tracks of a region; see :meth:`gexviz.explaining.locus.Locus.view`.

    Attributes
    ----------
    region : Region
        What is shown, 0-based half-open.
    """

    kind: ClassVar[str] = "variants"
    hint: ClassVar[str] = (
        "Pull along the genome to zoom in (letters below 300 bp); click a variant to select it, with Shift for more."
    )

    def __init__(self, tracks: Tracks) -> None:
        super().__init__(tracks.variants)
        self.tracks = tracks
        self.region = tracks.whole
        self._typed = ipywidgets.Text(continuous_update=False, layout={"width": "19em"})
        self._typed.observe(self._read, "value")
        moves: list[tuple[str, str, str, Callable[[], Region]]] = [
            ("Left", "arrow-left", "Half a width to the left", lambda: self._moved(-0.5)),
            ("Right", "arrow-right", "Half a width to the right", lambda: self._moved(0.5)),
            ("In", "search-plus", "Half as wide", lambda: self._widened(0.5)),
            ("Out", "search-minus", "Twice as wide", lambda: self._widened(2)),
            ("All", "expand", "The whole region", lambda: tracks.whole),
        ]
        buttons = [self._button(*move) for move in moves]
        self._bar = ipywidgets.HBox([self._typed, *buttons], layout={"flex_flow": "row wrap"})
        self.zoom(tracks.whole)

    @property
    def charts(self) -> Sequence[Chart]:
        """The one chart."""
        return [self._chart]

    def zoom(self, region: Region) -> None:
        """Show another part, with all the detail that its width allows."""
        self.region = region
        self._chart = Chart(self.tracks.draw(region, self.selection), self._select, set(self.rows.index))
        self._chart.widget.layout.xaxis.on_change(self._pulled, "range")
        self._fit()
        self._typed.value = str(region)
        self.children = (self._bar, self._chart.widget, self.status)

    def static(self) -> tuple[go.Figure, None]:
        """The region that is shown."""
        return self.tracks.draw(self.region, self.selection), None

    def _mark(self) -> None:
        self.zoom(self.region)

    def _pulled(self, _: Any, ends: tuple[float, float]) -> None:
        start, end = round(min(ends) - 0.5), round(max(ends) - 0.5)
        region = self._inside(start, end)
        if region != self.region:
            self.zoom(region)

    def _read(self, change: Any) -> None:
        if change["new"] == str(self.region):
            return
        try:
            self.zoom(self.tracks.read(change["new"]))
        except GexvizError as error:
            self.say(f"{error.problem}; expected {error.expected}")
        else:
            self._tell()

    def _inside(self, start: int, end: int) -> Region:
        """The nearest region as wide as that, as far as the whole goes."""
        whole = self.tracks.whole
        width = min(max(end - start, NARROWEST), whole.width)
        first = min(max((start + end - width) // 2, whole.start), whole.end - width)
        return Region(whole.contig, first, first + width)

    def _moved(self, share: float) -> Region:
        by = round(share * self.region.width)
        return self._inside(self.region.start + by, self.region.end + by)

    def _widened(self, factor: float) -> Region:
        middle, half = (self.region.start + self.region.end) // 2, round(factor * self.region.width / 2)
        return self._inside(middle - half, middle + half)

    def _button(self, name: str, icon: str, tooltip: str, target: Callable[[], Region]) -> ipywidgets.Button:
        button = ipywidgets.Button(description=name, icon=icon, tooltip=tooltip, layout={"width": "auto"})
        button.on_click(lambda _: self.zoom(target()))
        return button
