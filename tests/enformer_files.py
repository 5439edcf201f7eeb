"""Small Enformers in the files of enformer-pytorch, and of PyTorch Lightning, with random weights.

Names and shapes are those that enformer-pytorch 0.8.12 saves; ``test_enformer`` compares them with it where it is
installed.
"""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import torch

CONFIG = {
    "dim": 96, "depth": 1, "heads": 8, "attn_dim_key": 16, "num_downsamples": 7, "dim_divisible_by": 12,
    "output_heads": {"human": 4, "mouse": 2}, "target_length": 6, "model_type": "enformer", "use_tf_gamma": False,
}  # fmt: skip
WINDOW = 2_048
_FILTERS = [48, 48, 60, 60, 72, 84, 96]


def trunk_shapes(config=CONFIG, filters=_FILTERS):
    """Shapes of the trunk's tensors by name."""
    shapes = {}

    def convolution(name, out, into, width, *, bias=True):
        shapes[f"{name}.weight"] = (out, into, width)
        if bias:
            shapes[f"{name}.bias"] = (out,)

    def block(name, into, out, width):
        for what in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{name}.0.{what}"] = (into,)
        shapes[f"{name}.0.num_batches_tracked"] = ()
        convolution(f"{name}.2", out, into, width)

    def linear(name, out, into, *, bias=True):
        shapes[f"{name}.weight"] = (out, into)
        if bias:
            shapes[f"{name}.bias"] = (out,)

    convolution("stem.0", filters[0], 4, 15)
    block("stem.1.fn", filters[0], filters[0], 1)
    shapes["stem.2.to_attn_logits.weight"] = (filters[0], filters[0], 1, 1)
    for i, (into, out) in enumerate(pairwise(filters)):
        block(f"conv_tower.{i}.0", into, out, 5)
        block(f"conv_tower.{i}.1.fn", out, out, 1)
        shapes[f"conv_tower.{i}.2.to_attn_logits.weight"] = (out, out, 1, 1)
    dim, heads, key = config["dim"], config["heads"], config["attn_dim_key"]
    for i in range(config["depth"]):
        for part in (0, 1):
            shapes |= {f"transformer.{i}.{part}.fn.0.{what}": (dim,) for what in ("weight", "bias")}
        attention = f"transformer.{i}.0.fn.1"
        for to in ("q", "k"):
            linear(f"{attention}.to_{to}", heads * key, dim, bias=False)
        linear(f"{attention}.to_v", dim, dim, bias=False)
        linear(f"{attention}.to_out", dim, dim)
        linear(f"{attention}.to_rel_k", heads * key, dim // heads, bias=False)
        shapes |= {f"{attention}.rel_{what}_bias": (1, heads, 1, key) for what in ("content", "pos")}
        linear(f"transformer.{i}.1.fn.1", 2 * dim, dim)
        linear(f"transformer.{i}.1.fn.4", dim, 2 * dim)
    block("final_pointwise.1", dim, 2 * dim, 1)
    return shapes


def random_tensors(shapes, seed):
    """Weights that let the sequence through: values keep their size from layer to layer, about."""
    generator = torch.Generator().manual_seed(seed)

    def one(name, shape):
        values = torch.randn(shape, generator=generator)
        if name.endswith("num_batches_tracked"):
            return torch.tensor(7)
        if name.endswith("running_var"):
            return 0.5 + values.square()
        if len(shape) == 1:  # of a norm, or a bias
            return (name.endswith("weight") and ".2." not in name) + 0.2 * values
        return 1.5 * values / torch.tensor(shape[1:]).prod().sqrt()

    return {name: one(name, shape) for name, shape in shapes.items()}


_PARTS = {"stem": "_trunk.1", "conv_tower": "_trunk.2", "transformer": "_trunk.4", "final_pointwise": "_trunk.6"}


def enformer_tensors(seed=0, config=CONFIG):
    """The state dict of enformer-pytorch: the trunk twice, by shared tensors, and the heads."""
    trunk = random_tensors(trunk_shapes(config), seed)
    aliases = {}
    for name, values in trunk.items():
        part, rest = name.split(".", 1)
        aliases[f"{_PARTS[part]}.{rest}"] = values
    heads = {}
    for head, tracks in config["output_heads"].items():
        heads |= {f"_heads.{head}.0.weight": (tracks, 2 * config["dim"]), f"_heads.{head}.0.bias": (tracks,)}
    return trunk | aliases | random_tensors(heads, seed + 1)


def write_config(folder: Path, **changed):
    """Write config.json."""
    (folder / "config.json").write_text(json.dumps(CONFIG | changed))
    return "config.json"


def write_enformer(folder: Path, seed=0, **changed):
    """Write config.json and pytorch_model.bin; give the options' keys."""
    torch.save(enformer_tensors(seed, CONFIG | changed), folder / "pytorch_model.bin")
    return {"weights": "pytorch_model.bin", "config": write_config(folder, **changed), "window": WINDOW}


class Training:
    """A data set of a training script: Lightning pickles it into the checkpoint, and others can't import it."""

    def __init__(self):
        self.genes, self.people = ["A", "B"], {"P0": torch.ones(3)}


def write_checkpoint(folder: Path, tensors, **hyper_parameters):
    """Write a checkpoint as PyTorch Lightning does, with config.json beside it; give the options' keys."""
    checkpoint = {
        "epoch": 3, "global_step": 42, "pytorch-lightning_version": "2.4.0", "state_dict": tensors, "loops": {},
        "callbacks": {}, "optimizer_states": [], "lr_schedulers": [],
        "hyper_parameters": {"train_dataset": Training(), "save_dir": folder} | hyper_parameters,
    }  # fmt: skip
    torch.save(checkpoint, folder / "last.ckpt")
    return {"weights": "last.ckpt", "config": write_config(folder), "window": WINDOW}


def variformer_tensors(seed=0, tissues=2):
    """The state dict of a Variformer."""
    dim = 2 * CONFIG["dim"]
    head = {"model.to_tracks.0.weight": (tissues, dim), "model.to_tracks.0.bias": (tissues,)}
    tensors = {f"model.enformer.{name}": values for name, values in enformer_tensors(seed).items()}
    return tensors | random_tensors(head, seed + 2)


def rastogi_tensors(seed=0):
    """The state dict of a model of Rastogi et al."""
    dim, head = 2 * CONFIG["dim"], {}
    for name in ("attention_pool.attention", "prediction_head"):
        head |= {f"{name}.weight": (1, dim), f"{name}.bias": (1,)}
    tensors = {f"base.{name}": values for name, values in enformer_tensors(seed).items()}
    return tensors | random_tensors(head, seed + 2)
