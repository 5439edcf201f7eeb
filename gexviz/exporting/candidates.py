"""Variants to test as files for the bench: CSV, FASTA, VCF, BED. No person is in any of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gexviz.errors import GexvizError
from gexviz.exporting.bed import write_variants_bed
from gexviz.exporting.intervals import Exported
from gexviz.exporting.spreadsheets import csv_text
from gexviz.files import written_whole

_INFO = {
    "GENE": ("String", "Gene"),
    "CLASS": ("String", "Deep effect against eQTL: class of the pair of gene and variant"),
    "DEEP": ("Float", "Effect of one ALT copy predicted by the deep model, on the reference"),
    "DEEPMEAN": ("Float", "The same, mean over haplotypes of the cohort"),
    "SLOPE": ("Float", "eQTL slope per ALT copy"),
    "SE": ("Float", "Standard error of the slope"),
    "Q": ("Float", "False discovery rate of the eQTL"),
}
"""Fields that have a value for each gene."""

_COLUMNS = ("gene", "class", "deep_effect", "deep_mean", "slope", "se", "q")


def write_candidates_csv(table: pd.DataFrame, path: str | Path) -> Exported:
    """Write all columns as CSV, positions 1-based; text that spreadsheets would run is made harmless.

    Parameters
    ----------
    table : DataFrame
        From :func:`gexviz.analysis.candidates.candidates`.
    path : path

    Returns
    -------
    Exported
    """
    with written_whole(path) as draft:
        draft.write_text(candidates_csv(table), encoding="utf-8", newline="")
    return Exported(Path(path), len(table), 0)


def candidates_csv(table: pd.DataFrame) -> str:
    """All columns that there are as CSV; see :func:`write_candidates_csv`."""
    return csv_text(table.assign(**{name: table[name] + 1 for name in ("position", "oligo_start") if name in table}))


def write_candidates_fasta(table: pd.DataFrame, path: str | Path) -> Exported:
    """Write both oligos of each variant once, whatever the number of its genes; names are ``VARIANT_ref``, ``_alt``.

    Parameters
    ----------
    table : DataFrame
        From :func:`gexviz.analysis.candidates.candidates`.
    path : path

    Returns
    -------
    Exported
        Variants; those without oligos are left out.
    """
    with_oligos = table[table["oligo_ref"] != ""]
    lines = []
    for variant, rows in with_oligos.groupby("variant", sort=False):
        first: Any = rows.iloc[0]
        where = f"{first['contig']}:{first['oligo_start'] + 1}-{first['oligo_end']}"
        why = "; ".join(f"{row['gene']} {row['class']}" for _, row in rows.iterrows())
        for allele in ("ref", "alt"):
            name = f"{re.sub(r'[^!-~]+', '_', str(variant))}_{allele}"
            lines += [f">{name} {_ascii(f'{where} (forward strand; {why})')}", first[f"oligo_{allele}"]]
    with written_whole(path) as draft:
        draft.write_text("".join(f"{line}\n" for line in lines), encoding="ascii", newline="\n")
    return Exported(Path(path), len(lines) // 4, table["variant"].nunique() - len(lines) // 4)


def _ascii(text: str) -> str:
    return re.sub(r"[^ -~]+", "_", text)


def write_candidates_vcf(table: pd.DataFrame, path: str | Path, contigs: Mapping[str, int]) -> Exported:
    """Write a VCF 4.3 without samples, one record a variant, sorted; INFO has a value for each of its genes.

    Parameters
    ----------
    table : DataFrame
        From :func:`gexviz.analysis.candidates.candidates`.
    path : path
    contigs : mapping
        Contig -> length in bp, in the reference's order.

    Returns
    -------
    Exported
        Variants whose alleles are not plain sequence, or whose contig or REF the reference does not have, are left out.
    """
    known = table[(table["edit_context"] != "").to_numpy()]
    order = {name: number for number, name in enumerate(contigs)}
    rank = known["contig"].map(order)
    known = known.assign(rank=rank).sort_values(["rank", "position", "ref", "alt"], kind="stable")
    used = [name for name in contigs if name in set(known["contig"])]
    lines = ["##fileformat=VCFv4.3", "##source=gexviz"]
    lines += [f"##contig=<ID={name},length={contigs[name]}>" for name in used]
    lines += [f'##INFO=<ID={k},Number=.,Type={t},Description="{d}">' for k, (t, d) in _INFO.items()]
    lines += ['##INFO=<ID=CARRIERS,Number=1,Type=Integer,Description="People with ALT in the cohort">']
    lines += ['##INFO=<ID=AF,Number=A,Type=Float,Description="Frequency of ALT in the cohort">']
    lines += ["#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"]
    records = known.groupby("variant", sort=False)
    lines += [_record(rows) for _, rows in records]
    with written_whole(path) as draft:
        draft.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")
    return Exported(Path(path), len(records), table["variant"].nunique() - len(records))


def _record(rows: pd.DataFrame) -> str:
    first: Any = rows.iloc[0]
    fields = {key: ",".join(map(_value, rows[column])) for key, column in zip(_INFO, _COLUMNS, strict=True)}
    fields |= {"CARRIERS": _value(first["carriers"]), "AF": _value(first["frequency"])}
    info = ";".join(f"{key}={value}" for key, value in fields.items())
    name = re.sub(r"[\s;]+", "_", str(first["variant"]))
    cells = (first["contig"], int(first["position"]) + 1, name, first["ref"], first["alt"], ".", ".", info)
    return "\t".join(map(str, cells))


def _value(value: object) -> str:
    """A value as INFO takes it: percent-encoded text, numbers with six digits, a dot for none."""
    if value is None or value is pd.NA or (isinstance(value, float | np.floating) and not np.isfinite(value)):
        return "."
    if isinstance(value, str):
        text = re.sub(r"\s+", "_", value) or "."
        return re.sub(r"[%:;=,]|[\x00-\x1f]", lambda m: f"%{ord(m[0]):02X}", text)
    return f"{value:.6g}"


def write_candidates_bed(
    table: pd.DataFrame, path: str | Path, *, name: str, contigs: Mapping[str, int], ucsc: bool = False
) -> Exported:
    """Write the variants as a BED track, coloured by the sign of the deep effect; each once.

    Parameters
    ----------
    table : DataFrame
        From :func:`gexviz.analysis.candidates.candidates`.
    path : path
    name : str
        Of the track.
    contigs : mapping
        Contig -> length, in the reference's order.
    ucsc : bool
        Whether to write UCSC's names of contigs.

    Returns
    -------
    Exported
        Variants without a deep effect are left out.
    """
    rows = table.drop_duplicates("variant").set_index("variant")
    order = {contig: number for number, contig in enumerate(contigs)}
    rows = rows.iloc[np.argsort(rows["contig"].map(order).fillna(len(order)).to_numpy(), kind="stable")]
    return write_variants_bed(rows, path, list(rows["contig"]), name=name, value="deep_effect", ucsc=ucsc)


def write_candidates(table: pd.DataFrame, path: str | Path, *, name: str, contigs: Mapping[str, int]) -> Exported:
    """Write what the file's ending asks for: ``.csv``, ``.fa`` (``.fasta``), ``.vcf`` or ``.bed``.

    Parameters
    ----------
    table : DataFrame
        From :func:`gexviz.analysis.candidates.candidates`.
    path : path
    name : str
        Of the track in a BED file.
    contigs : mapping
        Contig -> length, in the reference's order.

    Returns
    -------
    Exported

    Raises
    ------
    GexvizError
        For another ending.
    """
    match Path(path).suffix.lower():
        case ".csv":
            return write_candidates_csv(table, path)
        case ".fa" | ".fasta":
            return write_candidates_fasta(table, path)
        case ".vcf":
            return write_candidates_vcf(table, path, contigs)
        case ".bed":
            return write_candidates_bed(table, path, name=name, contigs=contigs)
    raise GexvizError(
        f"'{Path(path).suffix}' is no ending that tells what to write",
        file=path,
        expected="one of .csv, .fa, .fasta, .vcf, .bed",
        remedy="change the file's ending",
    )
