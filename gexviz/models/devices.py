"""Where a network is run."""

from __future__ import annotations

from typing import Literal

import torch

from gexviz.errors import GexvizError


def device_for(wanted: Literal["auto", "cpu", "cuda"]) -> str:
    """Find a device; ``auto`` takes a GPU where torch finds one.

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
    return "cuda" if there and wanted != "cpu" else "cpu"
