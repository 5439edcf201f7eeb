"""Gradients in less memory: what is within small blocks of layers is computed anew on the way back, not kept."""

from __future__ import annotations

from functools import partial

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


def blocks_of(network: nn.Module) -> list[nn.Module]:
    """Find the smallest modules that are made of others: a convolution with its norm and activation, an attention."""
    return [
        module
        for module in network.modules()
        if not isinstance(module, nn.ModuleList | nn.ModuleDict | torch.jit.ScriptModule)
        and (parts := list(module.children()))
        and not any(True for part in parts for _ in part.children())
    ]


def recompute_blocks(network: nn.Module) -> None:
    """Have each block keep its input alone for the gradient, which stays what it is; it takes one more forward pass.

    Parameters
    ----------
    network : torch.nn.Module
        Is changed: give a copy. Its layers must give the same for the same input, without dropout or memory.
    """
    for block in blocks_of(network):
        again = partial(checkpoint, block.forward, use_reentrant=False, preserve_rng_state=False)
        block.forward = again  # type: ignore[method-assign]
