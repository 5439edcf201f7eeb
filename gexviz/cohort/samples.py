"""Who the people are, and their covariates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from gexviz.cohort.tables import read_header, read_tsv, rows_in_words
from gexviz.errors import GexvizError


def read_samples(path: str | Path) -> pd.DataFrame:
    """Read a table of people.

    Parameters
    ----------
    path : path
        TSV, plain or gzipped: a column ``sample`` (else the first column is taken), then any others, as ``population``,
        ``sex``, ``split``.

    Returns
    -------
    DataFrame
        Index ``sample``; the other columns as given, as text (an empty cell is an empty text).

    Raises
    ------
    GexvizError
        For a damaged file, columns not separated by tabs, a sample that is there twice, or a row without one.
    """
    path = Path(path)
    names = read_header(path)
    table = read_tsv(path, names, text=len(names))
    key = "sample" if "sample" in names else names[0]
    _unique(table[key], path, what="sample")
    return table.set_index(key).rename_axis("sample")


def read_covariates(path: str | Path) -> pd.DataFrame:
    """Read covariates.

    Parameters
    ----------
    path : path
        TSV, plain or gzipped, as QTLtools and tensorQTL take it: covariates in rows (their names in the first column),
        samples in columns. All are numbers; write a category as one 0/1 row a level.

    Returns
    -------
    DataFrame
        Sample x covariate, float64; index ``sample``.

    Raises
    ------
    GexvizError
        For a damaged file, a cell that isn't a number, an empty cell, or a covariate or sample that is there twice.
    """
    path = Path(path)
    names = read_header(path)
    table = read_tsv(path, names, text=1)
    _unique(table[names[0]], path, what="covariate")
    values = table.set_index(names[0])
    missing = values.isna().to_numpy()
    if missing.any():
        row, column = np.argwhere(missing)[0]
        raise GexvizError(
            f"covariate {values.index[row]} is missing for a sample",
            file=path,
            place=f"row {row + 2:,} (covariate {values.index[row]}), column {values.columns[column]}",
            expected="a number for every sample",
            remedy="fill it in, or remove the sample",
        )
    return values.T.rename_axis(index="sample", columns="covariate")


def _unique(ids: pd.Series, path: Path, *, what: str) -> None:
    twice = ids.duplicated(keep=False)
    if twice.any():
        first = ids[twice].iloc[0]
        rows = np.flatnonzero(ids == first)
        raise GexvizError(
            f"{what} {first} is there {len(rows):,} times",
            file=path,
            place=rows_in_words(rows),
            expected=f"one row for each {what}",
            remedy="remove the others",
        )
    if ids.eq("").any():
        row = int(np.argmax(ids.eq("").to_numpy()))
        raise GexvizError(
            f"a row has no {what}", file=path, place=f"row {row + 2:,}", expected=f"a {what} in every row"
        )
