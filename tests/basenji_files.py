"""A small Basenji2 as Keras saves it, its JSON, and its definition in NumPy."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

WINDOW = 1_024
PARAMS = {
    "train": {"optimizer": "sgd"},
    "model": {
        "seq_length": WINDOW, "target_length": 16, "activation": "gelu", "batch_norm": True, "bn_momentum": 0.9,
        "trunk": [
            {"name": "conv_block", "filters": 10, "kernel_size": 15, "pool_size": 2},
            {"name": "conv_tower", "filters_init": 11, "filters_mult": 1.1776, "kernel_size": 5, "pool_size": 2,
             "repeat": 5},
            {"name": "dilated_residual", "filters": 8, "rate_mult": 1.5, "repeat": 3, "dropout": 0.3, "round": True},
            {"name": "Cropping1D", "cropping": 2},
            {"name": "conv_block", "filters": 24, "dropout": 0.05},
        ],
        "head_human": {"name": "dense", "units": 4, "activation": "softplus"},
    },
}  # fmt: skip
# kernel width, in, out, dilation, pool; of residual blocks two and two
TOWER = [(15, 4, 10), (5, 10, 11), (5, 11, 13), (5, 13, 15), (5, 15, 18), (5, 18, 21)]
DILATIONS = (1, 2, 3)
LAYERS = [*TOWER, *[one for _ in DILATIONS for one in ((3, 21, 8), (1, 8, 21))], (1, 21, 24)]


def random_weights(seed=0):
    """Kernels, batch norms (gamma, beta, mean, variance) and the head."""
    rng = np.random.default_rng(seed)

    def draw(*shape, scale=1.0):
        return (scale * rng.normal(size=shape)).astype(np.float32)

    kernels = [draw(*shape, scale=1.6 / np.sqrt(shape[0] * shape[1])) for shape in LAYERS]
    norms = [(1 + draw(n, scale=0.2), draw(n, scale=0.2), draw(n, scale=0.2), 0.5 + draw(n) ** 2) for *_, n in LAYERS]
    return kernels, norms, (draw(24, 4, scale=0.3), draw(4, scale=0.3))


def write_keras(path: Path, seed=0, first=0, whole=True):
    """Write HDF5 as Keras does, the layers numbered from `first`; give the weights."""
    kernels, norms, head = random_weights(seed)
    arrays = {}
    for i, (kernel, norm) in enumerate(zip(kernels, norms, strict=True), start=first):
        number = f"_{i}" if i else ""
        arrays[f"conv1d{number}"] = {"kernel:0": kernel}
        names = ("gamma:0", "beta:0", "moving_mean:0", "moving_variance:0")
        arrays[f"batch_normalization{number}"] = dict(zip(names, norm, strict=True))
    arrays["dense"] = {"kernel:0": head[0], "bias:0": head[1]}
    with h5py.File(path, "w") as file:
        file.attrs.update(keras_version="2.2.4-tf", backend="tensorflow")
        folder = file.create_group("model_weights") if whole else file
        for name in ("sequence", "stochastic_reverse_complement", "gelu", "gelu_1", "max_pooling1d", "switch_reverse"):
            folder.create_group(name)
        for layer, values in arrays.items():
            for name, array in values.items():
                folder[f"{layer}/{layer}/{name}"] = array
    return kernels, norms, head


def write_basenji2(folder: Path, seed=0):
    """Write the checkpoint and the JSON; give the options' keys."""
    write_keras(folder / "model_human.h5", seed)
    (folder / "params.json").write_text(json.dumps(PARAMS))
    return {"checkpoint": "model_human.h5", "params": "params.json"}


def all_tracks(weights, onehot):
    """Basenji2's output in float64, from Keras' definitions: (batch, bins, tracks)."""
    kernels, norms, (head, bias) = weights

    def gelu(x):
        return x / (1 + np.exp(-1.702 * x))

    def block(x, layer, dilation=1, pool=1):
        kernel = kernels[layer].astype(np.float64)
        reach = dilation * (len(kernel) - 1)
        padded = np.pad(gelu(x), ((0, 0), (reach // 2, reach - reach // 2), (0, 0)))
        windows = sliding_window_view(padded, reach + 1, axis=1)[..., ::dilation]
        x = np.einsum("blcw,wco->blo", windows, kernel, optimize=True)
        gamma, beta, mean, variance = (values.astype(np.float64) for values in norms[layer])
        x = (x - mean) / np.sqrt(variance + 1e-3) * gamma + beta
        return x.reshape(len(x), -1, pool, x.shape[2]).max(axis=2)

    x = onehot.astype(np.float64).transpose(0, 2, 1)
    for layer in range(len(TOWER)):
        x = block(x, layer, pool=2)
    for i, dilation in enumerate(DILATIONS):
        layer = len(TOWER) + 2 * i
        x = x + block(block(x, layer, dilation), layer + 1)
    x = gelu(block(x[:, 2:-2], len(LAYERS) - 1))
    return np.log1p(np.exp(x @ head + bias))
