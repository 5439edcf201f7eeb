"""Which nodes of a network are local, and the step that does what each of them does.

A node that no rule knows is not local: the network's own code does it on the whole tensor. Rules look at concrete
shapes of the unmutated pass, and at nothing that a sequence could change.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from gexviz.analysis.incremental import operand_rules, position_rules, sliding_rules
from gexviz.analysis.incremental.known import Known, Local
from gexviz.analysis.incremental.steps import Step

_POINTWISE_MODULES = (
    nn.GELU, nn.SiLU, nn.Softplus, nn.ELU, nn.CELU, nn.SELU, nn.LeakyReLU, nn.Sigmoid, nn.Tanh, nn.Hardtanh,
    nn.ReLU6, nn.Mish, nn.Hardswish, nn.Hardsigmoid, nn.Softsign, nn.LogSigmoid, nn.Tanhshrink, nn.Hardshrink,
    nn.Softshrink, nn.Threshold,
)  # fmt: skip
_POINTWISE_FUNCTIONS = (
    F.gelu, F.silu, F.softplus, F.elu, F.celu, F.selu, F.leaky_relu, F.sigmoid,
    torch.sigmoid, F.tanh, torch.tanh, F.hardtanh, F.relu6, F.mish, F.hardswish, F.hardsigmoid, F.softsign,
    F.logsigmoid, F.tanhshrink, F.hardshrink, F.softshrink, F.threshold, torch.exp, torch.expm1, torch.log,
    torch.log1p, torch.log2, torch.log10, torch.sqrt, torch.rsqrt, torch.square, torch.abs, torch.neg, operator.neg,
    operator.abs, torch.sin, torch.cos, torch.erf, torch.clamp, torch.clip, torch.reciprocal, torch.sign,
)  # fmt: skip
_POINTWISE_METHODS = (
    "sigmoid", "tanh", "exp", "expm1", "log", "log1p", "log2", "log10", "sqrt", "rsqrt", "square",
    "abs", "neg", "sin", "cos", "erf", "clamp", "clip", "reciprocal", "sign", "clamp_min", "clamp_max",
)  # fmt: skip

RULES: dict[Any, Callable[[Known], Step | None]] = {
    **dict.fromkeys(_POINTWISE_MODULES + _POINTWISE_FUNCTIONS + _POINTWISE_METHODS, position_rules.pointwise),
    **dict.fromkeys((nn.ReLU, F.relu, torch.relu, torch.relu_, "relu", "relu_"), position_rules.rectification),
    **dict.fromkeys((nn.Conv1d, F.conv1d), sliding_rules.convolution),
    **dict.fromkeys((nn.MaxPool1d, F.max_pool1d, torch.max_pool1d), sliding_rules.max_pooling),
    **dict.fromkeys((nn.AvgPool1d, F.avg_pool1d), sliding_rules.average_pooling),
    **dict.fromkeys(
        (nn.AdaptiveMaxPool1d, F.adaptive_max_pool1d), lambda known: sliding_rules.adaptive(known, largest=True)
    ),
    **dict.fromkeys(
        (nn.AdaptiveAvgPool1d, F.adaptive_avg_pool1d), lambda known: sliding_rules.adaptive(known, largest=False)
    ),
    **dict.fromkeys(
        (nn.Softmax, nn.LogSoftmax, nn.GLU, F.softmax, F.log_softmax, F.glu, torch.softmax),
        position_rules.over_channels,
    ),
    **dict.fromkeys((nn.Linear, F.linear), position_rules.linear),
    **dict.fromkeys((nn.Dropout, nn.Dropout1d, nn.AlphaDropout, F.dropout), position_rules.dropout),
    **dict.fromkeys((nn.Identity, "contiguous", "clone", "detach"), position_rules.same),
    **dict.fromkeys((nn.ZeroPad1d, nn.ConstantPad1d), position_rules.pad_module),
    **dict.fromkeys(
        ("permute", "transpose", "swapaxes", torch.permute, torch.transpose, torch.swapaxes), position_rules.transpose
    ),
    F.pad: position_rules.pad_function,
    nn.BatchNorm1d: position_rules.batch_norm,
    nn.LayerNorm: position_rules.layer_norm,
    nn.PReLU: position_rules.prelu,
    operator.getitem: position_rules.sliced,
}


def local(known: Known) -> Local | None:
    """Find the step of a node, or None if it isn't known to be local."""
    inputs = [node for node in known.node.all_input_nodes if node in known.sites]
    if len({known.sites[node].transposed for node in inputs}) != 1:
        return None
    several = operand_rules.several(known, inputs)
    if several is not None:
        return several
    rule = RULES.get(known.kind)
    if rule is None or len(inputs) != 1 or known.node.all_input_nodes[0] is not inputs[0]:
        return None
    if known.node.op != "call_module" and (not known.node.args or known.node.args[0] is not inputs[0]):
        return None
    step = rule(known)
    return None if step is None else Local(step, inputs)
