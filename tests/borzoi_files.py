"""A small Borzoi in the layout of borzoi-pytorch, with random weights; and the table of its tracks.

The published networks have convolutions of 512 and more channels, always. The small one has fewer, by keys of its
config.json that borzoi-pytorch doesn't have; ``test_borzoi`` compares the full ones.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from enformer_files import random_tensors

SMALL = {
    "dim": 24, "depth": 1, "heads": 2, "attn_dim_key": 8, "attn_dim_value": 12, "bins_to_return": 32,
    "model_type": "borzoi", "filters": [12, 12, 12, 16, 16, 20], "joined": 24,
}  # fmt: skip
WINDOW = 2_048
TARGETS = [
    # identifier, clip_soft, scale, sum_stat, strand_pair, description
    ("CAGE1+", 384, 1.0, "sum", 1, "CAGE:one"),
    ("CAGE1-", 384, 1.0, "sum", 0, "CAGE:one"),
    ("ENC1", 0.6, 2.0, "sum_sqrt", 2, "RNA:blood"),
    ("ENC2+", 0.4, 0.3, "sum_sqrt", 4, "RNA:blood"),
    ("ENC2-", 0.4, 0.3, "sum_sqrt", 3, "RNA:blood"),
]


def borzoi_shapes(config=SMALL, tracks=5):
    """Shapes of the tensors by name."""
    shapes = {}
    dim, filters, joined = config["dim"], config["filters"], config["joined"]

    def convolution(name, out, into, width):
        shapes.update({f"{name}.weight": (out, into, width), f"{name}.bias": (out,)})

    def block(name, into, out, width):
        for what in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{name}.norm.{what}"] = (into,)
        shapes[f"{name}.norm.num_batches_tracked"] = ()
        convolution(f"{name}.conv_layer", out, into, width)

    convolution("conv_dna.conv_layer", filters[0], 4, 15)
    for i in range(5):
        block(f"res_tower.{2 * i}", filters[i], filters[i + 1], 5)
    block("unet1.1", filters[-1], dim, 5)
    block("horizontal_conv0", filters[-1], dim, 1)
    block("horizontal_conv1", dim, dim, 1)
    for level in (0, 1):
        block(f"upsampling_unet{level}.0", dim, dim, 1)
        shapes[f"separable{level}.conv_layer.0.weight"] = (dim, 1, 3)
        convolution(f"separable{level}.conv_layer.1", dim, dim, 1)
    heads, key, value = config["heads"], config["attn_dim_key"], config["attn_dim_value"]
    for i in range(config["depth"]):
        for part in (0, 1):
            shapes |= {f"transformer.{i}.{part}.fn.0.{what}": (dim,) for what in ("weight", "bias")}
        attention = f"transformer.{i}.0.fn.1"
        shapes |= {f"{attention}.to_{to}.weight": (heads * key, dim) for to in ("q", "k")}
        shapes |= {f"{attention}.to_v.weight": (heads * value, dim), f"{attention}.to_rel_k.weight": (heads * key, 32)}
        shapes |= {f"{attention}.to_out.weight": (dim, heads * value), f"{attention}.to_out.bias": (dim,)}
        shapes |= {f"{attention}.rel_{what}_bias": (1, heads, 1, key) for what in ("content", "pos")}
        shapes |= {f"transformer.{i}.1.fn.1.weight": (2 * dim, dim), f"transformer.{i}.1.fn.1.bias": (2 * dim,)}
        shapes |= {f"transformer.{i}.1.fn.4.weight": (dim, 2 * dim), f"transformer.{i}.1.fn.4.bias": (dim,)}
    block("final_joined_convs.0", dim, joined, 1)
    convolution("human_head", tracks, joined, 1)
    return shapes


def write_targets(folder: Path, rows=TARGETS):
    """Write targets.txt as borzoi-pytorch has it."""
    lines = ["\tidentifier\tfile\tclip\tclip_soft\tscale\tsum_stat\tstrand_pair\tdescription"]
    for i, (identifier, clip, scale, stat, pair, description) in enumerate(rows):
        lines.append(f"{i}\t{identifier}\t/w5\t768\t{clip}\t{scale}\t{stat}\t{pair}\t{description}")
    (folder / "targets.txt").write_text("\n".join(lines) + "\n")
    return "targets.txt"


def write_borzoi(folder: Path, seed=0, name="pytorch_model.bin"):
    """Write config.json, targets.txt and weights; give the options' keys."""
    torch.save(random_tensors(borzoi_shapes(), seed), folder / name)
    (folder / "config.json").write_text(json.dumps(SMALL))
    return {"weights": name, "config": "config.json", "targets": write_targets(folder), "window": WINDOW}
