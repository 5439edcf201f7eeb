"""Epistasis against a model whose interactions are known, and against plain forward passes."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import cohorts
import numpy as np
import pytest
from test_effects import SPEC, random_model
from test_variant_sequences import opened

from gexviz.analysis.epistasis import epistasis
from gexviz.analysis.prediction import predict_sequences
from gexviz.cohort.variant_sequences import read_variant_sequences
from gexviz.cohort.windows import Window
from gexviz.errors import GexvizError

SEQUENCE = cohorts.random_bases(np.random.default_rng(5), 120)
OTHER = {"A": "C", "C": "G", "G": "T", "T": "A"}


def snv(position: int, calls: list[str]) -> tuple:
    return ("1", position, ".", SEQUENCE[position], [OTHER[SEQUENCE[position]]], calls)


def name(record: tuple) -> str:
    return f"{record[0]}:{record[1] + 1}:{record[3]}:{record[4][0]}"


@pytest.fixture
def found(tmp_path):
    records = [
        snv(35, ["0|1"]), snv(40, ["1|1"]), snv(55, ["0|0"]),
        ("1", 60, ".", SEQUENCE[60:64], [SEQUENCE[60]], ["0|0"]), snv(62, ["0|1"]),
        ("1", 70, ".", SEQUENCE[70], [SEQUENCE[70] + "GG"], ["1|0"]), snv(80, ["0|1"]),
    ]  # fmt: skip
    return read_variant_sequences(*opened(tmp_path, SEQUENCE, records, ["A"]), Window("1", 30, 90, "+", 20))


class Pairs:
    """Adds a weight for each ALT there is at three indices, and 2 if the first two are there together."""

    spec = SPEC

    def predict_sequences(self, onehot: np.ndarray) -> np.ndarray:
        there = [onehot[:, b"ACGT".index(OTHER[SEQUENCE[30 + i]].encode()), i] for i in (5, 10, 50)]
        return there[0] - 3 * there[1] + 0.5 * there[2] + 2 * there[0] * there[1] + 7


def test_a_known_interaction(found):
    names = [name(snv(p, [])) for p in (35, 40, 80)]
    result = epistasis(Pairs(), found, names)
    assert result.original == 7 and result.single.tolist() == [1, -3, 0.5]
    expected = np.array([[np.nan, 2, 0], [2, np.nan, 0], [0, 0, np.nan]])
    assert np.array_equal(result.matrix.to_numpy(), expected, equal_nan=True)
    assert (result.reasons == "").all(axis=None) and list(result.matrix.columns) == names
    # on the person's second copy the first is carried: it is taken off for f(0), what is not chosen stays
    on_copy = epistasis(Pairs(), found, names[1:], sample="A", copy=2)
    assert on_copy.original == 8 and on_copy.single.tolist() == [-1, 0.5] and on_copy.matrix.iat[0, 1] == 0


@pytest.mark.parametrize("strand", ["none", "rc_mean"])
@pytest.mark.parametrize("copy", [None, 1, 2])
def test_equals_plain_forward_passes(found, strand, copy):
    model = random_model(3, replace(SPEC, strand=strand))
    names = list(found.variants.index)
    counted: list[tuple[int, int]] = []
    result = epistasis(
        model,
        found,
        names,
        sample=copy and "A",
        copy=copy,
        progress=lambda done, total, _: counted.append((done, total)),
    )
    impossible = {frozenset(names[i] for i in (3, 4))}  # an SNV in the deletion
    assert counted[-1][0] == counted[-1][1]

    def plain(*chosen: str) -> float:
        made = found.combined([chosen, names], copy and "A", copy)
        return float(predict_sequences(model, made.sequences)[0])

    assert result.original == pytest.approx(plain(), abs=1e-5)
    for a, b in combinations(names, 2):
        value = result.matrix.at[a, b]
        assert np.array_equal(value, result.matrix.at[b, a], equal_nan=True)
        if frozenset((a, b)) in impossible:
            assert np.isnan(value) and result.reasons.at[a, b] == result.reasons.at[b, a] == "alleles that overlap"
            continue
        assert value == pytest.approx(plain(a, b) - plain(a) - plain(b) + plain(), abs=1e-5)


def test_substitutions_by_hand(found):
    model = random_model(4)
    names = [name(snv(p, [])) for p in (35, 40, 80)]
    base = found.reference.sequence
    at = {names[0]: 5, names[1]: 10, names[2]: 50}

    def value(*chosen: str) -> float:
        changed = base.copy()
        for variant in chosen:
            changed[at[variant]] = ord(variant[-1])
        return float(predict_sequences(model, changed[None])[0])

    result = epistasis(model, found, names)
    for a, b in combinations(names, 2):
        assert result.matrix.at[a, b] == pytest.approx(value(a, b) - value(a) - value(b) + value(), abs=1e-5)


def test_what_cannot_be_asked(found):
    names = list(found.variants.index)
    with pytest.raises(GexvizError, match="epistasis of 1 variants"):
        epistasis(Pairs(), found, names[:1])
    with pytest.raises(GexvizError, match="given twice"):
        epistasis(Pairs(), found, [names[0], names[0]])
    with pytest.raises(GexvizError, match="epistasis of 13"):
        epistasis(Pairs(), found, [f"1:{i}:A:C" for i in range(13)])
    with pytest.raises(GexvizError, match="not among the 7"):
        epistasis(Pairs(), found, [names[0], "1:1:A:C"])
