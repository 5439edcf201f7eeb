"""A deep model against eQTLs over a whole study; on the demo, against its truth."""

from __future__ import annotations

import json

import pytest

import gexviz as gx
from gexviz.demo_study import demo_folder
from gexviz.demo_study.truth import read_truth
from gexviz.errors import GexvizError
from gexviz.mismatching import with_motifs


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


def test_stored_pieces_are_not_computed_again(study, found):
    labels = []
    again = study.mismatches("cnn", "enet", permutations=200, progress=lambda done, total, label: labels.append(label))
    assert all(label.startswith(("effects", "classes")) for label in labels)
    assert again.genes.equals(found.genes)


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
