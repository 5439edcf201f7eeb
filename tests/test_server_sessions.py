"""Several readers of one server at once; benchmarks/browsers.py has twenty of them."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from served import serve
from test_app_mismatches import compared_study
from visitors import STEPS, visit_all

import gexviz as gx

pytestmark = pytest.mark.browser


@pytest.mark.usefixtures("browser")  # skipped, with the reason, where there is none
def test_readers_at_once_see_their_own_genes(tmp_path: Path) -> None:
    toml = compared_study(tmp_path)
    genes = list(gx.load(toml).genes["name"].head(3).items())
    log = tmp_path / "log"
    with serve("--study", str(toml), log=log) as address, ThreadPoolExecutor(1) as thread:
        visits = thread.submit(visit_all, address, genes).result()
    assert [visit.wrong for visit in visits] == [[]] * 3
    assert all(tuple(visit.seconds) == STEPS for visit in visits)
    assert "Traceback" not in log.read_text() and " failed" not in log.read_text()
