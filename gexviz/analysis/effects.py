"""What each variant of a window does to a model's prediction: on the reference, on haplotypes, and across people.

An effect is alt - ref on the model's scale, for one copy of the sequence. In a person's prediction a copy counts half
where the model's haplotype policy is ``output_mean`` (wholly if the person is haploid), and wholly where it is
``output_sum`` or ``dosage``. For ``input_mean`` half is exact only as far as the model is linear.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from gexviz.analysis.allele_effects import Steps, effects_on_haplotypes, effects_on_reference, whole_sequences
from gexviz.analysis.correlation import standardise
from gexviz.analysis.ism import Progress
from gexviz.cohort.genotypes import GenotypeBlock
from gexviz.cohort.variant_sequences import VariantSequences, kind_of
from gexviz.errors import GexvizError
from gexviz.models.base import GeneLocus, Model, PredictsDosages, PredictsSequences

SCHEMA = 1
"""Raised when the numbers would come out differently for the same inputs."""

MOST_HAPLOTYPES = 64
_NOT_THERE = "another allele overlaps it on every haplotype"


class VariantEffects(NamedTuple):
    """Effects of the variants of a gene under one model.

    Attributes
    ----------
    table : DataFrame
        Index ``variant`` (contig:pos:ref:alt, 1-based), in the genotypes' order. ``position`` (0-based), ``ref``,
        ``alt``, ``kind`` (SNV, MNV, insertion, deletion), ``distance`` (bp to the TSS, downstream positive),
        ``frequency`` (of ALT among called copies), ``frequency_POP`` for each population, ``carriers`` (people with an
        ALT call), ``effect_reference``, ``effect_forward``, ``effect_reverse`` (of each strand, for models that take
        the mean of both, else NaN), ``effect_mean`` and ``effect_sd`` (over backgrounds, weighted by their
        chromosomes), ``effect_min``, ``effect_max``, ``n_backgrounds``, ``chromosomes`` (behind the mean), ``share``,
        ``status`` (``ok`` or ``skipped``), ``reason``.

        A background is a distinct haplotype less the variant; people who don't carry it are backgrounds too. ``share``
        is the covariance of a variant's part (dosage x effect_mean) with the prediction, over the prediction's
        variance: the shares add up to that of the whole sum, and one can be negative.
    dosages : DataFrame
        Variant x sample: the ALT copies that a person's prediction has in it, each counting as said above.
        Missing calls are what the prediction takes them for: the reference allele (models on sequence), or the
        variant's mean dosage (models on dosages).
    baseline : Series
        Index sample: the prediction of somebody without any ALT allele.
    facts : dict
        ``scale``; ``prediction_variance``; ``undefined`` (why there are no shares, if so). For models on sequence:
        ``reference`` (its prediction), ``haplotypes`` (looked at), ``haplotypes_distinct``, ``chromosomes_covered``,
        ``chromosomes``, and the counts of :attr:`gexviz.cohort.variant_sequences.VariantSequences.counts`. For models
        on dosages: ``weights``, ``weights_missing`` (not among the genotypes).
    """

    table: pd.DataFrame
    dosages: pd.DataFrame
    baseline: pd.Series
    facts: dict[str, Any]

    def parts(self, effect: Literal["reference", "mean"]) -> pd.DataFrame:
        """Each variant's part of each person's prediction, variant x sample: dosage x effect; 0 without an effect."""
        return self.dosages.mul(self.table[f"effect_{effect}"].fillna(0.0), axis=0)


def variant_effects(
    model: Model,
    found: VariantSequences,
    gene: GeneLocus,
    prediction: pd.Series,
    *,
    populations: pd.Series | None = None,
    most: int = MOST_HAPLOTYPES,
    progress: Progress | None = None,
) -> VariantEffects:
    """Effects under a model that reads sequence.

    Parameters
    ----------
    model : PredictsSequences
    found : VariantSequences
        Of the model's window of the gene.
    gene : GeneLocus
    prediction : Series
        Index sample: the model's prediction of each person from both haplotypes.
    populations : Series, optional
        Index sample.
    most : int
        Haplotypes to look at, the most common first; the facts say how many chromosomes they cover.
    progress : callable, optional
        ``progress(done, total, label)``; may raise Cancelled.

    Returns
    -------
    VariantEffects

    Raises
    ------
    GexvizError
        For a model whose predictions were computed elsewhere, or that reads no sequence.
    """
    if not isinstance(model, PredictsSequences):
        raise GexvizError(
            f"{model.spec.name} can't tell what a variant does: "
            + ("it reads dosages" if isinstance(model, PredictsDosages) else "its predictions were computed elsewhere"),
            expected="a model that reads sequence, or that has variant weights",
            remedy="choose another model of the study",
        )
    whole = whole_sequences(found)
    looked_at = found.carried[:most]
    steps = Steps(1 + len(looked_at) + len(whole), progress)
    reference = effects_on_reference(model, found)
    steps.finished()
    on = effects_on_haplotypes(model, found, most, steps)
    ok = found.variants["status"] == "ok"
    table = found.variants.assign(
        effect_reference=reference.effect,
        effect_forward=reference.forward,
        effect_reverse=reference.reverse,
        effect_mean=on.mean,
        effect_sd=on.sd,
        effect_min=on.lowest,
        effect_max=on.highest,
        n_backgrounds=on.backgrounds,
        chromosomes=on.chromosomes,
        reason=found.variants["reason"].mask(ok & (on.chromosomes == 0), _NOT_THERE),
    )
    summed = model.spec.haplotypes == "output_sum"
    counts_as = np.ones(len(found.samples)) if summed else 1 / np.maximum(found.copies, 1)
    facts = {
        "scale": model.spec.scale,
        "reference": reference.original,
        "haplotypes": len(looked_at),
        "haplotypes_distinct": len(found.carried),
        "chromosomes_covered": int(sum(background.copies.sum() for background in looked_at)),
        "chromosomes": int(sum(background.copies.sum() for background in found.carried)),
    }
    samples = pd.Index(found.samples, name="sample")
    dosages = pd.DataFrame(found.dosages * counts_as, index=table.index, columns=samples)
    baseline = pd.Series(reference.original * found.copies * counts_as, index=samples)
    effects = VariantEffects(table, dosages, baseline, facts | found.counts)
    return _finished(effects, gene, prediction, _Calls(found.alt_calls, found.calls), populations)


def weight_effects(
    model: PredictsDosages,
    gene: GeneLocus,
    block: GenotypeBlock,
    prediction: pd.Series,
    *,
    populations: pd.Series | None = None,
) -> VariantEffects:
    """Effects under a model that sums weights times dosages: the weights themselves, the same on any background.

    Parameters
    ----------
    model : PredictsDosages
    gene : GeneLocus
    block : GenotypeBlock
        Of the model's :meth:`gexviz.models.base.PredictsDosages.cis_region` of the gene.
    prediction : Series
        Index sample: the model's prediction of each person. For a model trained on these people that is the in-sample
        one, which the weights give.
    populations : Series, optional
        Index sample.

    Returns
    -------
    VariantEffects
        A row for each weight whose variant is among the genotypes.

    Raises
    ------
    GexvizError
        If the model can't serve the gene.
    """
    variants, dosages = block.dosages()
    predicted = model.predict_dosages(gene, variants, dosages)
    weights = predicted.weights[predicted.weights["status"] != "missing"].groupby("variant")["weight"].sum()
    first = ~variants["variant"].duplicated().to_numpy() & variants["variant"].isin(weights.index).to_numpy()
    rows = np.flatnonzero(first)
    chosen = variants.iloc[rows].set_index("variant")
    weight = weights.reindex(chosen.index).to_numpy(dtype=np.float64)
    table = chosen[["position", "ref", "alt"]].assign(
        kind=[kind_of(ref, alt) for ref, alt in zip(chosen["ref"], chosen["alt"], strict=True)],
        effect_reference=weight,
        effect_forward=np.nan,
        effect_reverse=np.nan,
        effect_mean=weight,
        effect_sd=0.0,
        effect_min=weight,
        effect_max=weight,
        n_backgrounds=1,
        chromosomes=int((block.alleles >= 0).any(axis=0).sum()),
        status="ok",
        reason="",
    )
    copies = np.asarray(dosages, dtype=np.float64)[rows]
    mean = np.nansum(copies, axis=1) / np.maximum((~np.isnan(copies)).sum(axis=1), 1)
    samples = pd.Index(block.samples, name="sample")
    filled = pd.DataFrame(np.where(np.isnan(copies), mean[:, None], copies), index=table.index, columns=samples)
    without = np.where(np.isnan(dosages).all(axis=1, keepdims=True), np.nan, 0.0)
    nobody = model.predict_dosages(gene, variants, without)
    facts = {
        "scale": model.spec.scale,
        "weights": len(predicted.weights),
        "weights_missing": int((predicted.weights["status"] == "missing").sum()),
    }
    effects = VariantEffects(table, filled, pd.Series(float(nobody.values[0]), index=samples), facts)
    return _finished(effects, gene, prediction, _block_calls(block, rows), populations)


class _Calls(NamedTuple):
    """Copies called ALT, and copies called at all; int (n_variants, n_samples)."""

    alt: np.ndarray
    known: np.ndarray


def _block_calls(block: GenotypeBlock, rows: np.ndarray) -> _Calls:
    """Calls of some rows of the block's table of variants."""
    pairs = [(r, k) for r, flags in enumerate(block.usable()) for k, plain in enumerate(flags, start=1) if plain]
    records, numbers = np.array(pairs, dtype=np.intp).reshape(-1, 2)[rows].T
    called = block.alleles[records]
    return _Calls((called == numbers[:, None, None]).sum(axis=2), (called >= 0).sum(axis=2))


def _finished(
    effects: VariantEffects, gene: GeneLocus, prediction: pd.Series, calls: _Calls, populations: pd.Series | None
) -> VariantEffects:
    """Add what is the same for every kind of model: frequencies, carriers, distance, shares."""
    table = effects.table
    sign = 1 if gene.strand == "+" else -1
    added: dict[str, Any] = {"distance": sign * (table["position"] - gene.tss), "frequency": _frequency(calls)}
    if populations is not None:
        groups = populations.reindex(effects.dosages.columns).to_numpy(object)
        for name in sorted(populations.dropna().unique()):
            added[f"frequency_{name}"] = _frequency(_Calls(*(part[:, groups == name] for part in calls)))
    added["carriers"] = (calls.alt > 0).sum(axis=1)
    share, facts = _shares(effects, prediction)
    front = ["position", "ref", "alt", "kind"]
    back = [c for c in table if c not in (*front, "status", "reason")]
    table = table.assign(**added, share=share)[[*front, *added, *back, "share", "status", "reason"]]
    return effects._replace(table=table, facts=effects.facts | facts)


def _frequency(calls: _Calls) -> np.ndarray:
    """ALT among called copies; NaN where nothing is called."""
    known = calls.known.sum(axis=1, dtype=np.int64)
    alt = calls.alt.sum(axis=1, dtype=np.int64)
    return np.divide(alt, known, out=np.full(len(alt), np.nan), where=known > 0)


def _shares(effects: VariantEffects, prediction: pd.Series) -> tuple[np.ndarray, dict[str, Any]]:
    """Share of the prediction's variance that each variant's part has, and why there is none if so."""
    values = prediction.reindex(effects.dosages.columns).to_numpy(dtype=np.float64)
    there = np.isfinite(values)
    share = np.full(len(effects.table), np.nan)
    variance = float(values[there].var()) if there.any() else float("nan")
    if standardise(values[None], there[None]).constant[0]:
        reason = "constant prediction" if there.sum() > 1 else "fewer than 2 people with a prediction"
        return share, {"prediction_variance": variance, "undefined": reason}
    parts = effects.dosages.to_numpy()[:, there] * effects.table["effect_mean"].to_numpy()[:, None]
    centred = values[there] - values[there].mean()
    return parts @ centred / there.sum() / variance, {"prediction_variance": variance, "undefined": ""}
