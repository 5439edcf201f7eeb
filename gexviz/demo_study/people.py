"""Simulated people: the ancestry of 360 genomes, and where and how they differ.

The history is the out-of-Africa model of Gravel et al. (2011, PNAS 108:11983, Table 2; refined from Gutenkunst et al.
2009, PLoS Genet 5:e1000695) for Africa and Europe, Asia left out, with the mutation rate that it was fitted with.
Recombination has hotspots and gene conversion, mutation has hypermutable positions, so linkage falls off unevenly and
some sites have more than two alleles, as in real genomes.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import msprime
import numpy as np

YEARS = 25  # a generation
MIN_COPIES = 3  # an allele with fewer copies is left out


class Panel(NamedTuple):
    """Sites where the simulated people differ. Letters are given to the alleles later, from the reference.

    Attributes
    ----------
    people : tuple of str
    population : ndarray of str (n_people,)
    positions : ndarray, int (n_sites,)
        0-based, increasing.
    alleles : ndarray, int8 (n_sites, 2 * n_people)
        0 is the reference's allele, 1, 2, 3 the others; the two copies of a person lie side by side.
    """

    people: tuple[str, ...]
    population: np.ndarray
    positions: np.ndarray
    alleles: np.ndarray

    def frequency(self, population: str | None = None) -> np.ndarray:
        """Share of copies that carry the first alternative allele, (n_sites,)."""
        copies = slice(None) if population is None else np.repeat(self.population == population, 2)
        return (self.alleles[:, copies] == 1).mean(axis=1)

    @property
    def biallelic(self) -> np.ndarray:
        """Sites with one alternative allele, bool (n_sites,)."""
        return self.alleles.max(axis=1) == 1


def out_of_africa() -> msprime.Demography:
    """History of two populations, AFR and EUR, of Gravel et al. (2011); sizes are diploid."""
    growth_begins, out, larger = 23_000 / YEARS, 51_000 / YEARS, 148_000 / YEARS
    rate = 0.0038
    history = msprime.Demography()
    history.add_population(name="AFR", initial_size=14_474)
    history.add_population(name="EUR", initial_size=1_032 * math.exp(rate * growth_begins), growth_rate=rate)
    history.set_symmetric_migration_rate(["AFR", "EUR"], 2.5e-5)
    history.add_population_parameters_change(growth_begins, population="EUR", initial_size=1_861, growth_rate=0)
    history.add_symmetric_migration_rate_change(growth_begins, ["AFR", "EUR"], 15e-5)
    history.add_mass_migration(out, source="EUR", dest="AFR", proportion=1)
    history.add_symmetric_migration_rate_change(out, ["AFR", "EUR"], 0)
    history.add_population_parameters_change(larger, population="AFR", initial_size=7_310)
    return history


def recombination_map(length: int, rng: np.random.Generator) -> msprime.RateMap:
    """Crossovers: 3e-9 a base, and hotspots of 2 kb about every 25 kb; 1.2e-8 on average."""
    centres = np.arange(12_000, length - 12_000, 25_000)
    starts = centres + rng.integers(-8_000, 8_000, len(centres))
    edges = np.unique(np.concatenate([[0, length], starts, starts + 2_000]))
    hot = np.isin(edges[:-1], starts)
    return msprime.RateMap(position=edges, rate=np.where(hot, 1.15e-7, 3e-9))


def mutation_map(length: int, rng: np.random.Generator) -> msprime.RateMap:
    """Mutations: 2.36e-8 a base on average, and fifteen times as many at one base in 200 (as at CpG)."""
    hot = np.unique(rng.integers(1, length - 1, length // 200))
    slow = 2.36e-8 / (1 + 14 * len(hot) / length)
    edges = np.unique(np.concatenate([[0, length], hot, hot + 1]))
    return msprime.RateMap(position=edges, rate=np.where(np.isin(edges[:-1], hot), 15 * slow, slow))


def simulate_people(europeans: int, africans: int, length: int, seed: int) -> Panel:
    """Simulate people and the sites where they differ.

    Parameters
    ----------
    europeans, africans : int
        People of each population.
    length : int
        Of the contig, bp.
    seed : int

    Returns
    -------
    Panel
        With every allele that has at least `MIN_COPIES` copies.
    """
    rng = np.random.default_rng([seed, 1])
    ancestry = msprime.sim_ancestry(
        samples={"EUR": europeans, "AFR": africans},
        demography=out_of_africa(),
        recombination_rate=recombination_map(length, rng),
        gene_conversion_rate=1e-8,
        gene_conversion_tract_length=300,
        random_seed=int(rng.integers(1, 2**31)),
    )
    mutated = msprime.sim_mutations(
        ancestry,
        rate=mutation_map(length, rng),
        model=msprime.InfiniteAlleles(),
        random_seed=int(rng.integers(1, 2**31)),
    )
    order = np.argsort([node for person in mutated.individuals() for node in person.nodes])
    assert np.array_equal(order, np.arange(mutated.num_samples)), "a person's copies lie side by side"
    found = mutated.genotype_matrix()
    kept = [(site, alleles) for site, row in enumerate(found) if (alleles := _polarised(row, rng)) is not None]
    population = np.array(["EUR"] * europeans + ["AFR"] * africans)
    names = [f"EUR{i + 1:03d}" for i in range(europeans)] + [f"AFR{i + 1:03d}" for i in range(africans)]
    positions = mutated.tables.sites.position.astype(np.int64)[[site for site, _ in kept]]
    return Panel(tuple(names), population, positions, np.stack([alleles for _, alleles in kept]))


def _polarised(row: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
    """Drop rare alleles, and number the others anew, the reference's first; None for a site without difference.

    The reference carries an allele with the chance that a genome drawn from the people would.
    """
    copies = np.bincount(row, minlength=1)
    kept = np.flatnonzero(copies >= MIN_COPIES)
    if len(kept) < 2 or len(kept) > 4:
        return None
    reference = rng.choice(kept, p=copies[kept] / copies[kept].sum())
    numbers = np.zeros(len(copies), dtype=np.int8)  # copies of dropped alleles carry the reference's
    numbers[[a for a in kept if a != reference]] = np.arange(1, len(kept))
    return numbers[row]
