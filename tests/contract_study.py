"""A study small enough for a hand: three genes, six people, every kind of variant; and what people carry, by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import cohorts
import numpy as np
import pandas as pd

PLUS, MINUS, EDGE = "ENSG00000000001.1", "ENSG00000000002.1", "ENSG00000000003.1"
"""Genes on both strands; and one that no family can serve: its window leaves the contig, or nothing is known of it."""

NAMES = {PLUS: "PLUS", MINUS: "MINUS", EDGE: "EDGE"}
PEOPLE = {  # sample: variants on copy 1, on copy 2; of each gene alike
    "P0": ("", ""),
    "P1": ("snv", ""),
    "P2": ("snv", "snv"),
    "P3": ("", "insertion"),
    "P4": ("deletion", "other"),
    "P5": ("snv insertion deletion other", "insertion"),
}
VARIANTS = {  # offset from the TSS on the forward strand, REF, ALT; of both genes alike
    "other": (-60, "A", "G"),
    "insertion": (-25, "C", "CGATTA"),
    "snv": (15, "A", "C"),
    "deletion": (40, "TGAC", "T"),
}
UNKNOWN = -80  # where the reference has three N
LEAST_WINDOW = 200


class Variant(NamedTuple):
    """An allele on the contig; 0-based."""

    position: int
    ref: str
    alt: str


class Place(NamedTuple):
    """Where a gene is, and its variants by name."""

    tss: int
    strand: str
    variants: dict[str, Variant]


class ContractStudy(NamedTuple):
    """The study's file, its one contig and its genes."""

    toml: Path
    sequence: str
    places: dict[str, Place]

    def copy(self, gene: str, carried: str, window: int, anchor: int, *, oriented: bool) -> str:
        """The sequence of a gene's window on a chromosome that carries some variants; by cutting and joining text."""
        place = self.places[gene]
        text, tss = self.sequence, place.tss
        for variant in sorted((place.variants[name] for name in carried.split()), reverse=True):
            assert text[variant.position :].startswith(variant.ref)
            text = text[: variant.position] + variant.alt + text[variant.position + len(variant.ref) :]
            tss += (len(variant.alt) - len(variant.ref)) * (variant.position < place.tss)
        if oriented and place.strand == "-":
            text, tss = text[::-1].translate(str.maketrans("ACGTN", "TGCAN")), len(text) - 1 - tss
        return text[tss - anchor : tss - anchor + window]


def variant_id(gene: str, variant: str) -> str:
    """The rs number of a gene's variant."""
    return f"rs{list(NAMES).index(gene) + 1}0{list(VARIANTS).index(variant) + 1}"


def dosage(sample: str, variant: str) -> int:
    """Copies of a variant that a person carries."""
    return sum(variant in carried.split() for carried in PEOPLE[sample])


def make_contract_study(
    folder: Path, model: dict[str, object], window: int | None, anchor: int | None
) -> ContractStudy:
    """Write the study around a model named ``model``, with room for its window; any length will do for a model without.

    Parameters
    ----------
    folder : Path
    model : dict
        Keys of its section; paths relative to `folder`.
    window, anchor : int or None
        Of the model's spec.
    """
    window, anchor = window or 10_000, 0 if anchor is None else anchor
    assert window >= LEAST_WINDOW
    length = 3 * window + 2_000
    rng = np.random.default_rng(5)
    letters = np.array(list(cohorts.random_bases(rng, length)))
    body = min(400, window // 4)
    tss = {PLUS: window + 500, MINUS: 2 * window + 500, EDGE: 5 if anchor > window // 2 else length - 6}
    places = {EDGE: Place(tss[EDGE], "+", {})}
    for gene in (PLUS, MINUS):
        letters[tss[gene] + UNKNOWN : tss[gene] + UNKNOWN + 3] = "N"
        variants = {name: Variant(tss[gene] + offset, *alleles) for name, (offset, *alleles) in VARIANTS.items()}
        for variant in variants.values():
            letters[variant.position : variant.position + len(variant.ref)] = list(variant.ref)
        places[gene] = Place(tss[gene], "-" if gene == MINUS else "+", variants)
    sequence = "".join(letters)
    records = []
    for gene, place in places.items():
        for name, variant in place.variants.items():
            calls = ["|".join(str(int(name in carried.split())) for carried in both) for both in PEOPLE.values()]
            records.append(("1", variant.position, variant_id(gene, name), variant.ref, [variant.alt], calls))
    records.sort(key=lambda record: record[1])
    bounds = {PLUS: (tss[PLUS], tss[PLUS] + body), MINUS: (tss[MINUS] + 1 - body, tss[MINUS] + 1)}
    bounds[EDGE] = (tss[EDGE], tss[EDGE] + 5)
    cohorts.write_fasta(folder / "reference.fa", {"1": sequence})
    cohorts.write_vcf(folder / "genotypes.vcf.gz", {"1": length}, list(PEOPLE), records)
    genes = [(g, NAMES[g], "chr1", *bounds[g], places[g].strand) for g in NAMES]
    cohorts.write_gtf(folder / "genes.gtf.gz", genes)
    values = pd.DataFrame(rng.normal(5, 1, (3, len(PEOPLE))), index=pd.Index(NAMES, name="gene"), columns=list(PEOPLE))
    values.to_csv(folder / "expression.tsv", sep="\t")
    toml = folder / "study.toml"
    toml.write_text(
        '[study]\nname = "Contract"\ngenome = "test"\nsimulated = true\n\n[cohort]\ngenotypes = "genotypes.vcf.gz"\n'
        'reference = "reference.fa"\nexpression = "expression.tsv"\ngenes = "genes.gtf.gz"\n\n[models.model]\n'
        + "".join(f"{key} = {json.dumps(value)}\n" for key, value in model.items())
    )
    return ContractStudy(toml, sequence, places)
