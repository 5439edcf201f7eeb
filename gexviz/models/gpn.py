"""The ``gpn`` family: GPN (Benegas et al. 2023), dilated convolutions base by base, with a head."""

from __future__ import annotations

import json
from collections import OrderedDict
from pathlib import Path
from typing import Literal

import torch
from pydantic import Field
from torch import nn
from torch.nn import functional

from gexviz.errors import GexvizError
from gexviz.models.language.bases import MeanOfBases, Transposed
from gexviz.models.language.files import NetworkConfig, beside, fill_from, read_config
from gexviz.models.language.model import LanguageModel
from gexviz.models.language.opening import language_spec, model_of_bases
from gexviz.models.options import GpnOptions

_UNKNOWN = "[UNK]"
_MOST_BYTES = 1_000_000


class GpnConfig(NetworkConfig):
    """What is read of the ``config.json`` of a ``ConvNetForMaskedLM``."""

    model_type: Literal["ConvNet"]
    vocab_size: int = Field(7, ge=5, le=1_000)
    hidden_size: int = Field(512, ge=5, le=16_384)
    n_layers: int = Field(25, ge=1, le=1_000)
    kernel_size: int = Field(9, ge=1, le=1_001)
    dilation_double_every: int = Field(1, ge=1)
    dilation_max: int = Field(32, ge=1, le=100_000)
    dilation_cycle: int = Field(6, ge=1)
    dilation_base: int = Field(2, ge=1, le=16)
    n_aux_features: Literal[0] = 0

    def dilation(self, layer: int) -> int:
        """Of one layer's kernel."""
        power = (layer % self.dilation_cycle) // self.dilation_double_every
        return min(self.dilation_max, self.dilation_base**power)


class Letters(nn.Module):
    """Puts each base where its letter is in the vocabulary, what is no base where the unknown is.

    Parameters
    ----------
    places : tuple of int
        Of A C G T and the unknown.
    width : int
    """

    def __init__(self, places: tuple[int, ...], width: int) -> None:
        super().__init__()
        self.places = places
        spread = functional.one_hot(torch.tensor(places), width).float()
        self.register_buffer("spread", spread, persistent=False)
        self.spread: torch.Tensor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, 4, length) -> (batch, length, width)."""
        unknown = 1 - x.sum(dim=1, keepdim=True)
        return torch.cat([x, unknown], dim=1).transpose(1, 2) @ self.spread.to(x.dtype)

    def extra_repr(self) -> str:
        """What the fingerprint has to know."""
        return str(self.places)


class GpnLayer(nn.Module):
    """A dilated convolution and a linear layer, each added to what it reads; parameters called as in GPN's files."""

    def __init__(self, width: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            Transposed(),
            nn.Conv1d(width, width, kernel, padding="same", dilation=dilation),
            Transposed(),
            nn.GELU(),
            nn.LayerNorm(width),
        )
        self.ffn = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, length, width) -> the same."""
        x = x + self.conv(x)
        return x + self.ffn(x)


def read_letters(path: Path) -> tuple[int, ...]:
    """Read where A C G T and the unknown are in a ``tokenizer.json``.

    Raises
    ------
    GexvizError
        For a file without one of them.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError("it is too long")
        vocabulary = json.loads(path.read_bytes())["model"]["vocab"]
        places = tuple(vocabulary[letter] for letter in ("a", "c", "g", "t", _UNKNOWN))
        if not all(isinstance(place, int) and place >= 0 for place in places) or len(set(places)) < len(places):
            raise ValueError("its letters have no numbers of their own")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise GexvizError(
            f"can't read the letters of the tokenizer: {error}",
            file=path,
            expected="tokenizer.json with a, c, g, t and [UNK], as it was published with the weights",
            remedy="download it again",
        ) from None
    return places


def build_network(config: GpnConfig, places: tuple[int, ...], positions: range) -> nn.Sequential:
    """Make the network, from (batch, 4, length) to the mean embedding of some positions, (batch, dim), to be filled."""
    width, kernel = config.hidden_size, config.kernel_size
    with torch.device("meta"):  # nothing is made before the file is known to have it
        encoder = nn.Sequential(*(GpnLayer(width, kernel, config.dilation(i)) for i in range(config.n_layers)))
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        letters=Letters(places, width),
        model=nn.Sequential(OrderedDict(encoder=encoder)),
        transposed=Transposed(),
        pool=MeanOfBases(positions),
    )
    return nn.Sequential(layers)


def open_model(name: str, options: GpnOptions) -> LanguageModel:
    """Open a checkpoint.

    Parameters
    ----------
    name : str
        Its name in the study.
    options : GpnOptions

    Returns
    -------
    LanguageModel
    """
    config = read_config(beside(options.weights, options.config, "config.json"), GpnConfig)
    vocabulary = beside(options.weights, options.vocabulary, "tokenizer.json")
    places = read_letters(vocabulary)
    if max(places) >= config.vocab_size or config.vocab_size > config.hidden_size:
        raise GexvizError(
            f"the letters go up to {max(places)}, the network knows {config.vocab_size}",
            file=vocabulary,
            expected="the tokenizer that was published with the weights",
            remedy="give that file",
        )
    middle = options.window // 2
    around = range(middle - options.centre // 2, middle + options.centre // 2)
    network = build_network(config, places, range(options.window) if options.pool == "mean" else around)
    fill_from(network, options.weights, ("cls.",))
    spec = language_spec(
        name,
        options,
        over="all bases" if options.pool == "mean" else f"the {options.centre} bases in the middle",
        family="gpn",
        citation="Benegas et al. 2023, PNAS 120:e2311219120",
        verified="not verified against weights; equal to the authors' layers with random weights",
    )
    return model_of_bases(spec, options, network)
