"""From a torch network to a graph of what it does, without disturbing other threads that use networks."""

from __future__ import annotations

import operator
import threading
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import fx, nn

_TRACING = threading.Lock()  # torch.fx replaces methods of nn.Module while it traces
_TRACED: WeakKeyDictionary[nn.Module, fx.Graph] = WeakKeyDictionary()  # of networks that don't change their layers
_FAILURES = (
    TypeError,
    ValueError,  # fx's TraceError is one
    RuntimeError,
    AttributeError,
    LookupError,
    NameError,
    AssertionError,
)
_IN_PLACE_OPERATORS = {
    getattr(operator, name) for name in ("iadd", "isub", "imul", "itruediv", "ipow", "imatmul", "setitem")
}


class NotIncremental(Exception):
    """A network whose mutants have to go through it whole; its text says why."""


class _Tracer(fx.Tracer):
    """Traces in its own thread only, and calls modules in `opaque` as they are."""

    def __init__(self, opaque: frozenset[str]) -> None:
        super().__init__()
        self._thread = threading.get_ident()
        self._opaque = opaque
        self.failed: str | None = None

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return module_qualified_name in self._opaque or super().is_leaf_module(m, module_qualified_name)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        if threading.get_ident() != self._thread:
            return attr_val
        return super().getattr(attr, attr_val, parameter_proxy_cache)

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        if threading.get_ident() != self._thread:
            return forward(*args, **kwargs)
        done = False
        try:
            result = super().call_module(m, forward, args, kwargs)
            done = True
        finally:
            if not done and self.failed is None:
                self.failed = self.path_of_module(m)
        return result


def trace(network: nn.Module) -> fx.Graph:
    """Trace a network; a module inside that can't be traced becomes one node.

    Raises
    ------
    NotIncremental
        If the network's own forward can't be traced, or a module carries hooks.
    """
    hooked = [name or "the network" for name, m in network.named_modules() if m._forward_hooks or m._forward_pre_hooks]
    if hooked:
        raise NotIncremental(f"there are hooks on {hooked[0]}")
    with _TRACING:
        if network not in _TRACED:
            _TRACED[network] = _traced(network)
        return _TRACED[network]


def _traced(network: nn.Module) -> fx.Graph:
    """Trace a network, with more and more modules left whole until it works."""
    opaque: frozenset[str] = frozenset()
    while True:
        tracer = _Tracer(opaque)
        try:
            graph = tracer.trace(network)
        except _FAILURES as error:
            if tracer.failed is None or tracer.failed in opaque:
                words = str(error).strip().splitlines() or [type(error).__name__]
                raise NotIncremental(f"the network can't be traced: {words[0]}") from None
            opaque |= {tracer.failed}
            continue
        if sum(node.op == "placeholder" for node in graph.nodes) != 1:
            raise NotIncremental("the network has more inputs than the sequence")
        _check_in_place(graph, network)
        return graph


def changes_in_place(node: fx.Node, network: nn.Module) -> bool:
    """Whether a node overwrites its first argument."""
    if node.op == "call_module":
        return bool(getattr(network.get_submodule(str(node.target)), "inplace", False))
    if node.op == "call_method":
        return str(node.target).endswith("_") and not str(node.target).endswith("__")
    if node.op == "call_function":
        name = getattr(node.target, "__name__", "")
        in_place = node.target in _IN_PLACE_OPERATORS or (name.endswith("_") and not name.endswith("__"))
        return bool(in_place or node.kwargs.get("inplace", False) or "out" in node.kwargs)
    return False


def _check_in_place(graph: fx.Graph, network: nn.Module) -> None:
    """Refuse graphs in which something overwritten is used again: nodes could not be looked at one by one."""
    for node in graph.nodes:
        if changes_in_place(node, network) and (
            node.target is operator.setitem
            or "out" in node.kwargs
            or any(len(argument.users) > 1 for argument in node.all_input_nodes[:1])
        ):
            raise NotIncremental(f"the network overwrites a value that it uses again ({node.name})")


def call(node: fx.Node, network: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Do what a node does. Modules are called without hooks, which other threads may have put on since the trace."""
    if node.op == "call_function":
        return node.target(*args, **kwargs)  # type: ignore[operator]
    if node.op == "call_method":
        return getattr(args[0], str(node.target))(*args[1:], **kwargs)
    if node.op == "call_module":
        return network.get_submodule(str(node.target)).forward(*args, **kwargs)
    if node.op == "get_attr":
        value: Any = network
        for part in str(node.target).split("."):
            value = getattr(value, part)
        return value
    raise NotIncremental(f"the network has a node of an unknown kind, {node.op}")


def detached(value: Any) -> Any:
    """A copy of a tensor, so that what works in place can't overwrite it; anything else as it is."""
    return value.clone() if isinstance(value, torch.Tensor) else value
