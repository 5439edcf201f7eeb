"""Personal haplotypes: the sequences that a cohort's people carry in a window.

The rules are those of ``bcftools consensus`` (Danecek et al. 2021, GigaScience 10:giab008): records are applied in file
order; of two that overlap on a haplotype the first wins, though an indel anchored on the last base of an earlier record
still applies unless that record was an insertion. Symbolic alleles, ``*`` and records whose REF is not the reference's
are
skipped. Everything skipped or taken by default is counted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from gexviz.cohort.contigs import resolve_contig
from gexviz.cohort.genotypes import MISSING, NO_COPY, GenotypeBlock, Genotypes
from gexviz.cohort.reference import Reference
from gexviz.cohort.windows import Window
from gexviz.errors import GexvizError

MAX_LENGTH = 1_048_576
_FIRST_PAD = 1_000
_N = ord("N")
_COMPLEMENT = np.arange(256, dtype=np.uint8)
_COMPLEMENT[np.frombuffer(b"ACGTRYKMBDHV", np.uint8)] = np.frombuffer(b"TGCAYRMKVHDB", np.uint8)


class Edit(NamedTuple):
    """A replacement of reference bases ``start:end`` (0-based half-open) by `bases`."""

    start: int
    end: int
    bases: bytes


class _Allele(NamedTuple):
    edit: Edit
    anchored: bool  # an indel whose first base is the reference's: may share that base with an earlier record
    inserts: bool


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
        (records
        or alleles skipped); ``overlapping`` (chromosomes times records skipped); ``missing`` (allele calls);
        ``unphased``
        (heterozygous calls); ``tss_deleted`` (chromosomes); ``padded`` (chromosomes filled up with N at a contig's
        end).
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
        start, end = self._region
        reference = np.arange(start, end, dtype=np.int64)
        positions, inserted = [], []
        at = start
        for edit in self._edits[row]:
            aligned = min(len(edit.bases), edit.end - edit.start)
            extra = len(edit.bases) - aligned
            positions += [
                reference[at - start : edit.start + aligned - start],
                np.full(extra, edit.start + aligned - 1),
            ]
            inserted += [np.zeros(edit.start + aligned - at, bool), np.ones(extra, bool)]
            at = edit.end
        positions.append(reference[at - start :])
        inserted.append(np.zeros(end - at, bool))
        coordinates = np.concatenate(positions)
        return (
            _cut(coordinates, self._edits[row], start, self.window, -1),
            _cut(np.concatenate(inserted), self._edits[row], start, self.window, False),
        )

    def sequence(self, sample: str, copy: Literal[1, 2]) -> str:
        """One person's haplotype, in the window's direction; KeyError if there is no such copy."""
        row = int(self.index[copy][sample])
        if row < 0:
            raise KeyError(f"this person has no copy {copy} of {self.window.contig}")
        return self.sequences[row].tobytes().decode("ascii")


def reference_sequence(reference: Reference, window: Window) -> np.ndarray:
    """The reference's own sequence of a window, uint8 (length,), read in its direction; N off the contig."""
    contig, length = _contig(reference, window)
    inside = reference.fetch(contig, max(window.start, 0), min(window.end, length))
    full = np.full(window.length, _N, dtype=np.uint8)
    full[max(-window.start, 0) : max(-window.start, 0) + len(inside)] = inside
    return _oriented(full, window)


def build_haplotypes(
    genotypes: Genotypes,
    reference: Reference,
    window: Window,
    samples: Sequence[str] | None = None,
    *,
    missing: Literal["reference", "N"] = "reference",
    unphased: Literal["as_written", "reference"] = "as_written",
) -> Haplotypes:
    """Make the distinct haplotype sequences of a window, for all samples at once.

    Every sequence has the window's length. Indels move the window's ends, not its anchor: the TSS base stays at
    ``window.anchor``, and what a deletion takes away is filled up from further along the same haplotype. If the TSS
    base
    itself is deleted, the base before it on the reference takes its place.

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
    contig, contig_length = _contig(reference, window)
    wanted = genotypes.samples if samples is None else tuple(samples)
    pad = _FIRST_PAD
    while True:
        start, end = max(window.start - pad, 0), min(window.end + pad, contig_length)
        block, start, end = _read_whole_overlaps(genotypes, contig, start, end, wanted)
        end = min(end, contig_length)
        built = _build(block, reference.fetch(contig, start, end), start, window, missing, unphased)
        short_left, short_right = _shortfall(built.edits, start, end, window)
        if (short_left == 0 or start == 0) and (short_right == 0 or end == contig_length):
            return _distinct(built, window, wanted, (start, end))
        pad = 2 * pad + max(short_left, short_right)


def _contig(reference: Reference, window: Window) -> tuple[str, int]:
    contig = resolve_contig(window.contig, reference.contigs)
    if contig is None:
        raise GexvizError(
            f"contig {window.contig} is not in the reference",
            file=reference.path,
            expected="one of " + ", ".join(list(reference.contigs)[:8]),
            remedy="use a reference that holds this contig",
        )
    return contig, reference.contigs[contig]


def _read_whole_overlaps(
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
    alleles, counts = _effective_alleles(block, reference, start, missing, unphased)
    n_records, n_samples, _ = alleles.shape
    absent = _absent(block.alleles)
    columns = alleles.reshape(n_records, 2 * n_samples)
    seen: dict[bytes, int] = {}
    inverse = np.array([seen.setdefault(c.tobytes(), len(seen)) for c in columns.T], dtype=np.intp)
    distinct = np.frombuffer(b"".join(seen), np.int8).reshape(len(seen), n_records)
    chromosomes = np.bincount(inverse[~absent.ravel()], minlength=len(distinct))
    simple = _stand_alone_snvs(block, len(reference), start)
    bases = _base_table(block, simple, reference, start)
    base_rows = np.repeat(reference[None, :], len(distinct), axis=0)
    at = block.records["position"].to_numpy()[simple] - start
    base_rows[:, at] = bases[np.arange(len(at))[None, :], distinct[:, simple]]
    records = block.records[~simple]
    written = zip(records["position"], records["ref"], records["alts"], strict=True)
    others = [(int(r), _edits_of(*record)) for r, record in zip(np.flatnonzero(~simple), written, strict=True)]
    edits, overlapping = [], 0
    for column, carriers in zip(distinct, chromosomes, strict=True):
        applied, skipped = _apply_in_order(column, others, start)
        edits.append(applied)
        overlapping += skipped * int(carriers)
    sequences = [
        _oriented(_cut(_edited(row, e, start), e, start, window, _N), window, reverse=True)
        for row, e in zip(base_rows, edits, strict=True)
    ]
    tss_deleted = sum(int(c) for e, c in zip(edits, chromosomes, strict=True) if _anchor_at(e, start, window.tss)[1])
    counts |= {"overlapping": overlapping, "tss_deleted": tss_deleted}
    return _Built(sequences, edits, np.where(absent.ravel(), -1, inverse).reshape(n_samples, 2), counts)


def _absent(alleles: np.ndarray) -> np.ndarray:
    """Copies that people lack, bool (n_samples, 2): in no record, while another record calls their other copy.

    A lone ``.`` tells no ploidy; many callers write it for ``./.``, so it is a missing call of both.
    """
    called: np.ndarray = np.any(alleles >= 0, axis=0)
    return np.all(alleles == NO_COPY, axis=0) & called[:, ::-1]


def _effective_alleles(
    block: GenotypeBlock, reference: np.ndarray, start: int, missing: str, unphased: str
) -> tuple[np.ndarray, dict[str, int]]:
    """Alleles as they go into haplotypes: 0 REF, k ALT, -1 for N; and what was counted on the way."""
    alleles = block.alleles.copy()
    alone = (alleles[:, :, 0] == MISSING) & (alleles[:, :, 1] == NO_COPY) & ~_absent(alleles)[:, 1]
    alleles[:, :, 1][alone] = MISSING
    counts = {"records": len(block.records), "symbolic": 0, "star": 0, "reference_mismatch": 0}
    sequence = reference.tobytes()
    for r, (flags, ref, position, alts) in enumerate(
        zip(block.usable(), block.records["ref"], block.records["position"], block.records["alts"], strict=True)
    ):
        if any(flags) and sequence[position - start : position - start + len(ref)] != ref.encode("ascii"):
            counts["reference_mismatch"] += 1
            alleles[r][alleles[r] > 0] = 0
            continue
        for k, plain in enumerate(flags, start=1):
            if not plain:
                counts["star" if alts[k - 1] == "*" else "symbolic"] += 1
                alleles[r][alleles[r] == k] = 0
    heterozygous = ~block.phased & (alleles[:, :, 0] != alleles[:, :, 1]) & (alleles >= 0).all(axis=2)
    counts["unphased"] = int(heterozygous.sum())
    counts["missing"] = int((alleles == MISSING).sum())
    counts["applied"] = int((alleles > 0).any(axis=(1, 2)).sum())
    if unphased == "reference":
        alleles[heterozygous] = 0
    if missing == "reference":
        alleles[alleles == MISSING] = 0
    alleles[alleles == NO_COPY] = 0
    return alleles, counts


def _stand_alone_snvs(block: GenotypeBlock, length: int, start: int) -> np.ndarray:
    """Which records are SNVs only and touch no other: never skipped, so all go in at once. bool (n_records,)."""
    records = block.records
    position = records["position"].to_numpy()
    size = records["ref"].str.len().to_numpy(dtype=np.int64) if len(records) else np.zeros(0, np.int64)
    ends = position + size
    before = np.concatenate([[start], np.maximum.accumulate(ends)[:-1]]) if len(ends) else ends
    after = np.concatenate([position[1:], [start + length + 1]]) if len(ends) else ends
    snv = np.array([all(len(a) == 1 for a in alts) for alts in records["alts"]], dtype=bool)
    inside = (position >= start) & (ends <= start + length)
    return snv & (size == 1) & (position >= before) & (ends <= after) & inside


def _base_table(block: GenotypeBlock, simple: np.ndarray, reference: np.ndarray, start: int) -> np.ndarray:
    """Base of each allele of the stand-alone SNVs, uint8 (n, most alleles + 1); the last column (-1) is N."""
    chosen = block.records[simple]
    widest = max((len(alts) for alts in chosen["alts"]), default=0)
    table = np.full((len(chosen), widest + 2), _N, dtype=np.uint8)
    table[:, 0] = reference[chosen["position"].to_numpy() - start]
    for row, alts in enumerate(chosen["alts"]):
        table[row, 1 : 1 + len(alts)] = np.frombuffer("".join(alts).encode("ascii"), np.uint8)
    return table


def _edits_of(position: int, ref: str, alts: tuple[str, ...]) -> dict[int, _Allele]:
    """What each allele of a record does: allele number -> edit; -1 is a missing call to be written as N."""
    out = {k: _allele(int(position), ref, alt) for k, alt in enumerate(alts, start=1)}
    out[MISSING] = _Allele(
        Edit(int(position), int(position) + len(ref), b"N" * len(ref)), anchored=False, inserts=False
    )
    return out


def _allele(position: int, ref: str, alt: str) -> _Allele:
    """Trim what REF and ALT share: the first base, then the end, then the rest of the start."""
    head = int(ref[0] == alt[0])
    r, a = ref[head:], alt[head:]
    while r and a and r[-1] == a[-1]:
        r, a = r[:-1], a[:-1]
    more = 0
    while more < min(len(r), len(a)) and r[more] == a[more]:
        more += 1
    begin = position + head + more
    edit = Edit(begin, begin + len(r) - more, a[more:].encode("ascii"))
    anchored = bool(head) and len(ref) != len(alt) and not (len(r) - more and len(a) - more)
    return _Allele(edit, anchored, len(alt) > len(ref))


def _apply_in_order(
    column: np.ndarray, others: list[tuple[int, dict[int, _Allele]]], start: int
) -> tuple[tuple[Edit, ...], int]:
    """Apply the records that may collide, the first winning. Gives the edits and how many were skipped."""
    applied: list[Edit] = []
    frozen, after_insertion, skipped = start - 1, False, 0
    for r, alleles in others:
        number = int(column[r])
        if number == 0:
            continue
        allele = alleles[number]
        first, last = alleles[MISSING].edit.start, alleles[MISSING].edit.end - 1
        if first <= frozen and (first < frozen or not allele.anchored or after_insertion):
            skipped += 1
            continue
        applied.append(allele.edit)
        frozen, after_insertion = last, allele.inserts
    return tuple(applied), skipped


def _edited(row: np.ndarray, edits: tuple[Edit, ...], start: int) -> np.ndarray:
    """Replace pieces of a sequence that begins at reference coordinate `start`."""
    if not edits:
        return row
    pieces, at = [], start
    for edit in edits:
        pieces += [row[at - start : edit.start - start], np.frombuffer(edit.bases, np.uint8)]
        at = edit.end
    pieces.append(row[at - start :])
    return np.concatenate(pieces)


def _anchor_at(edits: tuple[Edit, ...], start: int, tss: int) -> tuple[int, bool]:
    """Index of the TSS base in an edited sequence, and whether the base itself is deleted."""
    index = tss - start
    for edit in edits:
        if edit.start > tss:
            break
        if edit.end <= tss:
            index += len(edit.bases) - (edit.end - edit.start)
        elif tss - edit.start >= len(edit.bases):
            return index - (tss - edit.start) + len(edit.bases) - 1, True
    return index, False


def _cut(whole: np.ndarray, edits: tuple[Edit, ...], start: int, window: Window, fill: int) -> np.ndarray:
    """Cut the window out of an edited array, forward strand kept for '+', reversed for '-'; `fill` beyond its ends."""
    anchor, _ = _anchor_at(edits, start, window.tss)
    begin = anchor - (window.anchor if window.strand == "+" else window.length - 1 - window.anchor)
    stop = begin + window.length
    piece = whole[max(begin, 0) : max(stop, 0)]
    if len(piece) < window.length:
        piece = np.pad(piece, (max(-begin, 0), window.length - len(piece) - max(-begin, 0)), constant_values=fill)
    return piece if window.strand == "+" else piece[::-1]


def _oriented(sequence: np.ndarray, window: Window, *, reverse: bool = False) -> np.ndarray:
    """Reverse-complement for the minus strand; with `reverse`, the sequence is reversed already."""
    if window.strand == "+":
        return sequence
    return _COMPLEMENT[sequence if reverse else sequence[::-1]]


def _shortfall(edits: list[tuple[Edit, ...]], start: int, end: int, window: Window) -> tuple[int, int]:
    """How many bases the shortest haplotype lacks before and after the window."""
    left = window.anchor if window.strand == "+" else window.length - 1 - window.anchor
    lacks_left = lacks_right = 0
    for applied in set(edits):
        anchor, _ = _anchor_at(applied, start, window.tss)
        length = end - start + sum(len(e.bases) - (e.end - e.start) for e in applied)
        lacks_left = max(lacks_left, left - anchor)
        lacks_right = max(lacks_right, anchor - left + window.length - length)
    return lacks_left, lacks_right


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
    padded = [_shortfall([built.edits[first[i]]], region[0], region[0] + lengths, window) != (0, 0) for i in carried]
    frame = pd.DataFrame(renumber[index], index=pd.Index(samples, name="sample"), columns=pd.Index([1, 2], name="copy"))
    copies = np.bincount(frame.to_numpy()[frame.to_numpy() >= 0], minlength=len(carried))
    counts = built.counts | {"padded": int(copies[np.array(padded, dtype=bool)].sum())}
    return Haplotypes(window, samples, sequences, frame, counts, region, tuple(built.edits[first[i]] for i in carried))
