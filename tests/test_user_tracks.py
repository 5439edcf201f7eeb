"""A reader's own tracks: all ways of writing them, bounds, and what is said of broken ones."""

import gzip
import tracemalloc

import bioframe
import numpy as np
import pandas as pd
import pyBigWig
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gexviz.cohort import user_tracks
from gexviz.cohort.user_tracks import MOST, read_user_track
from gexviz.errors import GexvizError
from gexviz.exporting import write_bedgraph

BED = "chr22\t100\t200\tpeak 1\t500\t+\nchr22\t150\t300\t.\t.\t.\nchr1\t1\t2\tx\t1\t-\nchr22\t900\t950\tlast\t7\t-\n"


def written(tmp_path, name, content):
    path = tmp_path / name
    data = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def bigwig(path, lengths, rows):
    with pyBigWig.open(str(path), "w") as out:
        out.addHeader(list(lengths.items()))
        for chrom, start, end, value in rows:
            out.addEntries([chrom], [start], ends=[end], values=[value])
    return path


def painted(table, start, end):
    """Values of each base of a stretch, NaN where there is none."""
    values = np.full(end - start, np.nan)
    for row in table.itertuples():
        assert start <= row.start < row.end <= end
        values[row.start - start : row.end - start] = row.value
    return values


# BED


@pytest.mark.parametrize("contig", ["22", "chr22"])
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.bed", BED),
        ("a.bed.gz", BED),
        ("a.narrowPeak", BED),
        ("a", BED),
        ("a.bed", BED.replace("\n", "\r\n")),
        ("a.bed", "\ufeff" + BED.rstrip("\n")),
        ("a.bed", "browser position chr22:1-2\n#c\n\ntrack name=a itemRgb=On\n" + BED + "\n# end\n"),
    ],
)
def test_bed(tmp_path, name, content, contig):
    track = read_user_track(written(tmp_path, name, content), contig, 120, 920)
    assert track.kind == "bed" and track.name == "a" and track.note == ""
    expected = [[120, 200, "peak 1", 500.0, "+"], [150, 300, "", None, "."], [900, 920, "last", 7.0, "-"]]
    found = track.table.astype(object).where(track.table.notna(), None)
    assert list(track.table.columns) == ["start", "end", "name", "score", "strand"]
    assert found.to_numpy().tolist() == expected


def test_bed_by_spaces_of_three_columns_unsorted(tmp_path):
    path = written(tmp_path, "a.bed", "22 50 60\n22   10 20\n22 20 20\n22 70 80\n")
    track = read_user_track(path, "chr22", 15, 70)
    assert track.table[["start", "end"]].to_numpy().tolist() == [[15, 20], [20, 20], [50, 60]]
    assert track.table["score"].isna().all() and (track.table["strand"] == ".").all()


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25)
def test_bed_as_bioframe_reads_it(tmp_path_factory, seed):
    rng = np.random.default_rng(seed)
    start = rng.integers(0, 2000, 40)
    frame = pd.DataFrame({"chrom": rng.choice(["chr22", "chr2"], 40), "start": start})
    frame["end"] = start + rng.integers(1, 100, 40)
    frame["name"] = [f"n{i}" for i in range(40)]
    path = tmp_path_factory.getbasetemp() / "random.bed"
    frame.to_csv(path, sep="\t", index=False, header=False)
    expected = bioframe.select(bioframe.read_table(str(path), schema="bed4"), ("chr22", 500, 1500))
    expected = expected.assign(start=expected["start"].clip(lower=500), end=expected["end"].clip(upper=1500))
    expected = expected.sort_values(["start", "end"], kind="stable")
    track = read_user_track(path, "22", 500, 1500)
    assert track.table[["start", "end"]].to_numpy().tolist() == expected[["start", "end"]].to_numpy().tolist()
    assert sorted(track.table["name"]) == sorted(expected["name"])


def test_more_intervals_than_are_kept(tmp_path):
    path = written(tmp_path, "a.bed", "".join(f"22\t{i * 10}\t{i * 10 + 5}\n" for i in range(MOST + 500)))
    track = read_user_track(path, "22", 0, 1_000_000)
    assert len(track.table) == MOST and track.note == "20,000 of 20,500 intervals"
    assert track.table["start"].iloc[[0, -1]].tolist() == [0, (MOST + 499) * 10]


def test_too_many_intervals(tmp_path, monkeypatch):
    monkeypatch.setattr(user_tracks._Items, "most_read", 9)
    path = written(tmp_path, "a.bed", "".join(f"22\t{i}\t{i + 5}\n" for i in range(10)))
    with pytest.raises(GexvizError, match="more than 9 intervals"):
        read_user_track(path, "22", 0, 100)


# bedGraph


@given(st.integers(0, 2**32 - 1), st.sampled_from(["a.bedGraph", "a.bg.gz", "a.txt"]))
@settings(max_examples=25)
def test_bedgraph_by_definition(tmp_path_factory, seed, name):
    rng = np.random.default_rng(seed)
    edges = np.sort(rng.choice(1000, 60, replace=False))
    values = rng.normal(size=30).round(3)
    rows = [f"chr22\t{a}\t{b}\t{v}\n" for a, b, v in zip(edges[::2], edges[1::2], values, strict=True)]
    path = written(tmp_path_factory.mktemp("bg"), name, "".join(rng.permutation(rows)))
    track = read_user_track(path, "22", 200, 800)
    expected = np.full(1000, np.nan)
    for a, b, v in zip(edges[::2], edges[1::2], values, strict=True):
        expected[a:b] = v
    np.testing.assert_array_equal(painted(track.table, 200, 800), expected[200:800])
    assert track.kind == "bedgraph" and track.table["start"].is_monotonic_increasing


def test_what_is_exported_reads_back(tmp_path):
    table = pd.DataFrame({"position": np.arange(50, 90), "inserted": False, "value": np.linspace(-1, 1, 40)})
    write_bedgraph(table, tmp_path / "file.txt", "22", name="ISM of GENE", ucsc=True)
    track = read_user_track(tmp_path / "file.txt", "22", 0, 1000)
    assert (track.kind, track.name, len(track.table)) == ("bedgraph", "ISM of GENE", 40)
    np.testing.assert_allclose(track.table["value"], table["value"], atol=1e-6)


def test_kinds(tmp_path):
    four = "22\t1\t5\t7\n"
    for name, content, kind in [
        ("a", four, "bedgraph"),
        ("a.bed", four, "bed"),
        ("a.bed", "track type=bedGraph\n" + four, "bedgraph"),
        ("a", "22\t1\t5\tx\n", "bed"),
        ("a", "22\t1\t5\t7\t1\n", "bed"),
        ("a.bg", four + "track name=more\n22\t8\t9\t7\n", "bedgraph"),
        ("a.bed", "track type=narrowPeak\n" + four, "bed"),
    ]:
        assert read_user_track(written(tmp_path, name, content), "22", 0, 10).kind == kind


def test_missing_values_of_bedgraph(tmp_path):
    track = read_user_track(written(tmp_path, "a.bg", "22\t1\t5\tNaN\n22\t5\t6\t1\n22\t7\t7\t1\n"), "22", 0, 10)
    assert track.table.to_numpy().tolist() == [[5, 6, 1]]


def dense(start, n):
    rng = np.random.default_rng(4)
    values = rng.normal(size=n).astype(np.float32)
    values[1000:3000] = np.nan
    return values


@pytest.mark.parametrize("kind", ["bedgraph", "bigwig"])
def test_means_of_bins(tmp_path, kind):
    n, start = 50_001, 7
    values = dense(start, n)
    known = np.flatnonzero(~np.isnan(values))
    if kind == "bedgraph":
        rows = [f"22\t{start + i}\t{start + i + 1}\t{float(values[i])!r}\n" for i in known]
        path = written(tmp_path, "a.bedgraph", "".join(rows))
    else:
        path = tmp_path / "a.bw"
        with pyBigWig.open(str(path), "w") as out:
            out.addHeader([("22", 100_000)])
            out.addEntries(["22"] * len(known), (start + known).tolist(), ends=(start + known + 1).tolist(),
                           values=values[known].tolist())  # fmt: skip
    track = read_user_track(path, "chr22", start, start + n)
    assert track.kind == kind and track.note == "means of 3 bp" and len(track.table) <= MOST
    for row in track.table.iloc[::97].itertuples():
        assert row.value == pytest.approx(np.nanmean(values[row.start - start : row.end - start]), rel=1e-5, abs=1e-7)
    assert len(track.table) == sum(not np.isnan(values[i : i + 3]).all() for i in range(0, n, 3))
    assert track.table["end"].max() == start + n
    with_gaps = read_user_track(path, "22", start, start + 4000)
    assert with_gaps.note == ""
    np.testing.assert_array_equal(painted(with_gaps.table, start, start + 4000), values[:4000].astype(float))


# bigWig


def test_bigwig(tmp_path):
    rows = [("chr22", 10, 20, 1.5), ("chr22", 20, 25, 1.5), ("chr22", 40, 50, -2.0), ("chrX", 0, 9, 1.0)]
    path = bigwig(tmp_path / "my track.bigWig", {"chr22": 60, "chrX": 10}, rows)
    track = read_user_track(path, "22", 15, 45)
    assert (track.kind, track.name, track.note) == ("bigwig", "my track", "")
    assert track.table.to_numpy().tolist() == [[15, 25, 1.5], [40, 45, -2.0]]
    assert read_user_track(path, "22", 50, 1000).table.empty  # past the end of the contig
    assert read_user_track(path, "22", 100, 1000).table.empty
    assert read_user_track(path, "22", 45, 1000).table["end"].tolist() == [50]
    absent = read_user_track(path, "7", 0, 10)
    assert absent.table.empty and absent.note == "nothing on 7; the file has chr22, chrX"
    assert list(absent.table.columns) == ["start", "end", "value"]


def test_without_pybigwig(tmp_path, monkeypatch):
    path = bigwig(tmp_path / "a.bw", {"22": 60}, [("22", 1, 2, 1.0)])
    monkeypatch.setattr(user_tracks, "find_spec", lambda name: None)
    with pytest.raises(GexvizError, match="not installed") as caught:
        read_user_track(path, "22", 0, 10)
    assert "pip install pyBigWig" in caught.value.remedy


def test_damaged_bigwig(tmp_path):
    whole = bigwig(tmp_path / "a.bw", {"22": 60}, [("22", 1, 2, 1.0)]).read_bytes()
    for length in (4, 60, 200):
        with pytest.raises(GexvizError, match="can't be read"):
            read_user_track(written(tmp_path, "b.bw", whole[:length]), "22", 0, 10)


# other things


def test_nothing_on_the_contig(tmp_path):
    path = written(tmp_path, "a.bed", "".join(f"chr{i}\t1\t2\n" for i in range(1, 9)))
    track = read_user_track(path, "22", 0, 10)
    assert track.table.empty and track.note == "nothing on 22; the file has chr1, chr2, chr3, chr4, chr5 and 3 more"
    here = read_user_track(path, "3", 5, 10)
    assert here.table.empty and here.note == ""


BROKEN = {
    "two columns": ("a.bed", "22\t5\n", "a line of 2 columns", "line 1"),
    "one column": ("a.bed", "22\t1\t2\n22\n", "a line of 1 column", "line 2"),
    "commas": ("a.bed", "22,5,6\n", "a line of 1 column", "line 1"),
    "header": ("a.bed", "chrom\tstart\tend\n22\t1\t2\n", "'start' is not a position", "line 1"),
    "start": ("a.bed", "#x\n22\t1\t2\n22\t-1\t6\n", "'-1' is not a position", "line 3"),
    "end": ("a.bed", "22\t1\t6.5\n", "'6.5' is not a position", "line 1"),
    "no number": ("a.bed", "22\t1\t" + "9" * 5000 + "\n", "'999", "line 1"),
    "tabs": ("a.bed", "\t\t\t\n22\t\t5\n", "'' is not a position", "line 2"),
    "turned": ("a.bed.gz", "22\t1\t2\n22\t9\t6\n", "the start 9 is after the end 6", "line 2"),
    "score": ("a.bed", "22\t1\t2\tx\thigh\n", "the score 'high' is not a number", "line 1"),
    "value": ("a.bedgraph", "22\t1\t2\t3\n22\t2\t3\tx\n", "'x' is not a number", "line 2"),
    "infinite": ("a.bedgraph", "22\t1\t2\tinf\n", "'inf' is not a number", "line 1"),
    "no value": ("a.bedgraph", "22\t1\t2\n", "'' is not a number", "line 1"),
    "overlap": ("a.bedgraph", "22\t5\t9\t3\n22\t1\t2\t3\n22\t8\t10\t3\n", "overlap", "lines 1 and 3"),
    "two kinds": ("a.bed", "22\t1\t2\ntrack type=bedGraph\n", "another track", "line 2"),
    "empty": ("a.bed", "", "no intervals", None),
    "remarks": ("a.bed", "track name=x\n#\n", "no intervals", None),
    "wiggle": ("a.wig", "fixedStep chrom=22\n1\n", "wiggle", None),
    "vcf": ("a.bed", "##fileformat=VCFv4.2\n", "VCF", None),
    "gff": ("a.bed", "##gff-version 3\n", "GFF", None),
    "page": ("a.bed", "<!DOCTYPE html>", "web page", None),
    "binary": ("a.bed", b"22\t1\t2\0", "not text", None),
    "bigbed": ("a.bb", b"\xeb\xf2\x89\x87rest", "bigBed", None),
    "bam": ("a.bam.gz", b"BAM\x01rest", "BAM", None),
}  # fmt: skip


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_files(tmp_path, kind):
    name, content, problem, place = BROKEN[kind]
    path = written(tmp_path, name, content)
    with pytest.raises(GexvizError) as caught:
        read_user_track(path, "22", 0, 100)
    assert problem in caught.value.problem and caught.value.file == str(path)
    assert caught.value.place == place and caught.value.expected


def test_cut_gzip_and_no_file(tmp_path):
    path = written(tmp_path, "a.bed.gz", "".join(f"22\t{i}\t{i + 5}\n" for i in range(999)))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(GexvizError, match="can't be read"):
        read_user_track(path, "22", 0, 100)
    for absent in (tmp_path / "none.bed", tmp_path, "https://example.org/a.bw"):
        with pytest.raises(GexvizError, match="doesn't exist"):
            read_user_track(absent, "22", 0, 100)
    for start, end in ((5, 5), (-1, 5), (0, 10_000_001)):
        with pytest.raises(GexvizError, match="a region of"):
            read_user_track(path, "22", start, end)


def test_names_of_tracks_are_plain(tmp_path):
    path = written(tmp_path, "a.bed", "track name='my \x07 peaks' color=1,2,3\n" + BED)
    assert read_user_track(path, "22", 0, 10).name == "my  peaks"


def test_only_the_region_is_held(tmp_path):
    path = written(tmp_path, "a.bed", "".join(f"chr22\t{i * 10}\t{i * 10 + 5}\tname{i}\n" for i in range(60_000)))
    tracemalloc.start()
    track = read_user_track(path, "22", 100_000, 101_000)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(track.table) == 100 and most < 2_000_000


@given(st.binary(max_size=200), st.sampled_from(["a.bed", "a.bedgraph", "a.txt"]))
def test_any_bytes_are_read_or_refused(tmp_path_factory, content, name):
    path = tmp_path_factory.getbasetemp() / name
    for prefix in (b"", b"22\t1\t2\t3\n", b"22\t1\t2\t3\n22\t"):
        path.write_bytes(prefix + content)
        try:
            track = read_user_track(path, "22", 0, 100)
        except GexvizError:
            continue
        assert track.table["start"].between(0, 100).all() and (track.table["end"] >= track.table["start"]).all()
