"""Selections that travel between views."""

from __future__ import annotations

from typing import Any

from gexviz.errors import GexvizError
from gexviz.jupyter.view import View


class Link:
    """Two views that share their selection, until :meth:`unlink`."""

    def __init__(self, one: View, other: View) -> None:
        self._views = one, other
        self._travelling = False
        self._carry(one, other) if one.selection or not other.selection else self._carry(other, one)
        for view in self._views:
            view.observe(self._changed, "selection")

    def unlink(self) -> None:
        """Let each go its own way; both keep what is selected now."""
        for view in self._views:
            view.unobserve(self._changed, "selection")

    def _changed(self, change: Any) -> None:
        if self._travelling:
            return
        one, other = self._views
        self._carry(one, other) if change["owner"] is one else self._carry(other, one)

    def _carry(self, source: View, target: View) -> None:
        """Select in one view what is selected in another, as far as it knows it."""
        known = set(target.rows.index)
        self._travelling = True
        try:
            target.selection = [name for name in source.selection if name in known]
        finally:
            self._travelling = False


def link(one: View, other: View) -> Link:
    """Let the selections of two views travel to each other.

    Parameters
    ----------
    one, other : View
        Of ids of one kind: both of samples, of variants, or of genes. What is selected in the first is selected in
        the second now.

    Returns
    -------
    Link
        Its ``unlink()`` ends it.

    Raises
    ------
    GexvizError
        For views of different kinds, and for what is no view.
    """
    for view in (one, other):
        if not isinstance(view, View):
            raise GexvizError(
                f"a {type(view).__name__} has no selection",
                expected="two views, as gene.view(), locus.view() or mismatches.view() give them",
                remedy="call its .view(), keep what it gives, and link that",
            )
    if one.kind != other.kind:
        raise GexvizError(
            f"a selection of {one.kind} can't travel to a view of {other.kind}",
            expected="two views of ids of one kind",
            remedy="link views of people with views of people, of variants with variants, of genes with genes",
        )
    return Link(one, other)
