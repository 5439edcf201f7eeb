"""Mamba's scan: against its recurrence, its gradients against autograd's and finite differences, its memory."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from gexviz.models.selective_scan import selective_scan


def inputs(length, batch=2, channels=3, states=4, seed=0, dtype=torch.float64):
    made = torch.Generator().manual_seed(seed)

    def numbers(*shape):
        return torch.randn(*shape, generator=made, dtype=dtype)

    u, delta = numbers(batch, length, channels), functional.softplus(numbers(batch, length, channels))
    b, c = numbers(batch, length, states), numbers(batch, length, states)
    return u, delta, -torch.exp(numbers(channels, states)), b, c


def by_definition(u, delta, a, b, c):
    """Base by base, with torch's own gradients."""
    state, out = torch.zeros(len(u), *a.shape, dtype=a.dtype), []
    for t in range(u.shape[1]):
        step = delta[:, t, :, None]
        state = torch.exp(step * a) * state + step * b[:, t, None] * u[:, t, :, None]
        out.append((state * c[:, t, None]).sum(dim=-1))
    return torch.stack(out, dim=1)


@pytest.mark.parametrize("length", [1, 16, 17, 200])
def test_it_is_the_recurrence(length):
    given = inputs(length)
    torch.testing.assert_close(selective_scan(*given), by_definition(*given), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("length", [1, 16, 150])
def test_gradients_are_those_of_the_recurrence(length):
    given = inputs(length, seed=1)
    seen = torch.randn(given[0].shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    found = []
    for run in (selective_scan, by_definition):
        leaves = [x.clone().requires_grad_() for x in given]
        found.append(torch.autograd.grad((run(*leaves) * seen).sum(), leaves))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


def test_gradients_are_those_of_finite_differences():
    leaves = [x.requires_grad_() for x in inputs(5, batch=1, channels=2, states=2)]
    assert torch.autograd.gradcheck(selective_scan, leaves)


def test_lower_precision_is_scanned_in_that_of_the_decays():
    given = inputs(100, dtype=torch.float32)
    low = [x if i == 2 else x.bfloat16() for i, x in enumerate(given)]
    found = selective_scan(*low)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, by_definition(*(x.float() for x in low)), rtol=1e-5, atol=1e-5)


def test_strong_decay_over_a_long_sequence_stays_finite():
    u, _, a, b, c = inputs(3_000, dtype=torch.float32)
    found = selective_scan(u, torch.full_like(u, 50.0), a, b, c)
    assert np.isfinite(found.numpy()).all()


def test_nothing_of_its_inside_is_kept_for_a_gradient():
    kept = []
    leaves = [x.requires_grad_() for x in inputs(500)]
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x.numel()) or x, lambda x: x):
        selective_scan(*leaves)
    assert sum(kept) == sum(x.numel() for x in leaves)
