"""A session to a file, whole or not at all."""

from __future__ import annotations

import hashlib
from pathlib import Path

from gexviz.files import written_whole
from gexviz.session.arrays import arrays_bytes
from gexviz.session.container import (
    MANIFEST,
    NOTES,
    REPORT,
    STATE,
    array_member,
    expect_within_limits,
    packed,
    table_member,
)
from gexviz.session.contents import TABLES, Manifest, Session
from gexviz.session.notes import dump_notes
from gexviz.session.reading import session_of
from gexviz.session.refusing import refused
from gexviz.session.tables import table_bytes


def write_session(session: Session, path: str | Path) -> Manifest:
    """Write a session file. Equal sessions make equal files.

    Parameters
    ----------
    session : Session
        The digests of members in its manifest are not looked at.
    path : path
        As ``tango2.gexviz.zip``; an older file of this name is replaced once the new one is whole.

    Returns
    -------
    Manifest
        As it was written, with the SHA-256 of every other member.

    Raises
    ------
    GexvizError
        For what a session file can't hold, a folder that can't be written, or a full disk.
    """
    members = session_members(session)
    with written_whole(path) as draft:
        packed(members, draft)
    return Manifest.model_validate_json(members[MANIFEST])


def session_members(session: Session) -> dict[str, bytes]:
    """The members of the file that a session makes, byte for byte as they are before packing.

    Raises
    ------
    GexvizError
        For what a session file can't hold.
    """
    if unknown := sorted(session.tables.keys() - TABLES.keys()):
        raise refused("there is a table that no session has", table_member(unknown[0]), expected=", ".join(TABLES))
    members = {STATE: session.state.model_dump_json(indent=1).encode(), NOTES: dump_notes(session.notes)}
    for name in TABLES:
        if name in session.tables:
            member = table_member(name)
            members[member] = table_bytes(session.tables[name], name, member)
    for name in sorted(session.arrays):
        member = array_member(name)
        members[member] = arrays_bytes(session.arrays[name], member)
    if session.report is not None:
        members[REPORT] = session.report.encode()
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in members.items()}
    manifest = session.manifest.model_copy(update={"members": digests})
    whole = {MANIFEST: manifest.model_dump_json(indent=1).encode(), **members}
    expect_within_limits(whole)
    session_of(whole)  # what is written can be read again
    return whole
