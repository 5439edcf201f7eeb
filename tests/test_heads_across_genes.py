"""Heads across genes: what a held-out gene's window shares with others is not trained on."""

from __future__ import annotations

import cohorts
import language_files
import numpy as np
import pandas as pd
import pytest

import gexviz as gx
from gexviz.cohort.windows import Window
from gexviz.errors import GexvizError
from gexviz.heads import HeadSettings
from gexviz.heads.across_genes import folds_of_genes
from gexviz.heads.embeddings import embed_genes, embedding_run, keys_of, stored_bags
from gexviz.heads.fitting import fit_head, predict
from gexviz.models.language.head import read_heads
from gexviz.models.language.head_fitting import Bags

WINDOW, GROUPS, NEIGHBOURS = 200, 16, 4


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Neighbours within 18 bp of one another have expression that is theirs alone."""
    folder, rng = tmp_path_factory.mktemp("neighbours"), np.random.default_rng(0)
    length = 1_000 * (GROUPS + 1)
    sequence = cohorts.random_bases(rng, length)
    cohorts.write_fasta(folder / "reference.fa", {"1": sequence})
    record = ("1", 999, "rs1", sequence[999], ["A" if sequence[999] == "C" else "C"], ["0|1", "0|1"])
    cohorts.write_vcf(folder / "genotypes.vcf.gz", {"1": length}, ["P1", "P2"], [record])
    tss = [1_000 * (group + 1) + 6 * place for group in range(GROUPS) for place in range(NEIGHBOURS)]
    names = [f"ENSG{i:011d}.1" for i in rng.permutation(len(tss))]
    genes = [(gene, gene, "chr1", at, at + 300, "+") for gene, at in zip(names, tss, strict=True)]
    cohorts.write_gtf(folder / "genes.gtf.gz", genes)
    values = np.repeat(rng.normal(5, 1, GROUPS), NEIGHBOURS)[:, None] + np.zeros(2)
    pd.DataFrame(values, pd.Index(names, name="gene"), ["P1", "P2"]).to_csv(folder / "expression.tsv", sep="\t")
    language_files.write_gpn(folder / "gpn", 0)
    (folder / "study.toml").write_text(
        '[study]\nname = "Neighbours"\ngenome = "test"\nsimulated = true\n\n[cohort]\ngenotypes = "genotypes.vcf.gz"\n'
        'reference = "reference.fa"\nexpression = "expression.tsv"\ngenes = "genes.gtf.gz"\n\n[models.gpn]\n'
        f'family = "gpn"\nweights = "gpn/pytorch_model.bin"\nwindow = {WINDOW}\n'
    )
    return gx.load(folder / "study.toml", results=folder / "results")


def loci_of(study):
    return [study.locus(gene) for gene in study.genes.index]


def test_sequence_that_neighbours_share_says_nothing_of_held_out_genes(study, tmp_path):
    settings, loci = HeadSettings(), loci_of(study)
    made = study.train_head("gpn", tmp_path / "head.safetensors", settings=settings)
    assert abs(made.held_out_r) < 0.2
    keys = keys_of(embedding_run(study, "gpn", settings), loci)
    found = stored_bags(study, "gpn", keys, settings)
    each = np.concatenate([found[gene].embeddings for gene in keys])
    bags = Bags(each, np.arange(len(each)).reshape(len(keys), -1))
    y = study.genes["mean_expression"][list(keys)].to_numpy()
    fold, predicted = np.random.default_rng(1).permutation(len(keys)) % 5, np.empty(len(keys))
    for row in range(5):
        head = fit_head(bags.take(fold != row), y[fold != row], settings, 1)
        predicted[fold == row] = predict(head, bags.take(fold == row), settings)
    assert np.corrcoef(predicted, y)[0, 1] > 0.6  # gene by gene, neighbours give each other away


def test_no_gene_is_trained_on_that_shares_a_base_with_those_held_out(study, tmp_path):
    made = study.train_head("gpn", tmp_path / "head.safetensors")
    loci = loci_of(study)
    starts = np.array([study.window("gpn", g).start for g in loci])
    fold = made.genes["fold"][[g.id for g in loci]].to_numpy(int)
    assert np.bincount(fold).tolist() == [13, 13, 13, 13, 12]
    assert all(np.ptp(np.flatnonzero(fold[np.argsort(starts)] == row)) < 13 for row in range(5))
    share = np.abs(starts[:, None] - starts) < WINDOW
    beside = [int((share[fold == row].any(axis=0) & (fold != row)).sum()) for row in range(5)]
    assert max(beside) > 0 and made.genes["beside"][[g.id for g in loci]].tolist() == [beside[row] for row in fold]
    told = f"(at most {max(beside)}) whose windows share bases"
    assert told in read_heads(made.head).about.method and f"{max(beside)} at most" in str(made)


@pytest.mark.parametrize("length", [1, 50, 400])
def test_folds_are_stretches_and_trainings_share_nothing_with_them(length):
    rng = np.random.default_rng(length)
    windows = [Window(f"{rng.integers(1, 4)}", start, start + length, "+", 0) for start in rng.integers(3_000, size=60)]
    split = folds_of_genes(windows, 4)
    assert np.bincount(split.fold).tolist() == [15] * 4
    for row, training in enumerate(split.training):
        held_out = [w for w, fold in zip(windows, split.fold, strict=True) if fold == row]
        shares = [any(w.contig == o.contig and w.start < o.end and o.start < w.end for o in held_out) for w in windows]
        assert np.array_equal(training, ~np.array(shares))
        assert split.beside[row] == sum(shares) - 15


def test_folds_that_leave_nothing_to_train_on_are_refused(study, tmp_path, monkeypatch):
    overlapping = [Window("1", start, start + 100_000, "+", 0) for start in range(len(study.genes))]
    found = folds_of_genes(overlapping, 5)
    monkeypatch.setattr("gexviz.heads.across_genes.folds_of_genes", lambda windows, folds: found)
    with pytest.raises(GexvizError, match="0 genes are left to train on"):
        study.train_head("gpn", tmp_path / "head.safetensors")


def test_embeddings_of_another_training_are_not_taken(study):
    settings, other = (HeadSettings(method="attention", segments=segments) for segments in (4, 8))
    loci = loci_of(study)[:3]
    embed_genes(study, "gpn", loci, settings, None, None)
    keys = keys_of(embedding_run(study, "gpn", settings), loci)
    assert stored_bags(study, "gpn", keys, settings)[loci[0].id].embeddings.shape[1] == 4
    embed_genes(study, "gpn", loci[:1], other, None, None)
    with pytest.raises(GexvizError, match="embeddings of 1 of 3 genes"):
        stored_bags(study, "gpn", keys, settings)


def test_people_have_no_say_in_the_folds_of_genes(study, tmp_path):
    made = study.train_head("gpn", tmp_path / "head.safetensors", settings=HeadSettings(folds=16))
    assert made.genes["fold"].max() == 15
