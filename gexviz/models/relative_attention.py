"""Attention with relative positions, of Transformer-XL's kind, as Enformer and Borzoi have it."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn


class Sizes(NamedTuple):
    """Channels of attention: of its input, and of each head's keys and values."""

    dim: int
    heads: int
    key: int
    value: int


class RelativeAttention(nn.Module):
    """One layer; its parameters have the names of enformer-pytorch.

    Parameters
    ----------
    sizes : Sizes
    positions : torch.Tensor, float (2 * bins - 1, features)
        Basis functions of the distances from -(bins - 1) to bins - 1.
    basis : str
        What they are, for the fingerprint: they are not saved with the parameters.
    """

    positions: torch.Tensor

    def __init__(self, sizes: Sizes, positions: torch.Tensor, basis: str) -> None:
        super().__init__()
        dim, heads, key, value = sizes
        self.bins, self.heads, self.scale, self.basis = (len(positions) + 1) // 2, heads, key**-0.5, basis
        self.to_q = nn.Linear(dim, key * heads, bias=False)
        self.to_k = nn.Linear(dim, key * heads, bias=False)
        self.to_v = nn.Linear(dim, value * heads, bias=False)
        self.to_out = nn.Linear(value * heads, dim)
        self.to_rel_k = nn.Linear(positions.shape[1], key * heads, bias=False)
        self.rel_content_bias = nn.Parameter(torch.empty(1, heads, 1, key))
        self.rel_pos_bias = nn.Parameter(torch.empty(1, heads, 1, key))
        self.register_buffer("positions", positions, persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, bins, dim), same shape."""
        q, k, v = (to(x).unflatten(2, (self.heads, -1)).transpose(1, 2) for to in (self.to_q, self.to_k, self.to_v))
        q = q * self.scale
        content = (q + self.rel_content_bias) @ k.transpose(2, 3)
        rel_k = self.to_rel_k(self.positions).unflatten(1, (self.heads, -1)).permute(1, 2, 0)
        logits = content + self._by_distance((q + self.rel_pos_bias) @ rel_k)
        return self.to_out((logits.softmax(dim=3) @ v).transpose(1, 2).flatten(2))

    def extra_repr(self) -> str:
        """What the fingerprint has to know."""
        return f"bins={self.bins}, positions={self.basis}"

    def _by_distance(self, x: torch.Tensor) -> torch.Tensor:
        """Logits by query and distance (batch, heads, n, 2n - 1) -> by query and key (batch, heads, n, n)."""
        n = self.bins
        x = F.pad(x, (1, 0)).reshape(-1, self.heads, 2 * n, n)[:, :, 1:]
        return x.reshape(-1, self.heads, n, 2 * n - 1)[:, :, :, :n]


class Residual(nn.Module):
    """Adds to its input what a layer makes of it."""

    def __init__(self, fn: nn.Module) -> None:
        super().__init__()
        self.fn = fn

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Same shape."""
        return self.fn(x) + x
