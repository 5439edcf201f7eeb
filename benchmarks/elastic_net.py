"""PrediXcan's nested cross-validation on real data: gexviz against R's glmnet, the same folds, in one run.

    python benchmarks/elastic_net.py [--genes 10] [--threads 1]

Ten genes of chr22, all their variants within 1 Mb with a minor allele frequency of 1% or more, 330 people, 53
covariates projected out: 5 outer x (10 inner + 1) + 10 + 1 = 66 paths a gene. Both get the same numbers and the same
folds; each tells the time of its fits only (reading files and starting R are not counted): CPU seconds, which other
work on the machine disturbs less than the clock, and the clock's.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--genes", type=int, default=10)
parser.add_argument("--threads", type=int, default=1, help="of BLAS; R's glmnet uses one")
options = parser.parse_args()
for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = str(options.threads)  # before numpy is imported

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from cyvcf2 import VCF  # noqa: E402

from gexviz.analysis.elastic_net import cross_validate  # noqa: E402

COHORT = Path(os.environ.get("GEXVIZ_REAL_COHORT", Path(__file__).parents[2] / "shared" / "geuvadis-chr22"))
WINDOW, MAF, OUTER, INNER = 1_000_000, 0.01, 5, 10

R_SIDE = """
suppressMessages(library(glmnet))
genes <- as.integer(commandArgs(TRUE)[1]); thresh <- as.numeric(commandArgs(TRUE)[2])
for (g in seq_len(genes) - 1) {
  name <- function(what) sprintf("%d.%s.csv", g, what)
  x <- as.matrix(read.csv(name("x"), header = FALSE)); y <- scan(name("y"), quiet = TRUE)
  folds <- as.matrix(read.csv(name("folds"), header = FALSE)); outer <- folds[, 1]; pred <- rep(NA, length(y))
  begin <- proc.time()
  for (k in 1:5) {
    out <- outer == k
    fit <- cv.glmnet(x[!out, ], y[!out], alpha = 0.5, foldid = folds[!out, k + 1], thresh = thresh, maxit = 1e8)
    pred[out] <- predict(fit, x[out, ], s = "lambda.min")
  }
  fit <- cv.glmnet(x, y, alpha = 0.5, foldid = folds[, 7], thresh = thresh, maxit = 1e8)
  spent <- proc.time() - begin; seconds <- c(spent[1] + spent[2], spent[3])
  write(format(c(seconds, fit$lambda.min, pred, as.matrix(coef(fit, s = "lambda.min"))[-1]), digits = 15), name("r"), 1)
}
"""


class Fitted(NamedTuple):
    """Seconds and results of one gene."""

    cpu: float
    clock: float
    best: float
    predicted: np.ndarray
    coef: np.ndarray


def main() -> int:
    if not (COHORT / "genotypes.vcf.gz").exists():
        print(f"skipped: there is no real cohort at {COHORT} (set GEXVIZ_REAL_COHORT)")
        return 0
    if shutil.which("Rscript") is None:
        print("skipped: Rscript with the package glmnet is not installed")
        return 0
    problems = real_genes(options.genes)
    with tempfile.TemporaryDirectory() as folder:
        for g, problem in enumerate(problems):
            for name, values in problem.items():
                np.savetxt(Path(folder) / f"{g}.{name}.csv", values, delimiter=",", fmt="%.17g")
        ours = [fit_ours(**problem) for problem in problems]
        theirs = fit_theirs(folder, problems, 1e-7)
    rows = [compare(problem, a, b) for problem, a, b in zip(problems, ours, theirs, strict=True)]
    table = pd.DataFrame(rows)
    print(table.round(4).to_string(index=False))
    print(f"\n{len(table)} genes, BLAS threads {options.threads}")
    for kind in ("cpu", "clock"):
        a, b = table[f"gexviz_{kind}"].sum(), table[f"glmnet_{kind}"].sum()
        print(f"{kind}: gexviz {a:.1f} s, glmnet {b:.1f} s: ratio {a / b:.2f}")
    print(f"cpu ratio by gene: median {table['ratio'].median():.2f}, worst {table['ratio'].max():.2f}")
    print(f"the same lambda.min: {int(table['same_lambda'].sum())} of {len(table)} genes")
    same = table[table["same_lambda"]]
    print(f"there, largest difference of a coefficient {same['coef_diff'].max():.1e} (expression has variance 1)")
    print(f"largest difference of an out-of-fold prediction {table['prediction_diff'].max():.1e}")
    return 0


def real_genes(number: int) -> list[dict[str, np.ndarray]]:
    """Predictors, adjusted expression and folds of genes spread over the chromosome."""
    expression = pd.read_csv(COHORT / "expression.bed.gz", sep="\t", index_col=3)
    covariates = pd.read_csv(COHORT / "covariates.tsv", sep="\t", index_col=0)
    people = [s for s in VCF(str(COHORT / "genotypes.vcf.gz")).samples if s in expression.columns]
    records = VCF(str(COHORT / "genotypes.vcf.gz"), gts012=True, samples=people)
    people = records.samples
    position, dosages = zip(*((record.POS, record.gt_types.astype(float)) for record in records), strict=True)
    position, dosages = np.array(position), np.array(dosages)
    dosages[dosages == 3] = np.nan
    frequency = np.nanmean(dosages, axis=1) / 2
    common = np.minimum(frequency, 1 - frequency) >= MAF
    design = np.column_stack([np.ones(len(people)), covariates[people].to_numpy(float).T])
    served = expression[expression["start"] < 22_000_000]
    chosen = served.iloc[np.linspace(0, len(served) - 1, number).astype(int)]
    rng = np.random.default_rng(7)
    problems = []
    for _, gene in chosen.iterrows():
        near = common & (np.abs(position - gene["start"]) <= WINDOW)
        y = np.log2(gene[people].to_numpy(float) + 1)
        residual = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
        problems.append({"x": dosages[near].T, "y": residual / residual.std(ddof=1), "folds": draw_folds(len(y), rng)})
    return problems


def draw_folds(n: int, rng: np.random.Generator) -> np.ndarray:
    """Columns: outer folds, inner folds of each outer training set, folds of the final fit; all from 1."""
    folds = np.zeros((n, OUTER + 2), int)
    folds[:, 0] = rng.permutation(np.arange(n) % OUTER) + 1
    for k in range(1, OUTER + 1):
        train = folds[:, 0] != k
        folds[train, k] = rng.permutation(np.arange(train.sum()) % INNER) + 1
    folds[:, -1] = rng.permutation(np.arange(n) % INNER) + 1
    return folds


def fit_ours(x: np.ndarray, y: np.ndarray, folds: np.ndarray) -> Fitted:
    begin, clock = time.process_time(), time.perf_counter()
    predicted = np.empty(len(y))
    for k in range(1, OUTER + 1):
        out = folds[:, 0] == k
        predicted[out] = cross_validate(x[~out], y[~out], folds[~out, k]).predict(x[out])
    final = cross_validate(x, y, folds[:, -1])
    spent = time.process_time() - begin, time.perf_counter() - clock
    return Fitted(*spent, final.lambda_min, predicted, final.coef)


def fit_theirs(folder: str, problems: list[dict[str, np.ndarray]], thresh: float) -> list[Fitted]:
    (Path(folder) / "glmnet.R").write_text(R_SIDE)
    subprocess.run(["Rscript", "glmnet.R", str(len(problems)), str(thresh)], cwd=folder, check=True)
    results = []
    for g, problem in enumerate(problems):
        values, n = np.loadtxt(Path(folder) / f"{g}.r.csv"), len(problem["y"])
        results.append(Fitted(*values[:3], values[3 : 3 + n], values[3 + n :]))
    return results


def compare(problem: dict[str, np.ndarray], ours: Fitted, theirs: Fitted) -> dict[str, float | int | bool]:
    return {
        "people": problem["x"].shape[0],
        "variants": problem["x"].shape[1],
        "gexviz_cpu": ours.cpu,
        "glmnet_cpu": theirs.cpu,
        "ratio": ours.cpu / theirs.cpu,
        "gexviz_clock": ours.clock,
        "glmnet_clock": theirs.clock,
        "weights": int((ours.coef != 0).sum()),
        "same_lambda": bool(np.isclose(ours.best, theirs.best, rtol=1e-6)),
        "coef_diff": float(np.abs(ours.coef - theirs.coef).max()),
        "prediction_diff": float(np.abs(ours.predicted - theirs.predicted).max()),
        "r_ours": correlation(ours.predicted, problem["y"]),
        "r_theirs": correlation(theirs.predicted, problem["y"]),
    }


def correlation(predicted: np.ndarray, observed: np.ndarray) -> float:
    return float("nan") if np.ptp(predicted) < 1e-9 else float(np.corrcoef(predicted, observed)[0, 1])


if __name__ == "__main__":
    sys.exit(main())
