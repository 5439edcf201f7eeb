"""Whether the members of a session belong together."""

from __future__ import annotations

from collections import Counter

from gexviz.session.container import STATE, table_member
from gexviz.session.contents import OF_PEOPLE, Session
from gexviz.session.refusing import quoted, refused


def refuse_inconsistent(session: Session) -> None:
    """Refuse a session whose members, each right by itself, contradict each other.

    Raises
    ------
    GexvizError
        For tables of people at level ``aggregate``, tracks without arrays or arrays without track, and views of one id.
    """
    if session.manifest.level == "aggregate":
        for name in OF_PEOPLE:
            if name in session.tables:
                raise refused("the level is aggregate, and there is a table of people", table_member(name))
    tracks = set(session.tables["tracks"]["array"]) if "tracks" in session.tables else set()
    if unlike := sorted(map(str, tracks ^ set(session.arrays))):
        raise refused(
            "the table of tracks and the arrays don't belong together",
            quoted(unlike[0]),
            expected="arrays of each track, and a track for all arrays",
        )
    ids = Counter(view.id for view in session.state.views)
    if any(n > 1 for n in ids.values()):
        raise refused("two views have one id", STATE)
