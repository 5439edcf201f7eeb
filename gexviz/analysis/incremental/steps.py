"""What a local node does to windows: where its own window starts, how wide it is, and what is in it."""

# ruff: noqa: D102  (what each method is stands at Step)

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from itertools import accumulate
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional as F

from gexviz.analysis.incremental.local import Change, Site, groups, union

Windows = tuple[np.ndarray, int]


class Step(ABC):
    """A local node.

    Attributes
    ----------
    needs_value, gives_value : bool
        Whether it looks at its inputs' values rather than their differences, and whether it makes values.
    needs_both : bool
        Whether it also needs its inputs' unmutated values elsewhere than in their own windows.
    stride : int
        Positions of its input from one of its output to the next.
    """

    stride = 1
    needs_value = False
    needs_both = False
    gives_value = False

    @abstractmethod
    def reach(self, inputs: list[Windows]) -> Windows:
        """Start and width of the windows that the inputs' windows reach."""

    @abstractmethod
    def apply(self, inputs: list[Change], site: Site) -> Change:
        """The change at this node, whose site is `site`."""

    def cost(self, site: Site) -> float:
        """Multiplications (or things that take as long) a position."""
        return 8.0 * site.channels

    def numbers(self, site: Site, width: int) -> int:
        """Numbers a mutant of the largest tensor made, where windows come out `width` wide."""
        return width * site.channels


class Sliding(NamedTuple):
    """The geometry of a convolution or pooling; output o reads inputs ``o*stride - left + j*dilation``, j < kernel."""

    kernel: int
    stride: int
    dilation: int
    left: int

    @property
    def span(self) -> int:
        """Positions from the first to the last one read."""
        return self.dilation * (self.kernel - 1) + 1

    def reach(self, lo: np.ndarray, width: int) -> Windows:
        """Outputs that read any of ``lo:lo+width``; as many for each as there are at most."""
        return -(-(lo + self.left - self.span + 1) // self.stride), (width + self.span - 2) // self.stride + 1

    def reached(self, lo: np.ndarray, width: int) -> Windows:
        """:meth:`reach`, but as many as there are at most for these windows: fewer where they lie well."""
        first, most = self.reach(lo, width)
        last = (lo + (width - 1 + self.left)) // self.stride
        return first, min(most, int((last - first).max(initial=0)) + 1)

    def offsets(self, lo: np.ndarray, out: np.ndarray) -> np.ndarray:
        """Where the first output's first input is, counted from `lo`."""
        return out * self.stride - self.left - lo

    def overlap(self, offset: int, width: int) -> tuple[int, int, slice]:
        """Which elements j0:j1 of an output that starts at `offset` are in the window, and where they are in it."""
        first = max(0, -(offset // self.dilation))
        last = max(first, min(self.kernel, (width - 1 - offset) // self.dilation + 1))
        begin = offset + first * self.dilation
        return first, last, slice(begin, begin + (last - first - 1) * self.dilation + 1, self.dilation)


class Convolution(Step):
    """A convolution, without its bias: that is in the unmutated value already."""

    def __init__(self, weight: torch.Tensor, sliding: Sliding, groups: int = 1) -> None:
        self._weight, self._sliding, self._groups = weight, sliding, groups
        self.stride = sliding.stride
        self._taps: torch.Tensor | None = None
        if groups == 1 and sliding.stride == 1:
            self._taps = weight.flip(2).permute(1, 2, 0).reshape(weight.shape[1], -1).contiguous()

    def cost(self, site: Site) -> float:
        return float(self._weight.numel())

    def numbers(self, site: Site, width: int) -> int:
        products = self._sliding.kernel * (width - self._sliding.span + 1) if self._taps is not None else width
        return max(width, products) * site.channels

    def reach(self, inputs: list[Windows]) -> Windows:
        return self._sliding.reach(*inputs[0])

    def apply(self, inputs: list[Change], site: Site) -> Change:
        (change,) = inputs
        lo, width = self._sliding.reached(change.lo, change.width)
        if self._taps is not None and (self._sliding.dilation > 1 or change.width <= 2 * self._sliding.kernel):
            return Change(site, lo, delta=self._scattered(change.delta, width))
        places, mutants = change.delta.shape[:2]
        out = change.delta.new_empty((places, mutants, width, site.channels))
        for offset, rows in groups(self._sliding.offsets(change.lo, lo)):
            out[rows] = self._gathered(change.delta[rows], offset, width)
        return Change(site, lo, delta=out)

    def _scattered(self, delta: torch.Tensor, width: int) -> torch.Tensor:
        """Each input position times all taps, added up where they land."""
        kernel, dilation = self._sliding.kernel, self._sliding.dilation
        assert self._taps is not None
        places, mutants, inputs, _ = delta.shape
        products = (delta.reshape(-1, delta.shape[3]) @ self._taps).view(places, mutants, inputs, kernel, -1)
        if inputs == 1 and dilation == 1:
            return products[:, :, 0]
        if kernel == 1:
            return products[:, :, :, 0]
        out = products.new_zeros((places, mutants, width, products.shape[4]))
        if dilation == 1 and inputs < kernel:
            for i in range(inputs):
                out[:, :, i : i + kernel] += products[:, :, i]
        else:
            for j in range(kernel):
                out[:, :, j * dilation : j * dilation + inputs] += products[:, :, :, j]
        return out

    def _gathered(self, delta: torch.Tensor, offset: int, width: int) -> torch.Tensor:
        """Torch's own convolution of the window with zeros around it."""
        needed = (width - 1) * self._sliding.stride + self._sliding.span
        first, last = max(0, offset), max(0, offset, min(delta.shape[2], offset + needed))
        flat = delta.new_zeros((delta.shape[0] * delta.shape[1], delta.shape[3], needed))
        flat[:, :, first - offset : last - offset] = delta[:, :, first:last].flatten(0, 1).transpose(1, 2)
        out = F.conv1d(
            flat, self._weight, stride=self._sliding.stride, dilation=self._sliding.dilation, groups=self._groups
        )
        return out.transpose(1, 2).unflatten(0, delta.shape[:2])


class AveragePooling(Step):
    """Average pooling; `parts` is what each output is divided by."""

    def __init__(self, sliding: Sliding, parts: np.ndarray) -> None:
        self._sliding, self._parts = sliding, parts.astype(np.float32)
        self.stride = sliding.stride

    def reach(self, inputs: list[Windows]) -> Windows:
        return self._sliding.reach(*inputs[0])

    def apply(self, inputs: list[Change], site: Site) -> Change:
        (change,) = inputs
        delta, sliding = change.delta, self._sliding
        lo, width = sliding.reached(change.lo, change.width)
        out = delta.new_zeros((*delta.shape[:2], width, site.channels))
        for offset, rows in groups(sliding.offsets(change.lo, lo)):
            for r in range(width):
                first, last, where = sliding.overlap(offset + r * sliding.stride, change.width)
                if last > first:
                    out[rows, :, r] = delta[rows][:, :, where].sum(2)
        parts = self._parts[np.clip(lo[:, None] + np.arange(width), 0, len(self._parts) - 1)]
        out /= torch.from_numpy(parts)[:, None, :, None].to(out)
        return Change(site, lo, delta=out)


class MaxPooling(Step):
    """Max pooling: of what changed, and of the unmutated values before and after it in each output's reach.

    Parameters
    ----------
    sliding : Sliding
    base : torch.Tensor, (length, channels)
        Unmutated input.
    outputs : int
        Length of the output.
    """

    needs_value = True
    gives_value = True

    def __init__(self, sliding: Sliding, base: torch.Tensor, outputs: int) -> None:
        self._sliding, self._outputs = sliding, outputs
        self.stride = sliding.stride
        read = []
        for j in range(sliding.kernel):
            positions = np.arange(outputs) * sliding.stride - sliding.left + j * sliding.dilation
            absent = torch.from_numpy((positions < 0) | (positions >= len(base)))[:, None].to(base.device)
            there = torch.from_numpy(np.clip(positions, 0, len(base) - 1)).to(base.device)
            read.append(base.index_select(0, there).masked_fill_(absent, -torch.inf))
        nothing = base.new_full((outputs, base.shape[1]), -torch.inf)
        self._before = list(accumulate(read, torch.maximum, initial=nothing))
        self._after = list(accumulate(reversed(read), torch.maximum, initial=nothing))[::-1]

    def reach(self, inputs: list[Windows]) -> Windows:
        return self._sliding.reach(*inputs[0])

    def apply(self, inputs: list[Change], site: Site) -> Change:
        (change,) = inputs
        sliding, value = self._sliding, change.value
        lo, width = sliding.reached(change.lo, change.width)
        change.site.blank(value, change.lo, -torch.inf)
        out = value.new_empty((*value.shape[:2], width, site.channels))
        for offset, rows in groups(sliding.offsets(change.lo, lo)):
            here, changed = lo[rows if isinstance(rows, slice) else rows.numpy()], value[rows]
            for r in range(width):
                first, last, where = sliding.overlap(offset + r * sliding.stride, change.width)
                at = torch.from_numpy(np.clip(here + r, 0, self._outputs - 1)).to(value.device)
                new = self._unmutated(first, last, at)[:, None]
                out[rows, :, r] = torch.maximum(changed[:, :, where].amax(2), new) if last > first else new
        return Change(site, lo, value=out)

    def _unmutated(self, first: int, last: int, at: torch.Tensor) -> torch.Tensor:
        """The largest of what outputs read before their element `first` and from `last` on."""
        if first == 0:
            return self._after[last].index_select(0, at)
        before = self._before[first].index_select(0, at)
        return before if last == self._sliding.kernel else before.maximum(self._after[last].index_select(0, at))


class Pointwise(Step):
    """A function of each position on its own, of one changing input.

    Parameters
    ----------
    function : callable
        On tensors as the network has them, (batch, channels, width).
    """

    needs_value = True
    gives_value = True

    def __init__(self, function: Callable[[list[torch.Tensor]], torch.Tensor]) -> None:
        self._function = function

    def reach(self, inputs: list[Windows]) -> Windows:
        return inputs[0]

    def apply(self, inputs: list[Change], site: Site) -> Change:
        (change,) = inputs
        new = self._function([change.site.as_network(change.value)])
        return Change(site, change.lo, value=site.from_network(new, len(change.lo)))


class Rectification(Step):
    """ReLU, the most frequent of pointwise functions, without a second tensor."""

    needs_value = True
    gives_value = True

    def reach(self, inputs: list[Windows]) -> Windows:
        return inputs[0]

    def apply(self, inputs: list[Change], site: Site) -> Change:
        return Change(site, inputs[0].lo, value=inputs[0].own_value().relu_())


class Together(Step):
    """A function of each position on its own, of several inputs; some may be constants with a length axis."""

    needs_value = True
    needs_both = True
    gives_value = True

    def __init__(self, function: Callable[[list[torch.Tensor]], torch.Tensor], constants: list[Site]) -> None:
        self._function, self._constants = function, constants

    def reach(self, inputs: list[Windows]) -> Windows:
        return union(inputs)

    def apply(self, inputs: list[Change], site: Site) -> Change:
        lo, width = union([(change.lo, change.width) for change in inputs])
        values = [change.placed(lo, width) + change.site.window(lo, width) for change in inputs]
        values += [constant.window(lo, width).expand(-1, values[0].shape[1], -1, -1) for constant in self._constants]
        new = self._function([site.as_network(value) for value in values])
        return Change(site, lo, value=site.from_network(new, len(lo)))


class Sum(Step):
    """Inputs added with signs; constants drop out."""

    def __init__(self, signs: list[float]) -> None:
        self._signs = signs

    def reach(self, inputs: list[Windows]) -> Windows:
        return union(inputs)

    def apply(self, inputs: list[Change], site: Site) -> Change:
        lo, width = union([(change.lo, change.width) for change in inputs])
        total: torch.Tensor | None = None
        for sign, change in zip(self._signs, inputs, strict=True):
            delta = change.placed(lo, width)
            delta = delta if sign == 1 else delta * sign
            total = delta if total is None else total + delta
        assert total is not None
        return Change(site, lo, delta=total.expand(*total.shape[:3], site.channels), shared=True)


class Concatenation(Step):
    """Inputs side by side as channels."""

    def reach(self, inputs: list[Windows]) -> Windows:
        return union(inputs)

    def apply(self, inputs: list[Change], site: Site) -> Change:
        lo, width = union([(change.lo, change.width) for change in inputs])
        return Change(site, lo, delta=torch.cat([change.placed(lo, width) for change in inputs], dim=3))


class Scale(Step):
    """Each channel times a number: batch normalisation in eval mode, without its shift."""

    def __init__(self, factor: torch.Tensor) -> None:
        self._factor = factor

    def reach(self, inputs: list[Windows]) -> Windows:
        return inputs[0]

    def apply(self, inputs: list[Change], site: Site) -> Change:
        return Change(site, inputs[0].lo, delta=inputs[0].delta * self._factor)


class Move(Step):
    """Positions are moved by `offset` (padding, cropping), some channels are taken, or axes swapped."""

    def __init__(self, offset: int = 0, channels: slice | None = None) -> None:
        self._offset, self._channels = offset, channels or slice(None)

    def reach(self, inputs: list[Windows]) -> Windows:
        return inputs[0][0] + self._offset, inputs[0][1]

    def cost(self, site: Site) -> float:
        return float(site.channels)

    def apply(self, inputs: list[Change], site: Site) -> Change:
        (change,) = inputs
        return Change(site, change.lo + self._offset, delta=change.delta[..., self._channels], shared=True)
