"""Drivers against a plain loop over the published rule, and against the demo's truth."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr
from test_effects import demo, explained  # noqa: F401  (demo is a fixture)

from gexviz.analysis.drivers import find_drivers
from gexviz.demo_study import demo_study_path
from gexviz.demo_study.truth import read_truth


def plain_rule(effect: np.ndarray, dosages: np.ndarray, full: np.ndarray) -> dict[int, tuple[float, float]]:
    """Variants one by one as published: driver -> (rise, r of the running sum)."""
    total = pearsonr(effect @ dosages, full)[0]
    n = sum(len(set(row)) > 1 for row in dosages)
    drivers, before, running = {}, 0.0, np.zeros(len(full))
    for i in sorted(range(len(effect)), key=lambda i: (-abs(effect[i]), i)):
        running = running + dosages[i] * effect[i]
        r = pearsonr(running, full)[0] if np.ptp(running) > 0 else 0.0
        if np.ptp(dosages[i] * effect[i]) > 0:
            own, p = pearsonr(dosages[i] * effect[i], full)
            if r / total - before > 0.05 and own > 0 and p < 0.01 / n:
                drivers[i] = (r / total - before, r)
        before = r / total
    return drivers


@settings(max_examples=150)
@given(st.integers(0, 10**6), st.integers(5, 80), st.integers(1, 25), st.floats(0.0, 3.0))
def test_drivers_are_those_of_a_plain_loop(seed, people, variants, noise):
    rng = np.random.default_rng(seed)
    frequency = rng.choice([0.0, 0.02, 0.2, 0.5, 1.0], variants)
    dosages = rng.binomial(2, frequency[:, None], (variants, people)).astype(float)
    effect = np.round(rng.standard_t(2, variants), 2)
    if variants > 3:
        dosages[1] = np.where(rng.random(people) < 0.9, dosages[0], dosages[1])  # linkage
    full = effect @ dosages + noise * rng.normal(size=people)
    names = [f"v{i}" for i in range(variants)]
    samples = [f"s{i}" for i in range(people)]
    found = find_drivers(
        pd.Series(effect, index=names), pd.DataFrame(dosages, names, samples), pd.Series(full, index=samples)[::-1]
    )
    if np.ptp(effect @ dosages) == 0 or np.ptp(full) < 1e-9:
        assert found.reason and not found.table["driver"].any()
        return
    total = pearsonr(effect @ dosages, full)[0]
    assert found.approximation_r == pytest.approx(total)
    if total <= 0:
        assert "does not rise" in found.reason and found.main is None and not found.table["driver"].any()
        return
    expected = plain_rule(effect, dosages, full)
    assert found.table.index[found.table["driver"]].tolist() == [names[i] for i in sorted(expected)]
    for i, (rise, r) in expected.items():
        assert found.table["rise"].iat[i] == pytest.approx(rise)
        assert found.table["running_r"].iat[i] == pytest.approx(r)
    if expected:
        main = max(expected, key=lambda i: expected[i][0])
        assert found.table["rise"].loc[found.main] == pytest.approx(expected[main][0])
        assert found.table["main_driver"].sum() == 1 and found.table["main_driver"].loc[found.main]
        only = sum(effect[i] * dosages[i] for i in expected)
        assert found.drivers_only_r == pytest.approx(pearsonr(only, full)[0])
        order = found.people["prediction"].index
        assert np.allclose(found.people["sum_drivers"], pd.Series(only, samples)[order])
    else:
        assert found.main is None and np.isnan(found.drivers_only_r)
    assert sorted(found.table["rank"]) == list(range(1, variants + 1))


def case(effect, dosages, prediction):
    names, samples = [f"v{i}" for i in range(len(effect))], [f"s{i}" for i in range(len(prediction))]
    return find_drivers(
        pd.Series(effect, names, dtype=float), pd.DataFrame(dosages, names, samples, dtype=float),
        pd.Series(prediction, samples, dtype=float),
    )  # fmt: skip


def test_where_there_are_no_drivers_to_find():
    half = np.repeat([0.0, 1.0], 10)
    assert case([1], [half], np.ones(20)).reason == "constant prediction"
    assert case([1], [np.ones(20)], half).reason == "no variant that varies among these people"
    assert case([0], [half], half).reason == "constant sum: no variant that varies has an effect"
    assert case([np.nan], [half], half).reason == "no variant that varies among these people"
    assert case([], np.zeros((0, 20)), half).reason == "no variant that varies among these people"
    assert case([1], [half[:3]], half[:3]).reason == "fewer than 4 people with a prediction"
    assert case([1], [half], np.full(20, np.nan)).reason == "fewer than 4 people with a prediction"
    opposite = case([1], [half], -half)
    assert "(r = -1.00)" in opposite.reason and opposite.approximation_r == pytest.approx(-1)
    for found in (opposite, case([1], [half], np.ones(20)), case([np.nan], [half], half)):
        assert found.table["rise"].isna().all() and not found.table["driver"].any() and found.main is None


def test_the_thresholds():
    """Two independent variants, the second worth a rise of just over or under 0.05; and one that only mends another."""
    u, w = (sign.ravel() for sign in np.meshgrid(np.repeat([-1.0, 1.0], 10), np.repeat([-1.0, 1.0], 10)))
    for rise in (0.045, 0.055):
        size = np.sqrt(1 / (1 - rise) ** 2 - 1)
        found = case([1, size], [u, w], u + size * w)
        assert found.table["rise"].tolist() == pytest.approx([1 - rise, rise])
        assert found.table["driver"].tolist() == [True, rise > 0.05]
    mends = case([1, -0.9], [u + w, w], u + 0.3 * w)
    assert (
        mends.table["rise"].iat[1] > 0.05 and mends.table["own_r"].iat[1] < -0.2 and mends.table["own_p"].iat[1] < 1e-6
    )
    assert mends.table["driver"].tolist() == [True, False]


def test_a_variant_without_an_effect_stays_out():
    half = np.repeat([0.0, 1.0], 20)
    found = case([np.nan, 1], [half, half], half + 0.01 * np.arange(40))
    assert found.table["driver"].tolist() == [False, True] and found.n == 1
    assert found.table["rank"].tolist() == [pd.NA, 1]


@pytest.fixture(scope="module")
def drivers_of_demo(demo):  # noqa: F811
    """Drivers of every gene of the demo under its deep model."""
    out = {}
    for gene in demo.genes.index:
        effects, prediction, _ = explained(demo, "cnn", gene)
        out[gene] = find_drivers(effects.table["effect_reference"], effects.dosages, prediction)
    return out


def test_the_causal_promoter_variants_are_the_main_drivers(drivers_of_demo):
    """All 14 of classes promoter and reversed, and no other variant beside them."""
    truth = read_truth(demo_study_path().parent / "truth.tsv")
    promoters = truth[truth["class"].isin(["promoter", "reversed"])]
    assert len(promoters) == 14
    for gene, variant in zip(promoters["gene"], promoters["variant"], strict=True):
        found = drivers_of_demo[gene]
        assert found.main == variant
        assert found.table.index[found.table["driver"]].tolist() == [variant]
        assert found.approximation_r > 0.99 and found.drivers_only_r > 0.99


def test_drivers_of_genes_whose_cause_the_model_cannot_see(drivers_of_demo):
    """A driver explains the model, not the gene: those of distal and null genes are all false."""
    truth = read_truth(demo_study_path().parent / "truth.tsv")
    causal = set(truth["variant"].dropna())
    kind = truth.groupby("gene")["class"].first()
    blind = kind[kind.isin(["distal", "null"])].index
    false = {
        gene: found.table.index[found.table["driver"]].difference(list(causal))
        for gene, found in drivers_of_demo.items()
    }
    assert len(blind) == 12 and sum(len(false[gene]) for gene in blind) >= 12
    assert sum(len(false[gene]) for gene in kind.index.difference(blind)) <= 2
    spread = {gene: found.people["prediction"].std() for gene, found in drivers_of_demo.items()}
    assert max(spread[gene] for gene in blind) < min(spread[gene] for gene in kind.index.difference(blind))
