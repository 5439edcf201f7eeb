"""Personal haplotypes against ``bcftools consensus``, base by base."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import cohorts
import numpy as np
import pysam.bcftools
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gexviz.cohort.genotypes import Genotypes
from gexviz.cohort.haplotypes import build_haplotypes, reference_sequence
from gexviz.cohort.reference import Reference
from gexviz.cohort.variant_sequences import read_variant_sequences
from gexviz.cohort.windows import Window

COMPLEMENT = str.maketrans("ACGTN", "TGCAN")
LENGTH = 240
SAMPLES = ["A", "B", "C"]


def consensus(folder: Path, sample: str, which: str) -> tuple[str, list[tuple[int, int, int]]]:
    """The whole contig as bcftools writes it, and its chain: (size, reference gap, haplotype gap) blocks."""
    out, chain = folder / "out.fa", folder / "out.chain"
    arguments = ["-f", str(folder / "ref.fa"), "-s", sample, "-H", which, "-c", str(chain), "-o", str(out)]
    arguments.append(str(folder / "g.vcf.gz"))
    if shutil.which("bcftools"):
        subprocess.run(["bcftools", "consensus", *arguments], check=True, capture_output=True)
    else:
        pysam.bcftools.consensus(*arguments, catch_stdout=False)
    blocks = [tuple(map(int, (*line.split(), 0, 0)[:3])) for line in chain.read_text().splitlines()[1:] if line.strip()]
    return "".join(line for line in out.read_text().splitlines() if not line.startswith(">")).upper(), blocks


def lifted(position: int, blocks: list[tuple[int, int, int]]) -> int | None:
    """Where a reference base is on the haplotype, by bcftools' own chain; None inside a gap."""
    reference = haplotype = 0
    for size, reference_gap, haplotype_gap in blocks:
        if position < reference + size:
            return haplotype + position - reference if position >= reference else None
        reference, haplotype = reference + size + reference_gap, haplotype + size + haplotype_gap
    return None


@st.composite
def panels(draw, *, phased: bool = True):
    """A random contig and records on it: SNVs, MNPs, insertions, deletions, multi-allelic, overlapping, at edges."""
    sequence = draw(st.text("ACGT", min_size=LENGTH, max_size=LENGTH))
    count = draw(st.integers(0, 14))
    starts = sorted(draw(st.lists(st.integers(0, LENGTH - 8), min_size=count, max_size=count)))
    records = []
    for start in starts:
        span = draw(st.sampled_from([1, 1, 1, 2, 4, 7]))
        ref = sequence[start : start + span]
        alts = []
        for _ in range(draw(st.sampled_from([1, 1, 1, 2]))):
            tail = draw(st.text("ACGT", max_size=4))
            kind = draw(st.sampled_from(["snv", "anchored", "anchored", "free"]))
            alt = {"snv": draw(st.sampled_from("ACGT")) + ref[1:], "anchored": ref[0] + tail, "free": tail or "A"}[kind]
            if alt != ref and alt not in alts:
                alts.append(alt)
        if not alts:
            continue
        separator = "|" if phased else draw(st.sampled_from("|/"))
        allele = st.sampled_from([".", *map(str, range(len(alts) + 1)), "1", "1"])
        calls = [draw(allele) + separator + draw(allele) for _ in SAMPLES]
        records.append(("1", start, ".", ref, alts, calls))
    other = "A" if sequence[-1] != "A" else "C"  # a file without records is refused
    records.append(("1", LENGTH - 1, ".", sequence[-1], [other], ["0|0"] * len(SAMPLES)))
    return sequence, records


def check(sequence: str, records: list, modes: tuple[str, str], window: Window) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cohorts.write_fasta(folder / "ref.fa", {"1": sequence})
        cohorts.write_vcf(folder / "g.vcf.gz", {"1": len(sequence)}, SAMPLES, records)
        made = build_haplotypes(Genotypes([folder / "g.vcf.gz"]), Reference(folder / "ref.fa"), window)
        for sample in SAMPLES:
            for copy, mode in zip((1, 2), modes, strict=True):
                compare(made, *consensus(folder, sample, mode), sample, copy)


def compare(made, whole: str, blocks: list, sample: str, copy: int) -> None:
    """Every base of our window is bcftools' base at the same place, anchored on the TSS by bcftools' chain."""
    window = made.window
    ours = made.sequence(sample, copy)
    positions, inserted = made.positions(int(made.index.at[sample, copy]))
    left = window.anchor
    if window.strand == "-":
        ours, positions, inserted = ours[::-1].translate(COMPLEMENT), positions[::-1], inserted[::-1]
        left = window.length - 1 - window.anchor
    at = lifted(window.tss, blocks)
    if at is None:  # the TSS is in an indel: our own coordinates say which base stands for it
        assert ours.strip("N") in whole
        return
    expected = "".join(whole[i] if 0 <= i < len(whole) else "N" for i in range(at - left, at - left + window.length))
    assert ours == expected
    if made.copies[made.index.at[sample, copy]] > 1:
        return  # two ways of writing one sequence (a deletion in a repeat) share the first one's coordinates
    for i in np.flatnonzero(~inserted & (positions >= 0)):
        there = lifted(int(positions[i]), blocks)
        assert there is None or there == at - left + i


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(panels(), st.sampled_from("+-"), st.integers(40, 200), st.integers(0, 59))
def test_equals_bcftools_consensus(panel, strand, tss, anchor):
    window = (
        Window("1", tss - anchor, tss - anchor + 60, strand, anchor)
        if strand == "+"
        else Window("1", tss - 59 + anchor, tss + anchor + 1, strand, anchor)
    )
    check(*panel, ("1pIu", "2pIu"), window)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(panels(phased=False))
def test_unphased_calls_go_in_as_written(panel):
    check(*panel, ("1", "2"), Window("1", 0, LENGTH, "+", 120))


def test_counts_and_copies(tmp_path):
    """Half-missing, haploid, symbolic, `*`, overlapping and wrong-REF records are counted as what they are."""
    sequence = "ACGTACGTAC" * 30
    cohorts.write_fasta(tmp_path / "ref.fa", {"X": sequence})
    records = [
        ("X", 10, ".", "A", ["G"], ["1|.", "1", "0/1"]),
        ("X", 20, ".", "ACG", ["A"], ["1|0", "1", "0|0"]),
        ("X", 21, ".", "C", ["T"], ["1|0", "0", "0|1"]),
        ("X", 30, ".", "A", ["<DEL>", "T"], ["1|2", "0", "0|0"]),
        ("X", 40, ".", "A", ["*", "C"], ["1|2", "0", "0|0"]),
        ("X", 50, ".", "T", ["C"], ["1|1", "1", "1|1"]),
    ]
    cohorts.write_vcf(tmp_path / "g.vcf.gz", {"X": 300}, SAMPLES, records)
    genotypes, reference = Genotypes([tmp_path / "g.vcf.gz"]), Reference(tmp_path / "ref.fa")
    made = build_haplotypes(genotypes, reference, Window("chrX", 0, 100, "+", 5))
    assert made.counts == {
        "records": 6, "applied": 5, "symbolic": 1, "star": 1, "reference_mismatch": 1, "overlapping": 1, "missing": 1,
        "unphased": 1, "tss_deleted": 0, "padded": 0,
    }  # fmt: skip
    assert made.index.loc["B", 2] == -1 and made.copies.sum() == 5
    with pytest.raises(KeyError, match="no copy 2"):
        made.sequence("B", 2)
    assert made.sequence("C", 1)[10] == "A" and made.sequence("C", 2)[10] == "G"
    assert made.sequence("A", 1)[10] == "G" and made.sequence("A", 2)[10] == "A"
    assert made.sequence("A", 1)[19:23] == "CATA"  # the deletion wins over the SNV inside it
    assert made.sequence("A", 2)[30] == "T" and made.sequence("A", 2)[40] == "C"
    as_n = build_haplotypes(genotypes, reference, Window("X", 0, 100, "+", 5), missing="N", unphased="reference")
    assert as_n.sequence("A", 2)[10] == "N" and as_n.sequence("C", 2)[10] == "A"


def test_positions_mark_inserted_bases(tmp_path):
    sequence = "ACGTTGCAAC" * 30
    cohorts.write_fasta(tmp_path / "ref.fa", {"1": sequence})
    records = [("1", 100, ".", "A", ["ATTT"], ["1|0"]), ("1", 120, ".", "ACG", ["A"], ["1|0"])]
    cohorts.write_vcf(tmp_path / "g.vcf.gz", {"1": 300}, ["A"], records)
    genotypes, reference = Genotypes([tmp_path / "g.vcf.gz"]), Reference(tmp_path / "ref.fa")
    for strand in "+-":
        made = build_haplotypes(genotypes, reference, Window("1", 90, 150, strand, 5))
        positions, inserted = made.positions(int(made.index.at["A", 1]))
        assert inserted.sum() == 3 and set(positions[inserted]) == {100}
        assert not {121, 122} & set(positions)
        assert positions[5] == made.window.tss
        order = positions[~inserted] if strand == "+" else positions[~inserted][::-1]
        assert np.all(np.diff(order) > 0)


def test_flanks_come_from_further_along_the_haplotype(tmp_path):
    """A deletion of 3 kb before the TSS: the window is filled up from beyond, with the variants that are there."""
    rng = np.random.default_rng(1)
    sequence = cohorts.random_bases(rng, 12_000)
    cohorts.write_fasta(tmp_path / "ref.fa", {"1": sequence}, bgzip=False)
    other = "A" if sequence[2_500] != "A" else "C"
    records = [
        ("1", 2_500, ".", sequence[2_500], [other], ["1|0"]),
        ("1", 5_000, ".", sequence[5_000:8_001], [sequence[5_000]], ["1|0"]),
    ]
    cohorts.write_vcf(tmp_path / "g.vcf.gz", {"1": 12_000}, ["A"], records)
    made = build_haplotypes(
        Genotypes([tmp_path / "g.vcf.gz"]), Reference(tmp_path / "ref.fa"), Window("1", 5_000, 10_000, "+", 4_000)
    )
    changed = sequence[:2_500] + other + sequence[2_501:5_001] + sequence[8_001:]
    at = changed.index(sequence[9_000:9_100])
    assert made.sequence("A", 1) == changed[at - 4_000 : at + 1_000]
    assert made.sequence("A", 2) == sequence[5_000:10_000]


def test_reference_sequence_is_read_in_the_windows_direction(tmp_path):
    sequence = "ACGGT" * 20
    reference = Reference(cohorts.write_fasta(tmp_path / "ref.fa", {"1": sequence}))
    assert reference_sequence(reference, Window("1", 5, 15, "+", 0)).tobytes().decode() == sequence[5:15]
    minus = reference_sequence(reference, Window("1", 5, 15, "-", 0)).tobytes().decode()
    assert minus == sequence[5:15][::-1].translate(COMPLEMENT)
    assert reference_sequence(reference, Window("1", -3, 5, "+", 0)).tobytes().decode() == "NNN" + sequence[:5]


def test_a_lone_dot_is_a_missing_call_of_both_copies(tmp_path):
    """Many callers write it for ./. ; of somebody who is haploid elsewhere in the window, it is the one copy's."""
    cohorts.write_fasta(tmp_path / "ref.fa", {"X": "A" * 40})
    records = [
        ("X", 10, ".", "A", ["C"], ["0|1", ".", "1", "1|1"]),
        ("X", 20, ".", "A", ["G"], [".", ".", ".", "1|1"]),
    ]
    cohorts.write_vcf(tmp_path / "g.vcf.gz", {"X": 40}, ["two", "unknown", "one", "other"], records)
    made = build_haplotypes(
        Genotypes([tmp_path / "g.vcf.gz"]), Reference(tmp_path / "ref.fa"), Window("X", 5, 35, "+", 15), missing="N"
    )
    bases = {s: ["".join(made.sequence(s, c)[i] for i in (5, 15)) for c in (1, 2)] for s in ("two", "unknown", "other")}
    assert bases == {"two": ["AN", "CN"], "unknown": ["NN", "NN"], "other": ["CG", "CG"]}
    assert made.index.loc["one"].tolist()[1] == -1 and made.sequence("one", 1)[5] == "C"
    assert made.counts["missing"] == 2 + 4 + 1


def test_of_snvs_alone_the_other_alleles_are_left_out(tmp_path):
    """Alleles of one record too; missing calls and absent copies stay what they are."""
    cohorts.write_fasta(tmp_path / "ref.fa", {"X": "A" * 40})
    records = [
        ("X", 10, ".", "A", ["AT", "C", "<DEL>", "G"], ["1|2", "4|3", ".", "2"]),
        ("X", 15, ".", "AA", ["A"], ["1|1", "0|1", "1|1", "1"]),
        ("X", 20, ".", "A", ["G"], ["0|1", "1|0", "0|0", "."]),
    ]
    cohorts.write_vcf(tmp_path / "g.vcf.gz", {"X": 40}, ["both", "more", "unknown", "one"], records)
    place = Genotypes([tmp_path / "g.vcf.gz"]), Reference(tmp_path / "ref.fa"), Window("X", 5, 35, "+", 15)
    made = build_haplotypes(*place, missing="N", only_snvs=True)

    def carried(*changes):
        return ["".join(change.get(i, "A") for i in range(30)) for change in changes]

    found = {s: [made.sequence(s, c) for c in (1, 2)] for s in ("both", "more", "unknown")}
    assert found == {
        "both": carried({}, {5: "C", 15: "G"}),
        "more": carried({5: "G", 15: "G"}, {}),
        "unknown": carried({5: "N"}, {5: "N"}),
    }
    assert made.sequence("one", 1) == carried({5: "C", 15: "N"}, {})[0] and made.index.loc["one"].tolist()[1] == -1
    assert made.counts["not_snv"] == 3 and made.counts["records"] == 2
    read = read_variant_sequences(*place, missing="N", only_snvs=True)
    assert list(read.variants.index) == ["X:11:A:C", "X:11:A:G", "X:21:A:G"]
    assert read.dosages.tolist() == [[1, 0, 0, 1], [0, 1, 0, 0], [1, 1, 0, 0]]
