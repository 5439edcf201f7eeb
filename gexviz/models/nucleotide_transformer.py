"""The ``nucleotide_transformer`` family: the language models of Dalla-Torre et al. 2025, both versions, with a head."""

from __future__ import annotations

from functools import partial
from typing import Literal, Self

import torch
from pydantic import Field, model_validator
from torch import nn
from torch.nn import functional

from gexviz.errors import GexvizError
from gexviz.models.language.files import beside, check_size, fill_from, library, read_config
from gexviz.models.language.kmers import SideBySide
from gexviz.models.language.library import LibraryEncoder, TransformerConfig
from gexviz.models.language.model import LanguageModel
from gexviz.models.language.opening import SAME_FILES, language_spec, model_of_tokens, tokens_read
from gexviz.models.options import NucleotideTransformerOptions

K = 6
_UNUSED = ("lm_head.", "esm.contact_head.", "esm.pooler.", "esm.embeddings.position_ids")
_UNUSED_POSITIONS = "esm.embeddings.position_embeddings."  # in the files of version 2, which rotates instead
_FREQUENCIES = "rotary_embeddings.inv_freq"
_SAME_LAYERS = "not verified against weights; equal to the authors' layers of version 2 with random weights"


class EsmNetworkConfig(TransformerConfig):
    """What is read of the ``config.json`` of an ``EsmForMaskedLM``, or of version 2's own network of that name."""

    model_type: Literal["esm"] = Field("esm", exclude=True)
    pad_token_id: int = Field(ge=0)
    mask_token_id: int = Field(ge=0)
    position_embedding_type: Literal["absolute", "rotary"] = "absolute"
    token_dropout: bool = False
    emb_layer_norm_before: bool = False
    add_bias_fnn: bool = Field(True, exclude=True)

    @model_validator(mode="after")
    def _version(self) -> Self:
        if self.add_bias_fnn != (self.position_embedding_type == "absolute"):
            raise ValueError("learned positions with add_bias_fnn, or rotary ones without: versions 1 and 2")
        if self.gated and self.hidden_size // self.num_attention_heads % 2:
            raise ValueError("rotary positions are for heads of an even width")
        return self

    @property
    def gated(self) -> bool:
        """Whether it is version 2: gated layers without biases, rotary positions."""
        return not self.add_bias_fnn

    @property
    def most_tokens(self) -> int:
        """Tokens that it was trained with, the first one too; version 1 has positions for no more."""
        return self.max_position_embeddings - self.pad_token_id - 1


class Gated(nn.Module):
    """Version 2's first half of a feed-forward: half of its outputs through SiLU, times the other half."""

    def __init__(self, config: EsmNetworkConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, 2 * config.intermediate_size, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., dim) -> (..., intermediate)."""
        gate, value = self.dense(x).chunk(2, dim=-1)
        return functional.silu(gate) * value


class EsmEmbeddings(LibraryEncoder):
    """An ``EsmModel``, its parameters called as in the files of either version."""

    def __init__(self, config: EsmNetworkConfig) -> None:
        super().__init__("esm", config, partial(_build, config))


def _build(config: EsmNetworkConfig) -> nn.Module:
    transformers = library("transformers")
    esm: nn.Module = transformers.EsmModel(transformers.EsmConfig(**config.model_dump()), add_pooling_layer=False)
    del esm.contact_head  # predicts contacts of proteins
    if config.gated:
        for layer in esm.get_submodule("encoder.layer").children():
            layer.intermediate = Gated(config)
            layer.get_submodule("output").dense = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)
    return esm


def open_model(name: str, options: NucleotideTransformerOptions) -> LanguageModel:
    """Open a checkpoint.

    Parameters
    ----------
    name : str
        Its name in the study.
    options : NucleotideTransformerOptions

    Returns
    -------
    LanguageModel
    """
    config = read_config(beside(options.weights, options.config, "config.json"), EsmNetworkConfig)
    vocabulary = beside(options.weights, options.vocabulary, "vocab.txt")
    tokenizer = SideBySide(vocabulary, K, config.most_tokens)
    check_size(vocabulary, tokenizer.size, config.vocab_size)
    if options.window > tokenizer.longest:
        raise GexvizError(
            f"a window of {options.window:,} bp is more than the {config.most_tokens:,} tokens that the network reads",
            place=f"[models.{name}] window",
            expected=f"{tokenizer.longest:,} bp at most",
            remedy="choose a shorter window",
        )
    network = EsmEmbeddings(config)
    if config.gated:
        layers = [f"esm.encoder.layer.{i}.attention.self.{_FREQUENCIES}" for i in range(config.num_hidden_layers)]
        unused = (*_UNUSED, _UNUSED_POSITIONS, *layers)
        fill_from(network, options.weights, unused, older={f"esm.{_FREQUENCIES}": layers[0]})
    else:
        fill_from(network, options.weights, _UNUSED)
    spec = language_spec(
        name,
        options,
        over=f"{tokens_read(options)} of {K} bp",
        family="nucleotide_transformer",
        licence="CC BY-NC-SA 4.0 (published weights)",
        citation="Dalla-Torre et al. 2025, Nature Methods 22:287",
        verified=_SAME_LAYERS if config.gated else SAME_FILES,
    )
    return model_of_tokens(spec, options, tokenizer, network)
