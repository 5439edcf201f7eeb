"""Measured expression, genes by samples, from BED, TSV or Parquet."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet
from scipy import special

from gexviz.cohort.bgzf import check_whole
from gexviz.cohort.tables import no_name_twice, read_header, read_tsv, rows_in_words, text_cell
from gexviz.config import Transform
from gexviz.errors import GexvizError


class Expression(NamedTuple):
    """Measured expression.

    Attributes
    ----------
    values : DataFrame
        Gene x sample, float64, transformed. Index ``gene``, as in the file; NaN where a value is missing.
    raw : DataFrame
        The same, as in the file (the very same object where the transform is ``none``).
    positions : DataFrame or None
        For BED: index ``gene``; ``contig`` (as in the file), ``start``, ``end`` (0-based half-open), ``strand`` (``+``,
        ``-``, or empty where the file has none) and ``tss`` (0-based: ``end - 1`` on the minus strand, else ``start``).
    """

    values: pd.DataFrame
    raw: pd.DataFrame
    positions: pd.DataFrame | None


def read_expression(path: str | Path, transform: Transform = "none") -> Expression:
    """Read an expression file.

    Parameters
    ----------
    path : path
        * BED, plain, gzipped or bgzipped: the header starts with ``#chr start end gene``. If a column ``strand`` is
          among the first eight, all columns up to it are fixed (QTLtools: six fixed columns); else the first four are
          (tensorQTL, FastQTL). The fourth column is the gene id.
        * TSV, plain or gzipped: gene id in the first column, then a column a sample.
        * Parquet (``.parquet``, ``.pq``): gene id in the first column or as the index, then a column a sample; the
          fixed columns of a BED are understood too.
    transform : {"none", "log2p1", "inverse_normal"}
        See :func:`transformed`.

    Returns
    -------
    Expression

    Raises
    ------
    GexvizError
        For a damaged file, a cell that isn't a number (naming row and column), a gene or a sample that is there
        twice, or a negative value under ``log2p1``.
    """
    path = Path(path)
    table, fixed = _read_parquet(path) if path.suffix in (".parquet", ".pq") else _read_text(path)
    key = table.columns[3 if fixed > 1 else 0]
    genes = pd.Index(table[key].astype("str"), name="gene")
    _no_gene_twice(genes, str(key), path)
    raw = table.iloc[:, fixed:].set_axis(genes, axis=0)
    if raw.shape[1] == 0 or raw.shape[0] == 0:
        raise GexvizError(
            "the expression file has no samples" if raw.shape[1] == 0 else "the expression file has no genes",
            file=path,
            expected="genes in rows, samples in columns",
        )
    positions = _positions(table.iloc[:, :fixed].set_axis(genes, axis=0), path) if fixed > 1 else None
    return Expression(transformed(raw, transform, path), raw, positions)


def transformed(raw: pd.DataFrame, transform: Transform, file: Path | None = None) -> pd.DataFrame:
    """Transform expression.

    Parameters
    ----------
    raw : DataFrame
        Gene x sample.
    transform : {"none", "log2p1", "inverse_normal"}
        ``log2p1`` is log2(x + 1). ``inverse_normal`` makes each gene standard normal across all samples of the file,
        by rank: the normal quantile of (rank - 0.5) / n, ties averaged (R's qqnorm and QTLtools do the same); a
        constant gene becomes 0.
    file : Path, optional
        Named in errors.

    Returns
    -------
    DataFrame
        Of the same shape; NaN stays NaN and counts in no rank.

    Raises
    ------
    GexvizError
        For a negative value under ``log2p1``.
    """
    if transform == "none":
        return raw
    if transform == "inverse_normal":
        ranks = raw.rank(axis=1, method="average")
        quantiles = (ranks.to_numpy() - 0.5) / raw.notna().sum(axis=1).to_numpy()[:, None].clip(min=1)
        return pd.DataFrame(special.ndtri(quantiles), index=raw.index, columns=raw.columns)
    values = raw.to_numpy()
    if (values < 0).any():
        row, column = np.argwhere(values < 0)[0]
        raise GexvizError(
            f"log2(x + 1) of a negative value, {values[row, column]:g}",
            file=file,
            place=f"gene {raw.index[row]}, column {raw.columns[column]}",
            expected="counts, TPM or RPKM, not yet on a log scale",
            remedy='set transform = "none" if the file is already transformed',
        )
    return pd.DataFrame(np.log2(values + 1), index=raw.index, columns=raw.columns)


def _read_text(path: Path) -> tuple[pd.DataFrame, int]:
    names = read_header(path)
    fixed = _fixed_columns(names)
    return read_tsv(path, names, text=fixed), fixed


def _read_parquet(path: Path) -> tuple[pd.DataFrame, int]:
    check_whole(path)
    try:
        table = parquet.read_table(path).to_pandas()
    except (pa.ArrowException, OSError) as error:
        raise GexvizError(f"can't read the Parquet file: {error}", file=path, expected="a Parquet table") from error
    if not isinstance(table.index, pd.RangeIndex):
        at = 3 if _fixed_columns([*table.columns[:3].astype(str), "gene"]) > 1 else 0
        table.insert(at, table.index.name or "gene", table.index)
    table.columns = table.columns.astype("str")
    no_name_twice(list(table.columns), path)
    fixed = _fixed_columns(list(table.columns))
    for name in table.columns[fixed:]:
        if not pd.api.types.is_numeric_dtype(table[name]):
            numbers = pd.to_numeric(table[name], errors="coerce")
            row = int(np.argmax((numbers.isna() & table[name].notna()).to_numpy()))
            raise text_cell(path, table.iloc[:, :fixed], row, name, str(table[name].iat[row]))
    table = table.reset_index(drop=True)
    return table.astype(dict.fromkeys(table.columns[fixed:], np.float64)), fixed


def _fixed_columns(names: list[str]) -> int:
    """How many columns come before the samples."""
    lower = [name.lower() for name in names[:8]]
    chromosome = lower[0].lstrip("#") in ("chr", "chrom", "chromosome")
    if len(lower) < 4 or not chromosome or lower[1:3] != ["start", "end"]:
        return 1
    return lower.index("strand") + 1 if "strand" in lower else 4


def _positions(fixed: pd.DataFrame, path: Path) -> pd.DataFrame:
    start, end = (pd.to_numeric(fixed.iloc[:, i], errors="coerce") for i in (1, 2))
    bad = (start.isna() | end.isna() | (start < 0) | (end <= start)).to_numpy()
    if bad.any():
        row = int(np.argmax(bad))
        raise GexvizError(
            f"start {fixed.iat[row, 1]!r} and end {fixed.iat[row, 2]!r} are no position",
            file=path,
            place=f"row {row + 2:,} (gene {fixed.index[row]})",
            expected="start < end, 0-based half-open",
        )
    named = {name.lower(): name for name in fixed.columns}
    strand = fixed[named["strand"]] if "strand" in named else pd.Series("", index=fixed.index)
    strand = strand.where(strand.isin(["+", "-"]), "")
    start, end = start.astype("int64"), end.astype("int64")
    return pd.DataFrame(
        {
            "contig": fixed.iloc[:, 0].astype("str"),
            "start": start,
            "end": end,
            "strand": strand,
            "tss": start.where(strand != "-", end - 1),
        }
    )


def _no_gene_twice(genes: pd.Index, column: str, path: Path) -> None:
    twice = genes.duplicated(keep=False)
    if twice.any():
        gene = genes[twice][0]
        rows = np.flatnonzero(genes == gene)
        raise GexvizError(
            f"gene {gene} is there {len(rows):,} times",
            file=path,
            place=rows_in_words(rows),
            expected=f"one row for each gene, its id in column {column}",
            remedy="keep one of them (for transcripts: sum them, or keep the gene's own row)",
        )
    if (genes == "").any():
        raise GexvizError(
            "a row has no gene id",
            file=path,
            place=f"row {int(np.argmax(genes == '')) + 2:,}, column {column}",
            expected="a gene id",
        )
