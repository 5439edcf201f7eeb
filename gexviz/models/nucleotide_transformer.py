"""The ``nucleotide_transformer`` family: version 1 of the language models of Dalla-Torre et al. 2025, with a head."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import nn

from gexviz.errors import GexvizError
from gexviz.models.base import ModelSpec
from gexviz.models.devices import device_for
from gexviz.models.language.attending import with_attention
from gexviz.models.language.files import NetworkConfig, beside, check_size, fill_from, read_config, transformers
from gexviz.models.language.kmers import SideBySide
from gexviz.models.language.model import Embedder, LanguageModel, with_head
from gexviz.models.options import NucleotideTransformerOptions

K = 6
_UNUSED = ("lm_head.", "esm.contact_head.", "esm.pooler.", "esm.embeddings.position_ids")


class EsmNetworkConfig(NetworkConfig):
    """What is read of the ``config.json`` of an ``EsmForMaskedLM``."""

    model_type: Literal["esm"] = Field(exclude=True)
    vocab_size: int = Field(ge=1, le=100_000)
    hidden_size: int = Field(ge=1, le=16_384)
    num_hidden_layers: int = Field(ge=1, le=200)
    num_attention_heads: int = Field(ge=1, le=256)
    intermediate_size: int = Field(ge=1, le=65_536)
    max_position_embeddings: int = Field(ge=4, le=1_000_000)
    pad_token_id: int = Field(ge=0)
    mask_token_id: int = Field(ge=0)
    position_embedding_type: str = "absolute"
    token_dropout: bool = False
    emb_layer_norm_before: bool = False
    layer_norm_eps: float = Field(1e-12, gt=0)
    add_bias_fnn: bool = Field(True, exclude=True)

    @property
    def most_tokens(self) -> int:
        """Tokens that there are positions for, the first one too."""
        return self.max_position_embeddings - self.pad_token_id - 1


class EsmEmbeddings(nn.Module):
    """The last hidden state of an ``EsmModel``, its parameters called as in an ``EsmForMaskedLM``."""

    def __init__(self, config: EsmNetworkConfig) -> None:
        super().__init__()
        library = transformers()
        settings = library.EsmConfig(**config.model_dump())
        self.esm = library.EsmModel(settings, add_pooling_layer=False)
        del self.esm.contact_head  # predicts contacts of proteins

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """(batch, tokens), (batch, tokens) -> (batch, tokens, dim)."""
        hidden: torch.Tensor = self.esm(input_ids=ids, attention_mask=mask).last_hidden_state
        return hidden

    def attending(self, ids: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        """The same, and the weights of attention of each layer, in its graph."""
        return with_attention(self.esm, ids, mask)


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
    path = beside(options.weights, options.config, "config.json")
    config = read_config(path, EsmNetworkConfig)
    if config.position_embedding_type != "absolute" or not config.add_bias_fnn:
        raise GexvizError(
            "this is no Nucleotide Transformer of version 1: its layers are others",
            file=path,
            place=f"position_embedding_type = {config.position_embedding_type}",
            expected="learned positions: v1. Version 2 brings its own code, which gexviz doesn't run",
            remedy='take a v1 checkpoint, or open predictions made with v2 as family = "table"',
        )
    vocabulary = beside(options.weights, options.vocabulary, "vocab.txt")
    tokenizer = SideBySide(vocabulary, K, config.most_tokens)
    check_size(vocabulary, tokenizer.size, config.vocab_size)
    network = EsmEmbeddings(config)
    fill_from(network, options.weights, _UNUSED)
    embedder = Embedder(
        tokenizer, network, pool=options.pool, batch_size=options.batch, device=device_for(options.device)
    )
    return with_head(_spec(name, options), embedder, options.head, options.out_of_fold)


def _spec(name: str, options: NucleotideTransformerOptions) -> ModelSpec:
    pooled = "all tokens" if options.pool == "mean" else "the token over the TSS"
    return ModelSpec(
        name=name,
        family="nucleotide_transformer",
        input="sequence",
        scale="expression, once there is a head",
        haplotypes="output_mean",
        window=options.window,
        anchor=options.window // 2,
        strand=options.strand,
        licence="CC BY-NC-SA 4.0 (published weights)",
        citation="Dalla-Torre et al. 2025, Nature Methods 22:287",
        verified="not verified against weights; equal to transformers with random weights in its own files",
        readout=f"the mean of the last layer over {pooled} of 6 bp",
    )
