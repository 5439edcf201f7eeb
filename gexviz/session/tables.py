"""Tables of a session as Parquet: plain columns of numbers and text, their size known before they are decoded."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from gexviz.lazy import lazy
from gexviz.session.contents import TABLES
from gexviz.session.parquet import Described, described
from gexviz.session.refusing import quoted, refused
from gexviz.session.thrift import Unexpected

pa = lazy("pyarrow")
pc = lazy("pyarrow.compute")
pq = lazy("pyarrow.parquet")

MOST_ROWS = 2_000_000
MOST_CELLS = 20_000_000
MOST_TEXT = 20_000
"""Characters of a cell."""
MOST_CHARACTERS = 200_000_000
"""Of a column, repeated text counted each time."""

TEXT = frozenset(
    {"alt", "array", "background", "class", "contig", "gene", "linear", "method", "model", "name", "oligo_alt"}
    | {"oligo_ref", "person", "population", "ref", "sentence", "strand", "unit", "variant", "verdict"}
)
"""Columns that hold text in every table."""
NUMBERS = frozenset(
    {"effect", "end", "n", "observed_high", "observed_low", "p", "pearson", "pearson_high", "pearson_low", "people"}
    | {"position", "predicted_high", "predicted_low", "q", "q10", "q25", "q50", "q75", "q90", "r_lead", "se", "slope"}
    | {"spearman", "start", "tss", "weight"}
)
"""Columns that hold numbers in every table."""

_CONTROL = r"[\x00-\x08\x0b-\x1f\x7f-\x{9f}]"
_EXPECTED = "a table as gexviz writes it: plain columns, not packed (docs/session.md)"


def table_bytes(table: pd.DataFrame, name: str, member: str) -> bytes:
    """A table as a member of the session file, the same bytes each time. Its index is not kept.

    Raises
    ------
    GexvizError
        If it lacks a column that it must have, or has one that can't be written.
    """
    _refuse_other_columns(list(table.columns), name, member)
    try:
        arrow = _typed(pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None))
        made = pa.BufferOutputStream()
        pq.write_table(arrow, made, compression="none", store_schema=False, write_statistics=False)
    except (pa.ArrowException, TypeError) as error:
        raise refused(f"a column can't be written: {error}", member, expected="columns of numbers or text") from None
    content: bytes = made.getvalue().to_pybytes()
    return content


def _typed(arrow: Any) -> Any:
    """The table with one type for text, and a type for columns in which all is missing."""
    fields = []
    for field in arrow.schema:
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if pa.types.is_null(kind):
            kind = pa.float64() if field.name in NUMBERS else pa.large_string()
        fields.append(pa.field(field.name, pa.large_string() if pa.types.is_string(kind) else kind))
    return arrow.cast(pa.schema(fields))


def table_of(content: bytes, name: str, member: str) -> pd.DataFrame:
    """Read what :func:`table_bytes` wrote.

    Raises
    ------
    GexvizError
        For what is no plain Parquet table, too large, lacks a column, or holds other than numbers and text.
    """
    try:
        text = _text_columns(described(content), name, member)
        file = pq.ParquetFile(pa.BufferReader(content), read_dictionary=text)
        arrow = file.read(use_threads=False, use_pandas_metadata=False)
        arrow.validate(full=True)
        columns = {
            column: _texts(values, column, member) if column in text else _numbers(values, column, member)
            for column, values in zip(arrow.column_names, arrow.columns, strict=True)
        }
    except Unexpected as error:
        raise refused(f"the table is none of gexviz's: it has {error}", member, expected=_EXPECTED) from None
    except (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError) as error:
        raise refused(f"the table can't be read ({type(error).__name__})", member, expected=_EXPECTED) from None
    return pd.DataFrame(columns, columns=arrow.column_names)


def _text_columns(table: Described, name: str, member: str) -> list[str]:
    """The columns of text, after a look at all of them."""
    _refuse_other_columns(list(table.columns), name, member)
    if table.rows > MOST_ROWS or table.rows * len(table.columns) > MOST_CELLS:
        size = f"{table.rows:,} rows of {len(table.columns):,} columns"
        raise refused(f"the table has {size}", member, expected=f"at most {MOST_ROWS:,} rows, {MOST_CELLS:,} cells")
    for column, kind in table.columns.items():
        if (column in TEXT and kind != "text") or (column in NUMBERS and kind != "number"):
            expected = "text" if column in TEXT else "numbers"
            raise refused(f"the column {column} is of a wrong kind", member, expected=expected)
    return [column for column, kind in table.columns.items() if kind == "text"]


def _refuse_other_columns(columns: list[Any], name: str, member: str) -> None:
    if lacking := [column for column in TABLES[name] if column not in columns]:
        raise refused(f"the table lacks {', '.join(lacking)}", member, expected=", ".join(TABLES[name]))
    if odd := [c for c in columns if not isinstance(c, str) or not 0 < len(c) <= 300 or not c.isprintable()]:
        raise refused(f"a column can't be named {quoted(odd[0])}", member, expected="names of 300 characters at most")
    if len(set(columns)) < len(columns):
        raise refused("a column is there twice", member)


def _numbers(values: Any, column: str, member: str) -> np.ndarray:
    if values.null_count and pa.types.is_boolean(values.type):
        raise refused(f"the column {quoted(column)} has truth values that are missing", member)
    numbers: np.ndarray = values.to_numpy()
    return numbers


def _texts(values: Any, column: str, member: str) -> pd.Series:
    """Text of a column; each distinct text is looked at once, and its size known before it is repeated."""
    coded = values.combine_chunks()
    if isinstance(coded, pa.ChunkedArray):  # of no rows
        return pd.Series([], dtype="str")
    lengths = pc.utf8_length(coded.dictionary)
    longest, whole = pc.max(lengths).as_py() or 0, pc.sum(lengths.take(coded.indices)).as_py() or 0
    if longest > MOST_TEXT or whole > MOST_CHARACTERS:
        raise refused(f"the column {quoted(column)} holds too much text", member, expected=f"{MOST_TEXT:,} a cell")
    if pc.any(pc.match_substring_regex(coded.dictionary, _CONTROL)).as_py():
        raise refused(f"the column {quoted(column)} holds control characters", member)
    texts: pd.Series = coded.cast(pa.large_string()).to_pandas()
    return texts
