"""Tables as the page shows them: numbers written for people, sequences to copy, classes to choose from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

MOST_ROWS = 2_000
FILTERED = 8
"""Rows from which a table can be filtered."""

TALL = 14
"""Rows from which it scrolls within the page."""

CHOICES = ("class", "verdict")
"""Columns of few labels, that rows can be chosen by."""

_SEQUENCE = re.compile(r"[ACGTN\[\]/]{15,}")
_LONG = 60
_COUNT = 1e12
"""Whole numbers below it are written out."""


class Column(NamedTuple):
    """A column of a table.

    Attributes
    ----------
    name : str
    kind : {"number", "text", "long", "sequence"}
    """

    name: str
    kind: str


class PageTable(NamedTuple):
    """A table of the page.

    Attributes
    ----------
    id : str
    columns : list of Column
    rows : list of list of str
    total : int
        Rows that there are; the page has the first `MOST_ROWS`.
    choice : int or None
        Number of a column to choose rows by.
    choices : list of str
    preset : str
        What is chosen at first; empty: all.
    """

    id: str
    columns: list[Column]
    rows: list[list[str]]
    total: int
    choice: int | None
    choices: list[str]
    preset: str

    @property
    def filtered(self) -> bool:
        """Whether it has a box to filter."""
        return len(self.rows) >= FILTERED

    @property
    def tall(self) -> bool:
        """Whether it scrolls."""
        return len(self.rows) >= TALL


def page_table(table: pd.DataFrame, id: str, filters: Mapping[str, str] | None = None) -> PageTable:
    """Write a table for people.

    Parameters
    ----------
    table : DataFrame
        Columns named for people.
    id : str
        Its element's.
    filters : mapping, optional
        Of the view; one that names a single class is set at first.
    """
    shown = table.head(MOST_ROWS)
    cells = [_written(shown[name]) for name in shown.columns]
    columns = [Column(str(name), _kind(shown[name], texts)) for name, texts in zip(shown.columns, cells, strict=True)]
    choice = next((n for n, column in enumerate(columns) if column.name in CHOICES), None)
    choices = sorted(set(cells[choice]) - {""}) if choice is not None else []
    wanted = {name.lower(): value for name, value in (filters or {}).items()}
    preset = wanted.get(columns[choice].name, "") if choice is not None else ""
    return PageTable(
        id,
        columns,
        [list(row) for row in zip(*cells, strict=True)],
        len(table),
        choice,
        choices,
        preset if preset in choices else "",
    )


def _kind(values: pd.Series, texts: list[str]) -> str:
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        return "number"
    told = [text for text in texts if text]
    if told and all(_SEQUENCE.fullmatch(text) for text in told):
        return "sequence"
    return "long" if max(map(len, told), default=0) > _LONG else "text"


def _written(values: pd.Series) -> list[str]:
    if pd.api.types.is_bool_dtype(values):
        return ["yes" if value else "" for value in values.fillna(value=False)]
    if pd.api.types.is_integer_dtype(values):
        return ["" if pd.isna(value) else f"{int(value):,}".replace("-", "−") for value in values]
    if pd.api.types.is_numeric_dtype(values):
        numbers = values.astype(float)
        known = numbers[np.isfinite(numbers)]
        kind = ",.0f" if (known % 1 == 0).all() and (known.abs() < _COUNT).all() else ".3g"
        return [f"{value:{kind}}".replace("-", "−") if np.isfinite(value) else "" for value in numbers]
    return ["" if pd.isna(value) else str(value) for value in values]
