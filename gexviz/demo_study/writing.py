"""The files of the simulated cohort, in the formats that real cohorts come in."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from gexviz.demo_study.genome import Record
from gexviz.demo_study.grammar import Grammar
from gexviz.demo_study.plans import Plan
from gexviz.lazy import lazy

if TYPE_CHECKING:
    from gexviz.demo_study.people import Panel

pysam = lazy("pysam")

CONTIG = "sim1"
MISSING_SHARE, HALF_MISSING_SHARE, UNPHASED_SHARE = 0.002, 0.0002, 0.005


def write_genotypes(path: Path, panel: Panel, records: Sequence[Record], length: int, rng: np.random.Generator) -> None:
    """Write a bgzipped, indexed VCF, with a few calls missing, half missing or unphased.

    Parameters
    ----------
    path : Path
        ``....vcf.gz``.
    panel : Panel
    records : sequence of Record
    length : int
        Of the contig.
    rng : numpy.random.Generator
        Decides which calls are spoilt.
    """
    texts, codes = _calls(panel.alleles.reshape(len(records), -1, 2), rng)
    header = [
        "##fileformat=VCFv4.2",
        '##FILTER=<ID=PASS,Description="All filters passed">',
        "##source=gexviz demo study: SIMULATED, no real person",
        f"##contig=<ID={CONTIG},length={length}>",
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
        "\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *panel.people]),
    ]
    lines = (
        f"{CONTIG}\t{r.position + 1}\tsv{i:05d}\t{r.ref}\t{','.join(r.alts)}\t.\tPASS\t.\tGT\t" + "\t".join(texts[row])
        for i, (r, row) in enumerate(zip(records, codes, strict=True), start=1)
    )
    _bgzip(path, itertools.chain(header, lines))
    pysam.tabix_index(str(path), preset="vcf", force=True)


def _calls(alleles: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Texts of all possible calls, and the number of each call in them; (n_texts,), int (n_sites, n_people)."""
    letters = [".", "0", "1", "2", "3"]
    phased = [f"{a}|{b}" for a in letters for b in letters]
    unphased = [f"{min(a, b)}/{max(a, b)}" for a in letters for b in letters]
    called = alleles.astype(np.int16)
    luck = rng.random(called.shape[:2])
    called[luck < MISSING_SHARE] = -1
    half = (luck >= MISSING_SHARE) & (luck < MISSING_SHARE + HALF_MISSING_SHARE)
    called[half, 0] = -1
    codes = 5 * (called[..., 0] + 1) + called[..., 1] + 1
    codes[(luck < MISSING_SHARE) | (luck > 1 - UNPHASED_SHARE)] += len(phased)
    return np.array(phased + unphased), codes


def write_reference_fasta(path: Path, reference: np.ndarray) -> None:
    """Write a bgzipped FASTA of one contig, with its ``.fai`` and ``.gzi``."""
    text = reference.tobytes().decode()
    _bgzip(path, itertools.chain([f">{CONTIG} simulated"], (text[i : i + 80] for i in range(0, len(text), 80))))
    pysam.faidx(str(path))


def write_expression(path: Path, plans: Sequence[Plan], values: pd.DataFrame) -> None:
    """Write TPM as a bgzipped, indexed BED with QTLtools' six columns.

    Parameters
    ----------
    path : Path
        ``....bed.gz``.
    plans : sequence of Plan
    values : DataFrame
        log2(TPM + 1), gene x sample.
    """
    lines = [
        "\t".join([CONTIG, str(p.tss), str(p.tss + 1), p.gene, ".", p.strand, *(f"{x:.4g}" for x in tpm)])
        for p, tpm in zip(plans, np.exp2(values.to_numpy()) - 1, strict=True)
    ]
    _bgzip(path, ["\t".join(["#chr", "start", "end", "gene", "group", "strand", *values.columns]), *lines])
    pysam.tabix_index(str(path), preset="bed", force=True)


def write_genes(path: Path, plans: Sequence[Plan], rng: np.random.Generator) -> None:
    """Write a bgzipped GTF: for each gene a transcript from its TSS, and for some a shorter one that starts later."""
    lines = ["##description: simulated genes of the gexviz demo study"]
    for plan in plans:
        length = int(rng.integers(6_000, 20_000))
        exons = _exons(length, int(rng.integers(3, 8)), rng)
        transcripts = [exons] if rng.random() < 0.6 else [exons, exons[1:]]
        lines.append(_gtf_line(plan, "gene", (0, length), f'gene_id "{plan.gene}"'))
        for number, parts in enumerate(transcripts, start=1):
            ids = f'gene_id "{plan.gene}"; transcript_id "{plan.gene}-{number:02d}"'
            lines.append(_gtf_line(plan, "transcript", (parts[0][0], parts[-1][1]), ids))
            lines.extend(_gtf_line(plan, "exon", part, f"{ids}; exon_number {k}") for k, part in enumerate(parts, 1))
    _bgzip(path, lines)


def _exons(length: int, count: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Exons as bp from the TSS, half-open; the first starts at the TSS and the last ends with the gene."""
    starts = np.linspace(0, length, count, endpoint=False).astype(int)
    parts = [(int(start), int(start + rng.integers(120, 500))) for start in starts]
    return [*parts[:-1], (parts[-1][0], length)]


def _gtf_line(plan: Plan, feature: str, span: tuple[int, int], ids: str) -> str:
    """One line; `span` is in bp from the TSS, half-open, in the gene's direction."""
    first, last = plan.tss + span[0], plan.tss + span[1] - 1
    if plan.strand == "-":
        first, last = plan.tss - span[1] + 1, plan.tss - span[0]
    attributes = f'{ids}; gene_name "{plan.gene}"; gene_type "protein_coding";'
    return "\t".join([CONTIG, "simulated", feature, str(first + 1), str(last + 1), ".", plan.strand, ".", attributes])


def write_samples(path: Path, panel: Panel, people: pd.DataFrame) -> None:
    """Write who the people are."""
    table = pd.DataFrame(
        {
            "population": [f"{name}-like" for name in panel.population],
            "superpopulation": panel.population,
            "sex": np.where(people["sex"] == 1, "female", "male"),
            "batch": np.where(people["batch"] == 1, "B", "A"),
        },
        index=people.index,
    )
    table.to_csv(path, sep="\t", lineterminator="\n")


def write_covariates(path: Path, components: pd.DataFrame, people: pd.DataFrame) -> None:
    """Write covariates in rows: genotype components, sex and batch."""
    table = pd.concat([components.add_prefix("genotype_"), people], axis=1).T
    table.rename_axis("covariate").to_csv(path, sep="\t", float_format="%.5g", lineterminator="\n")


def write_motifs(path: Path, grammar: Grammar) -> None:
    """Write the grammar's motifs in MEME's minimal format."""
    lines = ["MEME version 4", "", "ALPHABET= ACGT", "", "strands: + -", ""]
    for motif in grammar.motifs:
        rows = motif.probabilities()
        lines += [f"MOTIF {motif.name}", f"letter-probability matrix: alength= 4 w= {len(rows)} nsites= 100 E= 0"]
        lines += [" ".join(f"{p:.4f}" for p in row) for row in rows] + [""]
    path.write_text("\n".join(lines))


def _bgzip(path: Path, lines: Iterable[str]) -> None:
    """Write lines with bgzip, which keeps no time of writing."""
    with pysam.BGZFile(str(path), "w") as handle:
        for line in lines:
            handle.write(line.encode() + b"\n")
