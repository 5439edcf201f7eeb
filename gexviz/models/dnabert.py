"""The ``dnabert`` family: DNABERT (Ji et al. 2021), a BERT on overlapping k-mers, with a head."""

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
from gexviz.models.language.kmers import Overlapping
from gexviz.models.language.model import Embedder, LanguageModel, with_head
from gexviz.models.options import DnabertOptions

_UNUSED = ("cls.", "bert.pooler.", "bert.embeddings.position_ids")


class BertNetworkConfig(NetworkConfig):
    """What is read of the ``config.json`` of a ``BertForMaskedLM``."""

    model_type: Literal["bert"] = Field("bert", exclude=True)
    vocab_size: int = Field(ge=1, le=100_000)
    hidden_size: int = Field(ge=1, le=16_384)
    num_hidden_layers: int = Field(ge=1, le=200)
    num_attention_heads: int = Field(ge=1, le=256)
    intermediate_size: int = Field(ge=1, le=65_536)
    max_position_embeddings: int = Field(ge=4, le=1_000_000)
    type_vocab_size: int = Field(2, ge=1, le=100)
    hidden_act: Literal["gelu", "relu"] = "gelu"
    layer_norm_eps: float = Field(1e-12, gt=0)


class BertEmbeddings(nn.Module):
    """The last hidden state of a ``BertModel``, its parameters called as in a ``BertForMaskedLM``."""

    def __init__(self, config: BertNetworkConfig) -> None:
        super().__init__()
        library = transformers()
        self.bert = library.BertModel(library.BertConfig(**config.model_dump()), add_pooling_layer=False)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """(batch, tokens), (batch, tokens) -> (batch, tokens, dim)."""
        hidden: torch.Tensor = self.bert(input_ids=ids, attention_mask=mask).last_hidden_state
        return hidden

    def attending(self, ids: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        """The same, and the weights of attention of each layer, in its graph."""
        return with_attention(self.bert, ids, mask)


def open_model(name: str, options: DnabertOptions) -> LanguageModel:
    """Open a checkpoint.

    Parameters
    ----------
    name : str
        Its name in the study.
    options : DnabertOptions

    Returns
    -------
    LanguageModel
    """
    config = read_config(beside(options.weights, options.config, "config.json"), BertNetworkConfig)
    vocabulary = beside(options.weights, options.vocabulary, "vocab.txt")
    tokenizer = Overlapping(vocabulary, config.max_position_embeddings)
    check_size(vocabulary, tokenizer.size, config.vocab_size)
    if not tokenizer.k <= options.window <= tokenizer.longest:
        raise GexvizError(
            f"a window of {options.window:,} bp is {options.window - tokenizer.k + 1:,} k-mers",
            place=f"[models.{name}] window",
            expected=f"{tokenizer.k} to {tokenizer.longest:,} bp, as the network has positions",
            remedy="choose another window",
        )
    network = BertEmbeddings(config)
    fill_from(network, options.weights, _UNUSED)
    embedder = Embedder(
        tokenizer, network, pool=options.pool, batch_size=options.batch, device=device_for(options.device)
    )
    return with_head(_spec(name, options, tokenizer.k), embedder, options.head, options.out_of_fold)


def _spec(name: str, options: DnabertOptions, k: int) -> ModelSpec:
    pooled = f"all {k}-mers" if options.pool == "mean" else f"the {k}-mers over the TSS"
    return ModelSpec(
        name=name,
        family="dnabert",
        input="sequence",
        scale="expression, once there is a head",
        haplotypes="output_mean",
        window=options.window,
        anchor=options.window // 2,
        strand=options.strand,
        citation="Ji et al. 2021, Bioinformatics 37:2112",
        verified="not verified against weights; equal to transformers with random weights in its own files",
        readout=f"the mean of the last layer over {pooled}",
    )
