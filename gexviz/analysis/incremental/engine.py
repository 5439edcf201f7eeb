"""Effects of mutations by recomputing only what they reach."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any

import numpy as np
import torch
from threadpoolctl import ThreadpoolController
from torch import fx, nn

from gexviz.analysis.incremental.exits import whole
from gexviz.analysis.incremental.local import Change
from gexviz.analysis.incremental.plan import Plan, asks_shape, make_plan
from gexviz.analysis.incremental.tracing import call

_HEAD_BYTES = 4_000_000  # of the largest tensor of windows, small enough to stay in the processor's caches
_TAIL_BYTES = 128_000_000  # of the tensors that are not local
_BLOCK_BYTES = 256_000_000  # of windows that wait between the two
_SMALLEST = 1e-8
_LIGHT = 5e6  # multiplications for a mutant: below, threads cost more in waiting for each other than they save
_LIGHT_PASS = 2e9  # parameters times positions, for the unmutated pass: the same


class Incremental:
    """One network and one sequence, ready for mutations.

    Parameters
    ----------
    network : nn.Module
        From float32 (batch, 4, length) to (batch,), in eval mode. Its parameters are used where they are; nothing is
        put on it.
    onehot : ndarray, float32 (4, length)
        The unmutated sequence.

    Raises
    ------
    NotIncremental
        If the network can't be traced, or is otherwise out of reach; says why.
    """

    def __init__(self, network: nn.Module, onehot: np.ndarray) -> None:
        self._device = next((p.device for p in network.parameters()), torch.device("cpu"))
        self._scale = 1.0
        most = sum(p.numel() for p in network.parameters()) * onehot.shape[1]
        with torch.inference_mode(), _threads(light=most < _LIGHT_PASS):
            self._plan = make_plan(network, torch.tensor(onehot, dtype=torch.float32, device=self._device))

    @property
    def result(self) -> float:
        """The network's output for the unmutated sequence."""
        return self._plan.result

    @property
    def share(self) -> float:
        """Estimate of the work for one mutant, as a share of that of the whole network."""
        return self._plan.work / max(self._plan.plain_work, 1.0)

    @property
    def local(self) -> tuple[str, ...]:
        """Names of the nodes whose changes are followed as windows."""
        return tuple(node.name for node in self._plan.head)

    def use_less_memory(self) -> bool:
        """Work in smaller batches from now on; False if they can't be smaller."""
        self._scale /= 4
        return self._scale > _SMALLEST

    def effects(self, places: np.ndarray, delta: np.ndarray) -> np.ndarray:
        """Differences of the network's output.

        Parameters
        ----------
        places : ndarray, int (n,)
            0-based positions.
        delta : ndarray, float32 (n, m, 4)
            Mutated - unmutated one-hot of `m` mutants at each.

        Returns
        -------
        ndarray, float64 (n, m)
            Exactly 0 where a mutation is lost on its way.
        """
        number, m = delta.shape[:2]
        effects = np.zeros((number, m))
        order = np.lexsort((places, places % self._plan.period))  # a batch then has few ways to lie under pooling
        size = self._rows(_BLOCK_BYTES, m * self._plan.head_numbers)
        with torch.inference_mode(), _threads(light=self._plan.work < _LIGHT):
            for begin in range(0, number, size):
                rows = order[begin : begin + size]
                waiting = self._head(places[rows], torch.from_numpy(delta[rows]).to(self._device))
                effects[rows] = self._tail(waiting, np.repeat(places[rows], m)).reshape(-1, m)
        return effects

    def _rows(self, budget: float, numbers: int) -> int:
        """How many rows of so many float32 fit into a budget of bytes."""
        return max(1, int(budget * self._scale / (4 * max(numbers, 1))))

    def _head(self, places: np.ndarray, delta: torch.Tensor) -> _Waiting:
        """Follow windows through the local nodes."""
        plan, waiting = self._plan, _Waiting(self._plan)
        size = self._rows(_HEAD_BYTES, delta.shape[1] * plan.head_numbers)
        for begin in range(0, len(places), size):
            here = slice(begin, begin + size)
            changes = {plan.start: Change(plan.sites[plan.start], places[here], delta=delta[here, :, None])}
            for node in plan.head:
                step, inputs = plan.steps[node]
                changes[node] = step.apply([changes[source] for source in inputs], plan.sites[node])
            waiting.add(changes)
        waiting.join()
        return waiting

    def _tail(self, waiting: _Waiting, places: np.ndarray) -> np.ndarray:
        """Do the rest, on the mutants that are still different; those whose windows lie alike stand together."""
        effects = np.zeros(len(places))
        alive = np.flatnonzero(waiting.alive().numpy(force=True))
        alive = alive[np.argsort(places[alive], kind="stable")]
        size = max(2, self._rows(_TAIL_BYTES, self._plan.tail_numbers))
        for begin in range(0, len(alive), size):
            rows = alive[begin : begin + size]
            pair = rows if len(rows) > 1 else np.repeat(rows, 2)  # a batch of one could lose its axis
            out = self._rest(waiting, pair)
            effects[rows] = out.double().numpy(force=True)[: len(rows)] - self._plan.result
        return effects

    def _rest(self, waiting: _Waiting, rows: np.ndarray) -> torch.Tensor:
        """The network's output for some mutants."""
        plan = self._plan
        values: dict[fx.Node, Any] = {}

        def get(source: fx.Node) -> Any:
            if source in plan.constants:
                return plan.constants[source]
            if source not in values:
                lo, delta = waiting.windows(source, rows)
                values[source] = whole(plan.sites[source], lo, delta)
            return values[source]

        def shape_of(source: fx.Node) -> Any:
            if source not in plan.sites:
                return get(source)
            return torch.empty((), device=self._device).expand(len(rows), *plan.shapes[source])

        for node in plan.tail:
            if node in plan.reductions:
                values[node] = plan.reductions[node][1].shaped(waiting.reduced(node, rows))
            elif node in plan.dense:
                origin, dense = plan.dense[node]
                values[node] = dense.apply(*waiting.windows(origin, rows))
            else:
                source = shape_of if asks_shape(node) else get
                args, kwargs = fx.map_arg(node.args, source), fx.map_arg(dict(node.kwargs), source)
                values[node] = call(node, plan.network, args, kwargs)
            for done in plan.done_with[node]:
                values.pop(done, None)
        result: torch.Tensor = values[plan.tail[-1]]
        return result


def _threads(*, light: bool) -> AbstractContextManager[object]:
    """One thread of torch's for light work in this thread of ours; as many as it has else."""
    return _openmp().limit(limits=1) if light else nullcontext()


@cache
def _openmp() -> ThreadpoolController:
    """The handle on OpenMP; looking for it takes longer than a small saturation."""
    return ThreadpoolController().select(user_api="openmp")


class _Waiting:
    """What the local part hands to the rest, for a block of mutants."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._changes: dict[fx.Node, list[tuple[np.ndarray, torch.Tensor]]] = {node: [] for node in plan.exits}
        self._reduced: dict[fx.Node, list[torch.Tensor]] = {node: [] for node in plan.reductions}
        self._joined: dict[fx.Node, tuple[np.ndarray, torch.Tensor]] = {}
        self._rows: dict[fx.Node, torch.Tensor] = {}

    def add(self, changes: dict[fx.Node, Change]) -> None:
        """Take what is needed of a batch."""
        for node, kept in self._changes.items():
            change = changes[node]
            kept.append((np.repeat(change.lo, change.delta.shape[1]), change.delta.flatten(0, 1)))
        for node, parts in self._reduced.items():
            origin, reduction = self._plan.reductions[node]
            parts.append(reduction.apply(changes[origin]))

    def join(self) -> None:
        """Put the batches together; windows get the width of the widest."""
        for node, kept in self._changes.items():
            width = max(delta.shape[1] for _, delta in kept)
            deltas = [nn.functional.pad(delta, (0, 0, 0, width - delta.shape[1])) for _, delta in kept]
            self._joined[node] = np.concatenate([lo for lo, _ in kept]), torch.cat(deltas)
        self._rows = {node: torch.cat(parts) for node, parts in self._reduced.items()}
        self._changes, self._reduced = {}, {}

    def alive(self) -> torch.Tensor:
        """Which mutants differ from the unmutated sequence anywhere, bool (mutants,)."""
        parts = [delta.flatten(1).abs().amax(1) != 0 for _, delta in self._joined.values()]
        parts += [self._plan.reductions[node][1].differs(rows) for node, rows in self._rows.items()]
        return torch.stack(parts).any(0)

    def windows(self, node: fx.Node, rows: np.ndarray) -> tuple[np.ndarray, torch.Tensor]:
        """Starts and differences (mutants, width, channels) of some mutants."""
        lo, delta = self._joined[node]
        return lo[rows], delta[torch.from_numpy(rows).to(delta.device)]

    def reduced(self, node: fx.Node, rows: np.ndarray) -> torch.Tensor:
        """Output of a reduction for some mutants."""
        values = self._rows[node]
        return values[torch.from_numpy(rows).to(values.device)]
