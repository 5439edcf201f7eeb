"""The report as text and as a file."""

from __future__ import annotations

from pathlib import Path

from gexviz.files import written_whole
from gexviz.session.contents import Session
from gexviz.session.report.building import build
from gexviz.session.report.size import refuse_too_large, size_of


def report_html(session: Session) -> str:
    """Make a session's report: one HTML page that works with the network off.

    Parameters
    ----------
    session : Session
        Its tables are all that is needed; its own ``report`` is not looked at.

    Returns
    -------
    str

    Raises
    ------
    GexvizError
        If it would be larger than :data:`gexviz.session.report.LIMIT`, naming what to leave out.
    """
    built = build(session)
    refuse_too_large(size_of(built))
    return built.html


def write_report(session: Session, path: str | Path) -> int:
    """Write a session's report, whole or not at all.

    Parameters
    ----------
    session : Session
    path : path

    Returns
    -------
    int
        Its size in bytes.

    Raises
    ------
    GexvizError
        As :func:`report_html`, and if the file can't be written.
    """
    content = report_html(session).encode()
    with written_whole(path) as draft:
        draft.write_bytes(content)
    return len(content)
