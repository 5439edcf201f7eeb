"""Small genuine-format files for tests: VCF, FASTA, GTF, expression, a whole study."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pysam

HEADER = """##fileformat=VCFv4.2
##FILTER=<ID=PASS,Description="All filters passed">
##ALT=<ID=DEL,Description="Deletion">
##ALT=<ID=CN0,Description="Copy number 0">
##INFO=<ID=END,Number=1,Type=Integer,Description="End">
##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">
"""


def write_fasta(path: Path, contigs: dict[str, str], *, bgzip: bool = False) -> Path:
    """Write and index a FASTA, 60 bases a line."""
    text = "".join(
        f">{n}\n" + "\n".join(s[i : i + 60] for i in range(0, len(s), 60)) + "\n" for n, s in contigs.items()
    )
    if bgzip:
        with pysam.BGZFile(str(path), "wb") as out:
            out.write(text.encode())
    else:
        path.write_text(text)
    pysam.faidx(str(path))
    return path


def write_vcf(
    path: Path, contigs: dict[str, int], samples: Sequence[str], records: Sequence[tuple], *, index: bool = True
) -> Path:
    """Write a bgzipped, indexed VCF. A record is (contig, 0-based position, id, ref, alts, calls)."""
    lines = [HEADER.rstrip()] + [f"##contig=<ID={c},length={n}>" for c, n in contigs.items()]
    lines.append("\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *samples]))
    for contig, position, name, ref, alts, calls in records:
        lines.append("\t".join([contig, str(position + 1), name, ref, ",".join(alts), ".", "PASS", ".", "GT", *calls]))
    with pysam.BGZFile(str(path), "wb") as out:
        out.write(("\n".join(lines) + "\n").encode())
    if index:
        pysam.tabix_index(str(path), preset="vcf", force=True)
    return path


def write_gtf(path: Path, genes: Sequence[tuple]) -> Path:
    """Write a gzipped GTF. A gene is (id, name, contig, 0-based start, end, strand)."""
    rows = []
    for gene, name, contig, start, end, strand in genes:
        common = f'gene_id "{gene}"; gene_name "{name}"; gene_type "protein_coding";'
        for feature, extra in (
            ("gene", ""),
            ("transcript", f' transcript_id "{gene}-T1";'),
            ("exon", f' transcript_id "{gene}-T1";'),
        ):
            rows.append(f"{contig}\ttest\t{feature}\t{start + 1}\t{end}\t.\t{strand}\t.\t{common}{extra}")
    with gzip.open(path, "wt") as out:
        out.write("\n".join(rows) + "\n")
    return path


def random_bases(rng: np.random.Generator, length: int) -> str:
    """Random A, C, G, T."""
    return "".join(rng.choice(list("ACGT"), length))


def make_study(folder: Path, *, seed: int = 0, people: int = 40, models: str = "") -> Path:
    """Write a whole small study and give its TOML: 6 genes on 60 kb, SNVs and indels, one gene with a cis effect."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    sequence = random_bases(rng, 60_000)
    samples = [f"P{i:03d}" for i in range(people)]
    genes = [
        (f"ENSG{i:011d}.1", f"GENE{i}", "chr1", 5_000 + 9_000 * i, 7_000 + 9_000 * i, "+-"[i % 2]) for i in range(6)
    ]
    records, dosages = [], {}
    position = 200
    while position < 59_000:
        ref = sequence[position]
        if rng.random() < 0.1:
            alt = ref + random_bases(rng, int(rng.integers(1, 5)))
        else:
            alt = rng.choice([b for b in "ACGT" if b != ref])
        carried = rng.random((people, 2)) < rng.uniform(0.05, 0.5)
        records.append(("1", position, f"rs{position}", ref, [str(alt)], [f"{int(a)}|{int(b)}" for a, b in carried]))
        dosages[position] = carried.sum(axis=1)
        position += int(rng.integers(40, 200))
    write_fasta(folder / "reference.fa", {"1": sequence})
    write_vcf(folder / "genotypes.vcf.gz", {"1": len(sequence)}, samples, records)
    write_gtf(folder / "genes.gtf.gz", genes)
    expression = pd.DataFrame(rng.normal(5, 1, (6, people)), index=[g[0] for g in genes], columns=samples)
    causal = max((p for p in dosages if 4_000 < p < 5_000), key=lambda p: dosages[p].var())
    expression.iloc[0] += 1.5 * dosages[causal]
    expression.rename_axis("gene").to_csv(folder / "expression.tsv", sep="\t")
    populations = np.where(np.arange(people) % 2, "AAA", "BBB")
    pd.DataFrame({"sample": samples, "population": populations}).to_csv(folder / "samples.tsv", sep="\t", index=False)
    toml = folder / "study.toml"
    toml.write_text(
        '[study]\nname = "Small"\ngenome = "test"\nsimulated = true\n\n[cohort]\ngenotypes = "genotypes.vcf.gz"\n'
        'reference = "reference.fa"\nexpression = "expression.tsv"\ngenes = "genes.gtf.gz"\nsamples = "samples.tsv"\n'
        + models
    )
    return toml
