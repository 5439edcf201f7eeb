"""What each base is worth, by any way there is: mutagenesis, gradients, attention."""

from __future__ import annotations

import pandas as pd

from gexviz.explaining import attention, gradients, ism
from gexviz.explaining.attention import Attention
from gexviz.explaining.gradients import Gradients
from gexviz.explaining.ism import Ism
from gexviz.explaining.target import Target
from gexviz.models.base import Differentiable
from gexviz.tasks import Progress

Attribution = Ism | Gradients | Attention

ISM = "ism"
METHODS = {ISM: "Mutagenesis (ISM)"} | gradients.NAMES | attention.NAMES
"""Ways, as people read them."""


def methods_of(model: object) -> list[str]:
    """Ways that a model which reads sequence can be looked into."""
    by_gradient = list(gradients.NAMES) if isinstance(model, Differentiable) else []
    return [ISM, *by_gradient, *(attention.NAMES if attention.has_attention(model) else ())]


def attributed(target: Target, region: tuple[int, int], method: str, progress: Progress | None = None) -> Attribution:
    """Compute an attribution, unless it is stored; a method of :data:`METHODS`."""
    if method == ISM:
        return ism.mutagenesis(target, region, progress=progress)
    if method in attention.NAMES:
        return attention.attention(target, region, method, progress=progress)
    return gradients.attribution(target, region, method, progress=progress)


def stored(target: Target, region: tuple[int, int], method: str) -> Attribution | None:
    """The same from what is stored; None if it is not."""
    if method == ISM:
        return ism.stored_mutagenesis(target, region)
    if method in attention.NAMES:
        return attention.stored_attention(target, region, method)
    return gradients.stored_attribution(target, region, method)


def per_base(attribution: Attribution) -> pd.DataFrame:
    """One value a base, where there is one: the attribution, or ISM's importance of the base that is there."""
    values = attribution.importance if isinstance(attribution, Ism) else attribution.values
    return values[values["value"].notna()]


def told(attribution: Attribution) -> str:
    """How it was made, and what has to be known of it, in words."""
    if isinstance(attribution, Ism):
        return attribution.how
    return attribution.completeness if isinstance(attribution, Gradients) else attribution.caution
