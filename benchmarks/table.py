"""How long 20,000 genes x 1,000 people of predictions take to read, in each layout and format.

    .venv/bin/python benchmarks/table.py

Each file is read in a process of its own, so that its peak memory is its own. Takes a minute and 1.5 GB of disk.
"""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from gexviz.models.base import GeneLocus
from gexviz.models.registry import open_model

GENES, PEOPLE = 20_000, 1_000
FILES = ["long.parquet", "shuffled.parquet", "long.tsv", "wide.parquet", "wide.tsv"]


def write(folder: Path) -> None:
    rng = np.random.default_rng(7)
    values = rng.normal(size=(GENES, PEOPLE)).round(5)
    genes = pa.array([f"ENSG{i:011d}.3" for i in range(GENES)])
    people = pa.array([f"HG{i:05d}" for i in range(PEOPLE)])
    gene = pa.DictionaryArray.from_arrays(np.repeat(np.arange(GENES, dtype=np.int32), PEOPLE), genes)
    person = pa.DictionaryArray.from_arrays(np.tile(np.arange(PEOPLE, dtype=np.int32), GENES), people)
    long = pa.table({"gene": gene.cast(pa.string()), "sample": person.cast(pa.string()), "value": values.ravel()})
    wide = pa.table({"gene": genes} | {name.as_py(): values[:, i] for i, name in enumerate(people)})
    tabs = pa.csv.WriteOptions(delimiter="\t", quoting_style="none")
    for name, table in (("long", long), ("wide", wide)):
        pq.write_table(table, folder / f"{name}.parquet")
        pa.csv.write_csv(table, folder / f"{name}.tsv", tabs)
    pq.write_table(long.take(rng.permutation(len(long))), folder / "shuffled.parquet")


def read(path: Path) -> None:
    model = open_model("table", "table", {"predictions": path, "scale": "none"})
    start = time.perf_counter()
    assert len(model.genes) == GENES
    whole = time.perf_counter() - start
    start = time.perf_counter()
    for i in range(1_000):
        assert len(model.known_predictions(GeneLocus(f"ENSG{i:011d}", "", "1", 0, "+", 0, 1))) == PEOPLE
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    gene = time.perf_counter() - start
    size = path.stat().st_size / 1e6
    print(f"{path.name:18}{size:6.0f} MB  read {whole:5.1f} s  a gene {gene:.2f} ms  peak {peak:.1f} GB")


if len(sys.argv) > 1:
    target = Path(sys.argv[1])
    write(target) if target.is_dir() else read(target)
else:
    with tempfile.TemporaryDirectory() as made:
        for target in [Path(made), *(Path(made) / name for name in FILES)]:
            subprocess.run([sys.executable, __file__, str(target)], check=True)
