"""Small files of ExPecto in their genuine formats: Beluga's state dict, and a linear booster as XGBoost saved it."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import torch
from torch import nn

CHANNELS = (6, 6, 8, 8, 8, 8)
FEATURES = 5


def beluga_state(seed: int, channels=CHANNELS, hidden: int = 12, features: int = FEATURES) -> dict[str, torch.Tensor]:
    """Random weights under the published names; 2-D convolutions of height 1."""
    torch.manual_seed(seed)
    state: dict[str, torch.Tensor] = {}

    def add(name: str, layer: nn.Module, gain: float) -> None:
        state[f"model.{name}.weight"] = layer.weight.detach() * gain
        state[f"model.{name}.bias"] = layer.bias.detach()

    for place, into, out in zip((0, 2, 6, 8, 12, 14), (4, *channels), channels, strict=False):
        add(f"0.{place}", nn.Conv2d(into, out, (1, 8)), 3)
    add("1.2.1", nn.Linear(106 * channels[-1], hidden), 3)
    add("1.4.1", nn.Linear(hidden, features), 3)
    return state


def write_beluga(path: Path, seed: int = 0, **sizes) -> Path:
    """As torch wrote it in 2018."""
    torch.save(beluga_state(seed, **sizes), path, _use_new_zipfile_serialization=False)
    return path


def head_weights(seed: int = 0, features: int = FEATURES) -> np.ndarray:
    """Weights (10, features), float32."""
    return np.random.default_rng(seed).normal(0, 0.5, (10, features)).astype(np.float32)


def head_bytes(weights: np.ndarray, bias: float = 0.25, **changed) -> bytes:
    """A ``.save`` file: a learner's parameters, names, a linear booster's parameters, weights with the bias last."""
    told = {
        "magic": b"binf", "base_score": 2.0, "objective": b"reg:linear", "booster": b"gblinear",
        "features": weights.size, "numbers": weights.size + 1,
    } | changed  # fmt: skip
    values = np.append(weights.ravel(), bias).astype("<f4")
    return b"".join(
        [
            told["magic"],
            struct.pack("<fIi124x", told["base_score"], told["features"], 0),
            struct.pack("<Q", len(told["objective"])) + told["objective"],
            struct.pack("<Q", len(told["booster"])) + told["booster"],
            struct.pack("<Ii128x", told["features"], 1),
            struct.pack("<Q", told["numbers"]),
            values.tobytes(),
        ]
    )


def write_head(path: Path, seed: int = 0, features: int = FEATURES) -> Path:
    """As XGBoost saved it."""
    path.write_bytes(head_bytes(head_weights(seed, features)))
    return path
