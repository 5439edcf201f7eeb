"""How a file that somebody sent is refused: one message, naming the file, the member and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gexviz.errors import GexvizError

_REMEDY = "ask who sent it for the file as gexviz wrote it"


def refused(problem: str, member: str, *, expected: str | None = None, remedy: str = _REMEDY) -> GexvizError:
    """The error for a member of a session file, or for a place in one."""
    return GexvizError(problem, place=member, expected=expected, remedy=remedy)


def quoted(text: object) -> str:
    """Whatever a stranger wrote, short and printable, for a message."""
    whole = str(text)
    short = whole if len(whole) <= 80 else whole[:79] + "…"
    return "'" + "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in short) + "'"


@contextmanager
def naming(file: str | None) -> Iterator[None]:
    """Name the file in the errors of the block."""
    try:
        yield
    except GexvizError as error:
        if error.file is not None:
            raise
        raise GexvizError(
            error.problem, file=file, place=error.place, expected=error.expected, remedy=error.remedy
        ) from None
