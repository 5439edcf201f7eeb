"""Heads of each method where the answer is known: what each can and can't find, and that nothing leaks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from gexviz.errors import Cancelled
from gexviz.heads import HeadSettings
from gexviz.heads.fitting import fit_head, predict
from gexviz.models.language.head_fitting import Bags, NetworkSettings, fit_networks
from gexviz.models.language.head_networks import build_head

ROWS, DIM, SEGMENTS = 300, 12, 8
METHODS = ["ridge", "mlp", "attention"]


def out_of_fold_r(bags, y, method, folds=2):
    """r of rows predicted by heads that did not see them; ridge and mlp read the mean over segments."""
    settings = HeadSettings(method=method, segments=SEGMENTS, networks=3, units=16)
    if method != "attention" and bags.embeddings.ndim == 3:
        bags = Bags(bags.embeddings.mean(axis=1), bags.members)
    fold, predicted = np.arange(len(y)) % folds, np.empty(len(y))
    for out in range(folds):
        head = fit_head(bags.take(fold != out), y[fold != out], settings, seed=1)
        predicted[fold == out] = predict(head, bags.take(fold == out), settings)
    return np.corrcoef(predicted, y)[0, 1]


def pairs(rng, *shape):
    """Rows of two sequences each, of `ROWS` sequences."""
    return Bags(rng.normal(size=(ROWS, *shape)).astype(np.float32), rng.integers(ROWS, size=(ROWS, 2)))


def singles(rng, *shape):
    """Rows of one sequence each."""
    return Bags(rng.normal(size=(ROWS, *shape)).astype(np.float32), np.arange(ROWS)[:, None])


def noisy(rng, signal, share=0.2):
    return signal + rng.normal(size=len(signal)) * signal.std() * np.sqrt(share / (1 - share))


def of_rows(bags, values):
    return values[bags.members].mean(axis=1)


@pytest.mark.parametrize("make", [singles, pairs])
def test_a_perceptron_finds_what_is_not_linear(make):
    rng = np.random.default_rng(0)
    bags = make(rng, DIM)
    y = noisy(rng, of_rows(bags, np.abs(bags.embeddings[:, 0]) + np.abs(bags.embeddings[:, 1])))
    ridge, mlp = (out_of_fold_r(bags, y, method) for method in ("ridge", "mlp"))
    assert mlp > 0.5 and mlp > ridge + 0.3


@pytest.mark.parametrize("make", [singles, pairs])
def test_attention_finds_the_segment_that_matters(make):
    rng = np.random.default_rng(1)
    bags = make(rng, SEGMENTS, DIM)
    y = noisy(rng, of_rows(bags, bags.embeddings[:, 3] @ rng.normal(size=DIM)))
    ridge, attention = (out_of_fold_r(bags, y, method) for method in ("ridge", "attention"))
    assert attention > 0.7 and attention > ridge + 0.25
    settings = HeadSettings(method="attention", segments=SEGMENTS)
    head = build_head("attention", fit_head(bags, y, settings, seed=1))
    shares = head.shares(torch.from_numpy(bags.embeddings)).mean(dim=0)
    assert shares.argmax() == 3 and shares[3] > 0.5


def test_attention_finds_what_marks_the_segment_wherever_it_is():
    rng = np.random.default_rng(2)
    bags, place = singles(rng, SEGMENTS, DIM), rng.integers(SEGMENTS, size=ROWS)
    bags.embeddings[np.arange(ROWS), place, 0] += 8
    y = noisy(rng, bags.embeddings[np.arange(ROWS), place, 1:] @ rng.normal(size=DIM - 1))
    ridge, attention = (out_of_fold_r(bags, y, method) for method in ("ridge", "attention"))
    assert attention > 0.7 and attention > ridge + 0.25


@pytest.mark.parametrize("method", METHODS)
def test_of_noise_nothing_is_predicted(method):
    """The embeddings tell the expression exactly, before people are shuffled."""
    rng = np.random.default_rng(3)
    bags = pairs(rng, SEGMENTS, DIM)
    y = of_rows(bags, bags.embeddings.mean(axis=1) @ rng.normal(size=DIM))
    assert out_of_fold_r(bags, y, method) > 0.9
    shuffled = [out_of_fold_r(bags, rng.permutation(y), method) for _ in range(3)]
    assert abs(np.mean(shuffled)) < 0.15


# -- the networks ------------------------------------------------------------------------------------------------------


def fitted(method, rng, *shape, **changes):
    bags = singles(rng, *shape)
    y = 5 + 2 * bags.embeddings.reshape(ROWS, -1)[:, 0]
    return bags, fit_networks(method, bags, y, NetworkSettings(**changes), seed=4)


def test_perceptrons_are_their_definition():
    bags, head = fitted("mlp", np.random.default_rng(5), DIM, steps=5)
    z = (bags.embeddings - head["centre"]) * head["precision"]
    each = [
        functional.gelu(torch.from_numpy(z @ inner.T + edge)).numpy() @ outer + bias
        for inner, edge, outer, bias in zip(*(head[k] for k in ("inner", "inner_bias", "outer", "bias")), strict=True)
    ]
    predicted = predict(head, bags, HeadSettings(method="mlp"))
    np.testing.assert_allclose(predicted, np.mean(each, axis=0), rtol=1e-4)
    assert np.ptp(predicted) > 0.1


def test_attention_is_its_definition_and_segments_without_tokens_are_as_the_mean():
    bags, head = fitted("attention", np.random.default_rng(6), SEGMENTS, DIM, steps=30)
    bags.embeddings[:5, 2] = 0
    z = (bags.embeddings - head["centre"]) * head["precision"]
    z[:5, 2] = 0
    each = []
    for query, place, value, bias in zip(*(head[k] for k in ("query", "place", "value", "bias")), strict=True):
        weights = np.exp(z @ query / np.sqrt(DIM) + place)
        each.append(((weights / weights.sum(axis=1, keepdims=True)) * (z @ value)).sum(axis=1) + bias)
    predicted = predict(head, bags, HeadSettings(method="attention"))
    np.testing.assert_allclose(predicted, np.mean(each, axis=0), rtol=1e-4)
    assert np.ptp(predicted) > 0.1


@pytest.mark.parametrize(("method", "shape"), [("mlp", (DIM,)), ("attention", (SEGMENTS, DIM))])
def test_a_seed_gives_the_same_head_again(method, shape):
    once, again = (fitted(method, np.random.default_rng(7), *shape, steps=20)[1] for _ in range(2))
    assert all(np.array_equal(once[name], again[name]) for name in once)


def test_each_network_stops_by_rows_that_it_did_not_see():
    """Where a row tells nothing of others, any step makes what was left out worse: the mean stays."""
    rng = np.random.default_rng(8)
    bags = singles(rng, 200)
    head = fit_networks("mlp", bags, rng.normal(size=ROWS), NetworkSettings(), seed=0)
    predicted = predict(head, bags, HeadSettings(method="mlp"))
    assert predicted.std() < 0.3


def test_what_does_not_vary_and_constant_expression_are_no_trouble():
    bags = singles(np.random.default_rng(9), DIM)
    bags.embeddings[:, 3] = 7
    head = fit_networks("mlp", bags, np.full(ROWS, 2.5), NetworkSettings(), seed=0)
    assert head["precision"][3] == 0
    np.testing.assert_allclose(predict(head, bags, HeadSettings(method="mlp")), 2.5)


@pytest.mark.parametrize(("method", "shape"), [("mlp", (DIM,)), ("attention", (SEGMENTS, DIM))])
def test_rounding_errors_are_measured_by_each_dimensions_own_size(method, shape):
    bags = singles(np.random.default_rng(12), *shape)
    bags.embeddings[..., 0] *= 1e8
    bags.embeddings[..., 1] += 1e8  # float32 keeps no spread of 1 beside it
    head = fit_networks(method, bags, np.arange(ROWS, dtype=float), NetworkSettings(steps=1), seed=0)
    precision = head["precision"]
    assert (precision[..., 1] == 0).all() and (np.delete(precision, 1, axis=-1) > 0).all()


def test_fitting_can_be_stopped():
    told = []

    def stop(done, total, label):
        told.append((done, total))
        raise Cancelled

    bags = singles(np.random.default_rng(10), DIM)
    with pytest.raises(Cancelled):
        fit_networks("mlp", bags, np.arange(ROWS, dtype=float), NetworkSettings(), seed=0, progress=stop)
    assert told == [(0, NetworkSettings().steps)]


# -- rows of several sequences -----------------------------------------------------------------------------------------


def test_rows_are_means_of_the_sequences_they_have():
    rng = np.random.default_rng(11)
    bags = Bags(rng.normal(size=(4, 2, 3)).astype(np.float32), np.array([[0, 1], [2, -1], [3, 3], [-1, -1]]))
    each = bags.embeddings.astype(float)
    np.testing.assert_allclose(bags.means()[:3], [(each[0] + each[1]) / 2, each[2], each[3]])
    assert np.isnan(bags.means()[3]).all()
    some = bags.take(np.array([2, 1]))
    np.testing.assert_allclose(some.means(), [each[3], each[2]])
    assert len(some.embeddings) == 2
    whole = bags.take(np.array([True, False, True, False]))
    np.testing.assert_allclose(whole.means(), [(each[0] + each[1]) / 2, each[3]])
