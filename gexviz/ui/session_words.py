"""What is said of sessions."""

from __future__ import annotations

from gexviz.explaining.attributions import METHODS
from gexviz.session.contents import Level, View
from gexviz.ui.keeping import name_of
from gexviz.ui.links import TRACKS
from gexviz.ui.opening import Opened

LEVELS: dict[Level, tuple[str, str]] = {
    "aggregate": ("Aggregate", "No row and no dot is one person; groups under 10 people are not shown."),
    "pseudonymous": (
        "Pseudonymous",
        "A row a person, under a random name of this file alone, in random order; genotypes of the kept views' "
        "variants only. The key stays in the results folder.",
    ),
    "full": ("Full", "A row a person under the real id. Only for those who may see the cohort itself."),
}
"""Levels of privacy: name, and what it means."""


def what_is_shown(view: View, opened: Opened) -> str:
    """A kept view in a line: page, gene, models, place, filters."""
    names = opened.book.names
    models = " vs ".join(m for m in (view.model, view.linear) if m)
    parts = [
        view.page.capitalize(), names.get(view.gene or "", view.gene), models, view.variant, view.region,
        METHODS.get(view.method or "", view.method), ", ".join(TRACKS.get(t, t) for t in view.tracks),
        *(f"{name}: {value}" for name, value in view.filters.items()),
    ]  # fmt: skip
    return " · ".join(part for part in parts if part)


def view_line(view: View, opened: Opened) -> str:
    """A kept view's name and what it shows."""
    return f"{name_of(view, opened)} ({what_is_shown(view, opened)})"
