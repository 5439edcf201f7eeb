"""Predicted against observed as counts of people in bins, none of them few."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from gexviz.session.privacy import K, grid_step, rounded_count, too_few

COLUMNS = ["model", "observed_low", "observed_high", "predicted_low", "predicted_high", "people"]

_OBSERVED_PER_SD = 6
_PREDICTED_PER_SD = 12


class Axis(NamedTuple):
    """A grid, and the part of it that is drawn: `k` people lie at or beyond each end (of fewer than 2 `k`, half)."""

    step: float
    first: int
    last: int


class Bin(NamedTuple):
    """A bin and who is in it; the outermost ones hold what lies beyond their outer edge, too."""

    low: float
    high: float
    members: np.ndarray


def density(table: pd.DataFrame, models: Sequence[str], k: int = K) -> pd.DataFrame:
    """Count the people of one gene in bins of observed and predicted values.

    The strips of the observed axis are made once, for all models; each is cut along the predicted axis, model by model.

    Parameters
    ----------
    table : DataFrame
        A row a person: ``observed``, and a column a model.
    models : sequence of str
    k : int

    Returns
    -------
    DataFrame
        `COLUMNS`; ``people`` is a multiple of `k`. Empty bins are not in it.
    """
    rows = [
        (model, strip.low, strip.high, part.low, part.high, rounded_count(len(part.members), k))
        for model, strip, part in bins_of(table, models, k)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def bins_of(table: pd.DataFrame, models: Sequence[str], k: int = K) -> Iterator[tuple[str, Bin, Bin]]:
    """The bins of :func:`density`, with their members as rows of `table`: model, strip of the observed axis, bin."""
    people = countable(table, models, k)
    rows = np.flatnonzero(people >= 0)
    if not len(rows) or too_few(len(table), k):
        return
    kinds, observed = people[rows], table["observed"].to_numpy(np.float64)[rows]
    strips = cut(observed, kinds, axis_of(observed, _OBSERVED_PER_SD, k), _strip_size(len(rows), k), k)
    for model in models:
        predicted = table[model].to_numpy(np.float64)[rows]
        known = np.isfinite(predicted)
        if not known.any():
            continue
        axis = axis_of(predicted[known], _PREDICTED_PER_SD, k)
        for strip in strips:
            here = strip.members[known[strip.members]]
            for part in cut(predicted[here], kinds[here], axis, k, k):
                members = rows[here[part.members]]
                yield model, strip._replace(members=rows[strip.members]), part._replace(members=members)


def countable(table: pd.DataFrame, models: Sequence[str], k: int = K) -> np.ndarray:
    """Tell people apart by which models predict them.

    Bins hold no one or at least `k` of each kind, so that no difference between two models' bins is a small group.

    Returns
    -------
    ndarray, int (n_people,)
        Each person's kind; -1 for people who are not counted: without an observation or any prediction, or of a kind
        of fewer than `k`.
    """
    known = np.isfinite(table[list(models)].to_numpy(np.float64)).reshape(len(table), len(models))
    seen = np.isfinite(table["observed"].to_numpy(np.float64)) & known.any(axis=1)
    found = np.full(len(table), -1)
    for number, kind in enumerate(np.unique(known[seen], axis=0)):
        members = seen & (known == kind).all(axis=1)
        if members.sum() >= k:
            found[members] = number
    return found


def axis_of(values: np.ndarray, per_sd: float, k: int = K) -> Axis:
    """Lay a grid over values; no end of it is at a value of one of the outermost people."""
    step = grid_step(values, per_sd)
    places = np.sort(np.floor(values / step).astype(np.int64))
    inwards = min(k, (len(places) + 1) // 2)
    return Axis(step, int(places[inwards - 1]), int(places[-inwards]))


def cut(values: np.ndarray, kinds: np.ndarray, axis: Axis, fewest: int, k: int = K) -> list[Bin]:
    """Cut values into bins with `fewest` people or more, and with none or at least `k` of each kind.

    Bins follow each other. An edge leaves out empty space only where `k` people share the grid's step behind it.
    """
    if not len(values):
        return []
    places, at = np.unique(np.floor(values / axis.step).astype(np.int64), return_inverse=True)
    at = at.ravel()
    counts = np.zeros((len(places), int(kinds.max()) + 1), dtype=np.int64)
    np.add.at(counts, (at, kinds), 1)
    dense = counts.sum(axis=1) >= k
    bins = []
    reached = min(axis.first, int(places[0])) if dense[0] else axis.first
    spans = _spans(counts, fewest, k)
    for begin, end in spans:
        low = max(reached, int(places[begin])) if dense[begin] else reached
        last = int(places[end - 1])
        if end == len(places) and not dense[end - 1]:
            last = axis.last
        reached = max(last, low) + 1
        members = np.flatnonzero((at >= begin) & (at < end))
        bins.append(Bin(low * axis.step, reached * axis.step, members))
    return bins


def _spans(counts: np.ndarray, fewest: int, k: int) -> list[tuple[int, int]]:
    """Join neighbours of a histogram (step, kind) until they may be shown; what is left at the end joins the last."""

    def enough(begin: int, end: int) -> bool:
        held = counts[begin:end].sum(axis=0)
        return bool(held.sum() >= fewest and ((held == 0) | (held >= k)).all())

    spans: list[tuple[int, int]] = []
    begin = 0
    for end in range(1, len(counts) + 1):
        if enough(begin, end):
            spans.append((begin, end))
            begin = end
    if begin < len(counts):
        while spans and not enough(begin, len(counts)):
            begin = spans.pop()[0]
        spans.append((begin, len(counts)))
    return spans


def _strip_size(people: int, k: int) -> int:
    """People in a strip, so that there are as many strips as bins in each."""
    return k * math.ceil(math.sqrt(people / k))
