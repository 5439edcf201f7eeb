"""A Parquet table, looked at before anything decodes it: what its columns are, and that its pages hold them plainly.

A few bytes of some encodings stand for gigabytes, whatever the footer says, as each page names its own; and pyarrow 26
ends the process when asked for a codec that it doesn't know. What passes here is as large in memory as in the file, but
for what a dictionary repeats.
"""

from __future__ import annotations

import struct
from typing import Any, Literal, NamedTuple

from gexviz.session.refusing import quoted
from gexviz.session.thrift import BINARY, BOOL, I8, I16, I32, I64, Fields, Unexpected, structure

Kind = Literal["text", "number", "truth"]

MOST_COLUMNS = 1_000
_LONGEST_FOOTER = 4_000_000
_MAGIC = b"PAR1"
_WRITER = b"parquet-cpp-arrow"

_LOGICAL: Fields = {1: {}, 10: {1: I8, 2: BOOL}}  # text, integers of some bits
_COLUMN: Fields = {1: I32, 3: I32, 4: BINARY, 5: I32, 6: I32, 10: _LOGICAL}
_ENCODINGS: Fields = {1: I32, 2: I32, 3: I32}
_SIZES: Fields = {1: I64, 2: [I64], 3: [I64]}
_VALUES: Fields = {1: I32, 2: [I32], 3: [BINARY], 4: I32, 5: I64, 6: I64, 7: I64, 9: I64, 11: I64}
_VALUES |= {13: [_ENCODINGS], 16: _SIZES}
_GROUP: Fields = {1: [{2: I64, 3: _VALUES}], 2: I64, 3: I64, 5: I64, 6: I64, 7: I16}
_FOOTER: Fields = {1: I32, 2: [_COLUMN], 3: I64, 4: [_GROUP], 6: BINARY, 7: [{1: {}}]}
_DATA: Fields = {1: I32, 2: I32, 3: I32, 4: I32, 5: {}}
_DICTIONARY: Fields = {1: I32, 2: I32, 3: BOOL}
_PAGE: Fields = {1: I32, 2: I32, 3: I32, 5: _DATA, 7: _DICTIONARY}

_KINDS: dict[int, Kind] = {0: "truth", 1: "number", 2: "number", 4: "number", 5: "number", 6: "text"}
_TEXT_CONVERTED = 0
_OPTIONAL = 1
_UNPACKED = 0
_DATA_PAGE, _DICTIONARY_PAGE = 0, 2
_PLAIN, _PLAIN_DICTIONARY, _RLE, _RLE_DICTIONARY = 0, 2, 3, 8
_DATA_ENCODINGS = {_PLAIN, _PLAIN_DICTIONARY, _RLE, _RLE_DICTIONARY}
_DICTIONARY_ENCODINGS = {_PLAIN, _PLAIN_DICTIONARY}


class Described(NamedTuple):
    """What a table's footer tells, once it is known to be true."""

    rows: int
    columns: dict[str, Kind]


def described(content: bytes) -> Described:
    """Look a Parquet file over without decoding it.

    Parameters
    ----------
    content : bytes
        The whole file.

    Returns
    -------
    Described

    Raises
    ------
    Unexpected
        For anything that gexviz doesn't write: nested, typed or packed columns, other encodings, metadata for readers,
        pages that aren't where and what the footer says.
    """
    footer, end = _footer(content)
    columns = _columns(footer.get(2, []))
    groups = footer.get(4, [])
    rows = sum(_number(group, 3) for group in groups)
    if not footer.get(6, b"").startswith(_WRITER) or footer.get(3) != rows:
        raise Unexpected("rows that don't add up")
    for group in groups:
        chunks = [chunk.get(3, {}) for chunk in group.get(1, [])]
        if [chunk.get(3) for chunk in chunks] != [[name.encode()] for name in columns]:
            raise Unexpected("columns in another order")
        for chunk, column in zip(chunks, footer[2][1:], strict=True):
            if chunk.get(1) != column[1]:
                raise Unexpected("columns of two types")
            _check_chunk(content, chunk, _number(group, 3), end)
    return Described(rows, columns)


def _footer(content: bytes) -> tuple[dict[int, Any], int]:
    """The footer, and where it begins."""
    if len(content) < 12 or content[:4] != _MAGIC or content[-4:] != _MAGIC:
        raise Unexpected("no Parquet table")
    length = struct.unpack("<I", content[-8:-4])[0]
    if length > min(_LONGEST_FOOTER, len(content) - 12):
        raise Unexpected("a footer of another size")
    begin = len(content) - 8 - length
    footer, end = structure(content[begin : begin + length], 0, _FOOTER)
    if end != length:
        raise Unexpected("a footer of another size")
    return footer, begin


def _columns(schema: list[dict[int, Any]]) -> dict[str, Kind]:
    """Kinds of the columns by name, in order."""
    if not 1 <= len(schema) <= MOST_COLUMNS + 1 or schema[0].get(5) != len(schema) - 1 or 1 in schema[0]:
        raise Unexpected("columns that are nested, or too many")
    columns: dict[str, Kind] = {}
    for column in schema[1:]:
        name, kind = column.get(4, b"").decode(), _KINDS.get(column.get(1, -1))
        if kind is None or 5 in column or column.get(3) != _OPTIONAL or not _plain(column, kind):
            raise Unexpected(f"a column that holds neither text nor numbers, {quoted(name)}")
        if name in columns:
            raise Unexpected("a column that is there twice")
        columns[name] = kind
    return columns


def _plain(column: dict[int, Any], kind: Kind) -> bool:
    """Whether a column's values are what their bytes are, text or numbers; no dates, no decimals."""
    logical = column.get(10, {})
    if kind == "text":
        return bool(logical == {1: {}} and column.get(6) == _TEXT_CONVERTED)
    return logical.keys() == {10} if logical else 6 not in column


def _check_chunk(content: bytes, chunk: dict[int, Any], rows: int, end: int) -> None:
    """Walk from page to page through the values of one column."""
    if chunk.get(4) != _UNPACKED or _number(chunk, 5) != rows or _number(chunk, 6) != _number(chunk, 7):
        raise Unexpected("packed columns, or columns of another length")
    if not rows:
        return
    at = min(_number(chunk, field) for field in (9, 11) if field in chunk or field == 9)
    stop, values = at + _number(chunk, 7), 0
    if not 4 <= at <= stop <= end:
        raise Unexpected("columns that lie elsewhere")
    while at < stop:
        header, at = structure(content, at, _PAGE)
        size = _number(header, 3)
        if _number(header, 2) != size:
            raise Unexpected("packed pages")
        values += _held(header, rows)
        at += size
    if at != stop or values != rows:
        raise Unexpected("pages that don't fill their column")


def _held(header: dict[int, Any], rows: int) -> int:
    """Values of a column that a page holds, after a look at its kind and encoding."""
    kind, data, dictionary = header.get(1), header.get(5, {}), header.get(7, {})
    if kind == _DATA_PAGE and data.get(2) in _DATA_ENCODINGS and data.get(3) == _RLE:
        return _number(data, 1)
    if kind == _DICTIONARY_PAGE and dictionary.get(2) in _DICTIONARY_ENCODINGS and _number(dictionary, 1) <= rows:
        return 0
    raise Unexpected("pages of an unusual kind or encoding")


def _number(fields: dict[int, Any], field: int) -> int:
    number = fields.get(field, -1)
    if not isinstance(number, int) or number < 0:
        raise Unexpected("numbers that are missing or negative")
    return number
