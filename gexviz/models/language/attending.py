"""The weights of attention in a network of transformers, and how a prediction depends on them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn


class Attended(NamedTuple):
    """Attention behind one prediction.

    Attributes
    ----------
    attention, gradient : ndarray, float32 (layers, heads, tokens, tokens)
        Weights, rows sum to 1; and the slope of the prediction by each.
    taken : ndarray, float (tokens,)
        Share of each token in what the head reads; they sum to 1.
    starts, ends : ndarray, int64 (tokens,)
        Bases of each token, 0-based half-open; -1 for none.
    """

    attention: np.ndarray
    gradient: np.ndarray
    taken: np.ndarray
    starts: np.ndarray
    ends: np.ndarray


def with_attention(
    model: Any, ids: torch.Tensor, mask: torch.Tensor
) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
    """Run a network of transformers so that its weights of attention are in the graph.

    Returns
    -------
    hidden : Tensor (batch, tokens, dim)
    attention : tuple of Tensor (batch, heads, tokens, tokens)
        A layer each.
    """

    def differentiable(module: nn.Module, inputs: Any, output: torch.Tensor) -> torch.Tensor:
        return output.detach().requires_grad_()

    usual = model.config._attn_implementation
    hook = model.embeddings.register_forward_hook(differentiable)
    try:
        model.set_attn_implementation("eager")  # the others don't make the weights
        made = model(input_ids=ids, attention_mask=mask, output_attentions=True)
    finally:
        hook.remove()
        model.set_attn_implementation(usual)
    return made.last_hidden_state, made.attentions
