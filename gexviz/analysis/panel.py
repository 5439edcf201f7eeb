"""How dense the tested variants are, and what thin genotypes do to claims about direction."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

COMMON = 0.05
PANEL = 2.8
"""Variants of at least 5% a kb in sequenced people: 8 million on 2.9 Gb (1000 Genomes, Nature 526:68, 2015)."""

THIN = 0.5
"""Share of `PANEL` below which the genotypes are called thinned."""


class Density(NamedTuple):
    """How dense the tested variants are.

    Attributes
    ----------
    variants : int
        Distinct ones.
    kb : float
        Of the stretches that they were tested in.
    common : int
        Of the variants, those of at least 5%.
    """

    variants: int
    kb: float
    common: int

    @property
    def thinned(self) -> bool:
        """Whether true causes are likely to be absent."""
        return self.kb > 0 and self.common / self.kb < THIN * PANEL

    def sentence(self, *, simulated: bool) -> str:
        """Say the density, and what it does to claims about direction."""
        if not self.kb:
            return "No variant could be tested."
        text = (
            f"Tested were {self.variants:,} variants on {self.kb:,.0f} kb: {self.variants / self.kb:.2f} per kb, "
            f"{self.common / self.kb:.2f} per kb with a frequency of at least {COMMON:.0%}"
        )
        text += "." if simulated else f" (sequenced people have about {PANEL:g}; 1000 Genomes phase 3)."
        if not self.thinned:
            return f"{text} A cause that is not among the genotypes can still be behind an eQTL."
        return (
            f"{text} The genotypes are thinned: most true causal variants may be absent from them. An eQTL is then a "
            "marker of its cause, perhaps with the other allele, and the model was never given the cause. So an "
            "“opposite” may be of a marker, the cause behind “out of window” may be inside, “missed” and “blind” may "
            "be for want of the variant, and accuracies go towards 50%. Claims on the model need dense genotypes."
        )


def density(tests: pd.DataFrame) -> Density:
    """Count the tested variants and the stretches that they stand in.

    Parameters
    ----------
    tests : DataFrame
        ``gene``, ``variant``, ``position``, ``maf``: of :class:`gexviz.mapping.Eqtls`.
    """
    if tests.empty:
        return Density(0, 0.0, 0)
    each = tests.drop_duplicates("variant")
    contig = tests["variant"].str.split(":", n=1).str[0]
    ends = tests["position"].groupby([contig, tests["gene"]]).agg(["min", "max"])
    total = 0
    for _, spans in ends.groupby(level=0):
        spans = spans.sort_values("min")
        start, end = spans["min"].to_numpy(), spans["max"].to_numpy() + 1
        before = np.concatenate([[start[0]], np.maximum.accumulate(end)[:-1]])
        total += int(np.maximum(end - np.maximum(start, before), 0).sum())
    return Density(len(each), total / 1000, int((each["maf"] >= COMMON).sum()))
