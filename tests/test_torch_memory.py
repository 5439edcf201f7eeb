import numpy as np
import pytest
import torch

from gexviz.analysis.gradients import attribute
from gexviz.analysis.ism import Mutagenesis
from gexviz.errors import GexvizError
from gexviz.models import torch_memory
from gexviz.models.base import ModelSpec
from gexviz.models.torch_memory import available_bytes, memory_need
from gexviz.models.torch_model import TorchSequenceModel

WINDOW, CHANNELS = 20_000, 8
_LAYER = 4 * CHANNELS * WINDOW  # bytes of a layer's values


class Network(torch.nn.Module):
    """Three layers of one size, and the mean of all."""

    def __init__(self):
        super().__init__()
        self.layers = torch.nn.ModuleList([torch.nn.Conv1d(c, CHANNELS, 3, padding=1) for c in (4, CHANNELS, CHANNELS)])

    def forward(self, x):
        for layer in self.layers:
            x = torch.sigmoid(layer(x))
        return x.mean(dim=(1, 2))


def model(batch_size=8):
    spec = ModelSpec("long", "test", "sequence", "units", "output_mean", window=WINDOW, anchor=0)
    return TorchSequenceModel(spec, Network(), batch_size=batch_size)


def letters():
    return np.random.default_rng(0).choice(np.frombuffer(b"ACGT", np.uint8), WINDOW)


def onehot(number):
    return np.eye(4, dtype=np.float32)[np.random.default_rng(0).integers(0, 4, (number, WINDOW))].transpose(0, 2, 1)


@pytest.fixture
def memory(monkeypatch):
    """Set how much is available."""
    return lambda number: monkeypatch.setattr(torch_memory, "available_bytes", lambda device: number)


def test_the_need_is_that_of_the_values_that_are_there_at_a_time():
    """A layer's input, linear part and sigmoid; three sigmoids and two gradients; all linear parts and sigmoids."""
    need = memory_need(Network(), WINDOW)
    for found, layers in [(need.forward, 3), (need.gradient, 5), (need.every_layer, 6)]:
        assert layers * _LAYER <= found <= layers * _LAYER + 100


def test_finding_the_need_leaves_the_network_alone():
    network = Network()
    before = {name: values.clone() for name, values in network.state_dict().items()}
    memory_need(network, WINDOW)
    assert all(torch.equal(values, before[name]) for name, values in network.state_dict().items())
    assert network(torch.zeros(1, 4, WINDOW)).device.type == "cpu"


def test_a_network_that_looks_at_its_values_cannot_be_told():
    class Looks(torch.nn.Module):
        def forward(self, x):
            return x.sum(dim=(1, 2)) if float(x.sum()) > 0 else x.mean(dim=(1, 2))

    assert memory_need(Looks(), 100) is None


def test_there_is_some_memory_and_no_more_than_the_machine_has():
    assert 1e6 < available_bytes("cpu") <= torch_memory.psutil.virtual_memory().total


def test_a_sequence_that_does_not_fit_is_refused_before_it_is_run(memory):
    long = model()
    memory(_LAYER)
    with pytest.raises(GexvizError, match=r"long would take about 0\.0 GB for one sequence of 20,000 bp") as raised:
        long.predict_sequences(onehot(1))
    assert "table" in raised.value.remedy


def test_batches_are_as_large_as_fits(memory, monkeypatch):
    long, sizes = model(), []
    run = long._forward
    monkeypatch.setattr(long, "_forward", lambda batch: sizes.append(len(batch)) or run(batch))
    for layers, expected in [(1_000, [8, 1]), (22, [3, 3, 3]), (4, [1] * 9)]:
        memory(layers * _LAYER)
        values = long.predict_sequences(onehot(9))
        assert sizes == expected and values.shape == (9,)
        sizes.clear()


def test_gradients_that_do_not_fit_are_refused_and_mutagenesis_goes_the_plain_way(memory):
    long = model()
    memory(4 * _LAYER)
    with pytest.raises(GexvizError, match="input_x_gradient of long takes about") as raised:
        attribute(long, letters(), "input_x_gradient")
    assert "mutagenesis" in raised.value.remedy
    mutagenesis = Mutagenesis(long, letters())
    assert mutagenesis.method == "plain" and "keep the values of every layer" in mutagenesis.reason
    memory(1_000 * _LAYER)
    assert attribute(long, letters(), "input_x_gradient").values.any()
    assert Mutagenesis(long, letters()).method == "incremental"
