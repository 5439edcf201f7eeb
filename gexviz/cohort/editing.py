"""Putting alleles on a stretch of the reference, by the rules of ``bcftools consensus``.

Records go on in file order; of two that overlap on a haplotype the first wins, though an indel anchored on the last
base of an earlier record still applies unless that record was an insertion.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gexviz.cohort.genotypes import MISSING, NO_COPY, GenotypeBlock
from gexviz.cohort.windows import Window

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


class Applied(NamedTuple):
    """Sequences with alleles on them, one for each column of alleles.

    Attributes
    ----------
    sequences : list of ndarray, uint8 (length,)
        Of the window, read in its direction.
    edits : list of tuple of Edit
        Every allele that is not a stand-alone SNV, in order.
    skipped : list of tuple of int
        Rows of the records whose alleles were left out because an earlier one overlaps them.
    """

    sequences: list[np.ndarray]
    edits: list[tuple[Edit, ...]]
    skipped: list[tuple[int, ...]]


class Stretch:
    """A stretch of the reference and the records on it, ready to have alleles put on.

    Parameters
    ----------
    block : GenotypeBlock
        No record that counts straddles the ends of the stretch.
    reference : ndarray, uint8 (n,)
        Forward strand.
    start : int
        0-based coordinate of its first base.
    window : Window
        What is cut out of it.

    Attributes
    ----------
    alone : ndarray, bool (n_records,)
        Records that are SNVs only and touch no other: they change one base, whatever else a haplotype carries.
    """

    def __init__(self, block: GenotypeBlock, reference: np.ndarray, start: int, window: Window) -> None:
        self.reference, self.start, self.window = reference, start, window
        self.alone = _stand_alone_snvs(block, len(reference), start)
        self._bases = _base_table(block, self.alone, reference, start)
        self._at = block.records["position"].to_numpy()[self.alone] - start
        records = block.records[~self.alone]
        written = zip(records["position"], records["ref"], records["alts"], strict=True)
        self._others = [
            (int(r), edits_of(*record)) for r, record in zip(np.flatnonzero(~self.alone), written, strict=True)
        ]

    @property
    def end(self) -> int:
        """0-based coordinate after its last base."""
        return self.start + len(self.reference)

    def apply(self, columns: np.ndarray) -> Applied:
        """Put alleles on the reference and cut the window out, the TSS base at its anchor.

        Parameters
        ----------
        columns : ndarray, int8 (n, n_records)
            0 = REF, k = the k-th ALT, -1 = N.
        """
        rows = np.repeat(self.reference[None, :], len(columns), axis=0)
        rows[:, self._at] = self._bases[np.arange(len(self._at))[None, :], columns[:, self.alone]]
        sequences, edits, skipped = [], [], []
        for row, column in zip(rows, columns, strict=True):
            applied, left_out = _apply_in_order(column, self._others, self.start)
            whole = _edited(row, applied, self.start)
            sequences.append(oriented(cut(whole, applied, self.start, self.window, _N), self.window, reverse=True))
            edits.append(applied)
            skipped.append(left_out)
        return Applied(sequences, edits, skipped)


def distinct_columns(alleles: np.ndarray, absent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Merge the copies that carry the same alleles.

    Parameters
    ----------
    alleles : ndarray, int8 (n_records, n_samples, 2)
        From :func:`effective_alleles`.
    absent : ndarray, bool (n_samples, 2)
        From :func:`absent_copies`.

    Returns
    -------
    columns : ndarray, int8 (n_distinct, n_records)
    index : ndarray, intp (n_samples, 2)
        Row of `columns` for each copy, -1 where there is none.
    """
    n_records, n_samples, _ = alleles.shape
    seen: dict[bytes, int] = {}
    every = alleles.reshape(n_records, 2 * n_samples)
    index = np.array([seen.setdefault(c.tobytes(), len(seen)) for c in every.T], dtype=np.intp).reshape(n_samples, 2)
    columns = np.frombuffer(b"".join(seen), np.int8).reshape(len(seen), n_records)
    return columns, np.where(absent, -1, index)


def absent_copies(alleles: np.ndarray) -> np.ndarray:
    """Copies that people lack, bool (n_samples, 2): in no record, while another record calls their other copy.

    A lone ``.`` tells no ploidy; many callers write it for ``./.``, so it is a missing call of both.
    """
    called: np.ndarray = np.any(alleles >= 0, axis=0)
    return np.all(alleles == NO_COPY, axis=0) & called[:, ::-1]


def effective_alleles(
    block: GenotypeBlock, reference: np.ndarray, start: int, missing: str, unphased: str
) -> tuple[np.ndarray, dict[str, int]]:
    """Alleles as they go into haplotypes: 0 REF, k ALT, -1 for N; and what was counted on the way."""
    alleles = block.alleles.copy()
    alone = (alleles[:, :, 0] == MISSING) & (alleles[:, :, 1] == NO_COPY) & ~absent_copies(alleles)[:, 1]
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


def edits_of(position: int, ref: str, alts: tuple[str, ...]) -> dict[int, _Allele]:
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
) -> tuple[tuple[Edit, ...], tuple[int, ...]]:
    """Apply the records that may collide, the first winning. Gives the edits and the records that were skipped."""
    applied: list[Edit] = []
    skipped: list[int] = []
    frozen, after_insertion = start - 1, False
    for r, alleles in others:
        number = int(column[r])
        if number == 0:
            continue
        allele = alleles[number]
        first, last = alleles[MISSING].edit.start, alleles[MISSING].edit.end - 1
        if first <= frozen and (first < frozen or not allele.anchored or after_insertion):
            skipped.append(r)
            continue
        applied.append(allele.edit)
        frozen, after_insertion = last, allele.inserts
    return tuple(applied), tuple(skipped)


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


def anchor_at(edits: tuple[Edit, ...], start: int, tss: int) -> tuple[int, bool]:
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


def cut(whole: np.ndarray, edits: tuple[Edit, ...], start: int, window: Window, fill: int) -> np.ndarray:
    """Cut the window out of an edited array, forward strand kept for '+', reversed for '-'; `fill` beyond its ends."""
    anchor, _ = anchor_at(edits, start, window.tss)
    begin = anchor - (window.anchor if window.strand == "+" else window.length - 1 - window.anchor)
    stop = begin + window.length
    piece = whole[max(begin, 0) : max(stop, 0)]
    if len(piece) < window.length:
        piece = np.pad(piece, (max(-begin, 0), window.length - len(piece) - max(-begin, 0)), constant_values=fill)
    return piece if window.strand == "+" else piece[::-1]


def coordinates(
    edits: tuple[Edit, ...], region: tuple[int, int], window: Window
) -> tuple[np.ndarray, np.ndarray]:
    """Reference coordinates of the bases of an edited sequence, in the window's direction.

    Parameters
    ----------
    edits : tuple of Edit
        That were applied.
    region : tuple of int
        The stretch of the reference they were applied to, 0-based half-open.
    window : Window

    Returns
    -------
    positions : ndarray, int64 (length,)
        0-based; an inserted base has the coordinate of the reference base before it; -1 off the contig.
    inserted : ndarray, bool (length,)
    """
    start, end = region
    reference = np.arange(start, end, dtype=np.int64)
    positions, inserted = [], []
    at = start
    for edit in edits:
        aligned = min(len(edit.bases), edit.end - edit.start)
        extra = len(edit.bases) - aligned
        positions += [reference[at - start : edit.start + aligned - start], np.full(extra, edit.start + aligned - 1)]
        inserted += [np.zeros(edit.start + aligned - at, bool), np.ones(extra, bool)]
        at = edit.end
    positions.append(reference[at - start :])
    inserted.append(np.zeros(end - at, bool))
    return (
        cut(np.concatenate(positions), edits, start, window, -1),
        cut(np.concatenate(inserted), edits, start, window, False),
    )


def oriented(sequence: np.ndarray, window: Window, *, reverse: bool = False) -> np.ndarray:
    """Reverse-complement for the minus strand; with `reverse`, the sequence is reversed already."""
    if window.strand == "+":
        return sequence
    return _COMPLEMENT[sequence if reverse else sequence[::-1]]


def shortfall(edits: list[tuple[Edit, ...]], start: int, end: int, window: Window) -> tuple[int, int]:
    """How many bases the shortest haplotype lacks before and after the window."""
    left = window.anchor if window.strand == "+" else window.length - 1 - window.anchor
    lacks_left = lacks_right = 0
    for applied in set(edits):
        anchor, _ = anchor_at(applied, start, window.tss)
        length = end - start + sum(len(e.bases) - (e.end - e.start) for e in applied)
        lacks_left = max(lacks_left, left - anchor)
        lacks_right = max(lacks_right, anchor - left + window.length - length)
    return lacks_left, lacks_right
