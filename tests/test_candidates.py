"""Oligos and edits of variants, checked against the reference itself and against edited copies of it; files too."""

import csv
import io
import re

import cyvcf2
import numpy as np
import pandas as pd
import pysam
import pysam.bcftools
import pytest
from cohorts import random_bases, write_fasta
from hypothesis import given, settings
from hypothesis import strategies as st

from gexviz.analysis.candidates import COLUMNS, CONTEXT, NEAR_CUT, candidates, choose
from gexviz.cohort.reference import Reference
from gexviz.errors import GexvizError
from gexviz.exporting import (
    write_candidates_bed,
    write_candidates_csv,
    write_candidates_fasta,
    write_candidates_vcf,
)

COMPLEMENT = str.maketrans("ACGT", "TGCA")


def row(contig, position, ref, alt, **more):
    known = {
        "gene": "G1", "variant": f"{contig}:{position + 1}:{ref}:{alt}", "position": position, "ref": ref, "alt": alt,
        "class": "opposite", "distance": -20.0, "in_window": True, "deep_effect": 0.5, "deep_mean": 0.4,
        "deep_noise": 0.01, "slope": -0.3, "se": 0.05, "p": 1e-9, "q": 1e-6, "carriers": 12.0, "frequency": 0.1,
        "sentence": "So: opposite.", "significant": True,
    }  # fmt: skip
    return known | more


def fetching(contigs):
    def fetch(contig, start, end):
        assert 0 <= start <= end <= len(contigs[contig])
        return np.frombuffer(contigs[contig][start:end].encode(), dtype=np.uint8)

    return fetch


def made(rows, contigs, **options):
    lengths = {name: len(text) for name, text in contigs.items()}
    return candidates(pd.DataFrame(rows), fetching(contigs), lengths, **options)


def edited(text, position, ref, alt):
    assert text[position : position + len(ref)] == ref
    return text[:position] + alt + text[position + len(ref) :]


@st.composite
def variants(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    text = random_bases(rng, 900)
    position = draw(st.integers(200, 600))
    ref = text[position : position + draw(st.integers(1, 12))]
    alt = draw(st.text("ACGT", min_size=1, max_size=12).filter(lambda a: a != ref))
    return text, position, ref, alt, draw(st.integers(50, 260))


@given(variants())
@settings(max_examples=150)
def test_oligos_are_pieces_of_the_two_chromosomes(drawn):
    text, position, ref, alt, length = drawn
    (found,) = made([row("c", position, ref, alt)], {"c": text}, length=length).to_dict("records")
    start, end = int(found["oligo_start"]), int(found["oligo_end"])
    changed = edited(text, position, ref, alt)
    assert found["oligo_ref"] == text[start:end]
    assert found["oligo_alt"] == changed[start : end + len(alt) - len(ref)]
    assert max(len(found["oligo_ref"]), len(found["oligo_alt"])) == length
    left, right = position - start, end - position - len(ref)
    assert left <= right <= left + 1  # in the middle
    assert found["oligo_note"] == ""
    context = f"{text[position - CONTEXT : position]}[{ref}/{alt}]{text[position + len(ref) :][:CONTEXT]}"
    assert found["edit_context"] == context


def guides_by_hand(text, position, ref):
    """Every NGG of both strands, where its protospacer is, and how far from REF it cuts."""
    for at in range(len(text) - 22):
        piece = text[at : at + 23]
        for strand, read, cut in (("+", piece, at + 17), ("-", piece.translate(COMPLEMENT)[::-1], at + 6)):
            if read[21:] == "GG":
                end = position + len(ref)
                away = cut - position if cut < position else cut - end if cut > end else 0
                yield away, read[:20], read[20:], strand


@given(variants())
@settings(max_examples=100)
def test_the_guide_is_the_nearest_of_all(drawn):
    text, position, ref, alt, _ = drawn
    (found,) = made([row("c", position, ref, alt)], {"c": text}).to_dict("records")
    all_ = [g for g in guides_by_hand(text, position, ref) if abs(g[0]) <= NEAR_CUT]
    if not all_:
        assert found["guide"] == "" and pd.isna(found["guide_cut"])
        return
    assert abs(found["guide_cut"]) == min(abs(g[0]) for g in all_)
    assert (found["guide_cut"], found["guide"], found["guide_pam"], found["guide_strand"]) in all_


def test_what_can_have_no_oligo_says_why():
    text = random_bases(np.random.default_rng(0), 600)
    holed = text[:150] + "NNN" + text[153:]
    wrong = "A" if text[300] != "A" else "C"
    rows = [
        row("c", 50, text[50], wrong if wrong != text[50] else "G"),
        row("c", 300, text[300], "<DEL>"),
        row("c", 300, wrong, text[300]),
        row("d", 300, "A", "C"),
        row("c", 300, text[300], "A" * 250),
        row("h", 200, holed[200], "A" if holed[200] != "A" else "C"),
        row("c", 599, text[599], "A" if text[599] != "A" else "C"),
        row("c", 700, "A", "C"),
    ]
    found = made(rows, {"c": text, "h": holed})
    assert list(found.columns) == COLUMNS
    notes = found["oligo_note"].tolist()
    expected = ["leave the contig", "not plain sequence", "not what the reference", "does not have its contig",
                "250 bp", "3 bases are N", "leave the contig", "not what the reference"]  # fmt: skip
    assert all(part in note for part, note in zip(expected, notes, strict=True)), notes
    empty = (found["oligo_ref"] == "").tolist()
    assert empty == [True, True, True, True, True, False, True, True]
    assert found["oligo_start"].isna().tolist() == empty
    assert found["oligo_ref"].iloc[5].count("N") == 3 and len(found["oligo_ref"].iloc[5]) == 200
    assert found["edit_context"].iloc[0].startswith(text[:50] + "[")  # an edit has room there


def test_too_short_oligos_and_wrong_ids_are_refused():
    with pytest.raises(GexvizError, match="no room"):
        made([row("c", 5, "A", "C")], {"c": "A" * 50}, length=10)
    with pytest.raises(GexvizError, match="not a variant"):
        made([row("c", 5, "A", "C", variant="rs1")], {"c": "A" * 50})
    assert made([], {"c": "A"}).empty


def test_significant_ones_are_chosen_the_surest_first():
    rows = [
        row("c", 1, "A", "C", p=1e-3),
        row("c", 2, "A", "C", p=1e-9, **{"class": "concordant"}),
        row("c", 3, "A", "C", significant=False),
        row("c", 4, "A", "C", **{"class": "ambiguous"}),
    ]
    assert choose(pd.DataFrame(rows))["position"].tolist() == [2, 1]
    assert choose(pd.DataFrame(rows), ["ambiguous"])["position"].tolist() == [4]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A study's worth of candidates on two contigs, and their files."""
    folder = tmp_path_factory.mktemp("candidates")
    rng = np.random.default_rng(3)
    contigs = {"22": random_bases(rng, 5_000), "X": random_bases(rng, 3_000)}
    reference = Reference(write_fasta(folder / "reference.fa", contigs))
    rows = []
    for contig, text in contigs.items():
        for position in rng.choice(np.arange(200, len(text) - 300), 12, replace=False).tolist():
            ref = text[position : position + int(rng.integers(1, 4))]
            alt = ref[0] + random_bases(rng, int(rng.integers(0, 5)))
            alt = alt if alt != ref else ("A" if ref[0] != "A" else "C")
            rows.append(row(contig, position, ref, alt, gene=f"G{position}", slope=float(rng.normal())))
    rows.append(rows[3] | {"gene": "=G;2, 100%", "class": "out of window", "deep_effect": np.nan, "carriers": np.nan})
    rows.append(row("22", 10, contigs["22"][10], "A" if contigs["22"][10] != "A" else "C"))  # no room for an oligo
    rows = [rows[i] for i in rng.permutation(len(rows))]
    table = candidates(pd.DataFrame(rows), reference.fetch, reference.contigs)
    results = {
        "csv": write_candidates_csv(table, folder / "c.csv"),
        "fa": write_candidates_fasta(table, folder / "c.fa"),
        "vcf": write_candidates_vcf(table, folder / "c.vcf", reference.contigs),
        "bed": write_candidates_bed(table, folder / "c.bed", name="mine", contigs=reference.contigs),
    }
    return folder, contigs, table, results


def test_the_vcf_is_read_by_others(written):
    folder, contigs, table, results = written
    reader = cyvcf2.VCF(str(folder / "c.vcf"))
    assert dict(zip(reader.seqnames, reader.seqlens, strict=True)) == {n: len(t) for n, t in contigs.items()}
    assert reader.samples == []
    records = list(reader)
    assert len(records) == table["variant"].nunique() == results["vcf"].written and results["vcf"].left_out == 0
    order = list(contigs)
    places = [(order.index(r.CHROM), r.POS) for r in records]
    assert places == sorted(places)
    by_variant = {v: rows for v, rows in table.groupby("variant")}
    for record in records:
        rows = by_variant[record.ID]
        assert contigs[record.CHROM][record.start : record.end] == record.REF
        assert [rows["alt"].iloc[0]] == record.ALT
        slopes = record.INFO["SLOPE"]
        assert np.allclose(slopes if isinstance(slopes, tuple) else [slopes], rows["slope"], rtol=1e-5)
    twice = next(r for r in records if len(by_variant[r.ID]) == 2)
    assert set(twice.INFO["CLASS"].split(",")) == {"opposite", "out_of_window"}
    assert "%3DG%3B2%2C_100%25" in twice.INFO["GENE"]


def test_bcftools_finds_every_ref_on_the_reference(written):
    folder, _, table, _ = written
    packed = str(folder / "c.vcf.gz")
    pysam.tabix_compress(str(folder / "c.vcf"), packed, force=True)
    normed = pysam.bcftools.norm("-c", "e", "-f", str(folder / "reference.fa"), packed)
    assert len([line for line in normed.splitlines() if not line.startswith("#")]) == table["variant"].nunique()
    named = pysam.bcftools.query("-f", "%ID\t%INFO/DEEP\t%INFO/CARRIERS\n", packed).splitlines()
    assert len(named) == table["variant"].nunique() and all(line.count("\t") == 2 for line in named)


def test_the_fasta_has_each_oligo_once(written):
    folder, _, table, results = written
    with pysam.FastxFile(str(folder / "c.fa")) as reader:
        records = {record.name: (record.sequence, record.comment) for record in reader}
    with_oligos = table[table["oligo_ref"] != ""].drop_duplicates("variant")
    assert len(records) == 2 * len(with_oligos) == 2 * results["fa"].written and results["fa"].left_out == 1
    for one in with_oligos.to_dict("records"):
        assert records[f"{one['variant']}_ref"][0] == one["oligo_ref"]
        assert records[f"{one['variant']}_alt"][0] == one["oligo_alt"]
    assert all(max(len(s) for s, _ in records.values()) >= len(s) > 180 for s, _ in records.values())


def test_the_csv_runs_nothing_and_is_one_based(written):
    folder, contigs, table, _ = written
    rows = list(csv.DictReader(io.StringIO((folder / "c.csv").read_text())))
    assert len(rows) == len(table)
    assert any(one["gene"] == "'=G;2, 100%" for one in rows)
    numbers = {"deep_effect", "deep_mean", "slope", "distance", "guide_cut"}
    text = [value for one in rows for key, value in one.items() if key not in numbers]
    assert not [v for v in text if re.match(r"[=+\-@\t\r\n]", v)]
    for one in rows:
        start = int(one["position"]) - 1
        assert contigs[one["contig"]][start : start + len(one["ref"])] == one["ref"]
        if one["oligo_ref"]:
            assert contigs[one["contig"]][int(one["oligo_start"]) - 1 : int(one["oligo_end"])] == one["oligo_ref"]


def test_the_bed_has_each_variant_where_it_is(written):
    folder, contigs, table, results = written
    track, *lines = (folder / "c.bed").read_text().splitlines()
    cells = [line.split("\t") for line in lines if not line.startswith("#")]
    assert track.startswith("track ") and len(cells) == results["bed"].written
    known = set(table["variant"])
    for contig, start, end, name, *_ in cells:
        assert name in known
        assert contigs[contig][int(start) : int(end)] == name.rsplit(":", 2)[1]
    contigs_in_order = [c[0] for c in cells]
    assert contigs_in_order == sorted(contigs_in_order, key=list(contigs).index)


def test_no_sample_is_in_any_file(written):
    folder, _, _, _ = written
    assert "FORMAT" not in (folder / "c.vcf").read_text()
