"""What was computed, on disk: one SQLite file of per-gene results, each keyed by everything that went into it."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gexviz.digests import file_digest, stamp
from gexviz.errors import GexvizError

_FORMAT = 1
_TABLES = (
    "CREATE TABLE files (path TEXT PRIMARY KEY, size INTEGER, mtime INTEGER, digest TEXT)",
    "CREATE TABLE runs (id INTEGER PRIMARY KEY, digest TEXT UNIQUE, inputs TEXT, samples TEXT, created TEXT)",
    "CREATE TABLE genes (kind TEXT, model TEXT, gene TEXT, key TEXT, run INTEGER, reason TEXT, facts TEXT, dtype TEXT, "
    "shape TEXT, numbers BLOB, PRIMARY KEY (kind, model, gene))",
)
_ARRAYS = (
    "CREATE TABLE IF NOT EXISTS arrays (key TEXT, part TEXT, facts TEXT, dtype TEXT, shape TEXT, numbers BLOB, "
    "PRIMARY KEY (key, part))"
)


@dataclass(frozen=True)
class Run:
    """What a set of per-gene results has in common: its inputs (name -> digest or value) and its people, in order."""

    inputs: Mapping[str, str]
    samples: tuple[str, ...]

    @cached_property
    def digest(self) -> str:
        """Hash of all of it."""
        return digest_of(dict(self.inputs), self.samples)


class Record(NamedTuple):
    """One gene's result.

    Attributes
    ----------
    gene : str
    key : str
        Hash of everything that went in, the gene's own place included.
    reason : str or None
        Why there are no numbers (the model can't serve the gene); None if there are.
    facts : dict
        Counts and shares to show beside the numbers (JSON).
    numbers : ndarray or None
        First axis: the run's people.
    samples : tuple of str
        The run's people.
    """

    gene: str
    key: str
    reason: str | None
    facts: dict[str, Any]
    numbers: np.ndarray | None
    samples: tuple[str, ...] = ()


class Part(NamedTuple):
    """A stored piece of an array: some chunk of positions, or one of several arrays of a result.

    Attributes
    ----------
    numbers : ndarray
    facts : dict
        What to show beside the numbers (JSON).
    """

    numbers: np.ndarray
    facts: dict[str, Any]


def digest_of(*parts: Any) -> str:
    """Hash of JSON-able values, 32 hex digits."""
    return hashlib.blake2b(json.dumps(parts, sort_keys=True, default=str).encode(), digest_size=16).hexdigest()


class Results:
    """A study's results folder. Written to only when something is put in; a row is written whole or not at all.

    Parameters
    ----------
    folder : path
        Made when first written to.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self.path = self.folder / "results.sqlite"
        self._lock = threading.RLock()
        self._open: sqlite3.Connection | None = None
        self._inode: int | None = None
        self._digests: dict[tuple[str, int, int], str] = {}
        self._runs: dict[int, Run] = {}

    def file_digest(self, path: Path) -> str:
        """Content hash of an input, remembered by size and time of change."""
        stat = path.stat()
        known = (str(path), stat.st_size, stat.st_mtime_ns)
        with self._lock:
            if known not in self._digests:
                row = self._query("SELECT digest FROM files WHERE path = ? AND size = ? AND mtime = ?", known)
                self._digests[known] = row[0][0] if row else file_digest(path)
            return self._digests[known]

    def put(self, kind: str, model: str, run: Run, records: Iterable[Record]) -> None:
        """Store genes' results, replacing older ones of the same genes; on disk when this returns.

        Raises
        ------
        GexvizError
            For a folder that can't be written or a full disk; what was stored before is untouched.
        """
        with self._lock, self._writing() as db:
            for (path, size, mtime), digest in self._digests.items():
                db.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", (path, size, mtime, digest))
            run_id = self._run_id(db, run)
            db.executemany(
                "INSERT OR REPLACE INTO genes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [_row(kind, model, run_id, record) for record in records],
            )

    def get(self, kind: str, model: str, gene: str) -> Record | None:
        """One gene's stored result, fresh or not; None if there is none."""
        found = list(self.records(kind, model, [gene]))
        return found[0] if found else None

    def records(self, kind: str, model: str, genes: Sequence[str] | None = None) -> Iterator[Record]:
        """All stored results of a model, or those of some genes; the caller compares keys."""
        columns = "gene, key, run, reason, facts, dtype, shape, numbers"
        for gene, key, run, reason, facts, dtype, shape, blob in self._rows(columns, kind, model, genes):
            numbers = None if blob is None else np.frombuffer(blob, dtype).reshape(json.loads(shape))
            yield Record(gene, key, reason, json.loads(facts), numbers, self._run_of(run).samples)

    def keys(
        self, kind: str, model: str, genes: Sequence[str] | None = None
    ) -> dict[str, tuple[str, str | None]]:
        """Key and reason of every stored gene of a model, or of some, without its numbers."""
        return {gene: (key, reason) for gene, key, reason in self._rows("gene, key, reason", kind, model, genes)}

    def runs(self, kind: str, model: str, genes: Sequence[str] | None = None) -> dict[str, Run]:
        """The run that every stored gene of a model, or of some, belongs to: it tells what has changed since."""
        return {gene: self._run_of(run) for gene, run in self._rows("gene, run", kind, model, genes)}

    def put_parts(self, key: str, parts: Mapping[str, Part]) -> None:
        """Store pieces of a result that is known by its content alone; on disk when this returns.

        Parameters
        ----------
        key : str
            Hash of everything that went in: a changed input is another key, so nothing here can be stale.
        parts : mapping of str to Part

        Raises
        ------
        GexvizError
            As :meth:`put`.
        """
        with self._lock, self._writing() as db:
            db.execute(_ARRAYS)
            db.executemany(
                "INSERT OR REPLACE INTO arrays VALUES (?, ?, ?, ?, ?, ?)",
                [(key, name, json.dumps(part.facts), *_packed(part.numbers)) for name, part in parts.items()],
            )

    def parts(self, key: str, names: Iterable[str] | None = None) -> dict[str, Part]:
        """Stored pieces of a result, all or those of some names; empty if there are none."""
        if not self._query("SELECT 1 FROM sqlite_master WHERE name = 'arrays'", ()):
            return {}
        sql = "SELECT part, facts, dtype, shape, numbers FROM arrays WHERE key = ?"
        wanted = None if names is None else list(names)
        groups = [None] if wanted is None else [wanted[i : i + 500] for i in range(0, len(wanted), 500)]
        rows = []
        for group in groups:
            chosen = "" if group is None else f" AND part IN ({', '.join('?' * len(group))})"
            rows += self._query(sql + chosen, (key, *(group or [])))
        return {
            part: Part(np.frombuffer(blob, dtype).reshape(json.loads(shape)), json.loads(facts))
            for part, facts, dtype, shape, blob in rows
        }

    def part_names(self, key: str) -> set[str]:
        """Names of the stored pieces of a result."""
        if not self._query("SELECT 1 FROM sqlite_master WHERE name = 'arrays'", ()):
            return set()
        return {str(row[0]) for row in self._query("SELECT part FROM arrays WHERE key = ?", (key,))}

    def close(self) -> None:
        """Close the file; it opens again when used."""
        with self._lock:
            if self._open is not None:
                self._open.close()
            self._open = None

    def _rows(self, columns: str, kind: str, model: str, genes: Sequence[str] | None) -> list[tuple]:
        """Columns, the gene first, of a model's stored genes, or of some."""
        sql = f"SELECT {columns} FROM genes WHERE kind = ? AND model = ?"
        if genes is not None and len(genes) <= 500:
            return self._query(f"{sql} AND gene IN ({', '.join('?' * len(genes))})", (kind, model, *genes))
        wanted = None if genes is None else set(genes)
        return [row for row in self._query(sql, (kind, model)) if wanted is None or row[0] in wanted]

    def _run_of(self, run: int) -> Run:
        if run not in self._runs:
            inputs, samples = self._query("SELECT inputs, samples FROM runs WHERE id = ?", (run,))[0]
            self._runs[run] = Run(json.loads(inputs), tuple(json.loads(samples)))
        return self._runs[run]

    def _run_id(self, db: sqlite3.Connection, run: Run) -> int:
        row = db.execute("SELECT id FROM runs WHERE digest = ?", (run.digest,)).fetchone()
        if row:
            return int(row[0])
        cursor = db.execute(
            "INSERT INTO runs (digest, inputs, samples, created) VALUES (?, ?, ?, ?)",
            (run.digest, json.dumps(dict(run.inputs)), json.dumps(run.samples), datetime.now(UTC).isoformat()),
        )
        return int(cursor.lastrowid or 0)

    def _query(self, sql: str, values: Sequence[Any]) -> list[tuple]:
        with self._lock:
            self._leave_removed()
            if self._open is None:
                if not self.path.is_file():
                    return []
                self._open = self._connect()
            try:
                if self._open.execute("PRAGMA user_version").fetchone()[0] == 0:
                    return []  # begun by a process that was killed before its first result
                return self._open.execute(sql, values).fetchall()
            except sqlite3.DatabaseError as error:
                raise self._unreadable(error) from None

    def _leave_removed(self) -> None:
        """Close a file that was removed or replaced since: what is written to it would be lost."""
        now = stamp(self.path)
        if self._open is not None and (now is None or now[2] != self._inode):
            self.close()
            self._runs.clear()

    def _connect(self) -> sqlite3.Connection:
        try:
            db = sqlite3.connect(self.path, timeout=60, check_same_thread=False, isolation_level=None)
            version = db.execute("PRAGMA user_version").fetchone()[0]
            found = stamp(self.path)
            self._inode = None if found is None else found[2]
        except sqlite3.DatabaseError as error:
            raise self._unreadable(error) from None
        if version not in (0, _FORMAT):
            raise GexvizError(
                f"the results were written by another version of gexviz (format {version})",
                file=self.path,
                expected=f"format {_FORMAT}",
                remedy="use that version, or another results folder",
            )
        return db

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it is kept or none."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._leave_removed()
            if self._open is None:
                self._open = self._connect()
            with self._open as db:  # commits at the end, rolls back on an error
                db.execute("BEGIN IMMEDIATE")  # waits its turn; a lock taken later would be refused at once
                if db.execute("PRAGMA user_version").fetchone()[0] == 0:
                    for statement in _TABLES:
                        db.execute(statement)
                    db.execute(f"PRAGMA user_version = {_FORMAT}")
                yield db
        except (sqlite3.OperationalError, OSError) as error:
            self.close()
            full = "full" in str(error) or "No space" in str(error) or "disk I/O" in str(error)
            raise GexvizError(
                "the disk is full" if full else f"the results folder can't be written: {error}",
                file=self.folder,
                expected="free space for results" if full else "a folder that this user may write to",
                remedy="free some space and run again; finished genes are kept"
                if full
                else 'set `results = "..."` under [study] to a folder of yours, or correct its permissions',
            ) from None
        except sqlite3.DatabaseError as error:
            raise self._unreadable(error) from None

    def _unreadable(self, error: Exception) -> GexvizError:
        return GexvizError(
            f"the results can't be read: {error}",
            file=self.path,
            expected="a results file written by gexviz",
            remedy="move it away; results are computed again",
        )


def _row(kind: str, model: str, run_id: int, record: Record) -> tuple[Any, ...]:
    numbers = (None, None, None) if record.numbers is None else _packed(record.numbers)
    return kind, model, record.gene, record.key, run_id, record.reason, json.dumps(record.facts), *numbers


def _packed(numbers: np.ndarray) -> tuple[str, str, bytes]:
    """dtype, shape and bytes of an array."""
    numbers = np.ascontiguousarray(numbers)
    return numbers.dtype.str, json.dumps(numbers.shape), numbers.tobytes()
