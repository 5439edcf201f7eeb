"""Where a network is run."""

from __future__ import annotations

from typing import Literal

import torch

from gexviz.errors import GexvizError


def device_for(wanted: Literal["auto", "cpu", "cuda"]) -> str:
    """Find a device; ``auto`` takes a GPU where torch finds one.

    On a GPU it has float32 computed as such: torch lets convolutions round to TensorFloat-32, 11 bits, unless told not
    to, and that is more than many variants change.

    Raises
    ------
    GexvizError
        For ``cuda`` where torch finds none.
    """
    there = torch.cuda.is_available()
    if wanted == "cuda" and not there:
        raise GexvizError(
            "torch finds no GPU",
            expected="a GPU and a torch with CUDA",
            remedy='install torch with CUDA, or write device = "cpu"',
        )
    if not there or wanted == "cpu":
        return "cpu"
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    return "cuda"
