"""Principal components of genotypes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from gexviz.errors import GexvizError
from gexviz.lazy import lazy

scipy = lazy("scipy")

BLOCK_VALUES = 4_000_000


class GenotypePca(NamedTuple):
    """Principal components of people.

    Attributes
    ----------
    scores : DataFrame
        Index ``sample``; ``PC1``, ``PC2``, ...: projections of the people (singular vector times singular value).
    explained : Series
        Share of the total variance, by component.
    n_variants : int
        Variants used: those that pass the frequency filter.
    """

    scores: pd.DataFrame
    explained: pd.Series
    n_variants: int


def genotype_pca(
    dosages: np.ndarray, samples: Sequence[str], *, components: int = 10, min_frequency: float = 0.05
) -> GenotypePca:
    """Principal components of people from allele dosages.

    Each variant is centred and divided by ``sqrt(2 p (1 - p))``, p its allele frequency (Patterson, Price and Reich,
    PLoS Genetics 2, e190, 2006); missing dosages take the variant's mean. Linked variants are not pruned: in a few
    regions of strong linkage components can show an inversion instead of ancestry.

    Parameters
    ----------
    dosages : ndarray, shape (n_variants, n_samples)
        Copies of ALT, 0 to 2; NaN where missing.
    samples : sequence of str
        Ids of the columns.
    components : int
        At most as many as people less one come back.
    min_frequency : float
        Variants rarer than this (minor allele) are left out.

    Returns
    -------
    GenotypePca
        Signs are fixed: the person with the largest absolute score is positive.

    Raises
    ------
    GexvizError
        With fewer than 3 people, or no variant that passes the filter.
    """
    dosages = np.asarray(dosages)
    if dosages.ndim != 2 or dosages.shape[1] != len(samples):
        raise GexvizError(
            f"dosages of shape {dosages.shape} do not go with {len(samples)} people", expected="(variants, people)"
        )
    if len(samples) < 3:
        raise GexvizError(f"{len(samples)} people are too few for principal components", expected="at least 3")
    similarity = np.zeros((len(samples), len(samples)))
    used = 0
    step = max(1, BLOCK_VALUES // len(samples))
    for start in range(0, len(dosages), step):
        scaled = _scaled(dosages[start : start + step], min_frequency)
        similarity += scaled.T @ scaled
        used += len(scaled)
    if not used:
        raise GexvizError(
            f"none of {len(dosages)} variants has a minor allele frequency of {min_frequency} or more",
            expected="common variants",
            remedy="lower the frequency limit, or use more of the genome",
        )
    count = min(components, len(samples) - 1)
    last = len(samples) - 1
    values, vectors = scipy.linalg.eigh(similarity, subset_by_index=(last - count + 1, last))
    values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
    scores = vectors * np.sqrt(values)
    scores *= np.where(scores[np.abs(scores).argmax(axis=0), np.arange(count)] < 0, -1.0, 1.0)
    names = [f"PC{number}" for number in range(1, count + 1)]
    return GenotypePca(
        pd.DataFrame(scores, index=pd.Index(samples, name="sample"), columns=names),
        pd.Series(values / np.trace(similarity), index=names, name="explained"),
        used,
    )


def _scaled(dosages: np.ndarray, min_frequency: float) -> np.ndarray:
    """Centre and scale the variants that are common enough."""
    values = dosages.astype(np.float64)
    missing = np.isnan(values)
    present = (~missing).sum(axis=1)
    values[missing] = 0.0
    mean = values.sum(axis=1) / np.maximum(present, 1)
    frequency = mean / 2
    varies = np.where(missing, -1.0, values).max(axis=1) > np.where(missing, 3.0, values).min(axis=1)
    kept = varies & (np.minimum(frequency, 1 - frequency) >= max(min_frequency, 1e-9))
    centred = np.where(missing[kept], 0.0, values[kept] - mean[kept, None])
    return centred / np.sqrt(2 * frequency * (1 - frequency))[kept, None]
