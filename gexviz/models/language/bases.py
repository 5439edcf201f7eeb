"""Language models that read base by base: they are differentiable in the one-hot sequence."""

from __future__ import annotations

import threading
from collections import OrderedDict
from functools import cached_property

import numpy as np
import torch
from torch import nn

from gexviz.models.language.model import LanguageModel, TrainedLanguageModel
from gexviz.models.network_digest import network_digest


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


class BaseEmbedder:
    """Makes one embedding of a sequence.

    Parameters
    ----------
    network : torch.nn.Module
        From one-hot (batch, 4, length) to (batch, dim). It is put in eval mode, its parameters frozen.
    batch_size : int
    device : str

    Notes
    -----
    Forwards from several threads take turns.
    """

    def __init__(self, network: nn.Module, *, batch_size: int, device: str = "cpu") -> None:
        self.network = network.to(device).eval().requires_grad_(False)
        self.device = device
        self._batch_size = batch_size
        self._turn = threading.Lock()

    def embed(self, onehot: np.ndarray, anchor: int) -> np.ndarray:
        """Embed sequences, (batch, 4, length) -> float32 (batch, dim)."""
        with self._turn, torch.inference_mode():
            parts = [
                self.network(torch.tensor(onehot[i : i + self._batch_size], dtype=torch.float32, device=self.device))
                for i in range(0, len(onehot), self._batch_size)
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
        head = self._head
        last = nn.Linear(len(head.coefficients), 1)
        weight = torch.from_numpy(head.coefficients).float()[None]
        last.load_state_dict({"weight": weight, "bias": torch.tensor([head.intercept])})
        layers = OrderedDict(embedding=self.embedder.network, head=last, one_number=nn.Flatten(0))
        return nn.Sequential(layers).to(self.embedder.device).eval().requires_grad_(False)


class TrainedDifferentiableLanguageModel(DifferentiableLanguageModel, TrainedLanguageModel):
    """The same, with heads that were trained on this cohort's people."""
