"""Tokens of k bases each, side by side."""

from __future__ import annotations

import hashlib
import itertools
from pathlib import Path

import numpy as np

from gexviz.errors import GexvizError
from gexviz.models.language.tokens import UNKNOWN, Tokens, padded

_MOST_BYTES = 10_000_000


def read_vocabulary(path: Path) -> dict[str, int]:
    """Read ``vocab.txt``: a token a line, its number the line's.

    Raises
    ------
    GexvizError
        For a file that is no text, too long, or names a token twice.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError("it is too long")
        lines = path.read_text("ascii").splitlines()
        tokens = {token.strip(): number for number, token in enumerate(lines)}
        if len(tokens) != len(lines):
            raise ValueError("it names a token twice")
    except (OSError, ValueError) as error:
        raise GexvizError(
            f"can't read the vocabulary: {error}",
            file=path,
            expected="vocab.txt as it was published with the weights, a token a line",
            remedy="download it again",
        ) from None
    return tokens


class SideBySide:
    """Nucleotide Transformer's tokens: k bases each from left to right; what is left before an N or the end, singly.

    Parameters
    ----------
    vocabulary : Path
        ``vocab.txt``.
    k : int
        Bases a token.
    most : int
        Tokens that the network can read.

    Raises
    ------
    GexvizError
        For a vocabulary without one of the tokens that are needed.
    """

    def __init__(self, vocabulary: Path, k: int, most: int) -> None:
        known = read_vocabulary(vocabulary)
        words = ["".join(letters) for letters in itertools.product("ACGT", repeat=k)]
        needed = [*words, *"ACGTN", "<cls>", "<pad>"]
        if absent := [word for word in needed if word not in known]:
            raise GexvizError(
                f"the vocabulary has no {absent[0]}",
                file=vocabulary,
                expected=f"all {k}-mers of A C G T, the letters A C G T N, <cls> and <pad>",
                remedy="give the vocab.txt that was published with the weights",
            )
        self.size = len(known)
        self._k, self._most = k, most
        self._words = np.array([known[word] for word in words])
        self._letters = np.array([known[letter] for letter in "ACGTN"])
        self._first, self._padding = known["<cls>"], known["<pad>"]

    def __call__(self, codes: np.ndarray) -> Tokens:
        """Tokenise, uint8 (batch, length) -> Tokens."""
        length, k = codes.shape[1], self._k
        base = np.arange(length)
        unknown = codes == UNKNOWN
        run = np.maximum.accumulate(np.where(unknown, base + 1, 0), axis=1)  # first base since the last N
        end = np.minimum.accumulate(np.where(unknown, base, length)[:, ::-1], axis=1)[:, ::-1]  # next N
        whole = run + (end - run) // k * k
        in_words = ~unknown & (base < whole)
        begins = ~in_words | ((base - run) % k == 0)
        numbers = np.zeros(codes.shape, np.int64)
        for i in range(min(k, length)):
            numbers[:, : length - i] += (codes[:, i:] % UNKNOWN).astype(np.int64) * 4 ** (k - 1 - i)
        ids = np.where(in_words, self._words[numbers], self._letters[codes])
        widths = np.where(in_words, k, 1)
        return padded(ids, widths, begins, first=self._first, padding=self._padding, most=self._most)

    def fingerprint(self) -> str:
        """Hash of the tokens' numbers and of the limit."""
        told = (self._k, self._most, self._first, self._padding, self._words.tolist(), self._letters.tolist())
        return hashlib.sha256(repr(told).encode()).hexdigest()
