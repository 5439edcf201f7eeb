"""The ``cnn`` family: a small convolutional network, as a JSON of its layers and a safetensors file of its weights."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Literal, Self

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from gexviz.errors import GexvizError
from gexviz.models.base import ModelSpec
from gexviz.models.options import CnnOptions
from gexviz.models.torch_model import TorchSequenceModel


class ConvBlock(BaseModel):
    """A convolution, its ReLU and its max pooling.

    Attributes
    ----------
    channels : int
    width : int
        Of the kernel, odd, so that it is centred; the sequence keeps its length.
    dilation : int
    pool : int
        Positions that become one; 1 is no pooling.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    channels: int = Field(ge=1)
    width: int = Field(ge=1)
    dilation: int = Field(1, ge=1)
    pool: int = Field(1, ge=1)


class CnnConfig(BaseModel):
    """The layers of a ``cnn``, and what its spec tells.

    Attributes
    ----------
    window, anchor : int
        Length in bp, and 0-based index of the TSS base in it, in the gene's direction.
    blocks : list of ConvBlock
    readout : {"flatten", "mean"}
        What follows the convolutions: every position on its own, or the mean over positions.
    hidden : list of int
        Widths of the linear layers between the readout and the one output.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["gexviz-cnn-1"]
    window: int = Field(ge=1)
    anchor: int = Field(ge=0)
    blocks: list[ConvBlock] = Field(min_length=1)
    readout: Literal["flatten", "mean"] = "flatten"
    hidden: list[int] = []
    strand: Literal["none", "rc_mean", "gene_strand"] = "gene_strand"
    haplotypes: Literal["output_mean", "output_sum"] = "output_mean"
    n_policy: Literal["zero", "quarter"] = "zero"
    scale: str
    genome: str | None = None
    licence: str = "not stated"
    citation: str = "not stated"
    verified: str = "not verified"
    published: dict[str, float] = {}

    @property
    def positions(self) -> int:
        """Positions that are left after all pooling."""
        length = self.window
        for block in self.blocks:
            length //= block.pool
        return length

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.anchor >= self.window:
            raise ValueError(f"anchor {self.anchor} is outside the window of {self.window}")
        if even := [block.width for block in self.blocks if block.width % 2 == 0]:
            raise ValueError(f"width {even[0]} is even; kernels have odd widths")
        if self.positions < 1:
            raise ValueError(f"a window of {self.window} is pooled to nothing")
        return self


def build_network(config: CnnConfig) -> nn.Sequential:
    """Make the network of a configuration, with random weights.

    Parameters
    ----------
    config : CnnConfig

    Returns
    -------
    torch.nn.Sequential
        From (batch, 4, window) to (batch,); every ReLU is a module of its own.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    channels = 4
    for i, block in enumerate(config.blocks, start=1):
        padding = (block.width - 1) // 2 * block.dilation
        layers[f"conv{i}"] = nn.Conv1d(channels, block.channels, block.width, padding=padding, dilation=block.dilation)
        layers[f"conv{i}_relu"] = nn.ReLU()
        if block.pool > 1:
            layers[f"conv{i}_pool"] = nn.MaxPool1d(block.pool)
        channels = block.channels
    if config.readout == "mean":
        layers["mean"] = nn.AvgPool1d(config.positions)
    layers["flatten"] = nn.Flatten()
    width = channels * (config.positions if config.readout == "flatten" else 1)
    for i, hidden in enumerate(config.hidden, start=1):
        layers[f"linear{i}"] = nn.Linear(width, hidden)
        layers[f"linear{i}_relu"] = nn.ReLU()
        width = hidden
    layers["output"] = nn.Linear(width, 1)
    layers["one_number"] = nn.Flatten(0)
    return nn.Sequential(layers)


def read_cnn_config(path: Path) -> CnnConfig:
    """Read and check a configuration.

    Raises
    ------
    GexvizError
        Naming the file and the key.
    """
    try:
        return CnnConfig.model_validate_json(path.read_bytes())
    except OSError as error:
        raise GexvizError(f"can't read the network's configuration: {error}", file=path) from None
    except ValidationError as error:
        first = error.errors()[0]
        raise GexvizError(
            f"this is not a configuration of the cnn family: {first['msg']}",
            file=path,
            place=".".join(str(part) for part in first["loc"]) or None,
            expected="JSON as gexviz.models.cnn.CnnConfig describes it",
            remedy="correct the key, or give the configuration that was written with the weights",
        ) from None


def load_weights(network: nn.Module, path: Path) -> None:
    """Load a safetensors file into a network, every tensor of it and no other.

    Raises
    ------
    GexvizError
        For a file that is not safetensors, a tensor that is missing or unknown, or another shape: names the tensor.
    """
    wanted = network.state_dict()
    try:
        found = load_file(path)
    except (SafetensorError, OSError) as error:
        raise GexvizError(
            f"can't read the weights: {error}",
            file=path,
            expected="a safetensors file",
            remedy="give the file that was written with the configuration",
        ) from None
    for name in sorted(wanted.keys() | found.keys()):
        if name not in found or name not in wanted or found[name].shape != wanted[name].shape:
            raise GexvizError(
                "the weights don't belong to this configuration",
                file=path,
                place=f"tensor {name}: " + (str(tuple(found[name].shape)) if name in found else "missing"),
                expected=str(tuple(wanted[name].shape)) if name in wanted else "no such tensor",
                remedy="give the configuration and the weights of one training",
            )
        if not torch.isfinite(found[name]).all():
            raise GexvizError(
                "the weights hold NaN or infinity", file=path, place=f"tensor {name}", expected="finite numbers"
            )
    network.load_state_dict(found)


def cnn_spec(name: str, config: CnnConfig) -> ModelSpec:
    """What a configuration tells of its model."""
    return ModelSpec(
        name=name,
        family="cnn",
        input="sequence",
        window=config.window,
        anchor=config.anchor,
        strand=config.strand,
        haplotypes=config.haplotypes,
        n_policy=config.n_policy,
        scale=config.scale,
        genome=config.genome,
        licence=config.licence,
        citation=config.citation,
        verified=config.verified,
        published=config.published,
    )


def open_model(name: str, options: CnnOptions) -> TorchSequenceModel:
    """Open a network of the family.

    Parameters
    ----------
    name : str
        Its name in the study.
    options : CnnOptions

    Returns
    -------
    TorchSequenceModel
    """
    config = read_cnn_config(options.config)
    network = build_network(config)
    load_weights(network, options.weights)
    return TorchSequenceModel(cnn_spec(name, config), network)
