"""eQTLs within groups of people."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

from gexviz.analysis.eqtl import Dosages, gene_tests
from gexviz.analysis.eqtl_groups import group_associations
from gexviz.analysis.eqtl_settings import EqtlSettings

PEOPLE = 120
SAMPLES = pd.Index([f"s{i}" for i in range(PEOPLE)])
GROUPS = pd.Series(np.repeat(["AAA", "BBB", "CCC", ""], [50, 40, 20, 10]), SAMPLES).replace("", np.nan)
SETTINGS = EqtlSettings(min_count=1, maf=0.0)


def made(expression: np.ndarray, dosages: np.ndarray, covariates: np.ndarray | None = None):
    """One gene, ready to be tested."""
    variants = pd.DataFrame(
        {"variant": [f"1:{i + 1}:A:G" for i in range(len(dosages))], "position": range(len(dosages)), "ref": "A",
         "alt": "G"}
    )  # fmt: skip
    loci = pd.DataFrame({"contig": ["1"], "tss": [0], "strand": ["+"]}, index=["G"])
    table = None if covariates is None else pd.DataFrame(covariates, index=SAMPLES)
    values = pd.DataFrame(expression[None], index=["G"], columns=SAMPLES)
    return next(gene_tests(values, loci, lambda *_: Dosages(variants, dosages.astype(np.float32)), table, SETTINGS))


def test_without_covariates_it_is_least_squares_in_the_group():
    rng = np.random.default_rng(0)
    dosages, expression = rng.binomial(2, 0.4, (5, PEOPLE)), rng.normal(size=PEOPLE)
    expression[:50] += 3.0  # a group's level is no slope
    found = group_associations(made(expression, dosages), GROUPS, fewest=30, min_count=5)
    assert list(found) == [f"{what}_{group}" for group in ("AAA", "BBB") for what in ("slope", "se", "p")]
    for group in ("AAA", "BBB"):
        members = GROUPS.eq(group).to_numpy()
        for row, x in zip(found.to_dict("records"), dosages[:, members], strict=True):
            fit = sm.OLS(expression[members], sm.add_constant(x.astype(float))).fit()
            assert row[f"slope_{group}"] == pytest.approx(fit.params[1], rel=1e-8)
            assert row[f"se_{group}"] == pytest.approx(fit.bse[1], rel=1e-8)
            assert row[f"p_{group}"] == pytest.approx(fit.pvalues[1], rel=1e-6)


def test_people_without_expression_are_in_no_group():
    rng = np.random.default_rng(1)
    dosages, expression = rng.binomial(2, 0.4, (1, PEOPLE)), rng.normal(size=PEOPLE)
    expression[:25] = np.nan
    assert list(group_associations(made(expression, dosages), GROUPS, fewest=30, min_count=5)) == [
        "slope_BBB", "se_BBB", "p_BBB"
    ]  # fmt: skip


def test_variants_that_are_rare_in_a_group_are_not_tested_there():
    rng = np.random.default_rng(2)
    dosages, expression = rng.binomial(2, 0.4, (3, PEOPLE)), rng.normal(size=PEOPLE)
    dosages[0, :50] = 0  # one kind of person in AAA
    dosages[1, :50] = [1] * 4 + [0] * 46  # four copies
    found = group_associations(made(expression, dosages), GROUPS, fewest=30, min_count=5)
    assert found["slope_AAA"].isna().tolist() == [True, True, False]
    assert found[["slope_BBB", "se_BBB", "p_BBB"]].notna().all(axis=None)


def test_a_gene_that_can_not_be_tested_has_no_rows():
    found = group_associations(made(np.ones(PEOPLE), np.eye(2, PEOPLE)), GROUPS, fewest=30, min_count=1)
    assert found.empty and "slope_AAA" in found


def test_p_values_are_uniform_with_many_covariates():
    """53 covariates would leave a group of 66 people 11 degrees of freedom; everybody's effects leave most of them."""
    rng = np.random.default_rng(3)
    covariates = rng.normal(size=(PEOPLE, 40))
    p = []
    for _ in range(40):
        expression = covariates @ rng.normal(size=40) + rng.normal(size=PEOPLE)
        test = made(expression, rng.binomial(2, 0.4, (10, PEOPLE)), covariates)
        p += group_associations(test, GROUPS, fewest=30, min_count=5)["p_AAA"].tolist()
    assert stats.kstest(p, "uniform").pvalue > 0.01
    assert 0.02 < np.mean(np.array(p) < 0.05) < 0.09
