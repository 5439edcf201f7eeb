"""The command line on a small study."""

from __future__ import annotations

import cohorts
import numpy as np
import pandas as pd
import pytest
from commands import command, process
from test_study import MODELS, write_net
from typer.testing import CliRunner

import gexviz as gx
from gexviz import cli


@pytest.fixture(scope="module")
def toml(tmp_path_factory):
    path = cohorts.make_study(tmp_path_factory.mktemp("cli"), models=MODELS, people=60)
    write_net(path.parent)
    return path


def test_predict_writes_gene_sample_value(toml):
    chosen = ["--gene", "GENE1", "--gene", "GENE2"]
    done = process(toml.parent, "predict", toml, "--model", "net", *chosen, "--out", "p.tsv")
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(toml.parent / "p.tsv", sep="\t")
    assert list(table.columns) == ["gene", "sample", "value"] and len(table) == 2 * 60
    same = gx.load(toml).predict("net", ["GENE1", "GENE2"])
    np.testing.assert_allclose(table["value"], same["value"])
    again = process(toml.parent, "predict", toml, "--model", "net", "--gene", "GENE1", "--out", "p.tsv")
    assert "0 computed now" in again.stdout


def test_predict_reference(toml):
    done = command(toml.parent, "predict", toml, "-m", "net", "--reference", "--out", "r.tsv")
    assert done.returncode == 0, done.stderr
    assert list(pd.read_csv(toml.parent / "r.tsv", sep="\t").columns) == ["gene", "value"]


def test_evaluate_writes_three_tables(toml):
    empty = command(toml.parent, "evaluate", toml, "--out", "e.tsv", "--results", toml.parent / "none-yet")
    assert empty.returncode == 1 and "gexviz predict" in empty.stderr
    assert command(toml.parent, "predict", toml, "-m", "net", "--out", "p.tsv").returncode == 0
    done = command(toml.parent, "evaluate", toml, "--out", "e.tsv", "--within-populations")
    assert done.returncode == 0, done.stderr
    genes = pd.read_csv(toml.parent / "e.tsv", sep="\t")
    assert {"gene", "model", "n", "pearson", "pearson_low", "pearson_high", "spearman", "r2", "p", "q", "null"} <= set(
        genes
    )
    assert genes["population"].isna().sum() == 6 and len(genes) == 18
    assert len(pd.read_csv(toml.parent / "e.individuals.tsv", sep="\t")) == 60
    benchmark = pd.read_csv(toml.parent / "e.benchmark.tsv", sep="\t")
    assert benchmark["row"].tolist() == ["reference", "across genes", "across individuals"]


def test_haplotypes_are_those_that_are_predicted(toml):
    done = command(toml.parent, "haplotypes", toml, "--gene", "GENE1", "--model", "net", "--out", "h.fa")
    assert done.returncode == 0, done.stderr
    lines = (toml.parent / "h.fa").read_text().splitlines()
    records = dict(zip([n[1:] for n in lines[::2]], lines[1::2], strict=True))
    assert len(records) == 120 and {len(s) for s in records.values()} == {600}
    made = gx.load(toml).haplotypes("net", "GENE1")
    assert all(made.sequence(s, int(c)) == text for (s, c), text in ((k.split("|"), v) for k, v in records.items()))


def test_train_linear_resumes_and_is_a_model_of_the_study(toml):
    done = command(toml.parent, "train", "linear", toml, "--out", "enet.db", "--keep", "all", "--window", "20000")
    assert done.returncode == 0, done.stderr
    assert (toml.parent / "enet.db").is_file() and (toml.parent / "enet.out_of_fold.parquet").is_file()
    text = toml.read_text()
    toml.write_text(text + '\n[models.enet]\nfamily = "predictdb"\nweights = "enet.db"\n')
    try:
        study = gx.load(toml)
        calls = []
        settings = gx.LinearSettings(window=20_000, keep="all")
        study.train_linear(toml.parent / "again.db", settings=settings, progress=lambda *a: calls.append(a))
        assert calls == []  # all genes were trained before
        study.predict("enet")
        table = study.gene("GENE0").table
        assert {"enet", "enet_in_sample"} <= set(table)
        assert not np.allclose(table["enet"], table["enet_in_sample"])
        r = study.evaluate("enet")
        assert r.attrs["people"] == "out-of-fold"
        assert r.at["ENSG00000000000.1", "pearson"] > 0.4  # the gene with a cis effect
        in_sample = np.corrcoef(table["enet_in_sample"], table["observed"])[0, 1]
        assert in_sample > r.at["ENSG00000000000.1", "pearson"]
        assert study.facts("enet", "GENE0")["share"] == 1.0
        weights = study.gene("GENE0").weights("enet")
        assert set(weights["status"]) == {"matched"} and (weights["weight"] != 0).all()
    finally:
        toml.write_text(text)


def test_unknown_gene_suggests(toml):
    done = command(toml.parent, "predict", toml, "-m", "net", "--gene", "GEN1", "--out", "x.tsv")
    assert done.returncode == 1 and "GENE1" in done.stderr and "Traceback" not in done.stderr


def test_help_has_examples(toml):
    for words in (["predict"], ["evaluate"], ["check"], ["haplotypes"], ["train", "linear"], ["demo", "build"]):
        done = command(toml.parent, *words, "--help")
        assert done.returncode == 0 and "Example: gexviz " + " ".join(words) in done.stdout


@pytest.mark.parametrize(
    ("fault", "said"),
    [(ValueError("a [bug]"), "ValueError: a [bug]"), (PermissionError(13, "Not permitted", "/x/y.tsv"), "/x/y.tsv")],
)
def test_what_nobody_thought_of_is_one_block_too(toml, monkeypatch, fault, said):
    def broken(*_):
        raise fault

    monkeypatch.setattr(cli.study, "load", broken)
    done = CliRunner().invoke(cli.app, ["predict", str(toml), "-m", "net", "--out", "x.tsv"])
    assert done.exit_code == 1 and isinstance(done.exception, SystemExit)
    assert done.stderr.startswith("error: ") and said in done.stderr and "to do:" in done.stderr
    assert "Traceback" not in done.stderr


def test_ism_writes_arrays_in_genome_order(toml):
    window = gx.load(toml).window("net", gx.load(toml).locus("GENE1"))
    region = f"1:{window.start + 101:,}-{window.start + 140:,}"
    chosen = ["ism", toml, "-m", "net", "-g", "GENE1", "--region", region]
    done = command(toml.parent, *chosen, "--out", "i.npz")
    assert done.returncode == 0, done.stderr
    plain = command(toml.parent, *chosen, "--plain", "--out", "plain.npz")
    assert plain.returncode == 0, plain.stderr
    with np.load(toml.parent / "i.npz", allow_pickle=False) as fast, np.load(toml.parent / "plain.npz") as slow:
        assert fast["delta"].shape == (40, 4) and fast["position"][0] == window.start + 101
        np.testing.assert_allclose(fast["delta"], slow["delta"], atol=1e-5)
        assert (fast["delta"][np.arange(40), ["ACGT".index(b) for b in fast["ref"]]] == 0).all()
    person = command(toml.parent, *chosen, "--sample", "P003", "--copy", "2", "--out", "p.tsv")
    assert person.returncode == 0 and "P003" not in person.stdout, person.stderr
    table = pd.read_csv(toml.parent / "p.tsv", sep="\t", dtype={"contig": str})
    assert list(table) == ["contig", "position", "inserted", "ref", "A", "C", "G", "T"]
    wrong = command(toml.parent, *chosen[:-1], "1:1-5", "--out", "no.npz")
    assert wrong.returncode == 1 and "inside the model's window" in wrong.stderr
    assert not (toml.parent / "no.npz").exists()


def test_attribute_writes_tables_tracks_and_letters(toml):
    window = gx.load(toml).window("net", gx.load(toml).locus("GENE0"))
    region = f"{window.start + 1}-{window.start + 60}"
    for name in ("a.tsv", "a.bedgraph", "a.bw", "a.svg"):
        done = command(toml.parent, "attribute", toml, "-m", "net", "-g", "GENE0", "--region", region, "--out", name)
        assert done.returncode == 0 and (toml.parent / name).stat().st_size, done.stderr
    assert len(pd.read_csv(toml.parent / "a.tsv", sep="\t")) == 60
    wrong = command(toml.parent, "attribute", toml, "-m", "net", "-g", "GENE0", "--out", "a.xlsx")
    assert wrong.returncode == 1 and ".bedgraph" in wrong.stderr


def test_effects_and_drivers_write_a_row_a_variant(toml):
    done = command(toml.parent, "effects", toml, "-m", "net", "-g", "GENE0", "--out", "v.tsv")
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(toml.parent / "v.tsv", sep="\t")
    wanted = ["variant", "position", "ref", "alt", "effect_reference", "effect_mean", "effect_sd", "share", "driver"]
    assert set(wanted) <= set(table) and table["variant"].iat[0].split(":")[1] == str(table["position"].iat[0])
    assert (toml.parent / "v.additivity.tsv").is_file()
    drivers = command(toml.parent, "drivers", toml, "-m", "net", "-g", "GENE0", "--out", "d.tsv")
    assert drivers.returncode == 0, drivers.stderr
    assert len(pd.read_csv(toml.parent / "d.tsv", sep="\t")) == table["driver"].sum()
    track = command(toml.parent, "effects", toml, "-m", "net", "-g", "GENE0", "--out", "v.bed")
    assert track.returncode == 0 and (toml.parent / "v.bed").read_text().startswith("track name=")


def test_motifs_need_a_file_that_is_whole(toml):
    matrix = "MOTIF M1\nletter-probability matrix: alength= 4 w= 4\n" + "0.91 0.03 0.03 0.03\n" * 3
    (toml.parent / "broken.meme").write_text(f"MEME version 4\n\nALPHABET= ACGT\n\n{matrix}")
    (toml.parent / "whole.meme").write_text(f"MEME version 4\n\nALPHABET= ACGT\n\n{matrix}0.03 0.03 0.03 0.91\n")
    chosen = ["motifs", toml, "-m", "net", "-g", "GENE0", "--method", "input_x_gradient", "--out", "m.tsv", "--motifs"]
    done = command(toml.parent, *chosen, "whole.meme")
    assert done.returncode == 0, done.stderr
    assert "motif" in pd.read_csv(toml.parent / "m.tsv", sep="\t") and (toml.parent / "m.variants.tsv").is_file()
    wrong = command(toml.parent, *chosen, "broken.meme")
    assert wrong.returncode == 1 and "M1" in wrong.stderr and "broken.meme" in wrong.stderr
