"""Caduceus: its layers against the definition, both strands alike, gradients, names of parameters, wrong files."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from character_files import CADUCEUS_CONFIG, caduceus, caduceus_tensors, write_folder
from test_hyenadna import encoded, texts
from torch.nn import functional

from gexviz.errors import GexvizError
from gexviz.models.base import Differentiable
from gexviz.models.caduceus_network import CaduceusConfig, build_backbone
from gexviz.models.onehot import reverse_complement_one_hot
from gexviz.models.registry import open_model

KINDS = {True: "ps", False: "ph"}
CONFIGS = {both: CADUCEUS_CONFIG | {"rcps": both} for both in KINDS}
LENGTH = 60


def by_definition(sequence, tensors, config):
    """The last layer of one sequence, float64 (length, width), or (length, 2 width) for both strands."""
    known = {name.removeprefix("caduceus.backbone."): values.double() for name, values in tensors.items()}
    ids = torch.tensor(["ACGTN".index(letter) + 7 for letter in sequence])
    if not config["rcps"]:
        x = known["embeddings.word_embeddings.weight"][ids]
        for i in range(config["n_layer"]):
            own = _under(known, f"layers.{i}.")
            x = x + _both_directions(_normed(x, own["norm.weight"]), _under(own, "mixer."))
        return _normed(x, known["norm_f.weight"])
    width = config["d_model"]
    complement = torch.tensor([config["complement_map"][str(int(token))] for token in ids])
    table = known["embeddings.word_embeddings.embedding.weight"]
    x = torch.cat([table[ids], table[complement].flip(1)], dim=1)
    for i in range(config["n_layer"]):
        own = _under(known, f"layers.{i}.")
        first, second = x[:, width:], x[:, :width].flip(0, 1)  # the authors' halves change places
        mixer = _under(own, "mixer.submodule.")
        first, second = (y + _both_directions(_normed(y, own["norm.weight"]), mixer) for y in (first, second))
        x = torch.cat([first, second.flip(0, 1)], dim=1)
    last = known["norm_f.weight"]
    return torch.cat([_normed(x[:, :width], last), _normed(x[:, width:].flip(0, 1), last).flip(0, 1)], dim=1)


def _both_directions(x, mixer):
    shared = _under(mixer, "mamba_fwd.")
    back = _mamba(x.flip(0), _under(mixer, "mamba_rev."), shared).flip(0)
    return _mamba(x, shared, shared) + back


def _mamba(x, own, shared):
    x, gate = (x @ shared["in_proj.weight"].T).chunk(2, dim=1)
    taps, length = own["conv1d.weight"][:, 0], len(x)
    before = torch.cat([torch.zeros(taps.shape[1] - 1, x.shape[1], dtype=x.dtype), x])
    x = sum(before[tap : tap + length] * taps[:, tap] for tap in range(taps.shape[1])) + own["conv1d.bias"]
    x = functional.silu(x)
    a = -torch.exp(own["A_log"])
    rank, states = own["dt_proj.weight"].shape[1], a.shape[1]
    duration, b, c = (x @ own["x_proj.weight"].T).split([rank, states, states], dim=1)
    delta = functional.softplus(duration @ own["dt_proj.weight"].T + own["dt_proj.bias"])
    state, read = torch.zeros_like(a), []
    for t in range(length):
        state = torch.exp(delta[t, :, None] * a) * state + (delta[t] * x[t])[:, None] * b[t]
        read.append(state @ c[t])
    y = (torch.stack(read) + own["D"] * x) * functional.silu(gate)
    return y @ shared["out_proj.weight"].T


def _normed(x, weight):
    return x / torch.sqrt(x.square().mean(dim=1, keepdim=True) + 1e-5) * weight


def _under(tensors, prefix):
    return {name.removeprefix(prefix): values for name, values in tensors.items() if name.startswith(prefix)}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("caduceus")
    return {both: write_folder(folder / KINDS[both], one, caduceus_tensors(3, one)) for both, one in CONFIGS.items()}


def opened(weights, **keys):
    return open_model("caduceus", "caduceus", {"weights": weights, "window": LENGTH, "strand": "none", **keys})


@pytest.mark.parametrize("pool", ["mean", "centre"])
@pytest.mark.parametrize("both", KINDS, ids=KINDS.values())
def test_embeddings_are_means_of_the_last_layer(weights, both, pool):
    model = opened(weights[both], pool=pool, centre=20)
    sequences, tensors = texts(0, length=LENGTH), caduceus_tensors(3, CONFIGS[both])
    expected = torch.stack([by_definition(text, tensors, CONFIGS[both]) for text in sequences])
    if both:
        one, other = expected.chunk(2, dim=2)
        expected = (one + other.flip(2)) / 2
    expected = expected.numpy()[:, slice(0, LENGTH) if pool == "mean" else slice(20, 40)].mean(axis=1)
    np.testing.assert_allclose(model.embed(encoded(sequences)), expected, atol=1e-4)
    assert np.ptp(expected, axis=0).max() > 0.05


def test_the_reverse_complement_has_the_same_last_layer_turned_around(weights):
    """Of the kind that reads both strands; the other kind is not like that."""
    x = torch.from_numpy(encoded(texts(1, length=LENGTH)))
    for both in KINDS:
        network = opened(weights[both]).embedder.network[:-1]
        one, other = network(x), network(x.flip(1, 2)).flip(2)
        assert torch.allclose(one, other, atol=1e-5) == both


@pytest.mark.parametrize("pool", ["mean", "centre"])
def test_a_network_of_both_strands_has_one_prediction_for_both(weights, pool):
    model = opened(weights[True], strand="rc_mean", pool=pool, centre=20)
    assert model.spec.strand == "equivariant"
    x = encoded(texts(2, length=LENGTH))
    np.testing.assert_allclose(model.embed(x), model.embed(reverse_complement_one_hot(x)), atol=1e-5)
    assert opened(weights[True], strand="gene_strand").spec.strand == "gene_strand"


def test_the_other_kind_is_averaged_over_both_strands(weights):
    model, one = opened(weights[False], strand="rc_mean"), opened(weights[False])
    x = encoded(texts(3, length=LENGTH))
    expected = (one.embed(x) + one.embed(reverse_complement_one_hot(x))) / 2
    np.testing.assert_allclose(model.embed(x), expected, atol=1e-5)


@pytest.mark.parametrize("both", KINDS, ids=KINDS.values())
def test_files_of_torch_save_name_a_shared_tensor_each_time(weights, tmp_path, both):
    tensors = caduceus_tensors(3, CONFIGS[both])
    shared = [name for name in tensors if name.endswith(("in_proj.weight", "out_proj.weight"))]
    tensors |= {name.replace("_fwd", "_rev"): tensors[name] for name in shared}
    folder = write_folder(tmp_path, CONFIGS[both], {}).parent
    torch.save(tensors, folder / "pytorch_model.bin")
    assert opened(folder / "pytorch_model.bin").fingerprint() == opened(weights[both]).fingerprint()


@pytest.mark.parametrize("both", KINDS, ids=KINDS.values())
def test_tensors_of_the_published_size_are_called_as_in_its_files(both):
    """Those of ``caduceus-ps_seqlen-131k_d_model-256_n_layer-16`` and its ``-ph``, as their code makes them."""
    ssm = CADUCEUS_CONFIG["ssm_cfg"] | {"d_state": 16}
    config = CONFIGS[both] | {"d_model": 256, "n_layer": 16, "ssm_cfg": ssm}
    network = build_backbone(CaduceusConfig(**config))
    assert sum(p.numel() for p in network.parameters()) == 7_725_312
    there = {k.removeprefix("caduceus.backbone."): v.shape for k, v in caduceus_tensors(0, config).items()}
    ours = {name: v.shape for name, v in network.state_dict().items()}
    unread = {name for name in there if name.startswith("lm_head") or name.endswith("complement_map")}
    shared = {name for name in ours if name.endswith(("mamba_rev.in_proj.weight", "mamba_rev.out_proj.weight"))}
    assert ours.keys() - shared == there.keys() - unread
    assert all(ours[name] == there[name] for name in ours.keys() - shared)


@pytest.mark.parametrize("both", KINDS, ids=KINDS.values())
def test_the_network_is_what_predicts(tmp_path, both):
    keys = caduceus(tmp_path, 0, both_strands=both)
    paths = {key: tmp_path / keys[key] for key in ("weights", "head")}
    model = open_model("caduceus", "caduceus", paths | {"window": 240})
    assert isinstance(model, Differentiable)
    x = encoded(texts(2, length=240))
    np.testing.assert_allclose(model.network()(torch.from_numpy(x)).numpy(), model.predict_sequences(x), atol=1e-4)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"model_type": "mamba"}, "model_type"),
        ({"rcps": False}, r"word_embeddings\.weight: missing"),
        ({"fused_add_norm": False}, "rcps without fused_add_norm"),
        ({"bidirectional_weight_tie": False}, "bidirectional_weight_tie"),
        ({"complement_map": {str(i): i for i in range(16)}}, "another vocabulary"),
        ({"d_model": 16_384, "n_layer": 40}, r"word_embeddings.*: \(16, 16\)"),
        ({"n_layer": 4}, r"layers\.3\..*: missing"),
        ({"n_layer": 2}, r"layers\.2\."),
        ({"ssm_cfg": {"d_state": 5}}, "A_log|x_proj"),
    ],
)
def test_other_files_are_refused_by_name(tmp_path, change, told):
    weights = write_folder(tmp_path, CADUCEUS_CONFIG | change, caduceus_tensors(0))
    with pytest.raises(GexvizError, match=told):
        opened(weights)


@pytest.mark.parametrize("keys", [{"window": 61}, {"pool": "centre", "centre": 62}, {"vocabulary": "vocab.txt"}])
def test_wrong_options_are_refused(weights, keys):
    with pytest.raises(GexvizError):
        opened(weights[True], **keys)
