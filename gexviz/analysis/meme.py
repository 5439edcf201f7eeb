"""Reading motifs from files in MEME format (https://meme-suite.org/meme/doc/meme-format.html), strictly."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from gexviz.errors import GexvizError

WIDEST = 100
"""Columns of the widest motif that is read; known binding sites have at most about 40."""

TOLERANCE = 0.02
"""How far from 1 a row may sum: files round to as few as two decimals."""

_CONVERT = "get the motifs in MEME format, or convert them (meme-suite: jaspar2meme, transfac2meme, chen2meme)"
_OTHERS = (
    ((b"<!doctype html", b"<html"), "this is a web page, not a motif file", "download the file itself, not its page"),
    ((b"<?xml", b"<"), "this is XML, not MEME's text format", "take the text output (meme.txt), or write minimal MEME"),
    ((b"\x1f\x8b",), "the file is gzipped", "unpack it: gunzip"),
    ((b"pk\x03\x04",), "the file is a zip archive", "unpack it: unzip"),
    ((b">",), "these are motifs in JASPAR or HOMER format, not MEME", _CONVERT),
)
_MATRIX = "letter-probability matrix"
_ROW = "four probabilities (A C G T) that sum to 1"

_Line = tuple[int, str]


def read_motifs(path: str | Path) -> dict[str, np.ndarray]:
    """Read all motifs of a MEME file.

    Parameters
    ----------
    path : path
        Text in MEME format, version 4 or 5, minimal or as MEME and STREME write it, with the DNA alphabet.

    Returns
    -------
    dict of str to ndarray, float64 (4, width)
        Probabilities of A, C, G, T, in the file's order. The key is the motif's identifier, with its alternative name
        after a space where there is one (``MA0001.1 AGL3``). Numbers are as written, not normalised again. Background
        frequencies of the file are not used: scans here have a uniform background.

    Raises
    ------
    GexvizError
        With the line and the motif: for another kind of file, another alphabet, a motif without a matrix or there
        twice, a matrix with more or fewer rows than its ``w``, a cell that is no probability, or a row that doesn't
        sum to 1 (within 0.02).

    References
    ----------
    Bailey et al. 2015, Nucleic Acids Research 43:W39.
    """
    path = Path(path)
    lines = _Lines(path)
    motifs: dict[str, np.ndarray] = {}
    begun: dict[str, int] = {}
    name = ""
    versioned = False
    for number, line in lines:
        if line.startswith("MEME version"):
            versioned = True
        elif line.startswith("ALPHABET"):
            _check_alphabet(path, number, line)
        elif line.split(maxsplit=1)[:1] == ["MOTIF"]:
            _check_has_matrix(path, name, motifs, begun)
            name = _name(path, number, line)
            if name in begun:
                raise GexvizError(
                    f"the motif {name} is there twice",
                    file=path,
                    place=f"lines {begun[name]:,} and {number:,}",
                    expected="each motif once",
                    remedy="remove or rename one of them",
                )
            begun[name] = number
        elif line.startswith(_MATRIX):
            if not name or name in motifs:
                raise _error(path, number, name, "a matrix without a motif of its own", "a MOTIF line before each")
            motifs[name] = _matrix(path, lines, (number, line), name)
    if not versioned or not begun:
        raise GexvizError(
            "this is not a MEME file" if not versioned else "the file has no motifs",
            file=path,
            expected="a line 'MEME version 4' (or 5), then motifs, each with a MOTIF line and a matrix",
            remedy=_CONVERT,
        )
    _check_has_matrix(path, name, motifs, begun)
    return motifs


class _Lines:
    """Numbered, stripped lines, the last of which can be given back."""

    def __init__(self, path: Path) -> None:
        self._lines = enumerate(_text(path).splitlines(), start=1)
        self._back: list[_Line] = []

    def __iter__(self) -> Iterator[_Line]:
        return self

    def __next__(self) -> _Line:
        if self._back:
            return self._back.pop()
        number, line = next(self._lines)
        return number, line.strip()

    def give_back(self, line: _Line) -> None:
        self._back.append(line)


def _text(path: Path) -> str:
    """The file as text, if it looks like text in this format."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise GexvizError(
            f"can't read the motif file: {error.strerror or error}",
            file=path,
            expected="a file of motifs in MEME format",
            remedy="correct the path",
        ) from None
    start = content.removeprefix(b"\xef\xbb\xbf")[:200].lstrip().lower()
    if not start:
        raise GexvizError("the file is empty", file=path, expected="motifs in MEME format", remedy=_CONVERT)
    for signs, problem, remedy in _OTHERS:
        if start.startswith(signs):
            raise GexvizError(problem, file=path, expected="'MEME version 4' in its first lines", remedy=remedy)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise GexvizError(
            "this is not UTF-8 text",
            file=path,
            place=f"line {line:,}",
            expected="motifs in MEME format",
            remedy="convert it: iconv -t UTF-8",
        ) from None


def _check_alphabet(path: Path, number: int, line: str) -> None:
    letters = line.removeprefix("ALPHABET").lstrip().removeprefix("=").strip()
    if letters.upper() != "ACGT" and not letters.startswith('"DNA"'):
        kind = {"ACGU": "RNA", "ACDEFGHIKLMNPQRSTVWY": "protein"}.get(letters.upper(), f"alphabet {letters[:40]!r}")
        raise GexvizError(
            f"these are motifs of another alphabet ({kind})",
            file=path,
            place=f"line {number:,}",
            expected="ALPHABET= ACGT",
            remedy="use motifs of DNA; RNA motifs can be written as DNA (meme-suite: rna2meme -dna)",
        )


def _name(path: Path, number: int, line: str) -> str:
    """Identifier and alternative name; MEME's own output goes on with ``width = ...``."""
    name = " ".join(re.split(r"\swidth\s*=", line)[0].split()[1:])
    if not name:
        raise GexvizError("a motif without a name", file=path, place=f"line {number:,}", expected="MOTIF identifier")
    return name


def _matrix(path: Path, lines: _Lines, head: _Line, name: str) -> np.ndarray:
    """Read the rows below a matrix' first line, as many as there are, and see that they are as many as it says."""
    number, line = head
    letters, width = _stated(path, head, name, "alength"), _stated(path, head, name, "w")
    if letters not in (None, 4):
        raise _error(path, number, name, f"a matrix of {letters} letters", "alength= 4, for A C G T")
    rows: list[list[float]] = []
    for number, line in lines:
        if not line or line.startswith(("MOTIF", "URL", "---")) or (len(rows) == width and not _numeric(line)):
            lines.give_back((number, line))
            break
        rows.append(_row(path, number, name, line))
        if len(rows) > (WIDEST if width is None else width):
            break
    if width is not None and len(rows) != width:
        found = f"more than {width}" if len(rows) > width else str(len(rows))
        raise _error(path, number, name, f"the matrix has {found} rows, but w= {width}", f"{width} rows of numbers")
    if not 0 < len(rows) <= WIDEST:
        problem = f"a matrix of more than {WIDEST} rows" if rows else "a matrix without rows"
        raise _error(path, number, name, problem, f"1 to {WIDEST} rows")
    return np.ascontiguousarray(np.array(rows).T)


def _stated(path: Path, head: _Line, name: str, key: str) -> int | None:
    """A whole number that a matrix' first line states; None if it doesn't (all are optional)."""
    number, line = head
    found = re.search(rf"\b{key}\s*=\s*(\S*)", line)
    if found is None:
        return None
    if not found[1].isdecimal():
        raise _error(path, number, name, f"{key}= {found[1]!r} is not a whole number", f"{_MATRIX}: alength= 4 w= 10")
    return int(found[1])


def _row(path: Path, number: int, name: str, line: str) -> list[float]:
    cells = line.split()
    try:
        row = [float(cell) for cell in cells]
    except ValueError:
        wrong = next(cell for cell in cells if not _numeric(cell))
        raise _error(path, number, name, f"{wrong[:40]!r} is not a number", _ROW) from None
    if len(row) != 4:
        raise _error(path, number, name, f"a row of {len(row)} numbers", _ROW)
    if not all(0 <= value <= 1 for value in row):
        raise _error(path, number, name, "a number that is no probability: these may be counts or log odds", _ROW)
    if abs(sum(row) - 1) > TOLERANCE:
        raise _error(path, number, name, f"the row sums to {sum(row):.4g}", _ROW)
    return row


def _numeric(line: str) -> bool:
    """Whether a line begins with a number."""
    try:
        float(line.split()[0])
    except ValueError:
        return False
    return True


def _check_has_matrix(path: Path, name: str, motifs: dict[str, np.ndarray], begun: dict[str, int]) -> None:
    if name and name not in motifs:
        raise _error(path, begun[name], name, "a motif without a matrix", f"a line '{_MATRIX}: alength= 4 w= ...'")


def _error(path: Path, number: int, name: str, problem: str, expected: str) -> GexvizError:
    place = f"line {number:,}" + (f", motif {name}" if name else "")
    remedy = "download the file again, or correct the matrix or take the motif out"
    return GexvizError(problem, file=path, place=place, expected=expected, remedy=remedy)
