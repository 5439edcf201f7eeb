"""Predicting within the memory there is: smaller batches where it runs out, and then an error that says what to do."""

from __future__ import annotations

from typing import Literal

import numpy as np

from gexviz.analysis.prediction import predict_sequences
from gexviz.errors import GexvizError
from gexviz.models.base import Differentiable, PredictsSequences
from gexviz.models.torch_memory import LONG_WINDOW, free_for, memory_need

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


def too_much_to_keep(model: Differentiable, what: Literal["gradient", "recomputed", "every_layer"]) -> str | None:
    """Whether a network with a long window would take more memory than there is, found without running it.

    Parameters
    ----------
    model : Differentiable
    what : {"gradient", "recomputed", "every_layer"}
        The values kept for a gradient, those with blocks of layers computed anew, or those of all layers.

    Returns
    -------
    str or None
        The figures, as a clause; None where it fits, or can't be told.
    """
    window = model.spec.window
    if window is None or window < LONG_WINDOW:
        return None
    network = model.network()
    need, free = memory_need(network, window), free_for(network)
    if need is None or getattr(need, what) <= free:
        return None
    return f"about {getattr(need, what) / 1e9:.1f} GB, of which {free / 1e9:.1f} GB are there"


def out_of_memory(error: Exception) -> bool:
    """Whether an error says that memory ran out."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or any(words in text for words in _WORDS)
