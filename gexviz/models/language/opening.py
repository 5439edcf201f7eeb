"""What opening any language model ends with: its specification, its embedder, its head."""

from __future__ import annotations

from torch import nn

from gexviz.models.base import ModelSpec
from gexviz.models.devices import device_for
from gexviz.models.language.bases import (
    BaseEmbedder,
    DifferentiableLanguageModel,
    TrainedDifferentiableLanguageModel,
)
from gexviz.models.language.model import Embedder, LanguageModel, with_head
from gexviz.models.language.tokens import Tokenizer
from gexviz.models.options import Evo2Options, LanguageModelOptions

SAME_FILES = "not verified against weights; equal to transformers with random weights in its own files"
"""How families whose network is that of transformers were checked."""


def tokens_read(options: LanguageModelOptions) -> str:
    """What the mean of tokens is taken over, in words."""
    return "all tokens" if options.pool == "mean" else "the token over the TSS"


def language_spec(
    name: str, options: LanguageModelOptions | Evo2Options, *, over: str, layer: str = "the last layer", **told: str
) -> ModelSpec:
    """Specify a language model.

    Parameters
    ----------
    name : str
        Its name in the study.
    options : LanguageModelOptions or Evo2Options
        Of its family, with a window.
    over : str
        What the mean of the layer is taken over, in words.
    layer : str
        Whose values are averaged, in words.
    **told
        ``family``, ``citation``, ``verified`` and, if it is known, ``licence``.

    Returns
    -------
    ModelSpec
    """
    return ModelSpec(
        name=name,
        input="sequence",
        scale="expression, once there is a head",
        haplotypes="output_mean",
        window=options.window,
        anchor=options.window // 2,
        strand=options.strand,
        readout=f"the mean of {layer} over {over}",
        **told,  # type: ignore[arg-type]
    )


def model_of_tokens(
    spec: ModelSpec, options: LanguageModelOptions, tokenizer: Tokenizer, network: nn.Module
) -> LanguageModel:
    """Make a model of a network that reads tokens, with the head that the options name."""
    embedder = Embedder(
        tokenizer, network, pool=options.pool, batch_size=options.batch, device=device_for(options.device)
    )
    return with_head(spec, embedder, options.head, options.out_of_fold)


def model_of_bases(spec: ModelSpec, options: LanguageModelOptions, network: nn.Sequential) -> LanguageModel:
    """Make a model of a network that reads bases, and can be differentiated, with the head that the options name."""
    embedder = BaseEmbedder(network, batch_size=options.batch, device=device_for(options.device))
    kinds = DifferentiableLanguageModel, TrainedDifferentiableLanguageModel
    return with_head(spec, embedder, options.head, options.out_of_fold, kinds)
