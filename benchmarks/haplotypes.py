"""Haplotypes of a whole cohort in a window, against ``bcftools consensus`` making the same sequences.

    python benchmarks/haplotypes.py

The real cohort is looked for beside the checkout, or where GEXVIZ_REAL_COHORT says.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pysam

from gexviz.cohort.genotypes import Genotypes
from gexviz.cohort.haplotypes import build_haplotypes
from gexviz.cohort.reference import Reference
from gexviz.cohort.windows import Window


def timed(genotypes: Genotypes, reference: Reference, window: Window, samples: list[str]) -> tuple[float, object]:
    """Best of five, the first (which opens files) left out."""
    build_haplotypes(genotypes, reference, window, samples)
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        made = build_haplotypes(genotypes, reference, window, samples)
        times.append(time.perf_counter() - begin)
    return min(times), made


def bcftools(folder: Path, vcf: Path, region: str, samples: list[str]) -> float:
    """Seconds for ``bcftools consensus`` to write both haplotypes of five people in a region."""
    with tempfile.TemporaryDirectory() as name:
        fasta = Path(name) / "region.fa"
        with pysam.FastaFile(str(folder / "reference.fa.gz")) as reference:
            fasta.write_text(f">{region}\n{reference.fetch(region=region)}\n")
        begin = time.perf_counter()
        for sample in samples[:5]:
            for which in ("1pIu", "2pIu"):
                subprocess.run(
                    ["bcftools", "consensus", "-f", str(fasta), "-s", sample, "-H", which, str(vcf)],
                    check=True,
                    capture_output=True,
                )
        return time.perf_counter() - begin


def main(folder: Path) -> None:
    reference = Reference(folder / "reference.fa.gz")
    with pysam.BGZFile(str(folder / "expression.bed.gz")) as handle:
        expressed = handle.readline().decode().split("\t")[6:]
    panels = {"thinned": folder / "genotypes.vcf.gz", "dense": folder / "genotypes.dense-20.0Mb.vcf.gz"}
    for panel, path in panels.items():
        genotypes = Genotypes([path])
        people = set(expressed) if panel == "thinned" else set(genotypes.samples)
        samples = [s for s in genotypes.samples if s in people]
        for length, anchor in ((10_500, 6_999), (98_000, 49_000), (196_608, 98_304), (1_000_000, 500_000)):
            tss = 20_050_000
            window = Window("22", tss - anchor, tss - anchor + length, "+", anchor)
            seconds, made = timed(genotypes, reference, window, samples)
            peer = ""
            if length == 10_500 and shutil.which("bcftools"):
                region = f"22:{window.start + 1}-{window.end}"
                whole = bcftools(folder, path, region, samples) * len(samples) / 5
                peer = f"; bcftools consensus {whole:.1f} s (10 runs, scaled to all): {whole / seconds:,.0f} times ours"
            print(
                f"{panel}, {len(samples)} people, {length:,} bp: {1000 * seconds:.1f} ms, "
                f"{made.counts['records']} records, {len(made.sequences)} distinct of {int(made.copies.sum())}{peer}"
            )


if __name__ == "__main__":
    main(Path(os.environ.get("GEXVIZ_REAL_COHORT", Path(__file__).parents[2] / "shared" / "geuvadis-chr22")))
