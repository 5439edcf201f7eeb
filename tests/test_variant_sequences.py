"""Variants set and unset: against ``bcftools consensus``, and against haplotypes that have just these alleles."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

import cohorts
import numpy as np
import pysam.bcftools  # noqa: F401  (consensus, below)
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_haplotypes import COMPLEMENT, LENGTH, SAMPLES, consensus, lifted, panels

from gexviz.cohort.genotypes import Genotypes
from gexviz.cohort.haplotypes import build_haplotypes, reference_sequence
from gexviz.cohort.reference import Reference
from gexviz.cohort.variant_sequences import VariantSequences, read_variant_sequences
from gexviz.cohort.windows import Window
from gexviz.errors import GexvizError

ANY = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


@st.composite
def windows(draw):
    tss, anchor = draw(st.integers(40, 200)), draw(st.integers(0, 59))
    if draw(st.booleans()):
        return Window("1", tss - anchor, tss - anchor + 60, "+", anchor)
    return Window("1", tss - 59 + anchor, tss + anchor + 1, "-", anchor)


def opened(folder: Path, sequence: str, records: list, samples=SAMPLES) -> tuple[Genotypes, Reference]:
    cohorts.write_fasta(folder / "ref.fa", {"1": sequence})
    cohorts.write_vcf(folder / "g.vcf.gz", {"1": len(sequence)}, samples, records)
    return Genotypes([folder / "g.vcf.gz"]), Reference(folder / "ref.fa")


def pairs(found: VariantSequences, variant: int, carried) -> tuple[Counter, int]:
    """(without, with) -> chromosomes, however the variant is told; and how many were left out."""
    if variant not in found.substitutions:
        swaps = found.swaps(variant, carried)
        out: Counter = Counter()
        for without, with_alt, copies in zip(swaps.without, swaps.with_alt, swaps.copies, strict=True):
            out[without.tobytes(), with_alt.tobytes()] += int(copies)
        return out, swaps.left_out
    k = int(np.flatnonzero(found.substitutions == variant)[0])
    out = Counter()
    for background in carried:
        without, with_alt = background.sequence.copy(), background.sequence.copy()
        if (at := background.at[k]) >= 0:
            without[at], with_alt[at] = found.substitution_bases[k]
        out[without.tobytes(), with_alt.tobytes()] += int(background.copies.sum())
    return out, 0


def variant_records(found: VariantSequences, records: list) -> list[tuple[int, int]]:
    """Row of `records`, and number of the allele, of each variant."""
    first: dict[str, tuple[int, int]] = {}
    for r, (contig, position, _, ref, alts, _) in enumerate(records):
        for k, alt in enumerate(alts, start=1):
            first.setdefault(f"{contig}:{position + 1}:{ref}:{alt}", (r, k))
    return [first[name] for name in found.variants.index]


@ANY
@given(panels(), windows())
def test_one_variant_on_the_reference_equals_bcftools_consensus(panel, window):
    sequence, records = panel
    with tempfile.TemporaryDirectory() as name:
        found = read_variant_sequences(*opened(Path(name), sequence, records), window)
        for v, (r, k) in enumerate(variant_records(found, records)):
            ((without, with_alt),), left_out = pairs(found, v, [found.reference])
            assert left_out == 0 and without == found.reference.sequence.tobytes()
            with tempfile.TemporaryDirectory() as other:
                opened(Path(other), sequence, [(*records[r][:5], [f"{k}|{k}"])], ["A"])
                whole, blocks = consensus(Path(other), "A", "1")
            at = lifted(window.tss, blocks)
            ours = with_alt.decode()
            left = window.anchor
            if window.strand == "-":
                ours, left = ours[::-1].translate(COMPLEMENT), window.length - 1 - window.anchor
            if at is None:  # the TSS is in the indel
                assert ours.strip("N") in whole
                continue
            begin = at - left
            assert ours == "".join(
                whole[i] if 0 <= i < len(whole) else "N" for i in range(begin, begin + window.length)
            )


@ANY
@given(panels(), windows())
def test_variants_on_haplotypes_equal_haplotypes_that_have_just_these_alleles(panel, window):
    """Every chromosome with every variant unset and set, made anew as a person of a cohort."""
    sequence, records = panel
    with tempfile.TemporaryDirectory() as name:
        found = read_variant_sequences(*opened(Path(name), sequence, records), window)
        chromosomes = [
            [int(call.replace(".", "0").split("|")[copy]) for *_, calls in records for call in [calls[s]]]
            for s in range(len(SAMPLES))
            for copy in (0, 1)
        ]
        placed = variant_records(found, records)
        if not placed:
            return
        people = [(v, c) for v in range(len(placed)) for c in range(len(chromosomes))]
        calls = [
            [
                f"0|{placed[v][1]}" if placed[v][0] == r else f"{chromosomes[c][r]}|{chromosomes[c][r]}"
                for v, c in people
            ]
            for r in range(len(records))
        ]
        synthetic = [(*record[:5], called) for record, called in zip(records, calls, strict=True)]
        with tempfile.TemporaryDirectory() as other:
            made = build_haplotypes(
                *opened(Path(other), sequence, synthetic, [f"S{i}" for i in range(len(people))]), window
            )
        expected = [[made.sequence(f"S{i}", copy).encode() for copy in (1, 2)] for i in range(len(people))]
    for v, (record, _) in enumerate(placed):
        counted, left_out = pairs(found, v, found.carried)
        everything = Counter(tuple(expected[i]) for i, (w, _) in enumerate(people) if w == v)
        assert not counted - everything
        assert (everything - counted).total() == left_out
        crowded = sum(touched(records, record, chromosome) for chromosome in chromosomes)
        assert left_out <= crowded


def touched(records: list, record: int, chromosome: list[int]) -> bool:
    """Whether another allele of a chromosome overlaps a record, or has its first or last base beside it."""
    start, end = records[record][1], records[record][1] + len(records[record][3])
    return any(
        allele and r != record and other[1] <= end and start <= other[1] + len(other[3])
        for r, (other, allele) in enumerate(zip(records, chromosome, strict=True))
    )


@ANY
@given(panels(), windows(), st.data())
def test_sets_of_variants_equal_haplotypes_that_have_just_these_alleles(panel, window, data):
    sequence, records = panel
    with tempfile.TemporaryDirectory() as name:
        genotypes, reference = opened(Path(name), sequence, records)
        found = read_variant_sequences(genotypes, reference, window)
        if found.variants.empty:
            return
        names = list(found.variants.index)
        chosen = data.draw(st.lists(st.sampled_from(names), min_size=1, max_size=4, unique=True))
        sets = [[], *[[name] for name in chosen], chosen]
        sample, copy = data.draw(st.sampled_from([(None, None), *[(s, c) for s in SAMPLES for c in (1, 2)]]))
        combined = found.combined(sets, sample, copy)
        placed = dict(zip(names, variant_records(found, records), strict=True))
        absent = {placed[name][0] for name in chosen}
        calls = [[] for _ in records]
        for chosen_now in sets:
            here = {placed[name][0]: placed[name][1] for name in chosen_now}
            for r, record in enumerate(records):
                carried = "0"
                if sample is not None and r not in absent:
                    carried = record[5][SAMPLES.index(sample)].split("|")[copy - 1]
                allele = here.get(r, carried)
                calls[r].append(f"{allele}|{allele}")
        synthetic = [(*record[:5], called) for record, called in zip(records, calls, strict=True)]
        with tempfile.TemporaryDirectory() as other:
            ids = [f"S{i}" for i in range(len(sets))]
            made = build_haplotypes(*opened(Path(other), sequence, synthetic, ids), window)
    for ours, reason, person in zip(combined.sequences, combined.reasons, ids, strict=True):
        if not reason:
            assert ours.tobytes().decode() == made.sequence(person, 1)


@ANY
@given(panels())
def test_dosages_are_the_alleles_that_apply(panel):
    sequence, records = panel
    window = Window("1", 0, LENGTH, "+", 120)
    with tempfile.TemporaryDirectory() as name:
        genotypes, reference = opened(Path(name), sequence, records)
        found = read_variant_sequences(genotypes, reference, window)
        made = build_haplotypes(genotypes, reference, window)
    rows = made.index.to_numpy()
    assert sum(int(c.copies.sum()) for c in found.carried) == (rows >= 0).sum()
    assert {c.sequence.tobytes() for c in found.carried} == {s.tobytes() for s in made.sequences}
    if not found.counts["duplicates"]:
        assert found.dosages.sum() == found.alt_calls.sum() - made.counts["overlapping"]
    assert (found.dosages <= found.alt_calls).all()


def test_records_that_are_no_variant_here(tmp_path):
    """Wrong REF, symbolic and `*` alleles, repeated records, haploid and missing calls."""
    sequence = "ACGTACGTAC" * 30
    records = [
        ("1", 10, ".", "A", ["G"], ["1|.", "1", "0/1"]),
        ("1", 50, ".", "T", ["C"], ["1|1", "1", "1|1"]),
        ("1", 60, ".", "A", ["<DEL>", "T"], ["1|2", "0", "0|0"]),
        ("1", 70, ".", "A", ["*", "C"], ["1|2", "0", "0|0"]),
        ("1", 70, ".", "A", ["C"], ["0|0", "0", "0|1"]),
        ("1", 80, ".", "A", ["AT", "ATT"], ["0|0", ".", ".|."]),
        ("1", 150, ".", "A", ["C"], ["0|0", "0", "0|0"]),
    ]
    genotypes, reference = opened(tmp_path, sequence, records)
    found = read_variant_sequences(genotypes, reference, Window("1", 0, 100, "+", 5))
    assert found.variants["status"].to_dict() == {
        "1:11:A:G": "ok", "1:51:T:C": "skipped", "1:61:A:T": "ok", "1:71:A:C": "ok", "1:81:A:AT": "ok",
        "1:81:A:ATT": "ok",
    }  # fmt: skip
    assert found.variants["kind"].tolist() == ["SNV"] * 4 + ["insertion"] * 2
    assert found.variants.at["1:51:T:C", "reason"] == "REF is T, the reference has A"
    assert found.counts == {"records": 7, "symbolic": 1, "star": 1, "reference_mismatch": 1, "duplicates": 1}
    assert found.copies.tolist() == [2, 1, 2]
    assert found.dosages[0].tolist() == [1, 1, 1] and found.calls[0].tolist() == [1, 1, 2]
    assert not found.dosages[1].any() and found.alt_calls[1].tolist() == [2, 1, 2]
    with pytest.raises(GexvizError, match="REF is T"):
        found.combined([["1:51:T:C"]])
    with pytest.raises(GexvizError, match="not among the 6"):
        found.combined([["1:151:A:C"]])
    with pytest.raises(GexvizError, match="no copy 2"):
        found.combined([["1:11:A:G"]], "B", 2)
    assert found.combined([["1:81:A:AT", "1:81:A:ATT"]]).reasons == ("alleles of one site",)


def test_backgrounds_with_another_allele_in_the_way_are_left_out(tmp_path):
    """An SNV inside a deletion, a second ALT at a site, and an insertion that may share its anchor."""
    sequence = "ACGTACGTAC" * 30
    records = [
        ("1", 40, ".", "ACGT", ["A"], ["0|1", "0|0", "1|0"]),
        ("1", 42, ".", "G", ["C"], ["1|0", "0|0", "1|1"]),
        ("1", 43, ".", "T", ["TA"], ["0|1", "0|0", "0|0"]),
        ("1", 60, ".", "A", ["C", "G"], ["1|2", "0|0", "0|2"]),
        ("1", 60, ".", "A", ["T"], ["0|0", "0|1", "0|0"]),
    ]
    found = read_variant_sequences(*opened(tmp_path, sequence, records), Window("1", 30, 90, "+", 5))
    left_out = {name: pairs(found, v, found.carried)[1] for v, name in enumerate(found.variants.index)}
    assert left_out == {
        "1:41:ACGT:A": 3,  # where the SNV is called, carried or hidden by the deletion
        "1:43:G:C": 2,  # where the deletion is
        "1:44:T:TA": 0,
        "1:61:A:C": 1, "1:61:A:G": 1, "1:61:A:T": 3,  # the other record's alleles; its own two may change places
    }  # fmt: skip
    assert found.dosages.sum(axis=1).tolist() == [2, 2, 1, 1, 2, 1]


def test_one_sequence_written_in_two_ways(tmp_path):
    """One of four As deleted, the first or the last: an SNV between them is at another place on each."""
    sequence = "GTC" * 10 + "CAAAAG" + "TCG" * 10
    records = [
        ("1", 30, ".", "CA", ["C"], ["1|0"]),
        ("1", 32, ".", "A", ["T"], ["0|0"]),
        ("1", 33, ".", "AA", ["A"], ["0|1"]),
    ]
    found = read_variant_sequences(*opened(tmp_path, sequence, records, ["A"]), Window("1", 25, 45, "+", 3))
    assert len(found.carried) == 2 and found.carried[0].sequence.tolist() == found.carried[1].sequence.tolist()
    on, left_out = pairs(found, 1, found.carried)
    assert left_out == 0
    assert {with_alt[5:10].decode() for _, with_alt in on} == {"CTAAG", "CATAG"}


def test_no_variants(tmp_path):
    sequence = "ACGTACGTAC" * 30
    genotypes, reference = opened(tmp_path, sequence, [("1", 290, ".", "A", ["G"], ["0|1"])], ["A"])
    window = Window("1", 0, 100, "-", 5)
    found = read_variant_sequences(genotypes, reference, window)
    assert found.variants.empty and found.dosages.shape == (0, 1) and len(found.carried) == 1
    assert found.carried[0].sequence.tobytes() == reference_sequence(reference, window).tobytes()


def test_a_deletion_that_nobody_has_finds_its_flank(tmp_path):
    """3 kb before the TSS, absent from everyone: still whole when it is set."""
    sequence = cohorts.random_bases(np.random.default_rng(1), 12_000)
    records = [("1", 5_000, ".", sequence[5_000:8_001], [sequence[5_000]], ["0|0"])]
    genotypes, reference = opened(tmp_path, sequence, records, ["A"])
    found = read_variant_sequences(genotypes, reference, Window("1", 5_000, 10_000, "+", 4_000))
    swaps = found.swaps(0, found.carried)
    changed = sequence[:5_001] + sequence[8_001:]
    at = changed.index(sequence[9_000:9_100])
    assert swaps.with_alt[0].tobytes().decode() == changed[at - 4_000 : at + 1_000]
    assert swaps.copies.tolist() == [2]


@pytest.mark.real
def test_the_dense_panel_around_tango2(real_cohort):
    """Setting or unsetting what a real haplotype has gives that haplotype back; copies are those of the calls."""
    genotypes = Genotypes([real_cohort / "genotypes.dense-20.0Mb.vcf.gz"])
    reference = Reference(real_cohort / "reference.fa.gz")
    window = Window("22", 20_004_537 - 7_000, 20_004_537 + 3_500, "+", 6_999)
    found = read_variant_sequences(genotypes, reference, window)
    made = build_haplotypes(genotypes, reference, window)
    assert {c.sequence.tobytes() for c in found.carried} == {s.tobytes() for s in made.sequences}
    assert len(found.variants) > 90 and len(found.substitutions) < len(found.variants)
    assert (found.dosages == found.alt_calls).all() and (found.variants["status"] == "ok").all()
    carried = {c.sequence.tobytes(): int(c.copies.sum()) for c in found.carried}
    for v in range(len(found.variants)):
        on, left_out = pairs(found, v, found.carried)
        assert left_out == 0 and on.total() == 2 * len(found.samples)
        with_alt = sum(carried.get(b, 0) for _, b in on)
        without = sum(carried.get(a, 0) for a, _ in on)
        assert (with_alt, without) == (found.dosages[v].sum(), 2 * len(found.samples) - found.dosages[v].sum())
