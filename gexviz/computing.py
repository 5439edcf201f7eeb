"""The per-gene task: from a gene's place to a stored record of its predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from gexviz.analysis import prediction
from gexviz.cohort.haplotypes import reference_sequence
from gexviz.errors import GexvizError
from gexviz.models.base import (
    GeneLocus,
    KnowsPredictions,
    KnowsReference,
    Model,
    PredictsDosages,
    PredictsSequences,
    in_full_precision,
)
from gexviz.results import Record

if TYPE_CHECKING:
    from gexviz.study import Study

Kind = Literal["prediction", "reference"]
"""Predictions of people, or of the reference sequence."""


def compute_gene(study: Study, model: str, gene: str, kind: Kind) -> Record:
    """Predict one gene: the task that :meth:`Study.compute` runs."""
    locus = study.locus(gene)
    key = study.key(model, kind, locus)
    opened = study.model_for(model, locus)
    reason = study.unavailable(model, locus)
    if reason is not None:
        return Record(gene, key, reason, {}, None)
    if kind == "reference":
        on_reference = _predict_reference(study, opened, model, locus)
        if isinstance(on_reference, str):
            return Record(gene, key, on_reference, {}, None)
        return Record(gene, key, None, {}, on_reference)
    predicted = _predict_people(study, in_full_precision(opened), model, locus)
    if isinstance(predicted, str):
        return Record(gene, key, predicted, {}, None)
    numbers = predicted.values if predicted.haplotypes is None else predicted.haplotypes
    return Record(gene, key, None, predicted.facts, numbers)


def _predict_reference(study: Study, opened: Model, model: str, locus: GeneLocus) -> np.ndarray | str:
    """Prediction on the reference sequence, (1,); or why there is none."""
    if isinstance(opened, PredictsSequences):
        sequence = reference_sequence(study.cohort.reference, study.window(model, locus))
        return prediction.predict_sequences(opened, sequence[None])
    if isinstance(opened, KnowsReference):
        known = opened.known_reference(locus)
        return "no prediction on the reference sequence" if known is None else np.array([known])
    return "does not read sequence"


def _predict_people(study: Study, opened: Model, model: str, locus: GeneLocus) -> prediction.GenePrediction | str:
    samples = list(study.samples.index)
    if isinstance(opened, PredictsSequences):
        return prediction.predict_haplotypes(opened, study.haplotypes(model, locus.id))
    if isinstance(opened, PredictsDosages):
        begin, end = opened.cis_region(locus)
        variants, dosages = study.cohort.genotypes.read(locus.contig, begin, end, samples).dosages()
        predicted = prediction.predict_dosages(opened, locus, variants, dosages)
        return predicted.reason or predicted
    if isinstance(opened, KnowsPredictions):
        known = opened.known_predictions(locus).reindex(samples)
        if known["value"].isna().all():
            return "no predictions for this study's people"
        copies = [c for c in ("haplotype_1", "haplotype_2") if c in known]
        return prediction.GenePrediction(
            known["value"].to_numpy(np.float64),
            known[copies].to_numpy(np.float64) if len(copies) == 2 else None,
            {"people": int(known["value"].notna().sum())},
        )
    raise GexvizError(f"{model} can't predict for people", expected="a family that predicts sequences or dosages")
