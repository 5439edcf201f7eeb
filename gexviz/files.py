"""Writing files whole or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gexviz.errors import GexvizError


@contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside `path`, and put it in its place when the block ends well.

    Parameters
    ----------
    path : path
        The file to make or replace.

    Yields
    ------
    Path
        To be written by the block; removed if the block fails, so that `path` is the old file or the whole new one.

    Raises
    ------
    GexvizError
        For a folder that is missing or read-only, or a full disk.
    """
    path = Path(path).absolute()
    suffixes = "".join(path.suffixes[-2:])
    draft = path.with_name(f".{path.name}.{os.getpid()}.part{suffixes}")
    try:
        yield draft
        with draft.open("rb+") as handle:
            os.fsync(handle.fileno())
        draft.replace(path)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise GexvizError(
            "the disk is full" if full else f"the file can't be written: {error.strerror or error}",
            file=path,
            expected="free space" if full else "a folder that exists and that this user may write to",
            remedy="free some space and run again; nothing was left half-written" if full else "choose another path",
        ) from None
    finally:
        draft.unlink(missing_ok=True)
