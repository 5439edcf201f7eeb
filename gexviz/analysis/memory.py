"""Predicting within the memory there is: smaller batches where it runs out, and then an error that says what to do."""

from __future__ import annotations

import numpy as np

from gexviz.analysis.prediction import predict_sequences
from gexviz.errors import GexvizError
from gexviz.models.base import PredictsSequences

_WORDS = ("not enough memory", "can't allocate memory", "cannot allocate memory", "out of memory", "alloc_cpu")


def predict_within_memory(model: PredictsSequences, sequences: np.ndarray) -> np.ndarray:
    """Predict sequences, in halves where all at once don't fit into memory.

    Parameters
    ----------
    model : PredictsSequences
    sequences : ndarray, uint8 (n, length)
        ASCII, in the model's own direction.

    Returns
    -------
    ndarray, float64 (n,)

    Raises
    ------
    GexvizError
        If one sequence alone doesn't fit.
    """
    values, begin, size = np.empty(len(sequences)), 0, len(sequences)
    while begin < len(sequences):
        rows = slice(begin, begin + size)
        try:
            values[rows] = predict_sequences(model, sequences[rows])
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            if size == 1:
                raise GexvizError(
                    f"{model.spec.name} runs out of memory on a single sequence",
                    expected=f"memory for one forward pass of {sequences.shape[1]:,} bp",
                    remedy="close other programs, or use a machine (or a device of the model) with more memory",
                ) from error
            size = (min(size, len(sequences) - begin) + 1) // 2
        else:
            begin += size
    return values


def out_of_memory(error: Exception) -> bool:
    """Whether an error says that memory ran out."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or any(words in text for words in _WORDS)
