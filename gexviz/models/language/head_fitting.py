"""Fitting the networks of heads: full-batch descent, each network stopped early by a part of the training it left out.

A row of the training is a gene, or a person: its prediction is the mean of those of its sequences (strands, copies), as
it is when the head is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import nn

from gexviz.models.language.head_networks import AttentionPooling, Perceptrons, Standardised
from gexviz.tasks import Progress

_RATE = 0.05  # of descent, over the root of what each network reads
_EVERY = 10  # steps between two calls of progress
_CONSTANT = 1e-6  # of a dimension's largest value: a spread below it is rounding error


@dataclass(frozen=True)
class NetworkSettings:
    """How the networks of a head are fitted.

    Attributes
    ----------
    networks : int
        Averaged; each has another part of the training, 1 in `networks`, that it stops by.
    units : int
        Of the hidden layer of ``mlp``.
    steps, patience : int
        At most; and without a smaller error of the left-out part, after which they stop.
    weight_decay : float
        Of AdamW.
    """

    networks: int = 4
    units: int = 32
    steps: int = 500
    patience: int = 50
    weight_decay: float = 0.1


class Bags(NamedTuple):
    """Sequences' embeddings, and which of them make each row of a training.

    Attributes
    ----------
    embeddings : ndarray, float32 (sequences, dim) or (sequences, segments, dim)
    members : ndarray of int (rows, most)
        Sequences of each row; -1 for none.
    """

    embeddings: np.ndarray
    members: np.ndarray

    def take(self, rows: np.ndarray) -> Bags:
        """Some rows, with their sequences alone."""
        members = self.members[rows]
        used, place = np.unique(members, return_inverse=True)
        there = used >= 0
        return Bags(self.embeddings[used[there]], place.reshape(members.shape) - int(not there.all()))

    def means(self) -> np.ndarray:
        """Mean embedding of each row, float64 (rows, ...); NaN for a row of none."""
        total = np.zeros((len(self.members), *self.embeddings.shape[1:]))
        for sequences in self.members.T:
            there = sequences >= 0
            total[there] += self.embeddings[sequences[there]]
        count = (self.members >= 0).sum(axis=1)
        with np.errstate(invalid="ignore"):
            total /= count[(..., *[None] * (total.ndim - 1))]
        return total


def predict_rows(network: nn.Module, bags: Bags) -> np.ndarray:
    """Predict each row, the mean of its sequences' predictions; float64 (rows,)."""
    with torch.inference_mode():
        each = network(torch.from_numpy(bags.embeddings).double()).numpy()
    return Bags(each[:, None], bags.members).means()[:, 0]


def fit_networks(
    kind: Literal["mlp", "attention"],
    bags: Bags,
    y: np.ndarray,
    settings: NetworkSettings,
    seed: int,
    progress: Progress | None = None,
) -> dict[str, np.ndarray]:
    """Fit a head by least squares, on one thread, so that a seed gives the same weights again.

    Parameters
    ----------
    kind : {"mlp", "attention"}
    bags : Bags
        Of the rows to train on; each has a sequence.
    y : ndarray, float (rows,)
    settings : NetworkSettings
    seed : int
        Of the first weights, and of the parts left out.
    progress : Progress, optional
        Told every few steps; it may stop the work.

    Returns
    -------
    dict of str to ndarray, float32
        Tensors of one head, see :func:`gexviz.models.language.head_networks.build_head`.
    """
    rng = np.random.default_rng(seed)
    mean, spread = float(y.mean()), float(y.std())
    network = _first(kind, bags.embeddings, settings, rng)
    part = torch.from_numpy(rng.permutation(np.arange(len(y)) % settings.networks))
    if spread > 0:
        target = torch.from_numpy((y - mean) / spread).float()
        with _one_thread():
            _descend(network, bags, target, part, settings, progress)
    with torch.no_grad():
        network.get_parameter("value" if kind == "attention" else "outer").mul_(spread)
        network.get_parameter("bias").mul_(spread).add_(mean)
    return {name: tensor.float().numpy() for name, tensor in network.state_dict().items()}


def _first(kind: str, embeddings: np.ndarray, settings: NetworkSettings, rng: np.random.Generator) -> Standardised:
    """The networks at the beginning: they say 0; attention is even."""
    there = (embeddings != 0).any(axis=-1)[..., None]
    count, wide = np.maximum(there.sum(axis=0), 1), embeddings.astype(np.float64)
    centre = wide.sum(axis=0) / count
    scale = np.sqrt((np.where(there, wide - centre, 0) ** 2).sum(axis=0) / count)
    varies = scale > _CONSTANT * np.abs(wide).max(axis=0)
    precision = np.divide(1, scale, out=np.zeros_like(scale), where=varies)
    standard = torch.from_numpy(centre), torch.from_numpy(precision)
    number, dim = settings.networks, embeddings.shape[-1]
    if kind == "attention":
        query, value, place = (torch.zeros(number, size) for size in (dim, dim, embeddings.shape[1]))
        return AttentionPooling(*standard, query=query, place=place, value=value, bias=torch.zeros(number))
    inner = torch.from_numpy(rng.normal(size=(number, settings.units, dim)) / np.sqrt(dim))
    edge, outer = (torch.zeros(number, settings.units) for _ in range(2))
    return Perceptrons(*standard, inner=inner, inner_bias=edge, outer=outer, bias=torch.zeros(number))


def _descend(
    network: Standardised,
    bags: Bags,
    target: torch.Tensor,
    part: torch.Tensor,
    settings: NetworkSettings,
    progress: Progress | None,
) -> None:
    """Descend, each network without its part; in the end each has the weights with the least error of its part."""
    z = network.standard(torch.from_numpy(bags.embeddings))
    members = torch.from_numpy(bags.members)
    share = (members >= 0) / (members >= 0).sum(dim=1, keepdim=True)
    own = part[:, None] == torch.arange(settings.networks)
    rate = _RATE / float(np.sqrt(z.shape[-1]))
    weights = list(network.parameters())
    optimiser = torch.optim.AdamW(weights, lr=rate, weight_decay=settings.weight_decay)
    best, least, since = [w.detach().clone() for w in weights], torch.full((settings.networks,), torch.inf), 0
    for step in range(settings.steps):
        predicted = (network.each(z)[members] * share[:, :, None]).sum(dim=1)
        error = (predicted - target[:, None]).square()
        left_out = (error.detach() * own).sum(dim=0) / own.sum(dim=0)
        better = left_out < least
        least = torch.where(better, left_out, least)
        for kept, weight in zip(best, weights, strict=True):
            kept[better] = weight.detach()[better]
        since = 0 if better.any() else since + 1
        if since > settings.patience:
            break
        optimiser.zero_grad()
        ((error * ~own).sum(dim=0) / (~own).sum(dim=0)).sum().backward()
        optimiser.step()
        if progress is not None and step % _EVERY == 0:
            progress(step, settings.steps, f"error {float(least.mean()):.2f}")
    with torch.no_grad():
        for kept, weight in zip(best, weights, strict=True):
            weight.copy_(kept)


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
