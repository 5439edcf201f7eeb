"""The comparison of a deep model with eQTLs, made in the background once for all readers."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import pandas as pd
import streamlit as st

from gexviz.mismatches import Mismatches
from gexviz.mismatching import PERMUTATIONS, stored_genes
from gexviz.models.base import PredictsDosages, PredictsSequences
from gexviz.results import digest_of
from gexviz.study import Study
from gexviz.tasks import Progress
from gexviz.ui import locus_work, tables
from gexviz.ui.jobs import Jobs
from gexviz.ui.links import Selection
from gexviz.ui.locus_work import DONE, Wanted
from gexviz.ui.opening import Opened

MOST_KEPT = 3
"""Comparisons held in memory."""

_DEVICE = "mismatches"


class Pair(NamedTuple):
    """Models to compare.

    Attributes
    ----------
    deep : str
        Reads sequence.
    linear : str or None
        Has weights of variants.
    """

    deep: str
    linear: str | None


def pair_of(opened: Opened, selection: Selection) -> Pair | None:
    """The chosen models as far as they can be compared with eQTLs; None if the first one reads no sequence."""
    study = opened.study
    deep, linear = selection.model, selection.linear
    if deep is None or not isinstance(study.model(deep), PredictsSequences):
        return None
    fits = linear is not None and isinstance(study.model(linear), PredictsDosages)
    return Pair(deep, linear if fits else None)


def kept(opened: Opened, pair: Pair) -> Mismatches | None:
    """A comparison that was made since the server began; None if there is none."""
    return _shelf().get(_key(opened, pair))


def verdicts(opened: Opened, pair: Pair) -> pd.Series | None:
    """Each gene's verdict, from memory or from disk; None if the comparison is to be made (again)."""
    found = kept(opened, pair)
    genes = _stored(opened, _key(opened, pair), pair) if found is None else found.genes
    return None if genes is None else genes["verdict"]


def _stored(opened: Opened, key: str, pair: Pair) -> pd.DataFrame | None:
    """Verdicts on disk. Looked for again only when the results have changed, as naming their key takes a while."""
    return _read(opened.study, f"{key} {tables.stamp(opened.study.results.path)}", pair)


@st.cache_data(show_spinner=False, max_entries=16)
def _read(_study: Study, key: str, pair: Pair) -> pd.DataFrame | None:
    return stored_genes(_study, pair.deep, pair.linear)


def begin(opened: Opened, jobs: Jobs, pair: Pair) -> None:
    """Make a comparison that was asked for, however long it takes."""
    work = wanted(opened, pair)
    jobs.submit(work.key, work.label, work.work, device=_DEVICE, unit=work.unit, gradual=False)


def wanted(opened: Opened, pair: Pair) -> Wanted:
    """Making a comparison. What of it is stored on disk is not computed again."""
    study, key, shelf = opened.study, _key(opened, pair), _shelf()

    def work(progress: Progress) -> str:
        found = study.mismatches(pair.deep, pair.linear, progress=progress)
        shelf[key] = found
        for old in list(shelf)[:-MOST_KEPT]:
            shelf.pop(old, None)
        return DONE

    others = "eQTLs" if pair.linear is None else f"eQTLs and {pair.linear}"
    return Wanted(f"mismatches {key}", f"Comparing {pair.deep} with {others}", "steps", work, device=_DEVICE)


def found_or_begun(opened: Opened, jobs: Jobs, pair: Pair, until: float) -> Mismatches | None:
    """Give a comparison; while there is none it is made, and that is said.

    A simulated study is small, and is compared without being asked; otherwise work that turns out to take long is.

    Parameters
    ----------
    opened : Opened
    jobs : Jobs
    pair : Pair
    until : float
        Time (``time.monotonic()``) up to which the work is waited for.
    """
    work = wanted(opened, pair)
    if opened.study.simulated and jobs.get(work.key) is None:
        begin(opened, jobs, pair)
    found: Mismatches | None = locus_work.found_or_begun(jobs, work, partial(kept, opened, pair), until)
    return found


def _key(opened: Opened, pair: Pair) -> str:
    return digest_of(str(opened.study.results.path), opened.files, pair.deep, pair.linear, PERMUTATIONS)


@st.cache_resource(show_spinner=False)
def _shelf() -> dict[str, Mismatches]:
    """The newest comparisons, by their keys."""
    return {}
