"""What each variant does to a gene's prediction, which ones drive it, and how additive the model is; kept on disk."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd
import plotly.graph_objects as go

from gexviz.analysis import additivity, drivers, effects
from gexviz.cohort.variant_sequences import VariantSequences, read_variant_sequences
from gexviz.errors import GexvizError
from gexviz.explaining.frames import frame_part, part_frame
from gexviz.explaining.regions import region_text
from gexviz.explaining.target import Labels
from gexviz.figures.additivity import additivity_figure
from gexviz.figures.comparison import Labels as FigureLabels
from gexviz.figures.drivers import running_figure
from gexviz.figures.locus import locus_figure
from gexviz.figures.tracks.base import Region
from gexviz.figures.tracks.variants import VariantTrack
from gexviz.figures.words import variant_name
from gexviz.models.base import GeneLocus, PredictsDosages, PredictsSequences, in_full_precision
from gexviz.results import Part, digest_of
from gexviz.tasks import Progress

if TYPE_CHECKING:
    from gexviz.study import Study


@dataclass(frozen=True, eq=False)
class Effects:
    """Effects of a gene's variants under one model.

    Attributes
    ----------
    labels : Labels
    region : tuple of int
        The model's window, or its cis window; 0-based half-open.
    table : DataFrame
        Index ``variant`` (contig:pos:ref:alt, 1-based). Columns of :class:`gexviz.analysis.effects.VariantEffects`
        (effects are alt - ref for one copy, on the model's scale), and of :class:`gexviz.analysis.drivers.Drivers`.
    facts : dict
        Those of both; also ``approximation_r``, ``drivers_only_r``, ``main`` and ``drivers_reason`` (why there are
        no drivers to find).
    additivity : DataFrame
        Index ``effect``; see :class:`gexviz.analysis.additivity.Additivity`.
    people : DataFrame
        Index sample: ``prediction``, ``sum_reference``, ``sum_mean``.
    """

    labels: Labels
    region: tuple[int, int]
    table: pd.DataFrame
    facts: dict[str, Any]
    additivity: pd.DataFrame
    people: pd.DataFrame

    @property
    def drivers(self) -> pd.DataFrame:
        """The driver variants (Sasse et al. 2023), the one with the largest rise first."""
        return self.table[self.table["driver"]].sort_values("rise", ascending=False)

    @property
    def drivers_line(self) -> str:
        """What was found of drivers, in words."""
        if self.facts["drivers_reason"]:
            return f"no drivers: {self.facts['drivers_reason']}"
        total = self.facts["approximation_r"]
        r = f"the sum of dosage x effect over all variants has r = {total:.2f} with the prediction"
        if self.facts["main"] is None:
            return f"no variant passes the rule for drivers; {r}"
        number = len(self.drivers)
        who = "the one driver" if number == 1 else f"the {number} drivers"
        only = f"over {who} alone r = {self.facts['drivers_only_r']:.2f}"
        return f"{r}, {only}; main driver {variant_name(self.facts['main'])}"

    @property
    def spread_line(self) -> str:
        """How much the prediction differs between people, in words: drivers of next to nothing are drivers too."""
        if self.facts["undefined"]:
            return f"prediction across people: {self.facts['undefined']}"
        return f"standard deviation of the prediction across people {math.sqrt(self.facts['prediction_variance']):.2g}"

    def figure(self) -> go.Figure:
        """Lollipops of all variants."""
        track = VariantTrack(self.table, self.labels.unit)
        lines = [self.drivers_line, self.spread_line]
        return locus_figure([track], Region(self.labels.contig, *self.region), title=self.labels.title(), lines=lines)

    def running_figure(self) -> go.Figure:
        """How the correlation with the full prediction grows as variants are added, the largest effect first."""
        return running_figure(self.table, title=self.labels.title(), lines=(self.drivers_line, self.spread_line))

    def additivity_figure(self, *, effect: str = "reference") -> go.Figure:
        """Each person's prediction against the sum of their variants' effects."""
        table = pd.DataFrame({"additive": self.people[f"sum_{effect}"], "full": self.people["prediction"]})
        labels = FigureLabels(self.labels.gene, self.labels.unit, model=self.labels.model)
        return additivity_figure(table, labels=labels)

    def __repr__(self) -> str:
        where = region_text(self.labels.contig, *self.region)
        what = f"Effects of {len(self.table):,} variants on {self.labels.model} at {self.labels.gene}"
        return f"{what}, {where}; {self.drivers_line}"


@dataclass(frozen=True, eq=False)
class DriverVariants:
    """Which variants make the differences between people's predictions (Sasse et al. 2023).

    Attributes
    ----------
    effects : Effects
        Of all variants.
    """

    effects: Effects

    @property
    def table(self) -> pd.DataFrame:
        """The drivers, the one with the largest rise first; columns of :attr:`Effects.table`."""
        return self.effects.drivers

    @property
    def main(self) -> str | None:
        """The main driver."""
        return self.effects.facts["main"]

    @property
    def approximation_r(self) -> float:
        """Correlation of the sum of dosage x effect over all variants with the full prediction."""
        return float(self.effects.facts["approximation_r"])

    @property
    def drivers_only_r(self) -> float:
        """The same of the sum over the drivers alone; NaN without any."""
        return float(self.effects.facts["drivers_only_r"])

    @property
    def reason(self) -> str:
        """Why there are no drivers to find; empty if there are."""
        return str(self.effects.facts["drivers_reason"])

    def figure(self) -> go.Figure:
        """How the correlation with the full prediction grows as variants are added, the largest effect first."""
        return self.effects.running_figure()

    def __repr__(self) -> str:
        return f"Drivers of {self.effects.labels.model} at {self.effects.labels.gene}; {self.effects.drivers_line}"


def variant_effects(study: Study, model: str, locus: GeneLocus, *, progress: Progress | None = None) -> Effects:
    """Compute what is not stored yet.

    Parameters
    ----------
    study : Study
    model : str
        One that reads sequence, or has variant weights.
    locus : GeneLocus
    progress : Progress, optional

    Raises
    ------
    GexvizError
        For a model that can't serve the gene, or whose predictions were computed elsewhere.
    """
    found = stored_effects(study, model, locus)
    if found is not None:
        return found
    reason = study.unavailable(model, locus)
    if reason is not None:
        raise GexvizError(f"{model} can't serve {locus.name}: {reason}", remedy="choose another gene or model")
    opened = in_full_precision(study.model_for(model, locus))
    if not isinstance(opened, PredictsDosages | PredictsSequences):
        raise GexvizError(
            f"{model} can't tell what a variant does: its predictions were computed elsewhere",
            expected="a model that reads sequence, or that has variant weights",
            remedy="choose another model of the study",
        )
    key = _key(study, model, locus)
    predicted = study.predict(model, [locus.id])
    prediction = pd.Series(predicted["value"].to_numpy(), index=pd.Index(predicted["sample"], name="sample"))
    populations = study.samples.get("population")
    if isinstance(opened, PredictsDosages):
        start, end = opened.cis_region(locus)
        block = study.cohort.genotypes.read(locus.contig, max(0, start), end, list(study.samples.index))
        made = effects.weight_effects(opened, locus, block, prediction, populations=populations)
    else:
        sequences = read_sequences(study, model, locus)
        made = effects.variant_effects(
            opened, sequences, locus, prediction, populations=populations, progress=progress
        )
    driving = drivers.find_drivers(made.table["effect_reference"], made.dosages, prediction)
    summed = additivity.additivity(made, prediction)
    facts = made.facts | {
        "approximation_r": driving.approximation_r,
        "drivers_only_r": driving.drivers_only_r,
        "main": driving.main,
        "drivers_reason": driving.reason,
        "variants_that_vary": driving.n,
    }
    parts = {
        "table": frame_part(made.table.join(driving.table), facts),
        "additivity": frame_part(summed.summary),
        "people": frame_part(summed.people),
    }
    study.results.put_parts(key, parts)
    return _assembled(study, model, locus, parts)


def stored_effects(study: Study, model: str, locus: GeneLocus) -> Effects | None:
    """The same from what is stored; None if it is not."""
    parts = study.results.parts(_key(study, model, locus))
    return _assembled(study, model, locus, parts) if "table" in parts else None


def read_sequences(study: Study, model: str, locus: GeneLocus) -> VariantSequences:
    """The variants of a sequence model's window, and what people carry there."""
    policy = study.config.cohort
    return read_variant_sequences(
        study.cohort.genotypes,
        study.cohort.reference,
        study.window(model, locus),
        list(study.samples.index),
        missing=policy.missing,
        unphased=policy.unphased,
        only_snvs=study.spec(model).variants == "snv",
    )


def _key(study: Study, model: str, locus: GeneLocus) -> str:
    populations = list(study.samples["population"].astype(str)) if "population" in study.samples else None
    schemas = effects.SCHEMA, drivers.SCHEMA, effects.MOST_HAPLOTYPES
    return digest_of("effects", *schemas, study.key(model, "prediction", locus), populations)


def _assembled(study: Study, model: str, locus: GeneLocus, parts: dict[str, Part]) -> Effects:
    opened = study.model(model)
    if isinstance(opened, PredictsDosages):
        region = opened.cis_region(locus)
    else:
        window = study.window(model, locus)
        region = window.start, window.end
    labels = Labels(
        locus.name, locus.id, model, opened.spec.scale, locus.contig, locus.tss, locus.strand, "every background"
    )
    table = part_frame(parts["table"])
    return Effects(
        labels, region, table, parts["table"].facts, part_frame(parts["additivity"]), part_frame(parts["people"])
    )
