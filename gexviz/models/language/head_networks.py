"""The networks of heads: from embeddings to one number, differentiable, on standardised embeddings."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from gexviz.models.language.head import HeadMethod


class LinearHead(nn.Module):
    """``embedding @ coefficients + intercept``, in float64.

    Parameters
    ----------
    coefficients : Tensor (dim,)
    intercepts : Tensor, a number
    """

    def __init__(self, coefficients: torch.Tensor, intercepts: torch.Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(coefficients.double()[None])
        self.bias = nn.Parameter(intercepts.double().reshape(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, dim) -> (batch,)."""
        return functional.linear(x.double(), self.weight, self.bias).flatten(0).to(x.dtype)


class Standardised(nn.Module, ABC):
    """The mean of several networks that read ``(embedding - centre) * precision``.

    Parameters
    ----------
    centre, precision : Tensor (..., dim)
        A precision of 0 leaves out what did not vary in the training.
    bias : Tensor (networks,)
    """

    def __init__(self, centre: torch.Tensor, precision: torch.Tensor, bias: torch.Tensor) -> None:
        super().__init__()
        self.bias = nn.Parameter(bias.float())
        self.register_buffer("centre", centre.double())
        self.register_buffer("precision", precision.double())
        self.centre: torch.Tensor
        self.precision: torch.Tensor

    def standard(self, x: torch.Tensor) -> torch.Tensor:
        """What the networks read; the difference is taken in float64, as people differ by little.

        A segment that no token begins in, its embedding all 0, counts as one at the centre.
        """
        absent = (x == 0).all(dim=-1, keepdim=True)
        return ((x.double() - self.centre) * self.precision).to(self.bias.dtype).masked_fill(absent, 0)

    @abstractmethod
    def each(self, z: torch.Tensor) -> torch.Tensor:
        """What each of the networks says, (batch, ..., dim) -> (batch, networks)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Predict, (batch, ..., dim) -> (batch,)."""
        return self.each(self.standard(x)).mean(dim=1).to(x.dtype)


class Perceptrons(Standardised):
    """Networks of one hidden layer, on one embedding a sequence.

    Parameters
    ----------
    centre, precision : Tensor (dim,)
    inner : Tensor (networks, units, dim)
    inner_bias, outer : Tensor (networks, units)
    bias : Tensor (networks,)
    """

    def __init__(
        self, centre: torch.Tensor, precision: torch.Tensor, bias: torch.Tensor, **weights: torch.Tensor
    ) -> None:
        super().__init__(centre, precision, bias)
        self.inner, self.inner_bias, self.outer = (
            nn.Parameter(weights[name].float()) for name in ("inner", "inner_bias", "outer")
        )

    def each(self, z: torch.Tensor) -> torch.Tensor:
        """What each of the networks says, (batch, dim) -> (batch, networks)."""
        hidden = functional.gelu(functional.linear(z, self.inner.flatten(0, 1), self.inner_bias.flatten()))
        return (hidden.unflatten(1, tuple(self.outer.shape)) * self.outer).sum(dim=2) + self.bias


class AttentionPooling(Standardised):
    """Weighted means over segments, by attention to a learned query and a learned place, then linear.

    Parameters
    ----------
    centre, precision : Tensor (segments, dim)
    query, value : Tensor (networks, dim)
    place : Tensor (networks, segments)
        Attention that a segment gets whatever it holds.
    bias : Tensor (networks,)
    """

    def __init__(
        self, centre: torch.Tensor, precision: torch.Tensor, bias: torch.Tensor, **weights: torch.Tensor
    ) -> None:
        super().__init__(centre, precision, bias)
        self.query, self.place, self.value = (
            nn.Parameter(weights[name].float()) for name in ("query", "place", "value")
        )

    def attention(self, z: torch.Tensor) -> torch.Tensor:
        """Attention to segments, (batch, segments, dim) -> (batch, segments, networks); sums to 1 over segments."""
        return (functional.linear(z, self.query) / self.query.shape[1] ** 0.5 + self.place.T).softmax(dim=1)

    def each(self, z: torch.Tensor) -> torch.Tensor:
        """What each of the networks says, (batch, segments, dim) -> (batch, networks)."""
        return (self.attention(z) * functional.linear(z, self.value)).sum(dim=1) + self.bias

    def shares(self, x: torch.Tensor) -> torch.Tensor:
        """The mean attention to segments, (batch, segments, dim) -> (batch, segments)."""
        return self.attention(self.standard(x)).mean(dim=2)


_NETWORKS: dict[HeadMethod, type[nn.Module]] = {
    "ridge": LinearHead,
    "mlp": Perceptrons,
    "attention": AttentionPooling,
}


def build_head(kind: HeadMethod, arrays: Mapping[str, np.ndarray]) -> nn.Module:
    """Make the network of one head, in eval mode; from embeddings (batch, ..., dim) to (batch,).

    Parameters
    ----------
    kind : {"ridge", "mlp", "attention"}
    arrays : mapping of str to ndarray
        As :meth:`gexviz.models.language.head.Heads.of` gives them.
    """
    tensors = {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}
    return _NETWORKS[kind](**tensors).eval().requires_grad_(False)
