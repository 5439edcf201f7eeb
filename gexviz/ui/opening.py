"""Opening the study that the server was started for, once for all its readers."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

import streamlit as st

from gexviz.allowed import Allowed, allowed_roots
from gexviz.demo_study import demo_study_path
from gexviz.errors import GexvizError
from gexviz.study import Study, load
from gexviz.ui.jobs import Jobs
from gexviz.ui.search import GeneBook
from gexviz.ui.tables import files_version


class Opened(NamedTuple):
    """A study as the pages use it.

    Attributes
    ----------
    study : Study
    book : GeneBook
    deep, linear : str or None
        The models shown where the URL names none: the first that reads sequence or brings its own predictions, and the
        first linear one; or the first two.
    broken : dict
        Models that can't be opened, with the error.
    files : str
        The version of its files when it was opened.
    allowed : Allowed
        Where files that a reader names may be.
    """

    study: Study
    book: GeneBook
    deep: str | None
    linear: str | None
    broken: dict[str, GexvizError]
    files: str
    allowed: Allowed

    @property
    def models(self) -> list[str]:
        """The models that could be opened, in the order of the study's file."""
        return [m for m in self.study.model_names if m not in self.broken]


class Asked(NamedTuple):
    """What the server was asked to show.

    Attributes
    ----------
    study : Path
        The demo's if nothing else was asked for.
    results : Path or None
        None for the study's own folder.
    roots : tuple of Path
        Folders that everything must be in: the study, the files named in it, files that readers name. If there are
        none, the study's own files may be anywhere, as whoever starts the server chose the study.
    login : bool
        Whether nobody may be let in without logging in.
    """

    study: Path
    results: Path | None = None
    roots: tuple[Path, ...] = ()
    login: bool = False

    @property
    def for_study(self) -> Allowed | None:
        """Where the study and its files may be; None for anywhere."""
        return Allowed(self.roots, self.study.parent) if self.roots else None

    @property
    def for_readers(self) -> Allowed:
        """Where files that a reader names may be: the roots, or else the study's folder."""
        return self.for_study or Allowed(allowed_roots([self.study.parent]), self.study.parent)


class _Arguments(argparse.ArgumentParser):
    """What follows ``--`` on the command line; wrong options are told to people, as nobody reads the terminal."""

    def error(self, message: str) -> NoReturn:
        raise GexvizError(
            f"the app was started with a wrong option: {message}",
            expected="--study FILE, --results FOLDER, --allow-root FOLDER (as often as needed), --require-login",
            remedy="start it again: streamlit run app.py -- --study study.toml",
        )


def asked_for(arguments: Sequence[str], environment: Mapping[str, str]) -> Asked:
    """Which study the server was asked to show, where its results go, and which folders may be read.

    Parameters
    ----------
    arguments : sequence of str
        What followed ``--`` on the command line: ``--study PATH``, ``--results DIR``, ``--allow-root DIR``,
        ``--require-login``.
    environment : mapping
        ``GEXVIZ_STUDY``, ``GEXVIZ_RESULTS`` and ``GEXVIZ_ALLOW_ROOT`` (folders, separated as in ``PATH``) count where
        the arguments don't say.

    Raises
    ------
    GexvizError
        For an unknown option, or a folder to allow that isn't there.
    """
    parser = _Arguments(add_help=False, allow_abbrev=False)
    parser.add_argument("--study", default=environment.get("GEXVIZ_STUDY"))
    parser.add_argument("--results", default=environment.get("GEXVIZ_RESULTS"))
    parser.add_argument("--allow-root", action="append", dest="roots")
    parser.add_argument("--require-login", action="store_true", dest="login")
    given = parser.parse_args(list(arguments))
    roots = given.roots
    if roots is None and (listed := environment.get("GEXVIZ_ALLOW_ROOT")):
        roots = listed.split(os.pathsep)
    study = Path(given.study).expanduser().absolute() if given.study else demo_study_path()
    results = Path(given.results).expanduser().absolute() if given.results else None
    folders = allowed_roots(roots or ())
    if folders and not given.study:
        folders = (*folders, study.parent)  # the demo comes with the program
    return Asked(study, results, folders, given.login)


def server_asked_for() -> Asked:
    """What this server was asked to show."""
    return asked_for(sys.argv[1:], os.environ)


def open_study() -> Opened:
    """The server's study; opened anew when one of its files was changed.

    Raises
    ------
    GexvizError
        If the study's file, its genes, its expression or its samples can't be read.
    """
    asked = server_asked_for()
    try:
        edited = asked.study.stat().st_mtime_ns
    except OSError:
        edited = 0
    opened = _opened(asked, edited)
    if opened.files == files_version(opened.study):
        return opened
    _opened.clear(asked, edited)
    return _opened(asked, edited)


def unopened_study() -> Study:
    """The server's study without a look into its files, for the checks of one that can't be opened."""
    asked = server_asked_for()
    return load(asked.study, asked.results, asked.for_study)


@st.cache_resource(show_spinner="Opening the study…", max_entries=4)
def _opened(asked: Asked, edited: int) -> Opened:
    study = load(asked.study, asked.results, asked.for_study)
    files = files_version(study)
    broken: dict[str, GexvizError] = {}
    specs = {}
    for name in study.model_names:
        try:
            specs[name] = study.spec(name)
        except GexvizError as error:
            broken[name] = error
    deep, linear = default_pair({name: spec.input for name, spec in specs.items()})
    book = GeneBook(study.genes, study.cohort.annotation)
    return Opened(study, book, deep, linear, broken, files, asked.for_readers)


def default_pair(inputs: Mapping[str, str]) -> tuple[str | None, str | None]:
    """Choose a deep and a linear model by what models read; any two where there is not one of each.

    Parameters
    ----------
    inputs : mapping
        Model -> ``sequence``, ``table``, ``remote`` or ``dosage``.
    """
    names = list(inputs)
    deep = next((m for m in names if inputs[m] != "dosage"), None)
    linear = next((m for m in names if inputs[m] == "dosage"), None)
    first = deep or next(iter(names), None)
    return first, next((m for m in [linear, *names] if m is not None and m != first), None)


def reopen() -> None:
    """Forget the opened study, so that the next page reads its files again."""
    _opened.clear()


@st.cache_resource(show_spinner=False)
def all_jobs() -> Jobs:
    """The server's background jobs."""
    return Jobs()
