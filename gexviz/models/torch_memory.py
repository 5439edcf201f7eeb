"""How much memory a network will take, found without running it, and how much there is."""

from __future__ import annotations

import copy
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from gexviz.models.recomputing import recompute_blocks

_CGROUP = Path("/sys/fs/cgroup")
_FOUND: weakref.WeakKeyDictionary[nn.Module, Need | None] = weakref.WeakKeyDictionary()
_SHARE = 0.9  # of what is available; the rest is for operations themselves, and for others
LONG_WINDOW = 20_000
"""bp, from which on it is worth looking: networks of shorter windows fit anywhere."""


class Need(NamedTuple):
    """Bytes that one sequence takes, beside the parameters, at the worst moment.

    Attributes
    ----------
    forward : int
        Of a prediction.
    gradient : int
        Of a prediction and its gradient.
    recomputed : int
        The same with what is within blocks of layers computed anew; see :mod:`gexviz.models.recomputing`.
    every_layer : int
        With the values of all layers kept.
    """

    forward: int
    gradient: int
    recomputed: int
    every_layer: int


def memory_need(network: nn.Module, window: int) -> Need | None:
    """Find what a sequence takes: torch goes through the layers with tensors that have shapes and no numbers.

    Parameters
    ----------
    network : torch.nn.Module
        From (batch, 4, window). It isn't touched; what was found is remembered.
    window : int

    Returns
    -------
    Need or None
        None for a network that can't be gone through like this. What an operation takes for itself while it runs is not
        in it.
    """
    if network not in _FOUND:
        _FOUND[network] = _need(network, window)
    return _FOUND[network]


def free_for(network: nn.Module) -> int:
    """Memory that a network's values can still take, where its parameters are."""
    first = next(network.parameters(), None)
    return int(_SHARE * available_bytes("cpu" if first is None else str(first.device)))


def available_bytes(device: str) -> int:
    """Memory that can still be taken: of a GPU, or of the machine, or of the container if that has less."""
    if device.startswith("cuda"):
        kept = torch.cuda.memory_reserved() - torch.cuda.memory_allocated()  # by torch, for what comes next
        return torch.cuda.mem_get_info()[0] + kept
    free = int(psutil.virtual_memory().available)
    limit, used = (_number(_CGROUP / name) for name in ("memory.max", "memory.current"))
    cache = _number(_CGROUP / "memory.stat", "inactive_file") or 0
    return free if limit is None or used is None else max(0, min(free, limit - used + cache))


def _need(network: nn.Module, window: int) -> Need | None:
    shapes: dict[int, Any] = {id(p): nn.Parameter(p.to("meta"), requires_grad=False) for p in network.parameters()}
    shapes |= {id(b): b.to("meta") for b in network.buffers()}
    try:
        hollow = copy.deepcopy(network, shapes)
        with torch.inference_mode(mode=False):
            x = torch.empty(1, 4, window, device="meta")
            with torch.no_grad(), _Watch() as forward:
                hollow(x)
            gradient = _of_gradient(hollow, x)
            recompute_blocks(hollow)
            recomputed = _of_gradient(hollow, x)
    except Exception:  # whatever a user's network can raise without numbers
        return None
    return Need(forward.most, max(forward.most, gradient), max(forward.most, recomputed), forward.total)


def _of_gradient(hollow: nn.Module, x: torch.Tensor) -> int:
    x = x.detach().requires_grad_()
    with torch.enable_grad(), _Watch() as watch:
        hollow(x).sum().backward()
    return watch.most


class _Watch(TorchDispatchMode):
    """Adds up the storages that come up, and those that are there at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.most = self.total = self._now = 0
        self._seen: weakref.WeakSet[Any] = weakref.WeakSet()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for one in tree_leaves(result):
            if isinstance(one, torch.Tensor) and (storage := one.untyped_storage()) not in self._seen:
                self._seen.add(storage)
                size = storage.nbytes()
                self._now, self.total = self._now + size, self.total + size
                self.most = max(self.most, self._now)
                weakref.finalize(storage, self._gone, size)
        return result

    def _gone(self, size: int) -> None:
        self._now -= size


def _number(path: Path, key: str = "") -> int | None:
    """A number of the kernel's files; None where there is none, or no limit."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return None
    found = [line.removeprefix(key).strip() for line in lines if line.startswith(key)]
    return int(found[0]) if found and found[0].isdigit() else None
