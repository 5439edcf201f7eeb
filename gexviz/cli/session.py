"""Commands on session files: ``session verify``, ``session show``, ``session merge``."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from datetime import UTC
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from gexviz.cli.shared import ResultsFolder, app, err, out, readable, show
from gexviz.errors import GexvizError
from gexviz.lazy import lazy
from gexviz.session.contents import Anchor, Session
from gexviz.session.notes import merge, read_notes, threads
from gexviz.session.reading import read_session
from gexviz.session.writing import write_session

fingerprints = lazy("gexviz.fingerprints")
study_module = lazy("gexviz.study")

session = typer.Typer(no_args_is_help=True, help="Session files: interpretations that others look at and answer.")
app.add_typer(session, name="session")

SessionFile = Annotated[Path, typer.Argument(metavar="FILE", help="A .gexviz.zip.", show_default=False)]
Beside = Annotated[Path | None, typer.Option("--study", help="A study.toml to compare the session with.")]
Merged = Annotated[Path | None, typer.Option("--out", "-o", help="File to write, in place of FILE.")]


@session.command(epilog="Example: gexviz session verify tango2.gexviz.zip --study study.toml")
@readable
def verify(file: SessionFile, study: Beside = None, results: ResultsFolder = None) -> None:
    """See that a session file is whole, within limits, and holds nothing that it shouldn't.

    Exits with 1 if it isn't, naming the first thing that is wrong: what comes behind it is not looked at. Exits with 1,
    too, if --study has other files or models than it was made from; then all that changed is named.
    """
    found = read_session(file)
    members = len(found.manifest.members) + 1
    out.print(f"{file}: whole; {members} members, of level {found.manifest.level}", markup=False)
    if study is None:
        return
    compared = fingerprints.compare(found, study_module.load(study, results))
    if compared.live:
        out.print(f"made from the files and models of {study} as they are now", markup=False)
        return
    raise GexvizError(
        f"the study is not what the session was made from: {' '.join(compared.changed)}",
        file=study,
        remedy="the session can be looked at all the same; make it anew for results of the study as it is",
    )


@session.command("show", epilog="Example: gexviz session show tango2.gexviz.zip")
@readable
def show_file(file: SessionFile) -> None:
    """Tell what a session file holds: where it comes from, the story, its views, its notes, its tables."""
    found = read_session(file)
    for title, table in _parts(found):
        if len(table):
            out.print(f"\n{title}", style="bold", markup=False)
            show(table)


@session.command("merge", epilog="Example: gexviz session merge tango2.gexviz.zip notes.jsonl")
@readable
def merge_notes(
    file: SessionFile,
    notes: Annotated[list[Path], typer.Argument(metavar="NOTES", help="notes.jsonl files.", show_default=False)],
    made: Merged = None,
) -> None:
    """Add notes that came back to a session file. Notes that are there already are counted, never changed.

    The offline report inside is left out, as it lacks the new notes: `gexviz report` makes one anew.
    """
    found = read_session(file)
    merged = merge(found.notes, [note for path in notes for note in read_notes(path)])
    target = made or file
    if merged.added or made is not None:
        report = None if merged.added else found.report
        write_session(dataclasses.replace(found, notes=merged.notes, report=report), target)
    out.print(f"{target}: notes added: {merged.added:,}; there already: {merged.known:,}", markup=False)
    if merged.added and found.report is not None:
        err.print("the report inside lacked the new notes and was left out; make one with `gexviz report`")


def _parts(found: Session) -> Iterator[tuple[str, pd.DataFrame]]:
    """What a session holds, a table a part."""
    manifest, state = found.manifest, found.state
    facts = {
        "study": f"{manifest.study} ({'simulated' if manifest.simulated else 'real data'})",
        "level": manifest.level,
        "created": f"{manifest.created.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
        "genome": manifest.genome,
        "people": manifest.people,
        "gexviz": manifest.gexviz,
        "title": state.title,
        "question": state.question,
        "findings": state.findings,
    }
    yield "Session", _table("what", "is", rows=[(k, str(v)) for k, v in facts.items() if v])
    models = [(n, m.family, m.scale, m.licence, m.verified) for n, m in manifest.models.items()]
    yield "Models", _table("model", "family", "scale", "licence", "verified", rows=models)
    digests = list(manifest.inputs.items())
    digests += [(f"{name}: {key}", digest) for name, m in manifest.models.items() for key, digest in m.files.items()]
    yield "Made from", _table("input", "SHA-256", rows=digests)
    views = [(v.page, v.gene, v.model, v.linear, v.variant or v.region, v.title or v.text) for v in state.views]
    yield "Views", _table("page", "gene", "model", "beside", "at", "title", rows=views)
    notes = [
        (f"{note.time:%Y-%m-%d}", note.author, _about(note.anchor), "↳ " * depth + note.text)
        for note, depth in threads(found.notes)
    ]
    yield "Notes", _table("time", "author", "on", "text", rows=notes)
    tables = [(name, f"{len(t):,}", str(t.shape[1])) for name, t in found.tables.items()]
    tables += [(f"arrays {name}", f"{len(a['position']):,}", str(len(a))) for name, a in found.arrays.items()]
    yield "Tables", _table("table", "rows", "columns", rows=tables)
    yield "Left out", _table("what", rows=[(reason,) for reason in manifest.left_out])


def _table(*columns: str, rows: Sequence[tuple[str | None, ...]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(columns))


def _about(anchor: Anchor) -> str:
    return ", ".join(filter(None, (anchor.gene, anchor.variant, anchor.region)))
