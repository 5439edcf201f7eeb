"""Whether somebody looks at rich output."""

from __future__ import annotations

import sys


def in_kernel() -> bool:
    """Whether this process is a Jupyter kernel; scripts, the app and a terminal's IPython are none."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None
    return getattr(shell, "kernel", None) is not None
