"""A session file, opened: without the study, its models or torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from gexviz.errors import GexvizError
from gexviz.lazy import lazy
from gexviz.session.contents import Manifest, Note, Session, State, View
from gexviz.session.reading import read_session

if TYPE_CHECKING:
    from gexviz.session.comparing import Comparison
    from gexviz.session.shown import Shown
    from gexviz.study import Study

fingerprints = lazy("gexviz.fingerprints")
showing = lazy("gexviz.session.shown")


def open_session(path: str | Path) -> OpenedSession:
    """Open a session file; nothing in it is executed, and nothing of it is computed again.

    Parameters
    ----------
    path : path
        ``*.gexviz.zip``.

    Raises
    ------
    GexvizError
        For what is no whole session file.
    """
    return OpenedSession(read_session(path), Path(path))


class OpenedSession:
    """A session that somebody saved, to be looked at.

    Attributes
    ----------
    session : Session
    path : Path
    """

    def __init__(self, session: Session, path: Path) -> None:
        self.session = session
        self.path = path

    @property
    def manifest(self) -> Manifest:
        """What it was made from, at which level of privacy, and what was left out."""
        return self.session.manifest

    @property
    def state(self) -> State:
        """The story."""
        return self.session.state

    @property
    def views(self) -> tuple[View, ...]:
        """What was kept, in order."""
        return self.session.state.views

    @property
    def notes(self) -> tuple[Note, ...]:
        """Notes, oldest first."""
        return self.session.notes

    @property
    def tables(self) -> list[str]:
        """Names of the frozen tables."""
        return list(self.session.tables)

    def table(self, name: str) -> pd.DataFrame:
        """A copy of a frozen table; columns of :data:`gexviz.session.contents.TABLES`, positions 0-based.

        Raises
        ------
        GexvizError
            For a table that the session doesn't have.
        """
        if name not in self.session.tables:
            raise GexvizError(
                f"the session has no table '{name}'", file=self.path, expected="one of " + ", ".join(self.tables)
            )
        return self.session.tables[name].copy()

    def shown(self, view: int | View) -> Sequence[Shown]:
        """Figures of a view, each with its table, from frozen tables alone.

        Parameters
        ----------
        view : int or View
            Its number, from 0, or a view: one of :attr:`views` or any other.
        """
        return showing.shown(self.session, self.views[view] if isinstance(view, int) else view)

    def against(self, study: Study) -> Comparison:
        """Compare the files that the session was made from with a study's: ``.live``, or what ``.changed``."""
        return fingerprints.compare(self.session, study)

    def __repr__(self) -> str:
        manifest = self.manifest
        data = "simulated" if manifest.simulated else "real data"
        people = "" if manifest.people is None else f", {manifest.people:,} people"
        lines = [
            f"Session of {manifest.study} ({data}{people}), level {manifest.level}, {manifest.created:%Y-%m-%d}",
            *([f"  {self.state.title}"] if self.state.title else []),
            *(f"  {n}: {_described(view)}" for n, view in enumerate(self.views)),
            f"  {len(self.notes):,} notes; tables: {', '.join(self.tables) or 'none'}",
            *([f"  {len(manifest.left_out):,} things left out: .manifest.left_out"] if manifest.left_out else []),
        ]
        return "\n".join(lines)


def _described(view: View) -> str:
    named = (view.gene, view.variant, view.region, view.model, view.linear)
    parts = [view.title, view.page, *(part for part in named if part)]
    return " · ".join(part for part in parts if part)
