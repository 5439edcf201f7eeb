"""PredictDB files: SQLite databases of PrediXcan weights, read whatever their generation, and written."""

from __future__ import annotations

import errno
import re
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import pandas as pd

from gexviz.cohort.genes import unversioned
from gexviz.digests import file_digest
from gexviz.errors import GexvizError

REMEDY = "get a PredictDB file (predictdb.org), or train one: gexviz train linear STUDY --out enet.db"

# What a column is called here, and in the files: PredictDB's unfiltered files have other names than the published ones.
_WEIGHTS = {
    "gene": ("gene", "gene_id"),
    "rsid": ("rsid",),
    "weight": ("weight", "beta"),
    "ref_allele": ("ref_allele", "ref"),
    "eff_allele": ("eff_allele", "alt"),
}
_OPTIONAL = {"varID": ("varid", "var_id")}
_EXTRA = {
    "gene": ("gene", "gene_id"),
    "genename": ("genename", "gene_name"),
    "n_snps_in_model": ("n_snps_in_model", "n_snps"),
    "pred_perf_r2": ("pred_perf_r2", "rho_avg_squared", "r2"),
    "pred_perf_pval": ("pred_perf_pval", "zscore_pval"),
    "pred_perf_qval": ("pred_perf_qval",),
    "method": ("method",),
}
_INDEXES = {
    "weights_rsid": "weights (rsid)",
    "weights_gene": "weights (gene)",
    "weights_rsid_gene": "weights (rsid, gene)",
    "gene_model_summary": "extra (gene)",
}


class _Layout(NamedTuple):
    """Names of the two tables, and in each the file's name of every column that we know."""

    weights: dict[str, str]
    extra_table: str
    extra: dict[str, str]
    indexed: bool


_COLUMNS = ("rsid", "varID", "ref_allele", "eff_allele", "weight")


class PredictDBFile:
    """A PredictDB file, opened read-only. Its tables and columns are checked now, its rows are read when needed.

    Parameters
    ----------
    path : Path

    Raises
    ------
    GexvizError
        For a file that isn't SQLite, or lacks a table or a column: names it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._layout = self._read_layout()

    @cached_property
    def genes(self) -> dict[str, tuple[str, ...]]:
        """Genes that have weights: by id as written, and by id without version; all ids of the file that fit."""
        column = _quoted(self._layout.weights["gene"])
        found = [str(g) for (g,) in self._query(f"SELECT DISTINCT {column} FROM weights") if g is not None]
        names: dict[str, tuple[str, ...]] = {}
        for gene, plain in zip(found, unversioned(pd.Index(found, dtype="object")), strict=True):
            if plain != gene:
                names[plain] = (*names.get(plain, ()), gene)
        return names | {gene: (gene,) for gene in found}

    @cached_property
    def digest(self) -> str:
        """Content hash of the file."""
        return file_digest(self.path)

    def weights(self, gene: str) -> pd.DataFrame:
        """Weights of one gene.

        Parameters
        ----------
        gene : str
            Its id, as in the file.

        Returns
        -------
        DataFrame
            ``rsid``, ``varID`` (empty text where the file has none), ``ref_allele``, ``eff_allele`` (upper case),
            ``weight`` (per copy of the effect allele).

        Raises
        ------
        GexvizError
            For a weight that is no number.
        """
        names = self._layout.weights
        if not self._layout.indexed:
            return self._all.get(gene, self._tidy([]))
        columns = ", ".join(_quoted(names[c]) if c in names else "''" for c in _COLUMNS)
        return self._tidy(self._query(f"SELECT {columns} FROM weights WHERE {_quoted(names['gene'])} = ?", (gene,)))

    @cached_property
    def extra(self) -> pd.DataFrame:
        """Index gene; genename, n_snps_in_model, pred_perf_r2, pred_perf_pval, pred_perf_qval, as far as there."""
        names = self._layout.extra
        columns = ", ".join(map(_quoted, names.values()))
        rows = self._query(f"SELECT {columns} FROM {self._layout.extra_table}")
        return pd.DataFrame(rows, columns=list(names)).set_index("gene")

    @cached_property
    def method(self) -> str:
        """How the weights were trained, as ``gexviz train linear`` names it; ``enet`` where none is named."""
        named = self.extra["method"].dropna() if "method" in self.extra else pd.Series(dtype=object)
        return "enet" if named.empty else str(named.iloc[0])

    @cached_property
    def example(self) -> pd.DataFrame:
        """The first weight, as :meth:`weights` gives it; empty for a file without any."""
        names = self._layout.weights
        columns = ", ".join(_quoted(names[c]) if c in names else "''" for c in _COLUMNS)
        return self._tidy(self._query(f"SELECT {columns} FROM weights LIMIT 1"))

    @cached_property
    def _all(self) -> dict[str, pd.DataFrame]:
        """All weights by gene, for a file without an index, where each gene would cost a pass over all rows."""
        names = self._layout.weights
        columns = [_quoted(names[c]) if c in names else "''" for c in (*_COLUMNS, "gene")]
        table = self._tidy(self._query(f"SELECT {', '.join(columns)} FROM weights"), (*_COLUMNS, "gene"))
        groups = table.groupby("gene", sort=False)
        return {str(gene): part.drop(columns="gene").reset_index(drop=True) for gene, part in groups}

    def _tidy(self, rows: list[tuple[Any, ...]], columns: tuple[str, ...] = ()) -> pd.DataFrame:
        table = pd.DataFrame(rows, columns=list(columns or _COLUMNS), dtype=object)
        weight = pd.to_numeric(table["weight"], errors="coerce").astype(float)
        if weight.isna().any():
            wrong = table.loc[weight.isna()].iloc[0]
            raise GexvizError(
                f"a weight is no number: {wrong['weight']!r}",
                file=self.path,
                place=f"table weights, variant {wrong['rsid']}",
                expected="a number in every row",
                remedy="repair the row, or remove it",
            )
        for name in ("ref_allele", "eff_allele"):
            table[name] = table[name].astype(str).str.upper()
        text = {name: table[name].fillna("").astype(str) for name in ("rsid", "varID")}
        return table.assign(weight=weight, **text)

    def _read_layout(self) -> _Layout:
        found = self._query("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")
        tables = {str(name) for (name,) in found}
        extra_table = next((t for t in ("extra", "model_summaries") if t in tables), None)
        if "weights" not in tables or extra_table is None:
            missing = "weights" if "weights" not in tables else "extra"
            raise GexvizError(
                f"the table '{missing}' is missing",
                file=self.path,
                place=f"tables: {', '.join(sorted(tables)) or 'none'}",
                expected="a PredictDB file with the tables weights and extra",
                remedy=REMEDY,
            )
        weights = self._columns("weights", _WEIGHTS, _OPTIONAL)
        optional = {k: v for k, v in _EXTRA.items() if k != "gene"}
        extra = self._columns(extra_table, {"gene": _EXTRA["gene"]}, optional)
        return _Layout(weights, extra_table, extra, self._is_indexed(weights["gene"]))

    def _columns(
        self, table: str, required: Mapping[str, tuple[str, ...]], optional: Mapping[str, tuple[str, ...]]
    ) -> dict[str, str]:
        """The file's name of each column that we know."""
        there = {re.sub(r"\W", "_", row[1]).lower(): str(row[1]) for row in self._query(f"PRAGMA table_info({table})")}
        names = {}
        for ours, known in {**required, **optional}.items():
            found = next((there[k] for k in known if k in there), None)
            if found is not None:
                names[ours] = found
            elif ours in required:
                raise GexvizError(
                    f"the table '{table}' has no column '{ours}'",
                    file=self.path,
                    place=f"columns of {table}: {', '.join(there.values())}",
                    expected=", ".join(required),
                    remedy=REMEDY,
                )
        return names

    def _is_indexed(self, column: str) -> bool:
        for row in self._query("PRAGMA index_list(weights)"):
            first = self._query(f"PRAGMA index_info({_quoted(str(row[1]))})")[:1]
            if first and first[0][2] == column:
                return True
        return False

    def _query(self, query: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Run a query on a connection of its own: any thread may ask, and nothing is left open."""
        try:
            with closing(sqlite3.connect(f"file:{quote(str(self.path))}?mode=ro", uri=True)) as connection:
                return connection.execute(query, values).fetchall()
        except sqlite3.OperationalError as error:
            problem = f"the file can't be opened or read: {error}"
        except sqlite3.DatabaseError as error:
            problem = f"this is not an SQLite database, or it is damaged: {error}"
        raise GexvizError(problem, file=self.path, expected="a PredictDB file (SQLite)", remedy=REMEDY)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def fill_predictdb(path: Path, tables: Mapping[str, pd.DataFrame]) -> None:
    """Write tables into a new SQLite file, with PredictDB's indexes.

    Parameters
    ----------
    path : Path
        Must not exist.
    tables : mapping
        Name -> table; ``weights`` and ``extra`` among them.

    Raises
    ------
    OSError
        If the disk is full or the folder can't be written to.
    """
    path.touch(exist_ok=False)
    try:
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("PRAGMA journal_mode = OFF")
            for name, table in tables.items():
                _insert(connection, name, table)
            for name, columns in _INDEXES.items():
                connection.execute(f"CREATE INDEX {name} ON {columns}")
    except sqlite3.OperationalError as error:
        raise _as_os_error(error) from error


def _insert(connection: sqlite3.Connection, name: str, table: pd.DataFrame) -> None:
    kinds = {"f": "REAL", "i": "INTEGER", "u": "INTEGER", "b": "INTEGER"}
    columns = ", ".join(f"{_quoted(str(c))} {kinds.get(table[c].dtype.kind, 'TEXT')}" for c in table)
    connection.execute(f"CREATE TABLE {_quoted(name)} ({columns})")
    rows = table.astype(object).where(table.notna(), None).itertuples(index=False, name=None)
    connection.executemany(f"INSERT INTO {_quoted(name)} VALUES ({', '.join('?' * table.shape[1])})", rows)


def _as_os_error(error: sqlite3.OperationalError) -> OSError:
    """SQLite's failures to write, as the operating system names them."""
    numbers = {sqlite3.SQLITE_FULL: errno.ENOSPC, sqlite3.SQLITE_READONLY: errno.EROFS}
    return OSError(numbers.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, errno.EIO), str(error))
