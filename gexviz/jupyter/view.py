"""What all views have: a selection of ids that can be read, set, observed and linked; a table of what is selected."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import anywidget
import ipywidgets
import pandas as pd
import plotly.graph_objects as go
import traitlets

from gexviz.errors import GexvizError
from gexviz.jupyter.charts import Chart
from gexviz.jupyter.static import static_bundle


class Ids(traitlets.List):
    """A list of ids, given as anything that can be gone through; each once."""

    def validate(self, obj: Any, value: Any) -> list[str]:
        """See :class:`traitlets.List`."""
        return super().validate(obj, list(dict.fromkeys(map(str, value)))) or []


class Room(anywidget.AnyWidget):
    """Nothing to see; it knows how wide the cell is, px, once it was shown."""

    _esm = Path(__file__).with_name("room.js")
    width = traitlets.Int(860).tag(sync=True)


class View(ipywidgets.VBox):
    """A widget over a table whose rows can be selected.

    Attributes
    ----------
    selection : list of str
        Ids of the selected rows, in the order of the table. May be set; ``observe(..., "selection")`` tells of it.
    kind : str
        What the ids are of: samples, variants or genes.
    """

    selection = Ids(trait=traitlets.Unicode())
    kind: ClassVar[str]
    hint: ClassVar[str] = ""

    def __init__(self, rows: pd.DataFrame) -> None:
        super().__init__()
        self.room = Room(layout={"width": "100%"})
        self.room.observe(lambda _: self._fit(), "width")
        self.rows = rows
        self._said = ipywidgets.HTML()
        self._clear = ipywidgets.Button(description="Clear", icon="times", layout={"width": "auto"})
        self._clear.on_click(lambda _: self._select([]))
        said = ipywidgets.HBox([self._said, self._clear], layout={"align_items": "center"})
        self.status = ipywidgets.VBox([said, self.room])
        self.observe(self._changed, "selection")
        self._tell()

    @property
    def table(self) -> pd.DataFrame:
        """The selected rows; all of them while nothing is selected."""
        return self.rows.loc[self.selection] if self.selection else self.rows

    @property
    def charts(self) -> Sequence[Chart]:
        """The charts that it consists of."""
        raise NotImplementedError  # a view's own; abstract methods don't go with the metaclass of traitlets

    def static(self) -> tuple[go.Figure, pd.DataFrame | None]:
        """A figure, and a table where that is the point, for where no kernel runs."""
        raise NotImplementedError  # as above

    def say(self, text: str) -> None:
        """Write a line below the view."""
        self._said.value = f'<span style="color:#5f6c7b">{html.escape(text)}</span>'

    @traitlets.validate("selection")
    def _known(self, proposal: Any) -> list[str]:
        ids = set(proposal["value"])
        unknown = sorted(ids - set(self.rows.index))
        if unknown:
            raise GexvizError(
                f"{len(unknown):,} of {len(ids):,} ids are not {self.kind} of this view",
                place=unknown[0],
                expected=f"ids of the view's {len(self.rows):,} {self.kind}",
            )
        return [name for name in self.rows.index if name in ids]

    def _select(self, ids: Sequence[str]) -> None:
        """Take over what was selected in a chart."""
        self.selection = list(ids)

    def _changed(self, _: Any) -> None:
        self._tell()
        self._mark()

    def _mark(self) -> None:
        """Show the selection in all charts."""
        for chart in self.charts:
            chart.mark(self.selection)

    def _fit(self) -> None:
        """Give the charts the width that there is."""
        for chart in self.charts:
            chart.widen(self.room.width - 16)

    def _tell(self) -> None:
        number = len(self.selection)
        self._clear.layout.display = None if number else "none"
        self.say(f"{number:,} of {len(self.rows):,} {self.kind} selected" if number else self.hint)

    def __repr__(self) -> str:
        return f"{type(self).__name__} of {len(self.rows):,} {self.kind}, {len(self.selection):,} selected"

    def _repr_mimebundle_(self, **formats: Any) -> dict[str, Any]:
        for chart in self.charts:
            chart.keep()
        return static_bundle(*self.static()) | super()._repr_mimebundle_(**formats)
