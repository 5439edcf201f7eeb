"""The simulated reference, the letters of its variants, and the promoters that people carry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gexviz.demo_study.grammar import ANCHOR, BASES, WIDTH, WINDOW, Grammar, random_sequence, write_promoter
from gexviz.demo_study.plans import Plan
from gexviz.errors import GexvizError
from gexviz.models.onehot import reverse_complement

if TYPE_CHECKING:
    from gexviz.demo_study.people import Panel

_TRANSITION = {ord("A"): ord("G"), ord("G"): ord("A"), ord("C"): ord("T"), ord("T"): ord("C")}
_INDEL_SHARE = 0.12
_INDEL_LENGTHS = np.array([0.45, 0.18, 0.10, 0.10, 0.05, 0.04, 0.02, 0.02, 0.02, 0.02])  # of 1, 2, ... 10 bp
_TRIES = 2_000


class Record(NamedTuple):
    """A site in letters, as a VCF has it, but with a 0-based position."""

    position: int
    ref: str
    alts: tuple[str, ...]

    def variant(self, contig: str) -> str:
        """Id of the first alternative allele, ``contig:pos:ref:alt``, 1-based."""
        return f"{contig}:{self.position + 1}:{self.ref}:{self.alts[0]}"


class Written(NamedTuple):
    """The reference, and the alternative letters that the grammar asks for.

    Attributes
    ----------
    reference : ndarray, uint8 ASCII (length,)
    alternatives : dict
        Row of the panel -> the alternative base (ASCII) of a variant inside a written motif.
    """

    reference: np.ndarray
    alternatives: dict[int, int]


def write_reference(
    plans: Sequence[Plan], panel: Panel, tissue: Grammar, length: int, rng: np.random.Generator
) -> Written:
    """Write the contig: background whose GC content wanders, and a promoter at each gene.

    Parameters
    ----------
    plans : sequence of Plan
    panel : Panel
    tissue : Grammar
        Of the tissue that the cohort is measured in: it decides which promoters do for a gene's class.
    length : int
    rng : numpy.random.Generator

    Returns
    -------
    Written
    """
    stretches = [random_sequence(10_000, rng.normal(0.42, 0.04), rng) for _ in range(-(-length // 10_000))]
    reference = np.concatenate(stretches)[:length]
    alternatives: dict[int, int] = {}
    for plan in plans:
        promoter, found = _promoter_of(plan, panel, tissue, rng)
        start, end = plan.window
        reference[start:end] = promoter if plan.strand == "+" else reverse_complement(promoter)
        alternatives |= found
    return Written(reference, alternatives)


def _promoter_of(
    plan: Plan, panel: Panel, tissue: Grammar, rng: np.random.Generator
) -> tuple[np.ndarray, dict[int, int]]:
    """Write promoters until one does for the gene's class."""
    causes = [cause for cause in plan.causes if cause.motif is not None]
    for _ in range(_TRIES):
        promoter = write_promoter(tissue, rng)
        changed: list[tuple[int, int]] = []  # index in the promoter, alternative base
        for cause in causes:
            index = ANCHOR + plan.offset(int(panel.positions[cause.site]))
            changed.append((index, _write_motif(promoter, index, tissue.motif(str(cause.motif)).pattern, rng)))
        if _does(plan, tissue.expression(_combinations(promoter, changed))):
            forward = [base if plan.strand == "+" else int(_complement(base)) for _, base in changed]
            return promoter, dict(zip((cause.site for cause in causes), forward, strict=True))
    raise GexvizError(f"no promoter of {plan.gene} did for its class in {_TRIES} tries", remedy="use another seed")


def _write_motif(promoter: np.ndarray, index: int, pattern: str, rng: np.random.Generator) -> int:
    """Write a motif over a variable base, so that one allele fits it and the other doesn't; give the alternative."""
    site = np.frombuffer(pattern.upper().encode(), dtype=np.uint8)
    strict = np.array([letter.isupper() for letter in pattern])
    if rng.random() < 0.5:
        site, strict = reverse_complement(site), strict[::-1]
    place = int(rng.choice(np.flatnonzero(strict)))
    fits = int(site[place])
    breaks = int(rng.choice(BASES[fits != BASES]))
    promoter[index - place : index - place + WIDTH] = site
    promoter[index], alternative = (fits, breaks) if rng.random() < 0.5 else (breaks, fits)
    return alternative


def _complement(base: int) -> int:
    return int(reverse_complement(np.array([base], dtype=np.uint8))[0])


def _combinations(promoter: np.ndarray, changed: Sequence[tuple[int, int]]) -> np.ndarray:
    """The promoter with none, each and all of its changes: (1, WINDOW), (2, WINDOW) or (4, WINDOW)."""
    rows = [promoter]
    for index, base in changed:
        for row in list(rows):
            rows.append(row.copy())
            rows[-1][index] = base
    return np.stack(rows)


def _does(plan: Plan, levels: np.ndarray) -> bool:
    """Whether a promoter does for its gene: not silent, not saturated, with an effect that can be seen."""
    if levels.min() < 2.0 or levels.max() > 7.6:
        return False
    match plan.kind:
        case "promoter" | "reversed":
            return bool(0.9 < abs(levels[1] - levels[0]) < 2.5)
        case "interaction":
            none, first, second, both = levels
            steps = np.abs([first - none, second - none, both - first, both - second])
            beyond = abs(both - first - second + none)
            return bool(beyond > 0.8 and np.sort(steps)[1] < 0.35 * beyond)
    return True


def write_records(panel: Panel, written: Written, plans: Sequence[Plan], rng: np.random.Generator) -> list[Record]:
    """Give every site of the panel its letters: SNVs, and left-aligned short insertions and deletions.

    No two records overlap, and none but SNVs lie at a TSS or inside a written motif.

    Parameters
    ----------
    panel : Panel
    written : Written
    plans : sequence of Plan
    rng : numpy.random.Generator

    Returns
    -------
    list of Record
        One for each site of the panel, in order.
    """
    fixed = [plan.tss for plan in plans] + [int(panel.positions[c.site]) for plan in plans for c in plan.causes]
    distance = np.abs(panel.positions[:, None] - np.array(fixed)[None, :]).min(axis=1)
    gaps = np.diff(panel.positions, prepend=-1_000, append=len(written.reference) + 1_000)
    room = np.minimum(gaps[:-1], gaps[1:])
    free = panel.biallelic & (distance > 60) & (room > 40)
    records = []
    for site, position in enumerate(panel.positions.tolist()):
        record = None
        if free[site] and rng.random() < _INDEL_SHARE / free.mean():
            record = _indel(written.reference, position, rng)
        records.append(record or _snv(written, site, position, int(panel.alleles[site].max()), rng))
    return records


def _snv(written: Written, site: int, position: int, alternatives: int, rng: np.random.Generator) -> Record:
    """Two of three single changes are transitions."""
    ref = int(written.reference[position])
    others = BASES[ref != BASES]
    if site in written.alternatives:
        alts = [written.alternatives[site]]
    else:
        chance = np.where(others == _TRANSITION[ref], 2 / 3, 1 / 6)
        alts = rng.choice(others, size=alternatives, replace=False, p=chance).tolist()
    return Record(position, chr(ref), tuple(chr(alt) for alt in alts))


def _indel(reference: np.ndarray, position: int, rng: np.random.Generator) -> Record | None:
    """An insertion (half of them copy what follows) or a deletion, left-aligned; None if that takes it too far."""
    size = int(rng.choice(np.arange(1, len(_INDEL_LENGTHS) + 1), p=_INDEL_LENGTHS))
    after = reference[position + 1 : position + 1 + size].tobytes().decode()
    deletes = rng.random() < 0.55
    copies = rng.random() < 0.5
    drawn = random_sequence(size, 0.42, rng).tobytes().decode()
    moved = after if deletes or copies else drawn
    anchor = position
    while moved[-1] == chr(reference[anchor]):
        moved = moved[-1] + moved[:-1]
        anchor -= 1
        if position - anchor > 15:
            return None
    base = chr(reference[anchor])
    return Record(anchor, base + moved, (base,)) if deletes else Record(anchor, base, (base + moved,))


class Promoters(NamedTuple):
    """Distinct promoters of a gene and who carries them.

    Attributes
    ----------
    sequences : ndarray, uint8 ASCII (n_distinct, WINDOW)
        In the gene's direction, the TSS base at index ANCHOR.
    carried : ndarray, int (n_copies,)
        Row of `sequences` for each copy of the panel.
    """

    sequences: np.ndarray
    carried: np.ndarray


def personal_promoters(plan: Plan, reference: np.ndarray, panel: Panel, records: Sequence[Record]) -> Promoters:
    """Write each person's two promoters of a gene, from the true alleles.

    Parameters
    ----------
    plan : Plan
    reference : ndarray, uint8 ASCII
    panel : Panel
    records : sequence of Record
        Of the panel's sites; they don't overlap.

    Returns
    -------
    Promoters
    """
    start, end = plan.window
    start, end = start - 500, end + 500  # room for what deletions draw in
    sites = np.flatnonzero((panel.positions >= start + 50) & (panel.positions < end - 50))
    combinations, carried = np.unique(panel.alleles[sites].T, axis=0, return_inverse=True)
    stretch = reference[start:end]
    numbers = sites.tolist()
    rows = [
        _with_alleles(plan, stretch, start, dict(zip(numbers, row, strict=True)), records)
        for row in combinations.tolist()
    ]
    return Promoters(np.stack(rows), carried.ravel())


def _with_alleles(
    plan: Plan, stretch: np.ndarray, start: int, alleles: Mapping[int, int], records: Sequence[Record]
) -> np.ndarray:
    """One copy's promoter: changes are made from the right, so that those to come keep their places."""
    bases = stretch.tobytes()
    tss = plan.tss - start
    for site in sorted(alleles, reverse=True):
        if alleles[site] == 0:
            continue
        record = records[site]
        ref, alt = record.ref, record.alts[alleles[site] - 1]
        at = record.position - start
        bases = bases[:at] + alt.encode() + bases[at + len(ref) :]
        if record.position < plan.tss:
            tss += len(alt) - len(ref)
    written = np.frombuffer(bases, dtype=np.uint8)
    if plan.strand == "-":
        written, tss = reverse_complement(written), len(written) - 1 - tss
    return written[tss - ANCHOR : tss - ANCHOR + WINDOW]
