"""A deep model against eQTLs over a whole study; on the demo, against its truth."""

from __future__ import annotations

import json
import shutil

import cohorts
import pandas as pd
import pytest
from test_study import MODELS, write_net
from typer.testing import CliRunner

import gexviz as gx
from gexviz import cli
from gexviz.analysis.direction import SETS
from gexviz.analysis.mismatch_rules import RULES
from gexviz.demo_study import demo_folder
from gexviz.demo_study.truth import read_truth
from gexviz.errors import GexvizError
from gexviz.mismatching import NULLS, stored_genes, with_motifs


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return gx.load(demo_folder() / "study.toml", tmp_path_factory.mktemp("mismatching"))


@pytest.fixture(scope="module")
def found(study):
    return study.mismatches("cnn", "enet", permutations=200)


@pytest.fixture(scope="module")
def truth():
    return read_truth(demo_folder() / "truth.tsv")


WANTED = {
    "promoter": "predicts",
    "interaction": "predicts",
    "reversed": "wrong direction",
    "distal": "signal outside the window",
    "null": "nothing to predict",
}


def test_verdicts_are_the_truth_of_the_demo(found, truth):
    kinds = truth.groupby("gene")["class"].first()
    right = [found.genes.at[gene, "verdict"] == WANTED[kind] for gene, kind in kinds.items()]
    assert len(right) == 30 and sum(right) >= 28, "of 30 genes"
    assert found.genes["sentence"].str.len().gt(20).all()
    assert all(json.loads(text) for text in found.genes["evidence"])


def test_opposite_variants_are_those_of_reversed_genes(found, truth):
    kinds = truth.groupby("gene")["class"].first()
    opposite = found.variants[found.variants["class"] == "opposite"]
    assert len(opposite) and (kinds.reindex(opposite["gene"]) == "reversed").mean() >= 0.8
    reversed_genes = kinds.index[kinds == "reversed"]
    assert opposite["gene"].isin(reversed_genes).sum() >= 4
    assert found.summary.set_index("figure").at["main driver's sign predicts r's", "value"] >= 0.9


def test_a_stored_comparison_is_not_made_again(study, found):
    labels = []
    again = study.mismatches("cnn", "enet", permutations=200, progress=lambda done, total, label: labels.append(label))
    assert labels == []
    for table in ("variants", "genes", "summary"):
        pd.testing.assert_frame_equal(getattr(again, table), getattr(found, table))
    assert again.notes == found.notes and again.unserved.equals(found.unserved)


def test_stored_verdicts_belong_to_the_files_as_they_are(study, found, tmp_path):
    pd.testing.assert_frame_equal(stored_genes(study, "cnn", "enet", permutations=200), found.genes)
    assert stored_genes(study, "cnn", "enet") is None  # with 1,000 permutations
    assert stored_genes(study, "cnn", permutations=200) is None
    folder = tmp_path / "demo"
    shutil.copytree(demo_folder(), folder, ignore=shutil.ignore_patterns("results"))
    copied = gx.load(folder / "study.toml", study.results.folder)
    assert stored_genes(copied, "cnn", "enet", permutations=200) is not None
    table = pd.read_csv(folder / "covariates.tsv", sep="\t", index_col=0)
    (table * 2.0).to_csv(folder / "covariates.tsv", sep="\t")
    assert stored_genes(gx.load(folder / "study.toml", study.results.folder), "cnn", "enet", permutations=200) is None


def test_one_gene_has_the_classes_that_it_has_in_the_whole_study(study, found):
    gene = found.variants["gene"].iloc[0]
    alone = study.mismatches("cnn", "enet", [gene], permutations=200)
    assert alone.genes.index.tolist() == [gene]
    whole = found.variants[found.variants["gene"] == gene].reset_index(drop=True)
    assert alone.variants[["variant", "slope", "q"]].equals(whole[["variant", "slope", "q"]])


def test_negative_genes_under_each_null(study, found):
    rows = found.summary[found.summary["part"] == "negative genes"].set_index("figure")
    assert rows.loc["of all with an r", "n"] == found.genes["r_deep"].notna().sum()
    assert rows.loc["of all with an r", "count"] == (found.genes["r_deep"] < 0).sum()
    for null in NULLS:
        table = study.evaluate("cnn", list(found.genes.index), null=null)
        called = table[table["q"] <= 0.05]
        name = f"of the significant ones, {null.replace('_', ' ')} null"
        assert rows.loc[name, ["count", "n"]].tolist() == [(called["pearson"] < 0).sum(), len(called)]
    assert rows.loc["of the significant ones, analytic null", "count"] >= 4  # the reversed ones


def test_accuracy_within_each_population(study, found):
    groups = study.samples["population"].value_counts()
    rows = found.accuracy("all eQTLs").set_index("by").loc[["population"]]
    assert rows["stratum"].tolist() == sorted(groups.index[groups >= RULES.fewest_people])
    assert rows["n"].gt(0).all() and rows["n"].max() <= found.accuracy("all eQTLs")["n"].iloc[0]
    small = groups.index[groups < RULES.fewest_people]
    assert all(any(name in note for note in found.notes) for name in small)


def test_candidates_are_written_by_their_files_ending(study, found, tmp_path):
    chosen = found.candidates(["opposite"], length=120, most=3)
    significant = found.variants[found.variants["significant"] & (found.variants["class"] == "opposite")]
    assert 0 < len(chosen.table) == min(3, len(significant)) and "candidates of cnn" in repr(chosen)
    assert chosen.table["name"].tolist() == found.genes.loc[chosen.table["gene"], "name"].tolist()
    assert set(chosen.table["variant"]) <= set(significant["variant"])
    for ending in ("csv", "fa", "vcf", "bed"):
        assert chosen.write(tmp_path / f"c.{ending}").written == len(chosen.table)
    written = pd.read_csv(tmp_path / "c.csv")
    assert written["variant"].tolist() == chosen.table["variant"].tolist()
    assert (written["position"] == chosen.table["position"] + 1).all()
    people = list(study.samples.index)
    text = "".join((tmp_path / f"c.{ending}").read_text() for ending in ("csv", "fa", "vcf", "bed"))
    assert not [name for name in people if name in text]
    with pytest.raises(GexvizError, match=r"'\.xlsx' is no ending"):
        chosen.write(tmp_path / "c.xlsx")
    assert found.candidates(["missed"], most=0).table.empty


def test_models_that_can_not_be_compared(study):
    with pytest.raises(GexvizError, match="enet does not read sequence"):
        study.mismatches("enet")
    with pytest.raises(GexvizError, match="cnn has no variant weights"):
        study.mismatches("cnn", "cnn")


def test_opposite_variants_change_motifs_of_the_grammar(study, found):
    told = with_motifs(study, found, demo_folder() / "motifs.meme").variants
    opposite = told[(told["class"] == "opposite") & told["main_driver"].astype(bool)]
    assert opposite["motifs"].str.contains("lost|weaker|gained|stronger").all()
    assert told.loc[~told["in_window"].astype(bool), "motifs"].isna().all()
    assert found.variants.columns.tolist() == [c for c in told if c != "motifs"]


def test_a_gene_and_variants_that_can_not_be_tested_have_their_reasons(tmp_path):
    toml = cohorts.make_study(tmp_path, people=50, models=MODELS)
    write_net(toml.parent)
    expression = pd.read_csv(toml.parent / "expression.tsv", sep="\t", index_col=0)
    expression.iloc[2] = 4.0
    expression.to_csv(toml.parent / "expression.tsv", sep="\t")
    found = gx.load(toml).mismatches("net", permutations=20)
    constant = found.genes.index[found.genes["name"] == "GENE2"][0]
    row = found.genes.loc[constant]
    assert row["verdict"] == "undecided" and "r(deep) is undefined (" in row["sentence"]
    assert "1 gene not tested: constant expression" in "; ".join(found.notes)
    own = found.variants[found.variants["gene"] == constant]
    assert own["slope"].isna().all() and set(own["class"]) <= {"unsupported driver"}
    assert found.genes[["verdict", "sentence"]].notna().all(axis=None)
    assert found.variants[["class", "sentence"]].notna().all(axis=None)


def test_the_command_writes_all_tables(study, found, tmp_path):
    files = [tmp_path / f"c.{ending}" for ending in ("csv", "fa", "vcf", "bed")]
    asked = ["mismatches", demo_folder() / "study.toml", "-m", "cnn", "-l", "enet", "-o", tmp_path / "m.tsv"]
    asked += ["--permutations", 200, "--results", study.results.folder]
    asked += [part for file in files for part in ("--candidates", file)]
    done = CliRunner().invoke(cli.app, [str(part) for part in asked])
    assert done.exit_code == 0, done.output
    names = ("", ".genes", ".summary", ".accuracy")
    tables = {name: pd.read_csv(tmp_path / f"m{name}.tsv", sep="\t") for name in names}
    assert (tables[""]["position"] == found.variants["position"] + 1).all()
    assert tables[".genes"]["verdict"].tolist() == found.genes["verdict"].tolist()
    assert tables[".summary"]["count"].tolist() == found.summary["count"].tolist()
    strata = tables[".accuracy"].groupby("set")["by"].agg(set)
    assert set(strata.index) == set(SETS)
    assert all(by == {"all", "distance", "frequency", "effect size", "population"} for by in strata)
    assert all(file.stat().st_size for file in files)
    assert f"{len(found.candidates().table):,} candidates" in done.output
    wrong = CliRunner().invoke(cli.app, [*map(str, asked[:12]), "--candidates", str(tmp_path / "c.doc")])
    assert wrong.exit_code == 1 and "is no ending" in wrong.output
