"""Time of evaluating 20,000 genes x 1,000 people x 2 models, on random arrays.

    python benchmarks/evaluation.py [--genes 20000] [--people 1000] [--missing 0.0]

Prints seconds, peak memory, and how much faster that is than calling scipy once a gene (timed on a few hundred genes
and extrapolated).
"""

from __future__ import annotations

import argparse
import time
import tracemalloc

import numpy as np
import pandas as pd
from scipy import stats

from gexviz.analysis.evaluation import evaluate_models


def simulated(genes: int, people: int, missing: float, seed: int) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    rng = np.random.default_rng(seed)
    names = pd.Index([f"GENE{i:05d}" for i in range(genes)]), pd.Index([f"P{i:04d}" for i in range(people)])
    observed = rng.standard_normal((genes, people))
    haplotypes = rng.standard_normal((genes, 12))  # few distinct ones, so many ties
    deep = np.take_along_axis(haplotypes, rng.integers(0, 12, (genes, people)), axis=1)
    linear = 0.2 * observed + rng.standard_normal((genes, people))
    for array in (observed, deep, linear):
        array[rng.random(array.shape) < missing] = np.nan
    tables = [pd.DataFrame(array, *names) for array in (observed, deep, linear)]
    return {"deep": tables[1], "linear": tables[2]}, tables[0]


def loop(predicted: pd.DataFrame, observed: pd.DataFrame) -> None:
    for gene in predicted.index:
        x, y = predicted.loc[gene].to_numpy(), observed.loc[gene].to_numpy()
        keep = np.isfinite(x) & np.isfinite(y)
        stats.pearsonr(x[keep], y[keep]).confidence_interval()
        stats.spearmanr(x[keep], y[keep])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--genes", type=int, default=20_000)
    parser.add_argument("--people", type=int, default=1_000)
    parser.add_argument("--missing", type=float, default=0.0, help="share of values that are missing")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()

    predicted, observed = simulated(options.genes, options.people, options.missing, options.seed)
    evaluate_models({m: t.iloc[:50] for m, t in predicted.items()}, observed.iloc[:50])  # imports
    times = []
    for _ in range(3):
        start = time.perf_counter()
        evaluate_models(predicted, observed)
        times.append(time.perf_counter() - start)
    tracemalloc.start()
    evaluate_models(predicted, observed)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    some = min(300, options.genes)
    start = time.perf_counter()
    for table in predicted.values():
        loop(table.iloc[:some], observed.iloc[:some])
    looped = (time.perf_counter() - start) * options.genes / some
    ours = float(np.median(times))
    size = f"{options.genes:,} genes x {options.people:,} people x {len(predicted)} models"
    print(f"{size}, {options.missing:.0%} missing")
    print(f"gexviz           {ours:8.2f} s   (median of 3: {', '.join(f'{t:.2f}' for t in times)})")
    print(f"memory           {peak / 2**20:8.0f} MB above the arrays themselves")
    print(f"scipy, gene by gene {looped:5.0f} s   (extrapolated from {some} genes): {looped / ours:.0f} times as long")


if __name__ == "__main__":
    main()
