"""eQTLs found elsewhere, as their tables tell them: GTEx, eQTL Catalogue, or a plain table.

============== ==================================================== ==================================================
format         columns                                              build, effect allele
============== ==================================================== ==================================================
GTEx           ``variant_id`` (chr22_20004537_A_G_b38), ``gene_id`` that of the variant ids; ALT
(v7, v8, v10)  or ``phenotype_id``, ``slope``, ``slope_se``,
               ``pval_nominal``; perhaps ``af``, ``maf``, ``qval``
eQTL Catalogue ``molecular_trait_id``, perhaps ``gene_id``,         GRCh38; ``alt``
               ``chromosome``, ``position``, ``ref``, ``alt``,
               ``beta``, ``se``, ``pvalue``; perhaps ``ac``, ``an``
plain          ``gene``, ``slope``, ``se``, ``p``, and either       the last part of ``variant``, or a column ``build``,
               ``variant`` (contig:pos:ref:alt, as gexviz writes    or as the caller says; ALT of ``variant``, or
               it) or ``contig``, ``position``, ``effect_allele``,  ``effect_allele``
               ``other_allele``; perhaps ``effect_frequency``,
               ``q``, ``build``
============== ==================================================== ==================================================

Positions are 1-based in all of them. Tables are tab-separated text, plain or gzipped, or Parquet (``.parquet``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
from pyarrow import parquet

from gexviz.cohort.builds import known_build, same_build
from gexviz.cohort.tables import read_header
from gexviz.errors import GexvizError

Format = Literal["GTEx", "eQTL Catalogue", "plain"]

CATALOGUE_BUILD = "GRCh38"
_VARIANT = r"^([\w.]+?)[_:](\d+)[_:]([ACGTNacgtn]+)[_:]([ACGTNacgtn]+)(?:[_:](\w+))?$"
_NULLS = ["", "NA", "NaN", "nan", "N/A", "NULL", "null", "None", "."]
_KEPT = ["gene", "contig", "position", "other", "effect", "slope", "se", "p"]
_NAMES: dict[str, list[str]] = {
    "slope": ["slope", "beta"],
    "se": ["slope_se", "se"],
    "p": ["pval_nominal", "pvalue", "p"],
    "q": ["qval", "q"],
    "frequency": ["af", "effect_frequency"],
}


class EqtlTable(NamedTuple):
    """eQTLs of a table.

    Attributes
    ----------
    table : DataFrame
        ``gene``, ``contig`` (as written), ``position`` (0-based), ``other``, ``effect`` (alleles), ``slope`` (per
        effect allele), ``se``, ``p``, and where the file has them ``q`` and ``frequency`` (of the effect allele).
    format : {"GTEx", "eQTL Catalogue", "plain"}
    build : str or None
        None where the file doesn't tell.
    other_is_ref : bool
        Whether the other allele is the REF of that build's forward strand.
    left_out : dict
        Why rows were left out, and how many; empty if none were.
    file : Path
    """

    table: pd.DataFrame
    format: Format
    build: str | None
    other_is_ref: bool
    left_out: dict[str, int]
    file: Path


def read_eqtls(path: str | Path) -> EqtlTable:
    """Read a table of eQTLs made elsewhere.

    Parameters
    ----------
    path : path
        See the top of this module for formats.

    Returns
    -------
    EqtlTable
        Rows with a missing or impossible number, or a variant id that tells no position and alleles, are left out and
        counted.

    Raises
    ------
    GexvizError
        For a damaged file, missing columns (naming them), effect alleles that are absent, a cell that isn't a number,
        variants of different builds, or no row that can be used.
    """
    path = Path(path)
    is_parquet = path.suffix in (".parquet", ".pq")
    names = _parquet_names(path) if is_parquet else read_header(path)
    kind = _format(names, path)
    raw = _read_parquet(path) if is_parquet else _read_text(path, names)
    gene = next(n for n in ("gene_id", "phenotype_id", "molecular_trait_id", "gene") if n in names)
    table = pd.DataFrame({"gene": raw[gene].astype("str").where(raw[gene].notna())})
    places, written = _places(raw, kind)
    table = pd.concat([table, places], axis=1)
    for name, columns in _NAMES.items():
        column = next((c for c in columns if c in raw), None)
        if column is not None:
            table[name] = _numbers(raw, column, path)
    if "frequency" not in table and {"ac", "an"} <= set(names):
        table["frequency"] = _numbers(raw, "ac", path) / _numbers(raw, "an", path)
    _check_ranges(table, path)
    table, left_out = _usable(table, path)
    build = CATALOGUE_BUILD if kind == "eQTL Catalogue" else _one_build(written[written.index.isin(table.index)], path)
    other_is_ref = kind != "plain" or "effect_allele" not in names
    return EqtlTable(table.reset_index(drop=True), kind, build, other_is_ref, left_out, path)


def _format(names: list[str], path: Path) -> Format:
    """Tell the format, and see that nothing is missing."""
    have = set(names)
    needed: list[tuple[str, ...]]
    if "variant_id" in have:
        kind: Format = "GTEx"
        needed = [("gene_id", "phenotype_id"), ("slope",), ("slope_se",), ("pval_nominal",)]
    elif "molecular_trait_id" in have:
        kind = "eQTL Catalogue"
        needed = [("chromosome",), ("position",), ("ref",), ("alt",), ("beta",), ("se",), ("pvalue",)]
    else:
        kind = "plain"
        needed = [("gene",), ("slope",), ("se",), ("p",)]
        if "variant" not in have:
            needed += [("contig",), ("position",), ("effect_allele",), ("other_allele",)]
        elif "effect_allele" in have:
            raise GexvizError(
                "the effect allele is told twice, by `variant` and by `effect_allele`",
                file=path,
                expected="`variant` (contig:pos:ref:alt; effects are of ALT), or contig, position, effect_allele and "
                "other_allele",
                remedy="take one of them out",
            )
    lacking = [" or ".join(each) for each in needed if not have & set(each)]
    if lacking:
        alleles = any("allele" in name or name in ("ref", "alt") for name in lacking)
        raise GexvizError(
            f"the table doesn't say which allele its effects are of: no column {', '.join(lacking)}"
            if alleles
            else f"there is no column {', '.join(lacking)}",
            file=path,
            place=f"line 1, read as a {kind} table",
            expected="the columns of GTEx, of the eQTL Catalogue, or gene, variant (contig:pos:ref:alt), slope, se, p",
            remedy="rename or add the columns; without the effect allele a slope has no direction",
        )
    return kind


def _parquet_names(path: Path) -> list[str]:
    try:
        return list(parquet.read_schema(path).names)
    except (pa.ArrowException, OSError) as error:
        raise GexvizError(f"can't read the Parquet file: {error}", file=path, expected="a Parquet table") from error


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        return parquet.read_table(path).to_pandas(ignore_metadata=True)
    except (pa.ArrowException, OSError) as error:
        raise GexvizError(f"can't read the Parquet file: {error}", file=path, expected="a Parquet table") from error


def _read_text(path: Path, names: list[str]) -> pd.DataFrame:
    convert = pa_csv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()), null_values=_NULLS, strings_can_be_null=True
    )
    with path.open("rb") as handle:
        zipped = handle.read(2) == b"\x1f\x8b"
    try:
        with pa.input_stream(str(path), compression="gzip" if zipped else None) as stream:
            table = pa_csv.read_csv(
                stream,
                read_options=pa_csv.ReadOptions(column_names=names, skip_rows=1),
                parse_options=pa_csv.ParseOptions(delimiter="\t"),
                convert_options=convert,
            )
    except (pa.ArrowInvalid, OSError) as error:
        raise GexvizError(f"the table can't be read: {error}", file=path, remedy="copy or download it again") from None
    return table.to_pandas()


def _places(raw: pd.DataFrame, kind: Format) -> tuple[pd.DataFrame, pd.Series]:
    """Where each variant is and its alleles; and the build that each row names."""
    column = "variant_id" if kind == "GTEx" else "variant"
    if kind != "eQTL Catalogue" and column in raw:
        parts = raw[column].astype("str").str.extract(_VARIANT)
        parts.columns = pd.Index(["contig", "position", "other", "effect", "build"])
    else:
        contig = "chromosome" if kind == "eQTL Catalogue" else "contig"
        alleles = ["ref", "alt"] if kind == "eQTL Catalogue" else ["other_allele", "effect_allele"]
        parts = raw[[contig, "position", *alleles]].set_axis(["contig", "position", "other", "effect"], axis=1)
        plain = [parts[name].astype("str").str.fullmatch("[ACGTNacgtn]+") for name in ("other", "effect")]
        parts = parts.where(plain[0] & plain[1]).assign(build=None)
    written = pd.concat([parts["build"], raw["build"]]) if "build" in raw else parts["build"]
    position = pd.to_numeric(parts["position"], errors="coerce") - 1
    alleles_upper = {name: parts[name].str.upper() for name in ("other", "effect")}
    places = pd.DataFrame({"contig": parts["contig"].astype("str").where(position.notna()), "position": position})
    return places.assign(**alleles_upper), written


def _numbers(raw: pd.DataFrame, column: str, path: Path) -> pd.Series:
    cells = raw[column]
    numbers = pd.to_numeric(cells, errors="coerce").astype(np.float64)
    wrong = numbers.isna() & cells.notna() | np.isinf(numbers)
    if wrong.any():
        row = int(np.argmax(wrong.to_numpy()))
        raise GexvizError(
            f"{cells.iat[row]!r} is not a number",
            file=path,
            place=f"row {row + 2:,}, column {column}",
            expected="a number, or NA",
        )
    return numbers


def _check_ranges(table: pd.DataFrame, path: Path) -> None:
    for name in {"p", "q", "frequency"} & set(table.columns):
        outside = (table[name] < 0) | (table[name] > 1)
        if outside.any():
            row = int(np.argmax(outside.to_numpy()))
            raise GexvizError(
                f"{name} is {table[name].iat[row]:g}",
                file=path,
                place=f"row {row + 2:,}",
                expected="a number from 0 to 1",
                remedy="-log10 p must be turned into p" if name == "p" else None,
            )


def _usable(table: pd.DataFrame, path: Path) -> tuple[pd.DataFrame, dict[str, int]]:
    """Rows that have everything; of the others, the first thing each lacks is counted."""
    why = pd.Series("", index=table.index)
    why[table["se"] <= 0] = "se is not above 0"
    for name, word in [("p", "no p"), ("se", "no se"), ("slope", "no slope"), ("position", "variant not understood")]:
        why[table[name].isna()] = word
    why[table["gene"].isna()] = "no gene"
    left_out = {str(k): int(n) for k, n in why[why != ""].value_counts().items()}
    kept = table[why == ""]
    if kept.empty:
        told = "; ".join(f"{n:,} rows: {word}" for word, n in left_out.items())
        raise GexvizError(
            "no row can be used",
            file=path,
            place=told or "the table has no rows",
            expected="variants as chr22_20004537_A_G_b38 or 22:20004537:A:G, and slope, se and p in every row",
        )
    return kept.astype({"position": np.int64}), left_out


def _one_build(written: pd.Series, path: Path) -> str | None:
    named = sorted({known_build(name) or name for name in written.dropna().astype("str").unique()})
    if len(named) > 1:
        raise GexvizError(
            f"the table mixes builds: {' and '.join(named)}",
            file=path,
            expected="variants of one build",
            remedy="take the others out",
        )
    return named[0] if named else None


def require_build(eqtls: EqtlTable, cohort: str, told: str | None = None) -> None:
    """See that a table's positions are of the cohort's build.

    Parameters
    ----------
    eqtls : EqtlTable
    cohort : str
        The cohort's build.
    told : str, optional
        The table's build, as the caller says.

    Raises
    ------
    GexvizError
        If the builds differ, naming both; or nobody says the table's.
    """
    if told and eqtls.build and not same_build(told, eqtls.build):
        raise GexvizError(f"the table is of {eqtls.build}, not of {told}", file=eqtls.file, expected=told)
    build = eqtls.build or told
    if build is None:
        raise GexvizError(
            "the table doesn't say its genome build",
            file=eqtls.file,
            expected=f"positions of {cohort}, as the cohort's",
            remedy="say the build, or add a column `build`",
        )
    if not same_build(build, cohort):
        raise GexvizError(
            f"the eQTLs are of {build}, the cohort is of {cohort}",
            file=eqtls.file,
            expected=f"positions of {cohort}",
            remedy=f"lift the table over to {cohort} (UCSC liftOver, CrossMap), or take one of that build",
        )
