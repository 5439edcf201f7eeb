"""Mamba's selective scan: a recurrence along a sequence, whose decay and inflow depend on the sequence itself.

It is exact, goes base by base, and takes memory for a block of bases at a time, forward and backward. Torch sees one
operation in it, so that nothing of its inside is kept for gradients.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

_BLOCK = 64  # bases: what is in memory for 131,072 bp stays in a core's cache

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
    out = torch.empty_like(u)
    state = _nothing(u, a)
    for block in _blocks(u):
        _, states = _run(state, u[:, block], delta[:, block], a, b[:, block])
        out[:, block] = _first(states @ _first(c[:, block])[..., None]).squeeze(-1)
        state = states[-1]
    return out


@torch.library.impl("gexviz::selective_scan_backward", "default")
def _gradients(
    gradient: torch.Tensor, u: torch.Tensor, delta: torch.Tensor, a: torch.Tensor, b: torch.Tensor, c: torch.Tensor
) -> _Five:
    found = tuple(torch.zeros_like(x, memory_format=torch.contiguous_format) for x in (u, delta, a, b, c))
    of_u, of_delta, of_a, of_b, of_c = found
    starts = [_nothing(u, a)]
    for block in _blocks(u):
        starts.append(_run(starts[-1], u[:, block], delta[:, block], a, b[:, block])[1][-1].clone())
    later = torch.zeros_like(starts[0])  # the gradient by the last state, from all bases behind it
    for block, start in zip(reversed(list(_blocks(u))), reversed(starts[:-1]), strict=True):
        here, length, ahead = (_first(x[:, block]) for x in (u, delta, gradient))
        decay, states = _run(start, u[:, block], delta[:, block], a, b[:, block])
        by_state = ahead[..., None] * _first(c[:, block])[:, :, None]
        for one, decayed in zip(reversed(by_state.unbind()), reversed(decay.unbind()), strict=True):
            later = one.add_(later) * decayed
        before = torch.cat([start[None], states[:-1]])
        by_exponent = by_state * decay * before
        by_inflow = (by_state @ _first(b[:, block])[..., None]).squeeze(-1)
        of_u[:, block] = _first(by_inflow * length)
        of_delta[:, block] = _first(by_inflow * here + (by_exponent * a).sum(dim=-1))
        of_a += (by_exponent * length[..., None]).sum(dim=(0, 1))
        of_b[:, block] = _first(((length * here)[..., None, :] @ by_state).squeeze(-2))
        of_c[:, block] = _first((ahead[..., None, :] @ states).squeeze(-2))
    return of_u, of_delta, of_a, of_b, of_c


def _run(
    state: torch.Tensor, u: torch.Tensor, delta: torch.Tensor, a: torch.Tensor, b: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Decays and states of a block of bases behind a state, (bases, batch, channels, states)."""
    decay = torch.exp(_first(delta)[..., None] * a)
    states = _first(delta * u)[..., None] * _first(b)[:, :, None]
    for one, decayed in zip(states.unbind(), decay.unbind(), strict=True):
        state = one.addcmul_(decayed, state)
    return decay, states


def _blocks(u: torch.Tensor) -> Iterator[slice]:
    return (slice(i, i + _BLOCK) for i in range(0, u.shape[1], _BLOCK))


def _nothing(u: torch.Tensor, a: torch.Tensor) -> torch.Tensor:
    return u.new_zeros(len(u), *a.shape)


def _first(x: torch.Tensor) -> torch.Tensor:
    """(batch, bases, ...) from or to (bases, batch, ...)."""
    return x.transpose(0, 1)


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
