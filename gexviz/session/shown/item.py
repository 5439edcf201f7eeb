"""One thing that a view shows."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go


@dataclass(frozen=True, eq=False)
class Shown:
    """A figure with the numbers behind it, or a table alone.

    Attributes
    ----------
    title : str
    table : DataFrame
        What the figure is drawn from, its columns named for people, places 1-based.
    figure : Figure or None
    alt : str
        The figure in words, from its numbers, for who can't see it.
    note : str
        What a reader must know of it.
    table_first : bool
        Whether the table is as much to the point as the figure, and is to be seen without asking for it.
    """

    title: str
    table: pd.DataFrame
    figure: go.Figure | None = None
    alt: str = ""
    note: str = ""
    table_first: bool = False
