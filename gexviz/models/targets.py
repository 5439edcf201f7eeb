"""Tracks of a network by index, identifier or description: the ``targets.txt`` that Basenji and its heirs come with."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from gexviz.errors import GexvizError

_MOST = 100_000


def read_targets(path: Path, columns: Sequence[str] = ()) -> pd.DataFrame:
    """Read a table of tracks, a row a track in the network's order.

    Parameters
    ----------
    path : Path
        Tab-separated.
    columns : sequence of str
        Needed beside ``identifier`` and ``description``.

    Raises
    ------
    GexvizError
        For a file that is no such table, or lacks a column.
    """
    needed = ["identifier", "description", *columns]
    try:
        table = pd.read_csv(path, sep="\t", nrows=_MOST)
    except (OSError, ValueError) as error:
        raise _no_table(path, str(error).splitlines()[0], needed) from None
    if missing := [name for name in needed if name not in table]:
        raise _no_table(path, f"it has no column {missing[0]}", needed)
    return table


def find_tracks(
    asked: Sequence[int | str], number: int, targets: pd.DataFrame | None, file: Path | None
) -> tuple[list[int], list[str]]:
    """Find tracks.

    Parameters
    ----------
    asked : sequence of int or str
        Indices, identifiers or descriptions; all tracks of a description are taken.
    number : int
        Of tracks that the network has.
    targets : DataFrame or None
        From :func:`read_targets`.
    file : Path or None
        That it was read from.

    Returns
    -------
    indices : list of int
        Ascending, each once.
    names : list of str
        Their descriptions, else their indices.

    Raises
    ------
    GexvizError
        For a track that isn't there, or a table of another number of tracks.
    """
    if targets is not None and len(targets) != number:
        raise GexvizError(
            f"{len(targets):,} tracks are listed, the network has {number:,}",
            file=file,
            expected="the table of the network's own tracks, a row a track",
            remedy="give the targets.txt that was published with the weights",
        )
    indices = sorted({index for one in asked for index in _indices(one, number, targets, file)})
    if targets is None:
        return indices, [f"track {index}" for index in indices]
    return indices, [str(name) for name in targets["description"].iloc[indices]]


def _indices(one: int | str, number: int, targets: pd.DataFrame | None, file: Path | None) -> list[int]:
    if isinstance(one, int):
        if not 0 <= one < number:
            raise GexvizError(f"there is no track {one}", expected=f"0 to {number - 1:,}", remedy="correct tracks")
        return [one]
    if targets is None:
        raise GexvizError(
            f"the track {one!r} is asked for by name, and no table of tracks is given",
            expected="indices, or targets = the published targets.txt",
            remedy="add targets to the model's section",
        )
    for column in ("identifier", "description"):
        found = [i for i, name in enumerate(targets[column]) if str(name).lower() == one.lower()]
        if found:
            return found
    names = [str(name) for name in [*targets["identifier"], *targets["description"]]]
    near = difflib.get_close_matches(one, names, n=1, cutoff=0.4)
    raise GexvizError(
        f"there is no track {one!r}",
        file=file,
        expected="an identifier or a whole description of the table",
        remedy=f"did you mean {near[0]!r}?" if near else "look the track up in the table",
    )


def _no_table(path: Path, reason: str, needed: Sequence[str]) -> GexvizError:
    return GexvizError(
        f"this is no table of tracks: {reason}",
        file=path,
        expected="tab-separated, with columns " + ", ".join(needed),
        remedy="give the targets.txt that was published with the weights",
    )
