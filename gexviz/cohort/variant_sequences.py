"""Sequences of a window with chosen alleles on them: a variant set and unset on the reference and on haplotypes.

The rules are those of :func:`gexviz.cohort.haplotypes.build_haplotypes`, by the same code: indels leave the TSS where
it is and the ends are filled up from further along; of two alleles that overlap the first wins. A variant is compared
with its absence on one background, all other alleles unchanged. Where a background has another allele that overlaps the
variant, so that setting one changes whether the other applies, there is no such comparison; those are counted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from gexviz.cohort.background import Background
from gexviz.cohort.editing import (
    Edit,
    Stretch,
    absent_copies,
    anchor_at,
    coordinates,
    distinct_columns,
    edits_of,
    effective_alleles,
    oriented,
)
from gexviz.cohort.genotypes import GenotypeBlock, Genotypes
from gexviz.cohort.haplotypes import FIRST_PAD, MAX_LENGTH, contig_of, read_whole_overlaps, reference_sequence
from gexviz.cohort.reference import Reference
from gexviz.cohort.windows import Window
from gexviz.errors import GexvizError

_PLAIN = np.isin(np.arange(256), np.frombuffer(b"ACGT", np.uint8))
_CHUNK_BYTES = 64 * 1024**2


class Carried(NamedTuple):
    """A sequence that variants are set and unset on: the reference's, or a distinct haplotype's.

    Attributes
    ----------
    sequence : ndarray, uint8 (length,)
        ASCII, in the window's direction.
    copies : ndarray, int (n_columns,)
        Chromosomes with each of the combinations of alleles that give this sequence; 0 for the reference.
    columns : ndarray, int8 (n_columns, n_records)
        These combinations. They differ only in what does not reach the window.
    at : ndarray, intp (n_substitutions,)
        Where each substitution of :attr:`VariantSequences.substitutions` is in this sequence; -1 where an indel has
        moved it out.
    """

    sequence: np.ndarray
    copies: np.ndarray
    columns: np.ndarray
    at: np.ndarray


class Swaps(NamedTuple):
    """A variant on distinct backgrounds, as whole sequences.

    Attributes
    ----------
    without, with_alt : ndarray, uint8 (n, length)
        Each background without and with the ALT allele.
    copies : ndarray, int (n,)
        Chromosomes with that background, whichever of the two they carry.
    left_out : int
        Chromosomes where another allele is in the way.
    """

    without: np.ndarray
    with_alt: np.ndarray
    copies: np.ndarray
    left_out: int


class Combined(NamedTuple):
    """Sequences with several variants set.

    Attributes
    ----------
    sequences : ndarray, uint8 (n, length)
        Those of impossible sets are the background's.
    reasons : tuple of str
        Why a set can't be on one haplotype; empty where it can.
    """

    sequences: np.ndarray
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class VariantSequences:
    """The variants of a window and the sequences they are set on.

    Attributes
    ----------
    window : Window
    samples : tuple of str
    variants : DataFrame
        Plain ALT alleles of the records that overlap the window on the reference. Index ``variant``
        (contig:pos:ref:alt, 1-based); ``position`` (0-based), ``ref``, ``alt``, ``kind`` (SNV, MNV, insertion,
        deletion), ``status`` (``ok`` or ``skipped``), ``reason``.
    reference : Carried
        The reference's own sequence.
    carried : tuple of Carried
        What people carry, the most common first.
    dosages : ndarray, int8 (n_variants, n_samples)
        ALT copies that are on people's haplotypes: a missing call has none (or is N), an allele that another one
        overlaps is not there.
    alt_calls, calls : ndarray, int8 (n_variants, n_samples)
        Copies that were called ALT, and copies that were called at all.
    copies : ndarray, int8 (n_samples,)
        Chromosome copies of each person; 1 if haploid.
    substitutions : ndarray, intp (n_substitutions,)
        Rows of `variants` that are one base for another and touch no other record.
    substitution_bases : ndarray, uint8 (n_substitutions, 2)
        REF and ALT base of each, in the window's direction.
    counts : dict
        ``records``, ``symbolic``, ``star``, ``reference_mismatch`` (skipped, in the window and its flanks);
        ``duplicates`` (records that repeat an allele of an earlier one: not variants of their own).
    """

    window: Window
    samples: tuple[str, ...]
    variants: pd.DataFrame
    reference: Carried
    carried: tuple[Carried, ...]
    dosages: np.ndarray
    alt_calls: np.ndarray
    calls: np.ndarray
    copies: np.ndarray
    substitutions: np.ndarray
    substitution_bases: np.ndarray
    counts: dict[str, int]
    _stretch: Stretch
    _columns: np.ndarray
    _index: np.ndarray
    _records: np.ndarray
    _alleles: np.ndarray

    def row(self, variant: str) -> int:
        """Row of a variant.

        Raises
        ------
        GexvizError
            For a variant that is not in the window, or can't be put on a sequence.
        """
        if variant not in self.variants.index:
            raise GexvizError(
                f"variant {variant} is not among the {len(self.variants):,} of {self.window}",
                expected="contig:position:ref:alt, 1-based, as in the variants table",
                remedy="choose one of the gene's variants",
            )
        row = int(np.flatnonzero(self.variants.index == variant)[0])
        if self.variants["status"].iat[row] != "ok":
            raise GexvizError(f"variant {variant} can't be put on a sequence: {self.variants['reason'].iat[row]}")
        return row

    def swaps(self, variant: int, carried: Sequence[Carried]) -> Swaps:
        """Set and unset any variant on some of the sequences.

        Parameters
        ----------
        variant : int
            Row of `variants` with status ``ok``.
        carried : sequence of Carried

        Returns
        -------
        Swaps
            A row a distinct combination of the other alleles. People with another ALT of the same site count as
            backgrounds too: this ALT against REF in its place.
        """
        record, allele = self._records[variant], self._alleles[variant]
        seen: dict[bytes, int] = {}
        for background in carried:
            columns = background.columns.copy()
            columns[:, record] = 0
            for column, copies in zip(columns, background.copies, strict=True):
                seen[column.tobytes()] = seen.get(column.tobytes(), 0) + int(copies)
        columns = np.frombuffer(b"".join(seen), np.int8).reshape(len(seen), self._columns.shape[1])
        copies = np.fromiter(seen.values(), np.int64, len(seen))
        altered = columns.copy()
        altered[:, record] = allele
        without, skipped = self._write(columns)
        with_alt, skipped_with = self._write(altered)
        possible = np.array([a == b for a, b in zip(skipped, skipped_with, strict=True)], dtype=bool)
        return Swaps(without[possible], with_alt[possible], copies[possible], int(copies[~possible].sum()))

    def combined(
        self, sets: Sequence[Sequence[str]], sample: str | None = None, copy: Literal[1, 2] | None = None
    ) -> Combined:
        """Put sets of variants on the reference, or on a person's haplotype.

        Parameters
        ----------
        sets : sequence of sequence of str
            Each a set of variants to be there together; every variant named in any set is absent from the others.
        sample, copy : optional
            Whose haplotype, and which copy (1 or 2); the reference if not given.

        Returns
        -------
        Combined

        Raises
        ------
        GexvizError
            For a variant that is not in the window or can't be put on a sequence, or a copy that nobody has.
        """
        rows = [[self.row(variant) for variant in chosen] for chosen in sets]
        background = np.zeros(self._columns.shape[1], np.int8) if sample is None else self._column_of(sample, copy)
        background[self._records[sorted({row for chosen in rows for row in chosen})]] = 0
        columns = np.repeat(background[None], len(rows) + 1, axis=0)
        reasons = []
        for column, chosen in zip(columns[1:], rows, strict=True):
            records = self._records[chosen]
            reasons.append("alleles of one site" if len(set(records.tolist())) < len(set(chosen)) else "")
            if not reasons[-1]:
                column[records] = self._alleles[chosen]
        sequences, skipped = self._write(columns)
        for i, left_out in enumerate(skipped[1:]):
            if left_out != skipped[0]:
                reasons[i] = "alleles that overlap"
                sequences[i + 1] = sequences[0]
        return Combined(sequences[1:], tuple(reasons))

    def pair(
        self, variant: str, sample: str | None = None, copy: Literal[1, 2] | None = None
    ) -> tuple[Background, Background]:
        """One sequence without and with a variant, every base with its reference coordinate.

        Parameters
        ----------
        variant : str
            contig:pos:ref:alt, 1-based.
        sample, copy : optional
            On this person's haplotype, whichever allele it has; on the reference if not given.

        Raises
        ------
        GexvizError
            For a variant that is not in the window, or that another allele of the haplotype overlaps.
        """
        row = self.row(variant)
        column = np.zeros(self._columns.shape[1], np.int8) if sample is None else self._column_of(sample, copy)
        columns = np.repeat(column[None], 2, axis=0)
        columns[:, self._records[row]] = 0, self._alleles[row]
        made = self._stretch.apply(columns)
        if made.skipped[0] != made.skipped[1]:
            raise GexvizError(
                f"variant {variant} can't be put on this haplotype",
                expected="no other allele of the haplotype that overlaps it",
                remedy="look at it on the reference, or on another haplotype",
            )
        region = self._stretch.start, self._stretch.end
        background = "reference" if sample is None else f"copy {copy} of a person"
        without, with_alt = (
            Background(self.window, sequence, *coordinates(edits, region, self.window), f"{background}, {allele}")
            for sequence, edits, allele in zip(made.sequences, made.edits, ("REF", "ALT"), strict=True)
        )
        return without, with_alt

    def _column_of(self, sample: str, copy: Literal[1, 2] | None) -> np.ndarray:
        if sample not in self.samples or copy not in (1, 2):
            raise GexvizError("no such haplotype", expected="one of the study's people, and copy 1 or 2")
        column = self._index[self.samples.index(sample), copy - 1]
        if column < 0:
            raise GexvizError(f"this person has no copy {copy} of {self.window.contig}", remedy="choose copy 1")
        chosen: np.ndarray = self._columns[column].copy()
        return chosen

    def _write(self, columns: np.ndarray) -> tuple[np.ndarray, list[tuple[int, ...]]]:
        """Sequences of allele columns, uint8 (n, length), and the records each leaves out."""
        size = max(1, _CHUNK_BYTES // len(self._stretch.reference))
        sequences = np.empty((len(columns), self.window.length), np.uint8)
        skipped: list[tuple[int, ...]] = []
        for begin in range(0, len(columns), size):
            made = self._stretch.apply(columns[begin : begin + size])
            sequences[begin : begin + size] = made.sequences
            skipped += made.skipped
        return sequences, skipped


def read_variant_sequences(
    genotypes: Genotypes,
    reference: Reference,
    window: Window,
    samples: Sequence[str] | None = None,
    *,
    missing: Literal["reference", "N"] = "reference",
    unphased: Literal["as_written", "reference"] = "as_written",
    only_snvs: bool = False,
) -> VariantSequences:
    """Read the variants of a window, and what its people carry there.

    Parameters
    ----------
    genotypes, reference, window, samples, missing, unphased, only_snvs
        As for :func:`gexviz.cohort.haplotypes.build_haplotypes`.

    Returns
    -------
    VariantSequences

    Raises
    ------
    GexvizError
        If the window is longer than 1 Mb or its contig is not in the reference.
    """
    if not 0 < window.length <= MAX_LENGTH:
        raise GexvizError(f"a window of {window.length:,} bp", expected=f"1 to {MAX_LENGTH:,} bp")
    wanted = genotypes.samples if samples is None else tuple(samples)
    block, bases, start = _read_with_flanks(genotypes, reference, window, wanted)
    block = block.snvs() if only_snvs else block
    alleles, counts = effective_alleles(block, bases, start, missing, unphased)
    absent = absent_copies(block.alleles)
    columns, index = distinct_columns(alleles, absent)
    stretch = Stretch(block, bases, start, window)
    variants, records, numbers = _variants(block, bases, start, window)
    alone, base_pairs = _substitutions(variants, records, stretch)
    sites = variants["position"].to_numpy()[alone]
    on_reference = Carried(
        reference_sequence(reference, window),
        np.zeros(1, np.int64),
        np.zeros((1, columns.shape[1]), np.int8),
        _indices(sites, (), stretch),
    )
    made = stretch.apply(columns)
    applied = columns.copy()
    for column, left_out in zip(applied, made.skipped, strict=True):
        column[list(left_out)] = 0
    there = (applied[:, records] == numbers) & (numbers > 0)  # (n_columns, n_variants)
    on_copies = np.where((index >= 0)[:, :, None], there[index], False)
    called = block.alleles[records]
    where = [_indices(sites, edits, stretch) for edits in made.edits]
    return VariantSequences(
        window=window,
        samples=wanted,
        variants=variants,
        reference=on_reference,
        carried=_carried(made.sequences, where, columns, index),
        dosages=on_copies.sum(axis=1, dtype=np.int8).T,
        alt_calls=(called == numbers[:, None, None]).sum(axis=2, dtype=np.int8),
        calls=(called >= 0).sum(axis=2, dtype=np.int8),
        copies=(~absent).sum(axis=1, dtype=np.int8),
        substitutions=alone,
        substitution_bases=base_pairs,
        counts={k: counts[k] for k in ("records", "symbolic", "star", "reference_mismatch")}
        | {"duplicates": int(variants.attrs.pop("duplicates"))},
        _stretch=stretch,
        _columns=columns,
        _index=index,
        _records=records,
        _alleles=numbers,
    )


def _read_with_flanks(
    genotypes: Genotypes, reference: Reference, window: Window, samples: tuple[str, ...]
) -> tuple[GenotypeBlock, np.ndarray, int]:
    """Read so far beyond the window that no combination of alleles runs out of sequence: block, bases, their start."""
    contig, length = contig_of(reference, window)
    start, end = max(window.start - FIRST_PAD, 0), min(window.end + FIRST_PAD, length)
    while True:
        block, start, end = read_whole_overlaps(genotypes, contig, start, end, samples)
        end = min(end, length)
        before, after = _most_deleted(block, start, end, window.tss)
        first, last = max(window.start - before, 0), min(window.end + after, length)
        if start <= first and last <= end:
            return block, reference.fetch(contig, start, end), start
        start, end = min(start, first), max(end, last)


def _most_deleted(block: GenotypeBlock, start: int, end: int, tss: int) -> tuple[int, int]:
    """How many bases before the TSS, and from it on, some allele takes away."""
    gone = np.zeros(end - start, dtype=bool)
    records = block.records
    for flags, position, ref, alts in zip(
        block.usable(), records["position"], records["ref"], records["alts"], strict=True
    ):
        if len(ref) == 1:
            continue
        edits = edits_of(position, ref, alts)
        for edit in (edits[k].edit for k, plain in enumerate(flags, start=1) if plain):
            if len(edit.bases) < edit.end - edit.start:
                gone[max(edit.start - start, 0) : max(edit.end - start, 0)] = True
    at = min(max(tss - start, 0), len(gone))
    return int(gone[:at].sum()), int(gone[at:].sum())


def _variants(
    block: GenotypeBlock, bases: np.ndarray, start: int, window: Window
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """The table of variants, and of each its record and the number of its allele there."""
    rows, records, numbers = [], [], []
    seen: set[str] = set()
    duplicates = 0
    sequence = bases.tobytes()
    table = block.records
    for r, (flags, position, ref, alts) in enumerate(
        zip(block.usable(), table["position"], table["ref"], table["alts"], strict=True)
    ):
        if position >= window.end or position + len(ref) <= window.start:
            continue
        found = sequence[position - start : position - start + len(ref)].decode("ascii")
        reason = "" if found == ref else f"REF is {_short(ref)}, the reference has {_short(found) or 'nothing'}"
        for k, alt in enumerate(alts, start=1):
            name = f"{block.contig}:{position + 1}:{ref}:{alt}"
            if not flags[k - 1]:
                continue
            if name in seen:
                duplicates += 1
                continue
            seen.add(name)
            rows.append((name, position, ref, alt, kind_of(ref, alt), "skipped" if reason else "ok", reason))
            records.append(r)
            numbers.append(k)
    columns = ["variant", "position", "ref", "alt", "kind", "status", "reason"]
    variants = pd.DataFrame(rows, columns=columns).astype({"position": np.int64}).set_index("variant")
    variants.attrs["duplicates"] = duplicates
    return variants, np.array(records, dtype=np.intp), np.array(numbers, dtype=np.int8)


def _short(bases: str) -> str:
    return bases if len(bases) <= 20 else bases[:20] + "..."


def kind_of(ref: str, alt: str) -> str:
    """SNV, MNV, insertion or deletion: what is left when the bases that REF and ALT share are trimmed off."""
    edit = edits_of(0, ref, (alt,))[1].edit
    gone, new = edit.end - edit.start, len(edit.bases)
    if gone == new:
        return "SNV" if new <= 1 else "MNV"
    return "insertion" if new > gone else "deletion"


def _substitutions(variants: pd.DataFrame, records: np.ndarray, stretch: Stretch) -> tuple[np.ndarray, np.ndarray]:
    """Variants that change one base whatever else is there, and their two bases in the window's direction."""
    ok = (variants["status"] == "ok").to_numpy(dtype=bool) & stretch.alone[records]
    rows = np.flatnonzero(ok)
    text = "".join(ref + alt for ref, alt in zip(variants["ref"].iloc[rows], variants["alt"].iloc[rows], strict=True))
    pairs = np.frombuffer(text.encode("ascii"), np.uint8).reshape(len(rows), 2)
    plain = _PLAIN[pairs].all(axis=1)
    return rows[plain], oriented(pairs[plain], stretch.window, reverse=True)


def _indices(positions: np.ndarray, edits: tuple[Edit, ...], stretch: Stretch) -> np.ndarray:
    """Where reference bases that no edit touches are in the window of an edited sequence; -1 if outside."""
    window = stretch.window
    ends = np.array([edit.end for edit in edits], dtype=np.int64)
    shifts = np.array([0] + [len(e.bases) - (e.end - e.start) for e in edits], dtype=np.int64).cumsum()
    anchor, _ = anchor_at(edits, stretch.start, window.tss)
    left = window.anchor if window.strand == "+" else window.length - 1 - window.anchor
    index = positions - stretch.start + shifts[np.searchsorted(ends, positions, side="right")] - (anchor - left)
    inside = (index >= 0) & (index < window.length)
    return np.where(inside, index if window.strand == "+" else window.length - 1 - index, -1).astype(np.intp)


def _carried(
    sequences: list[np.ndarray], where: list[np.ndarray], columns: np.ndarray, index: np.ndarray
) -> tuple[Carried, ...]:
    """Merge the columns that look the same in the window; the most common come first."""
    copies = np.bincount(index[index >= 0], minlength=len(columns))
    groups: dict[bytes, list[int]] = {}
    for c in np.flatnonzero(copies):
        digest = hashlib.blake2b(sequences[c].tobytes(), digest_size=16)
        digest.update(where[c].tobytes())
        groups.setdefault(digest.digest(), []).append(int(c))
    merged = [Carried(sequences[g[0]], copies[g], columns[g], where[g[0]]) for g in groups.values()]
    return tuple(sorted(merged, key=lambda carried: -int(carried.copies.sum())))
