"""The ``rastogi`` family: Enformers fine-tuned on personal genomes by Rastogi et al. 2024.

Attention pools the bins in the middle, one linear output follows; each haplotype is run on its own. The checkpoints are
PyTorch Lightning's, of any of the authors' classes that have this readout.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import nn

from gexviz.models.base import ModelSpec
from gexviz.models.checkpoints import fill_network, open_tensors
from gexviz.models.devices import device_for
from gexviz.models.enformer_network import EnformerConfig, EnformerTrunk, read_enformer_config
from gexviz.models.options import RastogiOptions
from gexviz.models.readouts import AttentionPool
from gexviz.models.torch_model import TorchSequenceModel

_TRUNK = "base."


def build_network(config: EnformerConfig, window: int, bins: int) -> nn.Sequential:
    """Make the network with its readout, from (batch, 4, window) to (batch,)."""
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        trunk=EnformerTrunk(config, window, bins, "pytorch"),
        attention_pool=AttentionPool(2 * config.dim),
        prediction_head=nn.Linear(2 * config.dim, 1),
        one_number=nn.Flatten(0),
    )
    return nn.Sequential(layers)


def rastogi_spec(name: str, options: RastogiOptions, config: EnformerConfig) -> ModelSpec:
    """Tell what a model of Rastogi et al. is."""
    return ModelSpec(
        name=name,
        family="rastogi",
        input="sequence",
        scale="expression, standardised across people within each gene",
        haplotypes="output_mean",
        window=options.window,
        anchor=options.window // 2,
        strand=options.strand,
        n_policy="zero",
        bin_size=config.bin_size,
        licence="see its home",
        citation="Rastogi, Reddy et al. 2024, bioRxiv 2024.09.23.614632",
        verified="not verified against weights; equal to the authors' layers on enformer-pytorch with random weights",
        readout=f"attention pool of the {options.bins} bins in the middle, linear",
    )


def open_model(name: str, options: RastogiOptions) -> TorchSequenceModel:
    """Open a checkpoint.

    Parameters
    ----------
    name : str
        Its name in the study.
    options : RastogiOptions

    Returns
    -------
    TorchSequenceModel
    """
    config = read_enformer_config(options.config)
    with torch.device("meta"):
        network = build_network(config, options.window, options.bins)
    with open_tensors(options.weights) as file:
        fill_network(
            network,
            file,
            named=lambda ours: ours.replace("trunk.", _TRUNK, 1),
            unused=(f"{_TRUNK}_trunk.", f"{_TRUNK}_heads."),
        )
    spec = rastogi_spec(name, options, config)
    device = device_for(options.device)
    return TorchSequenceModel(spec, network, batch_size=1, device=device, precision=options.precision)
