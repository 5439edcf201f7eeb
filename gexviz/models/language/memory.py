"""Memory of a language model, found before a run: batches that fit, and a refusal rather than a killed process."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from gexviz.errors import GexvizError
from gexviz.models.torch_memory import LONG_WINDOW, Need, free_for, memory_need

LONG_TOKENS = 500
"""Tokens from which on it is worth looking."""
_STEP = 256  # tokens; what is found holds up to the next multiple
_COPIES = 3  # of what is kept for the gradient by attention: the weights and their slopes leave as arrays


class _Fused(TorchFunctionMode):
    """Has attention take what its kernels take, which never hold all its weights; without numbers torch would."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is functional.scaled_dot_product_attention:
            return torch.empty_like(args[0] if args else kwargs["query"])
        return func(*args, **(kwargs or {}))


class _OfTokens(nn.Module):
    """A network of tokens as one of sequence: it reads as many tokens, whatever the sequence."""

    def __init__(self, network: nn.Module, tokens: int, *, masked: bool, attending: bool) -> None:
        super().__init__()
        self.network, self._tokens, self._masked, self._attending = network, tokens, masked, attending

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, 4, any) -> (batch,)."""
        ids = torch.zeros(len(x), self._tokens, dtype=torch.long, device=x.device)
        mask = torch.ones_like(ids) if self._masked else None
        with _Fused():
            made = self.network.attending(ids, mask) if self._attending else self.network(ids, mask)  # type: ignore[operator]
        hidden: torch.Tensor = made[0] if self._attending else made
        return hidden.sum(dim=(1, 2)) + x.sum(dim=(1, 2))


class MemoryOfTokens:
    """What a network of tokens takes for one sequence; what was found is remembered.

    Parameters
    ----------
    network : torch.nn.Module
        From ids and a mask (batch, tokens) to (batch, tokens, dim).
    """

    def __init__(self, network: nn.Module) -> None:
        self._network = network
        self._found: dict[tuple[int, bool], Need | None] = {}

    def fitting_batch(self, tokens: int, most: int) -> int:
        """Sequences a forward that fit into the memory there is now.

        Raises
        ------
        GexvizError
            If not even one does.
        """
        need = self._need(tokens, attending=False)
        return most if need is None else _fitting(need.forward, free_for(self._network), most, f"{tokens:,} tokens")

    def check_attention(self, tokens: int) -> None:
        """See that there is memory to follow the attention of one sequence.

        Raises
        ------
        GexvizError
            If there isn't.
        """
        need = self._need(tokens, attending=True)
        if need is not None:
            words = f"{tokens:,} tokens, with the weights of attention"
            _fitting(_COPIES * need.gradient, free_for(self._network), 1, words)

    def _need(self, tokens: int, *, attending: bool) -> Need | None:
        if tokens < LONG_TOKENS:
            return None
        key = -(-tokens // _STEP) * _STEP, attending
        if key not in self._found:
            kinds = (_OfTokens(self._network, key[0], masked=masked, attending=attending) for masked in (True, False))
            found = (memory_need(kind, 1) for kind in kinds)  # transformers' own can't look at a mask without numbers
            self._found[key] = next((need for need in found if need is not None), None)
        return self._found[key]


def fitting_batch_of_bases(network: nn.Module, window: int, most: int) -> int:
    """Sequences a forward of a network of bases that fit into the memory there is now.

    Raises
    ------
    GexvizError
        If not even one does.
    """
    need = None if window < LONG_WINDOW else memory_need(network, window)
    return most if need is None else _fitting(need.forward, free_for(network), most, f"{window:,} bp")


def _fitting(one: int, free: int, most: int, what: str) -> int:
    if one > free:
        there = f"{free / 1e9:.1f} GB can be used"
        raise GexvizError(
            f"the network would take about {one / 1e9:.1f} GB for one sequence of {what}; {there}",
            expected="memory for one forward pass",
            remedy="close other programs, choose a shorter window, use a machine or a GPU with more memory, or compute "
            'the predictions elsewhere and read them with family = "table"',
        )
    return max(1, min(most, free // (2 * max(1, one))))
