"""The ``caduceus`` family: Caduceus (Schiff et al. 2024), state spaces base by base in both directions, with a head."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace

import torch
from torch import nn

from gexviz.models.caduceus_network import CaduceusConfig, MeanOfStrands, build_backbone
from gexviz.models.language.bases import MeanOfBases, Transposed
from gexviz.models.language.files import beside, fill_from, read_config
from gexviz.models.language.model import LanguageModel
from gexviz.models.language.opening import language_spec, model_of_bases
from gexviz.models.options import CaduceusOptions

_UNUSED = ("lm_head.", "caduceus.backbone.embeddings.word_embeddings.complement_map")


def open_model(name: str, options: CaduceusOptions) -> LanguageModel:
    """Open a checkpoint.

    Parameters
    ----------
    name : str
        Its name in the study.
    options : CaduceusOptions

    Returns
    -------
    LanguageModel
    """
    config = read_config(beside(options.weights, options.config, "config.json"), CaduceusConfig)
    with torch.device("meta"):  # nothing is made before the file is known to have it
        backbone = build_backbone(config)
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        caduceus=nn.Sequential(OrderedDict(backbone=backbone)),
        strands=MeanOfStrands() if config.rcps else nn.Identity(),
        transposed=Transposed(),
        pool=MeanOfBases(options.positions),
    )
    network = nn.Sequential(layers)
    fill_from(network, options.weights, _UNUSED)
    over = "all bases" if options.pool == "mean" else f"the {options.centre} bases in the middle"
    spec = language_spec(
        name,
        options,
        over=f"{over}, of both strands in the network" if config.rcps else over,
        family="caduceus",
        citation="Schiff et al. 2024, ICML",
        verified="not verified against weights; equal to the authors' layers with random weights",
    )
    if config.rcps and options.strand != "gene_strand":
        spec = replace(spec, strand="equivariant")
    return model_of_bases(spec, options, network)
