"""Names of people for one session alone, and the file of the analyst's machine that tells who is who."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import secrets
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from gexviz.errors import GexvizError

FOLDER = "pseudonyms"
"""In the results folder."""


def draw(people: Sequence[str]) -> pd.Series:
    """Draw a random name for each person; index: the real ids. No two sessions share a name, but by chance."""
    names: set[str] = set()
    while len(names) < len(people):
        names.add(f"P{secrets.token_hex(4)}")
    drawn = list(names)
    secrets.SystemRandom().shuffle(drawn)
    return pd.Series(drawn, index=pd.Index(people, name="sample"), name="person", dtype=object)


def path_of(results: str | Path, names: Iterable[str]) -> Path:
    """Where it is kept who is who among the people of a session, in the results folder of its study."""
    digest = hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()
    return Path(results) / FOLDER / f"{digest[:16]}.csv"


def keep(drawn: pd.Series, results: str | Path) -> Path:
    """Write who is who, for the eyes of this user alone; on no account is the file to be sent along.

    To keep the same names again changes nothing.

    Raises
    ------
    GexvizError
        If the folder can't be written.
    """
    path = path_of(results, drawn)
    text = io.StringIO()
    csv.writer(text).writerows([("person", "sample"), *((name, sample) for sample, name in drawn.items())])
    if path.is_file():
        return path
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
            handle.write(text.getvalue())
    except OSError as error:
        raise GexvizError(
            f"who is who can't be kept: {error.strerror or error}",
            file=path,
            expected="a results folder that this user may write to",
            remedy="correct its permissions, or share aggregates alone",
        ) from None
    return path
