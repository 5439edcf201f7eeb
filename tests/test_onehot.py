import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gexviz.models.onehot import one_hot, reverse_complement, reverse_complement_one_hot

LETTERS = b"ACGTacgtNnRYSWKMBDHVry-.*U"
PAIRS = dict(zip("ACGTRYSWKMBDHVN", "TGCAYRSWMKVHDBN", strict=True))

sequences = hnp.arrays(
    np.uint8,
    st.tuples(st.integers(0, 4), st.integers(0, 30)),
    elements=st.sampled_from(list(LETTERS)),
)


def encoded_one_by_one(array, other):
    """The same by a plain loop over letters."""
    result = np.zeros((array.shape[0], 4, array.shape[1]))
    for i, row in enumerate(array):
        for j, byte in enumerate(row):
            letter = chr(byte).upper()
            if letter in "ACGT":
                result[i, "ACGT".index(letter), j] = 1
            else:
                result[i, :, j] = other
    return result


@given(sequences, st.sampled_from([("zero", 0.0), ("quarter", 0.25)]))
def test_one_hot_is_that_of_a_plain_loop(array, policy):
    name, other = policy
    result = one_hot(array, name)
    assert result.dtype == np.float32
    assert result.flags.c_contiguous
    np.testing.assert_array_equal(result, encoded_one_by_one(array, other))


@given(sequences)
def test_reverse_complement_is_that_of_a_plain_loop(array):
    result = reverse_complement(array)
    for row, turned in zip(array, result, strict=True):
        for byte, other in zip(row, turned[::-1], strict=True):
            letter = chr(byte)
            expected = "A" if letter == "U" else PAIRS.get(letter.upper(), letter)
            assert chr(other) == (expected.lower() if letter.islower() else expected)


@given(sequences, st.sampled_from(["zero", "quarter"]))
def test_both_reverse_complements_agree(array, policy):
    letters = np.where(array == ord("U"), ord("N"), array).astype(np.uint8)
    one_way = one_hot(reverse_complement(letters), policy)
    other_way = reverse_complement_one_hot(one_hot(letters, policy))
    np.testing.assert_array_equal(one_way, other_way)
    assert other_way.flags.c_contiguous


def test_reverse_complement_twice_changes_nothing():
    letters = np.frombuffer(b"ACGTRYSWKMBDHVNacgtn", dtype=np.uint8)
    np.testing.assert_array_equal(reverse_complement(reverse_complement(letters)), letters)


@pytest.mark.parametrize("wrong", [np.zeros(4, np.uint8), np.zeros((2, 4), np.int64), np.zeros((1, 2, 3), np.uint8)])
def test_other_arrays_are_refused(wrong):
    with pytest.raises(ValueError, match="uint8"):
        one_hot(wrong)
