"""A reader's own tracks: intervals of BED, values of bedGraph or bigWig, in one stretch of a contig."""

from __future__ import annotations

import gzip
import re
import zlib
from array import array
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from gexviz.cohort.contigs import resolve_contig
from gexviz.errors import GexvizError
from gexviz.lazy import lazy

pyBigWig = lazy("pyBigWig")

MOST = 20_000
"""Intervals that a track keeps."""

LONGEST = 10_000_000
"""bp of the longest stretch that is read."""

_DIGITS = 16
_BIGWIG = (b"\x26\xfc\x8f\x88", b"\x88\x8f\xfc\x26")
_BIGBED = (b"\xeb\xf2\x89\x87", b"\x87\x89\xf2\xeb")
_OTHERS = {
    b"fixedStep": ("this is a wiggle file", "make a bigWig of it: wigToBigWig"),
    b"variableStep": ("this is a wiggle file", "make a bigWig of it: wigToBigWig"),
    b"##fileformat=VCF": ("this is a VCF, not a track", "choose a BED, bedGraph or bigWig file"),
    b"##gff": ("this is a GFF file, not BED", "convert it: gff2bed (BEDOPS)"),
    b"@HD": ("this is a SAM file, not a track", "make a bigWig of it: bamCoverage (deepTools)"),
    b"BAM\x01": ("this is a BAM file, not a track", "make a bigWig of it: bamCoverage (deepTools)"),
    b"<": ("this is a web page, not a track", "download the file itself, not its page"),
}
_WANTED = "BED, bedGraph (plain or gzipped) or bigWig"
_CORRECT = "correct or remove the line"


class UserTrack(NamedTuple):
    """What a file has in a stretch of a contig.

    Attributes
    ----------
    kind : {"bed", "bedgraph", "bigwig"}
    table : DataFrame
        In genome order. ``start``, ``end`` (0-based half-open, cut to the stretch), and either ``name``, ``score``,
        ``strand`` (BED; empty, NaN and "." where the file has none), or ``value`` (then intervals don't overlap).
    name : str
        Of the track line, else of the file.
    note : str
        What isn't shown as the file has it, as "means of 50 bp"; empty otherwise.
    """

    kind: Literal["bed", "bedgraph", "bigwig"]
    table: pd.DataFrame
    name: str
    note: str


def read_user_track(path: str | Path, contig: str, start: int, end: int) -> UserTrack:
    """Read the part of a track that a figure shows.

    Parameters
    ----------
    path : path
        BED or bedGraph, plain or gzipped, separated by tabs or spaces, with or without track and browser lines; or
        bigWig. Which of them is seen from the content.
    contig : str
        Under any name: the file may say ``chr22`` for ``22``.
    start, end : int
        0-based half-open, at most 10 Mb.

    Returns
    -------
    UserTrack
        At most 20,000 intervals: of more values, means of bins; of more BED intervals, some at regular steps. `note`
        says so, or that the file has nothing on this contig.

    Raises
    ------
    GexvizError
        For a file of another kind, a damaged one, or a line that can't be read (of this contig, or the first), naming
        it; if bedGraph intervals overlap; for bigWig without pyBigWig.
    """
    path = Path(path)
    if not 0 <= start < end or end - start > LONGEST:
        raise GexvizError(f"a region of {end - start:,} bp", expected=f"1 to {LONGEST:,} bp", remedy="choose another")
    if not path.is_file():
        raise GexvizError("the track's file doesn't exist", file=path, expected=_WANTED, remedy="correct the path")
    with path.open("rb") as handle:
        magic = handle.read(4)
    if magic in _BIGBED:
        raise GexvizError("this is bigBed", file=path, expected=_WANTED, remedy="make a BED of it: bigBedToBed")
    if magic in _BIGWIG:
        return _read_bigwig(path, contig, start, end)
    return _read_text(path, contig, start, end)


def _read_bigwig(path: Path, contig: str, start: int, end: int) -> UserTrack:
    if find_spec("pyBigWig") is None:
        raise GexvizError(
            "reading bigWig needs pyBigWig, which is not installed",
            file=path,
            remedy="pip install pyBigWig, or convert the file: bigWigToBedGraph",
        )
    try:
        with pyBigWig.open(str(path)) as handle:
            lengths = handle.chroms()
            name = resolve_contig(contig, lengths)
            stop = 0 if name is None else min(end, lengths[name])
            values = handle.values(name, start, stop, numpy=True) if start < stop else np.empty(0)
    except RuntimeError as error:
        raise GexvizError(
            f"the bigWig can't be read: {error}", file=path, expected="a whole file", remedy="copy or download it again"
        ) from None
    note = f"nothing on {contig}; the file has {_few(lengths)}" if name is None else ""
    table, binned = _bounded(_runs(values.astype(np.float64), start), start, end)
    return UserTrack("bigwig", table, path.stem, note or binned)


def _read_text(path: Path, contig: str, start: int, end: int) -> UserTrack:
    """Read line by line, so that an error can name its line; only lines of the contig are looked into."""
    collected: _Values | _Items | None = None
    ours: dict[bytes, bool] = {}
    said = _Said()
    for number, line in _lines(path):
        begin = line.split(None, 1)[0]
        if line.startswith(b"#") or begin in (b"track", b"browser"):
            said = _heard(path, number, line, said, collected)
            continue
        if begin not in ours:
            ours[begin] = resolve_contig(contig, (begin.decode("utf-8", "replace"),)) is not None
        if collected is not None and not ours[begin]:
            continue
        cells = line.decode("utf-8", "replace").split("\t" if b"\t" in line else None)
        low, high = _span(path, number, cells)
        if collected is None:
            collected = _Values(path) if (said.kind or _kind(path, cells)) == "bedgraph" else _Items(path)
        if ours[begin] and low < end and high > start - (low == high):
            collected.add(number, cells, max(low, start), min(high, end))
    if collected is None:
        raise GexvizError("the file has no intervals", file=path, expected=_WANTED)
    note = (
        ""
        if any(ours.values())
        else f"nothing on {contig}; the file has {_few(k.decode('utf-8', 'replace') for k in ours)}"
    )
    name = said.name or path.name.removesuffix(".gz").rsplit(".", 1)[0]
    table, less = collected.table(start, end)
    return UserTrack(collected.kind, table, name, note or less)


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Numbered lines that aren't blank."""
    try:
        with path.open("rb") as handle:
            packed = handle.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rb") if packed else path.open("rb") as handle:
            for number, line in enumerate(handle, start=1):
                if number == 1:
                    line = line.removeprefix(b"\xef\xbb\xbf")
                    _check_kind(path, line)
                if line := line.rstrip(b"\r\n").lstrip():
                    yield number, line
    except (OSError, EOFError, zlib.error) as error:
        raise GexvizError(
            f"the file can't be read: {error}", file=path, expected="a whole file", remedy="copy or download it again"
        ) from None


def _check_kind(path: Path, line: bytes) -> None:
    for sign, (problem, remedy) in _OTHERS.items():
        if line.lstrip().startswith(sign):
            raise GexvizError(problem, file=path, expected=_WANTED, remedy=remedy)
    if b"\0" in line:
        raise GexvizError("this is not text", file=path, expected=_WANTED)


class _Said(NamedTuple):
    """What track lines have said so far."""

    kind: str = ""
    name: str = ""


def _heard(path: Path, number: int, line: bytes, said: _Said, collected: _Values | _Items | None) -> _Said:
    """Listen to a comment, or a track or browser line."""
    if not line.startswith(b"track"):
        return said
    text = line.decode("utf-8", "replace")
    stated = re.search(r"\btype=[\"']?(\w+)", text)
    kind = "" if stated is None else "bedgraph" if stated[1].lower() == "bedgraph" else "bed"
    if collected is not None:
        if kind and kind != collected.kind:
            raise _error(path, number, "another track of another kind begins here", "one track in a file")
        return said
    found = re.search(r"""\bname=("[^"]*"|'[^']*'|\S+)""", text)
    name = "".join(filter(str.isprintable, found[1].strip("\"'"))) if found else ""
    return _Said(kind or said.kind, name or said.name)


def _kind(path: Path, cells: list[str]) -> str:
    """By the file's ending; else bedGraph has exactly four columns, the last a number."""
    endings = {ending.lower() for ending in path.suffixes}
    if endings & {".bedgraph", ".bg", ".bdg"}:
        return "bedgraph"
    if endings & {".bed", ".narrowpeak", ".broadpeak"}:
        return "bed"
    return "bedgraph" if len(cells) == 4 and not np.isnan(_number(cells[3])) else "bed"


def _span(path: Path, number: int, cells: list[str]) -> tuple[int, int]:
    """Start and end of a line."""
    if len(cells) < 3:
        expected = "contig, start, end, separated by tabs"
        raise _error(path, number, f"a line of {len(cells)} column{'s' * (len(cells) != 1)}", expected)
    for cell in cells[1:3]:
        if not (cell.isdecimal() and len(cell) < _DIGITS):
            raise _error(path, number, f"{cell[:40]!r} is not a position", "whole numbers from 0")
    low, high = int(cells[1]), int(cells[2])
    if low > high:
        raise _error(path, number, f"the start {low:,} is after the end {high:,}", "0-based start, end behind it")
    return low, high


class _Items:
    """BED's intervals."""

    kind: Literal["bed"] = "bed"
    most_read = 500_000

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: list[tuple[int, int, str, float, str]] = []

    def add(self, number: int, cells: list[str], low: int, high: int) -> None:
        name, score, strand = (cells[i] if len(cells) > i else "." for i in (3, 4, 5))
        value = _number(score)
        if np.isnan(value) and score not in (".", ""):
            raise _error(self._path, number, f"the score {score[:40]!r} is not a number", "a number, or .")
        row = (low, high, "" if name == "." else name, value, strand if strand in ("+", "-") else ".")
        self._rows.append(row)
        _check_number(self._path, len(self._rows), self.most_read)

    def table(self, start: int, end: int) -> tuple[pd.DataFrame, str]:
        """All, or some at regular steps if there are too many; and what to say of it."""
        table = pd.DataFrame(self._rows, columns=["start", "end", "name", "score", "strand"])
        types = {"start": np.int64, "end": np.int64, "name": object, "score": np.float64, "strand": object}
        table = table.astype(types).sort_values(["start", "end"], kind="stable").reset_index(drop=True)
        if len(table) <= MOST:
            return table, ""
        chosen = np.linspace(0, len(table) - 1, MOST).round().astype(int)
        return table.iloc[chosen].reset_index(drop=True), f"{MOST:,} of {len(table):,} intervals"


class _Values:
    """Intervals of bedGraph."""

    kind: Literal["bedgraph"] = "bedgraph"
    most_read = 5_000_000

    def __init__(self, path: Path) -> None:
        self._path = path
        self._spans, self._values, self._lines = array("q"), array("d"), array("q")

    def add(self, number: int, cells: list[str], low: int, high: int) -> None:
        text = cells[3] if len(cells) > 3 else ""
        value = _number(text)
        if np.isnan(value) and text.lower() not in ("nan", "na", "."):
            raise _error(self._path, number, f"{text[:40]!r} is not a number", "contig, start, end, value")
        if low < high:
            self._spans.extend((low, high))
            self._values.append(value)
            self._lines.append(number)
            _check_number(self._path, len(self._values), self.most_read)

    def table(self, start: int, end: int) -> tuple[pd.DataFrame, str]:
        """All, or means of bins if there are too many; and what to say of it."""
        low, high = np.array(self._spans, dtype=np.int64).reshape(-1, 2).T
        order = np.argsort(low, kind="stable")
        low, high = low[order], high[order]
        overlap = np.flatnonzero(low[1:] < high[:-1])
        if len(overlap):
            lines = np.array(self._lines)[order[overlap[0] : overlap[0] + 2]]
            raise GexvizError(
                "intervals of the bedGraph overlap",
                file=self._path,
                place=f"lines {min(lines):,} and {max(lines):,}",
                expected="one value for each base",
                remedy="merge them (bedtools merge -c 4 -o mean), or name the file .bed if it has no values",
            )
        table = pd.DataFrame({"start": low, "end": high, "value": np.array(self._values, dtype=np.float64)[order]})
        return _bounded(table.dropna().reset_index(drop=True), start, end)


def _check_number(path: Path, number: int, most: int) -> None:
    if number > most:
        raise GexvizError(
            f"more than {most:,} intervals in this region",
            file=path,
            remedy="choose a narrower region, or make a bigWig of the file: bedGraphToBigWig",
        )


def _runs(values: np.ndarray, start: int) -> pd.DataFrame:
    """Intervals of equal value of an array of bases; none where it is NaN."""
    same = (values[1:] == values[:-1]) | (np.isnan(values[1:]) & np.isnan(values[:-1]))
    begins = np.flatnonzero(np.append(True, ~same))[: len(values)]
    ends = np.append(begins[1:], len(values))[: len(begins)]
    table = pd.DataFrame({"start": start + begins, "end": start + ends, "value": values[begins]})
    return table.dropna().reset_index(drop=True)


def _bounded(table: pd.DataFrame, start: int, end: int) -> tuple[pd.DataFrame, str]:
    """Means of bins of whole bp, over the bases that have a value, if there are too many intervals."""
    if len(table) <= MOST:
        return table, ""
    step = -(-(end - start) // MOST)
    number = -(-(end - start) // step)
    low = table["start"].to_numpy() - start
    length = table["end"].to_numpy() - start - low
    index = np.arange(length.sum()) + np.repeat(low - np.cumsum(length) + length, length)
    bases, total = np.zeros(number * step), np.zeros(number * step)
    bases[index] = 1
    total[index] = np.repeat(table["value"].to_numpy(), length)
    count, total = (of_bases.reshape(number, step).sum(axis=1) for of_bases in (bases, total))
    some = count > 0
    left = start + np.flatnonzero(some) * step
    binned = {"start": left, "end": np.minimum(left + step, end), "value": total[some] / count[some]}
    return pd.DataFrame(binned), f"means of {step:,} bp"


def _number(text: str) -> float:
    """A finite number, else NaN."""
    try:
        value = float(text)
    except ValueError:
        return np.nan
    return value if np.isfinite(value) else np.nan


def _few(names: Iterable[str]) -> str:
    found = list(names)
    return ", ".join(found[:5]) + (f" and {len(found) - 5:,} more" if len(found) > 5 else "")


def _error(path: Path, number: int, problem: str, expected: str) -> GexvizError:
    return GexvizError(problem, file=path, place=f"line {number:,}", expected=expected, remedy=_CORRECT)
