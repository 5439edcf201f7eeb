"""How long a switch of gene takes in a real browser: from the click until both charts show the new gene.

    python benchmarks/gene_page.py                     # the demo study
    python benchmarks/gene_page.py --synthetic         # 20,000 genes x 1,000 people, made in a temporary folder
    python benchmarks/gene_page.py --study study.toml  # any study; predicted first if need be

The synthetic study has real files of every kind: expression as Parquet, two models' predictions as Parquet (one of them
per haplotype), a bgzipped VCF with four variants a gene, FASTA, GTF. Every switch goes to a gene that was not shown
before, half by the button to the next gene, half by typing into the gene box.
"""

from __future__ import annotations

import argparse
import gzip
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pysam
from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from served import serve, until_idle

import gexviz as gx
from gexviz.computing import compute_gene

FLAGS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
SPACING = 5_000


def synthetic(folder: Path, genes: int, people: int) -> Path:
    """Write a large study and store its predictions; give its TOML."""
    rng = np.random.default_rng(0)
    ids = [f"ENSG{i:011d}.1" for i in range(genes)]
    samples = [f"P{i:04d}" for i in range(people)]
    folder.mkdir(parents=True, exist_ok=True)
    _fasta(folder / "reference.fa", genes, rng)
    dosages = _vcf(folder / "genotypes.vcf.gz", genes, samples, rng)
    _gtf(folder / "genes.gtf.gz", ids)
    cis = np.einsum("gvs,gv->gs", dosages, rng.normal(0, 0.5, (genes, 4))).astype(np.float32)
    noise = rng.normal(0, 1, (genes, people)).astype(np.float32)
    frame = pd.DataFrame(5 + cis + noise, index=pd.Index(ids, name="gene"), columns=samples)
    frame.to_parquet(folder / "expression.parquet")
    linear = pd.DataFrame(cis + rng.normal(0, 0.3, cis.shape), index=frame.index, columns=samples)
    linear.astype(np.float32).to_parquet(folder / "linear.parquet")
    sign = rng.choice([-1.0, 1.0], (genes, 1))
    copies = {f"{s}|{c}": None for s in samples for c in (1, 2)}
    halves = np.repeat(sign * cis / 2, 2, axis=1) + rng.normal(0, 0.3, (genes, 2 * people))
    pd.DataFrame(halves.astype(np.float32), index=frame.index, columns=list(copies)).to_parquet(folder / "deep.parquet")
    populations = np.where(np.arange(people) % 3 == 0, "AFR", "EUR")
    pd.DataFrame({"sample": samples, "population": populations}).to_csv(folder / "samples.tsv", sep="\t", index=False)
    toml = folder / "study.toml"
    toml.write_text(
        f'[study]\nname = "Synthetic, {genes:,} genes x {people:,} people"\ngenome = "none"\n\n'
        '[cohort]\ngenotypes = "genotypes.vcf.gz"\nreference = "reference.fa"\nexpression = "expression.parquet"\n'
        'genes = "genes.gtf.gz"\nsamples = "samples.tsv"\n\n'
        '[models.deep]\nfamily = "table"\npredictions = "deep.parquet"\nscale = "log"\n\n'
        '[models.linear]\nfamily = "table"\npredictions = "linear.parquet"\nscale = "log"\n'
    )
    study = gx.load(toml)
    for model in study.model_names:
        begin = time.perf_counter()
        records = [compute_gene(study, model, gene, "prediction") for gene in ids]
        study.results.put("prediction", model, study._run(model, "prediction"), records)  # one commit for all
        print(f"stored {genes:,} genes of {model} in {time.perf_counter() - begin:.0f} s", flush=True)
    return toml


def _fasta(path: Path, genes: int, rng: np.random.Generator) -> None:
    bases = np.frombuffer(b"ACGT", dtype=np.uint8)[rng.integers(0, 4, genes * SPACING)]
    lines = np.full((len(bases) // 100, 101), ord("\n"), dtype=np.uint8)
    lines[:, :100] = bases.reshape(-1, 100)
    path.write_bytes(b">1\n" + lines.tobytes())
    pysam.faidx(str(path))


def _vcf(path: Path, genes: int, samples: list[str], rng: np.random.Generator) -> np.ndarray:
    """Four variants in the 2 kb before each gene's TSS; gives ALT copies (gene, variant, sample)."""
    reference = pysam.FastaFile(str(path.parent / "reference.fa"))
    dosages = np.empty((genes, 4, len(samples)), dtype=np.int8)
    text = np.array([b"0|0", b"0|1", b"1|0", b"1|1"])
    with pysam.BGZFile(str(path), "wb") as out:
        out.write(
            "##fileformat=VCFv4.2\n##FORMAT=<ID=GT,Number=1,Type=String,Description=\"Genotype\">\n"
            f"##contig=<ID=1,length={genes * SPACING}>\n"
            f"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{chr(9).join(samples)}\n".encode()
        )
        for gene in range(genes):
            for v in range(4):
                position = gene * SPACING + 500 + 400 * v
                carried = rng.random((2, len(samples))) < rng.uniform(0.05, 0.5)
                dosages[gene, v] = carried.sum(axis=0)
                ref = reference.fetch("1", position, position + 1)
                calls = b"\t".join(text[carried[0] * 2 + carried[1]])
                alt = "C" if ref == "A" else "A"
                out.write(f"1\t{position + 1}\t.\t{ref}\t{alt}\t.\t.\t.\tGT\t".encode() + calls + b"\n")
    pysam.tabix_index(str(path), preset="vcf", force=True)
    return dosages


def _gtf(path: Path, ids: list[str]) -> None:
    with gzip.open(path, "wt", compresslevel=1) as out:
        for i, gene in enumerate(ids):
            start, end, strand = i * SPACING + 2_500, i * SPACING + 4_000, "+"
            common = f'gene_id "{gene}"; gene_name "SYN{i:05d}"; gene_type "protein_coding";'
            out.write(f"1\tsynthetic\tgene\t{start}\t{end}\t.\t{strand}\t.\t{common}\n")
            out.write(f'1\tsynthetic\ttranscript\t{start}\t{end}\t.\t{strand}\t.\t{common} transcript_id "{gene}-1";\n')


BOTH_SHOW = """name => document.querySelector('h2')?.innerText === name
    && [...document.querySelectorAll('.js-plotly-plot')].filter(p => p.offsetParent).slice(0, 2).filter(
        p => p.layout?.meta?.gene === name && p.querySelector('.scatterlayer .point')).length === 2"""
# React keeps the old figures for a moment, hidden: they don't count


def shown(page: Page, name: str) -> None:
    """Wait until the heading and both charts are those of a gene."""
    page.wait_for_function(BOTH_SHOW, arg=name, polling="raf", timeout=120_000)


def switches(page: Page, address: str, names: list[str], number: int) -> tuple[list[float], list[float]]:
    """Time switches by the button and by the box; `names` in the order of the list."""
    page.goto(f"{address}/Gene?gene={names[0]}")
    shown(page, names[0])
    until_idle(page)
    by_button, by_box = [], []
    for name in names[1 : 1 + number]:
        begin = time.perf_counter()
        page.get_by_role("button", name="Next gene").click()
        shown(page, name)
        by_button.append(time.perf_counter() - begin)
        until_idle(page)
    for name in names[-1 : -1 - number : -1]:
        box = page.get_by_role("combobox", name="Gene", exact=True)
        box.click()
        box.press_sequentially(name, delay=80)  # as people type
        page.get_by_role("option", name=name).first.wait_for()
        begin = time.perf_counter()
        box.press("Enter")
        shown(page, name)
        by_box.append(time.perf_counter() - begin)
        until_idle(page)
    return by_button, by_box


def measure(arguments: list[str], names: list[str], number: int, what: str) -> None:
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with serve(*arguments) as address, sync_playwright() as running:
        browser = running.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        begin = time.perf_counter()
        page.goto(address)
        page.wait_for_selector(".js-plotly-plot", timeout=300_000)
        print(f"{what}: first page on a cold server {time.perf_counter() - begin:.1f} s", flush=True)
        by_button, by_box = switches(page, address, names, number)
        browser.close()
    for way, times in (("next-gene button", by_button), ("typed into the gene box", by_box)):
        print(
            f"{what}: gene switch by {way}: median {statistics.median(times):.2f} s, "
            f"slowest {max(times):.2f} s of {len(times)}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--synthetic", action="store_true")
    parser.add_argument("--study")
    parser.add_argument("--folder", help="keep the synthetic study here, and use it again")
    parser.add_argument("--genes", type=int, default=20_000)
    parser.add_argument("--people", type=int, default=1_000)
    parser.add_argument("--switches", type=int, default=10)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        if given.synthetic:
            toml = Path(given.folder or temporary) / "study.toml"
            if not toml.is_file():
                synthetic(toml.parent, given.genes, given.people)
            study, what = gx.load(toml), f"synthetic {given.genes:,} x {given.people:,}"
        else:
            study = gx.load(given.study) if given.study else gx.demo()
            what = study.name
            for model in study.model_names:
                study.compute(model)
        arguments = ["--study", str(study.config.path)]
        ready = pd.concat([study.status(m)["state"] == "ready" for m in study.model_names[:2]], axis=1).all(axis=1)
        names = sorted(study.genes.loc[ready[ready].index, "name"].astype(str), key=str.upper)
        measure(arguments, names, given.switches, what)


if __name__ == "__main__":
    main()
