"""A session file, read as one of strangers: within limits, checked member by member, never executed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from gexviz.session import container
from gexviz.session.arrays import arrays_of
from gexviz.session.consistency import refuse_inconsistent
from gexviz.session.container import MANIFEST, NOTES, REPORT, STATE
from gexviz.session.contents import Manifest, Session, State
from gexviz.session.documents import document
from gexviz.session.notes import parse_notes
from gexviz.session.refusing import naming, quoted, refused
from gexviz.session.tables import table_of


def read_session(source: str | Path | bytes, name: str | None = None) -> Session:
    """Read a session file. Neither its study nor its models are needed.

    Parameters
    ----------
    source : path or bytes
        The file, or its content.
    name : str, optional
        What to call it in errors; a path's own name if not given.

    Returns
    -------
    Session
        Its report, if there is one, is the sender's HTML as it came: not to be shown inside a page of ours.

    Raises
    ------
    GexvizError
        For what is no whole session file, or can't be read; names the file and the member.
    """
    if not isinstance(source, bytes):
        source = Path(source).expanduser()
        name = name or str(source)
    with naming(name):
        return session_of(container.unpacked(source))


def session_of(members: Mapping[str, bytes]) -> Session:
    """Make a session of the members of its file, each checked by itself and with the others.

    Raises
    ------
    GexvizError
        Naming the member.
    """
    for required in (MANIFEST, STATE):
        if required not in members:
            raise refused("a member is missing", required)
    manifest = document(members[MANIFEST], Manifest, MANIFEST)
    _expect_digests(manifest, members)
    tables = {
        name: table_of(content, name, member)
        for member, content in members.items()
        if (name := container.table_of(member)) is not None
    }
    arrays = {
        name: arrays_of(content, member)
        for member, content in members.items()
        if (name := container.array_of(member)) is not None
    }
    session = Session(
        manifest=manifest,
        state=document(members[STATE], State, STATE),
        notes=parse_notes(members.get(NOTES, b"")),
        tables=tables,
        arrays=arrays,
        report=_text(members[REPORT], REPORT) if REPORT in members else None,
    )
    refuse_inconsistent(session)
    return session


def _expect_digests(manifest: Manifest, members: Mapping[str, bytes]) -> None:
    """Refuse members that aren't the ones that the manifest was written with."""
    found = {name: hashlib.sha256(content).hexdigest() for name, content in members.items() if name != MANIFEST}
    for name in sorted(found.keys() | manifest.members.keys()):
        if name not in manifest.members:
            raise refused("the manifest doesn't know a member", name)
        if name not in found:
            raise refused("a member is missing", quoted(name))
        if found[name] != manifest.members[name]:
            raise refused("a member was changed since the file was written", name, expected="the SHA-256 it had")


def _text(content: bytes, member: str) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise refused("this is not UTF-8", member) from None
