"""Enformer's trunk (Avsec et al. 2021) with the parameter names of enformer-pytorch and its published weights.

Convolutions and attention pooling halve the sequence seven times, to bins of 128 bp; transformer layers with relative
positions follow. Only the bins of a readout go through the last layer.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from itertools import pairwise
from pathlib import Path
from typing import Literal, Self

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from torch import nn

from gexviz.errors import GexvizError
from gexviz.models.readouts import CentreBins
from gexviz.models.relative_attention import RelativeAttention, Residual, Sizes

Gamma = Literal["tensorflow", "pytorch"]
"""Which of two versions of the gamma basis of relative positions; see :func:`relative_positions`."""

PUBLISHED_WINDOW, PUBLISHED_DIM = 196_608, 1_536
_BASES = 6  # exponential, central mask and gamma, each symmetric and signed


class EnformerConfig(BaseModel):
    """What of enformer-pytorch's ``config.json`` the network depends on; the defaults are the published Enformer's.

    Attributes
    ----------
    dim : int
        Channels of the transformer.
    depth : int
        Its layers.
    heads : int
        Of attention.
    attn_dim_key : int
    num_downsamples : int
        Times that the sequence is halved.
    dim_divisible_by : int
        Of the channels of the convolutions.
    output_heads : dict
        Tracks of each head.
    use_tf_gamma : bool
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    dim: int = Field(default=PUBLISHED_DIM, ge=12, le=8192)
    depth: int = Field(default=11, ge=1, le=64)
    heads: int = Field(default=8, ge=1, le=128)
    attn_dim_key: int = Field(default=64, ge=1, le=1024)
    num_downsamples: int = Field(default=7, ge=3, le=12)
    dim_divisible_by: int = Field(default=128, ge=1)
    output_heads: dict[str, int] = {"human": 5313, "mouse": 1643}
    use_tf_gamma: bool = False

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.dim % 2 or self.dim % (self.heads * _BASES):
            raise ValueError(f"dim {self.dim} can't be divided by {_BASES} x {self.heads} heads")
        if min(self.filters) < 1 or self.filters[-1] != self.dim:
            raise ValueError(f"dim {self.dim} can't be divided by dim_divisible_by {self.dim_divisible_by}")
        return self

    @property
    def filters(self) -> list[int]:
        """Channels of the convolutions, from the stem to the last."""
        number, by = self.num_downsamples - 1, self.dim_divisible_by
        start, base = self.dim // 2, math.exp(math.log(2) / (number - 1))
        return [start, *(round(start * base**i / by) * by for i in range(number))]

    @property
    def bin_size(self) -> int:
        """Bp of a bin."""
        return 2**self.num_downsamples


def read_enformer_config(path: Path | None) -> EnformerConfig:
    """Read a ``config.json`` of enformer-pytorch, or give the published Enformer's.

    Raises
    ------
    GexvizError
        Naming the file and the key.
    """
    if path is None:
        return EnformerConfig()
    try:
        return EnformerConfig.model_validate_json(path.read_bytes())
    except OSError as error:
        raise GexvizError(f"can't read the network's configuration: {error}", file=path) from None
    except ValidationError as error:
        first = error.errors()[0]
        raise GexvizError(
            f"this is not a configuration of Enformer: {first['msg']}",
            file=path,
            place=".".join(str(part) for part in first["loc"]) or None,
            expected="config.json as enformer-pytorch writes it",
            remedy="give the config.json that was saved with the weights",
        ) from None


def bins_of(config: EnformerConfig, window: int) -> int:
    """Number of bins of a window.

    Raises
    ------
    GexvizError
        For a window that is no even number of bins.
    """
    if window % (2 * config.bin_size):
        raise GexvizError(
            f"a window of {window:,} bp",
            expected=f"a multiple of {2 * config.bin_size} bp, an even number of bins",
            remedy=f"correct window; the published Enformer's is {PUBLISHED_WINDOW:,}",
        )
    return window // config.bin_size


def relative_positions(length: int, number: int, gamma: Gamma) -> torch.Tensor:
    """Basis functions of the distance between two bins.

    Parameters
    ----------
    length : int
        Bins.
    number : int
        Of basis functions; a multiple of 6.
    gamma : {"tensorflow", "pytorch"}
        What each gamma density is divided by: its largest value over all distances, as in the published Enformer; or
        the largest of all densities at that distance, as enformer-pytorch does by itself and fine-tuned Enformers were
        trained with.

    Returns
    -------
    torch.Tensor, float32 (2 * length - 1, number)
        Of the distances from -(length - 1) to length - 1; the second half has the sign of the distance.

    Notes
    -----
    The published network's gamma densities carry float32 rounding of its training machine, up to 0.002 of their
    maximum in 1.4% of the places, which can't be computed anew.
    """
    features = number // _BASES
    distance = torch.arange(-length + 1, length, device="cpu")
    away = distance.abs()[:, None]
    half_life = 2 ** torch.linspace(3.0, math.log2(length), features, device="cpu")
    exponential = torch.exp(-math.log(2.0) / half_life * away)
    width = 2 ** torch.arange(1, features + 1, device="cpu").float() - 1
    mean = torch.linspace(length / features, length, features, device="cpu")
    deviation = length / (2 * features)
    concentration, rate = (mean / deviation) ** 2, mean / deviation**2
    log_density = torch.xlogy(concentration - 1, away.float()) - rate * away
    log_density = log_density - (torch.lgamma(concentration) - concentration * torch.log(rate))
    density = torch.exp(log_density) + 1e-8
    density = density / density.amax(dim=0 if gamma == "tensorflow" else 1, keepdim=True)
    basis = torch.cat([exponential, (width > away).float(), density], dim=1)
    return torch.cat([basis, torch.sign(distance)[:, None] * basis], dim=1)


class EnformerTrunk(nn.Module):
    """From one-hot sequence to what the heads read, in the bins of a readout.

    Parameters
    ----------
    config : EnformerConfig
    window : int
        bp.
    centre : int
        Bins to give, around the TSS.
    gamma : {"tensorflow", "pytorch"}
    """

    def __init__(self, config: EnformerConfig, window: int, centre: int, gamma: Gamma) -> None:
        super().__init__()
        bins, filters = bins_of(config, window), config.filters
        self.stem = nn.Sequential(
            nn.Conv1d(4, filters[0], 15, padding=7), Residual(_conv_block(filters[0], filters[0], 1)), Pool(filters[0])
        )
        self.conv_tower = nn.Sequential(
            *(
                nn.Sequential(_conv_block(i, o, 5), Residual(_conv_block(o, o, 1)), Pool(o))
                for i, o in pairwise(filters)
            )
        )
        self.transformer = nn.Sequential(*(_transformer_layer(config, bins, gamma) for _ in range(config.depth)))
        self.centre = CentreBins(centre, bins)
        self.final_pointwise = nn.Sequential(  # the gaps are layers of the reference without parameters
            OrderedDict({"1": _conv_block(filters[-1], 2 * config.dim, 1), "4": QuickGelu()})
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, 4, window) -> (batch, 2 * dim, centre)."""
        x = self.conv_tower(self.stem(x))
        x = self.transformer(x.transpose(1, 2)).transpose(1, 2)
        return self.final_pointwise(self.centre(x))


class QuickGelu(nn.Module):
    """The sigmoid approximation of GELU that Enformer has."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Same shape."""
        return torch.sigmoid(1.702 * x) * x


class Pool(nn.Module):
    """Makes one position of two, weighted by the softmax of a linear map of their channels."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.to_attn_logits = nn.Conv2d(dim, dim, 1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, dim, length) -> (batch, dim, length / 2)."""
        x = x.unflatten(2, (-1, 2))
        return (x * self.to_attn_logits(x).softmax(dim=3)).sum(dim=3)


def _conv_block(dim: int, out: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm1d(dim), QuickGelu(), nn.Conv1d(dim, out, width, padding=width // 2))


def _transformer_layer(config: EnformerConfig, bins: int, gamma: Gamma) -> nn.Sequential:
    dim, value = config.dim, config.dim // config.heads
    sizes, positions = Sizes(dim, config.heads, config.attn_dim_key, value), relative_positions(bins, value, gamma)
    attention = {"0": nn.LayerNorm(dim), "1": RelativeAttention(sizes, positions, gamma)}
    feed_forward = {"0": nn.LayerNorm(dim), "1": nn.Linear(dim, 2 * dim), "3": nn.ReLU(), "4": nn.Linear(2 * dim, dim)}
    return nn.Sequential(*(Residual(nn.Sequential(OrderedDict(layers))) for layers in (attention, feed_forward)))  # type: ignore[arg-type]
