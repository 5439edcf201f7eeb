"""Gradient attributions, against captum, tangermeme, finite differences, and what is known of linear networks."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import captum.attr
import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from tangermeme.deep_lift_shap import deep_lift_shap
from torch import nn

from gexviz.analysis.gradients import METHODS, GradientSettings, attribute
from gexviz.analysis.shuffling import dinucleotide_shuffles
from gexviz.errors import Cancelled, GexvizError
from gexviz.models.base import ModelSpec
from gexviz.models.onehot import one_hot, reverse_complement
from gexviz.models.options import XpressoOptions
from gexviz.models.torch_model import TorchSequenceModel
from gexviz.models.xpresso import open_model

CHECKPOINT = Path(
    os.environ.get("GEXVIZ_REAL_COHORT", Path(__file__).parents[2] / "shared" / "geuvadis-chr22"),
    "models",
    "xpresso-GM12878.h5",
)
COMPLETE = ("integrated_gradients", "deeplift", "deeplift_shap")
DNA = np.frombuffer(b"ACGT", dtype=np.uint8)


def model_of(network: nn.Module, length: int, strand: str = "none", n_policy: str = "zero") -> TorchSequenceModel:
    spec = ModelSpec(
        name="net",
        family="test",
        input="sequence",
        scale="u",
        haplotypes="output_mean",
        window=length,
        anchor=0,
        strand=strand,
        n_policy=n_policy,
    )
    return TorchSequenceModel(spec, network)


def random_dna(length: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).choice(DNA, length)


def tensor(sequence: np.ndarray, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.from_numpy(one_hot(np.atleast_2d(sequence))).to(dtype)


def lively(network: nn.Module, seed: int = 0) -> nn.Module:
    """Weights large enough that units switch between sequence and references; double precision."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in network.parameters():
        with torch.no_grad():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.5)
    return network.double().eval()


class Then(nn.Module):
    """A convolution, something to test, a readout."""

    def __init__(self, middle, channels: int = 6, padding: int = 1) -> None:
        super().__init__()
        self.first = nn.Conv1d(4, channels, 3, padding=padding)
        self.middle = middle
        self.last = nn.LazyLinear(5)
        self.sigmoid = nn.Sigmoid()
        self.end = nn.Linear(5, 1)

    def forward(self, x):
        y = self.middle(self.first(x))
        return self.end(self.sigmoid(self.last(y.flatten(1))))[:, 0]


def then(middle, length: int = 24, seed: int = 0) -> nn.Module:
    network = Then(middle)
    network(torch.zeros(2, 4, length))
    return lively(network, seed)


class Plain(nn.Module):
    """A function as a module."""

    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class Reused(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.relu = nn.Conv1d(6, 6, 3, padding=1), nn.ReLU()

    def forward(self, x):
        return self.relu(self.conv(self.relu(x)) + x)


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 6)

    def forward(self, x):
        x = x.transpose(1, 2)
        weights = torch.softmax(torch.einsum("bid,bjd->bij", self.q(x), self.k(x)) / 6**0.5, dim=-1)
        return weights @ self.v(x)


class Transformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(6, 2, 12, batch_first=True)

    def forward(self, x):
        return self.layer(x.transpose(1, 2))


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.GRU(6, 4, batch_first=True)

    def forward(self, x):
        return self.layer(x.transpose(1, 2))[0]


class Gated(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Linear(6, 6)

    def forward(self, x):
        return x * torch.sigmoid(self.gate(x.mean(-1)))[:, :, None]


def overwriting(x):
    y = x * 2
    y += 1
    F.relu(y, inplace=True)
    y.mul_(0.5)
    return y


EXACT = {  # every rule is exact: complete to rounding
    "reused ReLU": Reused,
    "F.relu": lambda: Plain(F.relu),
    "torch.relu": lambda: Plain(torch.relu),
    "Tensor.relu": lambda: Plain(lambda x: x.relu()),
    "ReLU in place": lambda: nn.ReLU(inplace=True),
    "ELU in place": lambda: nn.ELU(inplace=True),
    "in place": lambda: Plain(overwriting),
    "GELU": nn.GELU,
    "SiLU": nn.SiLU,
    "PReLU": nn.PReLU,
    "Softplus": nn.Softplus,
    "clamp and square": lambda: Plain(lambda x: x.clamp(-1, 1) ** 2 + x.square() + torch.exp(0.1 * x)),
    "ReLU, MaxPool": lambda: nn.Sequential(nn.ReLU(), nn.MaxPool1d(3)),
    "MaxPool, overlapping": lambda: nn.Sequential(nn.ReLU(), nn.MaxPool1d(4, 2)),
    "MaxPool, padded, ceil": lambda: nn.MaxPool1d(5, 3, padding=2, ceil_mode=True),
    "MaxPool, dilated": lambda: nn.MaxPool1d(3, 1, dilation=2),
    "torch.max_pool1d": lambda: Plain(lambda x: torch.max_pool1d(x, 3)),
    "AdaptiveMaxPool": lambda: nn.AdaptiveMaxPool1d(4),
    "MaxPool, transposed": lambda: Plain(lambda x: F.max_pool1d(x.transpose(1, 2), 2)),
    "MaxPool2d": lambda: Plain(lambda x: F.max_pool2d(x[:, None], (2, 3))),
    "BatchNorm, AvgPool": lambda: nn.Sequential(nn.BatchNorm1d(6), nn.ReLU(), nn.AvgPool1d(2)),
    "product": lambda: Plain(lambda x: x[:, :3] * x[:, 3:]),
    "gate": Gated,
    "pad, flip, roll, cat": lambda: Plain(
        lambda x: torch.cat([F.pad(x, (1, 2), mode="reflect").flip(-1)[..., :24], x.roll(3, -1)], 1).relu()
    ),
}
NEARLY = {  # integrated along the path within the layer
    "softmax": lambda: nn.Softmax(dim=-1),
    "LayerNorm": lambda: nn.LayerNorm(24),
    "attention": Attention,
    "sdpa": lambda: Plain(lambda x: F.scaled_dot_product_attention(x, x * 0.5, x)),
    "transformer": Transformer,
    "GRU": Recurrent,
    "division": lambda: Plain(lambda x: x[:, :3] / (1 + x[:, 3:].square())),
    "GLU": lambda: nn.GLU(dim=1),
}


@pytest.mark.parametrize(("name", "tolerance"), [*((n, 1e-6) for n in EXACT), *((n, 2e-3) for n in NEARLY)])
@pytest.mark.parametrize("strand", ["none", "rc_mean"])
def test_deeplift_is_complete_whatever_the_layer(name, tolerance, strand):
    network = then({**EXACT, **NEARLY}[name]())
    model, sequence = model_of(network, 24, strand), random_dna(24)
    for baseline in ("zero", "uniform", "shuffled"):
        settings = GradientSettings(baseline=baseline, n_baselines=3)
        found = attribute(model, sequence, "deeplift", settings=settings)
        strands = [sequence] if strand == "none" else [sequence, reverse_complement(sequence)]
        here = float(np.mean([network(tensor(one)) for one in strands]))
        assert found.facts["prediction"] == pytest.approx(here, abs=1e-9)
        assert abs(found.difference) > 1e-4 and not found.flagged
        assert found.delta < tolerance * max(abs(found.difference), 0.1)
        assert found.facts["largest_delta"] < 10 * tolerance
        assert found.values.sum() == pytest.approx(found.difference, abs=2 * tolerance * max(abs(found.difference), 1))


def test_a_reused_relu_is_as_two_of_them():
    reused = then(Reused())

    class Two(nn.Module):
        def __init__(self, conv):
            super().__init__()
            self.conv, self.one, self.two = conv, nn.ReLU(), nn.ReLU()

        def forward(self, x):
            return self.two(self.conv(self.one(x)) + x)

    two = copy.deepcopy(reused)
    two.middle = Two(two.middle.conv)
    sequence = random_dna(24)
    a, b = (attribute(model_of(n, 24), sequence, "deeplift_shap") for n in (reused, two))
    np.testing.assert_array_equal(a.full, b.full)
    wrapped = nn.Sequential(two, nn.Unflatten(0, (-1, 1)))
    references = tensor(dinucleotide_shuffles(sequence, 20, 0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        peer = deep_lift_shap(wrapped, tensor(sequence), references=references[None], hypothetical=True, device="cpu")
    np.testing.assert_allclose(a.full, peer[0].numpy().T, atol=1e-6)


@st.composite
def stacks(draw):
    """Networks of modules that tangermeme has rules for."""
    length, channels, layers = draw(st.integers(16, 60)), 4, []
    for _ in range(draw(st.integers(1, 3))):
        out, width = draw(st.integers(1, 8)), draw(st.sampled_from([1, 3, 5]))
        layers.append(nn.Conv1d(channels, out, width, padding=width // 2))
        kinds = [nn.ReLU, nn.ELU, nn.GELU, nn.Sigmoid, nn.Tanh, nn.Softplus, nn.Identity]
        layers.append(draw(st.sampled_from(kinds))())
        if length >= 8 and draw(st.booleans()):
            kernel = draw(st.integers(2, 4))
            stride = draw(st.integers(1, kernel))
            layers.append(nn.MaxPool1d(kernel, stride))
            length = (length - kernel) // stride + 1
        if draw(st.booleans()):
            layers.append(nn.BatchNorm1d(out))
        channels = out
    layers += [nn.Flatten(), nn.Linear(channels * length, 4), nn.ReLU(), nn.Linear(4, 1)]
    return nn.Sequential(*layers), draw(st.integers(0, 2**31))


def length_of(network: nn.Sequential) -> int:
    for length in range(16, 61):
        try:
            with torch.no_grad():
                network(torch.zeros(2, 4, length, dtype=next(network.parameters()).dtype))
        except RuntimeError:
            continue
        return length
    raise AssertionError("no length fits")


@hypothesis_settings(deadline=None, max_examples=25)
@given(stacks())
def test_deeplift_is_tangermemes(drawn):
    network = lively(drawn[0], drawn[1])
    length = length_of(network)
    sequence = random_dna(length, drawn[1])
    settings = GradientSettings(n_baselines=4, seed=drawn[1])
    found = attribute(
        model_of(nn.Sequential(network, nn.Flatten(0)), length), sequence, "deeplift_shap", settings=settings
    )
    references = tensor(dinucleotide_shuffles(sequence, 4, drawn[1]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        peer = deep_lift_shap(network, tensor(sequence), references=references[None], hypothetical=True, device="cpu")
    scale = max(1.0, float(peer.abs().max()))
    np.testing.assert_allclose(found.full, peer[0].numpy().T, atol=1e-5 * scale)
    predicted = network(tensor(sequence)) - network(references).mean()
    assert found.difference == pytest.approx(float(predicted), abs=1e-9 * scale)
    assert not found.flagged and found.delta < 1e-6 * scale


@hypothesis_settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**31), st.sampled_from(["zero", "uniform", "shuffled"]))
def test_raw_captum_where_captum_is_right(seed, baseline):
    """No two nonlinear layers follow each other here."""
    network = lively(
        nn.Sequential(nn.Conv1d(4, 6, 5, padding=2), nn.ReLU(), nn.AvgPool1d(2), nn.Flatten(), nn.Linear(120, 1)), seed
    )
    sequence = random_dna(40, seed)
    x, model = tensor(sequence), model_of(nn.Sequential(network, nn.Flatten(0)), 40)
    settings = GradientSettings(baseline=baseline, n_baselines=3, n_steps=20, batch_size=7, seed=5)
    references = {
        "zero": torch.zeros_like(x),
        "uniform": torch.full_like(x, 0.25),
        "shuffled": tensor(dinucleotide_shuffles(sequence, 3, 5)),
    }[baseline]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        deeplift = [captum.attr.DeepLift(network).attribute(x, one[None]) for one in references]
        saliency = captum.attr.Saliency(network).attribute(x.clone().requires_grad_(), abs=False)[0]
    deeplift = torch.cat(deeplift).mean(dim=0).sum(dim=0).detach().numpy()
    np.testing.assert_allclose(attribute(model, sequence, "deeplift", settings=settings).values, deeplift, atol=1e-6)
    integrated = [captum.attr.IntegratedGradients(network).attribute(x, one[None], n_steps=20) for one in references]
    integrated = torch.cat(integrated).mean(dim=0).sum(dim=0).detach().numpy()
    found = attribute(model, sequence, "integrated_gradients", settings=settings)
    np.testing.assert_allclose(found.values, integrated, atol=1e-6)
    assert found.delta == pytest.approx(abs(integrated.sum() - found.difference), abs=1e-9)
    corrected = (saliency - saliency.mean(dim=0)).numpy()
    np.testing.assert_allclose(attribute(model, sequence, "input_x_gradient").full, corrected.T, atol=1e-6)
    np.testing.assert_allclose(attribute(model, sequence, "saliency").values, abs(corrected).max(axis=0), atol=1e-6)


@hypothesis_settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**31), st.sampled_from(["none", "rc_mean"]), st.sampled_from(["GELU", "attention", "gate"]))
def test_gradients_are_finite_differences(seed, strand, name):
    network = then({**EXACT, **NEARLY}[name](), seed=seed)
    sequence = random_dna(24, seed)
    found = attribute(model_of(network, 24, strand), sequence, "input_x_gradient")
    step = 1e-5
    nudges = step * torch.eye(96, dtype=torch.float64).reshape(96, 4, 24)

    def predicted(x):
        forward = network(x)
        return (forward + network(x.flip(1, 2))) / 2 if strand == "rc_mean" else forward

    with torch.no_grad():
        slopes = (predicted(tensor(sequence) + nudges) - predicted(tensor(sequence) - nudges)) / (2 * step)
    slopes = slopes.reshape(4, 24)
    corrected = slopes - slopes.mean(dim=0)
    np.testing.assert_allclose(found.full, corrected.T, atol=1e-5)
    np.testing.assert_allclose(found.values, (tensor(sequence)[0] * corrected).sum(dim=0), atol=1e-5)
    assert np.isnan(found.difference) and np.isnan(found.delta) and not found.flagged


@pytest.mark.parametrize("strand", ["none", "rc_mean"])
@pytest.mark.parametrize("baseline", ["zero", "uniform", "shuffled"])
@pytest.mark.parametrize("method", METHODS)
def test_a_linear_network_gives_its_weights(method, baseline, strand):
    length = 30
    linear = nn.Sequential(nn.Flatten(), nn.Linear(4 * length, 1), nn.Flatten(0))
    model, sequence = model_of(lively(linear), length, strand), random_dna(length)
    weights = linear[1].weight.detach().reshape(4, length)
    if strand == "rc_mean":
        weights = (weights + weights.flip(0, 1)) / 2
    settings = GradientSettings(
        baseline="shuffled" if method == "deeplift_shap" else baseline, n_baselines=5, samples=3
    )
    found = attribute(model, sequence, method, settings=settings)
    x = tensor(sequence)[0]
    if method not in COMPLETE:
        centred = weights - weights.mean(dim=0)
        np.testing.assert_allclose(found.full, centred.T, atol=1e-6)
        expected = centred.abs().amax(dim=0) if method == "saliency" else (x * centred).sum(dim=0)
    else:
        shuffles = tensor(dinucleotide_shuffles(sequence, 5, 0)).mean(dim=0)
        reference = {"zero": 0 * x, "uniform": 0 * x + 0.25, "shuffled": shuffles}[settings.baseline]
        expected = (weights * (x - reference)).sum(dim=0)
        assert found.difference == pytest.approx(float(expected.sum()), abs=1e-6)
        assert found.delta < 1e-6 and not found.flagged
        np.testing.assert_allclose(found.full, (weights - (weights * reference).sum(dim=0)).T, atol=1e-6)
    np.testing.assert_allclose(found.values, expected, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n_policy", ["zero", "quarter"])
def test_n_gets_nothing_and_completeness_holds(method, n_policy):
    sequence = random_dna(24)
    sequence[[0, 5, 6, 23]] = np.frombuffer(b"NRnN", dtype=np.uint8)
    network = then(nn.GELU())
    for baseline in ("shuffled",) if method == "deeplift_shap" else ("zero", "uniform", "shuffled"):
        settings = GradientSettings(baseline=baseline, n_baselines=4, n_steps=100, samples=4)
        found = attribute(model_of(network, 24, n_policy=n_policy), sequence, method, settings=settings)
        assert (found.values[[0, 5, 6, 23]] == 0).all() and (found.values != 0).any()
        if method in COMPLETE:
            assert found.delta < 1e-3 * max(abs(found.difference), 0.1)


def test_integrated_gradients_are_flagged_where_steps_are_few():
    model, sequence = model_of(then(Plain(lambda x: torch.sigmoid(20 * x))), 24), random_dna(24)
    few = attribute(model, sequence, "integrated_gradients", settings=GradientSettings(baseline="zero", n_steps=2))
    many = attribute(model, sequence, "integrated_gradients", settings=GradientSettings(baseline="zero", n_steps=600))
    assert few.flagged and few.delta > 0.01 * abs(few.difference)
    assert not many.flagged and many.delta < 0.01 * abs(many.difference)


def test_what_autograd_can_not_see_is_flagged():
    model = model_of(then(Plain(lambda x: x * (x > 0))), 24)
    found = attribute(model, random_dna(24), "deeplift", settings=GradientSettings(n_baselines=3))
    assert found.flagged


def test_smoothgrad_is_the_mean_over_noise():
    network = then(nn.GELU())
    model, sequence = model_of(network, 24), random_dna(24)
    settings = GradientSettings(noise=0.3, samples=9, seed=4, batch_size=4)
    found = attribute(model, sequence, "smoothgrad", settings=settings)
    noise = np.stack([np.random.default_rng([4, i]).standard_normal((4, 24), np.float32) for i in range(9)])
    x = (tensor(sequence) + 0.3 * torch.from_numpy(noise)).requires_grad_()
    (gradient,) = torch.autograd.grad(network(x).sum(), x)
    mean = gradient.mean(dim=0)
    np.testing.assert_allclose(found.full, (mean - mean.mean(dim=0)).T, atol=1e-6)
    for size in (1, 5, 64):
        settings = GradientSettings(noise=0.3, samples=9, seed=4, batch_size=size)
        again = attribute(model, sequence, "smoothgrad", settings=settings)
        np.testing.assert_allclose(again.full, found.full, atol=1e-6)


def test_smoothgrad_agrees_with_captums_noise_tunnel():
    network = then(nn.GELU())
    model, sequence = model_of(network, 24), random_dna(24)
    found = attribute(model, sequence, "smoothgrad", settings=GradientSettings(noise=0.3, samples=4000))
    torch.manual_seed(0)
    tunnel = captum.attr.NoiseTunnel(captum.attr.Saliency(network))
    x = tensor(sequence).requires_grad_()
    peer = tunnel.attribute(x, nt_type="smoothgrad", nt_samples=4000, stdevs=0.3, abs=False)[0].detach()
    peer = (peer - peer.mean(dim=0)).numpy().T
    plain = attribute(model, sequence, "input_x_gradient").full
    assert abs(found.full - peer).max() < 0.1 * abs(plain - peer).max() + 1e-3


def test_the_same_whatever_the_batch_and_the_seed_matters():
    model, sequence = model_of(then(nn.ReLU()), 24, "rc_mean"), random_dna(24)
    for method in ("integrated_gradients", "smoothgrad"):
        one, other = (
            attribute(model, sequence, method, settings=GradientSettings(n_baselines=2, samples=8, batch_size=size))
            for size in (1, 50)
        )
        np.testing.assert_allclose(one.full, other.full, atol=1e-6)
    one, same, other = (
        attribute(model, sequence, "deeplift_shap", settings=GradientSettings(n_baselines=3, seed=seed))
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one.full, same.full)
    assert (one.full != other.full).any() and one.facts["seed"] == 1


def test_spread_across_baselines():
    network = then(nn.ReLU())
    model, sequence = model_of(network, 24), random_dna(24)
    found = attribute(model, sequence, "deeplift_shap", settings=GradientSettings(n_baselines=6, seed=3))
    shuffles = dinucleotide_shuffles(sequence, 6, 3)
    predicted = network(tensor(shuffles)).detach().numpy()
    assert found.facts["baseline_sd"] == pytest.approx(np.std(predicted, ddof=1), rel=1e-6)
    peers = deep_lift_shap(
        nn.Sequential(network, nn.Unflatten(0, (-1, 1))),
        tensor(sequence).repeat(6, 1, 1),
        references=tensor(shuffles)[:, None],
        device="cpu",
    )
    assert found.facts["values_sd"] == pytest.approx(
        float(np.sqrt(peers.sum(dim=1).numpy().var(axis=0, ddof=1).mean())), rel=1e-5
    )
    assert np.isnan(attribute(model, sequence, "deeplift", settings=GradientSettings("zero")).facts["values_sd"])


class Fragile(nn.Module):
    """Fails at a given forward; remembers something between layers."""

    def __init__(self, inner: nn.Module, at: int) -> None:
        super().__init__()
        self.inner, self.left, self.seen = inner, at, None

    def forward(self, x):
        self.left -= 1
        if self.left == 0:
            raise ZeroDivisionError("in the middle")
        self.seen = x
        return self.inner(x)


def hooks_of(network: nn.Module) -> int:
    return sum(
        len(getattr(module, name)) for module in network.modules() for name in vars(module) if name.endswith("_hooks")
    )


@pytest.mark.parametrize("method", METHODS)
def test_an_error_in_the_middle_leaves_the_model_as_it_was(method):
    for at in (1, 2, 3):
        network = Fragile(then(Reused()), at)
        model, sequence = model_of(network, 24), random_dna(24)
        for parameter in network.parameters():
            parameter.requires_grad_()
        before = {name: set(vars(module)) for name, module in network.named_modules()}
        training = network.train().training
        try:
            attribute(model, sequence, method, settings=GradientSettings(n_baselines=2, samples=2, batch_size=1))
        except ZeroDivisionError:
            pass
        else:
            assert method in ("input_x_gradient", "saliency") and at == 3
        assert hooks_of(network) == 0 and network.training is training and network.left == at and network.seen is None
        assert {name: set(vars(module)) for name, module in network.named_modules()} == before
        assert all(p.requires_grad and p.grad is None for p in network.parameters())


@pytest.mark.parametrize("method", METHODS)
def test_cancelling(method):
    network = then(nn.ReLU())
    model, sequence = model_of(network, 24, "rc_mean"), random_dna(24)
    expected, told = network(tensor(sequence)), []

    def progress(done, total, label):
        told.append((done, total))
        if done >= total / 2:
            raise Cancelled

    settings = GradientSettings(n_baselines=4, samples=4, n_steps=8, batch_size=2)
    with pytest.raises(Cancelled):
        attribute(model, sequence, method, settings=settings, progress=progress)
    assert hooks_of(network) == 0 and torch.equal(network(tensor(sequence)), expected)
    told.clear()
    attribute(
        model, sequence, method, settings=settings, progress=lambda done, total, label: told.append((done, total))
    )
    assert told == sorted(told) and told[-1][0] == told[-1][1]
    assert len(told) == (1 if method in ("input_x_gradient", "saliency") else len(set(told))) >= 1


def test_threads():
    network = then(Reused(), length=60)
    model, sequences = model_of(network, 60, "rc_mean"), [random_dna(60, seed) for seed in range(4)]
    jobs = [(s, m) for s in sequences for m in METHODS]
    settings = GradientSettings(n_baselines=3, samples=3, n_steps=5)
    alone = [attribute(model, s, m, settings=settings).full for s, m in jobs]
    together: dict[int, np.ndarray] = {}

    def work(mine):
        for i in mine:
            together[i] = attribute(model, jobs[i][0], jobs[i][1], settings=settings).full

    threads = [threading.Thread(target=work, args=(range(k, len(jobs), 3),)) for k in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, full in enumerate(alone):
        np.testing.assert_allclose(together[i], full, atol=1e-7)


def test_no_memory_halves_the_batch_then_says_so():
    class Narrow(nn.Module):
        def __init__(self, inner, most):
            super().__init__()
            self.inner, self.most = inner, most

        def forward(self, x):
            if len(x) > self.most:
                raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")
            return self.inner(x)

    inner, sequence = then(nn.ReLU()), random_dna(24)
    settings = GradientSettings(n_baselines=2, samples=20, batch_size=16)
    for method in METHODS:
        expected = attribute(model_of(inner, 24), sequence, method, settings=settings)
        found = attribute(model_of(Narrow(inner, 3), 24), sequence, method, settings=settings)
        np.testing.assert_allclose(found.full, expected.full, atol=1e-6)
        with pytest.raises(GexvizError, match="memory doesn't suffice"):
            attribute(model_of(Narrow(inner, 0), 24), sequence, method, settings=settings)


class Odd(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x.sigmoid()

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return gradient * (x.sigmoid() * (1 + x * (1 - x.sigmoid())))


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")
def test_deeplift_refuses_what_it_can_not_follow():
    sequence = random_dna(24)
    with pytest.raises(GexvizError, match="no rule for Odd") as caught:
        attribute(model_of(then(Plain(Odd.apply)), 24), sequence, "deeplift")
    assert caught.value.place == "layer middle" and "integrated gradients" in caught.value.remedy
    scripted = torch.jit.script(nn.Sequential(nn.ReLU(), nn.Tanh()))
    with pytest.raises(GexvizError, match="no rule for") as caught:
        attribute(model_of(then(scripted), 24), sequence, "deeplift")
    assert caught.value.place.startswith("layer middle")
    assert hooks_of(scripted) == 0
    with pytest.raises(GexvizError, match="another way"):
        branching = Plain(lambda x: x.relu() if x[0, 0, 0] > x[0, 1, 5] else x.tanh())
        for seed in range(20):
            attribute(model_of(then(branching, seed=seed), 24), random_dna(24, seed), "deeplift")
    with pytest.raises(GexvizError, match="overwrites"):
        attribute(model_of(then(Plain(lambda x: (x * 1).cumprod_(-1))), 24), sequence, "deeplift")
    for network in (Plain(Odd.apply), scripted):
        found = attribute(model_of(then(network), 24), sequence, "integrated_gradients")
        assert not found.flagged


class OnlyPredicts:
    spec = ModelSpec(name="black box", family="mine", input="sequence", scale="u", haplotypes="output_mean", window=4)

    def predict_sequences(self, onehot):
        return onehot.sum(axis=(1, 2))


class Weights:
    spec = ModelSpec(name="enet", family="predictdb", input="dosage", scale="u", haplotypes="dosage")

    def cis_region(self, gene):
        return 0, 1

    def predict_dosages(self, gene, variants, dosages):
        raise NotImplementedError


class Table:
    spec = ModelSpec(name="known", family="table", input="table", scale="u", haplotypes="output_mean")

    def known_predictions(self, gene):
        return pd.DataFrame()


@pytest.mark.parametrize(
    ("model", "words"), [(OnlyPredicts(), "mutagenesis"), (Weights(), "weights"), (Table(), "sequence model")]
)
def test_models_without_gradient_name_what_to_use(model, words):
    with pytest.raises(GexvizError, match=f"{model.spec.name}.*has no gradient") as caught:
        attribute(model, random_dna(4), "saliency")
    assert words in caught.value.remedy


@pytest.mark.parametrize("method", METHODS)
def test_zero_gradients_and_gradients_that_are_not_finite(method):
    sequence = random_dna(24)
    off = attribute(model_of(then(Plain(lambda x: F.relu(x - 1e6))), 24), sequence, method)
    assert "zero at every base" in off.facts["note"] and not off.values.any() and not off.flagged
    broken = Plain(lambda x: torch.sqrt(x - x) if method not in COMPLETE else x * torch.nan)
    with pytest.raises(GexvizError, match=r"not finite at \d+ of 24 bases"):
        attribute(model_of(then(broken), 24), sequence, method)
    with pytest.raises(GexvizError, match="passes no gradient"):
        attribute(model_of(then(Plain(lambda x: x.detach())), 24), sequence, method)
    assert attribute(model_of(then(nn.ReLU()), 24), sequence, method).facts["note"] is None


def test_bad_input():
    model = model_of(then(nn.ReLU()), 24)
    for sequence in (random_dna(23), random_dna(24).astype(int), random_dna(24)[None]):
        with pytest.raises(ValueError, match=r"uint8|takes 24 bp"):
            attribute(model, sequence, "saliency")
    with pytest.raises(GexvizError, match="no method"):
        attribute(model, random_dna(24), "guess")
    with pytest.raises(GexvizError, match=r"choose|shuffled"):
        attribute(model, random_dna(24), "deeplift_shap", settings=GradientSettings("zero"))
    with pytest.raises(GexvizError, match="gave"):
        attribute(model_of(nn.Sequential(nn.Flatten(), nn.Linear(96, 1)), 24), random_dna(24), "saliency")
    for bad in ({"baseline": "ones"}, {"n_steps": 0}, {"samples": -1}, {"noise": 0.0}, {"batch_size": 0}):
        with pytest.raises(GexvizError):
            GradientSettings(**bad)
    network = then(nn.ReLU())
    network.lock = threading.Lock()
    with pytest.raises(GexvizError, match="can't be copied"):
        attribute(model_of(network, 24), random_dna(24), "saliency")


@pytest.mark.real
@pytest.mark.skipif(not CHECKPOINT.exists(), reason=f"there is no checkpoint at {CHECKPOINT}")
def test_xpresso_is_tangermemes():
    model = open_model("xpresso", XpressoOptions(checkpoint=CHECKPOINT))
    sequence = random_dna(10_500, 3)
    found = attribute(model, sequence, "deeplift_shap", settings=GradientSettings(n_baselines=3))
    references = tensor(dinucleotide_shuffles(sequence, 3, 0), torch.float32)
    peer = deep_lift_shap(
        nn.Sequential(model.network(), nn.Unflatten(0, (-1, 1))),
        tensor(sequence, torch.float32),
        references=references[None],
        hypothetical=True,
        device="cpu",
    )
    np.testing.assert_allclose(found.full, peer[0].numpy().T, atol=1e-6)
    predicted = model.predict_sequences(one_hot(sequence[None])) - model.predict_sequences(references.numpy()).mean()
    assert found.difference == pytest.approx(float(predicted[0]), abs=1e-6)
    assert found.delta < 1e-5 and not found.flagged
    assert hooks_of(model.network()) == 0


LONG = """
import numpy as np, torch
from torch import nn
import tests.test_gradients as t
from gexviz.analysis.gradients import GradientSettings, attribute
torch.manual_seed(0)
layers = [nn.Conv1d(4, 16, 9, padding=4), nn.ReLU()]
for k in range(1, 6):
    layers += [nn.Conv1d(16, 16, 3, padding=2**k, dilation=2**k), nn.ReLU()]
network = nn.Sequential(*layers, nn.AvgPool1d(128), nn.Flatten(), nn.Linear(16 * 1536, 1), nn.Flatten(0))
model, sequence = t.model_of(network, 196_608), t.random_dna(196_608)
for method in ("deeplift_shap", "integrated_gradients"):
    found = attribute(model, sequence, method, settings=GradientSettings(n_baselines=2, n_steps=2))
    assert found.values.shape == (196_608,) and (method != "deeplift_shap" or not found.flagged), found
print(int(open('/proc/self/status').read().split('VmHWM:')[1].split()[0]) / 1024)
"""


def test_a_long_window_in_bounded_memory():
    done = subprocess.run(
        [sys.executable, "-c", LONG], capture_output=True, text=True, cwd=Path(__file__).parents[1], check=False
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 2_000
