"""Where local windows end: sums and maxima over the whole length, dense layers, and the whole tensor."""

from __future__ import annotations

import numpy as np
import torch

from gexviz.analysis.incremental.local import Change, Site, groups


class Reduction:
    """Sum, mean or maximum over the length.

    Parameters
    ----------
    base : torch.Tensor, (length, channels)
        Unmutated input.
    shape : tuple of int
        Of the output, without the batch.
    factor : float or None
        What the sum is multiplied by; None for the maximum.
    result : torch.Tensor
        Unmutated output.
    """

    def __init__(self, base: torch.Tensor, shape: tuple[int, ...], factor: float | None, result: torch.Tensor) -> None:
        self._shape, self._factor, self._result = shape, factor, result.reshape(-1)
        self.needs_value = factor is None
        if factor is None:
            nothing = base.new_full((1, base.shape[1]), -torch.inf)
            self._before = torch.cat([nothing, base.cummax(0).values])
            self._after = torch.cat([base.flip(0).cummax(0).values.flip(0), nothing])

    def apply(self, change: Change) -> torch.Tensor:
        """The mutants' output, (places * mutants, channels)."""
        if self._factor is not None:
            return (change.delta.sum(2) * self._factor + self._result).flatten(0, 1)
        value, length = change.value, change.site.length
        change.site.blank(value, change.lo, -torch.inf)
        before, after = (
            torch.from_numpy(np.clip(at, 0, length)).to(value.device) for at in (change.lo, change.lo + change.width)
        )
        rest = torch.maximum(self._before[before], self._after[after])
        return torch.maximum(value.amax(2), rest[:, None]).flatten(0, 1)

    def differs(self, rows: torch.Tensor) -> torch.Tensor:
        """Which rows are not those of the unmutated sequence."""
        return (rows != self._result).any(1)

    def shaped(self, rows: torch.Tensor) -> torch.Tensor:
        """Rows as the network has them."""
        return rows.reshape(-1, *self._shape)


class Dense:
    """A linear layer on a flattened site: only the weights of positions that changed are used.

    Parameters
    ----------
    site : Site
    weight : torch.Tensor, (outputs, channels * length)
    result : torch.Tensor, (outputs,)
        Unmutated output.
    """

    def __init__(self, site: Site, weight: torch.Tensor, result: torch.Tensor) -> None:
        self._site, self._result = site, result
        if site.transposed:
            self._weight = weight.view(-1, site.length, site.channels).permute(1, 2, 0)
        else:
            self._weight = weight.view(-1, site.channels, site.length).permute(2, 1, 0)

    def apply(self, lo: np.ndarray, delta: torch.Tensor) -> torch.Tensor:
        """The mutants' output, (mutants, outputs), of differences (mutants, width, channels)."""
        out = self._result.repeat(len(lo), 1)
        width = delta.shape[1]
        for begin, rows in groups(lo):
            first, last = max(begin, 0), min(begin + width, self._site.length)
            if last > first:
                weight = self._weight[first:last].reshape(-1, len(self._result))
                out[rows] += delta[rows][:, first - begin : last - begin].flatten(1) @ weight
        return out


def whole(site: Site, lo: np.ndarray, delta: torch.Tensor) -> torch.Tensor:
    """The mutants' whole tensors, (mutants, channels, length), of differences (mutants, width, channels)."""
    assert site.base is not None
    width = delta.shape[1]
    rows = np.arange(len(lo))[:, None] * site.length + np.clip(lo[:, None] + np.arange(width), 0, site.length - 1)
    full = site.base.repeat(len(lo), 1, 1)
    index = torch.from_numpy(rows.reshape(-1)).to(delta.device)
    full.view(-1, site.channels).index_add_(0, index, delta.reshape(-1, site.channels))
    return full if site.transposed else full.transpose(1, 2).contiguous()
