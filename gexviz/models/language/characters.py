"""What HyenaDNA and Caduceus read: a token a base, whose numbers are the same in every checkpoint of theirs."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import nn

from gexviz.models.language.files import NetworkConfig

LETTERS = {"A": 7, "C": 8, "G": 9, "T": 10, "N": 11}
"""Places in the vocabulary; those before are tokens without bases."""


class CharacterConfig(NetworkConfig):
    """What is read of the vocabulary in a ``config.json``."""

    vocab_size: int = Field(12, ge=12, le=1_000)
    pad_vocab_size_multiple: int = Field(8, ge=1, le=1_000)

    @property
    def tokens(self) -> int:
        """Rows of the table of embeddings: the vocabulary, filled up to a multiple."""
        return -(-self.vocab_size // self.pad_vocab_size_multiple) * self.pad_vocab_size_multiple


class CharacterEmbedding(nn.Embedding):
    """Embeds one-hot bases; what is none of A C G T is N. Of fractions of bases it gives the fractions' sum."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, 4, length) -> (batch, length, dim)."""
        unknown = 1 - x.sum(dim=1, keepdim=True)
        return torch.cat([x, unknown], dim=1).transpose(1, 2) @ self.weight[list(LETTERS.values())]
