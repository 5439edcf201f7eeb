"""Attention on the genome: rollout and relevance against their definitions, bases of tokens, agreement."""

from __future__ import annotations

import language_files
import numpy as np
import pytest
import torch
from contract_study import MINUS, PLUS, make_contract_study
from language_files import BERT_VOCABULARY, published_bert, write_folder

import gexviz as gx
from gexviz.analysis.attention import per_base, relevance, rollout
from gexviz.errors import GexvizError
from gexviz.models.registry import open_model


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
    head, last = model.heads.of(""), network.bert.encoder.layer[-1]
    ids = model.embedder.tokenizer(onehot.argmax(axis=1).astype(np.uint8)).ids
    with torch.no_grad():
        before = network.bert(input_ids=torch.from_numpy(ids), output_hidden_states=True).hidden_states[-2]
        heads = last.attention.self.value(before).view(1, 40, 2, 8).transpose(1, 2)

        def value(attention):
            mixed = (torch.from_numpy(attention)[None].float() @ heads).transpose(1, 2).reshape(1, 40, 16)
            hidden = last.output(last.intermediate(x := last.attention.output(mixed, before)), x)
            return float(head(hidden[0, 1:-1].mean(dim=0, keepdim=True).numpy())[0])

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
    assert -1 <= shown.agreement(ism) <= 1
    told = shown.figure(ism).layout.title.text.replace("<br>", " ")
    assert "not an explanation" in told and f"{shown.agreement(ism):.2f}" in told
    if how == "rollout":
        assert shown.values["value"].sum() < 1  # the rest is of the first token
    first, last = shown.values["position"].iloc[[50, 90]] + 1
    part = opened.attention("model", f"1:{first}-{last}", how=how)
    np.testing.assert_allclose(part.values["value"], shown.values["value"].iloc[50:91])
    with pytest.raises(GexvizError, match="different sequences"):
        part.agreement(ism)


def test_a_model_without_attention_says_so(tmp_path):
    keys = language_files.gpn(tmp_path, 0)
    study = gx.load(make_contract_study(tmp_path, keys, 240, 120).toml)
    with pytest.raises(GexvizError, match="has no attention"):
        study.gene(PLUS).attention("model")
