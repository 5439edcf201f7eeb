"""What a sample of the genotypes shows: REF alleles against the reference, phasing, missing calls."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from gexviz.cohort.contigs import resolve_contig
from gexviz.cohort.genotypes import Genotypes
from gexviz.cohort.probe import probe_vcf
from gexviz.cohort.reference import Reference
from gexviz.errors import GexvizError

LIMIT = 0.01
_PLACES = 100
_SITES = 5_000
_MAX_SPAN = 500_000
_PLAIN = np.isin(np.arange(256), np.frombuffer(b"ACGT", dtype=np.uint8))


class AlleleCheck(NamedTuple):
    """What a sample of the sites shows.

    Attributes
    ----------
    sites : int
        Sites read.
    compared : int
        Sites whose REF could be compared: inside the reference, where it has A, C, G or T.
    mismatched : int
        Of these, sites whose REF differs.
    examples : tuple of str
        Some of them, ``22:16,050,075 REF A, reference G``.
    swapped : int
        Mismatched sites whose ALT is the reference's base.
    shifted : int
        Mismatched SNVs that would match one base to the left or right.
    calls, missing, heterozygous, phased : int
        Calls of the given samples; those with a missing copy; heterozygotes; phased heterozygotes.
    haploid : int
        Calls of one copy.
    unusable : int
        Sites whose ALTs are all symbolic or ``*``.
    """

    sites: int
    compared: int
    mismatched: int
    examples: tuple[str, ...]
    swapped: int
    shifted: int
    calls: int
    missing: int
    heterozygous: int
    phased: int
    haploid: int
    unusable: int

    @property
    def share(self) -> float:
        """Share of the compared sites whose REF differs (NaN if none was compared)."""
        return self.mismatched / self.compared if self.compared else float("nan")

    @property
    def cause(self) -> str:
        """The likely cause of the mismatches."""
        if self.swapped > 0.8 * self.mismatched:
            return "REF and ALT are swapped, as PLINK writes them"
        if self.shifted > 0.8 * self.mismatched:
            return "positions are off by one"
        if self.share > 0.4:
            return "the genotypes belong to another genome build"
        return "some sites were lifted over or merged from another build"

    @property
    def remedy(self) -> str:
        """What to do about the mismatches."""
        if "swapped" in self.cause:
            return "set REF from the reference: plink2 --ref-from-fa force, or bcftools norm -c s -f REFERENCE"
        if "one" in self.cause:
            return "write the VCF again with 1-based positions"
        if "belong" in self.cause:
            return "use the reference of the genotypes' build, or lift the genotypes over: bcftools +liftover"
        return "drop or repair them: bcftools norm -c x -f REFERENCE (drops) or -c s (swaps)"


def check_alleles(
    genotypes: Genotypes, reference: Reference, genes: pd.DataFrame | None, samples: list[str] | None = None
) -> AlleleCheck:
    """Look at some thousand sites, spread evenly over the genes (over the contigs where there are no genes).

    Parameters
    ----------
    genotypes : Genotypes
    reference : Reference
    genes : DataFrame or None
        With ``contig`` and ``tss``.
    samples : list of str, optional
        Whose calls to count; all if not given.

    Returns
    -------
    AlleleCheck

    Raises
    ------
    GexvizError
        For damaged files.
    """
    spans = _spans(genotypes, reference, genes)
    counts = [_check_span(genotypes, reference, span, samples) for span in spans]
    if not counts:
        return AlleleCheck(0, 0, 0, (), 0, 0, 0, 0, 0, 0, 0, 0)
    examples = tuple(text for c in counts for text in c.examples)[:3]
    sums = {field: sum(getattr(c, field) for c in counts) for field in AlleleCheck._fields if field != "examples"}
    return AlleleCheck(**sums, examples=examples)


def require_match(found: AlleleCheck, genotypes: Path, reference: Path) -> None:
    """Stop if genotypes and reference don't belong together.

    Raises
    ------
    GexvizError
        If more than 1% of the compared REF alleles differ, or no site could be compared.
    """
    if not found.compared:
        raise GexvizError(
            "no site of the genotypes lies where the reference has sequence, near any gene",
            file=genotypes,
            expected=f"variants on the contigs of {reference}",
            remedy="see that genotypes, annotation and reference are of one build and name the same contigs",
        )
    if found.share > LIMIT:
        raise GexvizError(
            f"REF alleles differ from the reference at {found.mismatched:,} of {found.compared:,} sites "
            f"({found.share:.1%}): probably {found.cause}",
            file=genotypes,
            place="; ".join(found.examples),
            expected=f"the REF alleles of {reference} (at most {LIMIT:.0%} may differ)",
            remedy=found.remedy,
        )


class _Span(NamedTuple):
    contig: str  # as in the reference
    start: int
    end: int


def _spans(genotypes: Genotypes, reference: Reference, genes: pd.DataFrame | None) -> list[_Span]:
    """Disjoint stretches that should hold some 5,000 sites together."""
    headers = [probe_vcf(path) for path in genotypes.paths]
    places: list[tuple[str, int]] = []
    known = {c: resolve_contig(c, reference.contigs) for h in headers for c in h.contigs}
    for contig in dict.fromkeys(c for c in known.values() if c is not None):
        length = reference.contigs[contig]
        if genes is not None and (on := genes["contig"] == contig).any():
            places += [(contig, int(tss)) for tss in sorted(genes.loc[on, "tss"]) if 0 <= tss < length]
        else:
            places += [(contig, int(p)) for p in np.linspace(0, length - 1, _PLACES)]
    if not places:
        return []
    picked = [places[int(i)] for i in np.unique(np.linspace(0, len(places) - 1, _PLACES).round())]
    covered = sum(reference.contigs[c] for c in {c for c, _ in places})
    records = sum(h.records for h in headers)
    half = int(min(max(_SITES / len(picked) * covered / max(records, 1) / 2, 500), _MAX_SPAN / 2))
    spans: list[_Span] = []
    for contig, position in sorted(picked):
        start, end = max(0, position - half), min(reference.contigs[contig], position + half)
        if spans and spans[-1].contig == contig:
            start = max(start, spans[-1].end)
        if start < end:
            spans.append(_Span(contig, start, end))
    return spans


def _check_span(genotypes: Genotypes, reference: Reference, span: _Span, samples: list[str] | None) -> AlleleCheck:
    block = genotypes.read(span.contig, span.start, span.end, samples)
    records = block.records
    starts = records["position"].to_numpy(dtype=np.int64)
    begins_inside = (starts >= span.start) & (starts < span.end)  # so that neighbours don't count a site twice
    bases = reference.fetch(span.contig, span.start, span.end)
    compared = mismatched = swapped = shifted = 0
    examples: list[str] = []
    for position, ref, alts in records.loc[begins_inside, ["position", "ref", "alts"]].itertuples(index=False):
        offset = position - span.start
        truth = bases[offset : offset + len(ref)]
        if len(truth) < len(ref) or not _PLAIN[truth].all():
            continue
        compared += 1
        text = truth.tobytes().decode()
        if text == ref:
            continue
        mismatched += 1
        swapped += any(bases[offset : offset + len(alt)].tobytes().decode() == alt for alt in alts)
        beside = [o for o in (offset - 1, offset + 1) if 0 <= o < len(bases)]
        shifted += len(ref) == 1 and any(chr(bases[o]) == ref for o in beside)
        examples.append(f"{span.contig}:{position + 1:,} REF {ref[:20]}, reference {text[:20]}")
    alleles, phased = block.alleles[begins_inside], block.phased[begins_inside]
    first, second = alleles[:, :, 0], alleles[:, :, 1]
    heterozygous = (first >= 0) & (second >= 0) & (first != second)
    usable = [any(flags) for flags, inside in zip(block.usable(), begins_inside, strict=True) if inside]
    return AlleleCheck(
        sites=int(begins_inside.sum()),
        compared=compared,
        mismatched=mismatched,
        examples=tuple(examples[:3]),
        swapped=int(swapped),
        shifted=int(shifted),
        calls=first.size,
        missing=int(((first == -1) | (second == -1)).sum()),
        heterozygous=int(heterozygous.sum()),
        phased=int((heterozygous & phased).sum()),
        haploid=int((second == -2).sum()),
        unusable=len(usable) - sum(usable),
    )
