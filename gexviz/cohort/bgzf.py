"""Whether a bgzipped file is one, and is whole."""

from __future__ import annotations

from pathlib import Path

from gexviz.errors import GexvizError

EOF_BLOCK = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


def check_bgzf(path: Path, *, remedy: str) -> None:
    """See that a file is bgzipped and ends with the empty block that bgzip writes last.

    Parameters
    ----------
    path : Path
    remedy : str
        What to do if it was packed with gzip, or not at all.

    Raises
    ------
    GexvizError
        For a file that can't be read, isn't bgzipped, or is cut short.

    Notes
    -----
    A file cut anywhere lacks its last block (SAM/BAM format specification, section 4.1.2). Damage in the middle shows
    when it is read.
    """
    head, tail, size = _ends(path)
    if not _is_bgzf(head):
        packed = "packed with gzip, not bgzip" if head[:2] == b"\x1f\x8b" else "not bgzipped"
        raise GexvizError(f"the file is {packed}", file=path, expected="a bgzipped file", remedy=remedy)
    _check_end(path, tail, size)


def check_whole(path: Path) -> None:
    """See that a text table is there, readable and not empty, and if it is bgzipped, that it isn't cut short.

    Raises
    ------
    GexvizError
    """
    head, tail, size = _ends(path)
    if _is_bgzf(head):
        _check_end(path, tail, size)


def _is_bgzf(head: bytes) -> bool:
    return head[:4] == b"\x1f\x8b\x08\x04" and head[12:14] == b"BC"


def _ends(path: Path) -> tuple[bytes, bytes, int]:
    """First bytes, last bytes and size of a file."""
    try:
        with path.open("rb") as handle:
            head = handle.read(18)
            size = handle.seek(0, 2)
            handle.seek(max(0, size - len(EOF_BLOCK)))
            tail = handle.read()
    except OSError as error:
        raise GexvizError(
            f"can't read {path.name}: {error.strerror}", file=path, expected="a readable file", remedy="check the path"
        ) from error
    if size == 0:
        raise GexvizError("the file is empty", file=path, remedy="copy or make it again")
    return head, tail, size


def _check_end(path: Path, tail: bytes, size: int) -> None:
    if tail != EOF_BLOCK:
        raise GexvizError(
            "the file is truncated: the end marker of bgzip is missing",
            file=path,
            place=f"after byte {size:,}",
            expected="a bgzipped file that ends with its empty block",
            remedy="copy or download it again, and make its index again",
        )
