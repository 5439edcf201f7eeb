"""Opening the study that the server was started for, once for all its readers."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import streamlit as st

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
    """

    study: Study
    book: GeneBook
    deep: str | None
    linear: str | None
    broken: dict[str, GexvizError]
    files: str

    @property
    def models(self) -> list[str]:
        """The models that could be opened, in the order of the study's file."""
        return [m for m in self.study.model_names if m not in self.broken]


def asked_for(arguments: Sequence[str], environment: Mapping[str, str]) -> tuple[Path, Path | None]:
    """Which study the server was asked to show, and where its results go.

    Parameters
    ----------
    arguments : sequence of str
        What followed ``--`` on the command line: ``--study PATH``, ``--results DIR``.
    environment : mapping
        ``GEXVIZ_STUDY`` and ``GEXVIZ_RESULTS`` count where the arguments don't say.

    Returns
    -------
    study : Path
        The demo's if nothing else was asked for.
    results : Path or None
        None for the study's own folder.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--study", default=environment.get("GEXVIZ_STUDY"))
    parser.add_argument("--results", default=environment.get("GEXVIZ_RESULTS"))
    given, _ = parser.parse_known_args(list(arguments))
    study = Path(given.study).expanduser() if given.study else demo_study_path()
    return study.absolute(), Path(given.results).expanduser().absolute() if given.results else None


def open_study() -> Opened:
    """The server's study; opened anew when one of its files was changed.

    Raises
    ------
    GexvizError
        If the study's file, its genes, its expression or its samples can't be read.
    """
    path, results = asked_for(sys.argv[1:], os.environ)
    try:
        edited = path.stat().st_mtime_ns
    except OSError:
        edited = 0
    key = (str(path), None if results is None else str(results), edited)
    opened = _opened(*key)
    if opened.files == files_version(opened.study):
        return opened
    _opened.clear(*key)
    return _opened(*key)


def unopened_study() -> Study:
    """The server's study without a look into its files, for the checks of one that can't be opened."""
    path, results = asked_for(sys.argv[1:], os.environ)
    return load(path, results)


@st.cache_resource(show_spinner="Opening the study…", max_entries=4)
def _opened(path: str, results: str | None, edited: int) -> Opened:
    study = load(path, results)
    files = files_version(study)
    broken: dict[str, GexvizError] = {}
    specs = {}
    for name in study.model_names:
        try:
            specs[name] = study.spec(name)
        except GexvizError as error:
            broken[name] = error
    deep, linear = default_pair({name: spec.input for name, spec in specs.items()})
    return Opened(study, GeneBook(study.genes, study.cohort.annotation), deep, linear, broken, files)


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
