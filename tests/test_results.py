"""Stored results: whole or absent, whatever happens while they are written."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from gexviz.errors import GexvizError
from gexviz.results import Part, Record, Results, Run, digest_of

RUN = Run({"genotypes a.vcf.gz": "1"}, ("A", "B"))


def record(gene: str, *, key: str = "k", numbers: np.ndarray | None = None) -> Record:
    return Record(gene, key, None, {"distinct": 2}, np.arange(2.0) if numbers is None else numbers)


def test_what_is_put_is_got(tmp_path):
    results = Results(tmp_path / "results")
    assert results.get("prediction", "m", "G1") is None and results.keys("prediction", "m") == {}
    assert not (tmp_path / "results").exists()  # reading makes nothing
    numbers = np.array([[1.5, np.nan], [2.5, 3.5]], dtype=np.float32)
    results.put(
        "prediction", "m", RUN, [record("G1", numbers=numbers), Record("G2", "k", "outside the reference", {}, None)]
    )
    again = Results(tmp_path / "results")
    found = again.get("prediction", "m", "G1")
    np.testing.assert_array_equal(found.numbers, numbers)
    assert found.numbers.dtype == np.float32 and found.samples == ("A", "B") and found.facts == {"distinct": 2}
    assert again.keys("prediction", "m") == {"G1": ("k", None), "G2": ("k", "outside the reference")}
    assert again.get("prediction", "other", "G1") is None and again.get("reference", "m", "G1") is None


def test_a_newer_result_takes_the_place_of_the_older(tmp_path):
    results = Results(tmp_path)
    results.put("prediction", "m", RUN, [record("G1", key="old")])
    newer = Run({"genotypes a.vcf.gz": "2"}, ("A", "B"))
    results.put("prediction", "m", newer, [record("G1", key="new")])
    assert results.keys("prediction", "m") == {"G1": ("new", None)}
    assert results.runs("prediction", "m") == {"G1": newer}


def test_a_removed_file_is_left_and_made_anew(tmp_path):
    """Written to the removed file, results would be lost without a word."""
    results = Results(tmp_path / "results")
    results.put("prediction", "m", RUN, [record("G1")])
    results.path.unlink()
    assert results.keys("prediction", "m") == {}
    results.put("prediction", "m", RUN, [record("G2")])
    assert set(Results(tmp_path / "results").keys("prediction", "m")) == {"G2"}
    shutil.rmtree(tmp_path / "results")
    results.put("prediction", "m", RUN, [record("G3")])
    assert set(Results(tmp_path / "results").keys("prediction", "m")) == {"G3"}


def test_many_genes_are_read_in_one_go(tmp_path):
    results = Results(tmp_path)
    results.put("prediction", "m", RUN, [record(f"G{i}", numbers=np.array([i, i + 1.0])) for i in range(1_200)])
    wanted = [f"G{i}" for i in range(0, 1_200, 2)]
    found = {r.gene: r.numbers[0] for r in results.records("prediction", "m", wanted)}
    assert found == {f"G{i}": float(i) for i in range(0, 1_200, 2)}


def test_file_digests_follow_content(tmp_path):
    results, file = Results(tmp_path / "r"), tmp_path / "x.txt"
    file.write_text("one")
    first = results.file_digest(file)
    file.write_text("two")
    os.utime(file, ns=(1, 1))
    second = results.file_digest(file)
    assert first != second
    file.write_text("one")
    os.utime(file, ns=(2, 2))
    assert results.file_digest(file) == first


def test_digest_depends_on_every_part():
    parts = [("a", "b"), ("ab",), ("a", "b", ""), ("b", "a"), ({"a": 1},), ({"a": 2},)]
    assert len({digest_of(*p) for p in parts}) == len(parts)


WRITER = """
import sys, numpy as np
from pathlib import Path
from gexviz.results import Record, Results, Run
results = Results(Path(sys.argv[1]))
run = Run({"genotypes": "1"}, tuple(f"S{i}" for i in range(500)))
for i in range(100_000):
    results.put("prediction", "m", run, [Record(f"G{i}", "k", None, {}, np.full((500, 2), float(i)))])
    print(i, flush=True)
"""


def test_kill_9_loses_no_finished_gene_and_leaves_no_half(tmp_path):
    for wait in (0.15, 0.4):
        folder = tmp_path / str(wait)
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE, text=True)
        writer.stdout.readline()  # the first gene is stored
        time.sleep(wait)
        os.kill(writer.pid, signal.SIGKILL)
        said = [int(line) for line in writer.communicate()[0].split("\n")[:-1]]
        results = Results(folder)
        stored = {r.gene: r.numbers for r in results.records("prediction", "m")}
        assert said and {f"G{i}" for i in said} <= set(stored)
        assert all(n.shape == (500, 2) and (n == int(g[1:])).all() for g, n in stored.items())
        results.put("prediction", "m", RUN, [record("after")])
        results.close()


def test_a_file_begun_and_never_filled(tmp_path):
    (tmp_path / "results.sqlite").write_bytes(b"")
    results = Results(tmp_path)
    assert results.keys("prediction", "m") == {}
    results.put("prediction", "m", RUN, [record("G1")])
    assert results.keys("prediction", "m") == {"G1": ("k", None)}


def test_two_processes_write_at_once(tmp_path):
    code = WRITER.replace("100_000", "150").replace('f"G{i}"', 'f"{sys.argv[2]}{i}"')
    writers = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), name], stdout=subprocess.DEVNULL) for name in "AB"
    ]
    assert [w.wait() for w in writers] == [0, 0]
    assert len(Results(tmp_path).keys("prediction", "m")) == 300


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 300 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(folder)], capture_output=True)
    if done.returncode:
        pytest.skip("mounting a tmpfs needs root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_full_disk(small_disk):
    results = Results(small_disk / "results")
    big = np.zeros(4_000)
    stored = 0
    with pytest.raises(GexvizError, match="the disk is full") as caught:
        for i in range(100):
            results.put("prediction", "m", RUN, [record(f"G{i}", numbers=big)])
            stored += 1
    assert "run again" in caught.value.remedy
    assert stored > 0 and len(Results(small_disk / "results").keys("prediction", "m")) == stored


def test_read_only_folder(tmp_path):
    folder = tmp_path / "a-file-in-its-place"
    folder.write_text("")
    with pytest.raises(GexvizError, match="can't be written") as caught:
        Results(folder / "results").put("prediction", "m", RUN, [record("G1")])
    assert "results =" in caught.value.remedy


def test_a_file_that_is_no_results_file(tmp_path):
    (tmp_path / "results.sqlite").write_bytes(b"not a database, surely" * 100)
    with pytest.raises(GexvizError, match="can't be read") as caught:
        Results(tmp_path).get("prediction", "m", "G1")
    assert Path(caught.value.file).name == "results.sqlite"


def test_parts_are_kept_by_content_and_found_by_name(tmp_path):
    results = Results(tmp_path)
    assert results.parts("k") == {}
    numbers = {str(i): Part(np.arange(i, dtype=np.float32).reshape(-1, 1), {"i": i}) for i in range(1200)}
    results.put_parts("k", numbers)
    results.put_parts("other", {"1": Part(np.zeros(2), {})})
    again = Results(tmp_path)
    assert again.parts("k").keys() == numbers.keys() and again.parts("k")["7"].facts == {"i": 7}
    some = again.parts("k", [str(i) for i in range(600)])
    assert len(some) == 600 and some["599"].numbers.shape == (599, 1)
    results.put_parts("k", {"7": Part(np.ones(3), {})})
    assert again.parts("k", ["7"])["7"].numbers.tolist() == [1, 1, 1] and again.parts("k", []) == {}
