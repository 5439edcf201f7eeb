"""Simulated expression: what each person's two copies of a gene make, and everything that is not genetic.

A person's log2(TPM + 1) is the mean of what the two copies set, plus batch, sex and noise. What is not genetic is sized
so that the cis-genetic part has the heritability that the gene was given, over all people; its chance correlation with
the genetic part, which would blur that in a few hundred people, is taken out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from gexviz.demo_study.genome import Record, Written, personal_promoters
from gexviz.demo_study.grammar import ANCHOR, Grammar
from gexviz.demo_study.plans import Cause, Plan
from gexviz.models.onehot import reverse_complement

if TYPE_CHECKING:
    from gexviz.demo_study.people import Panel

HERITABILITY = (0.05, 0.60)


class World(NamedTuple):
    """Everything that was simulated before expression."""

    panel: Panel
    plans: Sequence[Plan]
    written: Written
    records: Sequence[Record]
    tissue: Grammar


class Simulated(NamedTuple):
    """Simulated expression and its parts.

    Attributes
    ----------
    values : DataFrame
        log2(TPM + 1), gene x person.
    genetic : DataFrame
        The cis-genetic part, as a difference from the reference's level, gene x person.
    levels : Series
        What the reference promoter sets, by gene.
    heritability : Series
        Asked of each gene.
    people : DataFrame
        Index person; ``sex`` and ``batch``, 0 or 1.
    """

    values: pd.DataFrame
    genetic: pd.DataFrame
    levels: pd.Series
    heritability: pd.Series
    people: pd.DataFrame


def simulate_expression(world: World, rng: np.random.Generator) -> Simulated:
    """Simulate the expression of every gene in every person.

    Parameters
    ----------
    world : World
    rng : numpy.random.Generator

    Returns
    -------
    Simulated
    """
    genes = pd.Index([plan.gene for plan in world.plans], name="gene")
    people = pd.DataFrame(
        {"sex": rng.integers(0, 2, len(world.panel.people)), "batch": rng.integers(0, 2, len(world.panel.people))},
        index=pd.Index(world.panel.people, name="sample"),
    )
    parts = [_genetic(world, plan, rng) for plan in world.plans]
    genetic = np.stack([part for part, _ in parts])
    levels = np.array([level for _, level in parts])
    heritability = _heritabilities(genetic.var(axis=1), rng)
    variances = _noise_variances(genetic, heritability)
    noise = np.stack([_noise(people, *parts, rng) for parts in zip(genetic, variances, strict=True)])
    own_level = rng.normal(0, 0.3, size=len(genes))  # what sets a gene's level besides its promoter
    values = np.maximum((levels + own_level)[:, None] + genetic + noise, 0)
    return Simulated(
        pd.DataFrame(values, index=genes, columns=people.index),
        pd.DataFrame(genetic, index=genes, columns=people.index),
        pd.Series(levels, index=genes),
        pd.Series(heritability, index=genes),
        people,
    )


def _genetic(world: World, plan: Plan, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """A gene's cis-genetic part by person, and its reference level.

    Promoter variants act in the genes whose class says so. In the others the promoter sets the level and its variants
    do nothing, as at a promoter that is not the limiting step.
    """
    promoters = personal_promoters(plan, world.written.reference, world.panel, world.records)
    level = float(world.tissue.expression(reference_promoter(plan, world.written.reference)[None])[0])
    people = len(world.panel.people)
    if any(cause.motif for cause in plan.causes):
        each = world.tissue.expression(promoters.sequences)[promoters.carried] - level
    elif plan.causes:
        effect = rng.uniform(0.7, 1.6) * rng.choice([-1, 1])
        each = effect * (world.panel.alleles[plan.causes[0].site] == 1)
    else:
        each = np.zeros(2 * people)
    return each.reshape(people, 2).mean(axis=1), level


def reference_promoter(plan: Plan, reference: np.ndarray) -> np.ndarray:
    """The promoter of the reference, in the gene's direction; uint8 ASCII (WINDOW,)."""
    start, end = plan.window
    return reference[start:end] if plan.strand == "+" else reverse_complement(reference[start:end])


def _heritabilities(variances: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Spread heritabilities over the genes, larger ones to larger genetic variances, so that noise is alike."""
    heritability = np.zeros(len(variances))
    genetic = np.flatnonzero(variances > 0)
    low, high = HERITABILITY
    spread = np.sort(low + (high - low) * (np.arange(len(genetic)) + rng.random(len(genetic))) / max(1, len(genetic)))
    heritability[genetic[np.argsort(variances[genetic])]] = spread
    return heritability


def _noise_variances(genetic: np.ndarray, heritability: np.ndarray) -> np.ndarray:
    """Variance of all that is not genetic, by gene; null genes have the median of the others."""
    known = heritability > 0
    variances = np.zeros(len(genetic))
    variances[known] = genetic[known].var(axis=1) * (1 - heritability[known]) / heritability[known]
    variances[~known] = np.median(variances[known]) if known.any() else 0.25
    return variances


def _noise(people: pd.DataFrame, genetic: np.ndarray, variance: float, rng: np.random.Generator) -> np.ndarray:
    """Batch (a tenth of the variance), sex (a twentieth) and noise, by person; uncorrelated with the genetic part."""
    batch, sex = (np.sign(rng.normal()) * (people[name].to_numpy() * 2 - 1) for name in ("batch", "sex"))
    rest = rng.normal(0, 1, len(people))
    drawn = np.sqrt(0.10) * batch + np.sqrt(0.05) * sex + np.sqrt(0.85) * rest
    known = np.column_stack([np.ones(len(people)), genetic])
    left = drawn - known @ np.linalg.lstsq(known, drawn, rcond=None)[0]
    return left * np.sqrt(variance / left.var())


class Effect(NamedTuple):
    """True effects of a gene's causal variants, in log2 units a person.

    Attributes
    ----------
    each : tuple of float
        Per ALT copy of each variant, all else as in the reference.
    together : float
        What a copy that carries both ALT alleles adds to their sum.
    """

    each: tuple[float, ...]
    together: float


def true_effects(world: World, plan: Plan, genetic: np.ndarray) -> Effect:
    """Work out what a gene's causal variants do.

    Parameters
    ----------
    world : World
    plan : Plan
    genetic : ndarray, float (n_people,)
        The gene's cis-genetic part.

    Returns
    -------
    Effect
        A person's value is the mean over two copies, so an ALT copy is worth half of what its own copy changes.
    """
    if not plan.causes:
        return Effect((), 0.0)
    if plan.causes[0].motif is None:
        copies = (world.panel.alleles[plan.causes[0].site] == 1).reshape(-1, 2).sum(axis=1)
        return Effect((float(np.polyfit(copies, genetic, 1)[0]),), 0.0)
    plain = reference_promoter(plan, world.written.reference)
    changed = [plain] + [_changed(plain, plan, world, [cause]) for cause in plan.causes]
    if len(plan.causes) == 2:
        changed.append(_changed(plain, plan, world, plan.causes))
    level, *levels = world.tissue.expression(np.stack(changed))
    each = tuple(float(x - level) / 2 for x in levels[: len(plan.causes)])
    together = float(levels[2] - levels[0] - levels[1] + level) / 2 if len(plan.causes) == 2 else 0.0
    return Effect(each, together)


def _changed(promoter: np.ndarray, plan: Plan, world: World, causes: Sequence[Cause]) -> np.ndarray:
    """The promoter with the ALT alleles of some SNVs."""
    changed = promoter.copy()
    for cause in causes:
        alt = np.frombuffer(world.records[cause.site].alts[0].encode(), dtype=np.uint8)
        index = ANCHOR + plan.offset(int(world.panel.positions[cause.site]))
        changed[index] = alt[0] if plan.strand == "+" else reverse_complement(alt)[0]
    return changed
