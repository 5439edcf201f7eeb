"""Recomputing only what a mutation reaches, against whole forward passes of the same network."""

import gc
import threading
import weakref

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from gexviz.analysis.incremental import Incremental, NotIncremental

TOLERANCE = 1e-5


def random_onehot(rng, length, n_share=0.0):
    onehot = np.eye(4, dtype=np.float32)[rng.integers(0, 4, length)].T.copy()
    onehot[:, rng.random(length) < n_share] = 0
    return onehot


def all_substitutions(onehot):
    """Every base at every place, (length, 4, 4): the one that is there among them, which changes nothing."""
    return np.eye(4, dtype=np.float32)[None] - onehot.T[:, None]


def plain(network, onehot, places, delta):
    """The same by whole forward passes, in double precision where the network allows."""
    with torch.inference_mode():
        mutants = np.repeat(onehot[None, None], len(places), 0).repeat(delta.shape[1], 1)
        for i, place in enumerate(places):
            mutants[i, :, :, place] += delta[i]
        stacked = torch.tensor(mutants).flatten(0, 1)
        out = torch.cat([network(part) for part in stacked.split(256)])
        return (out - network(torch.tensor(np.stack([onehot] * 2)))[0]).double().numpy().reshape(delta.shape[:2])


def compare(network, onehot, places=None, tolerance=TOLERANCE):
    """Assert equality everywhere; give the engine."""
    network.eval()
    delta = all_substitutions(onehot)
    places = np.arange(onehot.shape[1]) if places is None else places
    engine = Incremental(network, onehot)
    ours = engine.effects(places, delta[places])
    theirs = plain(network, onehot, places, delta[places])
    assert np.abs(ours - theirs).max() <= tolerance, np.abs(ours - theirs).max()
    assert np.abs(theirs).max() > 0
    return engine


ACTIVATIONS = [
    nn.ReLU, nn.GELU, nn.SiLU, nn.Softplus, nn.ELU, lambda: nn.LeakyReLU(0.1), nn.Sigmoid, nn.Tanh, nn.PReLU,
    lambda: nn.ReLU(inplace=True), nn.Mish, nn.Hardtanh,
]  # fmt: skip


class Residual(nn.Module):
    def __init__(self, channels, width, dilation, how):
        super().__init__()
        self.conv = nn.Conv1d(channels, channels, width, dilation=dilation, padding="same")
        self.norm = nn.BatchNorm1d(channels)
        self.how = how

    def forward(self, x):
        out = self.norm(self.conv(x))
        if self.how == "add":
            return x + F.relu(out)
        if self.how == "iadd":
            out = F.gelu(out)
            out += x
            return out.relu()
        if self.how == "gate":
            return x * torch.sigmoid(out)
        if self.how == "sub":
            return torch.sub(x, out, alpha=0.5)
        return torch.cat([x, out], dim=1)[:, ::1][:, x.shape[1] // 2 : x.shape[1] // 2 + x.shape[1]]


class Squeeze(nn.Module):
    """Multiplies by a function of the mean over the whole length."""

    def __init__(self, channels):
        super().__init__()
        self.linear = nn.Linear(channels, channels)

    def forward(self, x):
        return x * torch.sigmoid(self.linear(x.mean(-1))).unsqueeze(-1)


class Attention(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.attention = nn.MultiheadAttention(channels, 1, batch_first=True)

    def forward(self, x):
        x = x.transpose(1, 2)
        return (x + self.attention(x, x, x)[0]).transpose(1, 2)


class ByPosition(nn.Module):
    """Layer norm and linear layers on the channels of each position, as in transformers and ConvNeXt."""

    def __init__(self, channels):
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.wide, self.narrow = nn.Linear(channels, 2 * channels), nn.Linear(2 * channels, channels)

    def forward(self, x):
        y = x.permute(0, 2, 1)
        y = self.narrow(F.gelu(self.wide(self.norm(y)))) + y
        return y.permute(0, 2, 1)


class Head(nn.Module):
    def __init__(self, channels, length, how):
        super().__init__()
        self.how = how
        self.linear = nn.Linear(channels * (length if "flat" in how or how == "view" else 1), 5)
        self.out = nn.Linear(5, 1)

    def forward(self, x):
        if self.how == "flatten":
            x = torch.flatten(x, 1)
        elif self.how == "view":
            x = x.contiguous().view(x.size(0), -1)
        elif self.how == "flat_transposed":
            x = x.transpose(1, 2).flatten(1)
        elif self.how == "mean":
            x = x.mean(dim=2)
        elif self.how == "amax":
            x = torch.amax(x, -1)
        elif self.how == "adaptive":
            x = F.adaptive_avg_pool1d(x, 1).squeeze(-1)
        elif self.how == "adaptive_max":
            x = nn.functional.adaptive_max_pool1d(x, 1).flatten(1)
        elif self.how == "max_values":
            x = x.max(dim=-1).values
        elif self.how == "attention_pool":
            x = (x * torch.softmax(x.sum(1, keepdim=True), dim=-1)).sum(-1)
        return self.out(F.relu(self.linear(x))).squeeze(-1)


HEADS = [
    "flatten", "view", "flat_transposed", "mean", "amax", "adaptive", "adaptive_max", "max_values", "attention_pool",
]  # fmt: skip


def length_after(layer, channels, length):
    """Channels and length after a layer, by running it."""
    layer.eval()
    with torch.inference_mode():
        out = layer(torch.zeros(2, channels, length))
    return out.shape[1], out.shape[2]


def a_layer(draw, channels, length):
    """One random layer that fits."""
    kind = draw(st.sampled_from(
        ["conv", "conv", "strided", "grouped", "max", "max", "average", "norm", "activation", "activation", "residual",
         "pad", "squeeze", "attention", "dropout", "glu", "adaptive", "by_position", "circular"]
    ))  # fmt: skip
    width = draw(st.integers(1, 7))
    if kind == "conv":
        dilation = draw(st.integers(1, 4))
        padding = draw(st.sampled_from([0, 1, 3, "same", "valid"]))
        return nn.Conv1d(channels, draw(st.integers(1, 6)), width, dilation=dilation, padding=padding)
    if kind == "strided":
        stride, dilation = draw(st.integers(1, 5)), draw(st.integers(1, 3))
        return nn.Conv1d(channels, 4, width, stride=stride, padding=draw(st.integers(0, 4)), dilation=dilation)
    if kind == "grouped":
        return nn.Conv1d(channels, 2 * channels, width, groups=channels, stride=draw(st.integers(1, 3)), bias=False)
    if kind == "circular":
        mode = draw(st.sampled_from(["circular", "reflect", "replicate"]))
        return nn.Conv1d(channels, 3, 3, padding=1, padding_mode=mode)
    if kind == "max":
        return nn.MaxPool1d(
            width, draw(st.sampled_from([None, 1, 2, 3, 9])), draw(st.integers(0, width // 2)),
            dilation=draw(st.integers(1, 3)), ceil_mode=draw(st.booleans()),
        )  # fmt: skip
    if kind == "average":
        return nn.AvgPool1d(
            width, draw(st.sampled_from([None, 1, 2, 8])), draw(st.integers(0, width // 2)),
            ceil_mode=draw(st.booleans()), count_include_pad=draw(st.booleans()),
        )  # fmt: skip
    if kind == "adaptive":
        pooling = draw(st.sampled_from([nn.AdaptiveAvgPool1d, nn.AdaptiveMaxPool1d]))
        return pooling(max(1, length // draw(st.integers(1, 4))))
    if kind == "residual":
        return Residual(channels, 2 * (width // 2) + 1, draw(st.integers(1, 8)),
                        draw(st.sampled_from(["add", "iadd", "gate", "sub", "cat"])))  # fmt: skip
    if kind == "pad":
        return nn.ConstantPad1d((draw(st.integers(-3, 5)), draw(st.integers(-3, 5))), draw(st.sampled_from([0.0, 0.7])))
    if kind == "activation":
        return draw(st.sampled_from(ACTIVATIONS))()
    if kind == "glu":
        return nn.Sequential(nn.Conv1d(channels, 2 * channels, 1), nn.GLU(dim=1))
    simple = {"norm": nn.BatchNorm1d, "squeeze": Squeeze, "attention": Attention, "by_position": ByPosition}
    return simple[kind](channels) if kind in simple else nn.Dropout(0.3)


@st.composite
def networks(draw):
    """A random network and the length of its input."""
    length = draw(st.integers(40, 220))
    torch.manual_seed(draw(st.integers(0, 10_000)))
    layers, channels, now = [nn.Conv1d(4, 5, draw(st.integers(1, 9)), padding="same")], 5, length
    for _ in range(draw(st.integers(1, 7))):
        layer = a_layer(draw, channels, now)
        try:
            channels, now = length_after(layer, channels, now)
        except RuntimeError:
            continue  # it doesn't fit what is left of the length
        layers.append(layer)
        if now < 3:
            break
    for module in nn.Sequential(*layers).modules():
        if isinstance(module, nn.BatchNorm1d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
    return nn.Sequential(*layers, Head(channels, now, draw(st.sampled_from(HEADS)))), length


@given(networks(), st.integers(0, 1000), st.booleans())
@settings(max_examples=80, deadline=None)
def test_random_networks(drawn, seed, some_n):
    network, length = drawn
    rng = np.random.default_rng(seed)
    onehot = random_onehot(rng, length, 0.05 if some_n else 0.0)
    network.eval()
    delta = all_substitutions(onehot)
    places = rng.choice(length, rng.integers(1, length), replace=True)  # in any order, some twice
    engine = Incremental(network, onehot)
    ours, theirs = engine.effects(places, delta[places]), plain(network, onehot, places, delta[places])
    np.testing.assert_allclose(ours, theirs, atol=TOLERANCE, rtol=0)
    assert "0" in " ".join(engine.local)  # at least the first convolution


class Functional(nn.Module):
    """All by functions and methods, weights as bare parameters, one of them a constant along the length."""

    def __init__(self, length):
        super().__init__()
        self.first, self.second = nn.Parameter(torch.randn(6, 4, 5) / 3), nn.Parameter(torch.randn(6, 6, 3) / 4)
        self.scale, self.place = nn.Parameter(torch.rand(6, 1)), nn.Parameter(torch.randn(1, 6, length // 2))
        self.dense = nn.Parameter(torch.randn(3, 6 * (length // 4)) / 6)
        self.register_buffer("shift", torch.tensor(0.3))

    def forward(self, x):
        x = torch.relu(F.conv1d(F.pad(x, (2, 2)), self.first))
        x = F.max_pool1d(x, 2)
        x = x.relu() * self.place
        x = x * self.scale + self.place - self.shift
        x = 1.0 - x / (2 + self.place.abs())
        a, b = F.conv1d(x, self.second, padding=1).chunk(2, dim=1)
        x = torch.cat((a.tanh(), torch.exp(-b)), 1)
        x = F.dropout(F.avg_pool1d(x, kernel_size=2, stride=2), 0.5, self.training)
        x = F.linear(x.reshape(x.shape[0], -1), self.dense)
        return torch.sigmoid(x).sum(1)


def test_functions_and_methods():
    torch.manual_seed(1)
    engine = compare(Functional(96), random_onehot(np.random.default_rng(1), 96, 0.05))
    for name in ("conv1d", "relu", "max_pool1d", "mul", "add", "truediv", "cat", "avg_pool1d"):
        assert name in engine.local, engine.local


def test_basenji_like_tower_with_crop():
    class Tower(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Sequential(nn.Conv1d(4, 8, 15, padding=7), nn.BatchNorm1d(8), nn.ReLU(), nn.MaxPool1d(8))
            self.blocks = nn.ModuleList(nn.Conv1d(8, 8, 3, dilation=2**i, padding=2**i) for i in range(3))
            self.out = nn.Conv1d(8, 2, 1)

        def forward(self, x):
            x = self.stem(x)
            for block in self.blocks:
                x = x + block(F.relu(x))
            x = F.softplus(self.out(x[:, :, 5:-5]))
            return x[..., 40:43].sum((1, 2))

    torch.manual_seed(2)
    onehot = random_onehot(np.random.default_rng(2), 800)
    engine = compare(Tower(), onehot, np.r_[0:8, 330:420, 790:800])
    assert engine.share < 0.3
    far = engine.effects(np.array([0, 799]), all_substitutions(onehot)[[0, 799]])
    assert (far == 0).all()  # outside of the receptive field: lost on the way, exactly


def test_untraceable_module_inside_is_one_node():
    class Looks(nn.Module):
        def forward(self, x):
            return x * 2 if x.shape[1] > 2 and float(x.abs().max()) > -1 else x

    torch.manual_seed(3)
    network = nn.Sequential(
        nn.Conv1d(4, 6, 5), nn.ReLU(), nn.MaxPool1d(4), Looks(), nn.Flatten(), nn.Linear(6 * 24, 1), nn.Flatten(0)
    )
    assert compare(network, random_onehot(np.random.default_rng(3), 100)).local == ("_0", "_1", "_2")


def test_what_cannot_be_followed_says_why():
    class Depends(nn.Module):
        def forward(self, x):
            return x.sum((1, 2)) if x.sum() > 0 else x.mean((1, 2))

    class Again(nn.Module):
        def forward(self, x):
            y = x * 2
            z = y + 1
            y.relu_()
            return (y + z).sum((1, 2))

    onehot = random_onehot(np.random.default_rng(4), 30)
    with pytest.raises(NotIncremental, match="can't be traced"):
        Incremental(Depends().eval(), onehot)
    with pytest.raises(NotIncremental, match="overwrites"):
        Incremental(Again().eval(), onehot)
    with pytest.raises(NotIncremental, match="one number"):
        Incremental(nn.Sequential(nn.Conv1d(4, 3, 3), nn.ReLU()).eval(), onehot)
    hooked = nn.Sequential(nn.Flatten(), nn.Linear(120, 1), nn.Flatten(0)).eval()
    hooked[1].register_forward_hook(lambda module, args, out: out * 2)
    with pytest.raises(NotIncremental, match="hooks"):
        Incremental(hooked, onehot)


def test_statistics_of_the_sequence_itself_are_not_local():
    torch.manual_seed(5)
    for norm in (nn.BatchNorm1d(6, track_running_stats=False), nn.InstanceNorm1d(6), nn.GroupNorm(2, 6)):
        network = nn.Sequential(nn.Conv1d(4, 6, 5), norm, nn.ReLU(), nn.Flatten(), nn.Linear(6 * 56, 1), nn.Flatten(0))
        onehot = random_onehot(np.random.default_rng(5), 60)
        network.eval()
        engine = Incremental(network, onehot)
        assert engine.local == ("_0",)
        if not isinstance(norm, nn.BatchNorm1d):  # that one mixes the sequences of a batch: no order of 1e-5 to hold
            compare(network, onehot)


def test_leaves_the_network_as_it_was():
    torch.manual_seed(6)
    network = nn.Sequential(
        nn.Conv1d(4, 6, 5), nn.ReLU(inplace=True), nn.MaxPool1d(3), nn.Flatten(), nn.Linear(6 * 32, 1), nn.Flatten(0)
    ).eval()
    before = {name: (tensor.data_ptr(), tensor.clone()) for name, tensor in network.state_dict().items()}
    call, get, threads = nn.Module.__call__, nn.Module.__getattr__, torch.get_num_threads()
    compare(network, random_onehot(np.random.default_rng(6), 100))
    assert nn.Module.__call__ is call and nn.Module.__getattr__ is get
    assert torch.get_num_threads() == threads
    for name, tensor in network.state_dict().items():
        assert tensor.data_ptr() == before[name][0] and torch.equal(tensor, before[name][1])
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())
    assert not network.training


def test_less_memory_gives_the_same():
    torch.manual_seed(7)
    network = nn.Sequential(nn.Conv1d(4, 6, 5), nn.GELU(), Squeeze(6), Head(6, 86, "flatten")).eval()
    onehot = random_onehot(np.random.default_rng(7), 90)
    engine, delta = Incremental(network, onehot), all_substitutions(onehot)
    whole = engine.effects(np.arange(90), delta)
    times = 0
    while engine.use_less_memory():
        times += 1
    assert 5 < times < 30
    np.testing.assert_allclose(engine.effects(np.arange(90), delta), whole, atol=1e-6)


def test_threads_trace_and_predict_at_once():
    torch.manual_seed(8)
    network = nn.Sequential(
        nn.Conv1d(4, 6, 5), Residual(6, 3, 1, "gate"), nn.MaxPool1d(3), nn.Flatten(), nn.Linear(192, 1), nn.Flatten(0)
    ).eval()
    onehot = random_onehot(np.random.default_rng(8), 100)
    places, delta = np.arange(100), all_substitutions(onehot)
    expected = plain(network, onehot, places, delta)
    call, wrong = nn.Module.__call__, []

    def trace():
        for _ in range(15):
            if np.abs(Incremental(network, onehot).effects(places, delta) - expected).max() > TOLERANCE:
                wrong.append("incremental")

    def predict():
        for _ in range(60):
            with torch.inference_mode():
                out = network(torch.tensor(onehot[None]))
            if type(out) is not torch.Tensor:
                wrong.append("plain")

    threads = [threading.Thread(target=work) for work in (trace, trace, predict, predict)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert nn.Module.__call__ is call


def test_a_trace_does_not_keep_its_network():
    network = nn.Sequential(nn.Conv1d(4, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(2 * 38, 1), nn.Flatten(0)).eval()
    onehot = random_onehot(np.random.default_rng(9), 40)
    first, second = (Incremental(network, onehot) for _ in range(2))
    assert first.local == second.local == ("_0", "_1")
    alive = weakref.ref(network)
    del network, first, second
    gc.collect()
    assert alive() is None
