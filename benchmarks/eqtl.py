"""cis-eQTLs of a real cohort: gexviz, a loop of statsmodels fits, and tensorQTL on the CPU, in one run.

    python benchmarks/eqtl.py [--threads 2] [--permutations 1000] [--pairs 2000] [--tensorqtl PYTHON]

330 people, 608 genes of chr22, all variants within 1 Mb (thinned panel) with a minor allele frequency of 1% or more and
10 copies, 53 covariates. gexviz is timed from the VCF to the table, and again with the dosages in memory, which is what
the others get. statsmodels fits a random part of the pairs; its whole time is extrapolated. tensorQTL runs if
--tensorqtl names a Python that can import it (pip install tensorqtl pandas-plink pyarrow). Seconds are the clock's and
the CPU's, which other work on the machine disturbs less; ratios are of CPU seconds.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--threads", type=int, default=2, help="of BLAS and torch")
parser.add_argument("--permutations", type=int, default=1_000)
parser.add_argument("--pairs", type=int, default=2_000, help="for statsmodels to fit")
parser.add_argument("--tensorqtl", default=sys.executable, metavar="PYTHON")
options = parser.parse_args()
for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = str(options.threads)  # before numpy is imported

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import statsmodels.api as sm  # noqa: E402
from threadpoolctl import threadpool_limits  # noqa: E402

from gexviz.analysis.eqtl import Dosages, Nominal, Reader, dosages_of, nominal  # noqa: E402
from gexviz.analysis.eqtl_permutation import Genes, map_genes  # noqa: E402
from gexviz.analysis.eqtl_settings import EqtlSettings  # noqa: E402
from gexviz.cohort.expression import read_expression  # noqa: E402
from gexviz.cohort.genotypes import Genotypes  # noqa: E402
from gexviz.cohort.samples import read_covariates  # noqa: E402

COHORT = Path(os.environ.get("GEXVIZ_REAL_COHORT", Path(__file__).parents[2] / "shared" / "geuvadis-chr22"))
SETTINGS = EqtlSettings(permutations=options.permutations)

PEER = """
import sys, time, numpy as np, pandas as pd
folder, permutations, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
import torch
torch.set_num_threads(threads)
from tensorqtl import cis
read = lambda name: pd.read_parquet(f"{folder}/{name}.parquet")
given = [read(name) for name in ("genotypes", "variants", "expression", "positions")]
keep = dict(covariates_df=read("covariates"), maf_threshold=0.01, window=1_000_000, verbose=False)
now = lambda: (time.perf_counter(), time.process_time())
begin = now()
cis.map_nominal(*given, prefix="t", output_dir=folder, write_top=False, write_stats=True, **keep)
print("seconds", "nominal", *[b - a for a, b in zip(begin, now())], sep="\\t")
begin = now()
found = cis.map_cis(*given, nperm=permutations, seed=1, **keep)
print("seconds", "permutations", *[b - a for a, b in zip(begin, now())], sep="\\t")
found.to_parquet(f"{folder}/genes.parquet")
"""


class Input(NamedTuple):
    """What is tested."""

    expression: pd.DataFrame
    loci: pd.DataFrame
    covariates: pd.DataFrame
    dosages: Dosages


def main() -> int:
    if not (COHORT / "genotypes.vcf.gz").exists():
        print(f"skipped: there is no real cohort at {COHORT} (set GEXVIZ_REAL_COHORT)")
        return 0
    expression = read_expression(COHORT / "expression.bed.gz", "none")
    genotypes = Genotypes([COHORT / "genotypes.vcf.gz"])
    people = [s for s in genotypes.samples if s in expression.raw.columns]
    values = np.log2(expression.raw[people] + 1)
    covariates = read_covariates(COHORT / "covariates.tsv").loc[people]
    loci = expression.positions
    begin = now()
    from_file = nominal(values, loci, lambda *region: dosages_of(genotypes.read(*region, people)), covariates, SETTINGS)
    whole = since(begin)
    every = dosages_of(genotypes.read("22", 0, 60_000_000, people))
    given = Input(values, loci, covariates, every)
    begin = now()
    found = nominal(values, loci, reader(every), covariates, SETTINGS)
    in_memory = since(begin)
    pd.testing.assert_frame_equal(found.table, from_file.table)
    begin = now()
    genes = map_genes(values, loci, reader(every), covariates, SETTINGS)
    permuting = since(begin)
    bh, q_storey = ((genes.table[name] < 0.05).sum() for name in ("q", "q_storey"))
    print(f"{len(people)} people, {len(loci)} genes, {len(found.table):,} tests, {covariates.shape[1]} covariates")
    tell("gexviz, nominal, from the VCF", whole)
    tell("gexviz, nominal, dosages in memory", in_memory)
    called = f"genes with q < 0.05: {bh} (BH), {q_storey} (Storey, pi0 {genes.pi0:.2f})"
    tell(f"gexviz, {options.permutations:,} permutations", permuting, called)
    loop(given, found, in_memory)
    tensorqtl(given, found, genes, in_memory, permuting)
    return 0


class Seconds(NamedTuple):
    """Of the clock and of the CPU."""

    clock: float
    cpu: float

    def over(self, other: Seconds) -> str:
        """Ratio of CPU seconds to gexviz's."""
        return f"{self.cpu / other.cpu:,.1f} x gexviz"


def now() -> Seconds:
    return Seconds(time.perf_counter(), time.process_time())


def since(begin: Seconds) -> Seconds:
    return Seconds(*(b - a for a, b in zip(begin, now(), strict=True)))


def tell(what: str, seconds: Seconds, more: str = "") -> None:
    print(f"{what:<42}{seconds.clock:9.2f} s, CPU {seconds.cpu:9.2f} s   {more}".rstrip())


def reader(every: Dosages) -> Reader:
    """Reads from memory."""
    position = every.variants["position"].to_numpy()

    def read(_: str, start: int, end: int) -> Dosages:
        rows = slice(*np.searchsorted(position, [start, end]))
        return Dosages(every.variants.iloc[rows], every.values[rows])

    return read


def loop(given: Input, found: Nominal, ours: Seconds) -> None:
    """Ordinary least squares, one pair at a time."""
    some = found.table.sample(min(options.pairs, len(found.table)), random_state=1)
    row = pd.Series(range(len(given.dosages.variants)), index=given.dosages.variants["variant"])
    design = given.covariates.to_numpy()
    fitted = np.empty((len(some), 3))
    begin = now()
    with threadpool_limits(1):  # threads slow such small fits
        for i, (gene, variant) in enumerate(zip(some["gene"], some["variant"], strict=True)):
            dosage = given.dosages.values[row[variant]].astype(float)
            dosage = np.where(np.isnan(dosage), np.nanmean(dosage), dosage)
            x = np.column_stack([dosage, np.ones(len(dosage)), design])
            fit = sm.OLS(given.expression.loc[gene].to_numpy(), x).fit()
            fitted[i] = fit.params[0], fit.bse[0], fit.pvalues[0]
    spent = since(begin)
    whole = Seconds(*(s * len(found.table) / len(some) for s in spent))
    off = np.abs(some[["slope", "se", "p"]].to_numpy() / fitted - 1).max(axis=0)
    tell(f"statsmodels, {len(some):,} tests", spent)
    tell("statsmodels, all, extrapolated", whole, f"{whole.over(ours)} with dosages in memory")
    print(f"largest relative difference of slope {off[0]:.0e}, se {off[1]:.0e}, p {off[2]:.0e}")


def tensorqtl(given: Input, found: Nominal, genes: Genes, ours: Seconds, our_permuting: Seconds) -> None:
    """Run the peer, in another Python, on the same variants."""
    with tempfile.TemporaryDirectory() as folder:
        tested = given.dosages.variants["variant"].isin(found.table["variant"]).to_numpy()
        variants = given.dosages.variants[tested].set_index("variant")
        dosages = pd.DataFrame(given.dosages.values[tested], index=variants.index, columns=given.expression.columns)
        places = pd.DataFrame({"chrom": "22", "pos": variants["position"] + 1})
        loci = given.loci.sort_values("tss")
        positions = pd.DataFrame({"chr": "22", "pos": loci["tss"] + 1})
        tables = {"genotypes": dosages, "variants": places, "expression": given.expression.loc[loci.index]}
        for name, table in (tables | {"positions": positions, "covariates": given.covariates}).items():
            table.to_parquet(Path(folder) / f"{name}.parquet")
        command = [options.tensorqtl, "-c", PEER, folder, str(options.permutations), str(options.threads)]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode:
            why = ran.stderr.strip().splitlines()[-1] if ran.stderr.strip() else f"exit status {ran.returncode}"
            print(f"tensorQTL: did not run in {options.tensorqtl}: {why}")
            return
        told = [line.split("\t")[1:] for line in ran.stdout.splitlines() if line.startswith("seconds\t")]
        spent = {what: Seconds(float(clock), float(cpu)) for what, clock, cpu in told}
        theirs = pd.read_parquet(Path(folder) / "t.cis_qtl_pairs.22.parquet")
        leads = pd.read_parquet(Path(folder) / "genes.parquet").reindex(genes.table.index)
    both = found.table.merge(theirs, left_on=["gene", "variant"], right_on=["phenotype_id", "variant_id"])
    off = (both["slope_x"] - both["slope_y"]).abs().max()
    p = [np.log10(column.astype(float).clip(1e-30)) for column in (genes.table["p_beta"], leads["pval_beta"])]
    ours_at_theirs = found.table.set_index(["gene", "variant"])["p"].reindex(
        list(zip(leads.index, leads["variant_id"], strict=True))
    )
    as_good = np.isclose(ours_at_theirs, genes.table["p_nominal"], rtol=1e-6, atol=0).sum()
    tell("tensorQTL, nominal", spent["nominal"], f"{spent['nominal'].over(ours)} with dosages in memory")
    print(f"{len(both):,} of its {len(theirs):,} tests are shared; largest difference of slope {off:.0e}")
    peer = spent["permutations"]
    tell(f"tensorQTL, {options.permutations:,} permutations", peer, peer.over(our_permuting))
    print(
        f"its lead is as good as ours in {as_good} of {len(leads)} genes; r of log10 p_beta {np.corrcoef(*p)[0, 1]:.4f}"
    )


if __name__ == "__main__":
    raise SystemExit(main())
