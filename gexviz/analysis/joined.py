"""Labelled tables joined block by block, and correlated row by row."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd

from gexviz.analysis.correlation import Rows, row_products, standardise
from gexviz.errors import GexvizError

FEWEST = 4
"""Pairs that a correlation needs: Fisher's interval is not defined below."""

BLOCK_VALUES = 400_000
"""Values of one table worked on at a time; keeps memory at a few tens of MB whatever the study's size."""


class Table:
    """A labelled numeric table, cut into blocks by label; NaN where a label is not in it."""

    def __init__(self, values: np.ndarray, rows: pd.Index, columns: pd.Index) -> None:
        self.values, self.rows, self.columns = values, rows, columns

    @classmethod
    def of(cls, table: pd.DataFrame, name: str) -> Table:
        """Check a table: numbers, and every id once."""
        for axis, what in ((table.index, "gene"), (table.columns, "sample")):
            if axis.has_duplicates:
                raise GexvizError(
                    f"{int(axis.duplicated().sum())} {what} ids are there more than once in the {name} values",
                    place=f"{what} {axis[axis.duplicated()][0]}" if what == "gene" else None,
                    expected=f"every {what} once",
                )
        wrong = [kind for kind in table.dtypes.unique() if not pd.api.types.is_numeric_dtype(kind)]
        if wrong:
            raise GexvizError(f"the {name} values are not all numbers ({wrong[0]})", expected="a table of numbers")
        values = table.to_numpy()
        ids = table.index.astype(object), table.columns.astype(object)  # look-ups in Arrow strings are slow
        return cls(values if values.dtype.kind == "f" else table.to_numpy(dtype=float), *ids)

    def has(self, rows: pd.Index) -> np.ndarray:
        """Tell which of these rows are in the table."""
        return self.rows.get_indexer(rows) >= 0

    def block(self, rows: pd.Index, columns: pd.Index) -> np.ndarray:
        """Cut out float64 values (rows, columns)."""
        at, across = self.rows.get_indexer(rows), self.columns.get_indexer(columns)
        if not len(self.rows):
            return np.full((len(rows), len(columns)), np.nan)
        values = self.values[at]  # a row that is absent (-1) reads the last one, and is blanked below
        if not np.array_equal(across, np.arange(len(self.columns))):
            values = values[:, across]
        values = values.astype(np.float64, copy=False)
        values[at < 0] = np.nan
        return values


def row_blocks(tables: list[pd.Index], width: int) -> Iterator[pd.Index]:
    """Give the rows of all tables, those of the first before the others', a block at a time."""
    rows = tables[0]
    for other in tables[1:]:
        rows = rows.append(other[rows.get_indexer(other) < 0])
    step = max(1, BLOCK_VALUES // max(1, width))
    return (rows[start : start + step] for start in range(0, len(rows), step))


class Observed:
    """A block of observed values, standardised over all that are present when that is first asked for."""

    def __init__(self, values: np.ndarray) -> None:
        self.values, self.present = values, np.isfinite(values)

    @cached_property
    def rows(self) -> Rows:
        """All rows, standardised."""
        return standardise(self.values, self.present)

    def take(self, keep: slice | np.ndarray) -> Observed:
        """Keep some rows (a mask, or all of them as a slice)."""
        if isinstance(keep, slice):
            return self
        part = Observed(self.values[keep])
        part.rows = self.rows.take(keep)
        return part

    def among(self, present: np.ndarray) -> Rows:
        """Standardise over fewer values; rows that lose none are not done again."""
        fewer = (present != self.present).any(axis=1)
        if not fewer.any():
            return self.rows
        again = standardise(self.values[fewer], present[fewer])
        if fewer.all():
            return again
        mixed = Rows(*(array.copy() for array in self.rows))
        for whole, part in zip(mixed, again, strict=True):
            whole[fewer] = part
        return mixed


class Correlated(NamedTuple):
    """Rows correlated with rows.

    Attributes
    ----------
    table : DataFrame
        ``n``, ``pearson``, ``spearman``, ``status``, ``reason``, ``mean_predicted``, ``mean_observed``; a row each.
    ok : ndarray, bool
        Rows with a correlation.
    predicted, observed : Rows
    present : ndarray, bool, shape (rows, columns)
        Pairs with both values.
    """

    table: pd.DataFrame
    ok: np.ndarray
    predicted: Rows
    observed: Rows
    present: np.ndarray


def correlate_rows(predicted: np.ndarray, observed: Observed) -> Correlated:
    """Correlate rows with rows, and say why where that can't be."""
    here, there = np.isfinite(predicted), observed.present
    present = here & there
    ready, made = observed.among(present), standardise(predicted, present)
    reason = np.select(
        [
            ~here.any(axis=1),
            ~there.any(axis=1),
            ready.n < FEWEST,
            ready.constant & made.constant,
            ready.constant,
            made.constant,
        ],
        [
            "no prediction",
            "no observed expression",
            f"fewer than {FEWEST} people",
            "constant expression and prediction",
            "constant expression",
            "constant prediction",
        ],
        "",
    )
    ok = reason == ""
    table = pd.DataFrame(
        {
            "n": ready.n,
            "pearson": np.where(ok, row_products(made.unit, ready.unit), np.nan),
            "spearman": np.where(ok, row_products(made.rank_unit, ready.rank_unit), np.nan),
            "status": np.where(ok, "ok", "undefined"),
            "reason": reason.astype(object),
            "mean_predicted": made.mean,
            "mean_observed": ready.mean,
        }
    )
    return Correlated(table, ok, made, ready, present)


def shared_ids(left: pd.Index, right: pd.Index, what: str = "person") -> pd.Index:
    """Find the ids in both, in the order of the second; none is an error."""
    both = right[left.get_indexer(right) >= 0]
    if len(both):
        return both
    raise GexvizError(
        f"no {what} is in both the predictions and the expression table ({len(left)} and {len(right)} ids)",
        expected=f"the same {what} ids in both",
        remedy="compare the ids of the two files; `gexviz check` lists what is missing where",
    )
