"""Rules of what does each position on its own, or moves positions, channels and axes."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import torch
from torch import fx, nn
from torch.nn import functional as F

from gexviz.analysis.incremental.known import Known, Local
from gexviz.analysis.incremental.steps import Convolution, Move, Pointwise, Rectification, Scale, Sliding, Step


def pointwise(known: Known) -> Step | None:
    """Any function of single numbers; further arguments are plain numbers."""
    if known.node.all_input_nodes != [known.first] or known.node.args.count(known.first) != 1:
        return None
    return Pointwise(lambda values: known.run({known.first: values[0]}))


def rectification(known: Known) -> Step | None:
    """ReLU."""
    return Rectification() if known.node.all_input_nodes == [known.first] else None


def over_channels(known: Known) -> Step | None:
    """Softmax or GLU over the channels of each position."""
    if known.module is not None:
        axis = known.module.dim
    else:
        axis = known.bound("dim", dim=-1 if known.kind in (F.glu, "glu") else None)["dim"]
    return pointwise(known) if known.is_channels(axis) else None


def layer_norm(known: Known) -> Step | None:
    """Layer normalisation over the channels of each position."""
    if isinstance(known.module, nn.Module):
        shape = tuple(known.module.normalized_shape)  # type: ignore[arg-type]
    else:
        return None
    return pointwise(known) if known.site.transposed and shape == (known.site.channels,) else None


def prelu(known: Known) -> Step | None:
    """A learned slope for all channels, or for each where the network has them second."""
    weight = known.module.num_parameters  # type: ignore[union-attr]
    return pointwise(known) if weight == 1 or not known.site.transposed else None


def batch_norm(known: Known) -> Step | None:
    """Batch normalisation with running statistics."""
    module = known.module
    if known.site.transposed or not isinstance(module, nn.BatchNorm1d) or module.training:
        return None
    if module.running_mean is None or module.running_var is None:
        return None
    factor = torch.rsqrt(module.running_var + module.eps)
    return Scale(factor if module.weight is None else factor * module.weight.detach())


def linear(known: Known) -> Step | None:
    """A linear layer on the channels of each position."""
    weight = known.module.weight if known.module is not None else known.bound("weight", "bias").get("weight")
    if not known.site.transposed or not isinstance(weight, torch.Tensor) or weight.ndim != 2:
        return None
    return Convolution(weight.detach()[:, :, None], Sliding(1, 1, 1, 0))


def same(known: Known) -> Step | None:
    """What changes nothing."""
    return Move() if known.node.all_input_nodes == [known.first] else None


def dropout(known: Known) -> Step | None:
    """Dropout that is not in training."""
    if known.module is not None:
        return None if known.module.training else Move()
    return None if known.bound("p", "training", training=True)["training"] else Move()


def pad_module(known: Known) -> Step | None:
    """Constant padding."""
    padding = known.module.padding  # type: ignore[union-attr]
    ends = (padding, padding) if isinstance(padding, int) else tuple(padding)  # type: ignore[arg-type]
    return Move(int(ends[0])) if len(ends) == 2 and not known.site.transposed else None


def pad_function(known: Known) -> Step | None:
    """Constant padding of the length."""
    settings = known.bound("pad", "mode", "value", mode="constant")
    ends = settings.get("pad")
    if settings["mode"] != "constant" or not isinstance(ends, (tuple, list)) or known.site.transposed:
        return None
    return Move(ends[0]) if len(ends) == 2 and all(isinstance(end, int) for end in ends) else None


def sliced(known: Known) -> Step | None:
    """``x[:, channels, positions]``, each a plain slice."""
    index: Any = fx.map_arg(known.node.args[1], known.value)
    if not isinstance(index, tuple):
        return None
    if index and index[0] is Ellipsis:
        index = (slice(None),) * (3 - len(index) + 1) + index[1:]
    index = index + (slice(None),) * (3 - len(index))
    if len(index) != 3 or not all(isinstance(part, slice) for part in index) or index[0] != slice(None):
        return None
    channels, positions = (index[2], index[1]) if known.site.transposed else (index[1], index[2])
    if positions.step not in (None, 1) or channels.step not in (None, 1):
        return None
    return Move(-positions.indices(known.site.length)[0], channels)


def transpose(known: Known) -> Step | None:
    """Channels and length swapped."""
    return Move() if transposes(known) else None


def _get_part(known: Known) -> Local | None:
    """One of the equal parts that channels were split into."""
    source, number = known.node.args
    if not isinstance(source, fx.Node) or source.target not in ("chunk", "split", torch.chunk, torch.split):
        return None
    first = source.args[0] if source.args else None
    if not isinstance(first, fx.Node) or first not in known.sites or not isinstance(number, int):
        return None
    site, parts = known.sites[first], known.values[source]
    axis = source.args[2] if len(source.args) > 2 else source.kwargs.get("dim", 0)
    if not isinstance(axis, int) or axis % 3 != (2 if site.transposed else 1):
        return None
    sizes = [0, *np.cumsum([part.shape[axis] for part in parts]).tolist()]
    number %= len(parts)
    return Local(Move(0, slice(sizes[number], sizes[number + 1])), [first])


def part_of(known: Known) -> Local | None:
    """The step of ``chunk(...)[i]`` or ``split(...)[i]`` over channels, or None for any other node."""
    if known.node.target is operator.getitem and len(known.node.args) == 2:
        return _get_part(known)
    return None


def transposes(known: Known) -> bool:
    """Whether a local node swaps channels and length."""
    node = known.node
    order: list[Any] = list(node.args[1:])
    if node.target in ("permute", torch.permute):
        order = list(order[0]) if order and isinstance(order[0], (tuple, list)) else order
        return [a % 3 if isinstance(a, int) else a for a in order] == [0, 2, 1]
    if node.target in ("transpose", "swapaxes", torch.transpose, torch.swapaxes):
        return len(order) == 2 and all(isinstance(a, int) for a in order) and {a % 3 for a in order} == {1, 2}
    return node.target in ("mT",)
