"""Log-odds scores of motifs at every place of a short sequence, and the p-values of such scores.

Scores and p-values are those of FIMO (Grant et al. 2011, Bioinformatics 27:1017) as memelite computes them: a uniform
background, 0.0001 added to each probability, scores in bins of 0.1 bits.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

BIN = 0.1
"""Bits."""

PSEUDO = 1e-4
"""Added to every probability."""

_CODE = np.full(256, 4, dtype=np.intp)
for _i, _pair in enumerate((b"Aa", b"Cc", b"Gg", b"Tt")):
    _CODE[list(_pair)] = _i


class Tail(NamedTuple):
    """The chance that a random sequence scores at least so much.

    Attributes
    ----------
    lowest : int
        The first bin; bin b holds scores from ``b * BIN``.
    p : ndarray, float64 (n_bins,)
    """

    lowest: int
    p: np.ndarray


def log_odds(matrix: np.ndarray) -> np.ndarray:
    """Bits for each base against a uniform background, float64 (4, width), from probabilities of the same shape."""
    return np.log2(matrix + PSEUDO) - np.log2(0.25)


def tail_of(scores: np.ndarray) -> Tail:
    """The distribution of a motif's score over random sequences, by convolution of its columns.

    Parameters
    ----------
    scores : ndarray, float64 (4, width)
        As :func:`log_odds` gives them.

    Returns
    -------
    Tail
        The same for both strands, as the background is uniform.
    """
    return _tail(np.ascontiguousarray(scores).tobytes())


@lru_cache(maxsize=4096)
def _tail(content: bytes) -> Tail:
    bins = np.round(np.frombuffer(content).reshape(4, -1) / BIN).astype(np.int64)
    lowest = bins.min(axis=0)
    density = np.ones(1)
    for column, least in zip(bins.T, lowest, strict=True):
        wider = np.zeros(len(density) + column.max() - least)
        for value in column - least:
            wider[value : value + len(density)] += density / 4
        density = wider
    p = np.cumsum(density[::-1])[::-1]
    p.flags.writeable = False
    return Tail(int(lowest.sum()), p)


def p_values(scores: np.ndarray, tail: Tail, width: int) -> np.ndarray:
    """P-values of scores of one motif; NaN for NaN.

    The bins' rounding can put a motif's best sites above its last bin; they get the p-value of a single sequence,
    ``4 ** -width`` (memelite gives them 0).
    """
    known = np.isfinite(scores)
    bins = np.trunc(np.where(known, scores, 0) / BIN).astype(np.int64) - tail.lowest
    p = np.where(bins < len(tail.p), tail.p[np.clip(bins, 0, len(tail.p) - 1)], 0.0)
    return np.where(known, np.maximum(p, 0.25**width), np.nan)


def least_score(tail: Tail, threshold: float) -> float:
    """The score above which p is less than a threshold; infinite if no score of the motif is so rare."""
    first = int(np.searchsorted(-tail.p, -threshold, side="right"))
    return (first + tail.lowest) * BIN if first < len(tail.p) else np.inf


def scan(sequence: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Score motifs of one width at every place and on both strands.

    Parameters
    ----------
    sequence : ndarray, uint8 (length,)
        ASCII, either case.
    scores : ndarray, float64 (n_motifs, 4, width)
        As :func:`log_odds` gives them.

    Returns
    -------
    ndarray, float64 (n_motifs, 2, n_places)
        Of the motif read along the sequence, and of its reverse complement; `n_places` is ``length - width + 1``, or 0.
        NaN where the site holds another letter than A, C, G, T.
    """
    motifs, _, width = scores.shape
    places = max(len(sequence) - width + 1, 0)
    codes = _CODE[sequence]
    unknown = np.full((motifs, 2, 1, width), np.nan)
    both = np.concatenate([np.stack([scores, scores[:, ::-1, ::-1]], axis=1), unknown], axis=2)
    total = np.zeros((motifs, 2, places))
    for column in range(width):
        total += both[:, :, codes[column : column + places], column]
    return total
