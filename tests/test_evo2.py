"""Evo 2: how its package is called, with a stand-in for it; and what is said where it can't run."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from language_files import write_head
from test_hyenadna import encoded, texts

from gexviz.errors import GexvizError
from gexviz.models import evo2
from gexviz.models.base import Differentiable
from gexviz.models.registry import open_model

LAYER = "blocks.3.mlp.l3"
KEYS = {"window": 40, "layer": LAYER, "batch": 2}
WIDTH = 16


class StandIn:
    """Called as ``evo2.Evo2`` is; its layer knows each letter's number and place."""

    def __init__(self, name: str) -> None:
        if name not in ("evo2_7b", "evo2_1b_base"):
            raise ValueError(f"Invalid model name {name}")
        self.tokenizer = SimpleNamespace(tokenize=lambda text: list(text.encode()))
        self.model = torch.nn.ModuleDict({"blocks": torch.nn.ModuleList([self._block() for _ in range(4)])})
        self.batches: list[int] = []

    @staticmethod
    def _block():
        return torch.nn.ModuleDict({"mlp": torch.nn.ModuleDict({"l3": torch.nn.Identity()})})

    def __call__(self, ids, *, return_embeddings, layer_names):
        assert return_embeddings and ids.dtype == torch.int
        self.batches.append(len(ids))
        return None, {name: layer_of(ids).bfloat16() for name in layer_names}


def layer_of(ids):
    places = torch.arange(ids.shape[1])[:, None] / ids.shape[1]
    return torch.sin(ids[:, :, None] * torch.arange(1, WIDTH + 1) / 7) + places


@pytest.fixture
def package(monkeypatch):
    monkeypatch.setitem(sys.modules, "evo2", SimpleNamespace(Evo2=StandIn))
    monkeypatch.setattr(evo2.metadata, "version", lambda name: "0.0.stand-in")
    monkeypatch.setattr(evo2, "_gpu", lambda: "cpu")


def expected(sequences):
    return layer_of(torch.tensor([list(text.encode()) for text in sequences])).numpy()


def test_embeddings_are_means_of_the_layer(package):
    sequences = texts(0, count=5, length=40)
    model = open_model("evo", "evo2", KEYS)
    np.testing.assert_allclose(model.embed(encoded(sequences)), expected(sequences).mean(axis=1), atol=0.01)
    assert model.embedder._model.batches == [2, 2, 1]
    assert not isinstance(model, Differentiable)


def test_segments_are_means_of_their_bases(package):
    sequences = texts(1, length=40)
    found = open_model("evo", "evo2", KEYS).embed_strands(encoded(sequences), segments=4)
    parts = expected(sequences).reshape(len(sequences), 4, 10, WIDTH)
    np.testing.assert_allclose(found[:, 0], parts.mean(axis=2), atol=0.01)


def test_it_predicts_with_a_head_of_its_own_layer(package, tmp_path):
    head = write_head(tmp_path / "head.safetensors", "evo2", KEYS, 0)
    model = open_model("evo", "evo2", KEYS | {"head": head})
    assert np.ptp(model.predict_sequences(encoded(texts(2, length=40)))) > 0.01
    with pytest.raises(GexvizError, match="trained on other embeddings"):
        open_model("evo", "evo2", KEYS | {"head": head, "layer": "blocks.2.mlp.l3"})


@pytest.mark.parametrize("keys", [{"checkpoint": "evo3"}, {"layer": "blocks.9.mlp.l3"}])
def test_what_the_package_does_not_know_is_refused(package, keys):
    with pytest.raises(GexvizError, match="can't open it"):
        open_model("evo", "evo2", KEYS | keys)


def test_without_a_gpu_it_says_what_to_do(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(GexvizError, match="torch finds none") as told:
        open_model("evo", "evo2", KEYS)
    assert 'family = "table"' in told.value.remedy


def test_without_its_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(evo2, "_gpu", lambda: "cuda")
    monkeypatch.setitem(sys.modules, "evo2", None)
    with pytest.raises(GexvizError, match="package evo2 is needed") as told:
        open_model("evo", "evo2", KEYS)
    assert "github.com/ArcInstitute/evo2" in told.value.remedy
