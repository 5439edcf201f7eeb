"""Gradient against mutagenesis: scipy, plain loops, and networks whose linearity is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import nn

from gexviz.analysis.agreement import gradient_agreement
from gexviz.analysis.gradients import METHODS, GradientSettings, attribute
from gexviz.analysis.prediction import predict_sequences
from gexviz.models.base import ModelSpec
from gexviz.models.torch_model import TorchSequenceModel

DNA = np.frombuffer(b"ACGT", dtype=np.uint8)


def mutated(model, sequence):
    """Effects of all bases everywhere, one plain prediction each."""
    delta = np.zeros((len(sequence), 4))
    for i in range(len(sequence)):
        mutants = np.repeat(sequence[None], 4, axis=0)
        mutants[:, i] = DNA
        delta[i] = predict_sequences(model, mutants) - predict_sequences(model, sequence[None])
    return delta


def model_of(network, length, strand="none"):
    spec = ModelSpec(
        name="net",
        family="test",
        input="sequence",
        scale="u",
        haplotypes="output_mean",
        window=length,
        anchor=0,
        strand=strand,
    )
    return TorchSequenceModel(spec, network.eval())


def network_of(act, scale=1.0):
    torch.manual_seed(1)
    first = nn.Conv1d(4, 6, 5, padding=2)
    with torch.no_grad():
        first.weight *= scale
    return nn.Sequential(first, act, nn.Flatten(), nn.Linear(240, 1), nn.Flatten(0))


@pytest.mark.parametrize("strand", ["none", "rc_mean"])
@pytest.mark.parametrize("method", sorted(set(METHODS)))
def test_a_linear_network_agrees_in_full(method, strand):
    model = model_of(network_of(nn.Identity()), 40, strand)
    sequence = np.random.default_rng(0).choice(DNA, 40)
    found = attribute(model, sequence, method, settings=GradientSettings(n_baselines=3, samples=3))
    agreed = gradient_agreement(found.full, mutated(model, sequence), sequence)
    assert agreed.pearson == pytest.approx(1, abs=1e-6) and agreed.spearman > 0.999
    assert agreed.slope == pytest.approx(1, abs=1e-4) and agreed.n == 120
    assert agreed.verdict == "linear" and "nearly linear" in agreed.words
    assert abs(agreed.largest["difference"]).max() < 1e-5


def test_a_saturated_network_misleads():
    class Wavy(nn.Module):
        def forward(self, x):
            return torch.sin(40 * x)

    model = model_of(network_of(Wavy()), 40)
    sequence = np.random.default_rng(0).choice(DNA, 40)
    agreed = gradient_agreement(attribute(model, sequence, "input_x_gradient").full, mutated(model, sequence), sequence)
    assert agreed.verdict == "misleading" and "mislead" in agreed.words and agreed.pearson < 0.5
    gently = model_of(network_of(nn.Tanh(), 0.2), 40)
    agreed = gradient_agreement(
        attribute(gently, sequence, "input_x_gradient").full, mutated(gently, sequence), sequence
    )
    assert agreed.verdict == "linear"


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**31), st.integers(1, 30), st.integers(0, 40))
def test_against_scipy_and_a_loop(seed, n, n_top):
    rng = np.random.default_rng(seed)
    full, bases = rng.normal(size=(n, 4)), rng.choice(np.frombuffer(b"ACGTacgtN", dtype=np.uint8), n)
    delta = full + rng.normal(size=(n, 4)) * rng.choice([0.1, 1, 10])
    gradients, effects, worst = [], [], []
    for i in range(n):
        letter = chr(bases[i]).upper()
        if letter == "N":
            continue
        ref = "ACGT".index(letter)
        here = []
        for alt in range(4):
            if alt != ref:
                gradients.append(full[i, alt] - full[i, ref])
                effects.append(delta[i, alt] - delta[i, ref])
                here.append((abs(effects[-1] - gradients[-1]), i, letter, "ACGT"[alt], gradients[-1], effects[-1]))
        worst.append(max(here))
    agreed = gradient_agreement(full, delta, bases, n_top=n_top)
    assert agreed.n == len(gradients)
    table = agreed.largest
    expected = sorted(worst, reverse=True)[:n_top]
    assert table["row"].tolist() == [row[1] for row in expected]
    assert (table["ref"] + table["alt"]).tolist() == [row[2] + row[3] for row in expected]
    np.testing.assert_allclose(table[["gradient", "ism"]], np.array([row[4:] for row in expected]).reshape(-1, 2))
    np.testing.assert_allclose(table["difference"], table["ism"] - table["gradient"])
    if len(gradients) >= 3:
        assert agreed.pearson == pytest.approx(stats.pearsonr(gradients, effects).statistic)
        assert agreed.spearman == pytest.approx(stats.spearmanr(gradients, effects).statistic)
        line = np.linalg.lstsq(np.array(gradients)[:, None], np.array(effects), rcond=None)[0][0]
        assert agreed.slope == pytest.approx(line)


@pytest.mark.parametrize(
    ("scale", "noise", "verdict", "words"),
    [
        (1.0, 0.1, "linear", "agree"),
        (0.5, 0.01, "partly linear", "smaller"),
        (2.0, 0.01, "partly linear", "larger"),
        (1.0, 1.0, "partly linear", "rough guide"),
        (1.0, 9.0, "misleading", "mislead"),
        (-1.0, 0.1, "misleading", "mislead"),
    ],
)
def test_the_verdicts(scale, noise, verdict, words):
    rng = np.random.default_rng(0)
    full, bases = rng.normal(size=(400, 4)), rng.choice(DNA, 400)
    agreed = gradient_agreement(full, scale * full + noise * rng.normal(size=(400, 4)), bases)
    assert agreed.verdict == verdict and words in agreed.words


def test_nothing_to_compare():
    zero, one = np.zeros((5, 4)), np.random.default_rng(0).normal(size=(5, 4))
    bases = np.frombuffer(b"ACGTA", dtype=np.uint8)
    still = gradient_agreement(one, zero, bases)
    assert still.verdict == "nothing to compare" and np.isnan(still.pearson) and "No substitution" in still.words
    off = gradient_agreement(zero, one, bases)
    assert off.verdict == "misleading" and np.isnan(off.slope) and "zero" in off.words
    unknown = gradient_agreement(one, one, np.full(5, ord("N"), np.uint8))
    assert unknown.verdict == "nothing to compare" and unknown.n == 0 and unknown.largest.empty
    with pytest.raises(ValueError, match="bases"):
        gradient_agreement(one, one, bases[:4])
    with pytest.raises(ValueError, match="bases"):
        gradient_agreement(one, one[:, :3], bases)
