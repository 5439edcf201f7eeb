"""Values of bases as tracks: what the base that is there is worth, and what every substitution would do."""

from __future__ import annotations

import pandas as pd

from gexviz.figures.tracks.attribution import AttributionTrack
from gexviz.figures.tracks.base import LETTERS_BELOW, Region, Track
from gexviz.figures.tracks.ism import IsmTrack
from gexviz.figures.tracks.logo import LogoTrack

IMPORTANCE = "ISM importance: minus the mean of the three substitutions"
GRADIENTS = {
    "input_x_gradient": "Input x gradient",
    "saliency": "Saliency",
    "smoothgrad": "SmoothGrad",
    "integrated_gradients": "Integrated gradients",
    "deeplift": "DeepLIFT",
    "deeplift_shap": "DeepLiftSHAP",
}
"""Methods by gradients, as people read them."""
ATTENTION = {"rollout": "Attention rollout", "relevance": "Relevance (gradient x attention)"}
"""Ways to follow the attention of transformers, as people read them."""
UNSIGNED = ("saliency", *ATTENTION)
"""Methods whose values are 0 or more, and don't tell whether a base raises or lowers the prediction."""


def mutagenesis_tracks(substitutions: pd.DataFrame, heights: pd.DataFrame, unit: str, region: Region) -> list[Track]:
    """Draw in-silico mutagenesis: letters or bars of the importance, and the heatmap of all substitutions below.

    Parameters
    ----------
    substitutions : DataFrame
        As :class:`IsmTrack` takes them.
    heights : DataFrame
        ``position``, ``inserted``, ``ref``, ``value``: the importance of the base that is there.
    unit : str
    region : Region
        What is shown; it decides between letters and bars.
    """
    return [value_track(heights, unit, IMPORTANCE, region), IsmTrack(substitutions, unit)]


def value_track(
    heights: pd.DataFrame, unit: str, name: str, region: Region, remark: str = "", *, signed: bool = True
) -> Track:
    """Draw one value a base: letters where they can be read, bars where they can't.

    Parameters
    ----------
    heights : DataFrame
        ``position``, ``inserted``, ``ref``, ``value``.
    unit, name : str
    region : Region
    remark : str
        What must be known of it, for the header.
    signed : bool
        See :class:`AttributionTrack`.
    """
    if region.width <= LETTERS_BELOW:
        return LogoTrack(heights, unit, f"{name}: {remark}" if remark else name)
    return AttributionTrack(heights, unit, name, remark, signed)
