"""Common variants spread over the genome, for principal components of a cohort of any size."""

from __future__ import annotations

import numpy as np

from gexviz.analysis.pca import GenotypePca, genotype_pca
from gexviz.errors import GexvizError
from gexviz.study import Study
from gexviz.tasks import Progress

WINDOW = 100_000
PER_WINDOW = 50
ENOUGH = 10_000
COMMON = 0.05


def cohort_pca(study: Study, progress: Progress) -> GenotypePca:
    """Principal components of the study's people.

    Windows of 100 kb around the study's genes are read in a fixed random order, and at most 50 common variants are
    taken from each, evenly, until 10,000 are there: a whole-genome cohort is not read whole.

    Parameters
    ----------
    study : Study
    progress : Progress
        Told after each window.

    Returns
    -------
    GenotypePca

    Raises
    ------
    GexvizError
        If there are no common variants.
    """
    samples = list(study.samples.index)
    windows = _windows(study)
    parts, found = [], 0
    for done, (contig, start, end) in enumerate(windows, start=1):
        _, dosages = study.cohort.genotypes.read(contig, start, end, samples).dosages()
        part = _some_common(dosages)
        parts.append(part)
        found += len(part)
        whole = max(done / len(windows), found / ENOUGH)
        progress(min(int(1000 * whole), 1000), 1000, f"{contig}:{start + 1:,}")
        if found >= ENOUGH:
            break
    if not found:
        raise GexvizError(
            "there are no common variants for principal components",
            expected=f"variants around the study's genes with a minor allele frequency of {COMMON:.0%} or more",
        )
    return genotype_pca(np.concatenate(parts), samples, components=4, min_frequency=COMMON)


def _windows(study: Study) -> list[tuple[str, int, int]]:
    """Windows with a gene's TSS in them or beside them, in a fixed random order."""
    at = study.genes["tss"] // WINDOW
    windows = {
        (contig, int(number + beside))
        for contig, number in zip(study.genes["contig"], at, strict=True)
        for beside in (-1, 0, 1)
        if number + beside >= 0
    }
    order = np.random.default_rng(0).permutation(len(windows))
    listed = sorted(windows)
    return [(contig, number * WINDOW, (number + 1) * WINDOW) for contig, number in (listed[i] for i in order)]


def _some_common(dosages: np.ndarray) -> np.ndarray:
    """At most :data:`PER_WINDOW` common variants, evenly spaced."""
    known = ~np.isnan(dosages)
    frequency = np.where(known, dosages, 0).sum(axis=1) / np.maximum(2 * known.sum(axis=1), 1)
    common = np.flatnonzero(np.minimum(frequency, 1 - frequency) >= COMMON)
    take = np.linspace(0, len(common) - 1, min(PER_WINDOW, len(common))).round().astype(int)
    return dosages[common[take]]
