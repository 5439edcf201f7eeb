"""Thrift's compact protocol, read against what has to be there: another field, type or size is refused.

Parquet describes itself in it. A reader that skips what it doesn't know can be told one thing where another is read.
"""

from __future__ import annotations

from typing import Any

BOOL, I8, I16, I32, I64, BINARY = "bool", "i8", "i16", "i32", "i64", "binary"

Kind = str | list[Any] | dict[int, Any]
"""One of the above, a list of one kind (``[I32]``), or a structure."""
Fields = dict[int, Kind]
"""A structure: the kinds of its fields, by number."""

_CODES = {I8: 3, I16: 4, I32: 5, I64: 6, BINARY: 8}
_BITS = {I16: 16, I32: 32, I64: 64}
_TRUE, _FALSE, _LIST, _STRUCTURE = 1, 2, 9, 12


class Unexpected(ValueError):
    """Bytes that aren't what was described."""


def structure(content: bytes, at: int, kinds: Fields) -> tuple[dict[int, Any], int]:
    """Read a structure.

    Parameters
    ----------
    content : bytes
    at : int
        Where it begins.
    kinds : Fields
        The fields that it may have.

    Returns
    -------
    dict
        The fields that it has: numbers, truth values, bytes, lists, dicts.
    int
        Where it ends.

    Raises
    ------
    Unexpected
    """
    found: dict[int, Any] = {}
    number = 0
    while byte := _byte(content, at):
        at += 1
        code, step = byte & 0x0F, byte >> 4
        number += step
        if not step or number not in kinds:
            raise Unexpected("fields that gexviz doesn't write")
        kind = kinds[number]
        if kind == BOOL and code in (_TRUE, _FALSE):
            found[number] = code == _TRUE
        elif code == _code(kind):
            found[number], at = _value(content, at, kind)
        else:
            raise Unexpected("fields of an unusual type")
    return found, at + 1


def _code(kind: Kind) -> int | None:
    if isinstance(kind, str):
        return _CODES.get(kind)
    return _LIST if isinstance(kind, list) else _STRUCTURE


def _value(content: bytes, at: int, kind: Kind) -> tuple[Any, int]:
    if isinstance(kind, dict):
        return structure(content, at, kind)
    if isinstance(kind, list):
        return _items(content, at, kind[0])
    if kind == I8:
        return _byte(content, at), at + 1
    if kind == BINARY:
        length, at = _varint(content, at, 31)
        if length > len(content) - at:
            raise Unexpected("text that goes on behind the end")
        return content[at : at + length], at + length
    coded, at = _varint(content, at, _BITS[kind])
    return (coded >> 1) ^ -(coded & 1), at


def _items(content: bytes, at: int, kind: Kind) -> tuple[list[Any], int]:
    byte, at = _byte(content, at), at + 1
    count, code = byte >> 4, byte & 0x0F
    if count == 15:
        count, at = _varint(content, at, 31)
    if code != _code(kind) or count > len(content) - at:  # each item has a byte at least
        raise Unexpected("lists of an unusual type")
    items = []
    for _ in range(count):
        item, at = _value(content, at, kind)
        items.append(item)
    return items, at


def _varint(content: bytes, at: int, bits: int) -> tuple[int, int]:
    """A number of so many bits, and where it ends."""
    number = 0
    for shift in range(0, bits, 7):
        byte = _byte(content, at)
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            if number >> bits:
                break
            return number, at
    raise Unexpected("numbers out of bounds")


def _byte(content: bytes, at: int) -> int:
    if not 0 <= at < len(content):
        raise Unexpected("an end too early")
    return content[at]
