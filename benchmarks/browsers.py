"""Twenty readers of one server at once, in real Chromium: each has a gene of its own, and memory is watched.

    python benchmarks/browsers.py                      # the demo study
    python benchmarks/browsers.py --readers 8 --rounds 3

Each reader has a browser session and a gene of its own, and walks Overview -> Gene -> Locus -> Mismatches by the links;
every second one selects people. After each round all leave, and the server is given time to forget them. Rounds after
the first show whether memory grows.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from served import running
from visitors import STEPS, Visit, visit_all

import gexviz as gx

FORGET = 10
"""Seconds that the server keeps the state of a reader who left; two minutes if not told otherwise."""


def prepared(folder: Path) -> gx.Study:
    """A copy of the demo study with its predictions and mismatches computed; results of genes looked into are not."""
    demo = gx.demo().config.path.parent
    shutil.copytree(demo, folder, ignore=shutil.ignore_patterns("results"))
    study = gx.load(folder / "study.toml")
    for model in study.model_names:
        study.compute(model)
    study.mismatches("cnn", "enet")
    return study


@contextmanager
def watched(pid: int) -> Iterator[list[int]]:
    """Collect the resident bytes of a process, twice a second."""
    seen: list[int] = []
    over = threading.Event()
    process = psutil.Process(pid)

    def look() -> None:
        while not over.wait(0.5):
            seen.append(process.memory_info().rss)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def told(number: int, visits: list[Visit], seconds: float) -> None:
    """Print how a round went."""
    wrong = [f"{visit.name}: {what}" for visit in visits for what in visit.wrong]
    for step in STEPS:
        times = [visit.seconds[step] for visit in visits if step in visit.seconds]
        if times:
            print(f"round {number}: {step}: median {statistics.median(times):.1f} s, slowest {max(times):.1f} s")
    print(f"round {number}: {len(visits)} readers in {seconds:.0f} s, {len(wrong)} saw something wrong", flush=True)
    for line in wrong:
        print(f"  {line}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readers", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--patience", type=float, default=600, help="seconds that a step may take")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        study = prepared(Path(temporary) / "demo")
        genes = list(study.genes["name"].head(given.readers).items())
        options = [f"--server.disconnectedSessionTTL={FORGET}"]
        log = Path(temporary) / "log"
        with running("app.py", "--study", str(study.config.path), options=options, log=log) as server:
            process = psutil.Process(server.pid)
            print(f"server without readers: {process.memory_info().rss / 1e6:.0f} MB", flush=True)
            wrong = 0
            for number in range(1, given.rounds + 1):
                begin = time.perf_counter()
                with watched(server.pid) as seen:
                    visits = visit_all(server.address, genes, patience=given.patience)
                told(number, visits, time.perf_counter() - begin)
                wrong += sum(len(visit.wrong) for visit in visits)
                time.sleep(3 * FORGET)
                left = process.memory_info().rss / 1e6
                print(f"round {number}: peak {max(seen) / 1e6:.0f} MB, {left:.0f} MB when all had left", flush=True)
            print(f"threads of the server: {process.num_threads()}")
        errors = [line for line in log.read_text().splitlines() if "rror" in line or "failed" in line]
        print(f"lines of errors in the server's log: {len(errors)}", *errors[:5], sep="\n  ")
    if wrong or errors:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
