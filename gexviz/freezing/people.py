"""One gene's people: observed, predicted, and how often they carry the chosen variants."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from gexviz.errors import GexvizError
from gexviz.freezing.asked import OfGene
from gexviz.freezing.work import Work


class People(NamedTuple):
    """The people of one gene.

    Attributes
    ----------
    values : DataFrame
        Index sample: ``observed``, and a column a model; NaN for people whom a model was trained on.
    copies : DataFrame
        Sample x chosen variant; NaN where a call is missing.
    """

    values: pd.DataFrame
    copies: pd.DataFrame

    @property
    def models(self) -> list[str]:
        """The models that have a prediction of anybody."""
        return [str(name) for name in self.values if name != "observed"]

    @property
    def variants(self) -> list[str]:
        """The chosen variants that the genotypes have."""
        return [str(name) for name in self.copies]


def people_of(work: Work, gene: OfGene) -> People:
    """Read one gene's people; what is not stored is computed, if it may be."""
    study = work.study
    if work.compute:
        for model in gene.people:
            study.compute(model, [gene.place.id], progress=work.progress)
    found = study.gene(gene.place.id)
    table = found.stored_table(gene.people)
    values = pd.DataFrame({"observed": table["observed"]})
    for model in gene.people:
        predicted = table[model].where(_held_out(work, model), np.nan)
        if predicted.notna().any():
            values[model] = predicted
        else:
            state, reason = study.status(model, [gene.place.id]).iloc[0][["state", "reason"]]
            work.leave_out(f"{gene.place.name}, {model}: {reason or f'its prediction is {state}'}")
    copies = {}
    for variant in gene.variants:
        try:
            copies[variant] = found.dosages([variant])[variant]
        except GexvizError as error:
            work.leave_out(f"{gene.place.name}: {error.problem}")
    return People(values, pd.DataFrame(copies, index=table.index))


def _held_out(work: Work, model: str) -> np.ndarray:
    """Whether each person is outside the splits that a model was trained on."""
    samples, splits = work.study.samples, work.study.config.models[model].trained_on
    if not splits or "split" not in samples:
        return np.ones(len(samples), dtype=bool)
    return ~samples["split"].isin(splits).to_numpy()
