"""What a language model reads of a sequence, and which bases each token stands for."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np

UNKNOWN = 4
"""Code of N; 0 to 3 are A C G T."""


class Tokens(NamedTuple):
    """Tokenised sequences, of one length by padding at the end.

    Attributes
    ----------
    ids : ndarray, int64 (batch, tokens)
    starts, ends : ndarray, int64 (batch, tokens)
        The bases of each token, 0-based half-open, in the sequence as it was read; both -1 for tokens without bases.
    padding : ndarray, bool (batch, tokens)
    """

    ids: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    padding: np.ndarray

    @property
    def of_bases(self) -> np.ndarray:
        """Which tokens stand for bases, bool (batch, tokens)."""
        return self.starts >= 0


class Tokenizer(Protocol):
    """Makes tokens."""

    def __call__(self, codes: np.ndarray) -> Tokens:
        """Tokenise, uint8 (batch, length) of :func:`codes_of` -> Tokens."""
        ...

    def fingerprint(self) -> str:
        """Hash of everything that the tokens depend on."""
        ...


def codes_of(onehot: np.ndarray) -> np.ndarray:
    """Read bases from one-hot sequence.

    Parameters
    ----------
    onehot : ndarray (batch, 4, length)
        Channels A C G T; where none of them is 1, the base is not known.

    Returns
    -------
    ndarray, uint8 (batch, length)
        0 to 3, or :data:`UNKNOWN`.
    """
    codes = onehot.argmax(axis=1).astype(np.uint8)
    codes[onehot.max(axis=1) < 1] = UNKNOWN
    return codes


def padded(ids: np.ndarray, widths: np.ndarray, begins: np.ndarray, *, first: int, padding: int, most: int) -> Tokens:
    """Gather the tokens that begin at some bases of each sequence, behind one token for its beginning.

    Parameters
    ----------
    ids, widths : ndarray (batch, length)
        Of the token that would begin at each base.
    begins : ndarray, bool (batch, length)
        Where a token does begin.
    first, padding : int
        Ids of the first token and of padding.
    most : int
        Tokens that the network can read, the first one too; the others at the end are left out.

    Returns
    -------
    Tokens
    """
    row, base = np.nonzero(begins)
    place = 1 + np.concatenate([np.arange(n) for n in begins.sum(axis=1)])
    row, base, place = (part[place < most] for part in (row, base, place))
    shape = len(ids), 1 + int(place.max(initial=0))
    made = np.full(shape, padding, np.int64)
    starts, ends = np.full(shape, -1, np.int64), np.full(shape, -1, np.int64)
    made[:, 0] = first
    made[row, place] = ids[row, base]
    starts[row, place] = base
    ends[row, place] = base + widths[row, base]
    pads = starts < 0
    pads[:, 0] = False
    return Tokens(made, starts, ends, pads)
