"""Mamba's selective scan: a recurrence along a sequence, whose decay and inflow depend on the sequence itself.

It is exact, goes base by base, and takes memory for a block of bases at a time, forward and backward. Torch sees one
operation in it, so that nothing of its inside is kept for gradients.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

_BLOCK = 16  # bases, whose states stay in a core's cache

_INPUTS = "Tensor u, Tensor delta, Tensor a, Tensor b, Tensor c"
_OUTPUTS = "(Tensor, Tensor, Tensor, Tensor, Tensor)"
_Five = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


def selective_scan(
    u: torch.Tensor, delta: torch.Tensor, a: torch.Tensor, b: torch.Tensor, c: torch.Tensor
) -> torch.Tensor:
    """Run ``state = exp(delta a) state + delta b u`` along a sequence and read ``c state`` at each base.

    Parameters
    ----------
    u, delta : torch.Tensor, float (batch, length, channels)
        What flows in, and how long each base counts.
    a : torch.Tensor, float (channels, states)
        Below 0. Its precision is that of the scan.
    b, c : torch.Tensor, float (batch, length, states)

    Returns
    -------
    torch.Tensor, float (batch, length, channels)
    """
    u, delta, b, c = (x.to(a.dtype) for x in (u, delta, b, c))
    found: torch.Tensor = torch.ops.gexviz.selective_scan(u, delta, a, b, c)
    return found


torch.library.define("gexviz::selective_scan", f"({_INPUTS}) -> Tensor")
torch.library.define("gexviz::selective_scan_backward", f"(Tensor gradient, {_INPUTS}) -> {_OUTPUTS}")


@torch.library.impl("gexviz::selective_scan", "default")
def _scan(u: torch.Tensor, delta: torch.Tensor, a: torch.Tensor, b: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
    u, delta, a, b, c = _laid_out(u, delta, a, b, c)
    out = torch.empty_like(u)
    state = _nothing(u, a)
    for block in _blocks(u):
        _, states = _run(state, u[block], delta[block], a, b[block])
        out[block] = _read(c[block], states)
        state = states[-1]
    return out.transpose(0, 1).contiguous()


@torch.library.impl("gexviz::selective_scan_backward", "default")
def _gradients(
    gradient: torch.Tensor, u: torch.Tensor, delta: torch.Tensor, a: torch.Tensor, b: torch.Tensor, c: torch.Tensor
) -> _Five:
    u, delta, a, b, c = _laid_out(u, delta, a, b, c)
    gradient = gradient.transpose(0, 1)
    of_u, of_delta, of_a, of_b, of_c = (torch.zeros_like(x) for x in (u, delta, a, b, c))
    starts = [_nothing(u, a)]
    for block in _blocks(u):
        starts.append(_run(starts[-1], u[block], delta[block], a, b[block])[1][-1].clone())
    later = torch.zeros_like(starts[0])  # the gradient by the last state, from all bases behind it
    for block, start in zip(reversed(list(_blocks(u))), reversed(starts[:-1]), strict=True):
        decay, states = _run(start, u[block], delta[block], a, b[block])
        by_state = gradient[block].unsqueeze(2) * c[block].unsqueeze(3)
        for one, decayed in zip(reversed(by_state.unbind()), reversed(decay.unbind()), strict=True):
            later = one.add_(later) * decayed
        by_exponent = torch.cat([start[None], states[:-1]]).mul_(decay).mul_(by_state)
        by_inflow = _read(b[block], by_state)
        of_u[block] = by_inflow * delta[block]
        of_delta[block] = by_inflow * u[block] + (by_exponent * a).sum(dim=2)
        of_a += (by_exponent * delta[block].unsqueeze(2)).sum(dim=(0, 1))
        of_b[block] = (by_state @ (delta[block] * u[block]).unsqueeze(3)).squeeze(3)
        of_c[block] = (states @ gradient[block].unsqueeze(3)).squeeze(3)
    of_u, of_delta, of_b, of_c = (x.transpose(0, 1).contiguous() for x in (of_u, of_delta, of_b, of_c))
    return of_u, of_delta, of_a.T.contiguous(), of_b, of_c


def _laid_out(u: torch.Tensor, delta: torch.Tensor, a: torch.Tensor, b: torch.Tensor, c: torch.Tensor) -> _Five:
    """Bases first, and channels last: as they are gone through."""
    u, delta, b, c = (x.transpose(0, 1).contiguous() for x in (u, delta, b, c))
    return u, delta, a.T.contiguous(), b, c


def _run(
    state: torch.Tensor, u: torch.Tensor, delta: torch.Tensor, a: torch.Tensor, b: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Decays and states of a block of bases behind a state, (bases, batch, states, channels)."""
    decay = (delta.unsqueeze(2) * a).exp_()
    states = (delta * u).unsqueeze(2) * b.unsqueeze(3)
    for one, decayed in zip(states.unbind(), decay.unbind(), strict=True):
        state = one.addcmul_(decayed, state)
    return decay, states


def _read(weights: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
    """The sum over states, (bases, batch, states) and (bases, batch, states, channels) -> (bases, batch, channels)."""
    return (weights.unsqueeze(2) @ states).squeeze(2)


def _blocks(u: torch.Tensor) -> Iterator[slice]:
    return (slice(i, i + _BLOCK) for i in range(0, len(u), _BLOCK))


def _nothing(u: torch.Tensor, a: torch.Tensor) -> torch.Tensor:
    return u.new_zeros(u.shape[1], *a.shape)


@torch.library.impl("gexviz::selective_scan", "meta")
def _(u: torch.Tensor, *others: torch.Tensor) -> torch.Tensor:
    return torch.empty_like(u)


@torch.library.impl("gexviz::selective_scan_backward", "meta")
def _(gradient: torch.Tensor, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return tuple(torch.empty_like(x) for x in inputs)


def _keep(ctx: Any, inputs: _Five, output: torch.Tensor) -> None:
    ctx.save_for_backward(*inputs)


def _backward(ctx: Any, gradient: torch.Tensor) -> _Five:
    found: _Five = torch.ops.gexviz.selective_scan_backward(gradient, *ctx.saved_tensors)
    return found


torch.library.register_autograd("gexviz::selective_scan", _backward, setup_context=_keep)
