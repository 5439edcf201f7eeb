"""The ``dnabert2`` family: DNABERT-2 (Zhou et al. 2024), byte pairs and distances instead of positions, with a head."""

from __future__ import annotations

import math
from typing import Literal

import torch
from pydantic import Field
from torch import nn
from torch.nn import functional

from gexviz.models.language.bert import Attend, BertEncoder, by_head, together
from gexviz.models.language.bpe import BytePairs
from gexviz.models.language.files import beside, check_size, fill_from, read_config
from gexviz.models.language.library import TransformerConfig
from gexviz.models.language.model import LanguageModel
from gexviz.models.language.opening import language_spec, model_of_tokens, tokens_read
from gexviz.models.options import Dnabert2Options

_UNUSED = ("cls.", "classifier.", "bert.pooler.")


class Dnabert2Config(TransformerConfig):
    """What is read of the ``config.json`` of a MosaicBERT."""

    model_type: Literal["bert"] = "bert"
    type_vocab_size: int = Field(2, ge=1, le=100)
    hidden_act: Literal["gelu"] = "gelu"


class MosaicLayer(nn.Module):
    """Attention and a gated feed-forward, a layer norm behind each."""

    def __init__(self, config: Dnabert2Config) -> None:
        super().__init__()
        width, inner, eps = config.hidden_size, config.intermediate_size, config.layer_norm_eps
        self.heads = config.num_attention_heads
        self.attention = nn.ModuleDict(
            {
                "self": nn.ModuleDict({"Wqkv": nn.Linear(width, 3 * width)}),
                "output": nn.ModuleDict({"dense": nn.Linear(width, width), "LayerNorm": nn.LayerNorm(width, eps)}),
            }
        )
        self.mlp = nn.ModuleDict(
            {
                "gated_layers": nn.Linear(width, 2 * inner, bias=False),
                "wo": nn.Linear(inner, width),
                "layernorm": nn.LayerNorm(width, eps),
            }
        )

    def forward(self, x: torch.Tensor, added: torch.Tensor, attend: Attend) -> torch.Tensor:
        """(batch, tokens, dim) -> the same."""
        layer = self.get_submodule
        query, key, value = (by_head(part, self.heads) for part in layer("attention.self.Wqkv")(x).chunk(3, dim=2))
        mixed = layer("attention.output.dense")(together(attend(query, key, value, added)))
        x = layer("attention.output.LayerNorm")(mixed + x)
        gate, value = self.mlp["gated_layers"](x).chunk(2, dim=2)
        fed: torch.Tensor = self.mlp["layernorm"](self.mlp["wo"](functional.gelu(gate) * value) + x)
        return fed

    def extra_repr(self) -> str:
        """What the fingerprint has to know."""
        return f"heads={self.heads}"


class Dnabert2Encoder(BertEncoder):
    """The last hidden state of a MosaicBERT: logits fall with the distance of tokens (ALiBi), by each head's slope."""

    def __init__(self, config: Dnabert2Config) -> None:
        layers = (MosaicLayer(config) for _ in range(config.num_hidden_layers))
        super().__init__(config, layers, kinds=config.type_vocab_size)
        self.slopes = slopes(config.num_attention_heads)

    def added(self, mask: torch.Tensor) -> torch.Tensor:
        """What is added to the logits, (batch, heads, tokens, tokens)."""
        place = torch.arange(mask.shape[1], device=mask.device)
        distance = (place[:, None] - place).abs()
        return super().added(mask) - distance * torch.tensor(self.slopes, device=mask.device)[:, None, None]


def slopes(heads: int) -> list[float]:
    """By how much a head's logits fall a token, as ALiBi sets them (Press et al. 2022)."""
    whole = 2 ** int(math.log2(heads))
    first = [2 ** (-8 * i / whole) for i in range(1, whole + 1)]
    between = [2 ** (-8 * i / (2 * whole)) for i in range(1, 2 * whole, 2)]
    return first + between[: heads - whole]


def open_model(name: str, options: Dnabert2Options) -> LanguageModel:
    """Open a checkpoint.

    Parameters
    ----------
    name : str
        Its name in the study.
    options : Dnabert2Options

    Returns
    -------
    LanguageModel
    """
    config = read_config(beside(options.weights, options.config, "config.json"), Dnabert2Config)
    vocabulary = beside(options.weights, options.vocabulary, "tokenizer.json")
    tokenizer = BytePairs(vocabulary)
    check_size(vocabulary, tokenizer.size, config.vocab_size)
    with torch.device("meta"):
        network = Dnabert2Encoder(config)
    fill_from(network, options.weights, _UNUSED)
    spec = language_spec(
        name,
        options,
        over=tokens_read(options),
        family="dnabert2",
        citation="Zhou et al. 2024, ICLR",
        verified="not verified against weights; equal to the authors' layers with random weights",
    )
    return model_of_tokens(spec, options, tokenizer, network)
