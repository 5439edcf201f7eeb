"""The ``variformer`` family (also called Performer): Enformers fine-tuned on personal genomes and expression.

Its authors average the one-hots of a person's two haplotypes before the network, and take one linear output of the bin
at the TSS (enformer-pytorch's ``HeadAdapterWrapper`` without an activation, in a checkpoint of PyTorch Lightning).
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import nn

from gexviz.models.base import ModelSpec
from gexviz.models.checkpoints import fill_network, open_tensors
from gexviz.models.devices import device_for
from gexviz.models.enformer import TrackHead
from gexviz.models.enformer_network import EnformerConfig, EnformerTrunk, read_enformer_config
from gexviz.models.options import VariformerOptions
from gexviz.models.readouts import OneNumber
from gexviz.models.torch_model import TorchSequenceModel

_TRUNK, _HEAD = "model.enformer.", "model.to_tracks.0."


def build_network(config: EnformerConfig, window: int) -> nn.Sequential:
    """Make the network with its readout, from (batch, 4, window) to (batch,)."""
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        trunk=EnformerTrunk(config, window, 1, "pytorch"), head=TrackHead(2 * config.dim, 1), readout=OneNumber("sum")
    )
    return nn.Sequential(layers)


def variformer_spec(name: str, options: VariformerOptions, config: EnformerConfig) -> ModelSpec:
    """Tell what a Variformer is."""
    return ModelSpec(
        name=name,
        family="variformer",
        input="sequence",
        scale="normalised expression, as in its training",
        haplotypes="input_mean",
        window=options.window,
        anchor=options.window // 2,
        strand=options.strand,
        n_policy="quarter",
        variants="snv",
        bin_size=config.bin_size,
        licence="see its home",
        citation="Drusinsky et al. 2024, bioRxiv 2024.07.27.605449",
        verified="not verified against weights; equal to the authors' layers in enformer-pytorch with random weights",
        readout=f"output {options.tissue} of the bin at the TSS, linear; people's SNVs only, as in its training",
    )


def open_model(name: str, options: VariformerOptions) -> TorchSequenceModel:
    """Open a checkpoint.

    Parameters
    ----------
    name : str
        Its name in the study.
    options : VariformerOptions

    Returns
    -------
    TorchSequenceModel
    """
    config = read_enformer_config(options.config)
    with torch.device("meta"):
        network = build_network(config, options.window)

    def named(ours: str) -> str:
        return ours.replace("trunk.", _TRUNK, 1) if ours.startswith("trunk.") else ours.replace("head.", _HEAD, 1)

    with open_tensors(options.weights) as file:
        fill_network(
            network,
            file,
            named=named,
            rows={"head.weight": [options.tissue], "head.bias": [options.tissue]},
            unused=(f"{_TRUNK}_trunk.", f"{_TRUNK}_heads."),
        )
    spec = variformer_spec(name, options, config)
    device = device_for(options.device)
    return TorchSequenceModel(spec, network, batch_size=1, device=device, precision=options.precision)
