"""Reading motifs, and what is said of broken files."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from memelite.io import read_meme, write_meme

from gexviz.analysis.meme import read_motifs
from gexviz.errors import GexvizError

HERE = Path(__file__).resolve().parents[1]
SHARED = HERE.parent / "shared" / "motifs"
HEAD = "MEME version 4\n\nALPHABET= ACGT\n\nstrands: + -\n\n"
ONE = "MOTIF MA0001.1 AGL3\nletter-probability matrix: alength= 4 w= 2 nsites= 9 E= 0\n0.7 0.1 0.1 0.1\n0 1 0 0\n"


def written(tmp_path, text):
    path = tmp_path / "motifs.meme"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize("name", ["H12CORE_meme_format.meme", "jaspar_2024_consensus.meme"])
def test_equals_memelite_on_real_collections(name):
    if not (SHARED / name).is_file():
        pytest.skip(f"{SHARED / name} is not here")
    motifs, expected = read_motifs(SHARED / name), read_meme(str(SHARED / name))
    assert list(motifs) == list(expected) and len(motifs) > 100
    assert all(np.array_equal(motifs[key], expected[key]) for key in expected)


def test_demo_motifs():
    path = HERE / "data" / "demo" / "motifs.meme"
    motifs, expected = read_motifs(path), read_meme(str(path))
    assert list(motifs) == list(expected)
    assert all(np.array_equal(motifs[key], expected[key]) for key in expected)
    assert all(m.dtype == np.float64 and m.shape == (4, 10) and m.flags.c_contiguous for m in motifs.values())


@given(st.data())
def test_reads_what_memelite_writes(tmp_path_factory, data):
    seed, n = data.draw(st.integers(0, 2**32 - 1)), data.draw(st.integers(1, 5))
    rng = np.random.default_rng(seed)
    expected = {f"M{i} name": rng.dirichlet(np.ones(4), size=rng.integers(1, 40)).T for i in range(n)}
    path = tmp_path_factory.mktemp("meme") / "random.meme"
    write_meme(str(path), expected)
    motifs = read_motifs(path)
    assert list(motifs) == list(expected)
    assert all(np.array_equal(motifs[key], expected[key]) for key in expected)


def test_keeps_the_alternative_name(tmp_path):
    assert list(read_motifs(written(tmp_path, HEAD + ONE))) == ["MA0001.1 AGL3"]


@pytest.mark.parametrize(
    "text",
    [
        HEAD + ONE.rstrip("\n"),
        (HEAD + ONE).replace("\n", "\r\n"),
        "\ufeff" + HEAD + ONE,
        HEAD + ONE.replace(" alength= 4 w= 2 nsites= 9 E= 0", ""),
        HEAD + ONE.replace(" ", "\t").replace("letter-probability\tmatrix", "letter-probability matrix"),
        HEAD + ONE.replace("MOTIF MA0001.1 AGL3", "MOTIF  MA0001.1 AGL3\twidth =   2  sites =  9  llr = 1"),
        HEAD + ONE + "URL http://example.org\n",
        HEAD + ONE.replace("letter", "log-odds matrix: alength= 4 w= 2 n= 9 bayes= 1\n 12 -3 -4 5\n 1 2 3 4\n\nletter"),
        "*****\nMEME - Motif discovery tool\n*****\nMEME version 5.5.5\n\n" + ONE + "------\nTime 0.5 secs.\n",
    ],
)
def test_ways_of_writing_the_same(tmp_path, text):
    motifs = read_motifs(written(tmp_path, text))
    assert list(motifs) == ["MA0001.1 AGL3"]
    np.testing.assert_array_equal(motifs["MA0001.1 AGL3"], [[0.7, 0], [0.1, 1], [0.1, 0], [0.1, 0]])


BROKEN = {
    "fewer rows": (HEAD + ONE.replace("w= 2", "w= 3"), "has 2 rows, but w= 3", "motif MA0001.1 AGL3"),
    "fewer rows before the next": (
        HEAD + ONE.replace("w= 2", "w= 3") + ONE.replace("AGL3", "B"),
        "has 2 rows, but w= 3",
        "line 11, motif",
    ),
    "more rows": (HEAD + ONE.replace("w= 2", "w= 1"), "more than 1 rows, but w= 1", "line 10, motif MA0001.1 AGL3"),
    "blank row": (HEAD + ONE.replace("0.1\n0", "0.1\n\n0"), "has 1 rows, but w= 2", "line 10"),
    "sum": (HEAD + ONE.replace("0.7", "0.6"), "sums to 0.9", "line 9, motif MA0001.1 AGL3"),
    "counts": (HEAD + ONE.replace("0 1 0 0", "3 1 0 0"), "counts or log odds", "line 10"),
    "text": (HEAD + ONE.replace("0 1 0 0", "0 x 0 0"), "'x' is not a number", "line 10, motif MA0001.1 AGL3"),
    "nan": (HEAD + ONE.replace("0 1 0 0", "0 nan 0 0"), "no probability", "line 10"),
    "three cells": (HEAD + ONE.replace("0 1 0 0", "0 1 0"), "a row of 3 numbers", "line 10"),
    "letters": (HEAD + ONE.replace("alength= 4", "alength= 20"), "20 letters", "line 8"),
    "width": (HEAD + ONE.replace("w= 2", "w= two"), "'two' is not a whole number", "line 8"),
    "no rows": (HEAD + "MOTIF A\nletter-probability matrix: alength= 4\n\n", "without rows", "line 9, motif A"),
    "too wide": (HEAD + ONE.replace("w= 2", "w= 101").replace("0 1 0 0\n", "0 1 0 0\n" * 100), "more than 100", "line"),
    "no matrix": (HEAD + "MOTIF A\nURL x\n\n" + ONE, "a motif without a matrix", "line 7, motif A"),
    "no matrix at the end": (HEAD + ONE + "MOTIF A", "a motif without a matrix", "line 11, motif A"),
    "matrix alone": (HEAD + ONE.split("\n", 1)[1], "without a motif", "line 7"),
    "two matrices": (HEAD + ONE + "\n" + ONE.split("\n", 1)[1], "without a motif", "line 12"),
    "no name": (HEAD + ONE.replace("MOTIF MA0001.1 AGL3", "MOTIF"), "without a name", "line 7"),
    "twice": (HEAD + ONE + "\n" + ONE, "MA0001.1 AGL3 is there twice", "lines 7 and 12"),
    "protein": (HEAD.replace("ACGT", "ACDEFGHIKLMNPQRSTVWY") + ONE, "protein", "line 3"),
    "RNA": (HEAD.replace("ACGT", "ACGU") + ONE, "RNA", "line 3"),
    "custom": (HEAD.replace("= ACGT", ' "mine" DNA-LIKE') + ONE, "another alphabet", "line 3"),
    "empty": ("", "the file is empty", None),
    "blank": (" \n\n", "the file is empty", None),
    "no motifs": (HEAD, "the file has no motifs", None),
    "no version": (ONE, "not a MEME file", None),
    "web page": ("<!DOCTYPE html>\n<html></html>", "a web page", None),
    "xml": ("<?xml version='1.0'?>", "XML", None),
    "jaspar": (">MA0001.1 AGL3\nA [1 2]", "JASPAR or HOMER", None),
    "gzip": (b"\x1f\x8b\x08\x00rest", "gzipped", None),
    "latin": (HEAD.encode() + ONE.replace("AGL3", "é").encode("latin-1"), "not UTF-8", "line 7"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_files(tmp_path, kind):
    text, problem, place = BROKEN[kind]
    path = written(tmp_path, text)
    with pytest.raises(GexvizError) as caught:
        read_motifs(path)
    error = caught.value
    assert problem in error.problem
    assert error.file == str(path) and error.expected
    if place is None:
        assert error.place is None
    else:
        assert error.place is not None and place in error.place


def test_no_file(tmp_path):
    with pytest.raises(GexvizError, match="can't read"):
        read_motifs(tmp_path / "absent.meme")
    with pytest.raises(GexvizError, match="can't read"):
        read_motifs(tmp_path)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "bytes.meme"
    for prefix in (b"", (HEAD + ONE).encode()):
        path.write_bytes(prefix + content)
        try:
            motifs = read_motifs(path)
        except GexvizError:
            continue
        assert all(m.shape[0] == 4 and np.isfinite(m).all() for m in motifs.values())
