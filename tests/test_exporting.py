"""Files for genome browsers and print, read back by other programs and checked against UCSC's rules."""

import re
import subprocess
import sys
import threading
from xml.etree import ElementTree

import bioframe
import numpy as np
import pandas as pd
import pyBigWig
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import pyplot

from gexviz.errors import GexvizError
from gexviz.exporting import bigwig as bigwig_module
from gexviz.exporting import write_bedgraph, write_bigwig, write_logo, write_sites_bed, write_variants_bed
from gexviz.exporting.ucsc import chromosome, track_line

TRACK = re.compile(r'track( type=bedGraph)? name="[ -!#-~]{1,15}" description="[ -!#-~]{1,60}"( \w+=[\w,]+)*')
COLOUR = re.compile(r"\d{1,3},\d{1,3},\d{1,3}")


def bases_table(seed, n=200, start=20_004_000):
    rng = np.random.default_rng(seed)
    inserted = rng.random(n) < 0.05
    inserted[0] = False
    position = start + np.cumsum(np.where(inserted, 0, rng.choice([1, 1, 1, 3], n)))
    value = rng.normal(size=n).round(1) * 10.0 ** rng.integers(-6, 3)
    value[rng.random(n) < 0.05] = np.nan
    ref = rng.choice(list("ACGT"), n)
    return pd.DataFrame({"position": position, "inserted": inserted, "ref": ref, "value": value})


def lines_of(path):
    """The track line, the comments and the cells of a custom track, after UCSC's rules for all kinds."""
    content = path.read_bytes()
    assert content.isascii() and b"\r" not in content and content.endswith(b"\n")
    track, *rest = content.decode().splitlines()
    assert TRACK.fullmatch(track), track
    comments = [line for line in rest if line.startswith("#")]
    rows = [line.split("\t") for line in rest if not line.startswith("#")]
    assert all(" " not in cell and cell for row in rows for cell in row)
    return track, comments, rows


def by_base(table):
    kept = table[~table["inserted"] & table["value"].notna() & (table["position"] >= 0)]
    return dict(zip(kept["position"].tolist(), kept["value"].astype(np.float32).tolist(), strict=True))


# bedGraph


@given(st.integers(0, 2**32 - 1), st.booleans())
@settings(max_examples=30)
def test_bedgraph_reads_back(tmp_path_factory, seed, ucsc):
    table = bases_table(seed)
    path = tmp_path_factory.getbasetemp() / "values.bedGraph"
    exported = write_bedgraph(table.sample(frac=1, random_state=0), path, "22", name="ISM of x", ucsc=ucsc)
    _, comments, rows = lines_of(path)
    frame = pd.DataFrame(rows, columns=["chrom", "start", "end", "value"])
    frame = frame.astype({"start": int, "end": int, "value": float})
    assert bioframe.is_bedframe(frame) and not bioframe.is_overlapping(frame)
    assert frame["start"].is_monotonic_increasing and (frame["end"] > frame["start"]).all()
    assert set(frame["chrom"]) == {"chr22" if ucsc else "22"}
    found = {p: row.value for row in frame.itertuples() for p in range(row.start, row.end)}
    expected = by_base(table)
    assert found.keys() == expected.keys()
    np.testing.assert_allclose([found[p] for p in expected], list(expected.values()), rtol=1e-5)
    assert exported.written == len(frame)
    assert exported.left_out == len(table) - len(expected)
    assert [int(c.split()[1]) for c in comments] == [exported.left_out] * bool(exported.left_out)


def test_bedgraph_joins_equal_neighbours(tmp_path):
    table = pd.DataFrame({"position": [5, 6, 7, 9, 10], "inserted": False, "value": [1.0, 1.0, 2.0, 2.0, 2.0]})
    write_bedgraph(table, tmp_path / "a.bg", "chrX", name="x")
    assert lines_of(tmp_path / "a.bg")[2] == [
        ["chrX", "5", "7", "1"],
        ["chrX", "7", "8", "2"],
        ["chrX", "9", "11", "2"],
    ]


def test_bedgraph_of_nothing(tmp_path):
    table = bases_table(1).assign(value=np.nan)
    exported = write_bedgraph(table, tmp_path / "a.bg", "1", name="")
    assert exported.written == 0 and exported.left_out == 200
    assert lines_of(tmp_path / "a.bg")[2] == []


def test_positions_off_the_contig_and_twice(tmp_path):
    table = pd.DataFrame({"position": [-1, -1, 0], "inserted": False, "value": [1.0, 2.0, 3.0]})
    assert write_bedgraph(table, tmp_path / "a.bg", "1", name="x")[1:] == (1, 2)
    with pytest.raises(ValueError, match="position 4"):
        write_bedgraph(table.assign(position=4), tmp_path / "a.bg", "1", name="x")
    with pytest.raises(GexvizError, match="can't be written"):
        write_bedgraph(table, tmp_path / "no folder" / "a.bg", "1", name="x")


@given(st.text(max_size=100))
def test_any_name_gives_a_valid_track_line(name):
    assert TRACK.fullmatch(track_line("bedGraph", name, "visibility=full"))
    assert TRACK.fullmatch(track_line("", name))


@pytest.mark.parametrize(
    ("contig", "expected"),
    [("22", "chr22"), ("chr22", "chr22"), ("X", "chrX"), ("MT", "chrM"), ("M", "chrM"), ("chrMT", "chrM"),
     ("NC_000022.11", "chr22"), ("chrUn_gl000192", "chrUn_gl000192")],
)  # fmt: skip
def test_names_of_chromosomes(contig, expected):
    assert chromosome(contig, ucsc=True) == expected
    assert chromosome(contig, ucsc=False) == contig


def test_unknown_chromosome():
    with pytest.raises(GexvizError, match=r"GL000192\.1 is not known"):
        chromosome("GL000192.1", ucsc=True)


# BED


def check_bed(path, chrom):
    """Nine columns after UCSC's rules; also bioframe's own check."""
    track, comments, rows = lines_of(path)
    assert "itemRgb=On" in track
    frame = pd.DataFrame(rows, columns=bioframe.SCHEMAS["bed9"])
    frame = frame.astype(dict.fromkeys(["start", "end", "score", "thickStart", "thickEnd"], int))
    assert bioframe.is_bedframe(frame) and set(frame["chrom"]) <= {chrom}
    assert frame[["start", "end"]].equals(frame[["start", "end"]].sort_values(["start", "end"], kind="stable"))
    assert (frame["start"] >= 0).all() and (frame["end"] > frame["start"]).all()
    assert frame["score"].between(0, 1000).all() and frame["strand"].isin(["+", "-", "."]).all()
    assert frame["name"].str.len().between(1, 255).all()
    assert (frame["thickStart"] == frame["start"]).all() and (frame["thickEnd"] == frame["end"]).all()
    for text in frame["itemRgb"]:
        assert COLOUR.fullmatch(text) and max(map(int, text.split(","))) <= 255
    return frame, comments


def test_variants(tmp_path):
    refs, alts = ["A", "GTT", "C", "T", "G"], ["G", "G", "C" + "A" * 400, "C", "A"]
    position = [300, 100, 200, 400, 500]
    index = [f"22:{p + 1}:{r}:{a}" for p, r, a in zip(position, refs, alts, strict=True)]
    effects = pd.DataFrame({"position": position, "ref": refs, "alt": alts}, index=pd.Index(index, name="variant"))
    effects["effect_reference"] = [0.5, -0.25, 0.1, np.nan, 0.0]
    exported = write_variants_bed(effects, tmp_path / "v.bed", "22", name='my "variants"\nof GENE1', ucsc=True)
    frame, comments = check_bed(tmp_path / "v.bed", "chr22")
    assert exported[1:] == (4, 1) and comments == ["# 1 variants without an effect left out"]
    assert frame["start"].tolist() == [100, 200, 300, 500] and frame["end"].tolist() == [103, 201, 301, 501]
    assert frame["score"].tolist() == [500, 200, 1000, 0]
    assert frame["name"].iloc[[0, 2]].tolist() == ["22:101:GTT:G", "22:301:A:G"]
    assert len(set(frame["itemRgb"])) == 3 and frame["itemRgb"].iloc[1] == frame["itemRgb"].iloc[2]
    none = write_variants_bed(effects.assign(effect_reference=0.0), tmp_path / "z.bed", "22", name="zero")
    assert none.written == 5 and set(check_bed(tmp_path / "z.bed", "22")[0]["score"]) == {0}
    assert write_variants_bed(effects[:0], tmp_path / "e.bed", "22", name="none").written == 0


def test_sites(tmp_path):
    sites = pd.DataFrame(
        {
            "motif": ["MA0001.1 AGL3", "b\té", "c", "d"],
            "start": [30, 10, 20, 40],
            "end": [40, 20, 31, 50],
            "strand": ["+", "-", "+", "-"],
            "p": [1e-4, 1e-12, 0.0, np.nan],
            "inserted": [0, 2, 0, 0],
            "change": ["gained", "lost", "", "weaker"],
        }
    )
    exported = write_sites_bed(sites, tmp_path / "s.bed", "chr1", name="motifs")
    frame, comments = check_bed(tmp_path / "s.bed", "chr1")
    assert exported[1:] == (3, 1)
    assert frame["name"].tolist() == ["b_", "c", "MA0001.1_AGL3"]
    assert frame["score"].tolist() == [1000, 1000, 400] and frame["strand"].tolist() == ["-", "+", "+"]
    assert len(set(frame["itemRgb"])) == 3
    assert len(comments) == 2 and "1 sites have inserted bases" in comments[1]
    write_sites_bed(sites[["motif", "start", "end", "strand", "p"]], tmp_path / "t.bed", "chr1", name="motifs")
    assert len(set(check_bed(tmp_path / "t.bed", "chr1")[0]["itemRgb"])) == 1


# bigWig


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_bigwig_reads_back(tmp_path_factory, seed):
    table = bases_table(seed)
    path = tmp_path_factory.getbasetemp() / "values.bw"
    exported = write_bigwig(table, path, "22", 51_304_566, ucsc=True)
    expected = by_base(table)
    with pyBigWig.open(str(path)) as read:
        assert read.isBigWig() and read.chroms() == {"chr22": 51_304_566}
        found = {p: v for start, end, v in read.intervals("chr22") for p in range(start, end)}
    assert found == expected and exported.left_out == len(table) - len(expected)


def test_bigwig_that_can_not_be(tmp_path, monkeypatch):
    table = bases_table(0)
    with pytest.raises(GexvizError, match="no base has a value"):
        write_bigwig(table.assign(inserted=True), tmp_path / "a.bw", "22", 51_304_566)
    with pytest.raises(ValueError, match="past the end"):
        write_bigwig(table, tmp_path / "a.bw", "22", 1000)
    with pytest.raises(GexvizError, match="can't be written"):
        write_bigwig(table, tmp_path / "none" / "a.bw", "22", 51_304_566)
    monkeypatch.setattr(bigwig_module, "find_spec", lambda name: None)
    with pytest.raises(GexvizError, match="not installed") as caught:
        write_bigwig(table, tmp_path / "a.bw", "22", 51_304_566)
    assert "pip install pyBigWig" in caught.value.remedy
    assert list(tmp_path.iterdir()) == []


# logo


def test_logo_as_vectors_and_pixels(tmp_path):
    table = bases_table(3, n=60)
    for ending in (".svg", ".pdf", ".png"):
        path = tmp_path / f"logo{ending}"
        exported = write_logo(table, path, "22", unit="log2 $TPM$", title="GENE <1> $x^{$")
        assert exported.written == 60 and path.stat().st_size > 5_000
    assert (tmp_path / "logo.pdf").read_bytes().startswith(b"%PDF")
    assert (tmp_path / "logo.png").read_bytes().startswith(b"\x89PNG")
    root = ElementTree.parse(tmp_path / "logo.svg").getroot()
    assert root.tag.endswith("svg")
    assert pyplot.get_fignums() == []


def test_logo_draws_the_letters_that_have_a_height(tmp_path):
    def fills(table):
        write_logo(table, tmp_path / "a.svg", "22", unit="x")
        return re.findall(r"fill: (#[0-9a-f]{6})", (tmp_path / "a.svg").read_text())

    table = pd.DataFrame({"position": range(4), "inserted": False, "ref": list("ACGT"), "value": [1.0, -1.0, 0.5, 0.2]})
    nothing = fills(table.assign(value=0.0))
    all_four, one = fills(table), fills(table.assign(value=[0, 0, 0, 1.0]))
    assert len(set(all_four) - set(nothing)) >= 4
    assert len(all_four) - len(one) == 3
    stacked = table.drop(columns="value").assign(A=1.0, C=[0, 0, 1, 0], G=0.0, T=-1.0)
    assert len(fills(stacked)) - len(nothing) == 9
    missing = fills(table.assign(value=[1.0, np.nan, 0.5, 0.2]))
    assert len(all_four) - len(missing) == 1


def test_logo_refuses(tmp_path):
    table = bases_table(3, n=501)
    with pytest.raises(GexvizError, match="501 bases"):
        write_logo(table, tmp_path / "a.svg", "22", unit="x")
    with pytest.raises(GexvizError, match="0 bases"):
        write_logo(table[:0], tmp_path / "a.svg", "22", unit="x")
    with pytest.raises(GexvizError, match=r"written as \.jpg"):
        write_logo(table[:9], tmp_path / "a.jpg", "22", unit="x")
    assert write_logo(table[:9].assign(ref="N"), tmp_path / "n.png", "22", unit="x")[1:] == (0, 9)


def test_logos_in_two_threads(tmp_path):
    table = bases_table(3, n=30)
    threads = [threading.Thread(target=write_logo, args=(table, tmp_path / f"{i}.svg", "22"), kwargs={"unit": "x"})
               for i in range(2)]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sizes = [(tmp_path / f"{i}.svg").stat().st_size for i in range(2)]
    assert abs(sizes[0] - sizes[1]) < 200


def test_nothing_heavy_is_imported():
    heavy = "['logomaker', 'matplotlib', 'torch', 'pyBigWig']"
    code = f"import sys, gexviz.exporting; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
