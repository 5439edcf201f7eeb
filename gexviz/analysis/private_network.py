"""A model's network, opened for gradients: a private copy, and both strands where the model wants them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from gexviz.analysis.rescale import node_kinds
from gexviz.errors import GexvizError
from gexviz.models.base import Differentiable, PredictsDosages, PredictsSequences
from gexviz.models.onehot import one_hot
from gexviz.models.recomputing import recompute_blocks

Strand = Callable[[torch.Tensor], torch.Tensor]


class PrivateNetwork:
    """A copy of a model's network with modules of its own; it shares the parameters, which take no gradient.

    Parameters
    ----------
    model : Differentiable
        Its network isn't touched: not its mode, its hooks, its parameters, nor what its layers remember.

    Attributes
    ----------
    name : str
        Of the model.
    strands : list of callable
        From (batch, 4, length) to (batch,): the network on the sequence and, for ``rc_mean``, on its reverse
        complement. Their mean is the prediction.

    Raises
    ------
    GexvizError
        For a model without gradients, naming what to use instead, and for a network that can't be copied.
    """

    def __init__(self, model: Any) -> None:
        self._network = _copied(_differentiable(model).network())
        self._spec = model.spec
        self.name = model.spec.name
        tensors = [t for t in (*self._network.parameters(), *self._network.buffers()) if t.is_floating_point()]
        self._like = tensors[0] if tensors else torch.zeros(())
        self.strands: list[Strand] = [self._forward]
        if model.spec.strand == "rc_mean":
            self.strands.append(lambda x: self._forward(x.flip(1, 2)))

    def encoded(self, sequence: np.ndarray) -> torch.Tensor:
        """One-hot of a sequence, uint8 (length,) -> (1, 4, length), on the network's device and in its precision."""
        return torch.from_numpy(one_hot(sequence[None], self._spec.n_policy)).to(self._like)

    def predicted(self, x: torch.Tensor) -> float:
        """The plain prediction of (1, 4, length)."""
        with torch.no_grad():
            return float(np.mean([float(strand(x)) for strand in self.strands]))

    def keep_less(self) -> None:
        """From now on keep only what goes into each block of layers for a gradient; its inside is computed anew."""
        recompute_blocks(self._network)

    def layer_of(self, kind: str, x: torch.Tensor) -> str:
        """Name the innermost layer in which a kind of autograd node, as ``Relu``, comes up first."""
        found: list[str] = []

        def look(name: str) -> Callable[..., None]:
            def hook(module: torch.nn.Module, args: Any, output: Any) -> None:
                before = [one for one in args if isinstance(one, torch.Tensor)]
                if any(kind in node_kinds(one.grad_fn) for one in before):
                    return
                if isinstance(output, torch.Tensor) and kind in node_kinds(output.grad_fn):
                    found.append(name)

            return hook

        scripted, hooks = [], []
        for name, module in self._network.named_modules():
            if isinstance(module, torch.jit.ScriptModule):  # takes no hooks, and is the likely place
                scripted.append(name)
            elif name:
                hooks.append(module.register_forward_hook(look(name)))
        try:
            self._network(x.clone().requires_grad_())
        finally:
            for hook in hooks:
                hook.remove()
        return [*found, *scripted, type(self._network).__name__][0]

    def _forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self._network(x)
        if y.shape != (len(x),):
            raise GexvizError(
                f"the network of {self.name} gave {tuple(y.shape)} for {len(x)} sequences",
                expected=f"one number a sequence, ({len(x)},)",
                remedy="end the network with a readout; torch.nn.Flatten(0) makes (batch, 1) into (batch,)",
            )
        if torch.is_grad_enabled() and x.requires_grad and not y.requires_grad:
            raise GexvizError(
                f"the network of {self.name} passes no gradient back to the sequence",
                expected="operations that torch can differentiate, from the one-hot sequence to the prediction",
                remedy="use in-silico mutagenesis, which needs no gradient",
            )
        return y


def _differentiable(model: Any) -> Differentiable:
    """The model, if it has gradients; else say what to use instead."""
    if isinstance(model, Differentiable):
        return model
    if isinstance(model, PredictsSequences):
        remedy = "use in-silico mutagenesis, which needs predictions only"
    elif isinstance(model, PredictsDosages):
        remedy = "its weights are its effects: look at the weights of the gene, or the effects of its variants"
    else:
        remedy = "choose a sequence model; there is nothing to look into in predictions computed elsewhere"
    raise GexvizError(
        f"{model.spec.name} ({model.spec.family}) has no gradient",
        expected="a model with a torch network from one-hot sequence to a number",
        remedy=remedy,
    )


def _copied(network: torch.nn.Module) -> torch.nn.Module:
    """A copy in eval mode that shares the parameters, frozen."""
    shared: dict[int, Any] = {}
    for parameter in network.parameters():
        values = parameter.clone() if parameter.is_inference() else parameter.detach()
        shared[id(parameter)] = torch.nn.Parameter(values, requires_grad=False)
    try:
        return copy.deepcopy(network, shared).eval()
    except (TypeError, RuntimeError, copy.Error) as error:
        raise GexvizError(
            f"the network can't be copied: {error}",
            expected="a torch module that copy.deepcopy can copy, as gradients are computed on a private copy",
            remedy="keep files, locks and tensors computed earlier out of the module's attributes",
        ) from None
