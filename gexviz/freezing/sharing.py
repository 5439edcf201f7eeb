"""Notes, views and session files of a study, for notebooks: the draft that the app works on, too."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from gexviz.errors import GexvizError
from gexviz.freezing import freeze
from gexviz.session.contents import Anchor, Level, Manifest, Note, Page, View
from gexviz.session.draft import Draft
from gexviz.session.report import report_html
from gexviz.session.writing import write_session

if TYPE_CHECKING:
    from gexviz.study import Study
    from gexviz.tasks import Progress

_VARIANT = re.compile(r"[^:\s]+:\d+:[A-Za-z*<>]+:[A-Za-z*<>]+")
_REGION = re.compile(r"[^:\s]+:[\d,]+-[\d,]+")


class Saved(NamedTuple):
    """A session file.

    Attributes
    ----------
    path : Path
    manifest : Manifest
        What was left out is in ``manifest.left_out``.
    who_is_who : Path or None
        Of a pseudonymous session, the file of this machine that tells who is who. Not to be sent along.
    without_report : str
        Why the offline report is not in it; empty if it is.
    """

    path: Path
    manifest: Manifest
    who_is_who: Path | None
    without_report: str

    def __repr__(self) -> str:
        text = f"{self.path}: level {self.manifest.level}, {self.path.stat().st_size / 1e6:.1f} MB"
        if self.manifest.left_out:
            text += f"; {len(self.manifest.left_out)} things left out, see .manifest.left_out"
        if self.without_report:
            text += f"; without a report: {self.without_report}"
        return text + (f"; who is who stands in {self.who_is_who}, keep it here" if self.who_is_who else "")


def add_note(study: Study, about: str, text: str, author: str) -> Note:
    """See :meth:`gexviz.study.Study.note`."""
    note = Note(author=author, anchor=_anchor(study, about), text=text)
    Draft(study.results.folder).add_note(note)
    return note


def add_view(study: Study, page: Page, gene: str | None, fields: dict[str, Any]) -> View:
    """See :meth:`gexviz.study.Study.keep_view`."""
    place = None if gene is None else study.locus(gene).id
    try:
        view = View(page=page, gene=place, **fields)
    except (ValidationError, TypeError) as error:
        wrong = error.errors()[0] if isinstance(error, ValidationError) else {"loc": (), "msg": str(error)}
        raise GexvizError(
            f"that is no view: {wrong['msg']}",
            place=".".join(map(str, wrong["loc"])) or None,
            expected="the fields of a view: title, text, model, linear, variant, variants, region, method, filters",
        ) from None
    Draft(study.results.folder).keep(view)
    return view


def save(
    study: Study,
    path: str | Path,
    level: Level,
    *,
    confirm: str | None,
    title: str | None,
    compute: bool,
    progress: Progress | None,
) -> Saved:
    """See :meth:`gexviz.study.Study.save`."""
    draft = Draft(study.results.folder)
    state, notes = draft.state(), draft.notes()
    if not state.views:
        state = state.model_copy(update={"views": _views_of_notes(study, notes)})
    if title is not None:
        state = state.model_copy(update={"title": title})
    session = freeze(study, state, notes, level, confirm=confirm, compute=compute, progress=progress)
    without_report = ""
    try:
        session = replace(session, report=report_html(session))
    except GexvizError as error:  # it is too large: the tables are still worth sending
        without_report = error.problem
    who = session.keep_who_is_who(study.results.folder)
    manifest = write_session(session, path)
    return Saved(Path(path).absolute(), manifest, who, without_report)


def _views_of_notes(study: Study, notes: tuple[Note, ...]) -> tuple[View, ...]:
    """What is shown if no view was kept: all genes, and each gene that a note is about with its variants."""
    variants: dict[str, list[str]] = {}
    for note in notes:
        if note.anchor.gene is not None:
            found = variants.setdefault(note.anchor.gene, [])
            found += [note.anchor.variant] if note.anchor.variant else []
    genes = [View(page="gene", gene=g, variant=next(iter(v), None), variants=tuple(v[1:])) for g, v in variants.items()]
    return (View(page="overview"), *genes)


def _anchor(study: Study, about: str) -> Anchor:
    """A variant, a region, or else a gene of the study."""
    if _VARIANT.fullmatch(about):
        return Anchor(variant=about)
    if _REGION.fullmatch(about):
        return Anchor(region=about)
    return Anchor(gene=study.locus(about).id)
