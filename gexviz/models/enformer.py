"""The ``enformer`` family: Enformer (Avsec et al. 2021) as enformer-pytorch saves it, read in a track's centre bins."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import nn

from gexviz.errors import GexvizError
from gexviz.models.base import ModelSpec
from gexviz.models.checkpoints import fill_network, open_tensors
from gexviz.models.devices import device_for
from gexviz.models.enformer_network import (
    PUBLISHED_DIM,
    PUBLISHED_WINDOW,
    EnformerConfig,
    EnformerTrunk,
    Gamma,
    read_enformer_config,
)
from gexviz.models.options import EnformerOptions
from gexviz.models.readouts import OneNumber
from gexviz.models.targets import find_tracks, read_targets
from gexviz.models.torch_model import TorchSequenceModel

ALIASES = "_trunk."
"""enformer-pytorch saves every tensor of the trunk a second time under this name."""


class TrackHead(nn.Linear):
    """Some tracks of a head: a linear map of each bin."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, channels, bins) -> (batch, tracks, bins)."""
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


def build_network(config: EnformerConfig, options: EnformerOptions, tracks: int) -> nn.Sequential:
    """Make the network with its readout; the parameters are whatever torch makes of them.

    Parameters
    ----------
    config : EnformerConfig
    options : EnformerOptions
    tracks : int
        How many.

    Returns
    -------
    torch.nn.Sequential
        From (batch, 4, window) to (batch,).
    """
    trunk = EnformerTrunk(config, options.window, options.bins, _gamma(config, options))
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        trunk=trunk,
        head=TrackHead(2 * config.dim, tracks),
        softplus=nn.Softplus(),
        readout=OneNumber(options.over_bins),
    )
    return nn.Sequential(layers)


def enformer_spec(name: str, options: EnformerOptions, config: EnformerConfig, tracks: list[str]) -> ModelSpec:
    """Tell what an Enformer with a readout is."""
    bins = f"{options.over_bins} of {options.bins} bins of {config.bin_size} bp around the TSS"
    return ModelSpec(
        name=name,
        family="enformer",
        input="sequence",
        scale=f"{tracks[0] if len(tracks) == 1 else f'mean of {len(tracks)} tracks'}, {bins}",
        haplotypes="output_mean",
        window=options.window,
        anchor=options.window // 2,
        strand=options.strand,
        n_policy="zero",
        bin_size=config.bin_size,
        tracks=tuple(tracks),
        genome="GRCh38",
        licence="CC BY 4.0 (the PyTorch weights)",
        citation="Avsec et al. 2021, Nature Methods 18:1196",
        published={"reference": 0.57, "across genes": 0.55, "across individuals": 0.045},
        verified="not verified against weights; equal to enformer-pytorch with random weights in its own files",
        readout=f"{bins}, of {', '.join(tracks)}",
    )


def open_model(name: str, options: EnformerOptions) -> TorchSequenceModel:
    """Open weights of Enformer.

    Parameters
    ----------
    name : str
        Its name in the study.
    options : EnformerOptions

    Returns
    -------
    TorchSequenceModel
    """
    config = read_enformer_config(options.config)
    if options.head not in config.output_heads:
        raise GexvizError(
            f"there is no head {options.head!r}",
            file=options.config,
            expected="one of " + ", ".join(config.output_heads),
            remedy="correct head",
        )
    targets = None if options.targets is None else read_targets(options.targets)
    tracks, names = find_tracks(options.tracks, config.output_heads[options.head], targets, options.targets)
    with torch.device("meta"):
        network = build_network(config, options, len(tracks))
    their_head = f"_heads.{options.head}.0"

    def named(ours: str) -> str:
        return ours.removeprefix("trunk.") if ours.startswith("trunk.") else ours.replace("head", their_head, 1)

    with open_tensors(options.weights) as file:
        fill_network(
            network,
            file,
            named=named,
            rows={"head.weight": tracks, "head.bias": tracks},
            unused=(ALIASES, "_heads."),
        )
    spec = enformer_spec(name, options, config, names)
    device = device_for(options.device)
    return TorchSequenceModel(spec, network, batch_size=1, device=device, precision=options.precision)


def _gamma(config: EnformerConfig, options: EnformerOptions) -> Gamma:
    if options.gamma != "auto":
        return options.gamma
    published = options.window == PUBLISHED_WINDOW and config.dim == PUBLISHED_DIM  # its config.json doesn't say
    return "tensorflow" if published or config.use_tf_gamma else "pytorch"
