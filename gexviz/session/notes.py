"""Notes as lines of JSON: read, merged and put into threads; never changed once written."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC
from pathlib import Path
from typing import NamedTuple

from gexviz.errors import GexvizError
from gexviz.session.contents import Note
from gexviz.session.documents import document
from gexviz.session.refusing import naming, refused

MOST_NOTES = 10_000
MOST_BYTES = 32_000_000
_LONGEST_LINE = 200_000
_NOTES = "notes.jsonl"


class Merged(NamedTuple):
    """Notes of several sources together.

    Attributes
    ----------
    notes : tuple of Note
        All of them, once each, oldest first.
    added, known : int
        How many of the incoming ones were new, and how many were there.
    """

    notes: tuple[Note, ...]
    added: int
    known: int


class Threaded(NamedTuple):
    """A note in its thread; `depth` is 0 where it begins one."""

    note: Note
    depth: int


def parse_notes(content: bytes | str, file: str | None = None) -> tuple[Note, ...]:
    """Read notes, a JSON object a line.

    Parameters
    ----------
    content : bytes or str
    file : str, optional
        Its name, for errors.

    Returns
    -------
    tuple of Note
        Oldest first, each once, times in UTC.

    Raises
    ------
    GexvizError
        Naming the line that is no note, or two notes of one id that differ.
    """
    with naming(file):
        if isinstance(content, str):
            content = content.encode("utf-8", "surrogatepass")  # half a character is refused where it stands
        if len(content) > MOST_BYTES:
            raise refused("there are too many notes", _NOTES, expected=f"at most {MOST_BYTES / 1e6:.0f} MB")
        lines = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
        found = [_note(line, number) for number, line in enumerate(lines, start=1) if line.strip()]
        return merge((), found).notes


def read_notes(path: str | Path) -> tuple[Note, ...]:
    """Read a file of notes; see :func:`parse_notes`.

    Raises
    ------
    GexvizError
        Also for a file that can't be read.
    """
    try:
        with Path(path).open("rb") as file:
            return parse_notes(file.read(MOST_BYTES + 1), str(path))
    except OSError as error:
        raise GexvizError(
            f"the notes can't be read: {error.strerror}",
            file=path,
            expected="a notes.jsonl, as the offline report saves it",
            remedy="correct the path or its permissions",
        ) from None


def dump_notes(notes: Iterable[Note]) -> bytes:
    """Notes as :func:`parse_notes` reads them, oldest first."""
    return b"".join(note.model_dump_json().encode() + b"\n" for note in merge((), notes).notes)


def merge(existing: Iterable[Note], incoming: Iterable[Note]) -> Merged:
    """Put notes together: in whatever order and however often they come, the outcome is the same.

    Parameters
    ----------
    existing, incoming : iterable of Note

    Returns
    -------
    Merged

    Raises
    ------
    GexvizError
        If two notes of one id differ, or there are more than :data:`MOST_NOTES`.
    """
    notes: dict[str, Note] = {}
    for note in existing:
        _add(notes, note)
    before = len(notes)
    ids = {_add(notes, note) for note in incoming}
    if len(notes) > MOST_NOTES:
        raise refused(f"there are {len(notes):,} notes", _NOTES, expected=f"at most {MOST_NOTES:,}")
    added = len(notes) - before
    return Merged(tuple(sorted(notes.values(), key=_order)), added, len(ids) - added)


def threads(notes: Iterable[Note]) -> tuple[Threaded, ...]:
    """Notes in the order to show them: each thread by its first note, answers below what they answer.

    An answer to a note that isn't there begins a thread of its own; so does one of a ring of notes that answer each
    other.
    """
    ordered = sorted(notes, key=_order)
    there = {note.id for note in ordered}
    answers: dict[str | None, list[Note]] = {}
    for note in ordered:
        answers.setdefault(note.reply_to if note.reply_to in there else None, []).append(note)
    shown: dict[str, Threaded] = {}
    for first in [*answers.get(None, []), *ordered]:  # all others hang on a ring
        pending = [Threaded(first, 0)]
        while pending:
            note, depth = pending.pop()
            if note.id not in shown:
                shown[note.id] = Threaded(note, depth)
                pending += [Threaded(answer, depth + 1) for answer in reversed(answers.get(note.id, []))]
    return tuple(shown.values())


def _note(line: bytes, number: int) -> Note:
    place = f"{_NOTES}, line {number}"
    if len(line) > _LONGEST_LINE:
        raise refused("a note is too long", place, expected=f"at most {_LONGEST_LINE:,} bytes a line")
    note = document(line, Note, place)
    try:
        return note.model_copy(update={"time": note.time.astimezone(UTC)})
    except (OverflowError, ValueError):
        raise refused("a note's time is out of bounds", place, expected="a time in UTC") from None


def _add(notes: dict[str, Note], note: Note) -> str:
    if notes.setdefault(note.id, note) != note:
        raise refused(
            "two notes have one id and differ",
            f"note {note.id}",
            expected="notes as they were written: they are added, never changed",
            remedy="ask who sent it for the file as it was saved",
        )
    return note.id


def _order(note: Note) -> tuple[object, str]:
    return note.time, note.id
