"""Whether texts name people of the study, or places on this machine."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from gexviz.session.contents import Note, Session, State

_WORD = re.compile(r"[^\W_]+")
_PATH = re.compile(r"(?<![\w/])(?:[A-Za-z]:\\|~?/)[^\s/\\\"'<>|]+(?:[/\\][^\s/\\\"'<>|]*)+")
_SHORTEST = 4


class Names(NamedTuple):
    """What no text may name.

    Attributes
    ----------
    words : frozenset of str
        Sample ids of one word.
    phrases : tuple of str
        Of several, as ``HG 001``, their words with spaces between and around.
    folders : tuple of str
    """

    words: frozenset[str]
    phrases: tuple[str, ...]
    folders: tuple[str, ...]

    def in_text(self, text: str) -> bool:
        """Whether a text names one of them."""
        found = _WORD.findall(text)
        spaced = f" {' '.join(found)} "
        return (
            not self.words.isdisjoint(found)
            or any(phrase in spaced for phrase in self.phrases)
            or any(folder in text for folder in self.folders)
        )


def names_of(people: Iterable[str], folders: Iterable[Path]) -> Names:
    """Collect what no text may name.

    Sample ids of fewer than four characters, or without a digit, are words like others and are not looked for.
    """
    telling = [i for i in map(str, people) if len(i) >= _SHORTEST and any(c.isdigit() for c in i)]
    split = {" ".join(_WORD.findall(i)) for i in telling} - {""}
    roots = {str(folder) for folder in folders if len(folder.parts) > 1}
    return Names(
        frozenset(i for i in split if " " not in i), tuple(f" {i} " for i in split if " " in i), tuple(sorted(roots))
    )


def without_paths(text: str) -> str:
    """A text with the last part alone of each absolute path."""
    return _PATH.sub(lambda found: re.split(r"[/\\]", found[0].rstrip("/\\"))[-1], text)


def naming(session: Session, names: Names) -> Iterator[str]:
    """Say where a session's texts name a person or a folder; never whom."""
    yield from _in_state(session.state, names)
    yield from _in_notes(session.notes, names)
    if names.in_text(session.manifest.model_dump_json()):
        yield "the name of the study, a model or an input"
    for table, content in session.tables.items():
        for column in content.select_dtypes(["object", "string", "category"]):
            if any(names.in_text(str(text)) for text in content[column].unique()):
                yield f"column {column} of table {table}"


def _in_state(state: State, names: Names) -> Iterator[str]:
    for field in ("title", "question", "findings"):
        if names.in_text(getattr(state, field)):
            yield f"the {field}"
    for number, view in enumerate(state.views, start=1):
        if names.in_text(view.model_dump_json(exclude={"id", "time"})):
            yield f"view {number}" + (f" ({view.title})" if view.title and not names.in_text(view.title) else "")


def _in_notes(notes: Iterable[Note], names: Names) -> Iterator[str]:
    for number, note in enumerate(notes, start=1):
        if names.in_text(note.model_dump_json(exclude={"id", "time", "reply_to"})):
            yield f"note {number}, of {note.time:%Y-%m-%d %H:%M}"
