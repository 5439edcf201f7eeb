"""Nulls: right size under no effect, power under one, the same again with the same seed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from gexviz.analysis.evaluation import evaluate_genes
from gexviz.analysis.nulls import Analytic, Permutation, RandomWeights, random_weights_null, random_weights_p
from gexviz.errors import GexvizError

PEOPLE = [f"S{i}" for i in range(60)]


def frame(values):
    return pd.DataFrame(values, [f"G{i}" for i in range(len(values))], PEOPLE[: values.shape[1]])


def unrelated(seed, genes=400, people=60):
    rng = np.random.default_rng(seed)
    return frame(rng.normal(size=(genes, people))), frame(rng.normal(size=(genes, people)))


@pytest.mark.parametrize("null", [Analytic(), Permutation(draws=199, seed=4)])
def test_p_is_uniform_where_nothing_is_related(null):
    predicted, observed = unrelated(1)
    table = evaluate_genes(predicted, observed, null=null)
    assert stats.kstest(table["p"], "uniform").pvalue > 0.01
    assert (table["null"] == null.name).all()
    assert table.attrs["null"] == null.name


def test_permutation_equals_a_loop_over_shuffles():
    predicted, observed = unrelated(2, genes=3, people=12)
    observed.iloc[1, 4] = np.nan
    table = evaluate_genes(predicted, observed, null=Permutation(draws=99, seed=7))
    for gene in table.index:
        keep = observed.loc[gene].notna().to_numpy()
        x, y = predicted.loc[gene].to_numpy()[keep], observed.loc[gene].to_numpy()[keep]
        orders = np.random.default_rng(7).permuted(np.tile(np.arange(x.size), (99, 1)), axis=1)
        r, null = np.corrcoef(x, y)[0, 1], np.array([np.corrcoef(x, y[o])[0, 1] for o in orders])
        expected = min(1, 2 * min(1 + (null >= r).sum(), 1 + (null <= r).sum()) / 100)
        assert table.loc[gene, "p"] == pytest.approx(expected)


def test_permutation_agrees_with_the_analytic_null_on_normal_data():
    predicted, observed = unrelated(3, genes=60)
    observed = observed + 0.25 * predicted
    shuffled = evaluate_genes(predicted, observed, null=Permutation(draws=4999, seed=1))["p"]
    analytic = evaluate_genes(predicted, observed)["p"]
    error = 4 * np.sqrt(analytic * (1 - analytic) * 2 / 5000) + 2 / 5000
    assert ((shuffled - analytic).abs() < error + 0.01).all()


def test_permutation_is_the_same_alone_and_by_seed():
    predicted, observed = unrelated(4, genes=20)
    observed.iloc[3, :5] = np.nan
    p = evaluate_genes(predicted, observed, null=Permutation(draws=99, seed=5))["p"]
    alone = evaluate_genes(predicted.iloc[[3]], observed.iloc[[3]], null=Permutation(draws=99, seed=5))["p"]
    assert alone.iloc[0] == p.iloc[3]
    other = evaluate_genes(predicted, observed, null=Permutation(draws=99, seed=6))["p"]
    assert not p.equals(other)
    assert p.min() >= 2 / 100


def test_shuffling_within_groups_keeps_the_difference_between_them():
    rng = np.random.default_rng(6)
    group = np.repeat([0.0, 1.0], 30)
    predicted, observed = (frame(3 * group + rng.normal(size=(200, 60))) for _ in range(2))
    labels = pd.Series(group.astype(str), index=PEOPLE)
    everyone = evaluate_genes(predicted, observed, null=Permutation(draws=199))
    within = evaluate_genes(predicted, observed, null=Permutation(draws=199, groups=labels))
    assert (everyone["p"] < 0.05).mean() > 0.95  # the populations differ, nothing else does
    assert stats.kstest(within["p"], "uniform").pvalue > 0.01
    assert set(within["null"]) == {"permutation_within"}
    with pytest.raises(GexvizError, match="no group"):
        evaluate_genes(predicted, observed, null=Permutation(groups=labels.iloc[:10]))


def linked_dosages(rng, variants=25, people=60):
    """Variants in linkage: copies of a few haplotypes."""
    haplotypes = rng.integers(0, 2, (5, variants))
    return haplotypes[rng.integers(0, 5, (people, 2))].sum(axis=1).T.astype(float)


def random_weight_study(seed, genes=400, effect=0.0):
    """Predictions are random weights on the dosages: the null itself, plus `effect` times the expression."""
    rng = np.random.default_rng(seed)
    dosages = {f"G{i}": linked_dosages(rng) for i in range(genes)}
    predicted = np.array([rng.normal(size=len(d)) @ d for d in dosages.values()])
    # expression depends on the same haplotypes, in its own way, so that any reading of them correlates a little
    observed = np.array([rng.normal(size=len(d)) @ d + 5 * rng.normal(size=60) for d in dosages.values()])
    tables = {g: pd.DataFrame(d, columns=PEOPLE) for g, d in dosages.items()}
    return frame(predicted + effect * observed), frame(observed), tables


def test_random_weights_by_rank_are_calibrated_where_the_analytic_null_is_not():
    predicted, observed, tables = random_weight_study(8)
    ranked = evaluate_genes(predicted, observed, null=RandomWeights(tables.__getitem__, draws=199, rule="rank", seed=3))
    assert stats.kstest(ranked["p"], "uniform").pvalue > 0.01
    assert set(ranked["null"]) == {"random_weights_rank"} and ranked.attrs["seed"] == 3
    analytic = evaluate_genes(predicted, observed)
    assert (analytic["p"] < 0.05).mean() > 0.2


def test_random_weights_find_a_prediction_that_follows_expression():
    predicted, observed, tables = random_weight_study(9, genes=50, effect=2.0)
    for rule in ("published", "predictive_z", "rank"):
        table = evaluate_genes(predicted, observed, null=RandomWeights(tables.__getitem__, draws=400, rule=rule))
        assert (table["p"] < 0.05).mean() > 0.9


def test_random_weights_are_what_the_paper_draws():
    rng = np.random.default_rng(10)
    dosages, observed = linked_dosages(rng), rng.normal(size=60)
    null = random_weights_null(dosages, observed, draws=50, seed=1)
    varies = dosages[np.ptp(dosages, axis=1) > 0]
    weights = np.random.default_rng(1).standard_normal((50, len(varies)))
    expected = [abs(stats.pearsonr(w @ varies, observed).statistic) for w in weights]
    np.testing.assert_allclose(null.draws, expected)
    assert (null.mean, null.sd) == pytest.approx((np.mean(expected), np.std(expected)))


@pytest.mark.parametrize("r", [0.9, -0.9, 0.3, 0.05])
def test_rules_of_the_random_weights_null(r):
    rng = np.random.default_rng(11)
    null = random_weights_null(linked_dosages(rng), rng.normal(size=60), draws=50, seed=2)
    size = abs(r)
    t = (size - null.mean) / np.sqrt(null.sd / 50)  # compute_tstatpvalue.py of the paper's repository
    published = 1.0 if t < 0 else stats.t.sf(abs(t), 49)
    assert random_weights_p(r, null, "published") == pytest.approx(published)
    assert random_weights_p(r, null, "predictive_z") == pytest.approx(stats.norm.sf(size, null.mean, null.sd))
    assert random_weights_p(r, null, "rank") == (1 + (null.draws >= size).sum()) / 51


def test_random_weights_by_seed_and_alone():
    predicted, observed, tables = random_weight_study(12, genes=10)
    null = RandomWeights(tables.__getitem__, draws=50, seed=1, rule="predictive_z")
    p = evaluate_genes(predicted, observed, null=null)["p"]
    alone = evaluate_genes(predicted.iloc[[4]], observed.iloc[[4]], null=null)["p"]
    assert alone.iloc[0] == pytest.approx(p.iloc[4], rel=1e-9)
    other = RandomWeights(tables.__getitem__, draws=50, seed=2, rule="predictive_z")
    assert not np.allclose(evaluate_genes(predicted, observed, null=other)["p"], p)


def test_missing_dosages_take_the_mean_and_order_of_people_does_not_matter():
    rng = np.random.default_rng(13)
    dosages, observed = linked_dosages(rng), rng.normal(size=60)
    dosages[3, :10] = np.nan
    filled = dosages.copy()
    filled[3, :10] = np.nanmean(dosages[3])
    np.testing.assert_allclose(
        random_weights_null(dosages, observed, seed=1).draws, random_weights_null(filled, observed, seed=1).draws
    )
    predicted, table, tables = random_weight_study(14, genes=3)
    turned = {g: t[t.columns[::-1]] for g, t in tables.items()}
    first, second = (
        evaluate_genes(predicted, table, null=RandomWeights(d.__getitem__, rule="predictive_z"))["p"]
        for d in (tables, turned)
    )
    np.testing.assert_allclose(first, second)


def test_where_random_weights_cannot_be_drawn():
    predicted, observed, tables = random_weight_study(15, genes=3)
    tables["G0"] = tables["G0"] * 0 + 1
    tables["G1"] = tables["G1"].iloc[:0]
    table = evaluate_genes(predicted, observed, null=RandomWeights(tables.__getitem__))
    assert table["p"].isna().tolist() == [True, True, False]
    assert table["reason"].str.contains("can't be built").tolist() == [True, True, False]
    assert (table["status"] == "ok").all() and table["pearson"].notna().all()
    tables["G2"] = tables["G2"].iloc[:, 5:]
    with pytest.raises(GexvizError, match="5 of 60 people evaluated at G2 have no dosages"):
        evaluate_genes(predicted, observed, null=RandomWeights(tables.__getitem__))


def test_one_variant_makes_every_reading_the_same():
    rng = np.random.default_rng(16)
    dosage = rng.integers(0, 3, 60).astype(float)
    observed = dosage + rng.normal(size=60)
    null = random_weights_null(dosage[None], observed)
    r = stats.pearsonr(dosage, observed).statistic
    assert [random_weights_p(r, null, rule) for rule in ("published", "predictive_z", "rank")] == [1, 1, 1]
