import pytest

from gexviz.cohort.builds import build_of_lengths, known_build, same_build
from gexviz.cohort.contigs import resolve_contig


@pytest.mark.parametrize(
    ("name", "available", "expected"),
    [
        ("22", ["21", "22"], "22"),
        ("22", ["chr21", "chr22"], "chr22"),
        ("chr22", ["21", "22"], "22"),
        ("CHR22", ["Chr22"], "Chr22"),
        ("MT", ["chrM"], "chrM"),
        ("chrM", ["MT"], "MT"),
        ("M", ["chrMT"], "chrMT"),
        ("x", ["chrX"], "chrX"),
        ("23", ["1", "X"], "X"),
        ("chrX", ["1", "23"], "23"),
        ("26", ["chrM"], "chrM"),
        ("23", ["23", "X"], "23"),  # a genome that has a chromosome 23
        ("X", ["23", "X"], "X"),
        ("NC_000022.10", ["chr22"], "chr22"),
        ("chr22", ["NC_000022.11"], "NC_000022.11"),
        ("chrX", ["NC_000023.11"], "NC_000023.11"),
        ("MT", ["NC_012920.1"], "NC_012920.1"),
        ("GL000192.1", ["GL000192.1"], "GL000192.1"),
        ("22", ["chr2", "chr22_KI270731v1_random"], None),
        ("2", ["chr22"], None),
        ("1", [], None),
    ],
)
def test_a_contig_is_found_under_its_other_names(name, available, expected):
    assert resolve_contig(name, available) == expected


def test_an_exact_match_wins():
    assert resolve_contig("chr22", ["22", "chr22"]) == "chr22"
    assert resolve_contig("22", {"chr22": 1, "22": 2}) == "22"


def test_builds_are_told_from_lengths():
    assert build_of_lengths({"22": 51_304_566}) == "GRCh37"
    assert build_of_lengths({"chr22": 50_818_468, "chr1": 248_956_422}) == "GRCh38"
    assert build_of_lengths({"chr22": 51_324_926}) == "T2T-CHM13"
    assert build_of_lengths({"22": 51_304_566, "1": 248_956_422}) is None  # of two builds
    assert build_of_lengths({"22": 22_000_000}) is None
    assert build_of_lengths({"22": None, "scaffold_1": 5}) is None


def test_build_names():
    assert [known_build(n) for n in ("hg19", "GRCh37.p13", "b37", "hg38", "GRCh38", "T2T-CHM13v2.0", "mm10")] == [
        "GRCh37", "GRCh37", "GRCh37", "GRCh38", "GRCh38", "T2T-CHM13", None]  # fmt: skip
    assert same_build("hg19", "GRCh37")
    assert not same_build("hg19", "hg38")
    assert same_build("mm10", "MM10")
    assert not same_build("mm10", "GRCh38")
