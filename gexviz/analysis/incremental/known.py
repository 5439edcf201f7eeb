"""What is known of a node of a network when it is to be told whether it is local."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import fx, nn

from gexviz.analysis.incremental.local import Site
from gexviz.analysis.incremental.steps import Step


class Local(NamedTuple):
    """A local node: its step, and the nodes whose changes it takes."""

    step: Step
    inputs: list[fx.Node]


class Known(NamedTuple):
    """A node and what is known when its turn comes.

    Attributes
    ----------
    node : fx.Node
    module : nn.Module or None
    sites : dict
        Local nodes so far.
    values : dict
        Value of each node in the unmutated pass, two equal sequences a batch.
    constants : set
        Nodes that no sequence changes.
    run : callable
        Does the node with other arguments in place of its local ones and its constants: ``run({node: tensor})``.
    """

    node: fx.Node
    module: nn.Module | None
    sites: dict[fx.Node, Site]
    values: dict[fx.Node, Any]
    constants: set[fx.Node]
    run: Callable[[dict[fx.Node, Any]], Any]

    @property
    def first(self) -> fx.Node:
        """The first argument, where it is a local node."""
        return self.node.all_input_nodes[0]

    @property
    def site(self) -> Site:
        """Site of the first argument."""
        return self.sites[self.first]

    @property
    def kind(self) -> Any:
        """Class of the module, function, or name of the method."""
        return type(self.module) if self.module is not None else self.node.target

    def bound(self, *names: str, **defaults: Any) -> dict[str, Any]:
        """Arguments after the first by name, numbers and constants as they are in the unmutated pass."""
        given = fx.map_arg(dict(zip(names, self.node.args[1:], strict=False)) | dict(self.node.kwargs), self.value)
        return defaults | given

    def value(self, node: fx.Node) -> Any:
        """Value of a node in the unmutated pass; None where it is a tensor that mutations change."""
        value = self.values.get(node)
        return value if node in self.constants or not isinstance(value, torch.Tensor) else None

    @property
    def base(self) -> torch.Tensor:
        """First argument in the unmutated pass, (length, channels)."""
        value: torch.Tensor = self.values[self.first][0]
        return value if self.site.transposed else value.transpose(0, 1)

    def is_channels(self, axis: Any) -> bool:
        """Whether an axis is that of the channels."""
        return isinstance(axis, int) and axis % 3 == (2 if self.site.transposed else 1)


def site_of(value: Any, *, transposed: bool) -> Site | None:
    """The site of a node with this value, if it has the axes of one."""
    if not isinstance(value, torch.Tensor) or value.ndim != 3 or len(value) != 2 or not value.is_floating_point():
        return None
    channels, length = (value.shape[2], value.shape[1]) if transposed else (value.shape[1], value.shape[2])
    return Site(int(length), int(channels), transposed=transposed)
