"""Reading a table of predictions whole, gene by gene."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from gexviz.errors import GexvizError
from gexviz.models.table_layout import REFERENCE, Layout, readable

_TEXT = pa.dictionary(pa.int32(), pa.string())
_MISSING = ["", "NA", "N/A", "NaN", "nan", "NULL", "null"]

_NUMBERS = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_null)
_BAD_CELL = re.compile(r"column #(\d+): (?:Row #(\d+): )?CSV conversion error to \w+: invalid value '(.*)'")


class Predictions(NamedTuple):
    """A whole table of predictions, gene by gene.

    Attributes
    ----------
    genes : Index
        As in the file, each once.
    samples : Index
        People, as in the file, each once.
    starts : ndarray, int64 (n_genes + 1,)
        Rows ``starts[i]:starts[i + 1]`` of the next two are of gene i.
    sample : ndarray, int32 (n_rows,)
        Place in `samples`; no person twice in a gene.
    values : ndarray, float64 (n_rows, 1 or 2)
        The prediction, or one of each haplotype; NaN where there is none.
    reference : Series
        By gene, the prediction on the reference sequence, for the genes that have one.
    """

    genes: pd.Index
    samples: pd.Index
    starts: np.ndarray
    sample: np.ndarray
    values: np.ndarray
    reference: pd.Series


def read_predictions(layout: Layout) -> Predictions:
    """Read a whole table.

    Parameters
    ----------
    layout : Layout
        From :func:`read_layout`.

    Returns
    -------
    Predictions

    Raises
    ------
    GexvizError
        Naming row and column of a cell that is no number, a gene or person that stands twice, a row without a gene.
    """
    table = _read_long(layout) if layout.kind == "long" else _read_wide(layout)
    if len(table.genes) == 0 or len(table.samples) == 0:
        raise GexvizError(
            "the table of predictions has no predictions of people",
            file=layout.path,
            expected="a row a gene (wide), or a row a gene and sample (long)",
            remedy="see whether the program that wrote it came to its end",
        )
    return table


# -- wide --------------------------------------------------------------------------------------------------------------


def _read_wide(layout: Layout) -> Predictions:
    table = _read(layout, {layout.gene: _TEXT, **dict.fromkeys(layout.values, pa.float64())})
    gene, names = _codes(layout, table, layout.gene)
    if len(names) < len(gene):
        again = np.argmax(np.bincount(gene) > 1)
        raise _twice(layout, f"gene {names[again]}", np.flatnonzero(gene == again)[:2])
    samples = layout.people
    columns = [f"{sample}|{copy}" for sample in samples for copy in (1, 2)] if layout.per_haplotype else samples
    values = np.empty((len(gene), len(columns)), dtype=np.float64)
    for place, column in enumerate(columns):
        values[:, place] = _numbers(layout, table, column)
    genes = pd.Index(names[gene], dtype=object, name="gene")
    reference = _numbers(layout, table, REFERENCE) if REFERENCE in layout.values else np.full(len(genes), np.nan)
    return Predictions(
        genes,
        pd.Index(samples, dtype=object, name="sample"),
        np.arange(len(genes) + 1, dtype=np.int64) * len(samples),
        np.tile(np.arange(len(samples), dtype=np.int32), len(genes)),
        values.reshape(-1, 2 if layout.per_haplotype else 1),
        pd.Series(reference, index=genes, name=REFERENCE).dropna(),
    )


# -- long --------------------------------------------------------------------------------------------------------------


def _read_long(layout: Layout) -> Predictions:
    types = {"gene": _TEXT, "sample": _TEXT, "value": pa.float64()}
    table = _read(layout, types | ({"haplotype": pa.int64()} if layout.per_haplotype else {}))
    gene, genes = _codes(layout, table, "gene")
    sample, samples = _codes(layout, table, "sample")
    value = _numbers(layout, table, "value")
    is_reference = np.append(samples == REFERENCE, False)[sample]
    copy = _copies(layout, table, is_reference)
    width = 2 if layout.per_haplotype else 1
    key = (gene.astype(np.int64) * len(samples) + sample) * width + copy
    order = _order(key)
    again = np.flatnonzero(key[order[1:]] == key[order[:-1]])
    if len(again):
        rows = np.sort(order[again[0] : again[0] + 2])
        raise _twice(layout, f"gene {genes[gene[rows[0]]]} of sample {samples[sample[rows[0]]]}", rows)
    reference = pd.Series(value[is_reference], index=pd.Index(genes[gene[is_reference]], dtype=object), name=REFERENCE)
    order = order[~is_reference[order]]
    person = key[order] // width
    new = np.diff(person, prepend=-1) != 0
    values = np.full((np.count_nonzero(new), width), np.nan)
    values[np.cumsum(new) - 1, copy[order]] = value[order]
    gene_of_row, sample_of_row = np.divmod(person[new], max(len(samples), 1))
    is_person = samples != REFERENCE
    return Predictions(
        pd.Index(genes, dtype=object, name="gene"),
        pd.Index(samples[is_person], dtype=object, name="sample"),
        np.searchsorted(gene_of_row, np.arange(len(genes) + 1)),
        (np.cumsum(is_person, dtype=np.int32) - 1)[sample_of_row],
        values,
        reference.dropna(),
    )


def _order(key: np.ndarray) -> np.ndarray:
    """Give the order that sorts the keys; tables are usually written in order, and then nothing is sorted."""
    return np.arange(len(key)) if (key[1:] >= key[:-1]).all() else np.argsort(key, kind="stable")


def _copies(layout: Layout, table: pa.Table, is_reference: np.ndarray) -> np.ndarray:
    """0 or 1 by row, from the haplotypes 1 and 2; reference rows need none."""
    if not layout.per_haplotype:
        return np.zeros(len(table), dtype=np.int64)
    haplotype = table["haplotype"].fill_null(0).to_numpy()
    bad = np.flatnonzero(~np.isin(haplotype, (1, 2)) & ~is_reference)
    if len(bad):
        raise GexvizError(
            f"{len(bad):,} rows of the table of predictions have no haplotype 1 or 2",
            file=layout.path,
            place=layout.row(bad[0]) + ", column haplotype",
            expected="1 or 2 (nothing for sample 'reference')",
            remedy="number the haplotypes 1 and 2, in the order of the genotypes",
        )
    return np.where(is_reference, 0, haplotype - 1)


# -- both --------------------------------------------------------------------------------------------------------------


def _read(layout: Layout, types: dict[str, pa.DataType]) -> pa.Table:
    """Read some columns, as the given types."""
    with readable(layout.path):
        if layout.delimiter is not None:
            return _read_text(layout, types)
        table = pa.parquet.read_table(layout.path, columns=list(types), read_dictionary=_texts_of(layout, types))
    typed = {column: _typed(layout, table, column, kind) for column, kind in types.items()}
    return pa.table(typed).unify_dictionaries()


def _texts_of(layout: Layout, types: dict[str, pa.DataType]) -> list[str]:
    """Columns of names that Parquet holds as text, and so can give as codes."""
    schema = pa.parquet.read_schema(layout.path)
    return [c for c, kind in types.items() if kind == _TEXT and pa.types.is_string(schema.field(c).type)]


def _typed(layout: Layout, table: pa.Table, column: str, kind: pa.DataType) -> pa.ChunkedArray:
    """A column of a Parquet file as names or numbers."""
    found, values = table.schema.field(column).type, table[column]
    if kind == _TEXT:
        return values if found == _TEXT else values.cast(pa.string()).dictionary_encode()
    if any(test(found) for test in _NUMBERS):
        return values.cast(kind, safe=False)
    raise GexvizError(
        f"column '{column}' of the table of predictions holds {found}, not numbers",
        file=layout.path,
        place=f"column {column}",
        expected="numbers" + (" in every column but the gene's" if layout.kind == "wide" else ""),
        remedy="drop the column, or write it as numbers",
    )


def _read_text(layout: Layout, types: dict[str, pa.DataType]) -> pa.Table:
    try:
        return _parse(layout, types, threads=True).unify_dictionaries()
    except pa.ArrowInvalid:
        pass  # one thread tells the row
    try:
        return _parse(layout, types, threads=False).unify_dictionaries()
    except pa.ArrowInvalid as error:
        cell = _BAD_CELL.search(str(error))
        if cell is None:
            raise
        column = layout.columns[int(cell[1])] if int(cell[1]) < len(layout.columns) else cell[1]
        raise GexvizError(
            f"a cell of the table of predictions is no number: '{cell[3]}'",
            file=layout.path,
            place=(f"line {cell[2]}, " if cell[2] else "") + f"column {column}",
            expected="numbers; NA or nothing where there is no prediction",
            remedy="correct the cell; if the column is no sample, drop it",
        ) from None


def _parse(layout: Layout, types: dict[str, pa.DataType], *, threads: bool) -> pa.Table:
    with pa.OSFile(str(layout.path)) as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        return pa.csv.read_csv(
            pa.CompressedInputStream(raw, "gzip") if packed else raw,
            read_options=pa.csv.ReadOptions(
                use_threads=threads, column_names=layout.columns, skip_rows=1, block_size=4 * 1024**2
            ),
            parse_options=pa.csv.ParseOptions(delimiter=layout.delimiter, ignore_empty_lines=True),
            convert_options=pa.csv.ConvertOptions(
                column_types=types, include_columns=list(types), null_values=_MISSING, strings_can_be_null=False
            ),
        )


def _codes(layout: Layout, table: pa.Table, column: str) -> tuple[np.ndarray, np.ndarray]:
    """A column of names as codes (n_rows,) and the distinct names."""
    texts = table[column].combine_chunks()
    names = np.asarray(texts.dictionary.to_pandas(), dtype=object)
    codes = texts.indices.fill_null(-1).to_numpy()
    empty = np.flatnonzero((codes < 0) | np.append(names == "", False)[codes])
    if len(empty):
        raise GexvizError(
            f"a row of the table of predictions has no {column}",
            file=layout.path,
            place=layout.row(int(empty[0])) + f", column {column}",
            expected="a name in every row",
            remedy="fill it in, or drop the row",
        )
    return codes, names


def _numbers(layout: Layout, table: pa.Table, column: str) -> np.ndarray:
    """A column of numbers, NaN where empty; infinities are refused."""
    values = table[column].to_numpy()
    if np.isinf(values).any():
        raise GexvizError(
            "a cell of the table of predictions is infinite",
            file=layout.path,
            place=layout.row(int(np.flatnonzero(np.isinf(values))[0])) + f", column {column}",
            expected="finite numbers; NA or nothing where there is no prediction",
            remedy="look for the logarithm of zero where the predictions were made",
        )
    return values


def _twice(layout: Layout, what: str, rows: Iterable[int]) -> GexvizError:
    first, second = (layout.row(int(row)) for row in rows)
    return GexvizError(
        f"{what} stands twice in the table of predictions",
        file=layout.path,
        place=f"{first} and {second}",
        expected="each prediction once",
        remedy="keep one of them; give the table of one model, not of several",
    )
