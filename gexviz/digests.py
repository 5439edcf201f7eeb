"""Content hashes of files, and stamps that tell whether a file is still the same."""

from __future__ import annotations

import hashlib
from pathlib import Path

Stamp = tuple[int, int, int] | None
"""Size, time of change and inode of a file; None where there is none."""


def stamp(path: str | Path) -> Stamp:
    """What a file is like now: another stamp means that it was replaced or edited."""
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns, found.st_ino


def file_digest(path: str | Path) -> str:
    """Hash a file's content, read in pieces.

    Parameters
    ----------
    path : path

    Returns
    -------
    str
        BLAKE2b of 16 bytes, as 32 hexadecimal digits.

    Raises
    ------
    OSError
        If the file can't be read.
    """
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def sha256_of(path: str | Path) -> str:
    """SHA-256 of a file's content, as 64 hexadecimal digits: what other people's tools compute too.

    Raises
    ------
    OSError
        If the file can't be read.
    """
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
