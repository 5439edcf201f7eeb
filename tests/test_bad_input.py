"""Wrong input, by command line and by Python: one message with what to do about it; nothing half-written."""

from __future__ import annotations

import re
import shutil
import sqlite3
import subprocess
from pathlib import Path

import cohorts
import h5py
import numpy as np
import pandas as pd
import pytest
from commands import command, process
from test_study import MODELS, write_net

import gexviz as gx
from gexviz.errors import GexvizError


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A study that works."""
    toml = cohorts.make_study(tmp_path_factory.mktemp("good"), models=MODELS)
    write_net(toml.parent)
    return toml


@pytest.fixture
def toml(good, tmp_path):
    """A copy of it to break."""
    shutil.copytree(good.parent, tmp_path / "study")
    return tmp_path / "study" / "study.toml"


def refuse(toml: Path, pattern: str, *, file: str, todo: str, model: str = "net", results: Path | None = None) -> None:
    """Both ways in give the message; nothing is written."""
    with pytest.raises(GexvizError) as caught:
        gx.load(toml, results).predict(model, ["GENE1", "GENE2"])
    error = caught.value
    assert re.search(pattern, str(error)), str(error)
    assert error.file is not None and Path(error.file).name == file, error.file
    assert error.remedy is not None and re.search(todo, error.remedy), error.remedy
    extra = ["--results", str(results)] if results else []
    done = command(toml.parent, "predict", str(toml), "-m", model, "-g", "GENE1", "--out", "out.tsv", *extra)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr and done.stderr.count("error:") == 1
    assert re.search(pattern, done.stderr) and file in done.stderr
    assert not list(toml.parent.glob("*out.tsv*"))
    if results is None:
        assert gx.load(toml).results.keys("prediction", model) == {}


def test_the_good_one_works(toml):
    done = process(toml.parent, "predict", str(toml), "-m", "net", "--out", "out.tsv")
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(toml.parent / "out.tsv", sep="\t")
    assert list(table.columns) == ["gene", "sample", "value"] and len(table) == 6 * 40


def test_no_index(toml):
    (toml.parent / "genotypes.vcf.gz.tbi").unlink()
    refuse(toml, "index", file="genotypes.vcf.gz", todo="tabix|bcftools index")


@pytest.mark.parametrize("cut", [28, 3_000])
def test_truncated_bgzip(toml, cut):
    """Without its end-of-file block, or cut inside a block."""
    vcf = toml.parent / "genotypes.vcf.gz"
    vcf.write_bytes(vcf.read_bytes()[:-cut])
    refuse(toml, "truncated|cut|incomplete|ends", file="genotypes.vcf.gz", todo=".")


def test_reference_alleles_of_another_sequence(toml):
    rng = np.random.default_rng(9)
    cohorts.write_fasta(toml.parent / "reference.fa", {"1": cohorts.random_bases(rng, 60_000)})
    refuse(toml, "REF", file="genotypes.vcf.gz", todo="build|reference")


def test_contig_names_that_differ_are_understood(toml):
    """The annotation says chr1, genotypes and reference 1: that is no error, and the check says so."""
    assert set(gx.load(toml).predict("net", ["GENE1"])["gene"]) == {"ENSG00000000001.1"}
    checks = gx.load(toml).check()
    naming = checks[checks["check"].str.contains("contig")]
    assert len(naming) and not naming["status"].eq("error").any()


def test_no_shared_samples(toml):
    table = pd.read_csv(toml.parent / "expression.tsv", sep="\t", index_col=0)
    table.columns = [f"X{c}" for c in table.columns]
    table.to_csv(toml.parent / "expression.tsv", sep="\t")
    refuse(toml, "(?i)no (person|sample|shared)", file="expression.tsv", todo=".")


def test_duplicated_sample(toml):
    table = pd.read_csv(toml.parent / "expression.tsv", sep="\t", index_col=0)
    text = table.to_csv(sep="\t").replace("P001", "P000", 1)
    (toml.parent / "expression.tsv").write_text(text)
    refuse(toml, "P000", file="expression.tsv", todo=".")


def test_expression_with_a_text_cell(toml):
    file = toml.parent / "expression.tsv"
    rows = file.read_text().split("\n")
    cells = rows[2].split("\t")
    cells[3] = "high"
    rows[2] = "\t".join(cells)
    file.write_text("\n".join(rows))
    refuse(toml, "high", file="expression.tsv", todo=".")


def test_a_gene_twice(toml):
    file = toml.parent / "expression.tsv"
    rows = file.read_text().rstrip("\n").split("\n")
    file.write_text("\n".join([*rows, rows[2]]) + "\n")
    refuse(toml, "ENSG00000000001", file="expression.tsv", todo=".")


def test_an_hdf5_that_is_not_xpresso(toml):
    with h5py.File(toml.parent / "other.h5", "w") as handle:
        handle["weights"] = np.zeros(3)
    toml.write_text(toml.read_text() + '\n[models.x]\nfamily = "xpresso"\ncheckpoint = "other.h5"\n')
    refuse(toml, "Xpresso|Keras", file="other.h5", todo=".", model="x")


def test_a_predictdb_without_its_tables(toml):
    with sqlite3.connect(toml.parent / "empty.db") as db:
        db.execute("CREATE TABLE other (a TEXT)")
    toml.write_text(toml.read_text() + '\n[models.p]\nfamily = "predictdb"\nweights = "empty.db"\n')
    refuse(toml, "weights", file="empty.db", todo=".", model="p")


def test_a_typo_in_the_toml(toml):
    toml.write_text(toml.read_text().replace("reference =", "referense ="))
    refuse_load(toml, "referense", "line 8")


def test_a_typo_in_a_models_section(toml):
    toml.write_text(toml.read_text().replace('weights = "net', 'wieghts = "net'))
    refuse_load(toml, "wieghts", "line 16")


def test_a_file_that_is_not_there(toml):
    (toml.parent / "genes.gtf.gz").rename(toml.parent / "genes.v2.gtf.gz")
    done = command(toml.parent, "predict", str(toml), "-m", "net", "--out", "out.tsv")
    assert done.returncode == 1 and "genes.gtf.gz" in done.stderr and "genes.v2.gtf.gz" in done.stderr
    assert "line" in done.stderr


def refuse_load(toml: Path, *said: str) -> None:
    with pytest.raises(GexvizError) as caught:
        gx.load(toml)
    done = command(toml.parent, "check", str(toml))
    assert done.returncode == 1 and done.stderr.count("error:") == 1
    for text in (*said, "study.toml", "did you mean"):
        assert text in str(caught.value) and text in done.stderr


def test_a_results_folder_that_cannot_be_written(toml):
    (toml.parent / "blocked").write_text("")
    refuse(toml, "can't be written", file="results", todo="results =", results=toml.parent / "blocked" / "results")


def test_an_output_that_cannot_be_written(toml):
    done = command(toml.parent, "predict", str(toml), "-m", "net", "-g", "GENE1", "--out", "nowhere/out.tsv")
    assert done.returncode == 1 and "nowhere" in done.stderr and "Traceback" not in done.stderr


def test_a_full_disk(toml, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(disk)], capture_output=True).returncode:
        pytest.skip("mounting a tmpfs needs root")
    try:
        refuse(toml, "disk is full", file="results", todo="free some space", results=disk / "results")
        (disk / "fill").write_bytes(bytes(max(0, shutil.disk_usage(disk).free - 4096)))
        done = process(toml.parent, "predict", str(toml), "-m", "net", "--out", str(disk / "out.tsv"))
        assert done.returncode == 1 and "disk is full" in done.stderr
        assert not list(disk.glob("*out.tsv*"))
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_vcf_that_is_text(toml):
    vcf = toml.parent / "genotypes.vcf.gz"
    vcf.write_bytes(b"##fileformat=VCFv4.2\n#CHROM\tPOS\n")
    refuse(toml, "bgzip", file="genotypes.vcf.gz", todo="bgzip")


def test_debug_shows_the_traceback(toml):
    (toml.parent / "genotypes.vcf.gz.tbi").unlink()
    done = process(toml.parent, "--debug", "predict", str(toml), "-m", "net", "--out", "out.tsv")
    assert done.returncode == 1 and "Traceback" in done.stderr


def test_check_names_every_fault_at_once(toml):
    """The preflight goes on after an error and exits with 1."""
    (toml.parent / "genotypes.vcf.gz.tbi").unlink()
    done = command(toml.parent, "check", str(toml), "--out", "checks.tsv")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    checks = pd.read_csv(toml.parent / "checks.tsv", sep="\t")
    assert list(checks.columns) == ["file", "check", "status", "found", "todo"]
    assert (checks["status"] == "error").any() and (checks["status"] == "ok").any()
