"""How binned outputs of a network become one number: layers that families put at the end of their networks.

All of them read (batch, channels, bins).
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import nn

How = Literal["mean", "sum"]


def centre_bins(number: int, of: int) -> range:
    """Find the bins in the middle.

    Parameters
    ----------
    number : int
    of : int
        Bins there are, an even number: the TSS is the first base of bin ``of // 2``.

    Returns
    -------
    range
        That bin and as many on each side; of an even number, one more before it than after it.
    """
    if not 1 <= number <= of:
        raise ValueError(f"{number} bins of {of}")
    first = of // 2 - number // 2
    return range(first, first + number)


class CentreBins(nn.Module):
    """Leaves the bins in the middle.

    Parameters
    ----------
    number : int
    of : int
        See :func:`centre_bins`.
    """

    def __init__(self, number: int, of: int) -> None:
        super().__init__()
        self.bins = centre_bins(number, of)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, channels, of) -> (batch, channels, number)."""
        return x[:, :, self.bins.start : self.bins.stop]

    def extra_repr(self) -> str:
        """What the fingerprint has to know."""
        return f"{self.bins.start}:{self.bins.stop}"


class AttentionPool(nn.Module):
    """The mean over bins, weighted by the softmax of a linear map of their channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.attention = nn.Linear(channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, channels, bins) -> (batch, channels)."""
        x = x.transpose(1, 2)
        return (self.attention(x).softmax(dim=1) * x).sum(dim=1)


class OneNumber(nn.Module):
    """The mean or the sum over bins, of the mean over tracks.

    Parameters
    ----------
    how : {"mean", "sum"}
        Over bins.
    """

    def __init__(self, how: How) -> None:
        super().__init__()
        if how not in get_args(How):
            raise ValueError(f"bins have a mean or a sum, not {how}")
        self.how = how

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, tracks, bins) -> (batch,)."""
        bins = x.mean(dim=2) if self.how == "mean" else x.sum(dim=2)
        return bins.mean(dim=1)

    def extra_repr(self) -> str:
        """What the fingerprint has to know."""
        return self.how


class Unsquashed(nn.Module):
    """Undoes how Borzoi's training data were squashed and scaled, track by track.

    Parameters
    ----------
    scale, clip, power : torch.Tensor, float (tracks,)
        What coverage was multiplied by; the value above which it was replaced by the square root of what is beyond;
        and the power it was raised to before.
    """

    scale: torch.Tensor
    clip: torch.Tensor
    power: torch.Tensor

    def __init__(self, scale: torch.Tensor, clip: torch.Tensor, power: torch.Tensor) -> None:
        super().__init__()
        for name, values in (("scale", scale), ("clip", clip), ("power", power)):
            self.register_buffer(name, values.float()[:, None])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, tracks, bins), same shape."""
        x = x / self.scale
        beyond = (x - self.clip).clamp(min=0)
        x = torch.minimum(x, self.clip) + beyond * beyond
        return x ** (1 / self.power)
