"""What a batch of mutations changes at one node of a network: a window of a fixed width for each, at its own place."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

Rows = slice | torch.Tensor


class Site:
    """A node of the network whose value has a length axis along which changes stay local.

    Attributes
    ----------
    length, channels : int
    transposed : bool
        Whether the network holds it as (batch, length, channels).
    base : torch.Tensor or None, float (length, channels)
        Its value for the unmutated sequence, where anything needs it.
    """

    def __init__(self, length: int, channels: int, *, transposed: bool = False) -> None:
        self.length, self.channels, self.transposed = length, channels, transposed
        self.base: torch.Tensor | None = None

    def window(self, lo: np.ndarray, width: int) -> torch.Tensor:
        """Unmutated values, (places, 1, width, channels); what is outside is a copy of the edge."""
        assert self.base is not None
        rows = np.clip(lo[:, None] + np.arange(width), 0, self.length - 1)
        index = torch.from_numpy(rows.reshape(-1)).to(self.base.device)
        return self.base.index_select(0, index).view(len(lo), 1, width, self.channels)

    def blank(self, values: torch.Tensor, lo: np.ndarray, number: float) -> None:
        """Overwrite what stands for positions that don't exist, in windows that stick out at the ends."""
        width = int(values.shape[2])
        rows = np.flatnonzero((lo < 0) | (lo + width > self.length))
        if not len(rows):
            return
        positions = lo[rows, None] + np.arange(width)
        absent = torch.from_numpy((positions < 0) | (positions >= self.length))[:, None, :, None].to(values.device)
        index = torch.from_numpy(rows).to(values.device)
        values[index] = values[index].masked_fill(absent, number)

    def as_network(self, values: torch.Tensor) -> torch.Tensor:
        """From (places, mutants, width, channels) to the network's (batch, channels, width)."""
        flat = values.flatten(0, 1)
        return flat if self.transposed else flat.transpose(1, 2)

    def from_network(self, values: torch.Tensor, places: int) -> torch.Tensor:
        """The reverse of :meth:`as_network`."""
        rows = values if self.transposed else values.transpose(1, 2)
        return rows.unflatten(0, (places, -1))


class Change:
    """Windows of a site for a batch of mutants, as differences or as new values; each is made of the other when asked.

    Outside of the site (windows may stick out at its ends) differences are 0 and values are anything.

    Parameters
    ----------
    site : Site
    lo : ndarray, int64 (places,)
        Where each window starts.
    delta, value : torch.Tensor, (places, mutants, width, channels)
        One of them.
    shared : bool
        Whether another change has the same tensor, so that it can't be written to.
    """

    def __init__(
        self,
        site: Site,
        lo: np.ndarray,
        *,
        delta: torch.Tensor | None = None,
        value: torch.Tensor | None = None,
        shared: bool = False,
    ) -> None:
        self.site, self.lo = site, lo
        self._delta, self._value = delta, value
        either = delta if delta is not None else value
        assert either is not None
        self.width = int(either.shape[2])
        if delta is not None and len(lo) and (lo.min() < 0 or lo.max() + self.width > site.length):
            self._delta = delta.clone() if shared else delta
            site.blank(self._delta, lo, 0.0)

    @property
    def delta(self) -> torch.Tensor:
        """Mutated - unmutated."""
        if self._delta is None:
            assert self._value is not None
            self._delta = self._value - self.site.window(self.lo, self.width)
            self.site.blank(self._delta, self.lo, 0.0)
        return self._delta

    @property
    def value(self) -> torch.Tensor:
        """Mutated."""
        if self._value is None:
            self._value = self.own_value()
        return self._value

    def own_value(self) -> torch.Tensor:
        """Mutated, in a tensor that may be overwritten."""
        if self._value is not None:
            return self._value.clone()
        assert self._delta is not None
        return self._delta + self.site.window(self.lo, self.width)

    def placed(self, lo: np.ndarray, width: int) -> torch.Tensor:
        """Differences in other windows, which hold these."""
        if width == self.width and np.array_equal(lo, self.lo):
            return self.delta
        delta = self.delta
        wider = delta.new_zeros((*delta.shape[:2], width, delta.shape[3]))
        for shift, rows in groups(self.lo - lo):
            wider[rows, :, shift : shift + self.width] = delta[rows]
        return wider


def union(windows: list[tuple[np.ndarray, int]]) -> tuple[np.ndarray, int]:
    """The narrowest windows of one width that hold those of each list."""
    lo = np.minimum.reduce([lo for lo, _ in windows])
    hi = np.maximum.reduce([lo + width for lo, width in windows])
    return lo, int((hi - lo).max(initial=1))


def groups(key: np.ndarray) -> Iterator[tuple[int, Rows]]:
    """Rows that have the same key: a slice where they are evenly spaced, so that no copy is needed."""
    order = np.argsort(key, kind="stable")
    values, first = np.unique(key[order], return_index=True)
    for value, rows in zip(values.tolist(), np.split(order, first[1:]), strict=True):
        step = int(rows[1] - rows[0]) if len(rows) > 1 else 1
        if np.array_equal(rows, rows[0] + step * np.arange(len(rows))):
            yield value, slice(int(rows[0]), int(rows[-1]) + 1, step)
        else:
            yield value, torch.from_numpy(rows)
