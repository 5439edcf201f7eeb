"""Transformers: what is read of their configuration, and the networks of the library of that name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import torch
from pydantic import Field, model_validator
from torch import nn
from torch.overrides import TorchFunctionMode

from gexviz.models.language.attending import with_attention
from gexviz.models.language.files import NetworkConfig


class TransformerConfig(NetworkConfig):
    """What every transformer's ``config.json`` tells."""

    vocab_size: int = Field(ge=1, le=1_000_000)
    hidden_size: int = Field(ge=1, le=16_384)
    num_hidden_layers: int = Field(ge=1, le=200)
    num_attention_heads: int = Field(ge=1, le=256)
    intermediate_size: int = Field(ge=1, le=65_536)
    max_position_embeddings: int = Field(ge=4, le=1_000_000)
    layer_norm_eps: float = Field(1e-12, gt=0)

    @model_validator(mode="after")
    def _heads(self) -> Self:
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(f"hidden_size {self.hidden_size} is not for {self.num_attention_heads} heads")
        return self


class Unfilled(TorchFunctionMode):
    """Within it parameters have shapes and no memory, as on the meta device, until a file fills them.

    Buffers are made for real: those that are not in files are filled by nothing else.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func is torch.empty:  # of which layers make their parameters
            kwargs["device"] = "meta"
        return func(*args, **kwargs)


class LibraryEncoder(nn.Module):
    """The last hidden state of a network of transformers, :class:`Unfilled`.

    Parameters
    ----------
    name : str
        What the names of its parameters begin with in its files: ``bert``.
    config : TransformerConfig
        All that the network is made by.
    build : callable
        Makes the library's network, without heads.
    """

    def __init__(self, name: str, config: TransformerConfig, build: Callable[[], nn.Module]) -> None:
        super().__init__()
        self._name = name
        self._config = config
        with Unfilled():
            self.add_module(name, build())

    @property
    def _network(self) -> Any:
        return self.get_submodule(self._name)

    def extra_repr(self) -> str:
        """What the fingerprint has to know: the library's layers don't tell their heads, nor how tokens are scaled."""
        return repr(self._config)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """(batch, tokens), (batch, tokens) -> (batch, tokens, dim)."""
        hidden: torch.Tensor = self._network(input_ids=ids, attention_mask=mask).last_hidden_state
        return hidden

    def attending(self, ids: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        """The same, and the weights of attention of each layer, in its graph."""
        return with_attention(self._network, ids, mask)
