"""The index of a checkpoint in several files, as transformers saves large ones: which tensor is in which file."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from gexviz.errors import GexvizError

ENDING = ".index.json"
_MOST_BYTES = 1 << 26
_MOST_FILES = 1_000


def read_index(path: Path) -> dict[str, str]:
    """Read ``model.safetensors.index.json`` or ``pytorch_model.bin.index.json``.

    Parameters
    ----------
    path : Path

    Returns
    -------
    dict of str to str
        The name of a file beside the index, by the tensor that is in it.

    Raises
    ------
    GexvizError
        For a file that is no such index, a tensor that stands in it twice, a file that isn't there, or a name that
        leads out of the folder.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError("it is too long")
        places = json.loads(path.read_bytes(), object_pairs_hook=_each_once)["weight_map"]
        if not isinstance(places, dict) or not places or not all(isinstance(name, str) for name in places.values()):
            raise ValueError("weight_map does not give a file for each tensor")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        told = "it has no weight_map" if isinstance(error, KeyError) else str(error)
        raise _wrong(path, f"can't read the index of the weights: {told}") from None
    names = set(places.values())
    if len(names) > _MOST_FILES:
        raise _wrong(path, f"the index names {len(names):,} files")
    for name in sorted(names):
        if not _plain(name):
            raise _wrong(path, f"the index names {name!r}, which is no file beside it", "weight_map")
        if not path.with_name(name).is_file():
            raise GexvizError(
                f"{name}, one of {len(names)} files of the weights, is missing",
                file=path,
                expected="every file that the index names, beside it",
                remedy=f"download {name} into {path.parent}",
            )
    return places


def _plain(name: str) -> bool:
    """Whether it is a file's name and no path, on any system; and of no further index."""
    inside = PurePosixPath(name).name == name == PureWindowsPath(name).name
    return inside and name not in ("", "..") and "\0" not in name and not name.endswith(".json")


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if len(found := dict(pairs)) < len(names):
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)} stands in it twice")
    return found


def _wrong(path: Path, problem: str, place: str | None = None) -> GexvizError:
    return GexvizError(
        problem,
        file=path,
        place=place,
        expected="an index as transformers writes it: weight_map, from each tensor to a file of the same folder",
        remedy="download it again, with all files that it names",
    )
