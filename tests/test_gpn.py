"""GPN: its layers against the definition, what is averaged, gradients, wrong files."""

from __future__ import annotations

import json

import language_files
import numpy as np
import pytest
import torch
from language_files import GPN_LETTERS, gpn_tensors, write_gpn
from torch.nn import functional

from gexviz.errors import GexvizError
from gexviz.models import gpn
from gexviz.models.base import Differentiable
from gexviz.models.language.files import fill_from
from gexviz.models.onehot import one_hot, reverse_complement_one_hot
from gexviz.models.registry import open_model

DILATIONS = [1, 2, 4, 1]  # doubled at each layer, begun anew after three


def texts(seed, count=6, length=120):
    rng = np.random.default_rng(seed)
    return ["".join(rng.choice(list("ACGTN"), length, p=[0.24] * 4 + [0.04])) for _ in range(count)]


def encoded(sequences):
    return one_hot(np.array([list(text.encode()) for text in sequences], np.uint8))


def by_definition(sequence, tensors):
    """The last layer of one sequence, (length, dim), float64; written from the authors' description of a layer."""
    width = language_files.DIM
    ids = [GPN_LETTERS.get(letter.lower(), GPN_LETTERS["[UNK]"]) for letter in sequence]
    x = torch.eye(width, dtype=torch.float64)[ids]
    for layer, dilation in enumerate(DILATIONS):
        own = {k.removeprefix(f"model.encoder.{layer}."): v.double() for k, v in tensors.items()}
        y = torch.zeros_like(x)
        for tap in range(9):
            shift = (tap - 4) * dilation
            moved = torch.zeros_like(x)
            if shift >= 0:
                moved[: len(x) - shift] = x[shift:]
            else:
                moved[-shift:] = x[:shift]
            y += moved @ own["conv.1.weight"][:, :, tap].T
        y = functional.gelu(y + own["conv.1.bias"])
        x = x + _normed(y, own["conv.4.weight"], own["conv.4.bias"])
        y = functional.gelu(x @ own["ffn.0.weight"].T + own["ffn.0.bias"])
        x = x + _normed(y, own["ffn.2.weight"], own["ffn.2.bias"])
    return x.numpy()


def _normed(y, weight, bias):
    centred = y - y.mean(dim=1, keepdim=True)
    return centred / torch.sqrt(centred.square().mean(dim=1, keepdim=True) + 1e-5) * weight + bias


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return write_gpn(tmp_path_factory.mktemp("gpn"), 3)


@pytest.mark.parametrize(("pool", "bases"), [("mean", slice(0, 120)), ("centre", slice(50, 70))])
def test_embeddings_are_means_of_the_last_layer(weights, pool, bases):
    options = {"weights": weights, "window": 120, "centre": 20, "pool": pool, "strand": "none"}
    model = open_model("gpn", "gpn", options)
    sequences, tensors = texts(0), gpn_tensors(3)
    expected = np.stack([by_definition(text, tensors)[bases].mean(axis=0) for text in sequences])
    np.testing.assert_allclose(model.embed(encoded(sequences)), expected, atol=1e-4)
    assert np.ptp(expected, axis=0).min() > 0.01


def test_both_strands_are_averaged_as_its_authors_do(weights):
    keys = {"weights": weights, "window": 120, "centre": 20}
    both, one = open_model("gpn", "gpn", keys), open_model("gpn", "gpn", keys | {"strand": "none"})
    x = encoded(texts(1))
    expected = (one.embed(x) + one.embed(reverse_complement_one_hot(x))) / 2
    np.testing.assert_allclose(both.embed(x), expected, atol=1e-5)


def test_the_network_is_what_predicts(tmp_path):
    keys = language_files.gpn(tmp_path, 0)
    paths = {key: tmp_path / keys[key] for key in ("weights", "head")}
    model = open_model("gpn", "gpn", paths | {"window": 240})
    assert isinstance(model, Differentiable)
    x = encoded(texts(2, length=240))
    np.testing.assert_allclose(model.network()(torch.from_numpy(x)).numpy(), model.predict_sequences(x), atol=1e-4)


def test_without_a_head_there_is_no_network(weights):
    with pytest.raises(GexvizError, match="has no head"):
        open_model("gpn", "gpn", {"weights": weights}).network()


@pytest.mark.parametrize(
    ("file", "change", "told"),
    [
        ("config.json", {"model_type": "GPNRoFormer"}, "model_type"),
        ("config.json", {"n_aux_features": 5}, "n_aux_features"),
        ("config.json", {"n_layers": 5}, r"model\.encoder\.4\.conv\.1\.weight: missing"),
        ("config.json", {"n_layers": 3}, r"model\.encoder\.3"),
        ("config.json", {"vocab_size": 5}, "letters go up to 6"),
        ("tokenizer.json", {"model": {"vocab": {"a": 3, "c": 4, "g": 5, "t": 6}}}, "UNK"),
        ("tokenizer.json", {"model": {"vocab": GPN_LETTERS | {"t": 5}}}, "numbers of their own"),
        ("tokenizer.json", {"model": []}, "can't read the letters"),
    ],
)
def test_other_files_are_refused_by_name(tmp_path, file, change, told):
    weights = write_gpn(tmp_path, 0)
    path = tmp_path / file
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(GexvizError, match=told):
        open_model("gpn", "gpn", {"weights": weights})


def test_a_configuration_takes_no_memory_before_the_file_is_known_to_be_of_it(weights, monkeypatch):
    seen = []

    def fill(network, *args):
        seen.extend(parameter.device.type for parameter in network.parameters())
        fill_from(network, *args)

    monkeypatch.setattr(gpn, "fill_from", fill)
    open_model("gpn", "gpn", {"weights": weights})
    assert set(seen) == {"meta"}


def test_a_centre_beyond_the_window_is_refused(weights):
    with pytest.raises(GexvizError, match="don't go together"):
        open_model("gpn", "gpn", {"weights": weights, "window": 80})
