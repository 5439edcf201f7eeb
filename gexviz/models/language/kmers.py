"""Tokens of k bases each: side by side, or one at every base."""

from __future__ import annotations

import hashlib
import itertools
from pathlib import Path

import numpy as np

from gexviz.errors import GexvizError
from gexviz.models.language.tokens import UNKNOWN, Tokens, padded

_MOST_BYTES = 10_000_000
_MOST_K = 8


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


class Overlapping:
    """DNABERT's tokens: the k bases that begin at each base, between two tokens for beginning and end.

    Parameters
    ----------
    vocabulary : Path
        ``vocab.txt``; its longest words tell k.
    most : int
        Tokens that the network can read.

    Raises
    ------
    GexvizError
        For a vocabulary without one of the tokens that are needed.
    """

    def __init__(self, vocabulary: Path, most: int) -> None:
        known = read_vocabulary(vocabulary)
        self.k = max((len(word) for word in known if set(word) <= set("ACGT")), default=0)
        if not 1 <= self.k <= _MOST_K:
            raise _lacks(vocabulary, "words of 1 to 8 of the letters A C G T", "[CLS], [SEP], [UNK] and all k-mers")
        words = _words(self.k)
        special = ["[CLS]", "[SEP]", "[UNK]"]
        if absent := [word for word in [*words, *special] if word not in known]:
            raise _lacks(vocabulary, absent[0], f"all {self.k}-mers of A C G T, {', '.join(special)}")
        self.size = len(known)
        self.longest = most - 2 + self.k - 1
        self._words = np.array([known[word] for word in words])
        self._first, self._last, self._unknown = (known[word] for word in special)

    def __call__(self, codes: np.ndarray) -> Tokens:
        """Tokenise, uint8 (batch, length) -> Tokens; k-mers with an N are one unknown word."""
        begins = np.arange(codes.shape[1] - self.k + 1)
        known = np.lib.stride_tricks.sliding_window_view(codes != UNKNOWN, self.k, axis=1).all(axis=2)
        ids = np.where(known, self._words[_numbers(codes, self.k)[:, : len(begins)]], self._unknown)
        starts = np.broadcast_to(np.concatenate([[-1], begins, [-1]]), (len(codes), len(begins) + 2))
        made = np.pad(ids, ((0, 0), (1, 1)), constant_values=((0, 0), (self._first, self._last)))
        return Tokens(made, starts, np.where(starts < 0, -1, starts + self.k), np.zeros(made.shape, bool))

    def fingerprint(self) -> str:
        """Hash of the tokens' numbers."""
        told = (self.k, self._first, self._last, self._unknown, self._words.tolist())
        return hashlib.sha256(repr(told).encode()).hexdigest()


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

    Attributes
    ----------
    longest : int
        Bases that it can read, if none of them is N.

    Raises
    ------
    GexvizError
        For a vocabulary without one of the tokens that are needed.
    """

    def __init__(self, vocabulary: Path, k: int, most: int) -> None:
        known = read_vocabulary(vocabulary)
        words = _words(k)
        needed = [*words, *"ACGTN", "<cls>", "<pad>"]
        if absent := [word for word in needed if word not in known]:
            raise _lacks(vocabulary, absent[0], f"all {k}-mers of A C G T, the letters A C G T N, <cls> and <pad>")
        self.size = len(known)
        self.longest = (most - 1) * k
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
        ids = np.where(in_words, self._words[_numbers(codes, k)], self._letters[codes])
        widths = np.where(in_words, k, 1)
        return padded(ids, widths, begins, first=self._first, padding=self._padding, most=self._most)

    def fingerprint(self) -> str:
        """Hash of the tokens' numbers and of the limit."""
        told = (self._k, self._most, self._first, self._padding, self._words.tolist(), self._letters.tolist())
        return hashlib.sha256(repr(told).encode()).hexdigest()


def _words(k: int) -> list[str]:
    """All k-mers, in the order of :func:`_numbers`."""
    return ["".join(letters) for letters in itertools.product("ACGT", repeat=k)]


def _numbers(codes: np.ndarray, k: int) -> np.ndarray:
    """Number of the k-mer that begins at each base, (batch, length); no meaning where it has N or passes the end."""
    length = codes.shape[1]
    numbers = np.zeros(codes.shape, np.int64)
    for i in range(min(k, length)):
        numbers[:, : length - i] += (codes[:, i:] % UNKNOWN).astype(np.int64) * 4 ** (k - 1 - i)
    return numbers


def _lacks(vocabulary: Path, what: str, expected: str) -> GexvizError:
    return GexvizError(
        f"the vocabulary has no {what}",
        file=vocabulary,
        expected=expected,
        remedy="give the vocab.txt that was published with the weights",
    )
