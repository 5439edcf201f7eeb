"""Checks of what sequence models read from a cohort, for the preflight."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from gexviz.cohort.builds import same_build
from gexviz.cohort.checks import Row, some
from gexviz.cohort.cohort import Cohort
from gexviz.cohort.gaps import count_n
from gexviz.cohort.probe import probe_vcf
from gexviz.cohort.windows import window_of

MOSTLY_N = 0.5


class InputWindow(NamedTuple):
    """What a sequence model reads: length (bp), TSS index, whether on the gene's strand, build (None: any)."""

    length: int
    anchor: int
    oriented: bool
    genome: str | None = None


class Unreadable(NamedTuple):
    """Genes that a model can't read: the window leaves the reference, or is mostly N."""

    outside: list[str]
    mostly_n: list[str]


def model_input(cohort: Cohort, file: str, window: InputWindow) -> Iterator[Row]:
    """A sequence model's input length and build."""
    yield Row(file, "input", "ok", f"{window.length:,} bp, the TSS at base {window.anchor + 1:,}")
    stated = cohort.config.study.genome
    if window.genome is None:
        return
    if same_build(window.genome, stated):
        yield Row(file, "genome build", "ok", window.genome)
    else:
        todo = "its weights were trained on the other build; TSS and variants are taken from the study's"
        yield Row(file, "genome build", "warn", f"{window.genome}; the study says {stated}", todo)


def model_windows(cohort: Cohort, file: str, window: InputWindow) -> Iterator[Row]:
    """Genes whose window leaves the reference or is mostly N."""
    total = len(cohort.placed.table)
    outside, mostly_n = unreadable_genes(cohort, window)
    left = total - len(outside) - len(mostly_n)
    texts = [f"{left:,} of {total:,} genes have a window with sequence"]
    if outside:
        texts.append(f"it leaves the reference for {some(outside, 3)}")
    if mostly_n:
        texts.append(f"it is mostly N for {some(mostly_n, 3)}")
    if left == total:
        yield Row(file, "windows", "ok", texts[0])
    else:
        todo = "these genes are reported as unavailable; a whole reference may have them"
        yield Row(file, "windows", "warn" if left else "error", "; ".join(texts), todo)


def unreadable_genes(cohort: Cohort, window: InputWindow) -> Unreadable:
    """Find the genes that a model can't read.

    Returns
    -------
    Unreadable
        Gene ids of the study; a window is mostly N where more than half of its reference bases are.
    """
    contigs = cohort.reference.contigs
    outside: list[str] = []
    mostly_n: list[str] = []
    for contig, genes in cohort.placed.table.groupby("contig", sort=False):
        name = str(contig)
        windows = [window_of(g, window.length, window.anchor, oriented=window.oriented) for g in genes.itertuples()]  # type: ignore[arg-type]
        inside = np.array([name in contigs and not w.outside(contigs[name]) for w in windows])
        outside += list(genes.index[~inside])
        starts = np.array([w.start for w in windows], dtype=np.int64)[inside]
        share = count_n(cohort.reference, name, starts, starts + window.length) / window.length
        mostly_n += list(genes.index[inside][share > MOSTLY_N])
    return Unreadable(outside, mostly_n)


def memory(cohort: Cohort, file: str, window: InputWindow) -> Iterator[Row]:
    """The most memory that one gene's sequences and calls can take: as if no two haplotypes were the same."""
    haplotypes = 2 * len(cohort.samples)
    on = set(cohort.placed.table["contig"])
    covered = sum(length for contig, length in cohort.reference.contigs.items() if contig in on)
    records = sum(probe_vcf(path).records for path in cohort.genotype_paths)
    sites = records * window.length / max(covered, window.length)
    need = haplotypes * window.length + sites * len(cohort.genotypes.samples) * 3
    text = f"at most {_bytes(need)} a gene: {haplotypes:,} haplotypes of {window.length:,} bp, about {sites:,.0f} sites"
    have = _machine_memory()
    if have is not None and need > have / 2:
        todo = "use a machine with more memory, or fewer people"
        yield Row(file, "memory", "warn", f"{text}; this machine has {_bytes(have)}", todo)
    else:
        yield Row(file, "memory", "ok", text)


def _bytes(n: float) -> str:
    return f"{n / 1e9:,.1f} GB" if n >= 1e9 else f"{n / 1e6:,.1f} MB"


def _machine_memory() -> int | None:
    """Physical memory in bytes, where the system tells."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return None
