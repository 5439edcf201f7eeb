"""HyenaDNA's layers (Nguyen et al. 2023): long convolutions whose filters a small network makes of positions.

Parameters and buffers are called as in the files of ``HyenaDNAForCausalLM``.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal

import torch
from pydantic import Field
from torch import nn

from gexviz.models.language.characters import CharacterConfig, CharacterEmbedding

_TAPS = 3
_MOST_AT_ONCE = 2**24  # numbers of a long convolution, so that its transforms take little beside the layers
_SHIFT = 0.05


class HyenaConfig(CharacterConfig):
    """What is read of the ``config.json`` of a ``HyenaDNAForCausalLM``."""

    model_type: Literal["hyenadna"]
    d_model: int = Field(256, ge=1, le=16_384)
    d_inner: int = Field(1_024, ge=1, le=65_536)
    n_layer: int = Field(12, ge=1, le=1_000)
    max_seq_len: int = Field(1_024, ge=1, le=10_000_000)
    emb_dim: int = Field(3, ge=1, le=1_001)
    filter_order: int = Field(64, ge=1, le=16_384)
    num_inner_mlps: int = Field(2, ge=0, le=100)
    layer_norm_epsilon: float = Field(1e-5, gt=0)
    hyena_order: Literal[2] = 2
    short_filter_order: Literal[3] = 3
    train_freq: Literal[True] = True


class Sine(nn.Module):
    """The sine of what it reads, each channel at a frequency of its own."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.freq = nn.Parameter(torch.ones(1, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., width), same shape."""
        return torch.sin(self.freq * x)


class Positions(nn.Module):
    """What the filters are made of: positions from 0 to 1, and waves over them. All of it is in the file."""

    t: torch.Tensor

    def __init__(self, length: int, width: int) -> None:
        super().__init__()
        self.z = nn.Parameter(torch.empty(1, length, width))
        self.register_buffer("t", torch.empty(1, length, 1))


class Decay(nn.Module):
    """Exponential decays with distance, one a channel."""

    deltas: torch.Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("deltas", torch.empty(1, 1, width))

    def forward(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """(1, length, width) at positions (1, length, 1) -> the same, weighted."""
        return x * (torch.exp(-t * self.deltas.abs()) + _SHIFT)


class LongConvolution(nn.Module):
    """Convolves each channel with a filter as long as the sequence, and adds the sequence times a number."""

    def __init__(self, config: HyenaConfig) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.empty(config.d_model))
        self.pos_emb = Positions(config.max_seq_len, config.emb_dim)
        width = config.filter_order
        sine = Sine(width)  # the same one after each layer
        inner = [layer for _ in range(config.num_inner_mlps) for layer in (nn.Linear(width, width), sine)]
        self.implicit_filter = nn.Sequential(
            nn.Linear(config.emb_dim, width), sine, *inner, nn.Linear(width, config.d_model, bias=False)
        )
        self.modulation = Decay(config.d_model)

    def filters(self, length: int) -> torch.Tensor:
        """Of each channel, from distance 0 on, (channels, length)."""
        made: torch.Tensor = self.modulation(
            self.implicit_filter(self.pos_emb.z[:, :length]), self.pos_emb.t[:, :length]
        )
        return made[0].T

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, channels, length), same shape."""
        at_once = max(1, _MOST_AT_ONCE // (x.shape[0] * x.shape[2]))
        parts = zip(
            x.split(at_once, dim=1), self.filters(x.shape[2]).split(at_once), self.bias.split(at_once), strict=True
        )
        return torch.cat([_convolved(part, filters) + part * bias[:, None] for part, filters, bias in parts], dim=1)


class Hyena(nn.Module):
    """Two gates around a long convolution."""

    def __init__(self, config: HyenaConfig) -> None:
        super().__init__()
        width = config.d_model
        self.in_proj = nn.Linear(width, 3 * width)
        self.out_proj = nn.Linear(width, width)
        self.short_filter = nn.Conv1d(3 * width, 3 * width, _TAPS, padding=_TAPS - 1, groups=3 * width)
        self.filter_fn = LongConvolution(config)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, length, width) -> the same."""
        mixed = self.short_filter(self.in_proj(x).transpose(1, 2))[..., : x.shape[1]]
        after, before, value = mixed.chunk(3, dim=1)
        return self.out_proj((self.filter_fn(value * before) * after).transpose(1, 2))


class HyenaBlock(nn.Module):
    """A Hyena and a dense layer, each added to what it reads."""

    def __init__(self, config: HyenaConfig) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(config.d_model)
        self.mixer = Hyena(config)
        self.norm2 = nn.LayerNorm(config.d_model)
        dense = {
            "fc1": nn.Linear(config.d_model, config.d_inner),
            "gelu": nn.GELU(approximate="tanh"),
            "fc2": nn.Linear(config.d_inner, config.d_model),
        }
        self.mlp = nn.Sequential(OrderedDict(dense))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, length, width) -> the same."""
        x = x + self.mixer(self.norm1(x))
        return x + self.mlp(self.norm2(x))


def build_backbone(config: HyenaConfig) -> nn.Sequential:
    """Make the network, from one-hot (batch, 4, length) to the last layer (batch, length, width)."""
    embedding = CharacterEmbedding(config.tokens, config.d_model)
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        embeddings=nn.Sequential(OrderedDict(word_embeddings=embedding)),
        layers=nn.Sequential(*(HyenaBlock(config) for _ in range(config.n_layer))),
        ln_f=nn.LayerNorm(config.d_model, eps=config.layer_norm_epsilon),
    )
    return nn.Sequential(layers)


def _convolved(x: torch.Tensor, filters: torch.Tensor) -> torch.Tensor:
    """Each base takes from those before it, by the Fourier transform, in float32 at least."""
    length, precision = x.shape[2], torch.promote_types(x.dtype, torch.float32)
    spectrum = torch.fft.rfft(x.to(precision), n=2 * length) * torch.fft.rfft(filters.to(precision), n=2 * length)
    return torch.fft.irfft(spectrum, n=2 * length)[..., :length].to(x.dtype)
