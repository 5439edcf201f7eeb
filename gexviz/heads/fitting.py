"""One head fitted by the method of the settings."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gexviz.analysis.linear_methods import fit
from gexviz.analysis.settings import LinearSettings
from gexviz.heads.settings import HeadSettings
from gexviz.models.language.head_fitting import Bags, NetworkSettings, fit_networks, predict_rows
from gexviz.models.language.head_networks import build_head
from gexviz.tasks import Progress

_RIDGE = LinearSettings(method="ridge")


def fit_head(
    bags: Bags, y: np.ndarray, settings: HeadSettings, seed: int, progress: Progress | None = None
) -> dict[str, np.ndarray]:
    """Fit one head.

    Parameters
    ----------
    bags : Bags
        Of the rows to train on.
    y : ndarray, float (rows,)
    settings : HeadSettings
    seed : int
        Of what is drawn at random in it; ridge draws nothing.
    progress : Progress, optional

    Returns
    -------
    dict of str to ndarray
        Its tensors, by name.
    """
    if settings.method == "ridge":
        found = fit(bags.means(), y, np.zeros(len(y), int), _RIDGE)
        return {"coefficients": found.coef, "intercepts": np.array(found.intercept)}
    networks = NetworkSettings(networks=settings.networks, units=settings.units)
    return fit_networks(settings.method, bags, y, networks, seed, progress)


def predict(head: Mapping[str, np.ndarray], bags: Bags, settings: HeadSettings) -> np.ndarray:
    """Predict rows by one head, float64 (rows,)."""
    return predict_rows(build_head(settings.method, head), bags)


def in_words(settings: HeadSettings) -> str:
    """The method, as people read it."""
    several = f"{settings.networks} networks of {settings.units} hidden units"
    return {
        "ridge": "ridge",
        "mlp": several,
        "attention": f"attention to {settings.segments} parts of the window ({settings.networks} queries), then linear",
    }[settings.method]


def stacked(heads: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Tensors of several heads as those of a file."""
    return {name: np.stack([head[name] for head in heads]) for name in heads[0]}
