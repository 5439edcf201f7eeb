"""JSON of strangers: read strictly, then checked against what it has to be."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from gexviz.session.contents import SCHEMA
from gexviz.session.refusing import quoted, refused

MOST_BYTES = 4_000_000
"""Of one document."""
MOST_COMMAS = 200_000
"""Each stands before a value, or in a text."""

_Model = TypeVar("_Model", bound=BaseModel)


class _NotStrict(ValueError):
    """JSON that Python's reader would let pass."""


def document(content: bytes, kind: type[_Model], member: str) -> _Model:
    """Read a JSON document.

    Parameters
    ----------
    content : bytes
    kind : type
        What it has to be.
    member : str
        Where it stands, for errors.

    Returns
    -------
    BaseModel
        Of `kind`.

    Raises
    ------
    GexvizError
        For what is no strict JSON (a key twice, NaN, Infinity, nesting without end), and for keys and values that
        `kind` doesn't have.
    """
    if len(content) > MOST_BYTES or content.count(b",") > MOST_COMMAS:
        limit = f"at most {MOST_BYTES / 1e6:.0f} MB and {MOST_COMMAS:,} values"
        raise refused("a document is too large", member, expected=limit)
    try:
        text = content.decode("utf-8")
        raw = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite)
    except _NotStrict as error:
        raise refused(str(error), member, expected="JSON without repeated keys, NaN or Infinity") from None
    except RecursionError:
        raise refused("JSON is nested too deeply", member, expected=f"a {kind.__name__.lower()}") from None
    except ValueError:  # of the text's encoding, of JSON, of a number of thousands of digits
        raise refused("this is not valid JSON", member, expected=f"a {kind.__name__.lower()}, UTF-8") from None
    _refuse_newer(raw, member)
    try:
        return kind.model_validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(quoted(part)[1:-1] for part in first["loc"])
        raise refused(
            f"{place} isn't right: {_words(first['msg'])}" if place else _words(first["msg"]),
            member,
            expected="what docs/session.md describes",
        ) from None


def _words(message: str) -> str:
    return message.removeprefix("Value error, ")[:200]


def _refuse_newer(raw: Any, member: str) -> None:
    """Say plainly that a file is of another version, not which of its keys is unknown."""
    version = raw.get("schema_version", SCHEMA) if isinstance(raw, dict) else SCHEMA
    if version != SCHEMA:
        raise refused(
            "the session file is of another version of gexviz",
            member,
            expected=f"schema version {SCHEMA}, not {quoted(version)}",
            remedy="install a gexviz that reads it",
        )


def _unique(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _NotStrict(f"the key {quoted(key)} is there twice")
        found[key] = value
    return found


def _no_constant(name: str) -> Any:
    raise _NotStrict(f"there is {name} where a number has to be")


def _finite(digits: str) -> float:
    number = float(digits)
    return number if math.isfinite(number) else _no_constant("a number beyond any bound")
