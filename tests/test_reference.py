import gzip
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pysam
import pytest
from cohorts import random_bases, write_fasta
from hypothesis import given, settings
from hypothesis import strategies as st

from gexviz.cohort.gaps import count_n
from gexviz.cohort.reference import Reference
from gexviz.errors import GexvizError

RNG = np.random.default_rng(3)
SEQUENCES = {"1": random_bases(RNG, 200_003), "2": random_bases(RNG, 60), "empty_line": "ACGTN" * 12}


@pytest.fixture(scope="module", params=["plain", "bgzip"])
def fasta(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("reference")
    mixed = {n: s[: len(s) // 2].lower() + s[len(s) // 2 :] for n, s in SEQUENCES.items()}
    name = "r.fa.gz" if request.param == "bgzip" else "r.fa"
    return write_fasta(folder / name, mixed, bgzip=request.param == "bgzip")


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_every_stretch_is_that_of_the_file(fasta, data):
    contig = data.draw(st.sampled_from(list(SEQUENCES)))
    length = len(SEQUENCES[contig])
    start = data.draw(st.integers(0, length))
    end = data.draw(st.integers(start, min(length, start + 70_000)))
    found = Reference(fasta).fetch(contig, start, end)
    assert found.dtype == np.uint8
    assert found.tobytes().decode() == SEQUENCES[contig][start:end]


def test_contigs_and_threads(fasta):
    reference = Reference(fasta)
    assert reference.contigs == {n: len(s) for n, s in SEQUENCES.items()}
    places = [(int(s), int(s) + 5_000) for s in RNG.integers(0, 190_000, 60)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda p: reference.fetch("1", *p).tobytes().decode(), places))
    assert found == [SEQUENCES["1"][a:b] for a, b in places]
    assert pickle.loads(pickle.dumps(reference)).fetch("2", 0, 4).tobytes().decode() == SEQUENCES["2"][:4]


@pytest.mark.parametrize(("contig", "start", "end"), [("1", -1, 5), ("1", 0, 200_004), ("1", 9, 3), ("9", 0, 1)])
def test_a_stretch_off_the_reference_is_refused(fasta, contig, start, end):
    with pytest.raises(GexvizError) as caught:
        Reference(fasta).fetch(contig, start, end)
    assert str(fasta) in str(caught.value)


@pytest.mark.parametrize(("name", "suffix"), [("r.fa", ".fai"), ("r.fa.gz", ".fai"), ("r.fa.gz", ".gzi")])
def test_a_missing_index_names_the_command_and_writes_nothing(tmp_path, name, suffix):
    path = write_fasta(tmp_path / name, {"1": "ACGT"}, bgzip=name.endswith("gz"))
    (tmp_path / f"{name}{suffix}").unlink()
    before = sorted(tmp_path.iterdir())
    with pytest.raises(GexvizError, match="no index") as caught:
        Reference(path)
    assert caught.value.remedy == f"samtools faidx {path}"
    assert sorted(tmp_path.iterdir()) == before


def test_a_truncated_reference(tmp_path):
    packed = write_fasta(tmp_path / "r.fa.gz", SEQUENCES, bgzip=True)
    packed.write_bytes(packed.read_bytes()[:30_000])
    with pytest.raises(GexvizError, match="truncated"):
        Reference(packed)
    plain = write_fasta(tmp_path / "p.fa", SEQUENCES)
    plain.write_bytes(plain.read_bytes()[:100_000])
    opened = Reference(plain)
    assert opened.fetch("1", 0, 1_000).tobytes().decode() == SEQUENCES["1"][:1_000]
    with pytest.raises(GexvizError, match="can't be read"):
        opened.fetch("1", 150_000, 150_100)


def test_damage_in_the_middle_is_an_error(tmp_path):
    path = write_fasta(tmp_path / "r.fa.gz", SEQUENCES, bgzip=True)
    data = bytearray(path.read_bytes())
    data[20_000:20_400] = bytes(400)
    path.write_bytes(data)
    with pytest.raises(GexvizError, match="can't be read"):
        Reference(path).fetch("1", 0, 190_000)


def test_gzip_is_not_bgzip(tmp_path):
    plain = write_fasta(tmp_path / "r.fa", {"1": "ACGT"})
    packed = tmp_path / "g.fa.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    with pytest.raises(GexvizError, match="gzip, not bgzip"):
        Reference(packed)


@settings(deadline=None, max_examples=40)
@given(
    text=st.text("ACGTN", min_size=1, max_size=300),
    spans=st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300)), max_size=12),
)
def test_gaps_are_counted_as_by_hand(tmp_path_factory, text, spans):
    path = tmp_path_factory.mktemp("gaps") / "r.fa"
    path.write_text(">1\n" + text + "\n")
    pysam.faidx(str(path))
    spans = [(min(a, b, len(text)), min(max(a, b), len(text))) for a, b in spans]
    starts, ends = (np.array([s[i] for s in spans], dtype=np.int64) for i in (0, 1))
    assert count_n(Reference(path), "1", starts, ends).tolist() == [text[a:b].count("N") for a, b in spans]
