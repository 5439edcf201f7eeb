"""Memory of language models before a run: what grows with the square of the tokens, batches that fit, refusals."""

from __future__ import annotations

import language_files
import numpy as np
import pytest
import torch
from language_files import NT_VOCABULARY, published_esm, write_folder

from gexviz.errors import GexvizError
from gexviz.models.language import memory
from gexviz.models.language.memory import MemoryOfTokens, fitting_batch_of_bases
from gexviz.models.registry import open_model

TOKENS, HEADS, LAYERS = 768, 2, 2


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Windows of 4,602 bp: 768 tokens."""
    folder = tmp_path_factory.mktemp("long")
    weights = write_folder(folder, published_esm(0, max_position_embeddings=802), NT_VOCABULARY)
    return open_model("nt", "nucleotide_transformer", {"weights": weights, "window": 6 * (TOKENS - 1), "batch": 4})


def free_bytes(monkeypatch, number):
    monkeypatch.setattr(memory, "free_for", lambda network: number)


def sequences(count=3):
    letters = np.random.default_rng(0).integers(4, size=(count, 6 * (TOKENS - 1)))
    return np.ascontiguousarray(np.eye(4, dtype=np.float32)[letters].transpose(0, 2, 1))


def batches_of(model, monkeypatch):
    """Sequences in each forward of three."""
    ran, pooled = [], model.embedder._pooled
    monkeypatch.setattr(model.embedder, "_pooled", lambda *given: ran.append(len(given[0])) or pooled(*given))
    model.embed(sequences())
    return ran


@pytest.fixture
def one(model):
    """Of a sequence: more than the last layer's states, less than all of its weights of attention."""
    found = MemoryOfTokens(model.embedder._network)._need(TOKENS, attending=False).forward
    assert 2 * TOKENS * language_files.DIM * 4 < found < HEADS * TOKENS**2 * 4
    return found


@pytest.mark.parametrize(("times", "batches"), [(1, [1, 1, 1]), (4, [2, 1]), (100, [3])])
def test_batches_fit(model, one, monkeypatch, times, batches):
    free_bytes(monkeypatch, times * one)
    assert batches_of(model, monkeypatch) == batches


def test_more_than_there_is_is_refused_in_words(model, one, monkeypatch):
    free_bytes(monkeypatch, one - 1)
    with pytest.raises(GexvizError, match="one sequence of 768 tokens"):
        model.embed(sequences(1))


def test_attention_takes_all_layers_and_their_slopes(model, monkeypatch):
    network = model.embedder._network
    weights = LAYERS * HEADS * TOKENS**2 * 4
    free_bytes(monkeypatch, 4 * weights)
    with pytest.raises(GexvizError, match="with the weights of attention"):
        MemoryOfTokens(network).check_attention(TOKENS)
    free_bytes(monkeypatch, 20 * weights)
    MemoryOfTokens(network).check_attention(TOKENS)


@pytest.mark.parametrize(("attending", "power"), [(False, 1), (True, 2)])
def test_attention_grows_with_the_square_of_tokens_if_it_is_followed(model, attending, power):
    found = MemoryOfTokens(model.embedder._network)
    few, many = (found._need(tokens, attending=attending).gradient for tokens in (2_048, 4_096))
    assert many / few == pytest.approx(2**power, rel=0.1)


def test_short_sequences_are_not_looked_into(model, monkeypatch):
    free_bytes(monkeypatch, 0)
    assert MemoryOfTokens(model.embedder._network).fitting_batch(200, 4) == 4


def test_long_windows_of_bases(monkeypatch):
    network = torch.nn.Conv1d(4, 32, 1)
    free_bytes(monkeypatch, 8 * 32 * 100_000 * 4)
    assert fitting_batch_of_bases(network, 100_000, 8) == 4
    free_bytes(monkeypatch, 32 * 100_000 * 4 - 1)
    with pytest.raises(GexvizError, match="100,000 bp"):
        fitting_batch_of_bases(network, 100_000, 8)
    assert fitting_batch_of_bases(network, 10_000, 8) == 8
