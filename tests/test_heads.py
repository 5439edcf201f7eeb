"""Heads trained on embeddings: held-out genes and people have no say, predictions are the definition's."""

from __future__ import annotations

import shutil

import language_files
import numpy as np
import pandas as pd
import pytest
import torch
from language_files import NT_VOCABULARY, published_esm, write_folder
from scipy import stats
from typer.testing import CliRunner

import gexviz as gx
from gexviz.cli import app
from gexviz.cohort.haplotypes import reference_sequence
from gexviz.errors import Cancelled, GexvizError
from gexviz.heads import HeadSettings
from gexviz.models.base import Differentiable
from gexviz.models.language.head import read_heads
from gexviz.models.language.head_networks import build_head
from gexviz.models.onehot import one_hot
from gexviz.models.registry import open_model

WINDOW = 300


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The demo with a language model that has no head, and one each with a head that is still to be trained."""
    language_files.transformers()
    folder = tmp_path_factory.mktemp("heads")
    shutil.copytree(gx.demo().config.path.parent, folder, dirs_exist_ok=True)
    write_folder(folder / "nt", published_esm(0), NT_VOCABULARY)
    keys = f'family = "nucleotide_transformer"\nweights = "nt/model.safetensors"\nwindow = {WINDOW}\n'
    sections = [f"\n[models.nt]\n{keys}"]
    sections += [f'\n[models.{name}]\n{keys}head = "{name}.safetensors"\n' for name in ("genes", "people")]
    language_files.write_gpn(folder / "gpn", 0)
    bases = 'family = "gpn"\nweights = "gpn/pytorch_model.bin"\n'
    sections += [f"\n[models.gpn]\n{bases}", f'\n[models.gpn_people]\n{bases}head = "gpn_people.safetensors"\n']
    for method in ("mlp", "attention"):
        sections.append(f'\n[models.genes_{method}]\n{keys}head = "genes_{method}.safetensors"\n')
        sections.append(f'\n[models.people_{method}]\n{bases}head = "people_{method}.safetensors"\n')
    toml = folder / "study.toml"
    toml.write_text(toml.read_text() + "".join(sections))
    return folder


@pytest.fixture(scope="module")
def study(folder):
    return gx.load(folder / "study.toml", results=folder / "results")


@pytest.fixture(scope="module")
def across_genes(study, folder):
    return study.train_head("nt", folder / "genes.safetensors")


@pytest.fixture(scope="module")
def across_people(study, folder):
    genes = list(study.genes.index[:4])
    return study.train_head("nt", folder / "people.safetensors", genes, settings=HeadSettings(across="people"))


def embedded(study, gene):
    """Of the reference, and of each person: the mean of both haplotypes."""
    model, locus = study.model("nt"), study.locus(gene)
    reference = reference_sequence(study.cohort.reference, study.window("nt", locus))[None]
    haplotypes = study.haplotypes("nt", gene)
    copies = model.embed(one_hot(haplotypes.sequences))[haplotypes.index.to_numpy()]
    return model.embed(one_hot(reference))[0], copies.mean(axis=1)


def test_the_check_says_how_to_make_a_head(folder, study, across_genes, across_people):
    told = study.check()
    found = told[(told["file"] == "model nt") & (told["check"] == "genes")].iloc[0]
    assert found["status"] == "error" and "no head yet" in found["found"]
    assert found["todo"] == f"gexviz train head {folder / 'study.toml'} --model nt --out nt.safetensors"


# -- across genes ------------------------------------------------------------------------------------------------------


def test_each_gene_is_predicted_by_the_head_that_did_not_see_it(study, across_genes):
    told = across_genes.genes
    assert len(told) == len(study.genes) and told["reason"].isna().all()
    predicted = study.predict("genes", reference=True).set_index("gene")["value"]
    np.testing.assert_allclose(predicted[told.index], told["held_out"], rtol=1e-5)
    assert across_genes.held_out_r == pytest.approx(stats.pearsonr(told["observed"], told["held_out"])[0])
    pd.testing.assert_series_equal(told["observed"], study.genes["mean_expression"], check_names=False)


def test_the_head_is_linear_in_the_embedding(study, across_genes):
    heads = read_heads(across_genes.head)
    gene = study.genes.index[3]
    row = heads.about.rows[gene]
    reference, people = embedded(study, gene)
    coefficients, intercept = (heads.arrays[name][row] for name in ("coefficients", "intercepts"))
    value = reference @ coefficients + intercept
    assert across_genes.genes.at[gene, "held_out"] == pytest.approx(value, rel=1e-5)
    predicted = study.predict("genes", [gene]).set_index("sample")["value"]
    np.testing.assert_allclose(predicted, people @ coefficients + intercept, rtol=1e-4)
    assert np.ptp(predicted) > 0
    assert study.spec("genes").scale.startswith("mean expression") and not study.spec("genes").trained_on_cohort


def test_a_genes_expression_has_no_say_in_its_own_head(folder, study, across_genes, tmp_path):
    gene = study.genes.index[5]
    changed = gx.load(folder / "study.toml", results=tmp_path)
    changed.cohort.expression.values.loc[gene] += 50
    again = changed.train_head("nt", tmp_path / "other.safetensors")
    before, after = read_heads(across_genes.head), read_heads(again.head)
    own = before.about.rows[gene]
    assert after.about.rows == before.about.rows
    for row in range(len(before.arrays["intercepts"])):
        same = np.array_equal(before.arrays["coefficients"][row], after.arrays["coefficients"][row])
        assert same == (row == own)


def test_embeddings_are_kept(study, across_genes, folder):
    ran = []
    again = study.train_head("nt", folder / "again.safetensors", progress=lambda *told: ran.append(told))
    assert not ran  # each gene embedded would tell
    assert again.held_out_r == across_genes.held_out_r


def test_too_few_genes_are_refused(study, folder):
    with pytest.raises(GexvizError, match="4 genes are too few"):
        study.train_head("nt", folder / "few.safetensors", list(study.genes.index[:4]))
    assert not (folder / "few.safetensors").exists()


# -- across people -----------------------------------------------------------------------------------------------------


def test_people_are_predicted_by_a_ridge_of_the_gene(study, across_people):
    heads = read_heads(across_people.head)
    trained = across_people.genes[across_people.genes["reason"].isna()]
    assert len(trained) >= 3
    gene = trained.index[0]
    _, people = embedded(study, gene)
    row = heads.about.rows[gene]
    predicted = study.predict("people", [gene]).set_index("sample")["value"]
    expected = people @ heads.arrays["coefficients"][row] + heads.arrays["intercepts"][row]
    np.testing.assert_allclose(predicted, expected, atol=1e-5)
    assert abs(predicted.mean()) < 1e-6  # of expression without its mean and covariates


def test_people_of_the_training_are_compared_out_of_fold(study, across_people):
    assert study.spec("people").trained_on_cohort
    gene = across_people.genes.index[across_people.genes["reason"].isna()][0]
    study.predict("people", [gene])
    found = study.predicted("people", [gene])
    left_out = pd.read_parquet(across_people.out_of_fold).set_index("gene").loc[gene, list(study.samples.index)]
    np.testing.assert_allclose(found.comparable.loc[gene], left_out.astype(float), rtol=1e-6)
    assert not np.allclose(found.values.loc[gene], found.comparable.loc[gene])


def test_a_persons_expression_has_no_say_in_their_out_of_fold_prediction(folder, study, across_people, tmp_path):
    gene, sample = across_people.genes.index[across_people.genes["reason"].isna()][0], study.samples.index[7]
    changed = gx.load(folder / "study.toml", results=tmp_path)
    changed.cohort.expression.values.loc[gene, sample] += 30
    settings = HeadSettings(across="people")
    again = changed.train_head("nt", tmp_path / "other.safetensors", [gene], settings=settings)
    before, after = (pd.read_parquet(made.out_of_fold).set_index("gene").loc[gene] for made in (across_people, again))
    fold = np.array(before["folds"])
    assert np.array_equal(fold, after["folds"])
    samples = list(study.samples.index)
    own = fold == fold[samples.index(sample)]
    scale = np.ptp(after[samples][own].astype(float)) / np.ptp(before[samples][own].astype(float))
    np.testing.assert_allclose(
        after[samples][own].astype(float), before[samples][own].astype(float) * scale, atol=1e-5
    )  # in units of the spread of all, which the person has a say in
    others = after[samples][~own].astype(float) / before[samples][~own].astype(float)
    assert not np.allclose(others, scale, rtol=1e-3)


def test_a_gene_without_a_head_of_its_own_is_unavailable(study, across_people):
    other = study.genes.index[-1]
    assert study.unavailable("people", study.locus(other)) == "its head was not trained on this gene"


def test_out_of_fold_predictions_of_another_head_are_refused(study, across_people, folder, tmp_path):
    other = tmp_path / "people.safetensors"
    shutil.copy(folder / "genes.safetensors", other)
    heads = read_heads(across_people.head)
    heads.arrays["intercepts"][0] += 1
    from_elsewhere = tmp_path / "moved.safetensors"
    language_files.write_heads(from_elsewhere, heads)
    options = {"weights": folder / "nt/model.safetensors", "window": WINDOW, "head": from_elsewhere}
    with pytest.raises(GexvizError, match="belong to other weights"):
        open_model("nt", "nucleotide_transformer", options | {"out_of_fold": across_people.out_of_fold})


def test_heads_across_people_of_a_model_of_bases_have_gradients_too(study, folder):
    gene = study.genes.index[0]
    made = study.train_head("gpn", folder / "gpn_people.safetensors", [gene], settings=HeadSettings(across="people"))
    assert made.genes.at[gene, "reason"] is None
    study.predict("gpn_people", [gene])
    assert study.predicted("gpn_people", [gene]).out_of_fold.loc[gene].notna().all()
    locus = study.locus(gene)
    model = study.model_for("gpn_people", locus)
    assert isinstance(model, Differentiable)
    x = one_hot(study.haplotypes("gpn_people", gene).sequences[:3])
    np.testing.assert_allclose(model.network()(torch.from_numpy(x)).numpy(), model.predict_sequences(x), atol=1e-4)


# -- heads that aren't linear ------------------------------------------------------------------------------------------


def settings_of(method, across):
    return HeadSettings(method=method, across=across, segments=4, networks=2, units=8, folds=3)


def with_signal(study, folder):
    """The study, with expression that goes with an embedding's first numbers."""
    changed, genes = gx.load(folder / "study.toml", results=folder / "results"), list(study.genes.index)
    references = [reference_sequence(study.cohort.reference, study.window("nt", study.locus(g))) for g in genes]
    numbers = study.model("nt").embed(one_hot(np.stack(references)))[:, :3].sum(axis=1)
    changed.cohort.expression.values.loc[genes] += 10 * stats.zscore(numbers)[:, None]
    return changed


@pytest.fixture(scope="module", params=["mlp", "attention"])
def network_across_genes(request, study, folder):
    settings, out = settings_of(request.param, "genes"), folder / f"genes_{request.param}.safetensors"
    made = with_signal(study, folder).train_head("nt", out, settings=settings)
    assert made.held_out_r > 0.3
    return request.param, made


@pytest.fixture(scope="module", params=["mlp", "attention"])
def network_across_people(request, study, folder):
    """Of a model that reads both strands, base by base; and the gene that it predicts best."""
    out, genes = folder / f"people_{request.param}.safetensors", list(study.genes.index[:4])
    made = study.train_head("gpn", out, genes, settings=settings_of(request.param, "people"))
    gene = made.genes["rho_avg"].idxmax()
    assert made.genes.at[gene, "rho_avg"] > 0.1
    return request.param, made, gene


def test_each_gene_is_predicted_by_the_network_that_did_not_see_it(study, network_across_genes):
    method, made = network_across_genes
    predicted = study.predict(f"genes_{method}", reference=True).set_index("gene")["value"]
    np.testing.assert_allclose(predicted[made.genes.index], made.genes["held_out"], rtol=1e-4)
    assert np.ptp(predicted) > 0
    spec = study.spec(f"genes_{method}")
    assert ("4 equal parts of the window" in spec.readout) == (method == "attention") and not spec.trained_on_cohort


def test_a_genes_expression_has_no_say_in_its_own_network(folder, study, network_across_genes, tmp_path):
    method, made = network_across_genes
    gene = study.genes.index[5]
    changed = with_signal(study, folder)
    changed.cohort.expression.values.loc[gene] += 50
    again = changed.train_head("nt", tmp_path / "other.safetensors", settings=settings_of(method, "genes"))
    before, after = read_heads(made.head), read_heads(again.head)
    own = before.about.rows[gene]
    for row in range(before.about.count):
        same = all(np.array_equal(before.arrays[name][row], after.arrays[name][row]) for name in before.arrays)
        assert same == (row == own)


def test_people_are_the_mean_of_predictions_of_copies_and_strands(study, network_across_people):
    method, made, gene = network_across_people
    heads, haplotypes = read_heads(made.head), study.haplotypes("gpn", gene)
    strands = study.model("gpn").embed_strands(one_hot(haplotypes.sequences), heads.about.segments)
    assert strands.shape[1:] == ((2, 4, language_files.DIM) if method == "attention" else (2, language_files.DIM))
    head = build_head(method, heads.of(gene))
    copies = np.mean([head(torch.from_numpy(strands[:, i])).numpy() for i in (0, 1)], axis=0)
    expected = copies[haplotypes.index.to_numpy()].mean(axis=1)
    predicted = study.predict(f"people_{method}", [gene]).set_index("sample")["value"]
    np.testing.assert_allclose(predicted, expected, atol=1e-5)
    assert np.ptp(predicted) > 1e-3


def test_people_of_a_networks_training_are_compared_out_of_fold(study, network_across_people):
    method, made, gene = network_across_people
    assert study.spec(f"people_{method}").trained_on_cohort
    study.predict(f"people_{method}", [gene])
    found = study.predicted(f"people_{method}", [gene])
    left_out = pd.read_parquet(made.out_of_fold).set_index("gene").loc[gene, list(study.samples.index)]
    np.testing.assert_allclose(found.comparable.loc[gene], left_out.astype(float), rtol=1e-6)


def test_a_persons_expression_has_no_say_in_their_networks(folder, study, network_across_people, tmp_path):
    method, made, gene = network_across_people
    sample = study.samples.index[7]
    changed = gx.load(folder / "study.toml", results=folder / "results")
    changed.cohort.expression.values.loc[gene, sample] += 30
    settings = settings_of(method, "people")
    again = changed.train_head("gpn", tmp_path / "other.safetensors", [gene], settings=settings)
    before, after = (pd.read_parquet(each.out_of_fold).set_index("gene").loc[gene] for each in (made, again))
    fold, samples = np.array(before["folds"]), list(study.samples.index)
    assert np.array_equal(fold, after["folds"])
    own = fold == fold[samples.index(sample)]
    was, now = before[samples].astype(float), after[samples].astype(float)
    scale = np.ptp(now[own]) / np.ptp(was[own])  # in units of the spread of all, which the person has a say in
    np.testing.assert_allclose(now[own], was[own] * scale, atol=1e-5)
    assert not np.allclose(now[~own], was[~own] * scale, rtol=1e-3)


def test_networks_on_bases_keep_their_gradients(study, network_across_people):
    method, _, gene = network_across_people
    model = study.model_for(f"people_{method}", study.locus(gene))
    x = one_hot(study.haplotypes("gpn", gene).sequences[:3])
    network = model.network()
    np.testing.assert_allclose(network(torch.from_numpy(x)).numpy(), model.predict_sequences(x), atol=1e-5)
    sequence = torch.from_numpy(x[:1]).requires_grad_()
    (slope,) = torch.autograd.grad(network(sequence).sum(), sequence)
    base, step = np.unravel_index(int(slope.abs().argmax()), slope.shape), 0.05
    moved = torch.from_numpy(np.repeat(x[:1], 2, axis=0))
    moved[0][base[1:]] += step
    moved[1][base[1:]] -= step
    up, down = network(moved)
    assert slope[base] == pytest.approx(float(up - down) / (2 * step), rel=0.05)


def test_attention_can_be_followed_through_a_network(study, network_across_genes):
    method, made = network_across_genes
    gene = made.genes.index[0]
    model = study.model_for(f"genes_{method}", study.locus(gene))
    x = one_hot(reference_sequence(study.cohort.reference, study.window("nt", study.locus(gene)))[None])
    found = model.attended(x)
    assert found.gradient.any() and found.taken.sum() == pytest.approx(1)
    taken = found.taken[found.starts >= 0]
    if method == "mlp":
        np.testing.assert_allclose(taken, 1 / len(taken), rtol=1e-5)
    else:
        assert len(np.unique(taken.round(6))) > 1


def test_training_that_is_stopped_writes_nothing_and_keeps_embeddings(study, folder, network_across_genes, tmp_path):
    method, _ = network_across_genes
    told = []

    def stop(done, total, label):
        told.append(label)
        raise Cancelled

    with pytest.raises(Cancelled):
        study.train_head("nt", tmp_path / "head.safetensors", settings=settings_of(method, "genes"), progress=stop)
    assert told[0].startswith("head 1 of 4") and not any(tmp_path.iterdir())


def test_more_genes_than_memory_holds_are_refused(study, folder, monkeypatch):
    monkeypatch.setattr("gexviz.heads.across_genes.available_bytes", lambda device: 1_000)
    with pytest.raises(GexvizError, match="would take about"):
        study.train_head("nt", folder / "large.safetensors", settings=settings_of("mlp", "genes"))


# -- the command -------------------------------------------------------------------------------------------------------


def test_the_command_trains_and_says_what_to_write(folder, study, across_genes):
    out = folder / "cli.safetensors"
    arguments = ["train", "head", str(folder / "study.toml"), "--model", "nt", "--out", str(out)]
    found = CliRunner().invoke(app, [*arguments, "--results", str(folder / "results")])
    assert found.exit_code == 0, found.output
    assert f"r = {across_genes.held_out_r:.3f} of held-out genes" in found.output
    assert 'head = "cli.safetensors"' in found.output
    assert read_heads(out).about.rows == read_heads(across_genes.head).about.rows


def test_the_command_trains_a_network(folder, network_across_genes):
    method, _ = network_across_genes
    out = folder / f"cli_{method}.safetensors"
    arguments = ["train", "head", str(folder / "study.toml"), "--model", "nt", "--out", str(out), "--method", method]
    wanted = ["--segments", "4", "--units", "8", "--folds", "2"]
    found = CliRunner().invoke(app, [*arguments, *wanted, "--results", str(folder / "results")])
    assert found.exit_code == 0, found.output
    about = read_heads(out).about
    assert (about.kind, about.others, about.settings["units"]) == (method, 2, 8)
    assert about.segments == (4 if method == "attention" else None)


@pytest.mark.parametrize(
    "changes",
    [
        {"folds": 13, "across": "people"},
        {"method": "forest"},
        {"segments": 65},
        {"segments": 1},
        {"networks": 1},
        {"units": 0},
        {"folds": 1},
    ],
)
def test_settings_that_cannot_be_used_are_refused_by_name(changes):
    with pytest.raises(GexvizError, match=next(iter(changes))):
        HeadSettings(**changes)


def test_a_model_without_embeddings_is_refused(folder, study):
    with pytest.raises(GexvizError, match="makes no embeddings"):
        study.train_head("cnn", folder / "cnn.head.safetensors")
