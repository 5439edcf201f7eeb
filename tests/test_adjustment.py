"""Covariates projected out of expression, against statsmodels."""

import cohorts
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

import gexviz as gx
from gexviz.cohort.adjustment import adjusted
from gexviz.errors import GexvizError


def test_residuals_are_ordinary_least_squares():
    rng = np.random.default_rng(0)
    samples = [f"S{i}" for i in range(40)]
    covariates = pd.DataFrame(rng.normal(size=(40, 3)), index=samples, columns=["a", "b", "c"])
    values = pd.DataFrame(rng.normal(5, 2, size=(6, 40)), index=[f"G{i}" for i in range(6)], columns=samples)
    values.iloc[1, 3:9] = np.nan
    values.iloc[2, :37] = np.nan
    found = adjusted(values, covariates.sample(frac=1, random_state=1))
    for gene, row in values.iterrows():
        known = row.dropna()
        if len(known) <= 4:
            assert found.loc[gene].isna().all()
            continue
        fit = sm.OLS(known, sm.add_constant(covariates.loc[known.index])).fit()
        np.testing.assert_allclose(found.loc[gene, known.index], fit.resid + known.mean(), atol=1e-10)
        assert found.loc[gene].isna().sum() == row.isna().sum()


def test_a_study_compares_with_adjusted_expression(tmp_path):
    toml = cohorts.make_study(tmp_path)
    toml.write_text(toml.read_text().replace("[cohort]", "[cohort]\nadjust = true"))
    with pytest.raises(GexvizError, match="no covariates"):
        gx.load(toml).gene("GENE1").observed.mean()
    samples = gx.load(toml).samples.index
    batch = np.arange(len(samples)) % 2
    pd.DataFrame([batch], index=pd.Index(["batch"], name="covariate"), columns=samples).to_csv(
        tmp_path / "covariates.tsv", sep="\t"
    )
    toml.write_text(toml.read_text().replace("adjust = true", 'adjust = true\ncovariates = "covariates.tsv"'))
    study = gx.load(toml)
    observed = study.gene("GENE1").observed
    assert study.cohort.observed_scale == "as given, adjusted for 1 covariates"
    assert observed[batch == 0].mean() == pytest.approx(observed[batch == 1].mean())
    assert not np.allclose(observed, study.cohort.expression.values.loc[study.gene("GENE1").id])
