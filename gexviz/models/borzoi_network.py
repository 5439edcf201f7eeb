"""Borzoi (Linder et al. 2025) with the parameter names of borzoi-pytorch and its published weights.

Convolutions to bins of 128 bp, transformer layers with relative positions, and back to bins of 32 bp by the way of a
U-net. Only the bins and tracks of a readout go through the last layers.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Self

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from torch import nn

from gexviz.errors import GexvizError
from gexviz.models.relative_attention import RelativeAttention, Residual, Sizes

BIN = 32
_PER_TRANSFORMER_BIN, _LEVELS = 4, 5  # bins of the transformer are 128 bp; the sequence is halved 5 times to 32 bp
_POSITIONS, _TRAINED_LENGTH = 32, 4_096  # basis functions, and the bins that their widths are spread over
_EPSILON = 1e-3


class BorzoiConfig(BaseModel):
    """What of borzoi-pytorch's ``config.json`` the network depends on; the defaults are the published Borzoi's.

    Attributes
    ----------
    dim, depth, heads, attn_dim_key, attn_dim_value : int
        Of the transformer.
    bins_to_return : int
        Bins of 32 bp, in the middle, that it was trained on.
    flashed : bool
        Whether its attention is flash-attn's, with other parameters; those networks are refused.
    filters : tuple of int
        Channels of the convolutions. borzoi-pytorch has no such key: its networks have these, always.
    joined : int
        Channels before the heads; as `filters`.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    dim: int = Field(default=1536, ge=1, le=8192)
    depth: int = Field(default=8, ge=1, le=64)
    heads: int = Field(default=8, ge=1, le=128)
    attn_dim_key: int = Field(default=64, ge=1, le=1024)
    attn_dim_value: int = Field(default=192, ge=1, le=1024)
    bins_to_return: int = Field(default=6_144, ge=2)
    return_center_bins_only: bool = True
    flashed: bool = False
    filters: tuple[int, ...] = (512, 608, 736, 896, 1056, 1280)
    joined: int = Field(default=1920, ge=1)

    @model_validator(mode="after")
    def _supported(self) -> Self:
        if self.flashed:
            raise ValueError(
                "its attention is flash-attn's, which needs a GPU; give weights of borzoi-replicate-0 to -3"
            )
        if not self.return_center_bins_only:
            raise ValueError("return_center_bins_only is false; gexviz reads the bins that were trained on")
        if len(self.filters) != _LEVELS + 1 or min(self.filters) < 1:
            raise ValueError(f"{len(self.filters)} filters, not {_LEVELS + 1}")
        return self


def read_borzoi_config(path: Path | None) -> BorzoiConfig:
    """Read a ``config.json`` of borzoi-pytorch, or give the published Borzoi's.

    Raises
    ------
    GexvizError
        Naming the file and the key.
    """
    if path is None:
        return BorzoiConfig()
    try:
        return BorzoiConfig.model_validate_json(path.read_bytes())
    except OSError as error:
        raise GexvizError(f"can't read the network's configuration: {error}", file=path) from None
    except ValidationError as error:
        first = error.errors()[0]
        raise GexvizError(
            f"this is not a configuration of Borzoi: {first['msg']}",
            file=path,
            place=".".join(str(part) for part in first["loc"]) or None,
            expected="config.json as borzoi-pytorch writes it",
            remedy="give the config.json that was saved with the weights",
        ) from None


def check_window(config: BorzoiConfig, window: int) -> None:
    """See that a window has room for the bins that are read.

    Raises
    ------
    GexvizError
    """
    step, least = 2 * BIN * _PER_TRANSFORMER_BIN, config.bins_to_return * BIN
    if window % step or window < least:
        raise GexvizError(
            f"a window of {window:,} bp",
            expected=f"a multiple of {step} bp, {least:,} or more",
            remedy="correct window; the published Borzoi's is 524,288",
        )


def relative_positions(length: int) -> torch.Tensor:
    """Basis functions of the distance between two bins: whether it is below each of 16 widths, plain and with its sign.

    Parameters
    ----------
    length : int
        Bins.

    Returns
    -------
    torch.Tensor, float32 (2 * length - 1, 32)
    """
    number = _POSITIONS // 2
    distance = torch.arange(-length + 1, length, device="cpu")
    base = math.exp(math.log(_TRAINED_LENGTH + 1) / number)
    width = torch.pow(base, torch.arange(1, number + 1, device="cpu")).float() - 1
    near = (width > distance.abs()[:, None]).float()
    return torch.cat([near, torch.sign(distance)[:, None] * near], dim=1)


class ConvBlock(nn.Module):
    """Normalisation, activation, convolution."""

    def __init__(self, into: int, out: int, width: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(into, eps=_EPSILON)
        self.activation = nn.GELU(approximate="tanh")
        self.conv_layer = nn.Conv1d(into, out, width, padding=width // 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, into, length) -> (batch, out, length)."""
        return self.conv_layer(self.activation(self.norm(x)))


class Separable(nn.Module):
    """A convolution within each channel, then one across channels."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.conv_layer = nn.Sequential(
            nn.Conv1d(dim, dim, 3, padding=1, groups=dim, bias=False), nn.Conv1d(dim, dim, 1)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Same shape."""
        return self.conv_layer(x)


class BorzoiTrunk(nn.Module):
    """From one-hot sequence to what the head reads, in the bins of a readout.

    Parameters
    ----------
    config : BorzoiConfig
    window : int
        bp.
    """

    def __init__(self, config: BorzoiConfig, window: int) -> None:
        super().__init__()
        dim, filters = config.dim, config.filters
        self.conv_dna = nn.Sequential(
            OrderedDict(conv_layer=nn.Conv1d(4, filters[0], 15, padding=7), max_pool=nn.MaxPool1d(2))
        )
        tower: list[nn.Module] = []
        for into, out in pairwise(filters):
            tower += [ConvBlock(into, out, 5), nn.MaxPool1d(2)]
        self.res_tower = nn.Sequential(*tower[:-1])
        self.unet1 = nn.Sequential(nn.MaxPool1d(2), ConvBlock(filters[-1], dim, 5))
        self.to_transformer = nn.MaxPool1d(2)
        bins = window // (BIN * _PER_TRANSFORMER_BIN)
        self.transformer = nn.Sequential(*(_transformer_layer(config, bins) for _ in range(config.depth)))
        self.horizontal_conv0 = ConvBlock(filters[-1], dim, 1)
        self.horizontal_conv1 = ConvBlock(dim, dim, 1)
        self.upsampling_unet1 = nn.Sequential(ConvBlock(dim, dim, 1), nn.Upsample(scale_factor=2))
        self.separable1 = Separable(dim)
        self.upsampling_unet0 = nn.Sequential(ConvBlock(dim, dim, 1), nn.Upsample(scale_factor=2))
        self.separable0 = Separable(dim)
        self.final_joined_convs = nn.Sequential(  # the gap is a layer of the reference without parameters
            OrderedDict({"0": ConvBlock(dim, config.joined, 1), "2": nn.GELU(approximate="tanh")})
        )

    def forward(self, x: torch.Tensor, bins: torch.Tensor) -> torch.Tensor:
        """(batch, 4, window), places of bins in the window -> (batch, joined, bins)."""
        fine = self.res_tower(self.conv_dna(x))
        coarse = self.unet1(fine)
        x = self.transformer(self.to_transformer(coarse).transpose(1, 2)).transpose(1, 2)
        x = self.separable1(self.upsampling_unet1(x) + self.horizontal_conv1(coarse))
        x = self.separable0(self.upsampling_unet0(x) + self.horizontal_conv0(fine))
        return self.final_joined_convs(x.index_select(2, bins))


class Borzoi(nn.Module):
    """One replicate.

    Parameters
    ----------
    config : BorzoiConfig
    window : int
        bp.
    tracks : int
        How many the head keeps.
    """

    def __init__(self, config: BorzoiConfig, window: int, tracks: int) -> None:
        super().__init__()
        self.trunk = BorzoiTrunk(config, window)
        self.human_head = nn.Conv1d(config.joined, tracks, 1)
        self.final_softplus = nn.Softplus()

    def forward(self, x: torch.Tensor, bins: torch.Tensor) -> torch.Tensor:
        """(batch, 4, window), places of bins in the window -> (batch, tracks, bins)."""
        return self.final_softplus(self.human_head(self.trunk(x, bins)))


def exon_bins(config: BorzoiConfig, window: int, places: Sequence[tuple[int, int]]) -> list[int]:
    """Find the bins that exons touch, among those that the network was trained on.

    Parameters
    ----------
    config : BorzoiConfig
    window : int
        bp.
    places : sequence of (int, int)
        Of exons, in the window's own direction; 0-based half-open.

    Returns
    -------
    list of int
        Ascending, each once, counted from the window's first.
    """
    first = window // BIN // 2 - config.bins_to_return // 2
    trained = range(first, first + config.bins_to_return)
    touched = {bin_ for start, end in places for bin_ in range(start // BIN, -(-end // BIN))}
    return sorted(touched.intersection(trained))


def _transformer_layer(config: BorzoiConfig, bins: int) -> nn.Sequential:
    dim = config.dim
    sizes = Sizes(dim, config.heads, config.attn_dim_key, config.attn_dim_value)
    attention = {
        "0": nn.LayerNorm(dim, eps=_EPSILON),
        "1": RelativeAttention(sizes, relative_positions(bins), "central mask"),
    }
    feed_forward = {
        "0": nn.LayerNorm(dim, eps=_EPSILON),
        "1": nn.Linear(dim, 2 * dim),
        "3": nn.ReLU(),
        "4": nn.Linear(2 * dim, dim),
    }
    return nn.Sequential(*(Residual(nn.Sequential(OrderedDict(layers))) for layers in (attention, feed_forward)))  # type: ignore[arg-type]
