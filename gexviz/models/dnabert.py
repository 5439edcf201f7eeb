"""The ``dnabert`` family: DNABERT (Ji et al. 2021), a BERT on overlapping k-mers, with a head."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gexviz.errors import GexvizError
from gexviz.models.language.files import beside, check_size, fill_from, library, read_config
from gexviz.models.language.kmers import Overlapping
from gexviz.models.language.library import LibraryEncoder, TransformerConfig
from gexviz.models.language.model import LanguageModel
from gexviz.models.language.opening import SAME_FILES, language_spec, model_of_tokens
from gexviz.models.options import DnabertOptions

_UNUSED = ("cls.", "bert.pooler.", "bert.embeddings.position_ids")


class BertNetworkConfig(TransformerConfig):
    """What is read of the ``config.json`` of a ``BertForMaskedLM``."""

    model_type: Literal["bert"] = Field("bert", exclude=True)
    type_vocab_size: int = Field(2, ge=1, le=100)
    hidden_act: Literal["gelu", "relu"] = "gelu"


class BertEmbeddings(LibraryEncoder):
    """A ``BertModel``, its parameters called as in a ``BertForMaskedLM``."""

    def __init__(self, config: BertNetworkConfig) -> None:
        transformers = library("transformers")
        settings = transformers.BertConfig(**config.model_dump())
        super().__init__("bert", config, lambda: transformers.BertModel(settings, add_pooling_layer=False))


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
    k = tokenizer.k
    if not k <= options.window <= tokenizer.longest:
        raise GexvizError(
            f"a window of {options.window:,} bp is {options.window - k + 1:,} k-mers",
            place=f"[models.{name}] window",
            expected=f"{k} to {tokenizer.longest:,} bp, as the network has positions",
            remedy="choose another window",
        )
    network = BertEmbeddings(config)
    fill_from(network, options.weights, _UNUSED)
    spec = language_spec(
        name,
        options,
        over=f"all {k}-mers" if options.pool == "mean" else f"the {k}-mers over the TSS",
        family="dnabert",
        citation="Ji et al. 2021, Bioinformatics 37:2112",
        verified=SAME_FILES,
    )
    return model_of_tokens(spec, options, tokenizer, network)
