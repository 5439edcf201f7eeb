"""The ``hyenadna`` family: HyenaDNA (Nguyen et al. 2023), long convolutions base by base, with a head."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import nn

from gexviz.errors import GexvizError
from gexviz.models.hyena_network import HyenaConfig, build_backbone
from gexviz.models.language.bases import MeanOfBases, Transposed
from gexviz.models.language.files import beside, fill_from, read_config
from gexviz.models.language.model import LanguageModel
from gexviz.models.language.opening import language_spec, model_of_bases
from gexviz.models.options import HyenadnaOptions


def open_model(name: str, options: HyenadnaOptions) -> LanguageModel:
    """Open a checkpoint.

    Parameters
    ----------
    name : str
        Its name in the study.
    options : HyenadnaOptions

    Returns
    -------
    LanguageModel
    """
    config = read_config(beside(options.weights, options.config, "config.json"), HyenaConfig)
    if options.window > config.max_seq_len:
        raise GexvizError(
            f"a window of {options.window:,} bp is longer than the network's filters",
            place=f"[models.{name}] window",
            expected=f"{config.max_seq_len:,} bp at most",
            remedy="choose a shorter window, or a checkpoint for longer sequences",
        )
    with torch.device("meta"):  # nothing is made before the file is known to have it
        backbone = build_backbone(config)
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        hyena=nn.Sequential(OrderedDict(backbone=backbone)),
        transposed=Transposed(),
        pool=MeanOfBases(range(options.window)),
    )
    network = nn.Sequential(layers)
    fill_from(network, options.weights, ("lm_head.",))
    spec = language_spec(
        name,
        options,
        over="all bases, each of which knows those before it",
        family="hyenadna",
        licence="BSD 3-Clause (published weights)",
        citation="Nguyen et al. 2023, NeurIPS",
        verified="not verified against weights; equal to the authors' layers with random weights",
    )
    return model_of_bases(spec, options, network)
