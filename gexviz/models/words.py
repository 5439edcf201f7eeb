"""Words of DNA that go with a number: where a network's first filters can start from."""

from __future__ import annotations

import numpy as np

_CODES = np.full(256, -1, dtype=np.int32)
_CODES[np.frombuffer(b"ACGT", dtype=np.uint8)] = np.arange(4)


def number_words(sequences: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Number the word that starts at each position, A C G T as the digits 0 to 3, the first base leading.

    Parameters
    ----------
    sequences : ndarray, uint8 upper-case ASCII (n, width)
    length : int
        Bases in a word.

    Returns
    -------
    words : ndarray, int32 (n, width - length + 1)
    known : ndarray, bool, of the same shape
        Whether the word holds nothing but A, C, G and T; other letters count as A in `words`.
    """
    coded = _CODES[sequences]
    n = sequences.shape[1] - length + 1
    words = np.zeros((len(sequences), n), dtype=np.int32)
    known = np.ones(words.shape, dtype=bool)
    for k in range(length):
        words = words * 4 + np.maximum(coded[:, k : k + n], 0)
        known &= coded[:, k : k + n] >= 0
    return words, known


def spell_words(words: np.ndarray, length: int) -> np.ndarray:
    """Spell numbered words, int (n,) -> int (n, length) of 0 to 3."""
    return (np.asarray(words)[:, None] >> (2 * np.arange(length - 1, -1, -1))) & 3


def leading_words(sequences: np.ndarray, targets: np.ndarray, count: int, length: int = 8) -> np.ndarray:
    """Choose the words whose number of copies goes best with a target, one after another.

    Each choice is made on what the words before it leave unexplained (orthogonal matching pursuit, Pati et al. 1993),
    and is not a shift of an earlier word: words that share all but two bases in a row are set aside. A word and its
    reverse complement are one.

    Parameters
    ----------
    sequences : ndarray, uint8 upper-case ASCII (n, width)
    targets : ndarray, float (n,)
    count, length : int

    Returns
    -------
    ndarray, int (count, length)
        Each word spelled, A C G T = 0 to 3; the best first.
    """
    spelled = spell_words(np.arange(4**length), length)
    opposite = (3 - spelled[:, ::-1]) @ 4 ** np.arange(length - 1, -1, -1)
    one_strand = np.minimum(np.arange(4**length), opposite).astype(np.int32)
    words = one_strand[number_words(sequences, length)[0]]
    copies = np.bincount(words.ravel(), minlength=4**length)
    inner = np.stack([spelled[:, i : i + length - 2] @ 4 ** np.arange(length - 3, -1, -1) for i in range(3)], axis=1)
    open_words = copies >= 20
    columns = [np.ones(len(targets))]
    left = targets - targets.mean()
    chosen: list[int] = []
    while len(chosen) < count and open_words.any():
        sums = np.bincount(words.ravel(), np.repeat(left, words.shape[1]), minlength=4**length)
        best = int(np.argmax(np.where(open_words, np.abs(sums) / np.sqrt(np.maximum(copies, 1)), -1)))
        chosen.append(best)
        shared = np.concatenate([inner[best], inner[opposite[best]]])
        open_words &= ~np.isin(inner, shared).any(axis=1)
        columns.append((words == best).sum(axis=1).astype(float))
        design = np.stack(columns, axis=1)
        left = targets - design @ np.linalg.lstsq(design, targets, rcond=None)[0]
    return spelled[chosen]
