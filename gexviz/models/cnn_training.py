"""Training of a ``cnn`` on sequences with one number each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from gexviz.models.cnn import CnnConfig, build_network
from gexviz.models.onehot import one_hot
from gexviz.models.words import leading_words


@dataclass(frozen=True)
class Training:
    """How to train.

    Attributes
    ----------
    epochs, batch_size : int
    learning_rate : float
        The peak of a one-cycle schedule.
    weight_decay : float
        Of AdamW.
    words : int
        Filters of the first layer start in pairs (a word and its reverse complement) from this many words that go with
        the targets, the rest at random. From random filters alone, a few thousand sequences with sparse sites are
        too few to learn anything.
    seed : int
        Of the first weights and of the order of sequences.
    """

    epochs: int = 12
    batch_size: int = 64
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    words: int = 10
    seed: int = 0


def train_cnn(
    config: CnnConfig,
    sequences: np.ndarray,
    targets: np.ndarray,
    training: Training,
    progress: Callable[[int, int, str], None] | None = None,
) -> nn.Sequential:
    """Train a network by least squares, on one thread, so that a seed gives the same weights again.

    Parameters
    ----------
    config : CnnConfig
    sequences : ndarray, uint8 upper-case ASCII (n, window)
        In the genes' direction.
    targets : ndarray, float (n,)
    training : Training
    progress : callable, optional
        Called after each epoch.

    Returns
    -------
    torch.nn.Sequential
        In eval mode; its output is on the targets' scale.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(training.seed)
            network = build_network(config)
            _start_filters(network, leading_words(sequences, targets, training.words))
            return _fit(network, config, (sequences, targets), training, progress)
    finally:
        torch.set_num_threads(threads)


@torch.no_grad()
def _start_filters(network: nn.Sequential, words: np.ndarray) -> None:
    """Start the first filters from words, both strands: each fires when all but two of its bases are there."""
    convolution = network.get_submodule("conv1")
    weight, bias = convolution.weight, convolution.bias
    assert isinstance(weight, torch.Tensor) and isinstance(bias, torch.Tensor)
    both = np.stack([words, 3 - words[:, ::-1]], axis=1).reshape(-1, words.shape[1])[: weight.shape[0]]
    length = min(words.shape[1], weight.shape[2])
    start = (weight.shape[2] - length) // 2
    for i, word in enumerate(both):
        weight[i, :, start : start + length] = -0.125
        weight[i, word[:length], torch.arange(start, start + length)] = 0.375
        bias[i] = 0.5 * (2.25 - 0.75 * length)


def _fit(
    network: nn.Sequential,
    config: CnnConfig,
    data: tuple[np.ndarray, np.ndarray],
    training: Training,
    progress: Callable[[int, int, str], None] | None,
) -> nn.Sequential:
    """Fit to standardised targets; the last layer then takes their mean and spread back in."""
    sequences, targets = data
    mean, spread = float(targets.mean()), float(targets.std())
    standard = torch.tensor((targets - mean) / spread, dtype=torch.float32)
    order = np.random.default_rng(training.seed)
    batches = -(-len(targets) // training.batch_size)
    optimiser = torch.optim.AdamW(network.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=training.learning_rate, total_steps=training.epochs * batches
    )
    for epoch in range(training.epochs):
        losses = []
        for batch in np.array_split(order.permutation(len(targets)), batches):
            predicted = network(torch.from_numpy(one_hot(sequences[batch], config.n_policy)))
            loss = nn.functional.mse_loss(predicted, standard[torch.from_numpy(batch)])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            losses.append(loss.item())
        if progress is not None:
            progress(epoch + 1, training.epochs, f"training the network: loss {np.mean(losses):.2f}")
    with torch.no_grad():
        for name, parameter in network.get_submodule("output").named_parameters():
            parameter.mul_(spread).add_(mean if name == "bias" else 0.0)
    return network.eval().requires_grad_(False)
