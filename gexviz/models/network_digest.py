"""The content hash of a network: its layers, its parameters and buffers."""

from __future__ import annotations

import hashlib

import torch
from torch import nn


def network_digest(network: nn.Module, told: str = "") -> str:
    """Hash a network.

    Parameters
    ----------
    network : torch.nn.Module
        Its layers as it prints itself, and every parameter and persistent buffer.
    told : str
        What the hash depends on besides.

    Returns
    -------
    str
        SHA-256.
    """
    whole = hashlib.sha256(told.encode())
    whole.update(str(network).encode())
    for name, tensor in sorted(network.state_dict().items()):
        values = tensor.detach().cpu().contiguous()
        whole.update(f"{name} {values.dtype} {tuple(values.shape)}".encode())
        whole.update(values.flatten().view(torch.uint8).numpy().tobytes())
    return whole.hexdigest()
