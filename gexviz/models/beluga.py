"""Beluga, the network of chromatin features below ExPecto: its published weights, and the network that slides along."""

from __future__ import annotations

import pickle  # its error alone: what torch raises for a file that holds more than tensors
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from gexviz.errors import GexvizError

WINDOW = 2_000
POOL = 4
_WIDTH = 8
_LEFT = 106  # positions of a window after the convolutions
_OVER = 2  # positions that either pooling leaves over, of any number of windows
_CONVOLUTIONS = [f"model.0.{layer}" for layer in (0, 2, 6, 8, 12, 14)]
_POOLED_BEFORE = (2, 4)  # convolutions that pooling precedes
_DENSE = ["model.1.2.1", "model.1.4.1"]
_NAMES = {f"{layer}.{part}" for layer in _CONVOLUTIONS + _DENSE for part in ("weight", "bias")}
_CHANNELS = [0, 2, 1, 3]
"""Where A C G T are among Beluga's own channels, A G C T."""


class BelugaWeights(NamedTuple):
    """Tensors of a checkpoint by the name of their layer: weight, bias.

    Attributes
    ----------
    convolutions : list of (Tensor, Tensor)
        Weights (out, in, 8), of A C G T.
    dense : list of (Tensor, Tensor)
        Weights (out, in).
    """

    convolutions: list[tuple[torch.Tensor, torch.Tensor]]
    dense: list[tuple[torch.Tensor, torch.Tensor]]

    @property
    def features(self) -> int:
        """How many chromatin features it gives."""
        return len(self.dense[-1][1])


def read_beluga(path: Path) -> BelugaWeights:
    """Read ``deepsea.beluga.pth``, or a file of the same layers with other numbers of channels.

    Parameters
    ----------
    path : Path
        A state dict as ``torch.save`` wrote it, in its old format or the new one. Only tensors are loaded from it.

    Raises
    ------
    GexvizError
        For another file: names the tensor that differs.
    """
    state = _state(path)
    if names := _NAMES ^ set(map(str, state)):
        name = min(names)
        raise _not_beluga(path, f"tensor {name} is missing" if name in _NAMES else f"it has a tensor {name}")
    convolutions, channels = [], 4
    for layer in _CONVOLUTIONS:
        weight, bias = _layer(path, state, layer, (channels, 1, _WIDTH))
        convolutions.append((weight[:, :, 0], bias))
        channels = len(bias)
    convolutions[0] = (convolutions[0][0][:, _CHANNELS], convolutions[0][1])
    hidden = _layer(path, state, _DENSE[0], (channels * _LEFT,))
    output = _layer(path, state, _DENSE[1], (len(hidden[1]),))
    return BelugaWeights(convolutions, [hidden, output])


def sliding_beluga(weights: BelugaWeights, step: int, *, opposite: bool = False) -> tuple[nn.Sequential, nn.Sequential]:
    """Make the network that gives the features of every window, in two parts.

    Parameters
    ----------
    weights : BelugaWeights
    step : int
        bp between windows; a multiple of 16, the stride of the convolutions.
    opposite : bool
        Features of the windows' opposite strand.

    Returns
    -------
    first : torch.nn.Sequential
        The layers before the second pooling: from (batch, 4, length) to (batch, channels, positions of 4 bp). The
        length is that of the windows: the last base is the last window's.
    second : torch.nn.Sequential
        The others: to (batch, features, windows), each in 0..1, in the order of the sequence.

    Notes
    -----
    Beluga's first dense layer, on the 106 positions of a window, is a convolution of that width here. The opposite
    strand is read by turning the filters round, not the sequence: so what a mutation reaches stays in its place, and
    mutagenesis is quick. What pooling leaves over is at the other end then.
    """
    if step % POOL**2:
        raise ValueError(f"windows {step} bp apart are not aligned with a stride of {POOL**2}")
    parts: tuple[list[nn.Module], list[nn.Module]] = ([], [])
    for number, (weight, bias) in enumerate(weights.convolutions):
        part = parts[number >= _POOLED_BEFORE[1]]
        if number in _POOLED_BEFORE:
            part += [nn.ZeroPad1d((-_OVER, 0))] if opposite else []
            part.append(nn.MaxPool1d(POOL))
        turned = weight.flip(1, 2) if number == 0 else weight.flip(2)
        part += [_convolution(turned if opposite else weight, bias), nn.ReLU()]
    (hidden, hidden_bias), (output, output_bias) = weights.dense
    hidden = hidden.unflatten(1, (-1, _LEFT))
    parts[1].extend(
        [
            _convolution(hidden.flip(2) if opposite else hidden, hidden_bias, stride=step // POOL**2),
            nn.ReLU(),
            _convolution(output[:, :, None], output_bias),
            nn.Sigmoid(),
        ]
    )
    return nn.Sequential(*parts[0]), nn.Sequential(*parts[1])


def _convolution(weight: torch.Tensor, bias: torch.Tensor, stride: int = 1) -> nn.Conv1d:
    """A convolution that holds these tensors themselves: Beluga's dense layer has half a gigabyte."""
    with torch.device("meta"):
        layer = nn.Conv1d(weight.shape[1], weight.shape[0], weight.shape[2], stride=stride)
    layer.load_state_dict({"weight": weight, "bias": bias}, assign=True)
    return layer


def _state(path: Path) -> dict[Any, Any]:
    """The tensors in the file; nothing else is made from its pickle."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise _not_beluga(path, f"torch can't load tensors from it ({type(error).__name__})") from None
    if not isinstance(state, dict):
        raise _not_beluga(path, f"it holds a {type(state).__name__}, not named tensors")
    return state


def _layer(
    path: Path, state: dict[Any, Any], layer: str, inputs: tuple[int, ...]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Weight (out, *inputs) and bias (out,) of a layer, float32."""
    weight, bias = state[f"{layer}.weight"], state[f"{layer}.bias"]
    for name, tensor in ((f"{layer}.weight", weight), (f"{layer}.bias", bias)):
        if not isinstance(tensor, torch.Tensor) or not tensor.is_floating_point():
            raise _not_beluga(path, f"{name} is no tensor of floating-point numbers")
        if not torch.isfinite(tensor).all():
            raise _not_beluga(path, f"tensor {name} holds NaN or infinity")
    expected = (weight.shape[0] if weight.ndim else 0, *inputs)
    if tuple(weight.shape) != expected or tuple(bias.shape) != expected[:1]:
        shapes = f"{tuple(weight.shape)} and {tuple(bias.shape)}"
        raise _not_beluga(path, f"weight and bias of {layer} are {shapes}, not {expected} and {expected[:1]}")
    return weight.float().contiguous(), bias.float().contiguous()


def _not_beluga(path: Path, reason: str) -> GexvizError:
    return GexvizError(
        f"these are not Beluga's weights: {reason}",
        file=path,
        expected="deepsea.beluga.pth, a state dict of six convolutions and two dense layers",
        remedy="unpack it from ExPecto's archive of resources; `gexviz models show expecto` says where that is",
    )
