"""Language models that read base by base: they are differentiable in the one-hot sequence."""

from __future__ import annotations

import threading
from collections import OrderedDict
from functools import cached_property

import numpy as np
import torch
from torch import nn

from gexviz.models.language.memory import fitting_batch_of_bases
from gexviz.models.language.model import LanguageModel, TrainedLanguageModel
from gexviz.models.network_digest import network_digest


class Transposed(nn.Module):
    """(batch, a, b) -> (batch, b, a)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Transpose."""
        return x.transpose(1, 2)


class MeanOfBases(nn.Module):
    """The mean over some positions.

    Parameters
    ----------
    positions : range
    """

    def __init__(self, positions: range) -> None:
        super().__init__()
        self.positions = positions

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, dim, positions) -> (batch, dim)."""
        return x[:, :, self.positions.start : self.positions.stop].mean(dim=2)

    def extra_repr(self) -> str:
        """What the fingerprint has to know."""
        return f"{self.positions.start}:{self.positions.stop}"


class MeansOfSegments(nn.Module):
    """The means over parts of equal length, in order.

    Parameters
    ----------
    segments : int
    """

    def __init__(self, segments: int) -> None:
        super().__init__()
        self.segments = segments

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, dim, positions) -> (batch, segments, dim)."""
        length = x.shape[2]
        edges = [-(-i * length // self.segments) for i in range(self.segments + 1)]
        parts = [x[:, :, edges[i] : edges[i + 1]].mean(dim=2) for i in range(self.segments)]
        return torch.stack(parts, dim=1)

    def extra_repr(self) -> str:
        """What the fingerprint has to know."""
        return str(self.segments)


class BaseEmbedder:
    """Makes one embedding of a sequence, or one of each of its segments.

    Parameters
    ----------
    network : torch.nn.Sequential
        From one-hot (batch, 4, length) to (batch, dim); its last layer pools (batch, dim, length). It is put in eval
        mode, its parameters frozen.
    batch_size : int
    device : str

    Notes
    -----
    Forwards from several threads take turns.
    """

    def __init__(self, network: nn.Sequential, *, batch_size: int, device: str = "cpu") -> None:
        self.network = network.to(device).eval().requires_grad_(False)
        self.device = device
        self._batch_size = batch_size
        self._turn = threading.Lock()

    def layers(self, segments: int | None = None) -> nn.Sequential:
        """The network, from (batch, 4, length) to (batch, dim), or to (batch, segments, dim)."""
        if segments is None:
            return self.network
        return nn.Sequential(*list(self.network)[:-1], MeansOfSegments(segments)).eval()

    def embed(self, onehot: np.ndarray, anchor: int, segments: int | None = None) -> np.ndarray:
        """Embed sequences, (batch, 4, length) -> float32 (batch, dim) or (batch, segments, dim)."""
        network, size = self.layers(segments), fitting_batch_of_bases(self.network, onehot.shape[2], self._batch_size)
        with self._turn, torch.inference_mode():
            parts = [
                network(torch.tensor(onehot[i : i + size], dtype=torch.float32, device=self.device))
                for i in range(0, len(onehot), size)
            ]
            embedded: np.ndarray = torch.cat(parts).cpu().numpy()
        return embedded

    @cached_property
    def digest(self) -> str:
        """Hash of everything that an embedding depends on, besides the sequence."""
        return network_digest(self.network)


class DifferentiableLanguageModel(LanguageModel):
    """A language model of bases, and a head if it has one; `embedder` is a :class:`BaseEmbedder`."""

    def network(self) -> nn.Module:
        """From one-hot (batch, 4, window) to (batch,), the head included.

        Raises
        ------
        GexvizError
            Without a head.
        """
        assert isinstance(self.embedder, BaseEmbedder)
        layers = OrderedDict(embedding=self.embedder.layers(self._segments), head=self._head)
        return nn.Sequential(layers).to(self.embedder.device).eval().requires_grad_(False)


class TrainedDifferentiableLanguageModel(DifferentiableLanguageModel, TrainedLanguageModel):
    """The same, with heads that were trained on this cohort's people."""
