"""How large a report is, and what of it is large."""

from __future__ import annotations

from typing import NamedTuple

from gexviz.errors import GexvizError
from gexviz.session.contents import Session
from gexviz.session.report.building import Built, build

LIMIT = 25_000_000
"""Bytes: what mail systems commonly let through."""


class ReportSize(NamedTuple):
    """Size of a report.

    Attributes
    ----------
    total : int
        Bytes.
    views : dict of str to int
        Bytes of each view's figures and tables, by its number and title.
    """

    total: int
    views: dict[str, int]

    @property
    def fits(self) -> bool:
        """Whether it is within :data:`LIMIT`."""
        return self.total <= LIMIT

    def __str__(self) -> str:
        return f"{self.total / 1e6:.1f} of {LIMIT / 1e6:.0f} MB"


def report_size(session: Session) -> ReportSize:
    """Measure a session's report; also of one that is too large to be made.

    Parameters
    ----------
    session : Session

    Returns
    -------
    ReportSize
    """
    return size_of(build(session))


def size_of(built: Built) -> ReportSize:
    """The size of a report that is there."""
    return ReportSize(len(built.html.encode()), built.views)


def refuse_too_large(size: ReportSize) -> None:
    """Refuse a report above :data:`LIMIT`, naming what to leave out.

    Raises
    ------
    GexvizError
    """
    if size.fits:
        return
    largest = sorted(size.views.items(), key=lambda item: -item[1])[:3]
    named = "; ".join(f"{name}: {count / 1e6:.1f} MB" for name, count in largest)
    raise GexvizError(
        f"the report would have {size.total / 1e6:.1f} MB",
        expected=f"at most {LIMIT / 1e6:.0f} MB, so that it can be sent by mail",
        remedy=f"leave out views, or choose narrower regions for them. The largest are {named}",
    )
