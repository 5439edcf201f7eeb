"""The ``gena_lm`` family: GENA-LM (Fishman et al. 2025), a BERT on byte pairs, its layer norms first, with a head."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field
from torch import nn
from torch.nn import functional

from gexviz.errors import GexvizError
from gexviz.models.language.bert import Attend, BertEncoder, by_head, together
from gexviz.models.language.bpe import BytePairs
from gexviz.models.language.files import NetworkConfig, beside, check_size, fill_from, read_config
from gexviz.models.language.library import TransformerConfig
from gexviz.models.language.model import LanguageModel
from gexviz.models.language.opening import language_spec, model_of_tokens, tokens_read
from gexviz.models.options import GenaLmOptions

_UNUSED = ("cls.", "classifier.", "bert.pooler.", "bert.embeddings.position_ids")


class _Kind(NetworkConfig):
    """What tells the networks of GENA-LM apart."""

    model_type: str = "bert"
    sparse_config_cls: Any = None


class GenaLmConfig(TransformerConfig):
    """What is read of the ``config.json`` of GENA-LM's own ``BertForMaskedLM``."""

    model_type: Literal["bert"] = "bert"
    type_vocab_size: int = Field(2, ge=1, le=100)
    hidden_act: Literal["gelu"] = "gelu"
    position_embedding_type: Literal["absolute"] = "absolute"
    pre_layer_norm: Literal[True]
    last_layer_norm: bool = True


class PreNormLayer(nn.Module):
    """Attention and a feed-forward, a layer norm before each."""

    def __init__(self, config: GenaLmConfig) -> None:
        super().__init__()
        width, inner, eps = config.hidden_size, config.intermediate_size, config.layer_norm_eps
        self.heads = config.num_attention_heads
        self.pre_attention_ln = nn.LayerNorm(width, eps)
        self.attention = nn.ModuleDict(
            {
                "self": nn.ModuleDict({part: nn.Linear(width, width) for part in ("query", "key", "value")}),
                "output": nn.ModuleDict({"dense": nn.Linear(width, width)}),
            }
        )
        self.post_attention_ln = nn.LayerNorm(width, eps)
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(width, inner)})
        self.output = nn.ModuleDict({"dense": nn.Linear(inner, width)})

    def forward(self, x: torch.Tensor, added: torch.Tensor, attend: Attend) -> torch.Tensor:
        """(batch, tokens, dim) -> the same."""
        normed, layer = self.pre_attention_ln(x), self.get_submodule
        parts = (layer(f"attention.self.{part}")(normed) for part in ("query", "key", "value"))
        query, key, value = (by_head(part, self.heads) for part in parts)
        x = x + layer("attention.output.dense")(together(attend(query, key, value, added)))
        inner = functional.gelu(self.intermediate["dense"](self.post_attention_ln(x)))
        fed: torch.Tensor = x + self.output["dense"](inner)
        return fed

    def extra_repr(self) -> str:
        """What the fingerprint has to know."""
        return f"heads={self.heads}"


def open_model(name: str, options: GenaLmOptions) -> LanguageModel:
    """Open a checkpoint.

    Parameters
    ----------
    name : str
        Its name in the study.
    options : GenaLmOptions

    Returns
    -------
    LanguageModel
    """
    config = _read_config(beside(options.weights, options.config, "config.json"))
    vocabulary = beside(options.weights, options.vocabulary, "tokenizer.json")
    tokenizer = BytePairs(vocabulary, config.max_position_embeddings)
    check_size(vocabulary, tokenizer.size, config.vocab_size)
    with torch.device("meta"):
        network = BertEncoder(
            config,
            (PreNormLayer(config) for _ in range(config.num_hidden_layers)),
            kinds=config.type_vocab_size,
            positions=config.max_position_embeddings,
            last_norm=config.last_layer_norm,
        )
    fill_from(network, options.weights, _UNUSED)
    spec = language_spec(
        name,
        options,
        over=tokens_read(options),
        family="gena_lm",
        citation="Fishman et al. 2025, Nucleic Acids Research 53:gkae1310",
        verified="not verified against weights; equal to the authors' layers with random weights",
    )
    return model_of_tokens(spec, options, tokenizer, network)


def _read_config(path: Path) -> GenaLmConfig:
    """Read the configuration, and say why those of other networks of the name don't open."""
    kind = read_config(path, _Kind)
    if kind.sparse_config_cls is not None or kind.model_type == "big_bird":
        raise GexvizError(
            "this GENA-LM has sparse attention, which is not there",
            file=path,
            expected="one with full attention: gena-lm-bert-base, gena-lm-bert-large and those named after them",
            remedy='take such a checkpoint, or open predictions made with this one as family = "table"',
        )
    return read_config(path, GenaLmConfig)
