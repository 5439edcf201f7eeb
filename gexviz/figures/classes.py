"""Classes of variants and verdicts on genes: each has its colour and its shape, the same in all figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from gexviz.figures import theme

CLASSES = {
    "concordant": (theme.BLUE, "circle"),
    "opposite": (theme.VERMILLION, "triangle-down"),
    "unsupported driver": (theme.ORANGE, "diamond"),
    "missed": (theme.SKY, "square"),
    "out of window": (theme.PURPLE, "cross"),
    "linear only": (theme.GREEN, "triangle-up"),
    "ambiguous": (theme.QUIET, "x"),
}
"""Colour and symbol of a pair of gene and variant."""

VERDICTS = {
    "predicts": (theme.BLUE, "circle"),
    "wrong direction": (theme.VERMILLION, "triangle-down"),
    "drowned by unsupported drivers": (theme.ORANGE, "diamond"),
    "blind to the signal": (theme.SKY, "square"),
    "signal outside the window": (theme.PURPLE, "cross"),
    "nothing to predict": (theme.AXIS, "star"),
    "undecided": (theme.QUIET, "x"),
}
"""Colour and symbol of a gene; a verdict looks like the class of variants that it comes from."""


class Category(NamedTuple):
    """Rows of one label.

    Attributes
    ----------
    name : str
    members : ndarray, bool
    look : (str, str)
        Colour and symbol.
    rank : int
        Place in the legend, from 1.
    """

    name: str
    members: np.ndarray
    look: tuple[str, str]
    rank: int


def categories(labels: pd.Series, looks: Mapping[str, tuple[str, str]]) -> list[Category]:
    """Split rows by their label.

    Parameters
    ----------
    labels : Series of str
        NaN: none.
    looks : mapping
        Label -> colour and symbol, in the order of the legend. Labels that are not in it come after, with looks that
        none of it has.

    Returns
    -------
    list of Category
        Only labels that there are, the most frequent first, so that rare ones are drawn on top; rows without one are
        last in the legend.
    """
    text = labels.astype("string")
    unused = (look for look in map(theme.group_look, range(63)) if look not in looks.values())
    others = dict(zip(sorted(set(text.dropna()) - set(looks)), unused, strict=False))
    found = [
        Category(name, (text == name).fillna(False).to_numpy(dtype=bool), look, rank)
        for rank, (name, look) in enumerate((dict(looks) | others).items(), start=1)
    ]
    found.append(Category("none", text.isna().to_numpy(dtype=bool), theme.MISSING, len(found) + 1))
    present = [category for category in found if category.members.any()]
    return sorted(present, key=lambda category: -int(category.members.sum()))
