"""How additive a model is across people: the sum of the variants' parts against predictions of whole haplotypes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from gexviz.analysis.correlation import standardise
from gexviz.analysis.effects import VariantEffects

FEWEST = 3


class Additivity(NamedTuple):
    """The sum of dosage x effect against the whole prediction.

    Attributes
    ----------
    summary : DataFrame
        Index ``effect`` (``reference``: effects on the reference; ``mean``: over haplotypes). ``n`` (people),
        ``r`` (Pearson), ``slope`` (of the prediction on the sum, least squares), ``r2``, ``status`` (``ok`` or
        ``undefined``), ``reason``. ``r2`` is the part of the prediction's variance that the sum gives without any
        fitting: 1 - sum((prediction - sum) ** 2) / sum((prediction - mean) ** 2). An additive model has r, slope and
        r2 of 1.
    people : DataFrame
        Index sample; ``prediction``, ``sum_reference``, ``sum_mean``: baseline (the prediction without any ALT allele)
        + sum of the variants' parts, on the prediction's scale.
    """

    summary: pd.DataFrame
    people: pd.DataFrame


def additivity(effects: VariantEffects, prediction: pd.Series) -> Additivity:
    """Compare the sum of the variants' parts with the prediction from whole haplotypes.

    Parameters
    ----------
    effects : VariantEffects
    prediction : Series
        Index sample; people without one are left out.

    Returns
    -------
    Additivity
    """
    people = pd.DataFrame({"prediction": prediction.reindex(effects.dosages.columns).astype(np.float64)})
    people["sum_reference"] = effects.baseline + effects.parts("reference").sum(axis=0)
    people["sum_mean"] = effects.baseline + effects.parts("mean").sum(axis=0)
    people = people[np.isfinite(people["prediction"])]
    rows = [
        _compared(people["prediction"].to_numpy(), people[f"sum_{name}"].to_numpy()) for name in ("reference", "mean")
    ]
    summary = pd.DataFrame(rows, index=pd.Index(["reference", "mean"], name="effect"))
    return Additivity(summary, people)


def _compared(prediction: np.ndarray, total: np.ndarray) -> dict[str, object]:
    number = len(prediction)
    rows = np.stack([prediction, total]) if number else np.zeros((2, 0))
    made = standardise(rows, np.isfinite(rows))
    reason = ""
    if number < FEWEST:
        reason = f"fewer than {FEWEST} people with a prediction"
    elif not np.isfinite(total).all():
        reason = "no prediction on the reference"
    elif made.constant[0]:
        reason = "constant prediction"
    elif made.constant[1]:
        reason = "constant sum: no variant that varies has an effect"
    if reason:
        return {"n": number, "r": np.nan, "slope": np.nan, "r2": np.nan, "status": "undefined", "reason": reason}
    r = float(np.clip(made.unit[0] @ made.unit[1], -1, 1))
    residual = float(((prediction - total) ** 2).mean())
    return {
        "n": number,
        "r": r,
        "slope": r * float(prediction.std() / total.std()),
        "r2": 1 - residual / float(prediction.var()),
        "status": "ok",
        "reason": "",
    }
