"""Byte-pair tokens, as a ``tokenizer.json`` makes them, and the bases of each."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from gexviz.errors import GexvizError
from gexviz.models.language.files import library
from gexviz.models.language.tokens import Tokens

_LETTERS = np.frombuffer(b"ACGTN", np.uint8)
_MOST_BYTES = 50_000_000
_PROBE = "ACGTTGCA"


class BytePairs:
    """Words of bases that were frequent in training; what comes before and behind them is as the file tells.

    Parameters
    ----------
    path : Path
        ``tokenizer.json``, as the package tokenizers writes it.
    most : int, optional
        Tokens that the network can read; of more, the last words are left out.

    Attributes
    ----------
    size : int
        Numbers of tokens.

    Raises
    ------
    GexvizError
        For a file that makes no tokens of A C G T.
    """

    def __init__(self, path: Path, most: int | None = None) -> None:
        content = _read(path)
        try:
            self._tokenizer = library("tokenizers").Tokenizer.from_str(content.decode("utf-8"))
            spelled = "".join(self._tokenizer.encode(_PROBE, add_special_tokens=False).tokens)
        except GexvizError:
            raise
        except Exception as error:  # tokenizers raises nothing more special
            raise _no_tokenizer(path, str(error)) from None
        if spelled != _PROBE:
            raise _no_tokenizer(path, f"of {_PROBE} it makes {spelled or 'nothing'}")
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        if most is not None:
            self._tokenizer.enable_truncation(most)
        self.size = 1 + max(self._tokenizer.get_vocab(with_added_tokens=True).values())
        self._digest = hashlib.sha256(content + f" {most}".encode()).hexdigest()

    def __call__(self, codes: np.ndarray) -> Tokens:
        """Tokenise, uint8 (batch, length) -> Tokens."""
        made = [self._tokenizer.encode(row.tobytes().decode("ascii")) for row in _LETTERS[codes]]
        shape = len(made), max((len(row.ids) for row in made), default=0)
        ids, padding = np.zeros(shape, np.int64), np.ones(shape, bool)
        starts, ends = np.full(shape, -1, np.int64), np.full(shape, -1, np.int64)
        for i, row in enumerate(made):
            ids[i, : len(row.ids)], padding[i, : len(row.ids)] = row.ids, False
            of_bases = np.flatnonzero(np.array(row.special_tokens_mask) == 0)
            until = np.array(row.offsets, np.int64).reshape(-1, 2)[of_bases, 1]
            starts[i, of_bases] = [0, *until[:-1]][: len(until)]  # of many N as one token, the library knows the last
            ends[i, of_bases] = until
        return Tokens(ids, starts, ends, padding)

    def fingerprint(self) -> str:
        """Hash of the file and of the limit."""
        return self._digest


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise OSError("it is too long")
        return path.read_bytes()
    except OSError as error:
        raise _no_tokenizer(path, str(error)) from None


def _no_tokenizer(path: Path, why: str) -> GexvizError:
    return GexvizError(
        f"this makes no tokens of bases: {why}",
        file=path,
        expected="tokenizer.json as it was published with the weights",
        remedy="download it again",
    )
