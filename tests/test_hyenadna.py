"""HyenaDNA: its layers against the definition, what each base knows, gradients, names of parameters, wrong files."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from character_files import HYENA_CONFIG, LONGEST, hyena_tensors, hyenadna, write_folder
from torch.nn import functional

from gexviz.errors import GexvizError
from gexviz.models import hyena_network
from gexviz.models.base import Differentiable
from gexviz.models.hyena_network import HyenaConfig, build_backbone
from gexviz.models.onehot import one_hot
from gexviz.models.registry import open_model


def texts(seed, count=4, length=120):
    rng = np.random.default_rng(seed)
    return ["".join(rng.choice(list("ACGTN"), length, p=[0.24] * 4 + [0.04])) for _ in range(count)]


def encoded(sequences):
    return one_hot(np.array([list(text.encode()) for text in sequences], np.uint8))


def by_definition(sequence, tensors):
    """The last layer of one sequence, (length, width), float64; each base sums over all before it."""
    known = {name.removeprefix("hyena.backbone."): values.double() for name, values in tensors.items()}
    x = known["embeddings.word_embeddings.weight"][["ACGTN".index(letter) + 7 for letter in sequence]]
    length, width = x.shape
    for i in range(HYENA_CONFIG["n_layer"]):
        own = {k.removeprefix(f"layers.{i}."): v for k, v in known.items() if k.startswith(f"layers.{i}.")}
        y = _dense(_normed(x, own, "norm1"), own, "mixer.in_proj")
        taps = own["mixer.short_filter.weight"][:, 0]
        y = sum(_later(y, 2 - tap) * taps[:, tap] for tap in range(3)) + own["mixer.short_filter.bias"]
        x0, x1, v = y[:, :width], y[:, width : 2 * width], y[:, 2 * width :]
        v, filters = v * x1, _filters(own, length)
        convolved = torch.stack([sum(filters[t - s] * v[s] for s in range(t + 1)) for t in range(length)])
        x = x + _dense((convolved + own["mixer.filter_fn.bias"] * v) * x0, own, "mixer.out_proj")
        hidden = functional.gelu(_dense(_normed(x, own, "norm2"), own, "mlp.fc1"), approximate="tanh")
        x = x + _dense(hidden, own, "mlp.fc2")
    return _normed(x, known, "ln_f").numpy()


def _filters(own, length):
    part = "mixer.filter_fn"
    h, frequency = own[f"{part}.pos_emb.z"][0, :length], own[f"{part}.implicit_filter.1.freq"]
    for layer in (0, 2, 4):
        h = torch.sin(frequency * _dense(h, own, f"{part}.implicit_filter.{layer}"))
    decay = torch.exp(-own[f"{part}.pos_emb.t"][0, :length] * own[f"{part}.modulation.deltas"][0].abs())
    return h @ own[f"{part}.implicit_filter.6.weight"].T * (decay + 0.05)


def _later(x, by):
    return torch.cat([torch.zeros_like(x[:by]), x[: len(x) - by]])


def _dense(x, tensors, name):
    return x @ tensors[f"{name}.weight"].T + tensors[f"{name}.bias"]


def _normed(x, tensors, name):
    return functional.layer_norm(x, x.shape[-1:], tensors[f"{name}.weight"], tensors[f"{name}.bias"])


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("hyenadna"), HYENA_CONFIG, hyena_tensors(3))


def test_embeddings_are_means_of_the_last_layer(weights):
    model = open_model("hyena", "hyenadna", {"weights": weights, "window": 120, "strand": "none"})
    sequences, tensors = texts(0), hyena_tensors(3)
    expected = np.stack([by_definition(text, tensors).mean(axis=0) for text in sequences])
    np.testing.assert_allclose(model.embed(encoded(sequences)), expected, atol=1e-4)
    assert np.ptp(expected, axis=0).max() > 0.05


def test_a_convolution_in_parts_is_the_same(weights, monkeypatch):
    model = open_model("hyena", "hyenadna", {"weights": weights, "window": 120})
    x = encoded(texts(1))
    whole = model.embed(x)
    monkeypatch.setattr(hyena_network, "_MOST_AT_ONCE", 120 * 5)
    np.testing.assert_allclose(model.embed(x), whole, atol=1e-6)


def test_a_base_knows_those_before_it_only(weights):
    model = open_model("hyena", "hyenadna", {"weights": weights, "window": 120})
    x = torch.from_numpy(encoded(texts(2, count=1))).requires_grad_()
    last_layer = model.embedder.network[:-1](x)
    (gradient,) = torch.autograd.grad(last_layer[0, :, 70].sum(), x)
    reached = gradient.abs().amax(dim=(0, 1)) > 1e-6
    assert reached[:71].all() and not reached[71:].any()


def test_files_of_torch_save_name_a_shared_tensor_each_time(weights, tmp_path):
    tensors = hyena_tensors(3)
    for name in [name for name in tensors if name.endswith("filter.1.freq")]:
        tensors |= {name.replace("filter.1.", f"filter.{place}."): tensors[name] for place in (3, 5)}
    (tmp_path / "config.json").write_text(json.dumps(HYENA_CONFIG))
    torch.save(tensors, tmp_path / "pytorch_model.bin")
    keys = {"window": 120, "strand": "none"}
    one = open_model("hyena", "hyenadna", keys | {"weights": weights})
    other = open_model("hyena", "hyenadna", keys | {"weights": tmp_path / "pytorch_model.bin"})
    assert one.fingerprint() == other.fingerprint()


def test_tensors_of_the_published_size_are_called_as_in_its_files():
    """Those of ``LongSafari/hyenadna-tiny-1k-seqlen-hf``, as its code makes them."""
    config = HYENA_CONFIG | {"d_model": 128, "d_inner": 512, "max_seq_len": 1_026, "filter_order": 64}
    there = {name.removeprefix("hyena.backbone."): v.shape for name, v in hyena_tensors(0, config).items()}
    ours = {name: v.shape for name, v in build_backbone(HyenaConfig(**config)).state_dict().items()}
    shared = {name for name in ours if name.endswith(("filter.3.freq", "filter.5.freq"))}
    assert {name: shape for name, shape in ours.items() if name not in shared} == {
        name: shape for name, shape in there.items() if not name.startswith("lm_head")
    }


def test_the_network_is_what_predicts(tmp_path):
    keys = hyenadna(tmp_path, 0)
    paths = {key: tmp_path / keys[key] for key in ("weights", "head")}
    model = open_model("hyena", "hyenadna", paths | {"window": 240})
    assert isinstance(model, Differentiable)
    x = encoded(texts(2, length=240))
    np.testing.assert_allclose(model.network()(torch.from_numpy(x)).numpy(), model.predict_sequences(x), atol=1e-4)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"model_type": "hyena"}, "model_type"),
        ({"hyena_order": 3}, "hyena_order"),
        ({"n_layer": 3}, r"layers\.2\..*: missing"),
        ({"n_layer": 1}, r"layers\.1\."),
        ({"max_seq_len": 500}, r"pos_emb\.\w: \(1, 322"),
        ({"vocab_size": 17}, r"word_embeddings\.weight: \(16, 16\)"),
    ],
)
def test_other_files_are_refused_by_name(tmp_path, change, told):
    weights = write_folder(tmp_path, HYENA_CONFIG | change, hyena_tensors(0))
    with pytest.raises(GexvizError, match=told):
        open_model("hyena", "hyenadna", {"weights": weights, "window": 240})


def test_a_window_longer_than_the_filters_is_refused(weights):
    with pytest.raises(GexvizError, match="longer than the network's filters"):
        open_model("hyena", "hyenadna", {"weights": weights, "window": LONGEST + 1})
