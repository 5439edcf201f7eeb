"""Rules of nodes with several operands: sums, products, concatenation."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import fx

from gexviz.analysis.incremental.known import Known, Local
from gexviz.analysis.incremental.local import Site
from gexviz.analysis.incremental.steps import Concatenation, Pointwise, Sum, Together

_SUMS: dict[Any, int] = {
    operator.add: 1, operator.iadd: 1, torch.add: 1, "add": 1, "add_": 1,
    operator.sub: -1, operator.isub: -1, torch.sub: -1, torch.subtract: -1, "sub": -1, "sub_": -1,
}  # fmt: skip
_OPERATORS = {
    *_SUMS, operator.mul, operator.imul, operator.truediv, operator.itruediv, operator.pow, torch.mul, torch.multiply,
    torch.div, torch.divide, torch.true_divide, torch.maximum, torch.minimum, torch.pow, "mul", "mul_", "div", "div_",
    "pow", "maximum", "minimum", "multiply", "divide",
}  # fmt: skip
_CONCATENATIONS = {torch.cat, torch.concat, torch.concatenate}


def several(known: Known, inputs: list[fx.Node]) -> Local | None:
    """Sums, products and other functions of two operands, and concatenation."""
    node, kind = known.node, known.kind
    out = known.values[node]
    if kind in _CONCATENATIONS:
        return _concatenation(known)
    if kind not in _OPERATORS or len(node.args) != 2 or set(node.kwargs) - {"alpha"}:
        return None
    if any(isinstance(a, fx.Node) and a not in known.sites and a not in known.constants for a in node.args):
        return None
    length_axis = 1 if known.sites[inputs[0]].transposed else 2
    if any(known.values[a].shape[length_axis] != out.shape[length_axis] for a in inputs):
        return None
    others = [a for a in node.args if isinstance(a, fx.Node) and a not in known.sites]
    if any(isinstance(known.values[a], torch.Tensor) and known.values[a].shape[:-2].numel() != 1 for a in others):
        return None
    if kind in _SUMS:
        alpha = node.kwargs.get("alpha", 1)
        if not isinstance(alpha, (int, float)) or not isinstance(out, torch.Tensor):
            return None
        signs = [1.0, float(alpha) if _SUMS[kind] > 0 else -float(alpha)]
        pairs = [(sign, a) for sign, a in zip(signs, node.args, strict=True) if a in known.sites]
        return Local(Sum([sign for sign, _ in pairs]), [a for _, a in pairs])  # type: ignore[misc]
    return _together(known, inputs, others, length_axis)


def _together(known: Known, inputs: list[fx.Node], others: list[fx.Node], length_axis: int) -> Local:
    """A function of two operands, of which one or both change."""
    out, windowed, constants = known.values[known.node], [], []
    for other in others:
        value = known.values[other]
        if not isinstance(value, torch.Tensor) or value.ndim < 3 - length_axis or value.shape[length_axis - 3] == 1:
            continue
        value = value.reshape((1,) * (3 - value.ndim) + tuple(value.shape))[0]
        rows = value if length_axis == 1 else value.transpose(0, 1)
        constant = Site(int(out.shape[length_axis]), int(rows.shape[1]))
        constant.base = rows.contiguous()
        windowed.append(other)
        constants.append(constant)
    order = [*inputs, *windowed]

    def function(values: list[torch.Tensor]) -> torch.Tensor:
        return known.run(dict(zip(order, values, strict=True)))  # type: ignore[no-any-return]

    if len(inputs) == 1 and not windowed:
        return Local(Pointwise(function), inputs)
    return Local(Together(function, constants), inputs)


def _concatenation(known: Known) -> Local | None:
    """Tensors side by side as channels; all have to be local."""
    parts = known.node.args[0] if known.node.args else None
    axis = known.bound("dim", dim=0)["dim"]
    if not isinstance(parts, (tuple, list)) or not all(part in known.sites for part in parts):
        return None
    if not isinstance(axis, int) or axis % 3 != (2 if known.sites[parts[0]].transposed else 1):  # type: ignore[index]
        return None
    return Local(Concatenation(), list(parts))  # type: ignore[arg-type]
