"""DeepLIFT's multipliers of any torch network, for one sequence against many references, without hooks.

Every call of a torch function during the forward pass is seen by a :class:`torch.overrides.TorchFunctionMode`, which
is local to the thread. A call that isn't linear is given a backward pass of its own, so it doesn't matter whether a
ReLU is a module, one module used twice, ``F.relu`` or a method. Nothing is attached to the network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

from gexviz.errors import GexvizError

_NEAR = 1e-6
"""Inputs nearer to each other than this have no usable secant; the derivative is taken instead."""

_NODES, _MOST_NODES = 16, 256
_GAP = 1e-4
"""Part of a layer's change that may be missing from its shares before more nodes are taken."""

_UNARY = frozenset(
    """relu relu6 leaky_relu prelu rrelu elu selu celu gelu silu mish softplus softsign hardtanh hardswish hardsigmoid
    hardshrink softshrink tanhshrink logsigmoid log_sigmoid threshold sigmoid tanh exp exp2 expm1 log log1p log2 log10
    sqrt rsqrt reciprocal square abs pow __pow__ erf sin cos clamp clamp_min clamp_max""".split()  # noqa: SIM905
)
_MAX_POOLS: dict[str, tuple[Callable[..., Any], int]] = {
    "max_pool1d": (F.max_pool1d, 1),
    "max_pool2d": (F.max_pool2d, 2),
    "adaptive_max_pool1d": (F.adaptive_max_pool1d, 1),
    "adaptive_max_pool2d": (F.adaptive_max_pool2d, 2),
}
_LINEAR = frozenset(
    """Add Sub Rsub Neg View UnsafeView ReshapeAlias T Transpose Permute Squeeze Unsqueeze Expand Select Slice Index
    IndexSelect Gather Cat Stack Split SplitWithSizes Chunk Unbind Sum Mean Clone Copys CopySlices AsStrided ToCopy
    ConstantPadNd ReflectionPad1D ReflectionPad2D ReplicationPad1D ReplicationPad2D AvgPool2D AvgPool3D
    AdaptiveAvgPool2D AdaptiveAvgPool3D UpsampleNearest1D UpsampleNearest2D UpsampleLinear1D UpsampleBilinear2D
    NativeBatchNorm CudnnBatchNorm MiopenBatchNorm Flip Roll Repeat Cumsum Alias Diagonal Unfold Im2Col PixelShuffle
    MaskedFill Where Trace Tril Triu Movedim Swapdims SelectScatter SliceScatter AccumulateGrad _Rule""".split()  # noqa: SIM905
)
_PRODUCTS = {  # kinds of node that are linear in either factor; where in the node its two factors are
    "Mul": (0, 1),
    "Mm": (0, 1),
    "Bmm": (0, 1),
    "Mv": (0, 1),
    "Dot": (0, 1),
    "Addmm": (1, 2),
    "Addmv": (1, 2),
    "Baddbmm": (1, 2),
    "Linear": (0, 1),
    "Convolution": (0, 1),
}


class RescaledNetwork:
    """A network at one sequence, ready to be compared with references.

    Parameters
    ----------
    network : callable
        From (batch, 4, length) to (batch,), in eval mode; parameters that don't require gradients.
    sequence : torch.Tensor, float (1, 4, length)
    names : callable
        Gives the name of the layer in which a kind of autograd node is made, for errors.

    Attributes
    ----------
    prediction : float

    Raises
    ------
    GexvizError
        For an operation that no rule covers and that can't be run again, with its layer.

    Notes
    -----
    DeepLIFT's rescale rule (Shrikumar et al. 2017, ICML) replaces each nonlinear function's derivative by its average
    along the straight line between its input at the reference and at the sequence, so that contributions sum to the
    difference of the predictions. Here the average is

    - for a function of one number (ReLU, GELU, sigmoid, exp ...): the secant, which is exact; the derivative where both
      inputs are the same to 1e-6;
    - for max pooling: the rule of DeepSHAP (Lundberg & Lee 2017), which sends the change up to the larger of the two
      maxima to the winner in the sequence, and the rest to the winner in the reference; exact;
    - for a product of two things that both depend on the sequence (attention scores, gates): the value half-way; exact;
    - for everything else (softmax, layer norm, fused attention, recurrent layers): Gauss-Legendre with 16 nodes, and up
      to 256 where shares don't sum to the layer's change within 0.01%.

    tangermeme computes the same for networks of modules that it has rules for, softmax, GLU and the norms apart, where
    several rules are complete. Functions that aren't modules it treats as linear, and warns. captum (0.9) computes the
    same where no two nonlinear modules follow each other. Where they do, as ReLU and max pooling in nearly every
    network for DNA, its hooks hand the first one the plain gradient of the second, and contributions no longer sum to
    the difference; nor do they for max pooling with overlapping windows, or with anything it has no rule for (GELU,
    layer norm, attention, functions that aren't modules), which it silently treats as linear. A module used twice it
    refuses or gets wrong.

    A choice made by comparing values (``x * (x > 0)``) is a constant to autograd, here as there: the completeness delta
    of the result tells of it.
    """

    def __init__(
        self, network: Callable[[torch.Tensor], torch.Tensor], sequence: torch.Tensor, names: Callable[[str], str]
    ) -> None:
        self._network = network
        self._sequence = sequence.detach().clone().requires_grad_()
        seen = _Sequence()
        with torch.enable_grad(), seen:
            self._output = network(self._sequence)
        if unseen := _other_than_linear(self._output.grad_fn, frozenset()):
            raise GexvizError(
                f"DeepLIFT has no rule for {unseen[-1]}: torch doesn't show what it computes",
                place=f"layer {names(unseen[-1])}",
                expected="a network of torch functions",
                remedy="choose integrated gradients, which need no rule, or write the layer with torch functions",
            )
        self._calls, self._path = seen.calls, seen.path
        self.prediction = float(self._output.detach())

    def multipliers(self, reference: torch.Tensor) -> tuple[torch.Tensor, float]:
        """Compare with one reference.

        Parameters
        ----------
        reference : torch.Tensor, float (1, 4, length)

        Returns
        -------
        multipliers : torch.Tensor, float (4, length)
            Times (sequence - reference) they are the contributions.
        prediction : float
            Of the reference.
        """
        followed = _Reference(self._calls)
        x = reference.detach().clone().requires_grad_()
        try:
            with torch.enable_grad(), followed:
                prediction = self._network(x)
            if followed.path != self._path:
                raise GexvizError(
                    "the network takes another way through its layers for the reference than for the sequence",
                    expected="the same operations for every sequence, as DeepLIFT compares them one by one",
                    remedy="choose integrated gradients",
                )
            (multipliers,) = torch.autograd.grad(self._output, self._sequence, retain_graph=True)
        except RuntimeError as error:
            if "modified by an inplace operation" not in str(error):
                raise
            raise GexvizError(
                "DeepLIFT can't follow a layer that overwrites what went into an earlier nonlinear layer",
                expected="operations that give a new tensor",
                remedy="choose integrated gradients, or write the layer without the operation in place",
            ) from None
        finally:
            for call in self._calls.values():
                call.reference = ()
        return multipliers[0], float(prediction.detach())


class _Call:
    """A function called during the forward pass, so that it can be run again on other tensors in the same places."""

    def __init__(self, function: Callable[..., Any], leaves: list[Any], spec: TreeSpec, moving: list[int]) -> None:
        self.function = function
        self.name = getattr(function, "__name__", str(function))
        self.nodes = 0  # of the quadrature; none for a function of one number and for max pooling
        self.reference: tuple[torch.Tensor, ...] = ()
        self.returns: TreeSpec
        self.kept: tuple[torch.Tensor, ...] = ()  # what a rule has to know of the sequence alone
        self._moving = moving
        self._spec = spec
        self._fixed = [None if i in set(moving) else leaf for i, leaf in enumerate(leaves)]

    @property
    def in_place(self) -> bool:
        """Whether it writes into its input."""
        _, kwargs = tree_unflatten(self._fixed, self._spec)
        positional = self.name in ("elu", "selu", "celu", "leaky_relu", "threshold", "hardtanh", "relu", "relu6")
        given = kwargs.get("inplace", False) or (positional and any(leaf is True for leaf in self._fixed))
        return bool(given) or (self.name.endswith("_") and not self.name.endswith("__"))

    def arguments(self, tensors: Sequence[torch.Tensor]) -> tuple[Any, dict[str, Any]]:
        """Its arguments, with these tensors where those that depend on the sequence were."""
        leaves = list(self._fixed)
        for place, tensor in zip(self._moving, tensors, strict=True):
            leaves[place] = tensor
        return tree_unflatten(leaves, self._spec)

    def run(self, tensors: Sequence[torch.Tensor]) -> Any:
        """Run it anew; `tensors` stay as they are."""
        args, kwargs = self.arguments([tensor.clone() for tensor in tensors] if self.in_place else tensors)
        return self.function(*args, **kwargs)

    def winners(self, tensor: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Maxima of a max pooling, and where they are."""
        args, kwargs = self.arguments([tensor])
        return _MAX_POOLS[self.name][0](*args, **{**kwargs, "return_indices": True})


class _Sequence(TorchFunctionMode):
    """Gives each nonlinear call of the sequence's forward pass a rule, and remembers the way taken."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: dict[int, _Call] = {}
        self.path: list[Any] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        leaves, spec = tree_flatten((args, kwargs or {}))
        moving = _moving(leaves)
        if not moving:
            return func(*args, **(kwargs or {}))
        self.path.append(func)
        call = _Call(func, leaves, spec, moving)
        tensors = [leaves[i] for i in moving]
        known = (call.name.rstrip("_") if not call.name.endswith("__") else call.name) in _UNARY
        if len(moving) == 1 and (known or call.name in _MAX_POOLS):
            return self._ruled(call, tensors)
        versions = [tensor._version for tensor in tensors]
        before = frozenset(tensor.grad_fn for tensor in tensors)
        out = func(*args, **(kwargs or {}))
        outputs = [leaf for leaf in tree_flatten(out)[0] if isinstance(leaf, torch.Tensor) and leaf.requires_grad]
        kinds = [kind for output in outputs for kind in _other_than_linear(output.grad_fn, before)]
        if not kinds:
            return out
        if versions != [tensor._version for tensor in tensors]:
            raise GexvizError(
                f"DeepLIFT can't follow {call.name}, which overwrites its input",
                expected="operations that give a new tensor",
                remedy="choose integrated gradients, or write the layer without the operation in place",
            )
        call.nodes = 1 if len(kinds) == 1 and kinds[0] in _PRODUCTS else _NODES
        return self._ruled(call, tensors)

    def _ruled(self, call: _Call, tensors: list[torch.Tensor]) -> Any:
        """Run a call with its rule."""
        self.calls[len(self.path) - 1] = call
        if call.in_place:
            (out,) = _Rule.apply(call, tensors[0].clone())
            return tensors[0].copy_(out)
        outputs = _Rule.apply(call, *tensors)
        return tree_unflatten(list(outputs), call.returns)


class _Reference(TorchFunctionMode):
    """Follows a reference on the same way and keeps what goes into each nonlinear call, and nothing else."""

    def __init__(self, calls: dict[int, _Call]) -> None:
        super().__init__()
        self.path: list[Any] = []
        self._calls = calls
        self._anchor = torch.zeros((), requires_grad=True)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        leaves, _ = tree_flatten((args, kwargs or {}))
        moving = _moving(leaves)
        if not moving:
            return func(*args, **(kwargs or {}))
        call = self._calls.get(len(self.path))
        self.path.append(func)
        if call is not None:
            tensors = tuple(leaves[i].detach() for i in moving)
            call.reference = tuple(tensor.clone() for tensor in tensors) if call.in_place else tensors
        leaves, spec = tree_flatten(func(*args, **(kwargs or {})))
        return tree_unflatten([self._cut(leaf) for leaf in leaves], spec)

    def _cut(self, leaf: Any) -> Any:
        """A tensor without the graph behind it, that autograd still takes for one of its own."""
        return _Cut.apply(self._anchor, [leaf.data]) if _moving([leaf]) else leaf


class _Cut(torch.autograd.Function):
    """Gives the boxed tensor; no gradient ever comes back."""

    @staticmethod
    def forward(ctx: Any, anchor: torch.Tensor, box: list[torch.Tensor]) -> torch.Tensor:
        return box[0]


class _Rule(torch.autograd.Function):
    """A call as it is, whose backward pass is the average between the reference and the sequence."""

    @staticmethod
    def forward(ctx: Any, call: _Call, *tensors: torch.Tensor) -> tuple[Any, ...]:
        ctx.call = call
        ctx.save_for_backward(*tensors)
        leaves, call.returns = tree_flatten(call.run(tensors))
        return tuple(leaves)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor | None) -> tuple[torch.Tensor | None, ...]:
        call: _Call = ctx.call
        if call.nodes:
            return None, *_along_path(call, ctx.saved_tensors, gradients)
        ((here,), (there,), (gradient,)) = ctx.saved_tensors, call.reference, gradients
        if gradient is None:
            return None, None
        return None, (_pooled if call.name in _MAX_POOLS else _secant)(call, here, there, gradient)


def _secant(call: _Call, here: torch.Tensor, there: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """The rule of a function of one number."""
    if not call.kept:
        with torch.enable_grad():
            point = here.detach().requires_grad_()
            call.kept = torch.autograd.grad(call.run([point]).sum(), point)
    (slope,) = call.kept
    step = here - there
    near = step.abs() < _NEAR
    secant = call.run([here]).sub_(call.run([there])).div_(step.masked_fill_(near, 1))
    return torch.where(near, slope, secant).mul_(gradient)


def _pooled(call: _Call, here: torch.Tensor, there: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """The rule of a max pooling."""
    dims = _MAX_POOLS[call.name][1]
    call.kept = call.kept or call.winners(here)
    (value, winner), (other, other_winner) = call.kept, call.winners(there)
    larger = torch.maximum(value, other)
    change = torch.zeros_like(here, memory_format=torch.contiguous_format)
    plain = torch.zeros_like(change)
    for shares, places, into in (
        (gradient * (larger - other), winner, change),
        (gradient * (value - larger), other_winner, change),
        (gradient, winner, plain),
    ):
        into.view(*here.shape[:-dims], -1).scatter_add_(-1, places.flatten(-dims), shares.flatten(-dims))
    step = here - there
    same = step == 0
    return torch.where(same, plain, change.div_(step.masked_fill_(same, 1)))


def _along_path(
    call: _Call, here: Sequence[torch.Tensor], gradients: Sequence[torch.Tensor | None]
) -> list[torch.Tensor]:
    """The rule of any function: its derivative averaged between reference and sequence, with nodes as needed."""
    steps = [a - b for a, b in zip(here, call.reference, strict=True)]
    change = _weighted(call.run(here), gradients) - _weighted(call.run(call.reference), gradients)
    nodes = call.nodes
    while True:
        average = _averaged(call, steps, gradients, nodes)
        shares = [(part * step).double() for part, step in zip(average, steps, strict=True)]
        gap = abs(sum(float(share.sum()) for share in shares) - change)
        rounding = _NEAR * sum(float(share.abs().sum()) for share in shares)
        if nodes == 1 or nodes >= _MOST_NODES or gap <= max(_GAP * abs(change), rounding):
            return average
        nodes *= 4


def _averaged(
    call: _Call, steps: Sequence[torch.Tensor], gradients: Sequence[torch.Tensor | None], number: int
) -> list[torch.Tensor]:
    """The derivative averaged over the nodes of Gauss and Legendre."""
    nodes, weights = np.polynomial.legendre.leggauss(number)
    average = [torch.zeros_like(step) for step in steps]
    for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        with torch.enable_grad():
            points = [
                (there + float(node) * step).detach().requires_grad_()
                for there, step in zip(call.reference, steps, strict=True)
            ]
            outputs = tree_flatten(call.run(points))[0]
            pairs = [(o, g) for o, g in zip(outputs, gradients, strict=True) if g is not None and _moving([o])]
            found = torch.autograd.grad([o for o, _ in pairs], points, [g for _, g in pairs], allow_unused=True)
        for total, part in zip(average, found, strict=True):
            if part is not None:
                total.add_(part, alpha=float(weight))
    return average


def _weighted(outputs: Any, gradients: Sequence[torch.Tensor | None]) -> float:
    """Outputs times the gradients that come back to them."""
    pairs = zip(tree_flatten(outputs)[0], gradients, strict=True)
    return sum(
        float((o.double() * g.double()).sum()) for o, g in pairs if g is not None and isinstance(o, torch.Tensor)
    )


def _moving(leaves: Sequence[Any]) -> list[int]:
    """Which arguments depend on the sequence."""
    return [i for i, leaf in enumerate(leaves) if isinstance(leaf, torch.Tensor) and leaf.requires_grad]


def _other_than_linear(node: Any, stop: frozenset[Any]) -> list[str]:
    """Kinds of autograd nodes, from `node` down to those in `stop`, that aren't linear."""
    kinds = []
    for one in _nodes(node, stop):
        kind, before = _kind(one), [parent for parent, _ in one.next_functions]
        if kind in _PRODUCTS:
            linear = any(i >= len(before) or before[i] is None for i in _PRODUCTS[kind])
        else:
            linear = kind in _LINEAR or (kind == "Div" and (len(before) < 2 or before[1] is None))
        if not linear:
            kinds.append(kind)
    return kinds


def node_kinds(node: Any) -> set[str]:
    """What a tensor's autograd node and all before it are the backward passes of, as ``Relu`` of ``ReluBackward0``."""
    return {_kind(one) for one in _nodes(node, frozenset())}


def _kind(node: Any) -> str:
    name = type(node).__name__
    if name == "CppFunction":  # of torch.jit, or of an extension
        name = node.name().split("::")[-1]
    return name.rstrip("0123456789").replace("Backward", "")


def _nodes(node: Any, stop: frozenset[Any]) -> list[Any]:
    """An autograd node and all before it, down to those in `stop`."""
    waiting, seen = [node], {None, *stop}
    found = []
    while waiting:
        node = waiting.pop()
        if node not in seen:
            seen.add(node)
            found.append(node)
            waiting.extend(parent for parent, _ in node.next_functions)
    return found
