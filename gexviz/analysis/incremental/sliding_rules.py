"""Rules of what slides along the sequence: convolutions and pooling."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from gexviz.analysis.incremental.known import Known
from gexviz.analysis.incremental.steps import AveragePooling, Convolution, MaxPooling, Sliding, Step

_LARGEST_TABLE = 30_000_000  # numbers that max pooling may keep of the unmutated pass


def _one(value: Any) -> int | None:
    """A number that may come as a tuple of one."""
    if isinstance(value, (tuple, list)) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def convolution(known: Known) -> Step | None:
    """A convolution padded with zeros."""
    if known.site.transposed:
        return None
    if isinstance(known.module, nn.Conv1d):
        module = known.module
        if module.padding_mode != "zeros":
            return None
        settings: dict[str, Any] = {
            name: getattr(module, name) for name in ("weight", "stride", "padding", "dilation", "groups")
        }
    else:
        names = ("weight", "bias", "stride", "padding", "dilation", "groups")
        settings = known.bound(*names, stride=1, padding=0, dilation=1, groups=1)
    weight, groups = settings["weight"], settings["groups"]
    stride, dilation = _one(settings["stride"]), _one(settings["dilation"])
    if not isinstance(weight, torch.Tensor) or weight.ndim != 3 or stride is None or dilation is None:
        return None
    padding = settings["padding"]
    if padding == "same":
        left: int | None = dilation * (weight.shape[2] - 1) // 2
    else:
        left = 0 if padding == "valid" else _one(padding)
    if left is None:
        return None
    return Convolution(weight.detach(), Sliding(weight.shape[2], stride, dilation, left), groups)


def _pooling(known: Known, names: tuple[str, ...]) -> tuple[Sliding, dict[str, Any]] | None:
    defaults = {"stride": None, "padding": 0, "dilation": 1, "ceil_mode": False, "return_indices": False}
    if known.module is not None:
        settings = defaults | {name: getattr(known.module, name) for name in names}
    else:
        settings = defaults | known.bound(*names)
    kernel, left, dilation = (_one(settings.get(name)) for name in ("kernel_size", "padding", "dilation"))
    stride = settings["stride"]
    stride = kernel if stride is None or stride == [] else _one(stride)
    if known.site.transposed or settings["return_indices"] or None in (kernel, left, dilation, stride):
        return None
    return Sliding(kernel, stride, dilation, left), settings  # type: ignore[arg-type]


def max_pooling(known: Known) -> Step | None:
    """Max pooling, unless what it would keep is too large."""
    found = _pooling(known, ("kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices"))
    if found is None:
        return None
    outputs = int(known.values[known.node].shape[2])
    if outputs * found[0].kernel * known.site.channels > _LARGEST_TABLE:
        return None
    return MaxPooling(found[0], known.base, outputs)


def average_pooling(known: Known) -> Step | None:
    """Average pooling, with what each output is divided by at the ends."""
    found = _pooling(known, ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad"))
    if found is None:
        return None
    sliding, settings = found
    length, outputs = known.site.length, int(known.values[known.node].shape[2])
    begin = np.arange(outputs) * sliding.stride - sliding.left
    padded = np.minimum(begin + sliding.kernel, length + sliding.left) - begin
    inside = np.minimum(begin + sliding.kernel, length) - np.maximum(begin, 0)
    return AveragePooling(sliding, padded if settings.get("count_include_pad", True) else inside)


def adaptive(known: Known, *, largest: bool) -> Step | None:
    """Adaptive pooling, where it is pooling with equal windows."""
    size = _one(known.module.output_size if known.module is not None else known.bound("output_size")["output_size"])  # type: ignore[union-attr]
    if size is None or known.site.length % size or known.site.transposed:
        return None
    if known.module is not None and getattr(known.module, "return_indices", False):
        return None
    width = known.site.length // size
    sliding = Sliding(width, width, 1, 0)
    if largest:
        return MaxPooling(sliding, known.base, size)
    return AveragePooling(sliding, np.full(size, width))
