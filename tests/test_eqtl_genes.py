"""Gene-level eQTLs: permutations and their beta approximation, q values, thresholds, independent signals."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats
from statsmodels.stats.multitest import multipletests
from test_eqtl import ALL, dosages_from, one_locus, people, reader, simulate

from gexviz.analysis.eqtl import gene_tests, nominal
from gexviz.analysis.eqtl_conditional import condition, independent_signals
from gexviz.analysis.eqtl_permutation import (
    fit_beta,
    gene_table,
    map_genes,
    permute_gene,
    permuted_r2,
    significant_p,
)
from gexviz.analysis.eqtl_qvalues import LAMBDAS, _last_smoothed, benjamini_hochberg, storey
from gexviz.analysis.eqtl_settings import EqtlSettings
from gexviz.analysis.linear import gene_seed
from gexviz.errors import Cancelled

QUICK = EqtlSettings(window=1_000, maf=0.0, min_count=0, permutations=200)


def made(seed=0, effect=0.0, n=80, p=12, k=3):
    dosages, expression, covariates = simulate(seed, n=n, p=p, k=k)
    rng = np.random.default_rng(seed + 1)
    expression.loc["G"] = rng.normal(size=n) + effect * dosages.values[2] + covariates["c0"]
    return next(gene_tests(expression, one_locus(), reader(dosages), covariates, ALL))


def test_permuted_correlations_are_those_of_freedman_and_lane():
    dosages, expression, covariates = simulate(4, n=40, p=5)
    test = next(gene_tests(expression, one_locus(), reader(dosages), covariates, ALL))
    found = permuted_r2(test, 6, seed=11)
    design = sm.add_constant(covariates.to_numpy())
    residual = sm.OLS(expression.loc["G"].to_numpy(), design).fit().resid
    permuted = np.random.default_rng(11).permuted(np.tile(residual, (6, 1)), axis=1)
    for y, r2 in zip(permuted, found, strict=True):
        t = [sm.OLS(y, np.column_stack([x, design])).fit().tvalues[0] for x in dosages.values.astype(float)]
        assert r2 == pytest.approx(max(t**2 / (t**2 + test.df) for t in t), rel=1e-9)


def test_many_variants_are_correlated_in_parts(monkeypatch):
    test = made(p=30)
    whole = permuted_r2(test, 20, seed=1)
    monkeypatch.setattr("gexviz.analysis.eqtl_permutation.ROWS", 7)
    np.testing.assert_allclose(permuted_r2(test, 20, seed=1), whole, rtol=1e-12)


def test_the_beta_fit_finds_the_number_of_independent_tests():
    rng = np.random.default_rng(0)
    df, tests = 100, 40
    t2 = rng.standard_t(df, size=(20_000, tests)) ** 2
    fit = fit_beta((t2 / (t2 + df)).max(axis=1), df)
    assert fit.a == pytest.approx(1.0, abs=0.03)
    assert fit.b == pytest.approx(tests, rel=0.06)
    assert fit.df == pytest.approx(df, rel=0.06)


def test_the_beta_fit_is_that_of_maximum_likelihood():
    fit = fit_beta(permuted_r2(made(), 300, seed=2), 75)
    r2 = permuted_r2(made(), 300, seed=2)
    p = stats.beta.sf(r2, 0.5, fit.df / 2)

    def log_likelihood(a, b):
        return stats.beta.logpdf(p, a, b).sum()

    best = log_likelihood(fit.a, fit.b)
    for a, b in [(1.01, 1), (0.99, 1), (1, 1.01), (1, 0.99), (1.02, 1.02)]:
        assert log_likelihood(fit.a * a, fit.b * b) < best
    mean, variance = p.mean(), p.var(ddof=1)
    assert mean * (mean * (1 - mean) / variance - 1) == pytest.approx(1.0, abs=1e-3)


@given(
    st.integers(0, 2**32 - 1), st.integers(10, 300), st.sampled_from([1, 3, 50, 5_000]), st.sampled_from([2, 10, 300])
)
def test_the_beta_fit_never_fails(seed, permutations, tests, df):
    uniform = np.random.default_rng(seed).random(permutations)
    r2 = stats.beta.isf(-np.expm1(np.log1p(-uniform) / tests), 0.5, df / 2)
    fit = fit_beta(r2, df)
    assert np.isfinite(fit).all() and fit.a > 0 and fit.b > 0
    p = np.clip(stats.beta.sf(r2, 0.5, fit.df / 2), 1e-300, 1 - 1e-16)
    expected = special.psi([fit.a, fit.b]) - special.psi(fit.a + fit.b)  # the likelihood's stationary point
    np.testing.assert_allclose([np.log(p).mean(), np.log1p(-p).mean()], expected, rtol=1e-4, atol=1e-6)


def test_permutations_that_are_all_alike_are_a_reason(monkeypatch):
    monkeypatch.setattr("gexviz.analysis.eqtl_permutation.permuted_r2", lambda *_: np.full(20, 0.5))
    row = permute_gene(made(), QUICK)
    found = gene_table([row], 0.05).table.loc["G"]
    assert "alike" in found["reason"] and found["p_nominal"] > 0 and np.isnan(found["q"])


def test_a_gene_is_the_same_whichever_others_are_tested_and_draws_are_seeded():
    test = made(effect=0.5)
    one, again = permute_gene(test, QUICK), permute_gene(test, QUICK)
    assert one == again
    other = permute_gene(test, EqtlSettings(**QUICK.as_dict() | {"seed": 2}))
    assert other["p_nominal"] == one["p_nominal"] and other["beta_b"] != one["beta_b"]
    assert permute_gene(test._replace(gene="H"), QUICK)["beta_b"] != one["beta_b"]
    highest = permuted_r2(test, 200, gene_seed(1, "G"))
    t2 = (one["slope"] / one["se"]) ** 2
    assert one["p_permutation"] == (1 + (highest >= t2 / (t2 + 75)).sum()) / 201


def test_p_is_uniform_without_eqtls_and_small_with_one():
    p = np.array([permute_gene(made(seed), QUICK)["p_beta"] for seed in range(150)])
    assert stats.kstest(p, "uniform").pvalue > 0.01
    strong = permute_gene(made(effect=2.0), QUICK)
    assert strong["p_beta"] < 1e-8 and strong["p_permutation"] == 1 / 201
    assert strong["variant"] == "22:121:A:G"


def genes_of(effects, n=80):
    rng = np.random.default_rng(5)
    dosages, _, covariates = simulate(5, n=n, p=40)
    y = rng.normal(size=(len(effects), n)) + np.outer(effects, dosages.values[7]) + covariates["c0"].to_numpy()
    genes = [f"G{i}" for i in range(len(effects))]
    loci = pd.concat([one_locus(g, 500 + i) for i, g in enumerate(genes)])
    return pd.DataFrame(y, index=genes, columns=people(n)), loci, reader(dosages), covariates


def test_gene_table_thresholds_call_the_lead_if_and_only_if_q_does():
    arguments = genes_of([1.2, 1.0, 0.8, 0.6, 0.5, 0.4] + [0.0] * 20, n=150)
    found = map_genes(*arguments, QUICK)
    table = found.table
    assert 3 <= (table["q"] <= 0.05).sum() < 26
    pd.testing.assert_series_equal(table["q"] <= 0.05, table["p_nominal"] <= table["threshold"], check_names=False)
    np.testing.assert_allclose(table["q"], multipletests(table["p_beta"], method="fdr_bh")[1], rtol=1e-12)
    np.testing.assert_allclose(table["q_storey"], table["q"] * found.pi0, rtol=1e-12)
    assert found.p_beta == significant_p(table["p_beta"].to_numpy(), table["q"].to_numpy(), 0.05)
    passes = table["q"] <= 0.05
    assert table.loc[passes, "p_beta"].max() < found.p_beta < table.loc[~passes, "p_beta"].min()
    # As FastQTL has it, the threshold is told at df_effective; at df it is the same correlation.
    quantile = stats.beta.ppf(found.p_beta, table["beta_a"], table["beta_b"])
    t = stats.t.isf(quantile / 2, table["df_effective"])
    r2 = t**2 / (t**2 + table["df_effective"])
    expected = stats.beta.sf(r2, 0.5, table["df"].astype(float) / 2)
    np.testing.assert_allclose(table["threshold"], expected, rtol=1e-8)


def test_gene_table_is_in_order_has_reasons_and_is_cancelled_between_genes():
    expression, loci, read, covariates = genes_of([1.5, 0.0, 0.0])
    expression.loc["G1"] = 3.0
    told = []
    found = map_genes(expression, loci, read, covariates, QUICK, progress=lambda *a: told.append(a)).table
    assert [t[:2] for t in told] == [(1, 3), (2, 3), (3, 3)]
    assert list(found.index) == ["G0", "G1", "G2"]
    assert found.at["G1", "reason"] == "constant expression"
    assert found.loc["G1", ["p_beta", "q", "threshold"]].isna().all()
    assert found.drop("G1").drop(columns="reason").notna().all(axis=None)
    assert found.at["G0", "q"] < 1e-6

    def stop(done, total, label):
        raise Cancelled

    with pytest.raises(Cancelled):
        map_genes(expression, loci, read, covariates, QUICK, progress=stop)


def test_nothing_significant_has_the_threshold_zero():
    found = map_genes(*genes_of([0.0] * 4), EqtlSettings(**QUICK.as_dict() | {"fdr": 1e-6}))
    assert found.p_beta == 0 and (found.table["threshold"] == 0).all()


def test_no_gene_that_can_be_tested_is_no_error():
    row = {"gene": "G", "n_variants": 0, "reason": "no variant in the window"}
    found = gene_table([row], 0.05)
    assert found.table.at["G", "reason"] == "no variant in the window"
    assert found.table["q"].isna().all() and found.note


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60))
def test_benjamini_hochberg_is_that_of_statsmodels(p):
    np.testing.assert_allclose(benjamini_hochberg(np.array(p)), multipletests(p, method="fdr_bh")[1], 1e-12, 1e-300)


def test_the_smoother_is_a_natural_spline_of_three_degrees_of_freedom():
    """Against Reinsch's form of the smoothing spline (Green and Silverman 1994, chapter 2)."""
    h, n = 0.05, len(LAMBDAS)
    q, r = np.zeros((n, n - 2)), np.zeros((n - 2, n - 2))
    for j in range(n - 2):
        q[j : j + 3, j] = [1 / h, -2 / h, 1 / h]
        r[j, j] = 2 * h / 3
        if j:
            r[j - 1, j] = r[j, j - 1] = h / 6
    roughness = q @ np.linalg.inv(r) @ q.T
    penalties = np.logspace(-8, 2, 4000)
    eigenvalues = np.clip(np.linalg.eigvalsh(roughness), 0, None)
    traces = (1 / (1 + penalties[:, None] * eigenvalues)).sum(axis=1)
    penalty = np.exp(np.interp(3.0, traces[::-1], np.log(penalties)[::-1]))
    expected = np.linalg.inv(np.eye(n) + penalty * roughness)[-1]
    np.testing.assert_allclose(_last_smoothed(), expected, atol=1e-4)


def test_storey_finds_the_share_of_nulls():
    rng = np.random.default_rng(2)
    p = np.r_[rng.random(7_000), rng.beta(0.2, 20, 3_000)]
    found = storey(p)
    assert found.pi0 == pytest.approx(0.7, abs=0.04) and not found.note
    np.testing.assert_allclose(found.q, found.pi0 * benjamini_hochberg(p))
    called = found.q <= 0.1
    assert (np.flatnonzero(called) < 7_000).mean() == pytest.approx(0.1, abs=0.03)
    assert storey(np.array([0.1, 0.2])).pi0 == 1.0 and "0.95" in storey(np.array([0.1, 0.2])).note
    falling = storey(np.r_[np.linspace(0, 0.7, 300), 0.95])  # the smoothed share at 0.95 is below 0
    assert falling.pi0 == 1.0 and "pi0" in falling.note


def two_signals(n=200):
    rng = np.random.default_rng(8)
    values = rng.binomial(2, 0.4, (15, n)).astype(float)
    values[4] = np.where(rng.random(n) < 0.1, 2 - values[3], values[3])  # in LD with the first
    covariates = pd.DataFrame(rng.normal(size=(n, 2)), people(n))
    y = 0.9 * values[3] - 0.7 * values[11] + covariates[0] + rng.normal(size=n)
    expression = pd.DataFrame([y.to_numpy()], index=["G"], columns=people(n))
    test = next(gene_tests(expression, one_locus(), reader(dosages_from(values)), covariates, ALL))
    return test, values, expression, covariates


def test_independent_signals_are_found_and_their_statistics_are_joint():
    test, values, expression, covariates = two_signals()
    found = independent_signals(test, 0.01, QUICK)
    assert found["variant"].tolist() == ["22:131:A:G", "22:211:A:G"]
    assert found["rank"].tolist() == [1, 2]
    design = np.column_stack([values[3], values[11], covariates, np.ones(200)])
    fit = sm.OLS(expression.loc["G"].to_numpy(), design).fit()
    np.testing.assert_allclose(found["slope"], fit.params[:2], rtol=1e-8)
    np.testing.assert_allclose(found["se"], fit.bse[:2], rtol=1e-8)
    np.testing.assert_allclose(found["p_nominal"], fit.pvalues[:2], rtol=1e-8)
    assert (found["df"] == fit.df_resid).all()
    assert independent_signals(test, 0.0, QUICK).empty


def test_conditioning_is_ols_with_the_variants_as_covariates():
    test, values, expression, covariates = two_signals()
    given_two = condition(test, [3, 3, 7])  # naming one twice changes nothing
    assert given_two.df == test.df - 2 and len(given_two.variants) == 13
    more = covariates.assign(a=values[3], b=values[7])
    expected = nominal(expression, one_locus(), reader(dosages_from(values)), more, ALL)
    assert expected.genes.at["G", "collinear"] == 2
    found = permute_gene(given_two, QUICK)
    best = expected.table.loc[expected.table["p"].idxmin()]
    assert found["variant"] == best["variant"]
    np.testing.assert_allclose([found["slope"], found["se"], found["p_nominal"]], best[["slope", "se", "p"]].tolist())
    assert condition(test, range(15)).reason == "no other variant is left"
