"""Settings of eQTL mapping, light to import."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from gexviz.errors import GexvizError


@dataclass(frozen=True)
class EqtlSettings:
    """How cis-eQTLs are looked for.

    Attributes
    ----------
    window : int
        bp on each side of the TSS; variants whose position lies within are tested.
    maf : float
        Least frequency of a variant's rarer allele in the people of the test.
    min_count : int
        Least number of copies of the rarer allele among them.
    permutations : int
        For each gene.
    seed : int
        Each gene's permutations are drawn from this and the gene's id.
    fdr : float
        False discovery rate at which genes, and then variants, are called.
    """

    window: int = 1_000_000
    maf: float = 0.01
    min_count: int = 10
    permutations: int = 1_000
    seed: int = 1
    fdr: float = 0.05

    def __post_init__(self) -> None:
        """Refuse settings that can't be used."""
        checks = [
            ("window", self.window >= 1, "at least 1 bp"),
            ("maf", 0.0 <= self.maf < 0.5, "0 or more, and below 0.5"),
            ("min_count", self.min_count >= 0, "0 or more"),
            ("permutations", self.permutations >= 10, "10 or more, to fit a beta distribution to"),
            ("seed", self.seed >= 0, "0 or more"),
            ("fdr", 0.0 < self.fdr < 1.0, "above 0 and below 1"),
        ]
        for name, fine, expected in checks:
            if not fine:
                raise GexvizError(f"{name} = {getattr(self, name)!r} can't be used", place=name, expected=expected)

    def as_dict(self) -> dict[str, Any]:
        """All settings by name."""
        return asdict(self)
