"""Gradients with the insides of blocks computed anew: the same numbers, in less memory."""

from __future__ import annotations

import copy

import families
import numpy as np
import pytest
import torch
from enformer_files import write_enformer
from test_precision import opened, sequences

from gexviz.analysis.gradients import GradientSettings, attribute
from gexviz.errors import GexvizError
from gexviz.models import torch_memory
from gexviz.models.recomputing import blocks_of, recompute_blocks
from gexviz.models.registry import open_model
from gexviz.models.torch_memory import memory_need

WINDOW = 20_480


@pytest.fixture(scope="module")
def enformer(tmp_path_factory):
    """A small one on a long window."""
    folder = tmp_path_factory.mktemp("enformer")
    options = write_enformer(folder) | {"window": WINDOW, "tracks": [1]}
    return open_model("e", "enformer", options | {key: folder / options[key] for key in ("weights", "config")})


@pytest.fixture
def memory(monkeypatch):
    """Set how much is available."""
    return lambda number: monkeypatch.setattr(torch_memory, "available_bytes", lambda device: int(number / 0.9) + 1)


def letters():
    return np.random.default_rng(0).choice(np.frombuffer(b"ACGT", np.uint8), WINDOW)


def gradient(network, onehot):
    x = torch.from_numpy(onehot).requires_grad_()
    (found,) = torch.autograd.grad(network(x).sum(), x)
    return found.numpy()


@pytest.mark.parametrize("name", ["enformer", "basenji2", "borzoi", "rastogi"])
def test_gradients_are_the_same(tmp_path, name):
    network = copy.deepcopy(opened(tmp_path, name, "full").network())
    onehot = sequences(families.FAMILIES[name](tmp_path, 0).get("window", 1_024), 2)
    expected = gradient(network, onehot)
    recompute_blocks(network)
    found = gradient(network, onehot)
    assert expected.std() > 0
    np.testing.assert_allclose(found, expected, atol=1e-6 * np.abs(expected).max(), rtol=0)


def test_blocks_are_the_smallest_modules_made_of_others():
    network = torch.nn.Sequential(
        torch.nn.Conv1d(4, 4, 1),
        torch.nn.Sequential(torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Conv1d(4, 4, 1)), torch.nn.ReLU()),
        torch.nn.ModuleList([torch.nn.ReLU()]),
    )
    assert blocks_of(network) == [network[1][0]]


def test_it_takes_less(enformer):
    need = memory_need(enformer.network(), WINDOW)
    assert need.forward <= need.recomputed < 0.6 * need.gradient < need.every_layer


@pytest.mark.parametrize("method", ["input_x_gradient", "integrated_gradients"])
def test_what_does_not_fit_is_computed_anew(enformer, memory, method):
    settings = GradientSettings(baseline="zero", n_steps=2)
    expected = attribute(enformer, letters(), method, settings=settings)
    memory(memory_need(enformer.network(), WINDOW).recomputed)
    found = attribute(enformer, letters(), method, settings=settings)
    np.testing.assert_allclose(found.full, expected.full, atol=1e-6 * np.abs(expected.full).max(), rtol=0)
    network = enformer.network()
    assert "forward" not in vars(blocks_of(network)[0]), "the model's own network is left as it is"


def test_what_does_not_fit_even_so_is_refused_and_deeplift_says_what_fits(enformer, memory):
    need = memory_need(enformer.network(), WINDOW)
    memory(need.recomputed)
    with pytest.raises(GexvizError, match="deeplift of e takes about") as raised:
        attribute(enformer, letters(), "deeplift")
    assert raised.value.remedy.startswith("use integrated gradients")
    memory(0.5 * need.recomputed)
    with pytest.raises(GexvizError, match=r"of which .* are there, with most layers computed twice") as raised:
        attribute(enformer, letters(), "saliency")
    assert raised.value.remedy.startswith("use in-silico mutagenesis")
