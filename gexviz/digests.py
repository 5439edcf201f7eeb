"""Content hashes of files."""

from __future__ import annotations

import hashlib
from pathlib import Path


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
