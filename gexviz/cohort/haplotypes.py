"""Personal haplotypes: the sequences that a cohort's people carry in a window.

The rules are those of ``bcftools consensus`` (Danecek et al. 2021, GigaScience 10:giab008): records are applied in
file order; of two that overlap on a haplotype the first wins, though an indel anchored on the last base of an earlier
record still applies unless that record was an insertion. Symbolic alleles, ``*`` and records whose REF is not the
reference's are skipped. Everything skipped or taken by default is counted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from gexviz.cohort.contigs import resolve_contig
from gexviz.cohort.editing import (
    Edit,
    Stretch,
    absent_copies,
    anchor_at,
    coordinates,
    distinct_columns,
    effective_alleles,
    oriented,
    shortfall,
)
from gexviz.cohort.genotypes import GenotypeBlock, Genotypes
from gexviz.cohort.reference import Reference
from gexviz.cohort.windows import Window
from gexviz.errors import GexvizError

MAX_LENGTH = 1_048_576
FIRST_PAD = 1_000
_N = ord("N")


@dataclass(frozen=True)
class Haplotypes:
    """Distinct haplotype sequences of a window, and who carries which.

    Attributes
    ----------
    window : Window
    samples : tuple of str
    sequences : ndarray, uint8 (n_distinct, length)
        ASCII, read in the window's direction; the TSS base is at ``window.anchor`` in every row.
    index : DataFrame, int (sample, copy)
        Row of `sequences` for each sample (index) and copy (columns 1, 2); -1 where there is no such copy (haploid).
    counts : dict
        ``records``; ``applied`` (records on at least one haplotype); ``symbolic``, ``star``, ``reference_mismatch``
        (records or alleles skipped); ``overlapping`` (chromosomes times records skipped); ``missing`` (allele calls);
        ``unphased`` (heterozygous calls); ``tss_deleted`` (chromosomes); ``padded`` (chromosomes filled up with N at a
        contig's end); ``not_snv`` (alleles left out as the model reads SNVs alone).
    """

    window: Window
    samples: tuple[str, ...]
    sequences: np.ndarray
    index: pd.DataFrame
    counts: dict[str, int]
    _region: tuple[int, int]
    _edits: tuple[tuple[Edit, ...], ...]

    @property
    def copies(self) -> np.ndarray:
        """Number of chromosomes that carry each distinct sequence, (n_distinct,)."""
        index = self.index.to_numpy().ravel()
        return np.bincount(index[index >= 0], minlength=len(self.sequences))

    def positions(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        """Reference coordinates of a distinct sequence's bases.

        Where two ways of writing variants give one sequence, these are the coordinates of the first.

        Parameters
        ----------
        row : int
            Row of :attr:`sequences`.

        Returns
        -------
        positions : ndarray, int64 (length,)
            0-based; an inserted base has the coordinate of the reference base before it; -1 off the contig.
        inserted : ndarray, bool (length,)
        """
        return coordinates(self._edits[row], self._region, self.window)

    def sequence(self, sample: str, copy: Literal[1, 2]) -> str:
        """One person's haplotype, in the window's direction; KeyError if there is no such copy."""
        row = int(self.index[copy][sample])
        if row < 0:
            raise KeyError(f"this person has no copy {copy} of {self.window.contig}")
        return self.sequences[row].tobytes().decode("ascii")


def reference_sequence(reference: Reference, window: Window) -> np.ndarray:
    """The reference's own sequence of a window, uint8 (length,), read in its direction; N off the contig."""
    contig, length = contig_of(reference, window)
    inside = reference.fetch(contig, max(window.start, 0), min(window.end, length))
    full = np.full(window.length, _N, dtype=np.uint8)
    full[max(-window.start, 0) : max(-window.start, 0) + len(inside)] = inside
    return oriented(full, window)


def build_haplotypes(
    genotypes: Genotypes,
    reference: Reference,
    window: Window,
    samples: Sequence[str] | None = None,
    *,
    missing: Literal["reference", "N"] = "reference",
    unphased: Literal["as_written", "reference"] = "as_written",
    only_snvs: bool = False,
) -> Haplotypes:
    """Make the distinct haplotype sequences of a window, for all samples at once.

    Every sequence has the window's length. Indels move the window's ends, not its anchor: the TSS base stays at
    ``window.anchor``, and what a deletion takes away is filled up from further along the same haplotype. If the TSS
    base itself is deleted, the base before it on the reference takes its place.

    Parameters
    ----------
    genotypes : Genotypes
    reference : Reference
    window : Window
        At most 1 Mb, not wholly off its contig.
    samples : sequence of str, optional
        All of the genotypes' if not given.
    missing : {"reference", "N"}
        What a missing allele call becomes.
    unphased : {"as_written", "reference"}
        How an unphased heterozygote goes into the two copies: in the order written, or left out.
    only_snvs : bool
        Leave out alleles that are not one base for another.

    Returns
    -------
    Haplotypes

    Raises
    ------
    GexvizError
        If the window is longer than 1 Mb or its contig is not in the reference.
    """
    if not 0 < window.length <= MAX_LENGTH:
        raise GexvizError(f"a window of {window.length:,} bp", expected=f"1 to {MAX_LENGTH:,} bp")
    contig, contig_length = contig_of(reference, window)
    wanted = genotypes.samples if samples is None else tuple(samples)
    pad = FIRST_PAD
    while True:
        start, end = max(window.start - pad, 0), min(window.end + pad, contig_length)
        block, start, end = read_whole_overlaps(genotypes, contig, start, end, wanted)
        end = min(end, contig_length)
        chosen = block.snvs() if only_snvs else block
        built = _build(chosen, reference.fetch(contig, start, end), start, window, missing, unphased)
        if only_snvs:
            built.counts["not_snv"] = sum(map(len, block.records["alts"])) - sum(map(len, chosen.records["alts"]))
        short_left, short_right = shortfall(built.edits, start, end, window)
        if (short_left == 0 or start == 0) and (short_right == 0 or end == contig_length):
            return _distinct(built, window, wanted, (start, end))
        pad = 2 * pad + max(short_left, short_right)


def contig_of(reference: Reference, window: Window) -> tuple[str, int]:
    """Name in the reference, and length, of a window's contig; GexvizError if it isn't there."""
    contig = resolve_contig(window.contig, reference.contigs)
    if contig is None:
        raise GexvizError(
            f"contig {window.contig} is not in the reference",
            file=reference.path,
            expected="one of " + ", ".join(list(reference.contigs)[:8]),
            remedy="use a reference that holds this contig",
        )
    return contig, reference.contigs[contig]


def read_whole_overlaps(
    genotypes: Genotypes, contig: str, start: int, end: int, samples: tuple[str, ...]
) -> tuple[GenotypeBlock, int, int]:
    """Read a region, widened until no record that counts straddles its ends: an overlap needs its first record."""
    while True:
        block = genotypes.read(contig, start, end, samples)
        plain = np.array([any(flags) for flags in block.usable()], dtype=bool)
        position = block.records["position"].to_numpy()[plain]
        stop = position + block.records["ref"].str.len().to_numpy()[plain] if len(position) else position
        first, last = int(position.min(initial=start)), int(stop.max(initial=end))
        if first >= start and last <= end:
            return block, start, end
        start, end = first, last


class _Built(NamedTuple):
    sequences: list[np.ndarray]  # of each distinct genotype column, in window direction
    edits: list[tuple[Edit, ...]]
    columns: np.ndarray  # distinct column of each (sample, copy), -1 if none
    counts: dict[str, int]


def _build(
    block: GenotypeBlock, reference: np.ndarray, start: int, window: Window, missing: str, unphased: str
) -> _Built:
    """Apply every distinct combination of alleles to the reference."""
    alleles, counts = effective_alleles(block, reference, start, missing, unphased)
    columns, index = distinct_columns(alleles, absent_copies(block.alleles))
    chromosomes = np.bincount(index[index >= 0], minlength=len(columns))
    made = Stretch(block, reference, start, window).apply(columns)
    overlapping = sum(len(s) * int(c) for s, c in zip(made.skipped, chromosomes, strict=True))
    tss_deleted = sum(
        int(c) for e, c in zip(made.edits, chromosomes, strict=True) if anchor_at(e, start, window.tss)[1]
    )
    counts |= {"overlapping": overlapping, "tss_deleted": tss_deleted}
    return _Built(made.sequences, made.edits, index, counts)


def _distinct(built: _Built, window: Window, samples: tuple[str, ...], region: tuple[int, int]) -> Haplotypes:
    """Merge genotype columns that give the same sequence."""
    seen: dict[bytes, int] = {}
    to_row = np.array(
        [seen.setdefault(hashlib.blake2b(s.tobytes(), digest_size=16).digest(), len(seen)) for s in built.sequences]
    )
    _, first = np.unique(to_row, return_index=True)
    index = np.where(built.columns < 0, -1, to_row[built.columns])
    carried = np.unique(index[index >= 0])
    renumber = np.full(len(first) + 1, -1)
    renumber[carried] = np.arange(len(carried))
    sequences = np.stack([built.sequences[first[i]] for i in carried])
    lengths = region[1] - region[0]
    padded = [shortfall([built.edits[first[i]]], region[0], region[0] + lengths, window) != (0, 0) for i in carried]
    frame = pd.DataFrame(renumber[index], index=pd.Index(samples, name="sample"), columns=pd.Index([1, 2], name="copy"))
    copies = np.bincount(frame.to_numpy()[frame.to_numpy() >= 0], minlength=len(carried))
    counts = built.counts | {"padded": int(copies[np.array(padded, dtype=bool)].sum())}
    return Haplotypes(window, samples, sequences, frame, counts, region, tuple(built.edits[first[i]] for i in carried))
