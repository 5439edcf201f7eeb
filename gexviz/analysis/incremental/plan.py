"""What is local in a network, what is not, and where the one turns into the other: found in one unmutated pass."""

from __future__ import annotations

import operator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import fx, nn
from torch.nn import functional as F

from gexviz.analysis.incremental.exits import Dense, Reduction
from gexviz.analysis.incremental.known import Known, Local, site_of
from gexviz.analysis.incremental.local import Site
from gexviz.analysis.incremental.position_rules import part_of, transposes
from gexviz.analysis.incremental.rules import local
from gexviz.analysis.incremental.steps import Windows
from gexviz.analysis.incremental.tracing import NotIncremental, call, changes_in_place, detached, trace

MOST_BYTES = 1_000_000_000  # of the unmutated values that are kept
_WIDEST = 0.5  # of the length: wider windows save nothing
_ADAPTIVE = {nn.AdaptiveAvgPool1d, nn.AdaptiveMaxPool1d, F.adaptive_avg_pool1d, F.adaptive_max_pool1d}
_SHAPES = {"size", "dim", "numel"}
_MEANS: dict[Any, str] = {
    torch.mean: "mean",
    "mean": "mean",
    torch.sum: "sum",
    "sum": "sum",
    torch.amax: "max",
    "amax": "max",
}
_LAST: dict[Any, str] = {
    nn.AdaptiveAvgPool1d: "mean",
    nn.AdaptiveMaxPool1d: "max",
    nn.AvgPool1d: "mean",
    nn.MaxPool1d: "max",
}
_LAST |= {F.adaptive_avg_pool1d: "mean", F.adaptive_max_pool1d: "max", F.avg_pool1d: "mean", F.max_pool1d: "max"}


@dataclass
class Plan:
    """How mutants go through a network.

    Attributes
    ----------
    network : nn.Module
    nodes : list of fx.Node
        In the order they are done.
    start : fx.Node
        The input.
    sites, steps : dict
        Of local nodes; `start` has a site only.
    constants : dict
        Values of nodes that no sequence changes.
    reductions, dense : dict
        Nodes that take windows and give a tensor: with the local node they read.
    shapes : dict
        Shape of each local node's value, without the batch.
    result : float
        Of the unmutated sequence.
    work, plain_work : float
        Multiplications for one mutant, by the plan and through the whole network; estimates.
    head_numbers, tail_numbers : int
        Numbers a mutant: of the largest tensor of windows, and of all nodes that are not local.
    period : int
        Mutations so far apart lie alike to the first step that has a stride.
    whole : set of fx.Node
        Local nodes whose whole tensors the tail needs.
    head, tail : list of fx.Node
        Nodes that the output needs, local ones and the others.
    done_with : dict
        Tensors that no node of the tail needs after this one.
    """

    network: nn.Module
    nodes: list[fx.Node]
    start: fx.Node
    sites: dict[fx.Node, Site]
    steps: dict[fx.Node, Local] = field(default_factory=dict)
    constants: dict[fx.Node, Any] = field(default_factory=dict)
    reductions: dict[fx.Node, tuple[fx.Node, Reduction]] = field(default_factory=dict)
    dense: dict[fx.Node, tuple[fx.Node, Dense]] = field(default_factory=dict)
    shapes: dict[fx.Node, tuple[int, ...]] = field(default_factory=dict)
    result: float = 0.0
    work: float = 0.0
    plain_work: float = 0.0
    tail_numbers: int = 0
    head_numbers: int = 4
    period: int = 1
    whole: set[fx.Node] = field(default_factory=set)
    head: list[fx.Node] = field(default_factory=list)
    tail: list[fx.Node] = field(default_factory=list)
    done_with: dict[fx.Node, list[fx.Node]] = field(default_factory=dict)

    @property
    def exits(self) -> list[fx.Node]:
        """Local nodes whose windows the tail needs."""
        return [origin for origin in self.sites if origin in self.whole or origin in self.dense_origins]

    @property
    def dense_origins(self) -> set[fx.Node]:
        """Local nodes that dense layers read."""
        return {origin for origin, _ in self.dense.values()}


def make_plan(network: nn.Module, onehot: torch.Tensor) -> Plan:
    """Trace a network, run it on two copies of a sequence, and decide node by node.

    Parameters
    ----------
    network : nn.Module
        From float32 (batch, 4, length) to (batch,), in eval mode.
    onehot : torch.Tensor, float32 (4, length)

    Raises
    ------
    NotIncremental
    """
    graph = trace(network)
    return _Planner(network, graph, onehot).plan


class _Planner:
    """Goes through the graph once; `plan` is what comes out."""

    def __init__(self, network: nn.Module, graph: fx.Graph, onehot: torch.Tensor) -> None:
        self._network = network
        self._values: dict[fx.Node, Any] = {}
        self._windows: dict[fx.Node, Windows] = {}
        self._constants: set[fx.Node] = set()
        self._flat: dict[fx.Node, fx.Node] = {}
        self._work: dict[fx.Node, float] = {}
        self._seen: set[fx.Node] = set()
        nodes = list(graph.nodes)
        start = next(node for node in nodes if node.op == "placeholder")
        site = Site(onehot.shape[1], onehot.shape[0])
        self.plan = Plan(network, nodes, start, {start: site}, shapes={start: tuple(onehot.shape)})
        self._values[start] = onehot.expand(2, -1, -1).contiguous()
        self._windows[start] = np.arange(onehot.shape[1]), 1
        for node in nodes:
            if node.op not in ("placeholder", "output"):
                self._visit(node)
                self._forget(node)
        self._finish(nodes[-1])

    def _visit(self, node: fx.Node) -> None:
        """Run a node on the unmutated sequence and say what it is."""
        plan = self.plan
        value = self._values[node] = self._run(node, {})
        module = self._network.get_submodule(str(node.target)) if node.op == "call_module" else None
        if all(source in self._constants for source in node.all_input_nodes):
            self._constants.add(node)
            plan.constants[node] = value
            return
        self._work[node] = _work(value, module, self._values, node)
        plan.plain_work += self._work[node]
        known = Known(node, module, plan.sites, self._values, self._constants, lambda values: self._run(node, values))
        found = part_of(known)
        if found is None and any(source in plan.sites or source in self._flat for source in node.all_input_nodes):
            found = None if self._leaves(known) else local(known)
        if found is None:
            return
        swapped = plan.sites[found.inputs[0]].transposed != transposes(known)
        site = site_of(value, transposed=swapped)
        windows = found.step.reach([self._windows[source] for source in found.inputs])
        if site is None or windows[1] > max(2, _WIDEST * site.length) or not bool(value.sum().isfinite()):
            return
        plan.steps[node], plan.sites[node], self._windows[node] = found, site, windows
        plan.shapes[node] = tuple(value.shape[1:])

    def _forget(self, node: fx.Node) -> None:
        """Let go of what only this node still needed: all but the shape, or for local nodes one of the two copies."""
        self._seen.add(node)
        for source in node.all_input_nodes:
            value = self._values[source]
            if (
                source in self._constants
                or not isinstance(value, torch.Tensor)
                or not self._seen.issuperset(source.users)
            ):
                continue
            self._values[source] = value[:1].clone() if source in self.plan.sites else value.to("meta")

    def _run(self, node: fx.Node, values: dict[fx.Node, Any]) -> Any:
        """Do a node, with `values` in place of those of the unmutated pass, and overwriting nothing."""

        def get(source: fx.Node) -> Any:
            return values[source] if source in values else self._values[source]

        args, kwargs = fx.map_arg(node.args, get), fx.map_arg(dict(node.kwargs), get)
        if changes_in_place(node, self._network):
            args = (detached(args[0]), *args[1:])
        return call(node, self._network, args, kwargs)

    def _leaves(self, known: Known) -> bool:
        """Whether a node ends the local part: flattening, a dense layer after it, a sum or maximum over the length."""
        node, plan, value = known.node, self.plan, self._values[known.node]
        source = node.all_input_nodes[0]
        if source in self._flat:
            if isinstance(known.module, (nn.Dropout, nn.Identity)):
                self._flat[node] = self._flat[source]
            weight = known.module.weight if type(known.module) is nn.Linear else None
            if known.kind is F.linear:
                weight = known.bound("weight", "bias").get("weight")
            if weight is not None and node.args and source is node.args[0]:
                origin = self._flat[source]
                plan.dense[node] = origin, Dense(plan.sites[origin], weight.detach(), value[0])
            return True
        if source not in plan.sites or not isinstance(value, torch.Tensor):
            return False
        site = plan.sites[source]
        if node.op != "call_module" and (not node.args or node.args[0] is not source):
            return False
        if known.kind in _FLATTENING and tuple(value.shape) == (2, site.channels * site.length):
            self._flat[node] = source
            return True
        how = _reduces(known, value)
        if how is None:
            return False
        factor = {"mean": 1 / site.length, "sum": 1.0, "max": None}[how]
        base = self._values[source][0]
        base = base if site.transposed else base.transpose(0, 1)
        plan.reductions[node] = source, Reduction(base, tuple(value.shape[1:]), factor, value[0])
        return True

    def _finish(self, output: fx.Node) -> None:
        """Find what the output needs, and keep only that."""
        plan = self.plan
        result = output.args[0]
        value = self._values.get(result) if isinstance(result, fx.Node) else None
        if not isinstance(result, fx.Node) or not isinstance(value, torch.Tensor) or tuple(value.shape) != (2,):
            raise NotIncremental("the network does not give one number a sequence")
        if result in self._constants or result in plan.sites:
            raise NotIncremental("the network's output does not depend on the sequence in a known way")
        plan.result = float(value[0])
        needed: set[fx.Node] = set()
        waiting = [result]
        while waiting:
            node = waiting.pop()
            if node in needed or node in self._constants:
                continue
            needed.add(node)
            if node in plan.steps:
                waiting += plan.steps[node].inputs
            elif node in plan.reductions or node in plan.dense:
                origin = (plan.reductions.get(node) or plan.dense[node])[0]
                waiting.append(origin)
            elif node is not plan.start:
                for source in node.all_input_nodes:
                    if source in plan.sites and not asks_shape(node):
                        plan.whole.add(source)
                    if source not in plan.sites or not asks_shape(node):
                        waiting.append(source)
        plan.head = [node for node in plan.nodes if node in needed and node in plan.steps]
        plan.tail = [node for node in plan.nodes if node in needed and node not in plan.sites]
        for node in plan.head:
            site, width = plan.sites[node], self._windows[node][1]
            plan.head_numbers = max(plan.head_numbers, plan.steps[node].step.numbers(site, width))
            plan.work += 2 * plan.steps[node].step.cost(site) * width
        plan.period = next((plan.steps[n].step.stride for n in plan.head if plan.steps[n].step.stride > 1), 1)
        for node in plan.tail:
            numbers = self._numbers(node)
            plan.tail_numbers += numbers
            local_exit = node in plan.reductions or node in plan.dense
            plan.work += float(numbers) if local_exit else self._work.get(node, 0.0)
        for node in plan.whole:
            plan.tail_numbers += int(np.prod(plan.shapes[node]))
            plan.work += float(np.prod(plan.shapes[node]))
        plan.reductions = {node: found for node, found in plan.reductions.items() if node in needed}
        plan.dense = {node: found for node, found in plan.dense.items() if node in needed}
        seen: set[fx.Node] = set()
        for node in reversed(plan.tail):
            last = [source for source in node.all_input_nodes if source not in seen]
            plan.done_with[node] = [source for source in last if source not in plan.constants]
            seen.update(last)
        self._keep_bases()

    def _numbers(self, node: fx.Node) -> int:
        """Numbers a mutant in what a node gives and, about, in what a module keeps meanwhile."""
        value = self._values[node]
        value = value[0] if isinstance(value, tuple) and value else value
        if not isinstance(value, torch.Tensor):
            return 0
        numbers = value.numel() // 2
        if node.op != "call_module":
            return numbers
        modules = list(self._network.get_submodule(str(node.target)).modules())
        heads = max((m.num_heads for m in modules if isinstance(m, nn.MultiheadAttention)), default=0)
        return numbers * len(modules) + heads * (numbers // max(1, value.shape[-1])) ** 2

    def _keep_bases(self) -> None:
        """Unmutated values of the sites where windows turn from differences to values or back."""
        plan, kept = self.plan, 0
        for node, site in plan.sites.items():
            gives = node in plan.steps and plan.steps[node].step.gives_value
            readers = [plan.steps[user].step.needs_value for user in plan.head if node in plan.steps[user].inputs]
            readers += [reduction.needs_value for origin, reduction in plan.reductions.values() if origin is node]
            readers += [False for origin, _ in plan.dense.values() if origin is node]
            both = any(plan.steps[user].step.needs_both for user in plan.head if node in plan.steps[user].inputs)
            if node in plan.whole or both or any(needs != gives for needs in readers):
                value = self._values[node][0]
                site.base = (value if site.transposed else value.transpose(0, 1)).contiguous()
                kept += site.base.numel() * site.base.element_size()
        if kept > MOST_BYTES:
            raise NotIncremental(f"the values of the unmutated sequence alone take {kept / 1e9:.1f} GB")


_FLATTENING = {nn.Flatten, torch.flatten, torch.reshape, "flatten", "view", "reshape"}


def asks_shape(node: fx.Node) -> bool:
    """Whether a node looks at the shape of its input only."""
    if node.op == "call_method":
        return node.target in _SHAPES
    return (
        node.op == "call_function" and node.target is getattr and node.args[1] in ("shape", "ndim", "dtype", "device")
    )


def _reduces(known: Known, value: torch.Tensor) -> str | None:
    """How a node makes one number a channel of the whole length, if it does."""
    site = known.site
    if tuple(value.shape) not in ((2, site.channels), (2, site.channels, 1), (2, 1, site.channels)):
        return None
    if known.kind in _MEANS:
        axis = known.bound("dim", "keepdim", "dtype").get("dim")
        axis = axis[0] if isinstance(axis, (tuple, list)) and len(axis) == 1 else axis
        wanted = 1 if site.transposed else 2
        return _MEANS[known.kind] if isinstance(axis, int) and axis % 3 == wanted else None
    if known.kind in _LAST and not site.transposed and value.ndim == 3 and value.shape[2] == 1:
        adaptive = known.kind in (
            nn.AdaptiveAvgPool1d,
            nn.AdaptiveMaxPool1d,
            F.adaptive_avg_pool1d,
            F.adaptive_max_pool1d,
        )
        settings = vars(known.module) if known.module is not None else known.bound("kernel_size", "stride", "padding")
        kernel = settings.get("kernel_size")
        kernel = kernel[0] if isinstance(kernel, (tuple, list)) else kernel
        padding = settings.get("padding", 0)
        if adaptive or (kernel == site.length and padding in (0, (0,), [0])):
            return _LAST[known.kind]
    return None


def _work(value: Any, module: nn.Module | None, values: dict[fx.Node, Any], node: fx.Node) -> float:
    """Multiplications of a node for one sequence, about."""
    value = value[0] if isinstance(value, tuple) and value else value
    if not isinstance(value, torch.Tensor) or asks_shape(node):
        return 0.0
    numbers = value.numel() / 2
    inputs = [values[source] for source in node.all_input_nodes if isinstance(values[source], torch.Tensor)]
    if node.target in _MATRIX_PRODUCTS and inputs:
        return numbers * inputs[0].shape[-1]
    weights = sum(p.numel() for p in module.parameters()) if module is not None else 0
    if node.op == "call_function":
        weights += sum(v.numel() for v in inputs[1:] if v.ndim > 1 and node.target in (F.linear, F.conv1d))
    positions = numbers / max(1, value.shape[1]) if isinstance(module, nn.Conv1d) or node.target is F.conv1d else 0
    if not positions:
        positions = numbers / max(1, value.shape[-1])
    between = positions * positions * value.shape[-1] if _attends(module, node) else 0.0
    return weights * positions + between + 8 * numbers


def _attends(module: nn.Module | None, node: fx.Node) -> bool:
    if module is None:
        return node.target is F.scaled_dot_product_attention
    return any(isinstance(m, nn.MultiheadAttention) for m in module.modules())


_MATRIX_PRODUCTS = {torch.matmul, torch.bmm, operator.matmul, "matmul", "bmm", "__matmul__"}
