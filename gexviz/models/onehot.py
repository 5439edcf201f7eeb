"""DNA as ASCII bytes and as one-hot arrays, and the reverse complement of both."""

from __future__ import annotations

from typing import Literal

import numpy as np

BASES = b"ACGT"
_UPPER = 0xDF  # clears the bit that makes a letter lower case
_COMPLEMENT = np.arange(256, dtype=np.uint8)
for _here, _there in zip(b"ACGTURYSWKMBDHVN", b"TGCAAYRSWMKVHDBN", strict=True):
    _COMPLEMENT[_here] = _there
    _COMPLEMENT[_here | 0x20] = _there | 0x20


def one_hot(sequences: np.ndarray, n_policy: Literal["zero", "quarter"] = "zero") -> np.ndarray:
    """Encode sequences.

    Parameters
    ----------
    sequences : ndarray, uint8 (n, length)
        ASCII, either case.
    n_policy : {"zero", "quarter"}
        What N, and every other letter than A C G T, is in all four channels: 0, or 0.25.

    Returns
    -------
    ndarray, float32 (n, 4, length)
        Channels A C G T, contiguous.
    """
    if sequences.dtype != np.uint8 or sequences.ndim != 2:
        raise ValueError(f"sequences are uint8 (n, length), not {sequences.dtype} {sequences.shape}")
    upper = sequences & _UPPER
    encoded = np.empty((len(sequences), 4, sequences.shape[1]), dtype=np.float32)
    for channel, base in enumerate(BASES):
        np.equal(upper, base, out=encoded[:, channel], casting="unsafe")
    if n_policy == "quarter":
        row, position = np.nonzero(encoded.sum(axis=1) == 0)
        encoded[row, :, position] = 0.25
    return encoded


def reverse_complement(sequences: np.ndarray) -> np.ndarray:
    """Reverse and complement ASCII sequences, along the last axis.

    Parameters
    ----------
    sequences : ndarray, uint8 (..., length)
        IUPAC letters have their complements, in the same case; other bytes stay as they are.

    Returns
    -------
    ndarray, uint8 (..., length)
    """
    return _COMPLEMENT[sequences[..., ::-1]]


def reverse_complement_one_hot(onehot: np.ndarray) -> np.ndarray:
    """Reverse and complement one-hot sequences.

    Parameters
    ----------
    onehot : ndarray (..., 4, length)
        Channels A C G T.

    Returns
    -------
    ndarray (..., 4, length), contiguous
    """
    return np.ascontiguousarray(onehot[..., ::-1, ::-1])
