"""Named nulls: what a correlation across people is compared with to get its p value.

``analytic``
    Student's t. People are independent, errors normal.
``permutation``
    People shuffled, over all or within groups. Two-sided: twice the smaller tail, each counted with one added.
``random_weights``
    Predictors that know the gene's variants but not their effects: random weights on the dosages, as in Sasse et al.,
    Nature Genetics 55, 2060 (2023). It asks more than the other two: is the model closer to expression than a random
    reading of the same haplotypes?
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, NamedTuple, Protocol
from zlib import crc32

import numpy as np
import pandas as pd

from gexviz.analysis.correlation import Rows, correlation_p
from gexviz.errors import GexvizError
from gexviz.lazy import lazy

scipy = lazy("scipy")

SLACK = 1e-12
"""Correlations closer than this count as equal, so that exact ties are not decided by rounding."""


class Pairs(NamedTuple):
    """Some genes, predicted and observed, over the people who have both.

    Attributes
    ----------
    genes, samples : Index
        Rows and columns of everything else.
    predicted, observed : Rows
        Standardised over `present`; none constant.
    present : ndarray, bool, shape (genes, samples)
    pearson : ndarray, shape (genes,)
    """

    genes: pd.Index
    samples: pd.Index
    predicted: Rows
    observed: Rows
    present: np.ndarray
    pearson: np.ndarray


class Null(Protocol):
    """Gives a p value to each gene of some pairs."""

    @property
    def name(self) -> str:
        """The name in the table's ``null`` column."""
        ...

    @property
    def details(self) -> dict[str, Any]:
        """Draws, seed, rule: all that is needed to repeat it."""
        ...

    def p_values(self, pairs: Pairs) -> np.ndarray:
        """Two-sided p of each gene; NaN where this null can't be built for a gene."""
        ...


@dataclass(frozen=True)
class Analytic:
    """Student's t with ``n - 2`` degrees of freedom."""

    name: str = "analytic"

    @property
    def details(self) -> dict[str, Any]:
        """Nothing to repeat."""
        return {"null": self.name}

    def p_values(self, pairs: Pairs) -> np.ndarray:
        """Two-sided p of each gene."""
        return correlation_p(pairs.pearson, pairs.observed.n)


@dataclass(frozen=True)
class Permutation:
    """People shuffled.

    The shuffles depend on the seed and on who has values, not on which other genes are evaluated: a gene's p is the
    same alone or among 20,000. Genes share their shuffles.

    Parameters
    ----------
    draws : int
        Shuffles. The smallest p is ``2 / (draws + 1)``.
    seed : int
    groups : Series, optional
        Group of each sample (index sample): people are shuffled within their group only, which leaves differences
        between populations in the null.
    """

    draws: int = 1000
    seed: int = 0
    groups: pd.Series | None = None

    @property
    def name(self) -> str:
        """``permutation``, or ``permutation_within`` with groups."""
        return "permutation" if self.groups is None else "permutation_within"

    @property
    def details(self) -> dict[str, Any]:
        """Draws and seed."""
        return {"null": self.name, "draws": self.draws, "seed": self.seed}

    def p_values(self, pairs: Pairs) -> np.ndarray:
        """Two-sided p of each gene: ``2 * min(1 + lower, 1 + upper) / (draws + 1)``, at most 1."""
        codes = self._codes(pairs.samples)
        p = np.empty(len(pairs.genes))
        for row, present in enumerate(pairs.present):
            shuffles = _shuffles(codes[present].tobytes(), self.draws, self.seed)
            null = pairs.observed.unit[row, present][shuffles] @ pairs.predicted.unit[row, present]
            upper = 1 + np.count_nonzero(null >= pairs.pearson[row] - SLACK)
            lower = 1 + np.count_nonzero(null <= pairs.pearson[row] + SLACK)
            p[row] = min(1.0, 2 * min(upper, lower) / (self.draws + 1))
        return p

    def _codes(self, samples: pd.Index) -> np.ndarray:
        """Give each sample its group's number."""
        if self.groups is None:
            return np.zeros(len(samples), dtype=np.int32)
        labels = self.groups.reindex(samples)
        if labels.isna().any():
            raise GexvizError(
                f"{int(labels.isna().sum())} of {len(samples)} people have no group to be shuffled in",
                expected="a group for every person that is evaluated",
                remedy="complete the samples' table, or shuffle over everybody",
            )
        return np.asarray(pd.factorize(labels, sort=True)[0], dtype=np.int32)


@lru_cache(maxsize=4)
def _shuffles(codes: bytes, draws: int, seed: int) -> np.ndarray:
    """Orders of people, (draws, people); nobody leaves their group."""
    groups = np.frombuffer(codes, dtype=np.int32)
    rng = np.random.default_rng(seed)
    orders = np.empty((draws, groups.size), dtype=np.intp)
    for group in np.unique(groups):
        members = np.flatnonzero(groups == group)
        orders[:, members] = rng.permuted(np.tile(members, (draws, 1)), axis=1)
    orders.flags.writeable = False
    return orders


class RandomNull(NamedTuple):
    """Absolute correlations of random predictors of one gene.

    Attributes
    ----------
    draws : ndarray, shape (n_draws,)
        |r| of each.
    mean, sd : float
        Of the draws; `sd` divides by their number.
    """

    draws: np.ndarray
    mean: float
    sd: float


def random_weights_null(dosages: np.ndarray, observed: np.ndarray, *, draws: int = 50, seed: Any = 0) -> RandomNull:
    """Correlate a gene's expression with random-weight sums of its variants' dosages.

    Each predictor gives every variant a weight from the standard normal distribution and sums weight times dosage over
    the variants (Sasse et al. 2023).

    Parameters
    ----------
    dosages : ndarray, shape (n_variants, n_samples)
        ALT copies; NaN (missing) takes the variant's mean.
    observed : ndarray, shape (n_samples,)
        Finite; not constant.
    draws : int
        Random predictors.
    seed : int or sequence of int

    Returns
    -------
    RandomNull
        With no draws, and NaN mean and sd, where no variant varies.
    """
    kept = np.asarray(dosages, dtype=float)
    kept = kept[np.isfinite(kept).any(axis=1)]
    if np.isnan(kept).any():
        kept = np.where(np.isnan(kept), np.nanmean(kept, axis=1, keepdims=True), kept)
    kept = kept[np.ptp(kept, axis=1) > 0] if kept.size else kept
    if not kept.size:
        return RandomNull(np.empty(0), np.nan, np.nan)
    predictors = np.random.default_rng(seed).standard_normal((draws, len(kept))) @ kept
    predictors -= predictors.mean(axis=1, keepdims=True)
    centred = observed - observed.mean()
    lengths = np.linalg.norm(predictors, axis=1) * np.linalg.norm(centred)
    r = np.abs(predictors @ centred / lengths)
    return RandomNull(r, float(r.mean()), float(r.std()))


Rule = Literal["published", "predictive_z", "rank"]


def random_weights_p(r: float, null: RandomNull, rule: Rule) -> float:
    """Compute a correlation's p under the random-weights null; large |r| of either sign counts.

    ``published``
        What the authors' released script computes: ``t = (|r| - mean) / sqrt(sd / draws)``, one-sided with
        ``draws - 1`` degrees of freedom, and 1 where |r| is below the mean. For comparing with their
        figures. As it divides the standard deviation, not the variance, by the number of draws, p is not calibrated.
    ``predictive_z``
        ``z = (|r| - mean) / sd`` against the normal distribution: is this |r| unlike one more random predictor's?
    ``rank``
        ``(1 + draws at least as large) / (draws + 1)``: calibrated whatever the distribution; needs many draws.
        Stands in for the other two where all draws are alike (one variant).
    """
    if not null.draws.size:
        return float("nan")
    size, draws = abs(r), null.draws.size
    if rule == "rank" or null.sd <= SLACK:
        return float((1 + np.count_nonzero(null.draws >= size - SLACK)) / (draws + 1))
    if rule == "predictive_z":
        return float(scipy.special.ndtr(-(size - null.mean) / null.sd))
    t = (size - null.mean) / np.sqrt(null.sd / draws)
    return float(scipy.special.stdtr(draws - 1, -t)) if t >= 0 else 1.0


@dataclass(frozen=True)
class RandomWeights:
    """Random weights on the variants that the model can see, as in Sasse et al. (2023).

    Parameters
    ----------
    dosages : callable
        Gene -> DataFrame of dosages (index variant, columns sample), of the variants in the model's window. People
        without a column are not allowed.
    draws : int
        Random predictors a gene; 50 in the paper. Take 1,000 or more for ``rank``.
    seed : int
        Each gene draws from (seed, its id), so its p does not depend on which other genes are evaluated.
    rule : {"published", "predictive_z", "rank"}
        See :func:`random_weights_p`.
    """

    dosages: Callable[[str], pd.DataFrame]
    draws: int = 50
    seed: int = 0
    rule: Rule = "published"

    @property
    def name(self) -> str:
        """``random_weights`` for the published rule; other rules are part of the name."""
        return "random_weights" if self.rule == "published" else f"random_weights_{self.rule}"

    @property
    def details(self) -> dict[str, Any]:
        """Draws, seed and rule."""
        return {"null": self.name, "draws": self.draws, "seed": self.seed, "rule": self.rule}

    def p_values(self, pairs: Pairs) -> np.ndarray:
        """Give p of each gene; NaN for a gene without varying variants."""
        return np.array([self._p_value(pairs, row, gene) for row, gene in enumerate(pairs.genes)], dtype=float)

    def _p_value(self, pairs: Pairs, row: int, gene: str) -> float:
        table = self.dosages(gene)
        present = pairs.present[row]
        columns = table.columns.get_indexer(pairs.samples[present])
        if (columns < 0).any():
            raise GexvizError(
                f"{int((columns < 0).sum())} of {columns.size} people evaluated at {gene} have no dosages",
                expected="dosages of everybody who is evaluated",
                remedy="evaluate people with genotypes, or take another null",
            )
        null = random_weights_null(
            table.to_numpy(dtype=float)[:, columns],
            pairs.observed.unit[row, present],
            draws=self.draws,
            seed=[self.seed, crc32(gene.encode())],
        )
        return random_weights_p(float(pairs.pearson[row]), null, self.rule)
