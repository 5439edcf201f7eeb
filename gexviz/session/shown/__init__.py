"""Figures of a session's views, from its frozen tables alone: no study, no model."""

from __future__ import annotations

from dataclasses import replace

from gexviz.errors import GexvizError
from gexviz.session.contents import Session, View
from gexviz.session.shown.data import data_view
from gexviz.session.shown.gene import gene_view
from gexviz.session.shown.harmless import without_links
from gexviz.session.shown.item import Shown
from gexviz.session.shown.locus import locus_view
from gexviz.session.shown.mismatches import mismatches_view
from gexviz.session.shown.overview import overview_view

__all__ = ["Shown", "shown"]

_PAGES = {
    "data": data_view,
    "overview": overview_view,
    "gene": gene_view,
    "locus": locus_view,
    "mismatches": mismatches_view,
}


def shown(session: Session, view: View) -> list[Shown]:
    """Figures and tables of a kept view.

    Parameters
    ----------
    session : Session
    view : View
        One of ``session.state.views``, or any other.

    Returns
    -------
    list of Shown
        What the page showed, as far as the session holds it; empty if it holds nothing of it.

    Raises
    ------
    GexvizError
        If its tables hold what gexviz would not have written.
    """
    try:
        return [_harmless(item) for item in _PAGES[view.page](session, view)]
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        # a session may be a stranger's, with columns that gexviz would not write
        raise GexvizError(
            "the tables of a view can't be drawn",
            place=f"view “{view.title or view.page}” ({type(error).__name__})",
            expected="tables as gexviz writes them",
            remedy="ask who sent the session for the file as gexviz wrote it, or leave this view out",
        ) from error


def _harmless(item: Shown) -> Shown:
    return item if item.figure is None else replace(item, figure=without_links(item.figure))
