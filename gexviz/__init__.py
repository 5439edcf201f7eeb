"""gexviz: why does a sequence model fail across people, at which genes, through which variants.

>>> import gexviz as gx
>>> study = gx.demo()                       # or gx.load("study.toml")
>>> study.gene("GENE01").table              # predicted and observed, a row a person
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "study": ["Study", "load"],
        "demo": ["demo"],
        "errors": ["Cancelled", "GexvizError", "UnknownGene"],
        "models.registry": ["register_family"],
        "models.torch_model": ["TorchSequenceModel"],
        "models.base": ["ModelSpec"],
    },
)
__all__ = [*__all__, "__version__"]
