"""One gene in a cell: predicted against observed, a figure a model; people boxed in one are marked in all."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import ipywidgets
import pandas as pd
import plotly.graph_objects as go

from gexviz.jupyter.charts import Chart
from gexviz.jupyter.view import View

NARROWEST = 380
"""px that a chart needs."""


class People(NamedTuple):
    """What is shown of a gene.

    Attributes
    ----------
    table : DataFrame
        Index sample; as :attr:`gexviz.gene.Gene.table`.
    figures : sequence of Figure
        ``customdata[0]`` of a point is a sample.
    together : Figure
        The same in one figure.
    remarks : sequence of str
        What can't be shown, and why.
    """

    table: pd.DataFrame
    figures: Sequence[go.Figure]
    together: go.Figure
    remarks: Sequence[str] = ()


class PeopleView(View):
    """A gene's people; see :meth:`gexviz.gene.Gene.view`."""

    kind: ClassVar[str] = "samples"
    hint: ClassVar[str] = "Draw a box or a lasso in a figure: the same people are marked in all of them."

    def __init__(self, people: People) -> None:
        super().__init__(people.table)
        self._together = people.together
        self._charts = [Chart(figure, self._select) for figure in people.figures]
        across = ipywidgets.HBox([chart.widget for chart in self._charts], layout={"flex_flow": "row wrap"})
        remarks = ipywidgets.VBox([ipywidgets.HTML(html.escape(text)) for text in people.remarks])
        self.children = (across, remarks, self.status)
        self._fit()

    @property
    def charts(self) -> Sequence[Chart]:
        """A chart a model."""
        return self._charts

    def _fit(self) -> None:
        """Two charts beside each other, where they have the room."""
        across = min(2, len(self._charts), self.room.width // NARROWEST) or 1
        for chart in self._charts:
            chart.widen((self.room.width - 16) // across)

    def static(self) -> tuple[go.Figure, None]:
        """All models in one figure."""
        return self._together, None
