"""How a table of predictions is laid, from its header: TSV, CSV or Parquet, long or wide, with haplotypes or not."""

from __future__ import annotations

import gzip
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

import pyarrow as pa
import pyarrow.parquet

from gexviz.errors import GexvizError

REFERENCE = "reference"
"""In place of a sample's name: the prediction on the reference sequence."""

_LONG = ("gene", "sample", "value")
_HAPLOTYPE = re.compile(r"(.+)\|([12])$")
_LONGEST_HEADER = 64 * 1024**2


class Layout(NamedTuple):
    """How a file is laid, as its header shows.

    Attributes
    ----------
    path : Path
    kind : {"long", "wide"}
    gene : str
        The column with the gene.
    columns : list of str
        All columns, in the order of the file.
    delimiter : str or None
        Of a text file; None for Parquet.
    """

    path: Path
    kind: Literal["long", "wide"]
    gene: str
    columns: list[str]
    delimiter: str | None

    @property
    def values(self) -> list[str]:
        """The columns of a wide table that hold predictions."""
        return [column for column in self.columns if column != self.gene]

    @property
    def per_haplotype(self) -> bool:
        """Whether there is one number a haplotype."""
        if self.kind == "long":
            return "haplotype" in self.columns
        return any(_HAPLOTYPE.match(column) for column in self.values)

    @property
    def people(self) -> list[str]:
        """The samples of a wide table, without the reference."""
        names = [column for column in self.values if column != REFERENCE]
        return list(dict.fromkeys(column[:-2] for column in names)) if self.per_haplotype else names

    def row(self, row: int) -> str:
        """Name a row (0-based, the header not counted) as a person finds it in the file."""
        return f"row {row + 1:,}" if self.delimiter is None else f"line {row + 2:,}"


def read_layout(path: Path, told: Literal["auto", "wide", "long"] = "auto") -> Layout:
    """Look at a file's header.

    Parameters
    ----------
    path : Path
    told : {"auto", "wide", "long"}
        ``auto``: long if there is a column ``sample`` or ``value``, else wide.

    Returns
    -------
    Layout

    Raises
    ------
    GexvizError
        For a file that can't be read, columns that are missing or stand twice, or a haplotype without its other.
    """
    with readable(path):
        columns, gene, delimiter = _header(path)
    if twice := [column for column, number in Counter(columns).items() if number > 1]:
        raise GexvizError(
            f"column '{twice[0]}' stands twice in the table of predictions"
            + (f", and {len(twice) - 1:,} more do" if len(twice) > 1 else ""),
            file=path,
            place="header",
            expected="each sample in one column; two haplotypes as SAMPLE|1 and SAMPLE|2",
            remedy="keep one column a sample",
        )
    if told == "auto":
        told = "long" if {"sample", "value"} & set(columns) else "wide"
    layout = Layout(path, told, "gene" if told == "long" or "gene" in columns else gene, columns, delimiter)
    missing = [column for column in _LONG if column not in columns] if told == "long" else []
    if missing or not layout.values:
        raise GexvizError(
            f"the table of predictions has no column {', '.join(missing) or 'beside the gene'}",
            file=path,
            place="header: " + ", ".join(columns[:8]) + (", ..." if len(columns) > 8 else ""),
            expected="columns gene, sample, value (and haplotype), or a gene column and a column a sample",
            remedy="rename the columns, or set layout = \"wide\" or \"long\" in the study's TOML",
        )
    if told == "wide" and layout.per_haplotype:
        _check_pairs(layout)
    return layout


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Tell what Arrow, gzip and the system complain of."""
    try:
        yield
    except (OSError, EOFError, UnicodeDecodeError, pa.ArrowException) as error:
        raise GexvizError(
            f"can't read the table of predictions: {str(error).splitlines()[0] if str(error) else 'it ends too early'}",
            file=path,
            expected="TSV, CSV (plain or gzipped) or Parquet, the same columns in every row",
            remedy="see that the file is whole and write it again",
        ) from None


def _header(path: Path) -> tuple[list[str], str, str | None]:
    """Columns, the gene's column if none is called ``gene``, and the delimiter of a text file."""
    with path.open("rb") as file:
        magic = file.read(4)
    if magic == b"PAR1":
        schema = pa.parquet.read_schema(path)
        index = [c for c in (schema.pandas_metadata or {}).get("index_columns", []) if isinstance(c, str)]
        return schema.names, (index or schema.names or [""])[0], None
    with gzip.open(path) if magic[:2] == b"\x1f\x8b" else path.open("rb") as file:
        line = file.readline(_LONGEST_HEADER).decode("utf-8-sig").rstrip("\r\n")
    delimiter = "\t" if "\t" in line else ","
    columns = [column.strip().strip('"') for column in line.split(delimiter)]
    return columns, columns[0], delimiter


def _check_pairs(layout: Layout) -> None:
    """See that every person of a wide table per haplotype has both."""
    for column in layout.values:
        match = _HAPLOTYPE.match(column)
        other = f"{match[1]}|{3 - int(match[2])}" if match else f"{column}|1 and {column}|2"
        if column != REFERENCE and (match is None or other not in layout.columns):
            raise GexvizError(
                f"column '{column}' of the table of predictions has no '{other}'",
                file=layout.path,
                place="header",
                expected="two columns a sample, SAMPLE|1 and SAMPLE|2, or one each for all samples",
                remedy="add the column; leave its cells empty where a person has one copy",
            )
