"""Where the simulated genes lie, of which class each is, and which of the people's variants drive it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from gexviz.demo_study.grammar import ANCHOR, WINDOW, Grammar
from gexviz.errors import GexvizError

if TYPE_CHECKING:
    from gexviz.demo_study.people import Panel

GeneClass = Literal["promoter", "reversed", "distal", "interaction", "null"]

SPACING = 120_000
CLASSES: Mapping[GeneClass, int] = {"promoter": 9, "reversed": 5, "distal": 7, "interaction": 4, "null": 5}
PROMOTER_MOTIFS = ("ACT1", "REP1", "ACT2", "REP2", "ACT3")
SWITCH = "SWI1"


class Cause(NamedTuple):
    """A variant that drives a gene.

    Attributes
    ----------
    site : int
        Row of the panel.
    motif : str or None
        The motif that is written around it; None for a distal enhancer.
    """

    site: int
    motif: str | None


class Plan(NamedTuple):
    """A gene before anything is written.

    Attributes
    ----------
    gene : str
    kind : str
        Its class.
    strand : {"+", "-"}
    tss : int
        0-based.
    causes : tuple of Cause
    """

    gene: str
    kind: GeneClass
    strand: Literal["+", "-"]
    tss: int
    causes: tuple[Cause, ...]

    def offset(self, position: int) -> int:
        """Distance from the TSS in bp, in the gene's direction; negative is upstream."""
        return position - self.tss if self.strand == "+" else self.tss - position

    @property
    def window(self) -> tuple[int, int]:
        """What the deep model reads of the reference, 0-based half-open."""
        before, after = (ANCHOR, WINDOW - ANCHOR) if self.strand == "+" else (WINDOW - ANCHOR - 1, ANCHOR + 1)
        return self.tss - before, self.tss + after


def plan_genes(
    panel: Panel, grammar: Grammar, rng: np.random.Generator, classes: Mapping[GeneClass, int] = CLASSES
) -> list[Plan]:
    """Give each gene a place, a strand and a class, so that common variants lie where its class needs them.

    The trick: genes are put beside variants, not variants into genes. The TSS is laid at the distance from a common
    variant at which a motif works; the motif is written around the variant afterwards.

    Parameters
    ----------
    panel : Panel
        Of a contig with `SPACING` bp for each gene.
    grammar : Grammar
    rng : numpy.random.Generator
    classes : mapping
        Class -> number of genes.

    Returns
    -------
    list of Plan
        In the order of the contig.

    Raises
    ------
    GexvizError
        If the simulated people have no variants that would do, as can happen in a small simulation.
    """
    n = sum(classes.values())
    common = _common(panel)
    pairs = {i: found for i in range(n) if (found := _recombined_pair(panel, common, i)) is not None}
    best_pairs = sorted(pairs, key=lambda i: -pairs[i].rarest)[: classes.get("interaction", 0)]
    if len(best_pairs) < classes.get("interaction", 0):
        raise GexvizError(
            f"only {len(best_pairs)} of the simulated genes have two close common variants in all four combinations",
            expected=f"{classes.get('interaction', 0)} of {n}",
            remedy="use another seed, or more people or genes",
        )
    others = iter(rng.permutation([kind for kind, k in classes.items() if kind != "interaction" for _ in range(k)]))
    plans: list[Plan] = []
    for i in range(n):
        kind = "interaction" if i in best_pairs else str(next(others))
        strand: Literal["+", "-"] = "+" if rng.random() < 0.5 else "-"
        before = sum(plan.kind == kind for plan in plans)
        place = _Place(panel, common, i, strand, prefers_differing=before % 3 == 0)
        match kind:
            case "interaction":
                tss, causes = _around_pair(place, pairs[i], grammar)
            case "promoter":
                motif = PROMOTER_MOTIFS[before % len(PROMOTER_MOTIFS)]
                tss, causes = _beside_site(place, motif, grammar, rng)
            case "reversed":
                tss, causes = _beside_site(place, SWITCH, grammar, rng)
            case "distal":
                tss, causes = _far_from_site(place, rng)
            case _:
                tss, causes = place.centre + int(rng.integers(-20_000, 20_000)), ()
        plans.append(Plan(f"GENE{i + 1:02d}", kind, strand, tss, causes))  # type: ignore[arg-type]
    return plans


class _Place(NamedTuple):
    """The stretch of contig that one gene gets."""

    panel: Panel
    common: np.ndarray
    number: int
    strand: Literal["+", "-"]
    prefers_differing: bool

    @property
    def centre(self) -> int:
        return _centre(self.number)

    def sites(self, middle: int, nearest: int, furthest: int) -> np.ndarray:
        """Common sites at a distance from a position."""
        distance = np.abs(self.panel.positions[self.common] - middle)
        return self.common[(distance >= nearest) & (distance <= furthest)]

    def nothing_near(self) -> GexvizError:
        """The error of a place without a common variant."""
        return GexvizError(
            f"no common variant lies near simulated gene {self.number + 1}", remedy="use another seed, or more people"
        )

    def choose(self, sites: np.ndarray, rng: np.random.Generator) -> int:
        """Choose a site: any, or one that is among those that differ most between the populations."""
        if not len(sites):
            raise self.nothing_near()
        if self.prefers_differing:
            differ = np.abs(self.panel.frequency("EUR") - self.panel.frequency("AFR"))[sites]
            sites = sites[differ >= np.quantile(differ, 0.9)]
        return int(rng.choice(sites))


def _centre(number: int) -> int:
    return number * SPACING + SPACING // 2


def _common(panel: Panel) -> np.ndarray:
    """Sites with two alleles, both common among all people and present in each population; rows of the panel."""

    def minor(population: str | None = None) -> np.ndarray:
        share = panel.frequency(population)
        return np.minimum(share, 1 - share)

    return np.flatnonzero(panel.biallelic & (minor() >= 0.2) & (minor("EUR") >= 0.08) & (minor("AFR") >= 0.08))


def _beside_site(
    place: _Place, motif: str, grammar: Grammar, rng: np.random.Generator
) -> tuple[int, tuple[Cause, ...]]:
    """A TSS at the distance from a common variant at which a motif works."""
    site = place.choose(place.sites(place.centre, 0, 25_000), rng)
    rule = grammar.motif(motif)
    offset = round(rng.normal(rule.centre, 0.4 * rule.spread))
    position = int(place.panel.positions[site])
    return position - offset if place.strand == "+" else position + offset, (Cause(site, motif),)


class _Pair(NamedTuple):
    first: int
    second: int
    rarest: float  # share of copies with the rarest of the four combinations of alleles


def _recombined_pair(panel: Panel, common: np.ndarray, number: int) -> _Pair | None:
    """Find the two common sites near a gene's centre that occur most evenly in all four combinations of alleles."""
    positions = panel.positions[common]
    best: _Pair | None = None
    for k in np.flatnonzero(np.abs(positions - _centre(number)) < 30_000):
        distance = positions - positions[k]
        for j in np.flatnonzero((distance >= 15) & (distance <= 500)):
            joint = np.bincount(2 * panel.alleles[common[k]] + panel.alleles[common[j]], minlength=4)
            rarest = joint.min() / joint.sum()
            if rarest >= 0.03 and (best is None or rarest > best.rarest):
                best = _Pair(int(common[k]), int(common[j]), rarest)
    return best


def _around_pair(place: _Place, pair: _Pair, grammar: Grammar) -> tuple[int, tuple[Cause, ...]]:
    """A TSS that puts two sites where the grammar's partners work, the first partner further upstream."""
    positions = place.panel.positions[[pair.first, pair.second]]
    middle = round(float(np.mean([grammar.motif(name).centre for name in grammar.partners])))
    tss = int(positions.mean()) - (middle if place.strand == "+" else -middle)
    upstream_first = (pair.first, pair.second) if place.strand == "+" else (pair.second, pair.first)
    return tss, tuple(Cause(site, name) for site, name in zip(upstream_first, grammar.partners, strict=True))


def _far_from_site(place: _Place, rng: np.random.Generator) -> tuple[int, tuple[Cause, ...]]:
    """A TSS, and a common variant 20 to 50 kb away that the promoter's variants tell next to nothing of."""
    best = (np.inf, 0, 0)
    for tss in place.centre + rng.integers(-22_000, 22_000, size=100):
        far = place.sites(tss, 20_000, 50_000)
        near = np.flatnonzero(np.abs(place.panel.positions - tss) <= WINDOW)
        told = _explained(place.panel, far, near)
        if len(far):
            best = min(best, (float(told.min()), int(tss), int(far[told.argmin()])))
    if np.isinf(best[0]):
        raise place.nothing_near()
    return best[1], (Cause(best[2], None),)


def _explained(panel: Panel, sites: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Share of each site's variance, over copies, that other sites explain together; float (n_sites,)."""
    alleles = (panel.alleles[sites] == 1).T.astype(float)
    others = (panel.alleles[by] == 1).T.astype(float)
    alleles, others = alleles - alleles.mean(axis=0), others - others.mean(axis=0)
    fitted = others @ np.linalg.lstsq(others, alleles, rcond=None)[0]
    return fitted.var(axis=0) / alleles.var(axis=0)
