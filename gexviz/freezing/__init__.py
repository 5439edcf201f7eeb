"""What of a study goes into a session, at a level of privacy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gexviz.errors import GexvizError
from gexviz.freezing import direction, locus
from gexviz.freezing.asked import asked_of
from gexviz.freezing.carriers import count_carriers
from gexviz.freezing.data import collect_data
from gexviz.freezing.manifest import manifest_of
from gexviz.freezing.overview import collect_overview
from gexviz.freezing.people import people_of
from gexviz.freezing.preview import preview
from gexviz.freezing.telling import aggregates, coarse_tables, rows_of_people
from gexviz.freezing.work import Tables, Work, joined, named
from gexviz.session import pseudonyms
from gexviz.session.contents import Level, Note, Session, State
from gexviz.session.naming import names_of, naming, without_paths
from gexviz.session.privacy import Carriers

if TYPE_CHECKING:
    from gexviz.study import Study
    from gexviz.tasks import Progress

__all__ = ["Frozen", "freeze", "preview"]


@dataclass(frozen=True, eq=False)
class Frozen(Session):
    """A session fresh from its study.

    Attributes
    ----------
    who : Series or None
        Of level ``pseudonymous``: index sample, the names in the session. Of this machine alone; no file has it.
    """

    who: pd.Series | None = field(default=None, repr=False)

    def keep_who_is_who(self, results: Path) -> Path | None:
        """Write who is who into a results folder, for this user alone; None if nobody has another name.

        Raises
        ------
        GexvizError
            If the folder can't be written.
        """
        return None if self.who is None else pseudonyms.keep(self.who, results)


def freeze(
    study: Study,
    state: State,
    notes: Sequence[Note] = (),
    level: Level = "aggregate",
    *,
    confirm: str | None = None,
    compute: bool = False,
    progress: Progress | None = None,
) -> Frozen:
    """Collect what the views of a story show, as a session that needs no study; see docs/privacy.md for the levels.

    Nothing is written: who gives a session of level ``pseudonymous`` away calls :meth:`Frozen.keep_who_is_who`.

    Parameters
    ----------
    study : Study
    state : State
        The story and its views.
    notes : sequence of Note
    level : {"aggregate", "pseudonymous", "full"}
    confirm : str, optional
        The study's name, as a confirmation that ``full`` is meant.
    compute : bool
        Compute what is not stored; else it is left out, and the manifest says so.
    progress : Progress, optional

    Returns
    -------
    Frozen

    Raises
    ------
    GexvizError
        For ``full`` without the study's name; for a text (title, note, ...) that names a person of the study, below
        ``full``, or a folder of this machine.
    """
    _require_confirmed(study, level, confirm)
    work = Work(study, asked_of(study, state, notes), compute, progress)
    work.left_out.extend(work.asked.left_out)
    people = {gene: people_of(work, wanted) for gene, wanted in work.asked.genes.items() if wanted.people}
    tables, arrays = _collected(work)
    carriers = _carriers(work, tables)
    if level != "full":
        tables = coarse_tables(work, tables, carriers)
    told = carriers.table.index if level == "full" else carriers.enough()
    tables |= aggregates(work, people, told) | collect_data(work, level)
    who = None
    if level != "aggregate":
        rows, who = rows_of_people(study, people, told, level)
        tables |= rows
    tables = {name: _plain(table) for name, table in tables.items()}
    models = [m for m in study.model_names if m in _models(tables)]
    manifest = manifest_of(study, models, level, work.left_out)
    session = Frozen(manifest, work.asked.state, tuple(notes), tables, arrays, who=who)
    _require_unnamed(study, session)
    return session


def _require_confirmed(study: Study, level: Level, confirm: str | None) -> None:
    if level == "full" and confirm != study.name:
        raise GexvizError(
            "a session of level full names the people of the study",
            expected=f"the study's name as a confirmation: confirm={study.name!r}",
            remedy="share aggregates, the default, unless the receiver may see everybody's data",
        )


def _require_unnamed(study: Study, session: Session) -> None:
    """Refuse texts that name people, or folders of this machine."""
    people = () if session.manifest.level == "full" else study.samples.index
    folders = (study.config.path.parent, study.results.folder, Path.home())
    places = list(naming(session, names_of(people, [folder.absolute() for folder in folders])))
    if places:
        raise GexvizError(
            "a text names a person of the study, or a folder of this machine",
            place="; ".join(places[:5]),
            expected=f"neither at level {session.manifest.level}",
            remedy="take the name out of it",
        )


def _models(tables: Mapping[str, pd.DataFrame]) -> set[str]:
    columns = [table[name] for table in tables.values() for name in ("model", "linear") if name in table]
    return {str(model) for column in columns for model in column.unique()}


# -- what the views show -----------------------------------------------------------------------------------------------


def _collected(work: Work) -> tuple[Tables, dict[str, dict[str, np.ndarray]]]:
    """All tables but those of people, as the study has them, and the arrays of tracks."""
    parts: dict[str, list[pd.DataFrame]] = {}
    arrays: dict[str, dict[str, np.ndarray]] = {}

    def add(name: str, *more: pd.DataFrame) -> None:
        parts.setdefault(name, []).extend(more)

    compared = direction.comparisons(work)
    for pair, found in compared.items():
        for name, table in direction.tables_of(pair, found).items():
            add(name, table)
    wanted = list(work.asked.genes.items())
    for done, (gene, asked) in enumerate(wanted, start=1):
        genes, exons = locus.surroundings(work, asked)
        add("genes", genes)
        add("exons", exons)
        add("effects", *locus.effects_of(work, asked))
        add("weights", *locus.weights_of(work, asked))
        if asked.associations in compared:
            add("associations", direction.associations(compared[asked.associations], gene))
        for bases in locus.tracks_of(work, asked):
            name = f"track-{len(arrays) + 1:03}"
            arrays[name] = bases.arrays
            add("tracks", pd.DataFrame([{"array": name, **bases.facts}]))
        work.told(done, len(wanted), asked.place.name)
    overview = collect_overview(work)
    if overview or compared:
        add("genes", named(work.study.genes))
    tables = overview
    for name, found_parts in parts.items():
        tables |= joined(name, found_parts)
    if "genes" in tables:
        places = ["gene", "name", "contig", "start", "end", "strand", "tss"]
        tables["genes"] = tables["genes"][places].drop_duplicates("gene").reset_index(drop=True)
    if "exons" in tables:
        tables["exons"] = tables["exons"].drop_duplicates().reset_index(drop=True)
    return tables, arrays


def _carriers(work: Work, tables: Tables) -> Carriers:
    """Who carries the variants that the tables or the views name."""
    variants = {v for asked in work.asked.genes.values() for v in asked.variants}
    for table in tables.values():
        for column in ("variant", "main_driver", "lead", "signal", "rival"):
            if column in table and table[column].dtype != bool:
                variants |= set(table[column].dropna().astype(str))
    return count_carriers(work.study, variants, work.progress)


# -- as a session holds it ---------------------------------------------------------------------------------------------


def _plain(table: pd.DataFrame) -> pd.DataFrame:
    """Columns of numbers or text: truth values that may be missing become 0 and 1, reasons name no folder."""
    changed: dict[str, Any] = {}
    for name in table:
        column = table[name]
        known = column.dropna()
        if column.dtype == "boolean" or (column.dtype == object and len(known) and _are_truths(known)):
            changed[str(name)] = column.astype("boolean").astype("Float64").astype(np.float64)
        elif name == "reason":
            changed["reason"] = column.fillna("").map(lambda text: without_paths(str(text)))
    return table.assign(**changed).reset_index(drop=True)


def _are_truths(values: Iterable[object]) -> bool:
    return all(isinstance(value, bool | np.bool_) for value in values)
