"""Dinucleotide shuffles: exact counts, every shuffle equally likely, N in place."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from gexviz.analysis.shuffling import dinucleotide_shuffles

LETTERS = "ACGTacgtNRYn"


def bytes_of(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(), dtype=np.uint8).copy()


def pairs(sequence: np.ndarray) -> Counter:
    return Counter(itertools.pairwise(sequence.tobytes().decode()))


@settings(deadline=None, max_examples=200)
@given(st.text(LETTERS, max_size=60), st.integers(0, 5), st.integers(0, 2**32))
def test_counts_of_pairs_and_both_ends_are_kept(text, n, seed):
    sequence = bytes_of(text)
    shuffles = dinucleotide_shuffles(sequence, n, seed)
    assert shuffles.shape == (n, len(text)) and shuffles.dtype == np.uint8
    expected = bytes_of(text.upper())
    for shuffle in shuffles:
        assert pairs(shuffle) == pairs(expected)
        if len(text):
            assert shuffle[0] == expected[0] and shuffle[-1] == expected[-1]
        other = ~np.isin(expected, bytes_of("ACGT"))
        assert (shuffle[other] == expected[other]).all()
    assert (sequence == bytes_of(text)).all()


@settings(deadline=None, max_examples=30)
@given(st.text("ACGT", min_size=20, max_size=200), st.integers(0, 2**32))
def test_the_seed_decides_and_more_shuffles_begin_with_the_same(text, seed):
    sequence = bytes_of(text)
    five = dinucleotide_shuffles(sequence, 5, seed)
    assert (five == dinucleotide_shuffles(sequence, 5, seed)).all()
    assert (five[:3] == dinucleotide_shuffles(sequence, 3, seed)).all()


@pytest.mark.parametrize("text", ["ACAGATCA", "AACGACTAGC", "GATTACAGA", "CATGCATTA"])
def test_every_shuffle_is_equally_likely(text):
    """Against all orders of the letters, kept if they have the pairs and the ends of the sequence."""
    wanted = pairs(bytes_of(text))
    possible = sorted(
        {
            text[0] + "".join(middle) + text[-1]
            for middle in itertools.permutations(text[1:-1])
            if Counter(itertools.pairwise(text[0] + "".join(middle) + text[-1])) == wanted
        }
    )
    n = 400 * len(possible)
    seen = Counter(row.tobytes().decode() for row in dinucleotide_shuffles(bytes_of(text), n, 1))
    assert set(seen) == set(possible) and len(possible) > 1
    assert chisquare([seen[one] for one in possible]).pvalue > 1e-4


def test_a_long_sequence_is_really_shuffled():
    sequence = np.random.default_rng(0).choice(bytes_of("ACGT"), 10_500)
    first, second = dinucleotide_shuffles(sequence, 2, 3)
    for a, b in ((first, sequence), (second, sequence), (first, second)):
        assert 0.2 < np.mean(a == b) < 0.3


def test_runs_between_n_are_shuffled_by_themselves():
    sequence = bytes_of("ACGTTGCAACGGTA" + "N" * 5 + "GGCATTAGCATGCAG")
    shuffles = dinucleotide_shuffles(sequence, 20, 0)
    assert (shuffles[:, 14:19] == ord("N")).all()
    assert len(np.unique(shuffles[:, :14], axis=0)) > 1
    for shuffle in shuffles:
        assert pairs(shuffle[:14]) == pairs(sequence[:14])
        assert pairs(shuffle[19:]) == pairs(sequence[19:])


@pytest.mark.parametrize("text", ["", "A", "AC", "AAAAAAAA", "ACACACAC", "NNNN"])
def test_what_can_not_move_stays(text):
    shuffles = dinucleotide_shuffles(bytes_of(text), 3, 0)
    assert (shuffles == bytes_of(text)).all()


def test_other_arrays_are_refused():
    with pytest.raises(ValueError, match="uint8"):
        dinucleotide_shuffles(np.zeros(4), 1, 0)
    with pytest.raises(ValueError, match="uint8"):
        dinucleotide_shuffles(np.zeros((1, 4), np.uint8), 1, 0)
    with pytest.raises(ValueError, match="number of shuffles"):
        dinucleotide_shuffles(bytes_of("ACGT"), -1, 0)
