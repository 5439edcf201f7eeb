"""gexviz: why does a sequence model fail across people, at which genes, through which variants.

>>> import gexviz as gx
>>> study = gx.demo()                       # or gx.load("study.toml")
>>> study.gene("GENE01").table              # predicted and observed, a row a person
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "Cancelled": "gexviz.errors",
    "EqtlSettings": "gexviz.analysis.eqtl_settings",
    "FromElsewhere": "gexviz.mapping",
    "GexvizError": "gexviz.errors",
    "GradientSettings": "gexviz.analysis.gradients",
    "LinearSettings": "gexviz.analysis.settings",
    "ModelSpec": "gexviz.models.base",
    "Study": "gexviz.study",
    "Tiling": "gexviz.explaining.tiles",
    "TorchSequenceModel": "gexviz.models.torch_model",
    "UnknownGene": "gexviz.errors",
    "demo": "gexviz.demo_study",
    "link": "gexviz.jupyter.linking",
    "load": "gexviz.study",
    "open_session": "gexviz.opened",
    "register_family": "gexviz.models.registry",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    """Import what is asked for: ``import gexviz`` alone takes no time."""
    if name not in _HOMES:
        raise AttributeError(f"module 'gexviz' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
