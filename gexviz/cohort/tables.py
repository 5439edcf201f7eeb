"""Tab-separated tables of text and numbers, plain or gzipped, with errors that name the cell."""

from __future__ import annotations

import codecs
import csv
import gzip
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv

from gexviz.cohort.bgzf import check_whole
from gexviz.errors import GexvizError

_NULLS = ["", "NA", "NaN", "nan", "N/A", "NULL", "null", "None"]
_EXCEL = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_SEPARATORS = {",": "commas", ";": "semicolons", " ": "spaces"}
_NAMED = 5
_COPY = "copy or download it again"


def read_header(path: Path) -> list[str]:
    """Read the column names of a table.

    Parameters
    ----------
    path : Path
        TSV, plain or gzipped.

    Returns
    -------
    list of str
        Without the empty names that some files have at the end.

    Raises
    ------
    GexvizError
        For a missing, unreadable or empty file, a spreadsheet, text that isn't UTF-8, columns that aren't separated by
        tabs, or a name that stands twice.
    """
    check_whole(path)
    try:
        with gzip.open(path, "rb") if _gzipped(path) else path.open("rb") as handle:
            first = handle.readline()
    except (OSError, EOFError, zlib.error) as error:
        raise GexvizError(f"can't unpack the file: {error}", file=path, remedy=_COPY) from error
    if first.startswith(_EXCEL):
        raise GexvizError(
            "this is a spreadsheet", file=path, expected="text, columns separated by tabs", remedy="save it as TSV"
        )
    try:
        line = first.removeprefix(codecs.BOM_UTF8).decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise GexvizError(
            "this is not UTF-8 text",
            file=path,
            place="line 1",
            expected="UTF-8 text, columns separated by tabs",
            remedy="convert it: iconv -t UTF-8",
        ) from None
    names = [name.strip() for name in next(csv.reader([line], delimiter="\t"), [])]
    while names and not names[-1]:
        names.pop()
    if len(names) < 2:
        found = next((word for sign, word in _SEPARATORS.items() if sign in line), None)
        raise GexvizError(
            f"the columns are separated by {found}, not tabs" if found else "the table has fewer than two columns",
            file=path,
            place="line 1",
            expected="columns separated by tabs",
            remedy="write it again with tabs (R: sep='\\t'; pandas: sep='\\t')",
        )
    no_name_twice(names, path)
    return names


def no_name_twice(names: Sequence[str], path: Path) -> None:
    """See that no column name stands twice.

    Raises
    ------
    GexvizError
        Naming it and both columns.
    """
    seen: dict[str, int] = {}
    for column, name in enumerate(names, start=1):
        if name in seen:
            raise GexvizError(
                f"column {name!r} is there twice",
                file=path,
                place=f"columns {seen[name]} and {column}",
                expected="each sample or column once",
                remedy="remove or rename one of them",
            )
        seen[name] = column


def read_tsv(path: Path, names: Sequence[str], *, text: int) -> pd.DataFrame:
    """Read a table whose first columns are text and whose others are numbers.

    Parameters
    ----------
    path : Path
    names : sequence of str
        As from :func:`read_header`.
    text : int
        How many columns, from the first, are text. The others become float64, NaN where the cell is empty or NA.

    Returns
    -------
    DataFrame

    Raises
    ------
    GexvizError
        For a damaged file, a table without rows, a row with too few or too many cells, or a cell that isn't a (finite)
        number.
    """
    try:
        table = _parse(path, names, {name: pa.string() if i < text else pa.float64() for i, name in enumerate(names)})
    except pa.ArrowInvalid as error:
        raise _explain(path, names, text, str(error)) from None
    if table.num_rows == 0:
        raise GexvizError("the table has no rows", file=path, expected="a row for each gene, sample or covariate")
    frame = pd.DataFrame({name: table[name].to_pandas() for name in names[:text]})
    for name in names[:text]:
        frame[name] = frame[name].str.strip()
    numbers = np.empty((table.num_rows, len(names) - text), order="F")
    for i, name in enumerate(names[text:]):
        numbers[:, i] = table[name].to_numpy()
    infinite = np.isinf(numbers)
    if infinite.any():
        row, column = np.argwhere(infinite)[0]
        raise text_cell(path, frame, int(row), names[text + column], str(numbers[row, column]))
    return pd.concat([frame, pd.DataFrame(numbers, columns=list(names[text:]))], axis=1)


def text_cell(path: Path, frame: pd.DataFrame, row: int, column: str, found: str) -> GexvizError:
    """The error for a cell that should be a number; `frame` has the row's first columns."""
    key = next((c for c in ("gene", "gene_id", "pid") if c in frame.columns), frame.columns[0])
    return GexvizError(
        f"{found!r} is not a number",
        file=path,
        place=f"row {row + 2:,} ({key} {frame[key].iat[row]}), column {column}",
        expected="a number, or NA",
        remedy="correct the cell, or take the column out if it isn't a sample",
    )


def rows_in_words(rows: np.ndarray) -> str:
    """Name rows of a file, ``rows 2 and 4``, by where they stand below its heading (0-based); of many the first few."""
    named = [f"{row + 2:,}" for row in rows[:_NAMED]]
    if len(rows) > _NAMED:
        named.append(f"{len(rows) - _NAMED:,} more")
    return f"rows {', '.join(named[:-1])} and {named[-1]}"


def _gzipped(path: Path) -> bool:
    with path.open("rb") as handle:
        return handle.read(2) == b"\x1f\x8b"


def _parse(path: Path, names: Sequence[str], types: dict[str, pa.DataType]) -> pa.Table:
    convert = pa_csv.ConvertOptions(column_types=types, null_values=_NULLS, strings_can_be_null=False)
    try:
        with pa.input_stream(str(path), compression="gzip" if _gzipped(path) else None) as stream:
            return pa_csv.read_csv(
                stream,
                read_options=pa_csv.ReadOptions(column_names=list(names), skip_rows=1),
                parse_options=pa_csv.ParseOptions(delimiter="\t"),
                convert_options=convert,
            )
    except OSError as error:
        raise GexvizError(
            f"the file can't be unpacked: {error}", file=path, expected="a whole file", remedy=_COPY
        ) from error


def _explain(path: Path, names: Sequence[str], text: int, message: str) -> GexvizError:
    """Find the cell or row that a table stumbled on."""
    try:
        table = _parse(path, names, dict.fromkeys(names, pa.string())).to_pandas()
    except pa.ArrowInvalid as error:
        found = str(error).split("CSV parse error: ")[-1]
        return GexvizError(
            f"a row has the wrong number of cells: {found[:120]}",
            file=path,
            expected=f"{len(names)} cells in every row, as in the header",
            remedy="add the missing cells (NA), or the missing name in the header (R: write.table(..., col.names=NA))",
        )
    for name in names[text:]:
        cells = table[name].str.strip()
        bad = pd.to_numeric(cells, errors="coerce").isna() & ~cells.isin(_NULLS)
        if bad.any():
            row = int(np.argmax(bad.to_numpy()))
            return text_cell(path, table, row, name, cells.iat[row])
    return GexvizError(f"the table can't be read: {message}", file=path)
