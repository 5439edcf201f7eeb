"""What the Gene page says in words: where a gene is, and what its predictions are made of."""

from __future__ import annotations

from typing import Any

from gexviz.models.base import GeneLocus
from gexviz.study import Study

LOW_SHARE = 0.8
"""A linear model with a smaller part of its weights in the genotypes is shown with a warning."""

_SKIPS = {
    "symbolic": "symbolic alleles skipped",
    "star": "* alleles skipped",
    "reference_mismatch": "records that contradict the reference",
    "not_snv": "alleles left out that are not SNVs",
    "missing": "missing calls",
    "unphased": "unphased heterozygous calls",
    "overlapping": "overlapping alleles skipped",
    "padded": "chromosomes filled up with N",
    "tss_deleted": "chromosomes without the TSS base",
}


def place(locus: GeneLocus) -> str:
    """Where a gene is, 1-based and closed."""
    return f"{locus.contig}:{locus.start + 1:,}-{locus.end:,} ({locus.strand}), TSS {locus.tss + 1:,}"


def fact_lines(study: Study, model: str, facts: dict[str, Any], trained_on: int) -> list[tuple[str, bool]]:
    """Say what a prediction is made of.

    Parameters
    ----------
    study : Study
    model : str
    facts : dict
        Of :meth:`gexviz.study.Study.facts`.
    trained_on : int
        People left out because the model was trained on them.

    Returns
    -------
    list of (str, bool)
        Each line, and whether it is alarming.
    """
    spec = study.spec(model)
    lines: list[tuple[str, bool]] = []
    if "share" in facts:
        lines.append(_weights(facts))
    if "distinct" in facts:
        lines += _haplotypes(facts)
    if "people" in facts:
        lines.append((f"Predictions were given for {facts['people']:,} of these people.", False))
    if trained_on:
        lines.append((f"{trained_on:,} people of the model's training are left out.", False))
    elif spec.trained_on_cohort and "people" not in facts:
        lines.append(("Each person's prediction is from the fold they were left out of.", False))
    return lines


def _weights(facts: dict[str, Any]) -> tuple[str, bool]:
    found = round(facts["share"] * facts["weights"])
    text = (
        f"{found:,} of {facts['weights']:,} weights found in the genotypes "
        f"({facts['share']:.0%}; {facts['share_absolute']:.0%} by size)"
    )
    others = [f"{facts[s]:,} {s}" for s in ("flipped", "ambiguous", "missing") if facts.get(s)]
    return text + (": " + ", ".join(others) if others else "") + ".", facts["share_absolute"] < LOW_SHARE


def _haplotypes(facts: dict[str, Any]) -> list[tuple[str, bool]]:
    text = (
        f"{facts['distinct']:,} distinct sequences of {facts['chromosomes']:,} chromosomes; "
        f"{facts.get('applied', 0):,} of {facts.get('records', 0):,} variants in the window are carried by somebody."
    )
    skips = [f"{facts[key]:,} {words}" for key, words in _SKIPS.items() if facts.get(key)]
    lines = [(text, False)]
    if skips:
        lines.append(("In its haplotypes: " + ", ".join(skips) + ".", bool(facts.get("reference_mismatch"))))
    return lines
