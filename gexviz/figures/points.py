"""People as points: grouped by population or genotype, selectable by their ids."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from gexviz.figures import theme, words


class Group(NamedTuple):
    """Some of the points, drawn alike.

    Attributes
    ----------
    name : str
        For the legend, without the count.
    members : ndarray, bool
        Rows of the table.
    marker : dict
    """

    name: str
    members: np.ndarray
    marker: dict[str, Any]


def groups_of(table: pd.DataFrame, colour_by: str | None) -> list[Group]:
    """Group the rows of a table.

    Parameters
    ----------
    table : DataFrame
    colour_by : str or None
        A column: of numbers, then copies of ALT of the variant that the column is named after (rounded); else labels.
        None puts everybody in one group.

    Returns
    -------
    list of Group
        Genotypes in order, labels sorted; whoever has none comes last.
    """
    if colour_by is None:
        return [Group("people", np.ones(len(table), bool), theme.look(theme.group_look(0)))]
    column = table[colour_by]
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        copies = np.round(column.to_numpy(dtype=float))
        looks = zip(words.alleles(colour_by), theme.GENOTYPES, strict=True)
        groups = [Group(name, copies == n, theme.look(look)) for n, (name, look) in enumerate(looks)]
        missing = Group("no call", np.isnan(copies), theme.look(theme.MISSING))
    else:
        names = sorted(column.dropna().astype(str).unique())
        labels = column.astype("string")
        groups = [
            Group(name, (labels == name).fillna(False).to_numpy(dtype=bool), theme.look(theme.group_look(n)))
            for n, name in enumerate(names)
        ]
        missing = Group(f"no {colour_by}", column.isna().to_numpy(), theme.look(theme.MISSING))
    return [group for group in [*groups, missing] if group.members.any()]


class Points(NamedTuple):
    """Where points stand, and what is said of them.

    Attributes
    ----------
    ids : Index
        Stable ids; ``customdata[0]`` of each point.
    x, y : ndarray
    hover : str
        Plotly's template, below the id.
    extra : tuple of sequences
        More values of each point, ``customdata[1]`` and on.
    """

    ids: pd.Index
    x: np.ndarray
    y: np.ndarray
    hover: str
    extra: tuple[Any, ...] = ()


def point_trace(points: Points, group: Group, selected: Collection[str] | None, **options: Any) -> go.Scatter:
    """Draw one group.

    Parameters
    ----------
    points : Points
        Of the whole table.
    group : Group
        Which of them; those without an x or y are left out.
    selected : collection of str or None
        Ids shown as selected, all others faded; None or empty for no selection.
    options
        Given to the trace.

    Returns
    -------
    Scatter or Scattergl
    """
    shown = np.flatnonzero(group.members & np.isfinite(points.x) & np.isfinite(points.y))
    ids = points.ids[shown].astype(str)
    data = np.empty((len(shown), 1 + len(points.extra)), dtype=object)
    data[:, 0] = ids
    for column, values in enumerate(points.extra, start=1):
        data[:, column] = np.asarray(values, dtype=object)[shown]
    if selected:
        options["selectedpoints"] = np.flatnonzero(ids.isin(list(selected))).tolist()
    kind = go.Scattergl if len(points.x) > theme.GL_ABOVE else go.Scatter
    marker = group.marker
    if len(points.x) > theme.EDGED and "-open" not in marker["symbol"]:  # open symbols are nothing but edge
        marker = marker | {"line": {"width": 0}}
    settings: dict[str, Any] = {
        "x": points.x[shown],
        "y": points.y[shown],
        "mode": "markers",
        "name": f"{words.safe(group.name)} ({len(shown):,})",
        "marker": marker,
        "customdata": data.tolist(),
        "hovertemplate": f"<b>%{{customdata[0]}}</b><br>{points.hover}<extra>{words.safe(group.name)}</extra>",
        "selected": {"marker": {"opacity": 1, "size": 10}},
        "unselected": {"marker": {"opacity": 0.15}},
    }
    return kind(**settings | options)


def spread(count: int, *, width: float) -> np.ndarray:
    """Offsets that part points on one spot, the same each time: evenly over -width..width, near ones far apart."""
    golden = 0.6180339887498949
    return width * (2 * ((np.arange(count) + 0.5) * golden % 1) - 1)
