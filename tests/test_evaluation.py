"""Evaluation against scipy, gene by gene, and what it says where there is nothing to correlate."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from gexviz.analysis import joined
from gexviz.analysis.benchmark import benchmark_rows
from gexviz.analysis.correlation import CONSTANT, correlation_p, fisher_interval, mean_ranks
from gexviz.analysis.evaluation import (
    evaluate_genes,
    evaluate_groups,
    evaluate_individuals,
    evaluate_models,
    pool_groups,
    reference_correlation,
)
from gexviz.analysis.published import published_figure, published_figures
from gexviz.errors import GexvizError


def frame(values, rows="G", columns="S"):
    values = np.asarray(values, dtype=float)
    return pd.DataFrame(
        values, [f"{rows}{i}" for i in range(values.shape[0])], [f"{columns}{i}" for i in range(values.shape[1])]
    )


def random_tables(seed, genes=30, people=40, missing=0.0, ties=False):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(2, genes, people))
    if ties:
        x, y = np.round(x), np.round(y)
    for array in (x, y):
        array[rng.random(array.shape) < missing] = np.nan
    return frame(x), frame(y)


def by_scipy(x, y):
    """The oracle: one gene with scipy."""
    keep = np.isfinite(x) & np.isfinite(y)
    x, y = x[keep], y[keep]
    pearson = stats.pearsonr(x, y)
    interval = pearson.confidence_interval(0.95)
    return keep.sum(), pearson.statistic, interval.low, interval.high, stats.spearmanr(x, y).statistic, pearson.pvalue


@pytest.mark.parametrize(("missing", "ties"), [(0, False), (0, True), (0.2, False), (0.2, True)])
def test_every_gene_as_scipy_says(missing, ties):
    predicted, observed = random_tables(3, missing=missing, ties=ties)
    table = evaluate_genes(predicted, observed)
    assert (table["status"] == "ok").all()
    for gene, row in table.iterrows():
        expected = by_scipy(predicted.loc[gene].to_numpy(), observed.loc[gene].to_numpy())
        got = row[["n", "pearson", "pearson_low", "pearson_high", "spearman", "p"]].to_numpy(dtype=float)
        np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(table["q"], stats.false_discovery_control(table["p"]))
    np.testing.assert_allclose(table["r2"], table["pearson"] ** 2)


VALUES = hnp.arrays(
    float,
    (3, 12),
    elements=st.one_of(st.floats(-1e6, 1e6, width=32), st.sampled_from([0.0, 1.0, 2.0, np.nan, np.inf])),
)


@settings(max_examples=150, deadline=None)
@given(VALUES, VALUES)
def test_any_numbers_as_scipy_says_or_undefined_with_a_reason(x, y):
    table = evaluate_genes(frame(x), frame(y))
    for row, (a, b) in zip(table.itertuples(), zip(x, y, strict=True), strict=True):
        keep = np.isfinite(a) & np.isfinite(b)
        a, b = a[keep], b[keep]
        assert row.n == keep.sum()
        if row.status == "undefined":
            assert np.isnan([row.pearson, row.spearman, row.p, row.q, row.r2, row.pearson_low]).all()
            if "constant" in row.reason:
                flat = [np.ptp(v) <= CONSTANT * np.abs(v).max() for v in (a, b)]
                assert any(flat) and ("prediction" in row.reason) == flat[0] and ("expression" in row.reason) == flat[1]
            else:
                assert keep.sum() < 4 and row.reason in (
                    "fewer than 4 people", "no prediction", "no observed expression",
                )  # fmt: skip
        else:
            assert row.reason == ""
            np.testing.assert_allclose(row.pearson, stats.pearsonr(a, b).statistic, atol=1e-6)
            np.testing.assert_allclose(row.spearman, stats.spearmanr(a, b).statistic, atol=1e-9)


@settings(max_examples=100, deadline=None)
@given(hnp.arrays(float, st.tuples(st.integers(1, 5), st.integers(1, 9)), elements=st.integers(-3, 3).map(float)))
def test_mean_ranks(values):
    np.testing.assert_array_equal(mean_ranks(values), stats.rankdata(values, axis=1))


def test_joined_by_label_never_by_order():
    predicted, observed = random_tables(5, people=20)
    expected = evaluate_genes(predicted, observed)
    rng = np.random.default_rng(0)
    shuffled = predicted.sample(frac=1, random_state=1)[rng.permutation(predicted.columns)]
    got = evaluate_genes(shuffled, observed)
    assert list(got.index) == list(observed.index)
    pd.testing.assert_frame_equal(got, expected)


def test_people_in_one_table_only_are_left_out():
    predicted, observed = random_tables(6, people=20)
    table = evaluate_genes(predicted.iloc[:, 3:], observed.iloc[:, :15])
    assert set(table["n"]) == {12}
    again = evaluate_genes(predicted.iloc[:, 3:15], observed.iloc[:, 3:15])
    pd.testing.assert_frame_equal(table, again)


def test_reasons_for_no_correlation():
    rng = np.random.default_rng(1)
    values = rng.normal(size=(8, 10))
    predicted, observed = frame(values), frame(rng.normal(size=(8, 10)))
    predicted.loc["G0"] = 3.0
    predicted.loc["G1"] = 2.0 * (1 + 1.2e-7 * rng.integers(-1, 2, 10))  # one float32 step around 2
    observed.loc["G2"] = 0.0
    predicted.loc["G3"], observed.loc["G3"] = 1.0, 0.0
    predicted.loc["G4", predicted.columns[:7]] = np.nan
    predicted.loc["G5"] = np.nan
    observed.loc["G6"] = np.nan
    predicted.loc["ONLY"] = values[0]
    predicted = predicted.drop(index="G7")
    table = evaluate_genes(predicted, observed)
    assert table["reason"].to_dict() == {
        "G0": "constant prediction", "G1": "constant prediction", "G2": "constant expression",
        "G3": "constant expression and prediction", "G4": "fewer than 4 people", "G5": "no prediction",
        "G6": "no observed expression", "G7": "no prediction", "ONLY": "no observed expression",
    }  # fmt: skip
    assert (table["status"] == "undefined").all()
    assert table[["pearson", "spearman", "p", "q"]].isna().all(axis=None)
    assert table.loc["G4", "n"] == 3
    assert table.loc["G0", "mean_predicted"] == 3.0


def test_small_but_real_differences_are_kept():
    effects = np.array([0, 1, 2, 1, 0, 2, 1, 0.0])
    table = evaluate_genes(frame([8.0 + 1e-4 * effects]), frame([effects]))
    assert table.loc["G0", "status"] == "ok"
    assert table.loc["G0", "pearson"] == pytest.approx(1)


def test_perfect_correlation_has_an_interval_and_a_p():
    row = evaluate_genes(frame([np.arange(9.0)]), frame([-2 * np.arange(9.0)])).iloc[0]
    assert row["pearson"] == pytest.approx(-1)
    assert row["spearman"] == pytest.approx(-1)
    assert row["pearson_low"] == pytest.approx(-1)
    assert row["p"] < 1e-20


@pytest.mark.parametrize("factor", [1e-200, 1e-30, 1e30, 1e200])
def test_scale_does_not_matter(factor):
    predicted, observed = random_tables(8)
    expected = evaluate_genes(predicted, observed)["pearson"]
    np.testing.assert_allclose(evaluate_genes(predicted * factor, observed / factor)["pearson"], expected, rtol=1e-10)


def test_float32_predictions_are_summed_in_float64():
    predicted, observed = random_tables(9)
    shifted = (predicted + 1000).astype(np.float32)
    got = evaluate_genes(shifted, observed)["pearson"]
    expected = [stats.pearsonr(shifted.loc[g].astype(float), observed.loc[g]).statistic for g in got.index]
    np.testing.assert_allclose(got, expected, rtol=1e-9)


def test_small_p_keep_their_digits():
    r, n = np.array([0.3, 0.9, 0.999, -0.9]), np.array([400, 900, 900, 4])
    expected = 2 * stats.beta(n / 2 - 1, n / 2 - 1, loc=-1, scale=2).sf(np.abs(r))
    np.testing.assert_allclose(correlation_p(r, n), expected, rtol=1e-10)


def test_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(2)
    truth, n = 0.4, 60
    x = rng.normal(size=(4000, n))
    y = truth * x + np.sqrt(1 - truth**2) * rng.normal(size=x.shape)
    table = evaluate_genes(frame(x), frame(y), level=0.9)
    covered = ((table["pearson_low"] < truth) & (truth < table["pearson_high"])).mean()
    assert covered == pytest.approx(0.9, abs=0.015)


def test_blocks_do_not_show(monkeypatch):
    predicted, observed = random_tables(10, missing=0.1)
    whole = evaluate_genes(predicted, observed)
    monkeypatch.setattr(joined, "BLOCK_VALUES", 100)
    pd.testing.assert_frame_equal(evaluate_genes(predicted, observed), whole, rtol=1e-12)


def test_two_models_rank_observed_once(monkeypatch):
    predicted, observed = random_tables(11)
    seen = []
    real = joined.standardise
    monkeypatch.setattr(joined, "standardise", lambda v, p: seen.append(len(v)) or real(v, p))
    both = evaluate_models({"a": predicted, "b": -predicted}, observed)
    assert len(seen) == 3
    assert list(both["model"].unique()) == ["a", "b"]
    alone = evaluate_genes(-predicted, observed)
    pd.testing.assert_frame_equal(both[both["model"] == "b"].drop(columns="model"), alone)


def test_models_with_other_genes_and_people():
    predicted, observed = random_tables(12)
    other = predicted.iloc[5:9, 10:].rename(index={"G5": "NEW"})
    table = evaluate_models({"a": predicted, "b": other}, observed)
    for model, values in (("a", predicted), ("b", other)):
        pd.testing.assert_frame_equal(
            table[table["model"] == model].drop(columns="model"), evaluate_genes(values, observed)
        )


def test_groups_are_evaluated_apart_and_pooled():
    rng = np.random.default_rng(4)
    people = 120
    group = np.repeat([0, 1], people // 2)
    signal = rng.normal(size=(40, people))
    observed = frame(signal + rng.normal(size=signal.shape) + 5 * group)
    predicted = frame(signal - 5 * group)  # right within a population, wrong between them
    labels = pd.Series(np.where(group, "YRI", "CEU"), index=observed.columns)
    assert (evaluate_genes(predicted, observed)["pearson"] < -0.5).all()
    table = evaluate_groups(predicted, observed, labels)
    assert list(table["population"].unique()) == ["CEU", "YRI"]
    assert (table["pearson"] > 0.4).all()
    only = labels.index[labels == "CEU"]
    pd.testing.assert_frame_equal(
        table[table["population"] == "CEU"].drop(columns="population"), evaluate_genes(predicted[only], observed[only])
    )
    pooled = pool_groups(table)
    z = np.arctanh(table["pearson"].to_numpy().reshape(2, -1))
    np.testing.assert_allclose(pooled["pearson"], np.tanh(z.mean(axis=0)))  # the groups are equally large
    assert (pooled["n"] == people).all()
    assert ((pooled["pearson_low"] < pooled["pearson"]) & (pooled["pearson"] < pooled["pearson_high"])).all()
    np.testing.assert_allclose(pooled["q"], stats.false_discovery_control(pooled["p"]))
    q = 57 * ((z - z.mean(axis=0)) ** 2).sum(axis=0)
    np.testing.assert_allclose(pooled["heterogeneity_p"], stats.chi2.sf(q, 1), rtol=1e-6)


def test_pooling_leaves_out_groups_without_a_correlation():
    predicted, observed = random_tables(13, genes=3)
    labels = pd.Series(["A"] * 20 + ["B"] * 20, index=observed.columns)
    predicted.loc["G0", predicted.columns[:20]] = 1.0
    predicted.loc["G1"] = 1.0
    pooled = pool_groups(evaluate_groups(predicted, observed, labels))
    assert list(pooled["groups"]) == [1, 0, 2]
    assert pooled.loc["G1", "reason"] == "no group with a correlation"
    assert np.isnan(pooled.loc["G1", "pearson"]) and np.isnan(pooled.loc["G0", "heterogeneity_p"])


@pytest.mark.parametrize("missing", [0, 0.1])
def test_individuals_across_genes(missing):
    predicted, observed = random_tables(14, genes=50, people=8, missing=missing)
    table = evaluate_individuals(predicted.sample(frac=1, random_state=0), observed)
    assert table.index.name == "sample" and list(table.index) == list(observed.columns)
    for sample, row in table.iterrows():
        n, pearson, low, high, spearman, _ = by_scipy(predicted[sample].to_numpy(), observed[sample].to_numpy())
        got = row[["n_genes", "pearson", "pearson_low", "pearson_high", "spearman"]].to_numpy(dtype=float)
        np.testing.assert_allclose(got, (n, pearson, low, high, spearman), rtol=1e-9)
    few = evaluate_individuals(predicted.iloc[:3], observed)
    assert set(few["reason"]) == {"fewer than 4 genes"}


def test_reference_and_the_three_rows_of_the_benchmark():
    rng = np.random.default_rng(20)
    level = rng.normal(size=60)
    predicted = frame(level[:, None] + 0.1 * rng.normal(size=(60, 30)))
    observed = frame(level[:, None] + rng.normal(size=(60, 30)))
    predicted.loc["G0"] = 1.0
    reference = reference_correlation(pd.Series(level, predicted.index), observed.mean(axis=1))
    assert reference.index.tolist() == ["reference"]
    assert reference["pearson"].iloc[0] == pytest.approx(np.corrcoef(level, observed.mean(axis=1))[0, 1])
    genes, individuals = evaluate_genes(predicted, observed), evaluate_individuals(predicted, observed)
    table = benchmark_rows("x", "xpresso", genes=genes, individuals=individuals, reference=reference).set_index("row")
    assert table.loc["across individuals", "value"] == pytest.approx(genes["pearson"].mean())
    assert table.loc["across individuals", ["n", "undefined"]].tolist() == [59, 1]
    expected = stats.ttest_1samp(genes["pearson"].dropna(), 0).confidence_interval(0.95)
    assert table.loc["across individuals", ["low", "high"]].tolist() == pytest.approx(list(expected))
    assert table.loc["across genes", "value"] == pytest.approx(individuals["pearson"].mean())
    assert table.loc["reference", ["low", "high"]].tolist() == pytest.approx(
        reference[["pearson_low", "pearson_high"]].iloc[0].tolist()
    )
    assert table["published"].tolist() == [0.33, 0.32, 0.007]
    assert table["published_source"].str.contains("bbag022").all()


def test_the_benchmark_says_what_it_has_not():
    table = benchmark_rows("e", "predictdb", statistic="spearman").set_index("row")
    assert table["value"].isna().all() and (table["reason"] != "").all()
    assert np.isnan(table.loc["reference", "published"]) and table.loc["across individuals", "published"] == 0.25


def test_published_figures_have_a_source():
    table = published_figures()
    assert table["value"].between(-1, 1).all()
    assert (table[["cohort", "source", "note"]] != "").all(axis=None)
    assert published_figure("cnn", "reference") is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.add_prefix("other", axis=1), "no person is in both"),
        (lambda t: pd.concat([t, t.iloc[:1]]), "gene ids are there more than once"),
        (lambda t: pd.concat([t, t.iloc[:, :1]], axis=1), "sample ids are there more than once"),
        (lambda t: t.astype(str), "not all numbers"),
    ],
)
def test_bad_tables_are_refused(change, message):
    predicted, observed = random_tables(15)
    with pytest.raises(GexvizError, match=message):
        evaluate_genes(change(predicted), observed)
    with pytest.raises(GexvizError, match="no level"):
        evaluate_genes(predicted, observed, level=95)


def test_no_genes_and_no_shared_genes():
    predicted, observed = random_tables(16)
    table = evaluate_genes(predicted.iloc[:0], observed)
    assert set(table["reason"]) == {"no prediction"} and len(table) == len(observed)
    empty = evaluate_genes(predicted.iloc[:0], observed.iloc[:0])
    assert empty.empty and list(empty.columns) == list(table.columns)
    with pytest.raises(GexvizError, match="no gene is in both"):
        evaluate_individuals(predicted.add_prefix("X", axis=0), observed)


def test_interval_of_too_few_is_nan():
    low, high = fisher_interval(np.array([0.1, 0.1]), np.array([3, 4]), 0.95)
    assert np.isnan(low[0]) and np.isnan(high[0]) and low[1] < 0.1 < high[1]


def test_fast_enough_for_a_whole_genome():
    """A tenth of 20,000 genes x 1,000 people x 2 models, with room for a slow machine (benchmarks/evaluation.py)."""
    predicted, observed = random_tables(17, genes=2000, people=1000)
    evaluate_genes(predicted.iloc[:5], observed.iloc[:5])
    start = time.process_time()
    evaluate_models({"a": predicted, "b": -predicted}, observed)
    assert time.process_time() - start < 2
