"""The cnn family, users' own torch networks, and the training of the demo's network."""

import json
import sys
import threading
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import nn

from gexviz.errors import GexvizError
from gexviz.models import base, registry
from gexviz.models.cnn import CnnConfig, build_network
from gexviz.models.cnn_training import Training, train_cnn
from gexviz.models.onehot import one_hot
from gexviz.models.options import ModelOptions
from gexviz.models.torch_model import TorchSequenceModel
from gexviz.models.words import leading_words, number_words, spell_words

CONFIG = {
    "format": "gexviz-cnn-1",
    "window": 60,
    "anchor": 40,
    "blocks": [{"channels": 6, "width": 5, "pool": 3}, {"channels": 5, "width": 3, "dilation": 2, "pool": 2}],
    "hidden": [7],
    "scale": "log2(TPM + 1)",
}


def random_dna(rng, n, length):
    return rng.choice(np.frombuffer(b"ACGT", dtype=np.uint8), size=(n, length))


@pytest.fixture
def files(tmp_path):
    """A configuration and weights that belong together."""
    torch.manual_seed(3)
    network = build_network(CnnConfig(**CONFIG))
    config, weights = tmp_path / "cnn.json", tmp_path / "cnn.safetensors"
    config.write_text(json.dumps(CONFIG))
    save_file(network.state_dict(), weights)
    return config, weights


def opened(files):
    return registry.open_model("mine", "cnn", {"config": files[0], "weights": files[1]})


def by_hand(weights, onehot):
    """The forward of CONFIG in numpy: an oracle that shares no code with torch."""

    def convolve(x, w, b, dilation):
        reach = (w.shape[2] - 1) // 2 * dilation
        padded = np.pad(x, ((0, 0), (0, 0), (reach, reach)))
        taps = [padded[:, :, k * dilation : k * dilation + x.shape[2]] for k in range(w.shape[2])]
        return sum(np.einsum("bcl,oc->bol", tap, w[:, :, k]) for k, tap in enumerate(taps)) + b[:, None]

    def pool(x, size):
        n = x.shape[2] // size
        return x[:, :, : n * size].reshape(*x.shape[:2], n, size).max(axis=3)

    w = {name: tensor.numpy().astype(float) for name, tensor in weights.items()}
    x = pool(np.maximum(convolve(onehot, w["conv1.weight"], w["conv1.bias"], 1), 0), 3)
    x = pool(np.maximum(convolve(x, w["conv2.weight"], w["conv2.bias"], 2), 0), 2)
    x = np.maximum(x.reshape(len(x), -1) @ w["linear1.weight"].T + w["linear1.bias"], 0)
    return (x @ w["output.weight"].T + w["output.bias"])[:, 0]


def test_forward_equals_the_formula(files):
    rng = np.random.default_rng(0)
    onehot = one_hot(random_dna(rng, 150, 60))  # more than one batch
    model = opened(files)
    assert np.allclose(model.predict_sequences(onehot), by_hand(load_file(files[1]), onehot), atol=1e-5)
    assert model.predict_sequences(onehot[:0]).shape == (0,)


def test_spec_and_capabilities(files):
    model = opened(files)
    assert isinstance(model, base.PredictsSequences) and isinstance(model, base.Differentiable)
    assert (model.spec.window, model.spec.anchor, model.spec.strand) == (60, 40, "gene_strand")
    assert model.spec.name == "mine" and model.spec.scale == "log2(TPM + 1)"
    assert model.unavailable(base.GeneLocus("g", "g", "1", 5, "+", 5, 10)) is None


def test_gradients_flow_and_relus_are_not_shared(files):
    network = opened(files).network()
    relus = [m for m in network.modules() if isinstance(m, nn.ReLU)]
    assert len(relus) == 3 and len({id(m) for m in relus}) == 3
    assert not network.training
    inputs = torch.from_numpy(one_hot(random_dna(np.random.default_rng(1), 2, 60))).requires_grad_()
    network(inputs).sum().backward()
    assert inputs.grad is not None and inputs.grad.abs().sum() > 0


def test_mean_readout_does_not_see_position():
    config = CnnConfig(**CONFIG | {"blocks": [{"channels": 3, "width": 1}], "readout": "mean"})
    torch.manual_seed(0)
    network = build_network(config).eval()
    dna = random_dna(np.random.default_rng(2), 1, 60)
    both = torch.from_numpy(one_hot(np.concatenate([dna, dna[:, ::-1]])))
    first, second = network(both).tolist()
    assert first == pytest.approx(second, abs=1e-5)


def test_predictions_from_many_threads_are_the_same(files):
    model = opened(files)
    onehot = one_hot(random_dna(np.random.default_rng(4), 80, 60))
    expected, found = model.predict_sequences(onehot), []
    threads = [threading.Thread(target=lambda: found.append(model.predict_sequences(onehot))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6 and all(np.array_equal(values, expected) for values in found)


def test_fingerprint_follows_the_content(files):
    before = opened(files).fingerprint()
    assert before == opened(files).fingerprint()
    tensors = load_file(files[1])
    tensors["output.bias"] = tensors["output.bias"] + 1e-6
    save_file(tensors, files[1])
    after = opened(files).fingerprint()
    assert after["network"] != before["network"] and after["spec"] == before["spec"]
    files[0].write_text(json.dumps(CONFIG | {"anchor": 39}))
    assert opened(files).fingerprint()["spec"] != before["spec"]


def error_of(files):
    with pytest.raises(GexvizError) as caught:
        opened(files)
    return caught.value


@pytest.mark.parametrize(
    ("change", "place", "says"),
    [
        ({"windw": 60}, "windw", "Extra inputs"),
        ({"window": "long"}, "window", "integer"),
        ({"anchor": 60}, None, "outside the window"),
        ({"blocks": [{"channels": 2, "width": 4}]}, None, "even"),
        ({"blocks": [{"channels": 2, "width": 3, "pool": 61}]}, None, "pooled to nothing"),
        ({"blocks": [{"channels": 0, "width": 3}]}, "blocks.0.channels", "greater"),
        ({"format": "keras"}, "format", "gexviz-cnn-1"),
    ],
)
def test_wrong_configuration_names_the_file_and_key(files, change, place, says):
    files[0].write_text(json.dumps(CONFIG | change))
    error = error_of(files)
    assert error.file == str(files[0]) and error.place == place and says in error.problem


def test_configuration_that_is_not_json(files):
    files[0].write_text("window = 60")
    assert "JSON" in error_of(files).problem


def test_weights_of_another_shape_name_the_tensor(files):
    files[0].write_text(json.dumps(CONFIG | {"hidden": [8]}))
    error = error_of(files)
    assert error.file == str(files[1])
    assert "linear1.bias" in error.place and "(7,)" in error.place and error.expected == "(8,)"


def test_missing_and_unknown_tensors(files):
    tensors = load_file(files[1])
    save_file({name: t for name, t in tensors.items() if name != "conv2.weight"}, files[1])
    assert error_of(files).place == "tensor conv2.weight: missing"
    save_file(tensors | {"zeta": torch.zeros(2)}, files[1])
    assert error_of(files).expected == "no such tensor"


def test_weights_that_are_nan_or_no_safetensors(files):
    tensors = load_file(files[1])
    save_file(tensors | {"output.bias": torch.tensor([float("nan")])}, files[1])
    assert error_of(files).place == "tensor output.bias"
    files[1].write_bytes(b"not safetensors at all")
    error = error_of(files)
    assert error.file == str(files[1]) and error.expected == "a safetensors file"


def test_missing_weights_file(files):
    files[1].unlink()
    assert "weights" in str(error_of(files))


# -- users' own networks ---------------------------------------------------------------------------------------------


class GcContent(nn.Module):
    """Share of G and C: a network whose output anyone can work out."""

    def forward(self, onehot):
        return onehot[:, 1:3].sum(dim=(1, 2)) / onehot.shape[2]


def own_spec(name="gc", **changes):
    settings = {
        "family": "gc",
        "input": "sequence",
        "scale": "share",
        "haplotypes": "output_mean",
        "window": 20,
        "anchor": 10,
    }
    return base.ModelSpec(name=name, **settings | changes)


class GcOptions(ModelOptions):
    window: int = 20


def test_own_network_through_the_registry(monkeypatch):
    monkeypatch.setattr(registry, "_registered", {})

    def open_model(name, options):
        return TorchSequenceModel(own_spec(name, window=options.window), GcContent())

    registry.register_family("gc", open_model, GcOptions)
    model = registry.open_model("my_gc", "gc", {"window": 30})
    dna = random_dna(np.random.default_rng(5), 100, 30)
    share = np.isin(dna, np.frombuffer(b"GC", dtype=np.uint8)).mean(axis=1)
    assert np.allclose(model.predict_sequences(one_hot(dna)), share, atol=1e-6)
    assert model.spec.name == "my_gc"
    assert isinstance(model, base.Differentiable)


def test_own_network_that_breaks_the_contract():
    two = nn.Sequential(nn.Flatten(), nn.Linear(80, 2))
    onehot = one_hot(random_dna(np.random.default_rng(6), 3, 20))
    with pytest.raises(GexvizError, match=r"\(3, 2\) for 3 sequences"):
        TorchSequenceModel(own_spec(), two).predict_sequences(onehot)

    class Nan(nn.Module):
        def forward(self, onehot):
            return onehot.sum(dim=(1, 2)) * float("nan")

    with pytest.raises(GexvizError, match="not finite"):
        TorchSequenceModel(own_spec(), Nan()).predict_sequences(onehot)
    with pytest.raises(ValueError, match="takes"):
        TorchSequenceModel(own_spec(window=21), GcContent()).predict_sequences(onehot)
    with pytest.raises(ValueError, match="input='sequence'"):
        TorchSequenceModel(own_spec(input="dosage"), GcContent())


def test_dropout_is_off():
    network = nn.Sequential(nn.Dropout(0.9), GcContent()).train()
    model = TorchSequenceModel(own_spec(), network)
    onehot = one_hot(random_dna(np.random.default_rng(7), 5, 20))
    assert np.array_equal(model.predict_sequences(onehot), model.predict_sequences(onehot))


# -- words and training ----------------------------------------------------------------------------------------------


@given(st.text("ACGT", min_size=6, max_size=40), st.integers(1, 6))
@settings(deadline=None, max_examples=50)
def test_words_are_spelled_as_they_stand(text, length):
    dna = np.frombuffer(text.encode(), dtype=np.uint8)[None]
    words, known = number_words(dna, length)
    spelled = ["".join("ACGT"[c] for c in row) for row in spell_words(words[0], length)]
    assert spelled == [text[i : i + length] for i in range(len(text) - length + 1)]
    assert known.all()


def test_words_with_n_are_not_known():
    _, known = number_words(np.frombuffer(b"ACGTNACGT", dtype=np.uint8)[None], 3)
    assert known[0].tolist() == [True, True, False, False, False, True, True]


def planted(rng, n, words):
    """Sequences with planted words and the number that they make."""
    dna = random_dna(rng, n, 120)
    values = np.zeros(n)
    for word, effect in words.items():
        for row in np.flatnonzero(rng.random(n) < 0.5):
            start = rng.integers(0, 120 - len(word))
            dna[row, start : start + len(word)] = np.frombuffer(word.encode(), dtype=np.uint8)
            values[row] += effect
    return dna, values


def test_leading_words_finds_what_was_planted():
    dna, values = planted(np.random.default_rng(8), 1500, {"GATTACAG": 2.0, "CCGTAAGT": -1.0})
    values += np.random.default_rng(9).normal(0, 0.5, len(values))
    found = ["".join("ACGT"[c] for c in word) for word in leading_words(dna, values, 2)]
    assert found[0] in ("GATTACAG", "CTGTAATC")
    assert found[1] in ("CCGTAAGT", "ACTTACGG")


def test_training_learns_and_is_the_same_again():
    config = CnnConfig(
        format="gexviz-cnn-1",
        window=120,
        anchor=60,
        blocks=[{"channels": 8, "width": 9, "pool": 10}],
        hidden=[8],
        scale="x",
    )
    dna, values = planted(np.random.default_rng(10), 1700, {"GATTACAG": 2.0, "CCGTAAGT": -1.0})
    how = Training(epochs=6, learning_rate=1e-2, words=3, seed=5)
    told = []
    network = train_cnn(
        config, dna[:1200], values[:1200], how, progress=lambda done, total, label: told.append((done, total))
    )
    with torch.inference_mode():
        predicted = network(torch.from_numpy(one_hot(dna[1200:]))).numpy()
    assert np.corrcoef(predicted, values[1200:])[0, 1] > 0.8
    assert abs(predicted.mean() - values[1200:].mean()) < 0.3  # on the targets' scale
    assert told[-1] == (6, 6)
    again = train_cnn(config, dna[:1200], values[:1200], how)
    assert all(
        torch.equal(a, b) for a, b in zip(network.state_dict().values(), again.state_dict().values(), strict=True)
    )


def test_the_documented_lines_work(monkeypatch, tmp_path):
    """The code of docs/own-model.md, as it stands there."""
    text = (Path(__file__).parents[1] / "docs" / "own-model.md").read_text()
    code = text.split("```python\n")[1].split("```")[0]

    class PromoterNet(nn.Sequential):
        def __init__(self):
            super().__init__(nn.Flatten(), nn.Linear(8000, 1), nn.Flatten(0))

    module = types.ModuleType("my_lab.networks")
    module.PromoterNet = PromoterNet
    monkeypatch.setitem(sys.modules, "my_lab", types.ModuleType("my_lab"))
    monkeypatch.setitem(sys.modules, "my_lab.networks", module)
    monkeypatch.setattr(registry, "_registered", {})
    network = PromoterNet()
    torch.save(network.state_dict(), tmp_path / "promoter_net.pt")
    names = {}
    exec(compile(code, "own-model.md", "exec"), names)
    model = registry.open_model("mine", "promoter_net", {"weights": tmp_path / "promoter_net.pt"})
    onehot = one_hot(random_dna(np.random.default_rng(11), 3, 2000))
    with torch.inference_mode():
        assert np.allclose(model.predict_sequences(onehot), network(torch.from_numpy(onehot)).numpy(), atol=1e-6)
    assert model.spec.strand == "gene_strand" and model.spec.anchor == 1500
