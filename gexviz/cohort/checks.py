"""Checks of each file of a cohort by itself, for the preflight; and what a finding is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from gexviz.cohort.cohort import Cohort
from gexviz.cohort.genes import unversioned
from gexviz.cohort.probe import probe_vcf

Status = Literal["ok", "warn", "error"]


class Row(NamedTuple):
    """One line of the preflight's table."""

    file: str
    check: str
    status: Status
    found: str
    todo: str = ""


def some(ids: Iterable[object], limit: int = 5) -> str:
    """The first of many ids, as text."""
    listed = [str(i) for i in ids]
    return ", ".join(listed[:limit]) + (f", ... ({len(listed):,} in all)" if len(listed) > limit else "")


def genotype_file(path: Path) -> Iterator[Row]:
    """Open a VCF in another process; see its index."""
    header = probe_vcf(path)
    contents = f"{header.records:,} records, {len(header.samples):,} samples, contigs {some(header.contigs)}"
    yield Row(path.name, "opens", "ok", contents)
    yield _index_row(path, [header.index_file], f"bcftools index -f {path}")


def genotypes(cohort: Cohort) -> Iterator[Row]:
    """See that the genotype files fit together."""
    opened = cohort.genotypes
    names = some([p.name for p in opened.paths], 3)
    yield Row(names, "duplicated ids", "ok", f"{len(opened.samples):,} samples, none twice; no contig in two files")


def reference(cohort: Cohort) -> Iterator[Row]:
    """Open the reference, see its indexes, read its last bases."""
    opened = cohort.reference
    total = sum(opened.contigs.values())
    name, length = list(opened.contigs.items())[-1]
    opened.fetch(name, max(0, length - 1_000), length)
    yield Row(opened.path.name, "opens", "ok", f"{len(opened.contigs):,} contigs, {total:,} bp")
    yield _index_row(opened.path, opened.indexes, f"samtools faidx {opened.path}")


def expression(cohort: Cohort) -> Iterator[Row]:
    """Read the expression; look for genes in several versions and an odd scale."""
    file = cohort.path_of("expression").name
    raw = cohort.measured_as_written.raw
    yield Row(file, "opens", "ok", f"{raw.shape[0]:,} genes, {raw.shape[1]:,} samples")
    yield Row(file, "duplicated ids", "ok", "no gene and no sample twice")
    plain = unversioned(raw.index)
    if (twice := plain.duplicated(keep=False)).any():
        found = f"{plain[twice].nunique():,} genes are there in several versions: {some(raw.index[twice])}"
        yield Row(file, "gene versions", "warn", found, "keep one row for each gene")
    yield _scale(file, raw.to_numpy(), cohort.config.cohort.transform)


def _scale(file: str, values: np.ndarray, transform: str) -> Row:
    known = ~np.isnan(values)
    largest, smallest = values.max(where=known, initial=-np.inf), values.min(where=known, initial=np.inf)
    found = f"{smallest:.4g} to {largest:.4g}, transform {transform}"
    if transform == "log2p1" and smallest < 0:
        return Row(file, "scale", "error", found + ": negative values have no log2(x + 1)", 'set transform = "none"')
    if transform == "none" and smallest >= 0 and largest > 1_000:
        return Row(file, "scale", "warn", found + ": looks like counts, TPM or RPKM", 'set transform = "log2p1"')
    if transform == "log2p1" and largest < 25:
        return Row(file, "scale", "warn", found + ": looks like a log scale already", 'if so, set transform = "none"')
    return Row(file, "scale", "ok", found)


def annotation(cohort: Cohort) -> Iterator[Row]:
    """Read the annotation."""
    genes = cohort.annotation_as_written
    coding = int((genes["biotype"] == "protein_coding").sum())
    file = cohort.path_of("genes").name
    yield Row(file, "opens", "ok", f"{len(genes):,} genes, {coding:,} protein-coding, no id twice")


def people(cohort: Cohort) -> Iterator[Row]:
    """Read the table of people; see that the models' splits are in it."""
    file = cohort.path_of("samples").name
    table = cohort.people
    columns = ", ".join(table.columns) or "no other column"
    yield Row(file, "opens", "ok", f"{len(table):,} samples, none twice; {columns}")
    if "population" not in table:
        todo = "if people are of several populations, add it: figures and evaluations tell them apart by it"
        yield Row(file, "population", "warn", "no column population", todo)
    splits = set(table["split"]) if "split" in table else set()
    for name, model in cohort.config.models.items():
        if unknown := sorted(set(model.trained_on) - splits):
            place = cohort.config.place("models", name, "trained_on")
            found = f"model {name} was trained on {', '.join(unknown)}, which nobody has in the column split"
            yield Row(file, "split", "error", found, f"add it to the column, or correct {place}")


def covariates(cohort: Cohort) -> Iterator[Row]:
    """Read the covariates."""
    table = cohort.covariates_as_written
    found = f"{table.shape[1]:,} covariates, {table.shape[0]:,} samples, none twice"
    yield Row(cohort.path_of("covariates").name, "opens", "ok", found)


def _index_row(path: Path, indexes: list[Path], remedy: str) -> Row:
    older = [i for i in indexes if i.stat().st_mtime < path.stat().st_mtime - 1]
    if older:
        return Row(path.name, "index", "warn", f"{older[0].name} is older than the file", f"make it again: {remedy}")
    return Row(path.name, "index", "ok", ", ".join(i.name for i in indexes))
