"""The pages of a Parquet table, looked at before anything decodes them.

A few bytes of some encodings stand for gigabytes, and each page names its own encoding, whatever the footer says. What
passes here is as large in memory as in the file, but for text that a dictionary repeats.
"""

from __future__ import annotations

from typing import Any

from gexviz.session.refusing import refused

_EXPECTED = "a table as gexviz writes it: not packed, plain or dictionary-encoded"
_WRITER = "parquet-cpp-arrow"
_DATA_PAGE, _DICTIONARY_PAGE = 0, 2
_PLAIN, _PLAIN_DICTIONARY, _RLE, _RLE_DICTIONARY = 0, 2, 3, 8
_DATA = {_PLAIN, _PLAIN_DICTIONARY, _RLE, _RLE_DICTIONARY}
_MOST_GROUPS = 1_000

_TRUE, _FALSE, _I32, _BINARY, _STRUCT = 1, 2, 5, 8, 12
"""Types of fields that a page's header has, in Thrift's compact protocol."""


class _Unusual(ValueError):
    """A page that gexviz doesn't write."""


def refuse_unusual(content: bytes, footer: Any, member: str) -> None:
    """Refuse a table whose pages are packed, encoded in another way, or not where and what the footer says.

    Parameters
    ----------
    content : bytes
        The whole file.
    footer : pyarrow.parquet.FileMetaData
    member : str
        Where it stands, for errors.

    Raises
    ------
    GexvizError
    """
    try:
        _check(content, footer)
    except (_Unusual, IndexError) as error:
        raise refused(f"the table is not one of gexviz's: {error}", member, expected=_EXPECTED) from None


def _check(content: bytes, footer: Any) -> None:
    groups = range(footer.num_row_groups)
    if not str(footer.created_by).startswith(_WRITER) or len(groups) > _MOST_GROUPS:
        raise _Unusual("written by something else")
    if sum(footer.row_group(i).num_rows for i in groups) != footer.num_rows:
        raise _Unusual("rows that don't add up")
    end = len(content) - footer.serialized_size - 8  # the footer's length and the magic bytes follow it
    for i in groups:
        group = footer.row_group(i)
        for j in range(footer.num_columns):
            _check_chunk(content, group.column(j), group.num_rows, end)


def _check_chunk(content: bytes, chunk: Any, rows: int, end: int) -> None:
    """Walk from page to page through the values of one column."""
    if chunk.compression != "UNCOMPRESSED" or chunk.file_path or chunk.num_values != rows:
        raise _Unusual("packed columns, or columns of another length")
    if not rows:
        return
    at, first = chunk.data_page_offset, chunk.dictionary_page_offset
    at = first if first and first < at else at
    stop, values = at + chunk.total_compressed_size, 0
    if not 4 <= at <= stop <= end:
        raise _Unusual("columns that lie outside the file")
    while at < stop:
        header, at = _fields(content, at)
        values += _expected_values(header, rows)
        at += header[3]
    if at != stop or values != rows:
        raise _Unusual("pages that don't fill their column")


def _expected_values(header: dict[int, Any], rows: int) -> int:
    """Values of a column that a page holds, after a look at its kind and encoding."""
    kind, unpacked, packed = header.get(1), header.get(2), header.get(3)
    if not isinstance(packed, int) or packed != unpacked or packed < 0:
        raise _Unusual("pages that are packed")
    if kind == _DATA_PAGE and isinstance(page := header.get(5), dict):
        count = page.get(1)
        if page.get(2) in _DATA and page.get(3) == _RLE and isinstance(count, int) and 0 <= count <= rows:
            return count
    elif kind == _DICTIONARY_PAGE and isinstance(page := header.get(7), dict):
        count = page.get(1)
        if page.get(2) in (_PLAIN, _PLAIN_DICTIONARY) and isinstance(count, int) and 0 <= count <= max(rows, 1):
            return 0
    raise _Unusual("pages of an unusual kind or encoding")


def _fields(content: bytes, at: int, depth: int = 0) -> tuple[dict[int, Any], int]:
    """A Thrift structure by field number, and where it ends."""
    found: dict[int, Any] = {}
    last = 0
    while byte := content[at]:
        at += 1
        kind, step = byte & 0x0F, byte >> 4
        if not step:
            raise _Unusual("a page header in long form")
        last += step
        if kind in (_TRUE, _FALSE):
            found[last] = kind == _TRUE
        elif kind == _I32:
            number, at = _varint(content, at)
            found[last] = (number >> 1) ^ -(number & 1)
        elif kind == _BINARY:
            length, at = _varint(content, at)
            at += length
        elif kind == _STRUCT and depth < 2:  # the page's own, and the statistics in it
            found[last], at = _fields(content, at, depth + 1)
        else:
            raise _Unusual("a page header of an unusual kind")
    return found, at + 1


def _varint(content: bytes, at: int) -> tuple[int, int]:
    """A number of 32 bits at most, and where it ends."""
    number = 0
    for shift in range(0, 35, 7):
        byte = content[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            if number >> 32:
                break
            return number, at
    raise _Unusual("a number out of bounds")
