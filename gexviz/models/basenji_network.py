"""Networks of Basenji (Kelley 2020), from the JSON that describes their layers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from torch import nn

from gexviz.errors import GexvizError
from gexviz.models.enformer_network import QuickGelu
from gexviz.models.relative_attention import Residual

_EPSILON = 1e-3  # Keras' own
_READ = ConfigDict(extra="ignore", frozen=True)


class ConvBlock(BaseModel):
    """GELU, convolution, batch norm, max pooling; dropout doesn't concern predictions."""

    model_config = _READ
    name: Literal["conv_block"]
    filters: int = Field(ge=1)
    kernel_size: int = Field(default=1, ge=1)
    pool_size: int = Field(default=1, ge=1)


class ConvTower(BaseModel):
    """The same several times, with more and more filters."""

    model_config = _READ
    name: Literal["conv_tower"]
    filters_init: float = Field(ge=1)
    filters_mult: float = Field(default=1.0, gt=0)
    repeat: int = Field(default=1, ge=1, le=100)
    kernel_size: int = Field(default=1, ge=1)
    pool_size: int = Field(default=1, ge=1)


class DilatedResidual(BaseModel):
    """Dilated convolutions whose result is added to what went in."""

    model_config = _READ
    name: Literal["dilated_residual"]
    filters: int = Field(ge=1)
    kernel_size: int = Field(default=3, ge=1)
    rate_mult: float = Field(default=2.0, ge=1)
    repeat: int = Field(default=1, ge=1, le=100)
    round: bool = False


class Cropping(BaseModel):
    """Bins left out on each side."""

    model_config = _READ
    name: Literal["Cropping1D"]
    cropping: int = Field(ge=0)


class Head(BaseModel):
    """A linear map of each bin."""

    model_config = _READ
    name: Literal["dense", "final"] = "dense"
    units: int = Field(ge=1)
    activation: Literal["softplus"]


class BasenjiParams(BaseModel):
    """The part ``model`` of Basenji's JSON; other layers and activations than the published network's are refused.

    Attributes
    ----------
    seq_length : int
        bp.
    activation : {"gelu"}
    trunk : list
        Of layers.
    head_human : Head
    """

    model_config = _READ
    seq_length: int = Field(ge=2, le=10_000_000)
    activation: Literal["gelu"]
    trunk: list[Annotated[ConvBlock | ConvTower | DilatedResidual | Cropping, Field(discriminator="name")]] = Field(
        min_length=1
    )
    head_human: Head

    @model_validator(mode="after")
    def _pools_evenly(self) -> Self:
        pools = [
            b.pool_size ** (b.repeat if isinstance(b, ConvTower) else 1) for b in self.trunk if hasattr(b, "pool_size")
        ]
        if self.seq_length % math.prod(pools):
            raise ValueError(f"seq_length {self.seq_length} can't be divided by {math.prod(pools)}, the bp of a bin")
        return self


PUBLISHED = BasenjiParams(
    seq_length=131_072,
    activation="gelu",
    trunk=[
        ConvBlock(name="conv_block", filters=288, kernel_size=15, pool_size=2),
        ConvTower(name="conv_tower", filters_init=339, filters_mult=1.1776, kernel_size=5, pool_size=2, repeat=6),
        DilatedResidual(name="dilated_residual", filters=384, rate_mult=1.5, repeat=11, round=True),
        Cropping(name="Cropping1D", cropping=64),
        ConvBlock(name="conv_block", filters=1536),
    ],
    head_human=Head(units=5_313, activation="softplus"),
)
"""Of ``manuscripts/cross2020/params_human.json`` of calico/basenji."""


class _File(BaseModel):
    model_config = _READ
    model: BasenjiParams


def read_basenji_params(path: Path | None) -> BasenjiParams:
    """Read Basenji's JSON, or give the published network's layers.

    Raises
    ------
    GexvizError
        Naming the file and the key.
    """
    if path is None:
        return PUBLISHED
    try:
        return _File.model_validate_json(path.read_bytes()).model
    except OSError as error:
        raise GexvizError(f"can't read the network's layers: {error}", file=path) from None
    except ValidationError as error:
        first = error.errors()[0]
        raise GexvizError(
            f"these are not the layers of a Basenji2: {first['msg']}",
            file=path,
            place=".".join(str(part) for part in first["loc"]) or None,
            expected="Basenji's params JSON: conv_block, conv_tower, dilated_residual and Cropping1D with gelu",
            remedy="give the JSON that was published with the weights; open other networks as family = 'torch'",
        ) from None


def build_trunk(params: BasenjiParams) -> tuple[nn.Sequential, int]:
    """Make the layers up to the head.

    Returns
    -------
    trunk : torch.nn.Sequential
        From (batch, 4, seq_length) to (batch, channels, bins).
    channels : int
    """
    layers: list[nn.Module] = []
    channels = 4
    for block in params.trunk:
        match block:
            case ConvBlock(filters=filters, kernel_size=width, pool_size=pool):
                layers.append(_conv_block(channels, filters, width, pool=pool))
                channels = filters
            case ConvTower(kernel_size=width, pool_size=pool):
                for i in range(block.repeat):
                    filters = int(np.round(block.filters_init * block.filters_mult**i))
                    layers.append(_conv_block(channels, filters, width, pool=pool))
                    channels = filters
            case DilatedResidual(filters=filters, kernel_size=width):
                for dilation in dilations(block):
                    there = _conv_block(channels, filters, width, dilation=dilation)
                    layers.append(Residual(nn.Sequential(there, _conv_block(filters, channels, 1))))
            case Cropping(cropping=cropping):
                layers.append(Crop(cropping))
    return nn.Sequential(*layers, QuickGelu()), channels


def dilations(block: DilatedResidual) -> list[int]:
    """Dilations of a tower's convolutions."""
    rate, found = 1.0, []
    for _ in range(block.repeat):
        found.append(int(np.round(rate)))
        rate *= block.rate_mult
        rate = float(np.round(rate)) if block.round else rate
    return found


class Crop(nn.Module):
    """Leaves out bins on each side."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, channels, bins) -> (batch, channels, bins - 2 * number)."""
        return x[:, :, self.number : -self.number] if self.number else x

    def extra_repr(self) -> str:
        """What the fingerprint has to know."""
        return str(self.number)


class Shifted(nn.Module):
    """The mean of a network's predictions for the sequence moved by some bp; what comes in is 0.25 of each base.

    Parameters
    ----------
    network : torch.nn.Module
        From (batch, 4, length) to (batch,).
    shifts : sequence of int
        bp, to the right if positive.
    """

    def __init__(self, network: nn.Module, shifts: Sequence[int]) -> None:
        super().__init__()
        self.network, self.shifts = network, tuple(shifts)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, 4, length) -> (batch,)."""
        return torch.stack([self.network(_moved(x, shift)) for shift in self.shifts]).mean(dim=0)

    def extra_repr(self) -> str:
        """What the fingerprint has to know."""
        return f"shifts={self.shifts}"


def _moved(x: torch.Tensor, shift: int) -> torch.Tensor:
    if shift == 0:
        return x
    return (
        F.pad(x[:, :, :-shift], (shift, 0), value=0.25)
        if shift > 0
        else F.pad(x[:, :, -shift:], (0, -shift), value=0.25)
    )


def _conv_block(into: int, out: int, width: int, *, pool: int = 1, dilation: int = 1) -> nn.Sequential:
    """In Keras' ``same`` padding, an even width has its larger half on the right."""
    reach = dilation * (width - 1)
    layers: list[nn.Module] = [QuickGelu()]
    if reach:
        layers.append(nn.ZeroPad1d((reach // 2, reach - reach // 2)))
    layers += [nn.Conv1d(into, out, width, dilation=dilation, bias=False), nn.BatchNorm1d(out, eps=_EPSILON)]
    if pool > 1:
        layers.append(nn.MaxPool1d(pool))
    return nn.Sequential(*layers)
