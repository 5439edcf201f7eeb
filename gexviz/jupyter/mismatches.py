"""Mismatches in a cell: genes with their verdicts, to sort and search; a click shows the gene below."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple

import ipywidgets
import numpy as np
import pandas as pd
import plotly.graph_objects as go

from gexviz.figures.quadrant import split_pair
from gexviz.jupyter.charts import Chart
from gexviz.jupyter.people import PeopleView
from gexviz.jupyter.view import View
from gexviz.lazy import lazy

tables = lazy("itables.widget")

COLUMNS = {
    "name": "gene", "verdict": "verdict", "r_deep": "r (deep)", "r_linear": "r (linear)", "n": "people",
    "eqtl": "−log10 q (eQTL)", "main_driver": "main driver", "main_class": "class of the main driver",
}  # fmt: skip


class Compared(NamedTuple):
    """What is shown of a comparison.

    Attributes
    ----------
    genes : DataFrame
        Index gene; columns of :attr:`gexviz.mismatching.Mismatches.genes`.
    effects : Figure
        ``customdata[0]`` of a point is a pair of gene and variant.
    gene : callable
        The view of one gene.
    """

    genes: pd.DataFrame
    effects: go.Figure
    gene: Callable[[str], PeopleView]


class MismatchesView(View):
    """Genes and their verdicts; see :meth:`gexviz.mismatching.Mismatches.view`.

    Attributes
    ----------
    people : PeopleView or None
        The people of the first selected gene.
    """

    kind: ClassVar[str] = "genes"
    hint: ClassVar[str] = "Click a row, or a point, to see its gene; a click on a heading sorts."

    def __init__(self, compared: Compared) -> None:
        super().__init__(compared.genes)
        self.compared = compared
        self.people: PeopleView | None = None
        self._list = tables.ITable(
            self._shown(), select={"style": "os"}, showIndex=False, maxBytes=0, pageLength=8, order=[],
            layout={"topStart": None, "topEnd": "search", "bottomStart": "info", "bottomEnd": "paging"},
            style="width:100%",
        )  # fmt: skip
        self._list.observe(self._clicked, "selected_rows")
        effects = go.Figure(compared.effects).update_layout(dragmode="zoom")  # clicks are for single points
        effects.update_traces(selector={"mode": "markers"}, selected_marker_size=13, unselected_marker_opacity=0.5)
        self._chart = Chart(effects, self._pointed)
        self._below = ipywidgets.VBox()
        self.children = (self._list, self.status, self._below, self._chart.widget)
        self._fit()

    @property
    def charts(self) -> Sequence[Chart]:
        """The effects against the eQTLs, and those of the gene."""
        return [self._chart, *(self.people.charts if self.people else ())]

    def static(self) -> tuple[go.Figure, pd.DataFrame]:
        """The effects against the eQTLs, and the genes."""
        return self.compared.effects, self._shown()

    def _fit(self) -> None:
        self._chart.widen(self.room.width - 16)  # the gene's charts see to themselves

    def _shown(self) -> pd.DataFrame:
        """The columns that tell most, as people read them."""
        rows = self.rows.assign(eqtl=-np.log10(self.rows["q"].clip(lower=1e-300)) + 0.0)
        return rows[list(COLUMNS)].rename(columns=COLUMNS).round({"−log10 q (eQTL)": 1}).round(3)

    def _clicked(self, change: Any) -> None:
        self.selection = [self.rows.index[row] for row in change["new"]]

    def _pointed(self, pairs: Sequence[str]) -> None:
        self.selection = [split_pair(pair)[0] for pair in pairs]

    def _mark(self) -> None:
        """Show the selection in the list and in the effects, and the first gene of it below."""
        chosen = set(self.selection)
        self._list.selected_rows = [n for n, gene in enumerate(self.rows.index) if gene in chosen]
        self._chart.mark([pair for pair in self._chart.ids if split_pair(pair)[0] in chosen])
        if not self.selection:
            self.people, self._below.children = None, ()
            return
        row = self.rows.loc[self.selection[0]]
        said = f"<b>{html.escape(str(row['name']))}: {html.escape(row['verdict'])}.</b> {html.escape(row['sentence'])}"
        marked = self.people.selection if self.people else []
        self.people = self.compared.gene(self.selection[0])
        self.people.selection = marked
        self._below.children = (ipywidgets.HTML(said), self.people)
