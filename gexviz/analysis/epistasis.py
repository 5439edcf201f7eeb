"""Epistasis between pairs of variants under a model: what both together do beyond the sum of what each does alone."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from gexviz.analysis.ism import Progress, predict_within_memory
from gexviz.cohort.variant_sequences import VariantSequences
from gexviz.errors import GexvizError
from gexviz.models.base import PredictsSequences

SCHEMA = 1
"""Raised when the numbers would come out differently for the same inputs."""

MOST = 12
_STEP = 16
_LABEL = "epistasis"


class Epistasis(NamedTuple):
    """Pairwise epistasis of chosen variants, on the model's scale, for one copy of the sequence.

    Attributes
    ----------
    matrix : DataFrame
        Variant x variant, symmetric: f(ab) - f(a) - f(b) + f(0). NaN on the diagonal and for pairs that can't be on one
        haplotype.
    single : Series
        f(a) - f(0) of each variant.
    reasons : DataFrame
        Variant x variant: why a pair has no value; empty where it has.
    original : float
        f(0): the background without any of the chosen variants.
    """

    matrix: pd.DataFrame
    single: pd.Series
    reasons: pd.DataFrame
    original: float


def epistasis(
    model: PredictsSequences,
    found: VariantSequences,
    variants: Sequence[str],
    *,
    sample: str | None = None,
    copy: Literal[1, 2] | None = None,
    progress: Progress | None = None,
) -> Epistasis:
    """Compute the epistasis of every pair of some variants.

    Parameters
    ----------
    model : PredictsSequences
    found : VariantSequences
        Of the model's window.
    variants : sequence of str
        2 to 12 of them.
    sample, copy : optional
        On this person's haplotype; on the reference if not given. All chosen variants are absent from f(0), the other
        alleles of the haplotype stay.
    progress : callable, optional
        ``progress(done, total, label)``; may raise Cancelled.

    Returns
    -------
    Epistasis

    Raises
    ------
    GexvizError
        For a number of variants out of range, one given twice, or one that can't be put on a sequence.
    """
    chosen = list(variants)
    if not 2 <= len(chosen) <= MOST or len(set(chosen)) < len(chosen):
        raise GexvizError(
            f"epistasis of {len(chosen)} variants" + (", some given twice" if len(set(chosen)) < len(chosen) else ""),
            expected=f"2 to {MOST} different variants of the window",
            remedy="choose fewer: the largest effects first",
        )
    pairs = list(combinations(range(len(chosen)), 2))
    sets: list[list[str]] = [[], *([name] for name in chosen), *([chosen[a], chosen[b]] for a, b in pairs)]
    made = found.combined(sets, sample, copy)
    values = np.full(len(sets), np.nan)
    possible = np.array([reason == "" for reason in made.reasons], dtype=bool)
    rows = np.flatnonzero(possible)
    for begin in range(0, len(rows), _STEP):
        part = rows[begin : begin + _STEP]
        values[part] = predict_within_memory(model, made.sequences[part])
        if progress is not None:
            progress(min(begin + _STEP, len(rows)), len(rows), _LABEL)
    original, alone, both = values[0], values[1 : len(chosen) + 1], values[len(chosen) + 1 :]
    index = pd.Index(chosen, name="variant")
    matrix = pd.DataFrame(np.nan, index=index, columns=chosen)
    reasons = pd.DataFrame("", index=index, columns=chosen)
    for (a, b), together, reason in zip(pairs, both, made.reasons[len(chosen) + 1 :], strict=True):
        missing = next((text for text in (made.reasons[a + 1], made.reasons[b + 1], reason) if text), "")
        matrix.iat[a, b] = matrix.iat[b, a] = together - alone[a] - alone[b] + original
        reasons.iat[a, b] = reasons.iat[b, a] = missing
    return Epistasis(matrix, pd.Series(alone - original, index=index, name="effect"), reasons, float(original))
