"""Caduceus's layers (Schiff et al. 2024): Mamba in both directions, and one network for both strands.

Parameters are called as in the files of ``CaduceusForMaskedLM``. The ``-ps`` networks read a sequence and its reverse
complement, the two halves of a batch here, each in its own direction. In each layer both halves change places, turned
around and with their channels in the opposite order: the authors' layers do so with ``fused_add_norm``, which the
published networks were trained with, and don't without it.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Literal, Self

import torch
from pydantic import Field, model_validator
from torch import nn
from torch.nn import functional

from gexviz.models.language.characters import LETTERS, CharacterConfig, CharacterEmbedding
from gexviz.models.language.files import NetworkConfig
from gexviz.models.selective_scan import selective_scan

_PAIRS = {LETTERS[base]: LETTERS[other] for base, other in zip("ACGTN", "TGCAN", strict=True)}


class MambaConfig(NetworkConfig):
    """What is read of ``ssm_cfg``."""

    d_state: int = Field(16, ge=1, le=1_024)
    d_conv: int = Field(4, ge=1, le=64)
    expand: int = Field(2, ge=1, le=16)
    dt_rank: Literal["auto"] | int = "auto"
    conv_bias: bool = True
    bias: Literal[False] = False


class CaduceusConfig(CharacterConfig):
    """What is read of the ``config.json`` of a ``CaduceusForMaskedLM``."""

    model_type: Literal["caduceus"]
    d_model: int = Field(ge=1, le=16_384)
    n_layer: int = Field(ge=1, le=1_000)
    ssm_cfg: MambaConfig | None = None
    rms_norm: bool = True
    norm_epsilon: float = Field(1e-5, gt=0)
    fused_add_norm: bool = True
    rcps: bool = False
    complement_map: dict[int, int] | None = None
    bidirectional: Literal[True] = True
    bidirectional_strategy: Literal["add"] | None = "add"
    bidirectional_weight_tie: Literal[True] = True

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.complement_map is not None and any(self.complement_map.get(one) != _PAIRS[one] for one in _PAIRS):
            raise ValueError("complement_map pairs other tokens than A with T and C with G: another vocabulary")
        if self.rcps and not self.fused_add_norm:
            raise ValueError("rcps without fused_add_norm: the strands change places in the published layers only")
        return self

    @property
    def mamba(self) -> MambaConfig:
        """Settings of the Mambas."""
        return self.ssm_cfg or MambaConfig.model_validate({})

    def norm(self) -> nn.Module:
        """Make a norm."""
        return (nn.RMSNorm if self.rms_norm else nn.LayerNorm)(self.d_model, eps=self.norm_epsilon)


class BothStrands(nn.Module):
    """Embeds a sequence and its reverse complement: (batch, 4, length) -> (2 batch, length, dim)."""

    def __init__(self, config: CaduceusConfig) -> None:
        super().__init__()
        self.embedding = CharacterEmbedding(config.tokens, config.d_model)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Embed."""
        embedded: torch.Tensor = self.embedding(torch.cat([x, x.flip(1, 2)]))
        return embedded


class MeanOfStrands(nn.Module):
    """The mean of both strands at each base: (2 batch, length, dim) -> (batch, length, dim)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Average."""
        one, other = x.chunk(2)
        return (one + other.flip(1)) / 2


class Mamba(nn.Module):
    """A selective state space (Gu & Dao 2023), without the projections before and behind, which two of them share."""

    def __init__(self, config: CaduceusConfig, in_proj: nn.Linear, out_proj: nn.Linear) -> None:
        super().__init__()
        mamba, inner = config.mamba, out_proj.in_features
        self.rank = math.ceil(config.d_model / 16) if mamba.dt_rank == "auto" else mamba.dt_rank
        self.states = mamba.d_state
        self.in_proj, self.out_proj = in_proj, out_proj
        taps = mamba.d_conv
        self.conv1d = nn.Conv1d(inner, inner, taps, padding=taps - 1, groups=inner, bias=mamba.conv_bias)
        self.x_proj = nn.Linear(inner, self.rank + 2 * self.states, bias=False)
        self.dt_proj = nn.Linear(self.rank, inner)
        self.A_log = nn.Parameter(torch.empty(inner, self.states))
        self.D = nn.Parameter(torch.empty(inner))

    def forward(self, projected: torch.Tensor) -> torch.Tensor:
        """(batch, length, 2 inner) -> (batch, length, inner)."""
        x, gate = projected.chunk(2, dim=-1)
        x = functional.silu(self.conv1d(x.transpose(1, 2))[..., : x.shape[1]].transpose(1, 2))
        duration, b, c = self.x_proj(x).split([self.rank, self.states, self.states], dim=-1)
        delta = functional.softplus(self.dt_proj(duration))
        read = selective_scan(x, delta, -torch.exp(self.A_log), b, c)
        return (read + self.D * x) * functional.silu(gate)


class BothDirections(nn.Module):
    """A Mamba from left to right and one from right to left, added; they share their projections."""

    def __init__(self, config: CaduceusConfig) -> None:
        super().__init__()
        width, inner = config.d_model, config.mamba.expand * config.d_model
        projections = nn.Linear(width, 2 * inner, bias=False), nn.Linear(inner, width, bias=False)
        self.mamba_fwd = Mamba(config, *projections)
        self.mamba_rev = Mamba(config, *projections)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, length, width) -> the same."""
        projected = self.mamba_fwd.in_proj(x)
        both = self.mamba_fwd(projected) + self.mamba_rev(projected.flip(1)).flip(1)
        found: torch.Tensor = self.mamba_fwd.out_proj(both)
        return found


class CaduceusBlock(nn.Module):
    """A Mamba in both directions, added to what it reads."""

    def __init__(self, config: CaduceusConfig) -> None:
        super().__init__()
        mixer = BothDirections(config)
        self.norm = config.norm()
        self.mixer = nn.Sequential(OrderedDict(submodule=mixer)) if config.rcps else mixer
        self._crossed = config.rcps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, length, width) -> the same."""
        if self._crossed:
            x = x.unflatten(0, (2, -1)).flip(0, 2, 3).flatten(0, 1)
        found: torch.Tensor = x + self.mixer(self.norm(x))
        return found


def build_backbone(config: CaduceusConfig) -> nn.Sequential:
    """Make the network, from one-hot (batch, 4, length) to the last layer, of both strands for ``-ps``."""
    embedding = BothStrands(config) if config.rcps else CharacterEmbedding(config.tokens, config.d_model)
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        embeddings=nn.Sequential(OrderedDict(word_embeddings=embedding)),
        layers=nn.Sequential(*(CaduceusBlock(config) for _ in range(config.n_layer))),
        norm_f=config.norm(),
    )
    return nn.Sequential(layers)
