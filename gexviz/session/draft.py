"""What is kept for a study between runs, on disk: the story, the kept views, the notes."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from gexviz.errors import GexvizError
from gexviz.session.contents import Note, State, View
from gexviz.session.notes import Merged, merge

MOST_VIEWS = 1_000
"""Views that a session holds."""

_FORMAT = 1
_TABLES = (
    "CREATE TABLE story (field TEXT PRIMARY KEY, text TEXT)",
    "CREATE TABLE views (id TEXT PRIMARY KEY, place INTEGER, removed INTEGER, content TEXT)",
    "CREATE TABLE notes (id TEXT PRIMARY KEY, content TEXT)",
)
_STORY = ("title", "question", "findings")
_OWN = ("id", "time")
_PATIENCE = 30
"""Seconds to wait for another process that is writing."""


class Conflict(GexvizError):
    """The same text was changed elsewhere since it was read; nothing was written. The message has both texts."""


class Draft:
    """The session of a study that is being made, in one SQLite file of its results folder.

    Not in the file of the results: those can be computed again. Each call is one transaction of its own connection, on
    disk when it returns, so tabs, notebooks and servers can share a folder, and a kill loses nothing.

    Parameters
    ----------
    folder : path
        The study's results folder; made when first written to.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.path = self.folder / "session.sqlite"

    # -- the story and its views -----------------------------------------------------------------------------------

    def state(self) -> State:
        """The story with its views, in order."""
        with self._reading() as db:
            return State.model_validate({**_story(db), "views": _views(db, removed=False)}) if db else State()

    def set_story(
        self,
        *,
        title: str | None = None,
        question: str | None = None,
        findings: str | None = None,
        was: State | None = None,
    ) -> None:
        """Set parts of the story; None leaves one as it is.

        Parameters
        ----------
        title, question, findings : str, optional
        was : State, optional
            As it was read before the change. What others changed since stays; without it, the last one wins.

        Raises
        ------
        Conflict
            If the same part was changed since.
        """
        given = dict(zip(_STORY, (title, question, findings), strict=True))
        mine = {field: text for field, text in given.items() if text is not None}
        State.model_validate(mine)  # refuses what isn't text of a story
        with self._writing() as db:
            if was is not None:
                mine = _merged({field: getattr(was, field) for field in mine}, _story(db), mine)
            db.executemany("INSERT OR REPLACE INTO story VALUES (?, ?)", mine.items())

    def keep(self, view: View) -> None:
        """Add a view, as the last one; to add the same one again changes nothing.

        Raises
        ------
        GexvizError
            If :data:`MOST_VIEWS` are kept already.
        """
        with self._writing() as db:
            _refuse_more(db)
            db.execute(
                "INSERT OR IGNORE INTO views SELECT ?, COALESCE(MAX(place), -1) + 1, 0, ? FROM views",
                (view.id, view.model_dump_json()),
            )

    def edit(self, view: View, was: View) -> View:
        """Change a view, removed or not.

        Parameters
        ----------
        view : View
            As it shall be.
        was : View
            As it was read before the change. What others changed since in other fields stays.

        Returns
        -------
        View
            As it is now.

        Raises
        ------
        Conflict
            If the same field was changed since.
        """
        with self._writing() as db:
            before, now, mine = (_fields(v) for v in (was, _view(db, view.id), view))
            edited = View.model_validate({"id": view.id, "time": view.time, **_merged(before, now, mine)})
            db.execute("UPDATE views SET content = ? WHERE id = ?", (edited.model_dump_json(), view.id))
        return edited

    def move(self, id: str, to: int) -> None:
        """Put a view at another place among those that are not removed; 0 is the first."""
        with self._writing() as db:
            rows = db.execute("SELECT id, removed FROM views WHERE id != ? ORDER BY place", (id,)).fetchall()
            _view(db, id)
            shown = [at for at, (_, removed) in enumerate(rows) if not removed]
            at = shown[max(to, 0)] if max(to, 0) < len(shown) else len(rows)
            order = [row[0] for row in rows]
            order.insert(at, id)
            db.executemany("UPDATE views SET place = ? WHERE id = ?", enumerate(order))

    def remove(self, id: str) -> None:
        """Take a view out of the session; it stays in :meth:`removed`, and keeps its place."""
        with self._writing() as db:
            _view(db, id)
            db.execute("UPDATE views SET removed = 1 WHERE id = ?", (id,))

    def restore(self, id: str) -> None:
        """Take a removed view back, to the place it had."""
        with self._writing() as db:
            _view(db, id)
            if db.execute("SELECT removed FROM views WHERE id = ?", (id,)).fetchone()[0]:
                _refuse_more(db)
                db.execute("UPDATE views SET removed = 0 WHERE id = ?", (id,))

    def removed(self) -> tuple[View, ...]:
        """The views that were removed, and can be restored."""
        with self._reading() as db:
            return _views(db, removed=True) if db else ()

    # -- notes -----------------------------------------------------------------------------------------------------

    def notes(self) -> tuple[Note, ...]:
        """All notes, oldest first."""
        with self._reading() as db:
            return _notes(db) if db else ()

    def add_note(self, note: Note) -> None:
        """Add a note; to add the same one again changes nothing."""
        self.merge([note])

    def merge(self, notes: Iterable[Note]) -> Merged:
        """Add the notes that aren't there yet, all or none; see :func:`gexviz.session.notes.merge`.

        Returns
        -------
        Merged
            All notes, and how many were new.
        """
        incoming = tuple(notes)
        with self._writing() as db:
            merged = merge(_notes(db), incoming)  # refuses one that differs from what is there
            rows = [(note.id, note.model_dump_json()) for note in incoming]
            db.executemany("INSERT OR IGNORE INTO notes VALUES (?, ?)", rows)
        return merged

    # -- the file --------------------------------------------------------------------------------------------------

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection | None]:
        """One look at the file; None while there is nothing in it. Reading makes no file."""
        if not self.path.is_file():
            yield None
            return
        with self._readable(), closing(self._connect()) as db:
            db.execute("BEGIN")  # what is read belongs together
            yield db if self._format(db) else None

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it is kept or none."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._unwritable(error) from None
        with self._readable(), closing(self._connect()) as db, db:
            db.execute("BEGIN IMMEDIATE")  # waits its turn; a lock taken later would be refused at once
            if not self._format(db):
                for statement in _TABLES:
                    db.execute(statement)
                db.execute(f"PRAGMA user_version = {_FORMAT}")
            yield db

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=_PATIENCE, isolation_level=None)

    def _format(self, db: sqlite3.Connection) -> int:
        """The file's format; 0 for a file in which nothing was written yet."""
        found = int(db.execute("PRAGMA user_version").fetchone()[0])
        if found not in (0, _FORMAT):
            raise GexvizError(
                f"the kept views were written by another version of gexviz (format {found})",
                file=self.path,
                expected=f"format {_FORMAT}",
                remedy="use that version, or another results folder",
            )
        return found

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise self._unwritable(error) from None
        except (sqlite3.DatabaseError, ValueError) as error:
            raise GexvizError(
                "the kept views and notes can't be read",
                file=self.path,
                place=type(error).__name__,
                expected="a file that gexviz wrote",
                remedy="take it from a backup, or move it away to begin anew",
            ) from None

    def _unwritable(self, error: Exception) -> GexvizError:
        full = any(word in str(error) for word in ("full", "No space", "disk I/O"))
        return GexvizError(
            "the disk is full" if full else f"views and notes can't be kept: {error}",
            file=self.folder,
            expected="free space" if full else "a results folder that this user may write to",
            remedy="free some space and try again; what was kept before is whole"
            if full
            else 'set `results = "..."` under [study] to a folder of yours, or correct its permissions',
        )


def _story(db: sqlite3.Connection) -> dict[str, str]:
    return dict.fromkeys(_STORY, "") | dict(db.execute("SELECT field, text FROM story"))


def _views(db: sqlite3.Connection, *, removed: bool) -> tuple[View, ...]:
    rows = db.execute("SELECT content FROM views WHERE removed = ? ORDER BY place", (removed,))
    return tuple(View.model_validate_json(content) for (content,) in rows)


def _view(db: sqlite3.Connection, id: str) -> View:
    row = db.execute("SELECT content FROM views WHERE id = ?", (id,)).fetchone()
    if row is None:
        raise GexvizError("there is no such view", place=f"view {id}", expected="the id of a kept view")
    return View.model_validate_json(row[0])


def _refuse_more(db: sqlite3.Connection) -> None:
    if db.execute("SELECT COUNT(*) FROM views WHERE NOT removed").fetchone()[0] >= MOST_VIEWS:
        raise GexvizError(f"{MOST_VIEWS:,} views are kept already", remedy="remove some first")


def _notes(db: sqlite3.Connection) -> tuple[Note, ...]:
    rows = db.execute("SELECT content FROM notes")
    return merge((), [Note.model_validate_json(content) for (content,) in rows]).notes


def _fields(view: View) -> dict[str, Any]:
    return {field: getattr(view, field) for field in type(view).model_fields if field not in _OWN}


def _merged(was: Mapping[str, Any], now: Mapping[str, Any], mine: Mapping[str, Any]) -> dict[str, Any]:
    """My changes over those of others, field by field."""
    merged = {}
    for field, value in mine.items():
        if value != was[field] and now[field] not in (was[field], value):
            raise Conflict(
                f"the {field} was changed in another window since you opened it; nothing was overwritten",
                place=field,
                expected=f"the text that you began with: {_quoted(was[field])}",
                remedy=f"put both together. There it is now: {_quoted(now[field])}. Yours: {_quoted(value)}",
            )
        merged[field] = now[field] if value == was[field] else value
    return merged


def _quoted(value: Any) -> str:
    return f"“{value}”" if isinstance(value, str) else json.dumps(value, default=str)
