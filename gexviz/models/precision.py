"""Half precision where it is safe: in the trunk of a network, whose values its readout then sums in float32."""

from __future__ import annotations

import copy
from typing import Literal

import torch
from torch import nn

Precision = Literal["full", "mixed"]


def half_type(device: str) -> torch.dtype:
    """The half precision of a device: bfloat16, which has the range of float32; float16 on GPUs without it."""
    if device.startswith("cuda") and not torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.float16
    return torch.bfloat16


class HalfPrecision(nn.Module):
    """Runs a layer as torch's autocast has it, matrix products and convolutions in half precision; gives float32.

    Parameters
    ----------
    layer : torch.nn.Module
    device : str
        Where it runs.
    """

    def __init__(self, layer: nn.Module, device: str) -> None:
        super().__init__()
        self.layer = layer
        self._kind, self._type = torch.device(device).type, half_type(device)

    def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
        """As the layer."""
        with torch.autocast(self._kind, self._type):
            values: torch.Tensor = self.layer(*tensors)
        return values.float()


def with_half_trunk(network: nn.Module, device: str) -> nn.Module:
    """Copy a network around its trunks, which run in half precision.

    Parameters
    ----------
    network : torch.nn.Module
        Its layers called ``trunk``, at any depth, do most of the work; what follows them is the readout.
    device : str

    Returns
    -------
    torch.nn.Module
        Shares the trunks with `network`.
    """
    trunks = {id(part): part for name, part in network.named_modules() if name.rpartition(".")[2] == "trunk"}
    if not trunks:
        raise ValueError("the network has no layer called trunk")
    return copy.deepcopy(network, {key: HalfPrecision(trunk, device) for key, trunk in trunks.items()})
