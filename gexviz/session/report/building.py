"""A session put into the page's template. All text of people is escaped by it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import pandas as pd
from markupsafe import Markup

from gexviz.exporting.candidates import candidates_csv
from gexviz.figures import words
from gexviz.lazy import lazy
from gexviz.session.contents import Anchor, Session, View
from gexviz.session.notes import Threaded, threads
from gexviz.session.report import methods
from gexviz.session.report.embedded import as_data, figure_data
from gexviz.session.report.policy import policy
from gexviz.session.report.tables import MOST_ROWS, PageTable, page_table
from gexviz.session.shown import Shown, shown
from gexviz.session.shown.frozen import gene_name, gene_names, region_of
from gexviz.session.shown.mismatches import CANDIDATES

offline = lazy("plotly.offline")

_HERE = Path(__file__).parent
_SCRIPTS = ("figures.js", "tables.js", "notes.js")
_PAGES = {
    "data": "cohort and models",
    "overview": "all genes",
    "gene": "predicted and observed",
    "locus": "bases and variants",
    "mismatches": "directions",
}


class Built(NamedTuple):
    """A report.

    Attributes
    ----------
    html : str
    views : dict of str to int
        Bytes of each view's figures and tables, by its number and title.
    """

    html: str
    views: dict[str, int]


class Part(NamedTuple):
    """A figure with its table, or one of the two, as the template takes it.

    Attributes
    ----------
    shown : Shown
    figure : str
        Key of its figure; empty without one.
    table : PageTable
    half : bool
        Whether two stand beside each other.
    csv : str
        Element with the table as CSV, to download; empty without one.
    above : str
        Where in the page the very same is already; empty if nowhere.
    """

    shown: Shown
    figure: str
    table: PageTable
    half: bool
    csv: str
    above: str


class Section(NamedTuple):
    """A view, as the template takes it.

    Attributes
    ----------
    view : View
    id, title : str
        Of its element.
    about : list of (str, str)
        What it shows.
    anchors : list of (str, str)
        What a note may be about: JSON and words. Without any, a gene is typed.
    notes : list of Threaded
    parts : list of Part
    """

    view: View
    id: str
    title: str
    about: list[tuple[str, str]]
    anchors: list[tuple[str, str]]
    notes: list[Threaded]
    parts: list[Part]


def build(session: Session) -> Built:
    """Put a session into the page, however large."""
    page = _Page(session)
    sections = [page.section(number, view) for number, view in enumerate(session.state.views, start=1)]
    scripts = [_plotly(), *map(_asset, _SCRIPTS)]
    names = gene_names(session)
    html = _template().render(
        session=session,
        title=session.state.title or f"{session.manifest.study}: an interpretation",
        policy=policy(scripts, [_asset("report.css")]),
        css=Markup(_asset("report.css")),
        scripts=[Markup(script) for script in scripts],
        sections=sections,
        figures=Markup("{" + ",".join(f'"{key}":{text}' for key, text in page.figures.items()) + "}"),
        gene_names=list(names),
        gene_ids=as_data(ids_of_genes(names)),
        files=[(key, as_data(text)) for key, text in page.files.items()],
        other_notes=page.others(sections),
        privacy=methods.privacy_text(session),
        statistics=methods.statistics_text(session),
        models=methods.models_text(session),
        about=lambda note: anchor_text(session, note.anchor),
        as_json=lambda model: model.model_dump_json(),
        most_rows=MOST_ROWS,
    )
    return Built(html, page.sizes)


class _Page:
    """What is gathered while views are drawn: figures once each, files to download, sizes."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.figures: dict[str, str] = {}
        self.files: dict[str, str] = {}
        self.sizes: dict[str, int] = {}
        self._seen: dict[str, str] = {}
        self._threads = threads(session.notes)

    def section(self, number: int, view: View) -> Section:
        shows = _PAGES[view.page]
        title = view.title or (f"{gene_name(self.session, view.gene)}: {shows}" if view.gene else shows.capitalize())
        id = f"view-{number}"
        before = sum(map(len, self.figures.values()))
        parts = [self._part(f"{id}-{n}", item, view) for n, item in enumerate(shown(self.session, view), start=1)]
        cells = sum(len(cell) + 9 for part in parts if not part.above for row in part.table.rows for cell in row)
        self.sizes[f"{number}. {title}"] = sum(map(len, self.figures.values())) - before + cells
        notes = [note for note in self._threads if number == self._view_of(note.note.anchor)]
        return Section(view, id, title, self._about(view), self._anchors(view), notes, parts)

    def others(self, sections: Iterable[Section]) -> list[Threaded]:
        """Notes on what no view shows."""
        there = {threaded.note.id for section in sections for threaded in section.notes}
        return [threaded for threaded in self._threads if threaded.note.id not in there]

    def _part(self, id: str, item: Shown, view: View) -> Part:
        figure = figure_data(item.figure) if item.figure is not None else ""
        table = page_table(item.table, f"table-{id}", view.filters)
        key = hashlib.sha256(f"{item.title}{figure}{table.columns}{table.rows}{table.preset}".encode()).hexdigest()[:16]
        above = self._seen.get(key, "")
        self._seen.setdefault(key, id)
        if figure:
            self.figures[key] = figure
        csv = ""
        if item.title == CANDIDATES:
            csv = "candidates-csv"
            self.files[csv] = candidates_csv(self.session.tables["candidates"])
        half = item.figure is not None and view.page == "gene"
        return Part(item, key if figure else "", table, half, csv, above)

    def _about(self, view: View) -> list[tuple[str, str]]:
        """What a view shows, in words."""
        told = [
            ("Shows", _PAGES[view.page]),
            ("Gene", gene_name(self.session, view.gene)),
            ("Model", view.model or ""),
            ("Compared with", view.linear or ""),
            ("Variant", words.variant_name(view.variant) if view.variant else ""),
            ("More variants", ", ".join(map(words.variant_name, view.variants))),
            ("Region", str(region_of(view.region) or view.region or "")),
            ("Filters when it was kept", "; ".join(f"{name}: {value}" for name, value in view.filters.items())),
        ]
        return [(what, text) for what, text in told if text]

    def _anchors(self, view: View) -> list[tuple[str, str]]:
        """What a note may be about, the most particular first."""
        found = []
        for variant in dict.fromkeys(v for v in (view.variant, *view.variants) if v):
            found.append(Anchor(gene=view.gene, variant=variant))
        if view.region:
            found.append(Anchor(gene=view.gene, region=view.region))
        if view.gene:
            found.append(Anchor(gene=view.gene))
        return [(anchor.model_dump_json(), anchor_text(self.session, anchor)) for anchor in found]

    def _view_of(self, anchor: Anchor) -> int | None:
        """The first view that shows what a note is about; with the same variant if there is one."""
        views = list(enumerate(self.session.state.views, start=1))
        fits = [
            lambda v: anchor.variant is not None and anchor.variant in (v.variant, *v.variants),
            lambda v: anchor.region is not None and anchor.region == v.region,
            lambda v: anchor.gene is not None and anchor.gene == v.gene,
        ]
        return next((number for fit in fits for number, view in views if fit(view)), None)


def anchor_text(session: Session, anchor: Anchor) -> str:
    """What a note is about, in words."""
    parts = [words.variant_name(anchor.variant)] if anchor.variant else []
    parts += [str(region_of(anchor.region) or anchor.region)] if anchor.region else []
    parts += [gene_name(session, anchor.gene)] if anchor.gene else []
    return " at ".join(parts)


def ids_of_genes(names: pd.Series) -> dict[str, str]:
    """Gene ids by what a person may type, in small letters."""
    return {str(typed).lower(): str(gene) for gene, name in names.items() for typed in (name, gene)}


@cache
def _asset(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


@cache
def _plotly() -> str:
    text: str = offline.get_plotlyjs()
    return text


@cache
def _template() -> jinja2.Template:
    loader = jinja2.FileSystemLoader(_HERE)
    environment: Any = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template: jinja2.Template = environment.get_template("report.html.jinja")
    return template

