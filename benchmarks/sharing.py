"""Sharing a study of the size of a genome: time and size of the session and its report, and until its figure shows.

    python benchmarks/sharing.py            # 20,000 genes x 1,000 people, made in a temporary folder

Two views are kept, all genes and one gene; the session is written at the default level, and the report is opened in
Chromium with the network off.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from gene_page import FLAGS, synthetic
from playwright.sync_api import Page, sync_playwright

import gexviz as gx
from gexviz.session import report as reports
from gexviz.session.reading import read_session

T = TypeVar("T")


def timed(what: str, work: Callable[[], T], file: Path | None = None) -> T:
    begin = time.perf_counter()
    result = work()
    size = "" if file is None else f", {file.stat().st_size / 1e6:.1f} MB"
    print(f"{what}: {time.perf_counter() - begin:.2f} s{size}", flush=True)
    return result


def until_drawn(report: Path) -> None:
    with sync_playwright() as running:
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        browser = running.chromium.launch(executable_path=chromium, args=FLAGS)
        context = browser.new_context(offline=True)
        page = context.new_page()
        timed("the report's first figure in a browser", lambda: _drawn(page, report))
        browser.close()


def _drawn(page: Page, report: Path) -> None:
    page.goto(report.as_uri())
    page.wait_for_selector(".js-plotly-plot .main-svg")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--genes", type=int, default=20_000)
    parser.add_argument("--people", type=int, default=1_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        synthetic(folder / "study", given.genes, given.people)
        study = gx.load(folder / "study" / "study.toml")
        pair = dict(zip(("model", "linear"), study.model_names, strict=True))
        study.keep_view("overview", **pair)
        study.keep_view("gene", str(study.genes.index[0]), **pair)
        session, report = folder / "all.gexviz.zip", folder / "all.html"
        timed("session, with the evaluation of both models", lambda: study.save(session), session)
        found = timed("opened", lambda: read_session(session))
        timed("report", lambda: reports.write_report(found, report), report)
        until_drawn(report)


if __name__ == "__main__":
    main()
