"""How many people carry each variant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from gexviz.session.privacy import Carriers

if TYPE_CHECKING:
    from gexviz.study import Study
    from gexviz.tasks import Progress

_TOGETHER = 100_000
"""bp of the genome that are read together."""


def count_carriers(study: Study, variants: Iterable[str], progress: Progress | None = None) -> Carriers:
    """Count, among the study's people, who has ALT calls and who has calls without ALT.

    Parameters
    ----------
    study : Study
    variants : iterable of str
        contig:pos:ref:alt, 1-based; one that the genotypes don't have is not in the table.
    progress : Progress, optional
        Told after each stretch of the genome.
    """
    samples = list(study.samples.index)
    everybody = np.ones(len(samples), dtype=bool)
    groups = {"": everybody}
    if "population" in study.samples:
        labels = study.samples["population"].astype(str)
        groups |= {f"_{name}": (labels == name).to_numpy() for name in sorted(set(labels))}
    stretches = list(_stretches(set(variants)))
    parts = []
    for done, (contig, start, end, wanted) in enumerate(stretches, start=1):
        table, dosages = study.cohort.genotypes.read(contig, start, end, samples).dosages()
        rows = table["variant"].isin(wanted).to_numpy()
        called, carrying = np.isfinite(dosages[rows]), np.nan_to_num(dosages[rows]) > 0
        counts = {}
        for suffix, members in groups.items():
            counts[f"carriers{suffix}"] = (carrying & members).sum(axis=1)
            counts[f"others{suffix}"] = (called & ~carrying & members).sum(axis=1)
        parts.append(pd.DataFrame(counts, index=pd.Index(table.loc[rows, "variant"], name="variant")))
        if progress is not None:
            progress(done, len(stretches), "carriers of variants")
    columns = [f"{what}{suffix}" for suffix in groups for what in ("carriers", "others")]
    whole = pd.concat(parts) if parts else pd.DataFrame(columns=columns, index=pd.Index([], name="variant"))
    return Carriers(whole[~whole.index.duplicated()].astype(np.int64), len(samples))


def _stretches(variants: set[str]) -> Iterator[tuple[str, int, int, set[str]]]:
    """Stretches of the genome (0-based half-open) with the variants in each."""
    found: dict[tuple[str, int], dict[str, int]] = {}
    for variant in variants:
        contig, position, *alleles = variant.rsplit(":", 3) if variant.count(":") >= 3 else ("", "")
        if len(alleles) == 2 and position.isdigit():
            found.setdefault((contig, int(position) // _TOGETHER), {})[variant] = int(position) - 1
    for (contig, _), places in sorted(found.items()):
        yield contig, min(places.values()), max(places.values()) + 1, set(places)
