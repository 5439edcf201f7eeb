"""Predictions of one gene for all people, from their haplotypes or their dosages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from gexviz.cohort.haplotypes import Haplotypes
from gexviz.models.base import GeneLocus, HaplotypePolicy, ModelSpec, PredictsDosages, PredictsSequences
from gexviz.models.onehot import one_hot

SCHEMA = 1
"""Raised when the numbers would come out differently for the same inputs."""

_BATCH_BYTES = 64 * 1024**2


class GenePrediction(NamedTuple):
    """Predictions of one gene.

    Attributes
    ----------
    values : ndarray, float64 (n_samples,)
        On the model's scale; NaN for a person without any copy.
    haplotypes : ndarray or None, float64 (n_samples, 2)
        Predictions of each copy, NaN where there is none; None for models that don't predict haplotypes apart.
    facts : dict
        ``distinct`` and ``chromosomes`` (sequence models; `distinct` of them were run), with the haplotypes' counts; or
        ``share``, ``share_absolute``, ``weights`` and a count of each status (dosage models).
    reason : str or None
        Why there is no prediction, where only a closer look at the gene's weights could tell.
    """

    values: np.ndarray
    haplotypes: np.ndarray | None
    facts: dict[str, Any]
    reason: str | None = None


def predict_sequences(model: PredictsSequences, sequences: np.ndarray) -> np.ndarray:
    """Predict sequences in batches of bounded memory, on both strands where the model's spec says so.

    Parameters
    ----------
    model : PredictsSequences
    sequences : ndarray, uint8 (n, length)
        ASCII, in the model's own direction.

    Returns
    -------
    ndarray, float64 (n,)
    """
    return _in_batches(model, sequences.shape, lambda rows: one_hot(sequences[rows], model.spec.n_policy))


def predict_haplotypes(model: PredictsSequences, haplotypes: Haplotypes) -> GenePrediction:
    """Predict every person from their two haplotypes; each distinct sequence is run once.

    Parameters
    ----------
    model : PredictsSequences
        Its spec's haplotype policy says how the two copies make one value: ``output_mean``, ``output_sum``, or
        ``input_mean`` (the mean of the two one-hots is run, as Variformer does).
    haplotypes : Haplotypes

    Returns
    -------
    GenePrediction
        A haploid person's value is that of the one copy, for every policy.
    """
    index = haplotypes.index.to_numpy()
    facts = {"chromosomes": int((index >= 0).sum())} | haplotypes.counts
    if model.spec.haplotypes == "input_mean":
        pairs, person = np.unique(np.sort(index, axis=1), axis=0, return_inverse=True)
        pairs = np.where(pairs < 0, pairs.max(axis=1, keepdims=True), pairs)

        def mean_of_copies(rows: slice) -> np.ndarray:
            first, second = (one_hot(haplotypes.sequences[pairs[rows, c]], model.spec.n_policy) for c in (0, 1))
            return (first + second) / 2

        values = _in_batches(model, (len(pairs), haplotypes.sequences.shape[1]), mean_of_copies)
        return GenePrediction(values[person.ravel()], None, facts | {"distinct": len(pairs)})
    distinct = predict_sequences(model, haplotypes.sequences)
    copies = np.where(index < 0, np.nan, distinct[index])
    return GenePrediction(combine(copies, model.spec.haplotypes), copies, facts | {"distinct": len(distinct)})


def combine(copies: np.ndarray, policy: HaplotypePolicy) -> np.ndarray:
    """Make one value a person of the predictions of the two copies.

    Parameters
    ----------
    copies : ndarray, float (n_samples, 2)
        NaN where there is no such copy.
    policy : {"output_mean", "output_sum"}

    Returns
    -------
    ndarray, float64 (n_samples,)
    """
    there = ~np.isnan(copies)
    total = np.where(there, copies, 0.0).sum(axis=1)
    number = there.sum(axis=1)
    if policy == "output_sum":
        return np.where(number > 0, total, np.nan)
    return np.divide(total, number, out=np.full(len(copies), np.nan), where=number > 0)


def predict_dosages(
    model: PredictsDosages, gene: GeneLocus, variants: pd.DataFrame, dosages: np.ndarray
) -> GenePrediction:
    """Predict every person from allele dosages; see :meth:`gexviz.models.base.PredictsDosages.predict_dosages`."""
    predicted = model.predict_dosages(gene, variants, dosages)
    statuses = predicted.weights["status"].value_counts()
    facts = {
        "weights": len(predicted.weights),
        "share": float(predicted.share),
        "share_absolute": float(predicted.share_absolute),
        **{str(status): int(number) for status, number in statuses.items()},
    }
    return GenePrediction(np.asarray(predicted.values, dtype=np.float64), None, facts, predicted.reason)


def _in_batches(model: PredictsSequences, shape: tuple[int, ...], encoded: Callable[[slice], np.ndarray]) -> np.ndarray:
    """Run a model on rows of one-hots made batch by batch; the mean of both strands for ``rc_mean``."""
    number, length = shape
    size = max(1, _BATCH_BYTES // (16 * length))
    values = np.empty(number, dtype=np.float64)
    for begin in range(0, number, size):
        rows = slice(begin, min(begin + size, number))
        batch = encoded(rows)
        values[rows] = _both_strands(model, model.spec, batch)
    return values


def _both_strands(model: PredictsSequences, spec: ModelSpec, batch: np.ndarray) -> np.ndarray:
    forward = np.asarray(model.predict_sequences(batch), dtype=np.float64)
    if spec.strand != "rc_mean":
        return forward
    reverse = np.asarray(model.predict_sequences(np.ascontiguousarray(batch[:, ::-1, ::-1])), dtype=np.float64)
    return (forward + reverse) / 2
