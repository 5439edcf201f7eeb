"""Small HyenaDNAs and Caduceuses in the folders that their authors publish, with random weights; and heads for them."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

import torch
from language_files import write_head
from safetensors.torch import save_file

WIDTH = 16
LONGEST = 322
HYENA_CONFIG = {
    "architectures": ["HyenaDNAForCausalLM"], "model_type": "hyenadna", "vocab_size": 12, "pad_vocab_size_multiple": 8,
    "d_model": WIDTH, "d_inner": 40, "n_layer": 2, "max_seq_len": LONGEST, "emb_dim": 5, "filter_order": 12,
    "num_inner_mlps": 2, "hyena_order": 2, "short_filter_order": 3, "activation_freq": 10, "train_freq": True,
    "use_bias": True, "layer_norm_epsilon": 1e-5, "embed_dropout": 0.1,
}  # fmt: skip

CADUCEUS_CONFIG = {
    "architectures": ["CaduceusForMaskedLM"], "model_type": "caduceus", "vocab_size": 16, "pad_vocab_size_multiple": 8,
    "d_model": WIDTH, "n_layer": 3, "rcps": True, "fused_add_norm": True, "rms_norm": True, "norm_epsilon": 1e-5,
    "residual_in_fp32": False, "bidirectional": True, "bidirectional_strategy": "add", "bidirectional_weight_tie": True,
    "complement_map": {str(i): {7: 10, 8: 9, 9: 8, 10: 7}.get(i, i) for i in range(16)},
    "ssm_cfg": {"d_state": 4, "d_conv": 4, "expand": 2, "dt_rank": "auto", "conv_bias": True, "bias": False},
}  # fmt: skip


def hyena_tensors(seed: int, config=HYENA_CONFIG) -> dict[str, torch.Tensor]:
    """Random weights, named as ``HyenaDNAForCausalLM`` saves them in safetensors: the shared sine once."""
    width, inner, order, length = (config[key] for key in ("d_model", "d_inner", "filter_order", "max_seq_len"))
    bands = (config["emb_dim"] - 1) // 2
    t = torch.linspace(0, 1, length)[None, :, None]
    angle = torch.linspace(1e-4, bands - 1, bands)[None, None] * 2 * math.pi * torch.arange(length)[None, :, None]
    waves = torch.cat([t, torch.cos(angle / length), -torch.sin(angle / length)], dim=-1)
    shapes = {"hyena.backbone.embeddings.word_embeddings.weight": (16, width), "lm_head.weight": (16, width)}
    slopes = torch.linspace(math.log(0.01) / 1.5, math.log(0.01) / 0.3, width)
    fixed = {}
    for i in range(config["n_layer"]):
        layer, mixer = f"hyena.backbone.layers.{i}", f"hyena.backbone.layers.{i}.mixer"
        shapes |= _linear(f"{mixer}.in_proj", width, 3 * width) | _linear(f"{mixer}.out_proj", width, width)
        shapes |= _linear(f"{layer}.mlp.fc1", width, inner) | _linear(f"{layer}.mlp.fc2", inner, width)
        shapes |= {f"{mixer}.short_filter.weight": (3 * width, 1, 3), f"{mixer}.short_filter.bias": (3 * width,)}
        filters = f"{mixer}.filter_fn"
        shapes[f"{filters}.bias"] = (width,)
        sizes = [config["emb_dim"], *[order] * (config["num_inner_mlps"] + 1)]
        for place, (before, after) in enumerate(itertools.pairwise(sizes)):
            shapes |= _linear(f"{filters}.implicit_filter.{2 * place}", before, after)
        shapes[f"{filters}.implicit_filter.{2 * len(sizes) - 2}.weight"] = (width, order)
        fixed |= {
            f"{filters}.implicit_filter.1.freq": torch.full((1, order), 10.0),
            f"{filters}.pos_emb.z": waves,
            f"{filters}.pos_emb.t": t,
            f"{filters}.modulation.deltas": slopes[None, None],
        }
        shapes |= {f"{layer}.{norm}.{what}": (width,) for norm in ("norm1", "norm2") for what in ("weight", "bias")}
    shapes |= {f"hyena.backbone.ln_f.{what}": (width,) for what in ("weight", "bias")}
    return _random(shapes, seed) | {name: values.clone() for name, values in fixed.items()}


def caduceus_tensors(seed: int, config=CADUCEUS_CONFIG) -> dict[str, torch.Tensor]:
    """Random weights, named as ``CaduceusForMaskedLM`` saves them in safetensors: shared projections once."""
    width, ssm = config["d_model"], config["ssm_cfg"]
    inner, states, rank = ssm["expand"] * width, ssm["d_state"], math.ceil(width / 16)
    both = config["rcps"]
    embeddings = "caduceus.backbone.embeddings.word_embeddings"
    shapes = {f"{embeddings}.embedding.weight" if both else f"{embeddings}.weight": (16, width)}
    shapes["lm_head.lm_head.weight" if both else "lm_head.weight"] = (16, width)
    fixed = {}
    if both:
        pairs = torch.tensor(list(config["complement_map"].values()))
        fixed |= {f"{embeddings}.complement_map": pairs, "lm_head.complement_map": pairs.clone()}
    for i in range(config["n_layer"]):
        layer = f"caduceus.backbone.layers.{i}"
        mixer = f"{layer}.mixer.submodule" if both else f"{layer}.mixer"
        shapes |= {f"{layer}.norm.weight": (width,)}
        shapes |= {f"{mixer}.mamba_fwd.in_proj.weight": (2 * inner, width)}
        shapes |= {f"{mixer}.mamba_fwd.out_proj.weight": (width, inner)}
        for mamba in (f"{mixer}.mamba_fwd", f"{mixer}.mamba_rev"):
            shapes |= {f"{mamba}.conv1d.weight": (inner, 1, ssm["d_conv"]), f"{mamba}.conv1d.bias": (inner,)}
            shapes |= {f"{mamba}.x_proj.weight": (rank + 2 * states, inner)} | _linear(f"{mamba}.dt_proj", rank, inner)
            shapes[f"{mamba}.D"] = (inner,)
            fixed[f"{mamba}.A_log"] = torch.log(torch.arange(1, states + 1.0)).expand(inner, states).clone()
    shapes["caduceus.backbone.norm_f.weight"] = (width,)
    return _random(shapes, seed) | fixed


def write_folder(folder: Path, config: dict, tensors: dict[str, torch.Tensor]) -> Path:
    """Weights and configuration; give the weights' path."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder / "model.safetensors"


def hyenadna(folder: Path, seed: int, genes=(), **options) -> dict[str, object]:
    """A folder ``hyenadna`` with a head; the keys of the model's section, paths relative to `folder`."""
    write_folder(folder / "hyenadna", HYENA_CONFIG, hyena_tensors(seed))
    return _section(folder, "hyenadna", {"window": 240, **options}, seed, genes)


def caduceus(folder: Path, seed: int, genes=(), *, both_strands: bool, **options) -> dict[str, object]:
    """A folder ``caduceus`` with a head; the keys of the model's section, paths relative to `folder`."""
    config = CADUCEUS_CONFIG | {"rcps": both_strands}
    write_folder(folder / "caduceus", config, caduceus_tensors(seed, config))
    return _section(folder, "caduceus", {"window": 240, **options}, seed, genes)


def _section(folder: Path, family: str, options: dict, seed: int, genes) -> dict[str, object]:
    weights = f"{family}/model.safetensors"
    write_head(folder / "head.safetensors", family, options | {"weights": folder / weights}, seed, genes)
    return {"family": family, "weights": weights, "head": "head.safetensors", **options}


def _linear(name: str, before: int, after: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (after, before), f"{name}.bias": (after,)}


def _random(shapes: dict[str, tuple[int, ...]], seed: int) -> dict[str, torch.Tensor]:
    made = torch.Generator().manual_seed(seed)
    return {name: torch.randn(shape, generator=made) * 0.4 for name, shape in shapes.items()}
