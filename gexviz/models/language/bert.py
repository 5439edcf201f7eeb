"""BERT's embeddings and layers, for networks that the library transformers doesn't have."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import cast

import torch
from torch import nn
from torch.nn import functional

from gexviz.models.language.library import TransformerConfig

Attend = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""Query, key, value (batch, heads, tokens, width) and what is added to the logits -> what is mixed."""


class BertEncoder(nn.Module):
    """Embeddings of words and positions, then layers; parameters called as in the files of a ``BertForMaskedLM``.

    Parameters
    ----------
    config : TransformerConfig
    layers : iterable of torch.nn.Module
        From hidden states, what is added to the logits, and the attention to take, to hidden states.
    kinds : int
        Kinds of tokens that there are embeddings of; the first is read.
    positions : int
        That were learned, if any.
    last_norm : bool
        Whether a layer norm ends it.
    """

    def __init__(
        self,
        config: TransformerConfig,
        layers: Iterable[nn.Module],
        *,
        kinds: int,
        positions: int = 0,
        last_norm: bool = False,
    ) -> None:
        super().__init__()
        width, eps = config.hidden_size, config.layer_norm_eps
        embeddings = nn.ModuleDict(
            {
                "word_embeddings": nn.Embedding(config.vocab_size, width),
                "token_type_embeddings": nn.Embedding(kinds, width),
                "LayerNorm": nn.LayerNorm(width, eps),
            }
        )
        if positions:
            embeddings["position_embeddings"] = nn.Embedding(positions, width)
        encoder = nn.ModuleDict({"layer": nn.ModuleList(layers)})
        if last_norm:
            encoder["last_layer_ln"] = nn.LayerNorm(width, eps)
        self.bert = nn.ModuleDict({"embeddings": embeddings, "encoder": encoder})

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """(batch, tokens), (batch, tokens) -> (batch, tokens, dim)."""
        return self._through(self._embedded(ids), mask, functional.scaled_dot_product_attention)

    def attending(self, ids: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        """The same, and the weights of attention of each layer, in its graph."""
        weights: list[torch.Tensor] = []

        def attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, added: torch.Tensor) -> torch.Tensor:
            logits = query @ key.transpose(2, 3) / query.shape[3] ** 0.5 + added
            weights.append(logits.softmax(dim=3))
            return weights[-1] @ value

        hidden = self._through(self._embedded(ids).detach().requires_grad_(), mask, attend)
        return hidden, tuple(weights)

    def added(self, mask: torch.Tensor) -> torch.Tensor:
        """What is added to the logits, (batch, 1, 1, tokens): nothing, but no padding is read."""
        return torch.zeros(mask.shape, device=mask.device).masked_fill(mask == 0, -torch.inf)[:, None, None]

    def _embedded(self, ids: torch.Tensor) -> torch.Tensor:
        layer, weight = self._embeddings.get_submodule, self._embeddings.get_parameter
        hidden = layer("word_embeddings")(ids) + weight("token_type_embeddings.weight")[0]
        if "position_embeddings" in self._embeddings:
            hidden = hidden + weight("position_embeddings.weight")[: ids.shape[1]]
        embedded: torch.Tensor = layer("LayerNorm")(hidden)
        return embedded

    def _through(self, hidden: torch.Tensor, mask: torch.Tensor, attend: Attend) -> torch.Tensor:
        added = self.added(mask).to(hidden)
        for layer in self._encoder.get_submodule("layer").children():
            hidden = layer(hidden, added, attend)
        return self._encoder["last_layer_ln"](hidden) if "last_layer_ln" in self._encoder else hidden

    @property
    def _embeddings(self) -> nn.ModuleDict:
        return cast(nn.ModuleDict, self.bert["embeddings"])

    @property
    def _encoder(self) -> nn.ModuleDict:
        return cast(nn.ModuleDict, self.bert["encoder"])


def by_head(x: torch.Tensor, heads: int) -> torch.Tensor:
    """(batch, tokens, dim) -> (batch, heads, tokens, width)."""
    return x.unflatten(2, (heads, -1)).transpose(1, 2)


def together(x: torch.Tensor) -> torch.Tensor:
    """(batch, heads, tokens, width) -> (batch, tokens, dim)."""
    return x.transpose(1, 2).flatten(2)
