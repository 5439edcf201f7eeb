"""The session file as a zip: which members it may have, packed the same way each time, unpacked within limits."""

from __future__ import annotations

import io
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from gexviz.errors import GexvizError
from gexviz.session.contents import TABLES
from gexviz.session.refusing import quoted, refused

MANIFEST, STATE, NOTES, REPORT = "manifest.json", "state.json", "notes.jsonl", "report.html"

MOST_PACKED = 100_000_000
"""Bytes of a session file."""
MOST_BYTES = 256_000_000
"""Bytes of all members together, unpacked."""
MOST_MEMBERS = 1_000
MOST_RATIO = 100
"""How many times its packed size a member may be, if it is larger than :data:`FEW`."""
FEW = 16_000_000
_PIECE = 1 << 18
_LONGEST_ENTRY = 1_000
"""Bytes of a member in the list of members, on average."""
_ARRAY = re.compile(r"arrays/([A-Za-z0-9][A-Za-z0-9_.-]{0,99})\.npz")
_TABLE = re.compile(r"tables/([a-z_]{1,50})\.parquet")
_END = struct.Struct("<4s4H2LH")
"""The end of a zip without a comment: it tells how many members to expect, before any is looked at."""
_ENCRYPTED = 0x1
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, RuntimeError)
_ZIP = "a session file, as gexviz writes it (.gexviz.zip)"


def table_member(name: str) -> str:
    """Where a table is kept."""
    return f"tables/{name}.parquet"


def array_member(name: str) -> str:
    """Where the arrays of a track are kept."""
    return f"arrays/{name}.npz"


def table_of(member: str) -> str | None:
    """The table that a member holds; None if it holds none."""
    found = _TABLE.fullmatch(member)
    return found[1] if found and found[1] in TABLES else None


def array_of(member: str) -> str | None:
    """The track whose arrays a member holds; None if it holds none."""
    found = _ARRAY.fullmatch(member)
    return found[1] if found else None


def is_member(name: str) -> bool:
    """Whether a session file may have a member of this name."""
    return name in (MANIFEST, STATE, NOTES, REPORT) or bool(table_of(name) or array_of(name))


def packed(members: Mapping[str, bytes], path: Path) -> None:
    """Write members to a zip; equal members make equal files."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            entry = zipfile.ZipInfo(name)  # of 1980: no time of this machine
            entry.compress_type, entry.create_system, entry.external_attr = zipfile.ZIP_DEFLATED, 3, 0o644 << 16
            archive.writestr(entry, content)


def unpacked(source: bytes | Path) -> dict[str, bytes]:
    """Read the members of a session file, every limit checked while it is unpacked.

    Nothing is written to disk, so that no name can lead anywhere.

    Parameters
    ----------
    source : bytes or Path

    Returns
    -------
    dict of str to bytes

    Raises
    ------
    GexvizError
        For what can't be read, is no zip, is damaged, too large or too many, or holds what a session file doesn't.
    """
    content = _content(source)
    _expect_few(content)
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except _BROKEN:
        raise refused("the file is damaged", "list of members", expected=_ZIP) from None
    with archive:
        entries = archive.infolist()
        _refuse_others(entries)
        members: dict[str, bytes] = {}
        room = MOST_BYTES
        for entry in entries:
            members[entry.filename] = b"".join(_pieces(archive, entry, room))
            room -= len(members[entry.filename])
    return members


def _content(source: bytes | Path) -> bytes:
    if isinstance(source, bytes):
        content = source
    else:
        try:
            with source.open("rb") as file:
                content = file.read(MOST_PACKED + 1)
        except OSError as error:
            raise GexvizError(
                f"the session file can't be read: {error.strerror}",
                file=source,
                expected=_ZIP,
                remedy="correct the path or its permissions",
            ) from None
    if len(content) > MOST_PACKED:
        raise refused("the file is too large", "the file", expected=f"at most {MOST_PACKED / 1e6:.0f} MB")
    return content


def _expect_few(content: bytes) -> None:
    """Refuse what is no plain zip of few members, before the list of members is read."""
    if len(content) < _END.size or content[-_END.size :][:4] != b"PK\x05\x06":
        raise refused("this is not a session file, or its end is missing", "the file", expected=_ZIP)
    _, disk, first_disk, here, count, size, start, comment = _END.unpack(content[-_END.size :])
    if count > MOST_MEMBERS:
        raise refused(f"there are {count:,} members", "list of members", expected=f"at most {MOST_MEMBERS:,}")
    fits = size <= MOST_MEMBERS * _LONGEST_ENTRY and start + size + _END.size == len(content)
    if (disk, first_disk, comment) != (0, 0, 0) or here != count or not fits:
        raise refused("the file is damaged, or has something before or behind it", "list of members", expected=_ZIP)


def _refuse_others(entries: list[zipfile.ZipInfo]) -> None:
    """Refuse members that a session file can't have."""
    seen = set()
    for entry in entries:
        name, mode = entry.filename, entry.external_attr >> 16
        if name != entry.orig_filename or not is_member(name):
            raise refused(
                "there is a member that no session file has",
                quoted(entry.orig_filename),
                expected=f"{MANIFEST}, {STATE}, {NOTES}, {REPORT}, tables/*.parquet, arrays/*.npz",
            )
        if name in seen:
            raise refused("a member is there twice", name)
        seen.add(name)
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
            raise refused("a member is a link or no file", name)
        if entry.flag_bits & _ENCRYPTED:
            raise refused("a member is encrypted", name, expected="members without a password")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise refused("a member is packed in an unusual way", name, expected="stored or deflated")


def _pieces(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, room: int) -> Iterator[bytes]:
    """A member, piece by piece, for as long as it stays within the limits."""
    size = 0
    try:
        with archive.open(entry) as file:
            while piece := file.read(_PIECE):
                size += len(piece)
                if size > room:
                    limit = f"at most {MOST_BYTES / 1e6:.0f} MB unpacked"
                    raise refused("the members are too large", entry.filename, expected=limit)
                if size > max(FEW, MOST_RATIO * entry.compress_size):
                    limit = f"at most {MOST_RATIO} times the packed size"
                    raise refused("a member unpacks to far more than it should", entry.filename, expected=limit)
                yield piece
    except _BROKEN:
        raise refused("a member is damaged", entry.filename) from None


def expect_within_limits(members: Mapping[str, bytes]) -> None:
    """See that a file of these members can be read again.

    Raises
    ------
    GexvizError
        Naming the largest member.
    """
    remedy = "keep fewer views, or narrower regions"
    for name in members:
        if not is_member(name):
            raise refused("a session file can't have this member", quoted(name), remedy="name arrays by letters and -")
    if sum(map(len, members.values())) > MOST_BYTES or len(members) > MOST_MEMBERS:
        largest = max(members, key=lambda name: len(members[name]))
        limit = f"at most {MOST_MEMBERS:,} members, {MOST_BYTES / 1e6:.0f} MB together"
        raise refused("the session is too large", f"the largest is {largest}", expected=limit, remedy=remedy)
