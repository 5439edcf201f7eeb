"""Exact recomputation of only what a mutation reaches, for any torch network that torch.fx can trace.

The unmutated sequence goes through the network once. A mutation then travels through it as a small window:
convolutions, pooling, pointwise functions and what else :mod:`.rules` knows to be local are computed on the window
alone. From the first node that is not known to be local, the window is put into the whole tensor and the network's own
code goes on.
The idea is fastISM's (Nair et al. 2022, Bioinformatics 38:2397).
"""

from gexviz.analysis.incremental.engine import Incremental
from gexviz.analysis.incremental.tracing import NotIncremental

__all__ = ["Incremental", "NotIncremental"]
