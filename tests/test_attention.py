"""Attention on the genome: rollout and relevance by definition, bases of tokens, agreement, what is kept of it."""

from __future__ import annotations

import language_files
import numpy as np
import pandas as pd
import pytest
import torch
from contract_study import MINUS, PLUS, make_contract_study
from language_files import BERT_VOCABULARY, published_bert, write_folder
from scipy import stats
from typer.testing import CliRunner

import gexviz as gx
from gexviz.analysis.attention import of_strands, per_base, relevance, rollout
from gexviz.analysis.rank_agreement import FEWEST, STRETCH, rank_agreement
from gexviz.cli import app
from gexviz.errors import Cancelled, GexvizError
from gexviz.explaining.attributions import methods_of
from gexviz.explaining.gradients import NAMES as GRADIENTS
from gexviz.freezing import freeze
from gexviz.models.language.head_networks import build_head
from gexviz.models.registry import open_model
from gexviz.session.contents import State, View
from gexviz.session.shown import shown as shown_of


def weights_of(seed, layers=3, heads=2, tokens=5):
    made = np.random.default_rng(seed).exponential(size=(layers, heads, tokens, tokens))
    return made / made.sum(axis=3, keepdims=True)


def test_rollout_is_the_sum_over_all_paths():
    attention = weights_of(0)
    half = [(layer.mean(axis=0) + np.eye(5)) / 2 for layer in attention]
    expected = np.einsum("ab,bc,cd->ad", half[2], half[1], half[0])
    np.testing.assert_allclose(rollout(attention), expected)
    np.testing.assert_allclose(rollout(attention).sum(axis=1), 1)


def test_relevance_counts_what_raises_the_prediction():
    attention, gradient = weights_of(1, layers=2), np.random.default_rng(2).normal(size=(2, 2, 5, 5))
    first, second = (np.maximum(a * g, 0).mean(axis=0) for a, g in zip(attention, gradient, strict=True))
    np.testing.assert_allclose(relevance(attention, gradient), first + second + second @ first)
    assert not relevance(attention, -np.abs(gradient)).any()


def test_values_are_spread_over_bases():
    values = per_base(np.array([9.0, 6, 3, 4]), np.array([-1, 0, 3, 2]), np.array([-1, 3, 4, 4]), 6)
    np.testing.assert_allclose(values, [2, 2, 2 + 2, 3 + 2, np.nan, np.nan])


def test_a_strand_without_a_token_over_a_base_gives_it_nothing():
    values = of_strands(np.array([[1.0, 2, np.nan, np.nan], [3.0, np.nan, 4, np.nan]]))
    np.testing.assert_array_equal(values, [2, 1, 2, np.nan])


def test_the_slope_by_attention_is_that_of_finite_differences(tmp_path):
    """The last layer's weights are replaced by hand in transformers' own network."""
    network = published_bert(0)
    write_folder(tmp_path / "dnabert", network, BERT_VOCABULARY)
    keys = language_files.dnabert(tmp_path, 0, window=40)
    model = open_model("m", "dnabert", {k: tmp_path / keys[k] for k in ("weights", "head")} | {"window": 40})
    onehot = np.eye(4, dtype=np.float32)[np.random.default_rng(3).integers(4, size=40)].T[None]
    found = model.attended(onehot)
    assert found.attention.shape == found.gradient.shape == (2, 2, 40, 40)
    np.testing.assert_allclose(found.attention.sum(axis=3), 1, atol=1e-5)
    head, last = build_head("ridge", model.heads.of("")), network.bert.encoder.layer[-1]
    ids = model.embedder.tokenizer(onehot.argmax(axis=1).astype(np.uint8)).ids
    with torch.no_grad():
        before = network.bert(input_ids=torch.from_numpy(ids), output_hidden_states=True).hidden_states[-2]
        heads = last.attention.self.value(before).view(1, 40, 2, 8).transpose(1, 2)

        def value(attention):
            mixed = (torch.from_numpy(attention)[None].float() @ heads).transpose(1, 2).reshape(1, 40, 16)
            hidden = last.output(last.intermediate(x := last.attention.output(mixed, before)), x)
            return float(head(hidden[0, 1:-1].mean(dim=0, keepdim=True))[0])

        row, step = np.unravel_index(np.abs(found.gradient[1]).argmax(), (2, 40, 40)), 0.05
        up, down = found.attention[1].copy(), found.attention[1].copy()
        up[row] += step
        down[row] -= step
        slope = (value(up) - value(down)) / (2 * step)
    assert found.gradient[1][row] == pytest.approx(slope, rel=0.02)


@pytest.fixture(scope="module", params=["gene_strand", "rc_mean"])
def study(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("attention")
    keys = language_files.nucleotide_transformer(folder, 0, strand=request.param)
    return gx.load(make_contract_study(folder, keys, 240, 120).toml)


@pytest.mark.parametrize("how", ["rollout", "relevance"])
@pytest.mark.parametrize("gene", [PLUS, MINUS])
def test_attention_lies_on_the_genome(study, gene, how):
    opened = study.gene(gene)
    shown, ism = opened.attention("model", how=how), opened.ism("model")
    assert shown.values[["position", "inserted", "ref"]].equals(ism.bases[["position", "inserted", "ref"]])
    assert (shown.values["value"] >= 0).all() and np.ptp(shown.values["value"]) > 0
    expected = stats.spearmanr(shown.values["value"], np.abs(ism.delta).max(axis=1))[0]
    assert shown.agreement(ism).r == pytest.approx(expected) and shown.agreement(ism).n == 240
    told = shown.figure(ism).layout.title.text.replace("<br>", " ")
    assert "not an explanation" in told and f"{expected:.2f}".replace("-", "−") in told
    if how == "rollout":
        assert shown.values["value"].sum() < 1  # the rest is of the first token
    first, last = shown.values["position"].iloc[[50, 90]] + 1
    part = opened.attention("model", f"1:{first}-{last}", how=how)
    np.testing.assert_allclose(part.values["value"], shown.values["value"].iloc[50:91])
    with pytest.raises(GexvizError, match="different sequences"):
        part.agreement(ism)


def test_the_command_writes_bases_and_tells_the_agreement(study, tmp_path):
    run = CliRunner().invoke
    asked = ["attention", str(study.config.path), "-m", "model", "-g", PLUS, "--how", "rollout"]
    done = run(app, [*asked, "--agreement", "--out", str(tmp_path / "a.tsv")])
    assert done.exit_code == 0, done.output
    table = pd.read_csv(tmp_path / "a.tsv", sep="\t")
    wanted = study.gene(PLUS).attention("model", how="rollout")
    np.testing.assert_allclose(table["value"], wanted.values["value"], rtol=1e-6)
    assert (table["position"] == wanted.values["position"] + 1).all()
    said = " ".join(done.output.split())
    assert "not an explanation" in said and f"over {len(table)} bases" in said
    assert run(app, [*asked, "--out", str(tmp_path / "a.svg")]).exit_code == 0


def test_agreement_leaves_out_what_is_missing():
    rng = np.random.default_rng(4)
    values, effects = rng.normal(size=(2, 1_000))
    values[:5], effects[990:] = np.nan, np.nan
    found = rank_agreement(values, effects)
    assert found.n == 985 and found.r == pytest.approx(stats.spearmanr(values, effects, nan_policy="omit")[0])
    assert found.low < found.r < found.high and "985 bases" in found.words
    few = rank_agreement(values[: STRETCH * FEWEST - STRETCH], effects[: STRETCH * FEWEST - STRETCH])
    assert np.isfinite(few.r) and np.isnan([few.low, few.high]).all() and "too few for an interval" in few.words
    assert "undefined" in rank_agreement(np.ones(500), rng.normal(size=500)).words


def test_the_interval_counts_stretches_not_bases():
    """Where the bases of a stretch are alike, an interval by bases would hold zero in four of ten runs, not 95%."""
    rng = np.random.default_rng(5)
    made = [np.repeat(rng.normal(size=(2, 60)), STRETCH, axis=1) for _ in range(100)]
    found = [rank_agreement(*pair) for pair in made]
    assert sum(one.low <= 0 <= one.high for one in found) >= 87


def test_what_is_stored_is_not_computed_again(study, tmp_path, monkeypatch):
    fresh = gx.load(study.config.path, results=tmp_path)
    told = []
    made = fresh.gene(PLUS).attention("model", progress=lambda *step: told.append(step))
    strands = 2 if study.spec("model").strand == "rc_mean" else 1
    assert told == [(done, strands, "PLUS") for done in range(1, strands + 1)]
    monkeypatch.setattr(type(fresh.model("model").embedder), "attended", None)
    again = fresh.gene(PLUS).attention("model")
    assert again.values.equals(made.values)
    other = fresh.gene(PLUS).attention("model", how="rollout")
    assert not np.allclose(other.values["value"], made.values["value"])
    with pytest.raises(TypeError):  # of another sequence nothing is stored
        fresh.gene(MINUS).attention("model")


def test_work_is_cancelled(study, tmp_path):
    def stop(*_):
        raise Cancelled

    fresh = gx.load(study.config.path, results=tmp_path)
    with pytest.raises(Cancelled):
        fresh.gene(PLUS).attention("model", progress=stop)


def test_a_session_keeps_the_track_and_its_caution(study):
    study.gene(PLUS).ism("model")
    view = View(page="locus", gene=PLUS, model="model", method="rollout")
    frozen = freeze(study, State(views=(view,)), compute=True)
    (facts,) = frozen.tables["tracks"].to_dict("records")
    shown = study.gene(PLUS).attention("model", how="rollout")
    assert facts["method"] == "rollout" and facts["unit"] == "share of attention"
    assert "not an explanation" in facts["note"] and "Agreement with mutagenesis" in facts["note"]
    values = frozen.arrays[facts["array"]]["values"]
    np.testing.assert_array_equal(values, shown.values["value"].to_numpy(np.float32))
    figure = shown_of(frozen, frozen.state.views[0])[0].figure
    assert figure is not None and "not an explanation" in figure.layout.title.text.replace("<br>", " ")
    assert any("Attention rollout" in note.text for note in figure.layout.annotations)


def test_a_model_without_attention_says_so(tmp_path):
    keys = language_files.gpn(tmp_path, 0)
    study = gx.load(make_contract_study(tmp_path, keys, 240, 120).toml)
    assert set(methods_of(study.model("model"))) == {"ism", *GRADIENTS}
    with pytest.raises(GexvizError, match="has no attention"):
        study.gene(PLUS).attention("model")
