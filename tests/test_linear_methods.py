"""Linear methods beside the elastic net: against their definitions, and free of leakage."""

from __future__ import annotations

import cohorts
import numpy as np
import pytest
from scipy import stats
from test_linear import simulate

import gexviz as gx
from gexviz.analysis.elastic_net import cross_validate
from gexviz.analysis.linear import train_gene
from gexviz.analysis.linear_methods import fit
from gexviz.analysis.settings import LinearSettings
from gexviz.errors import GexvizError

METHODS = ("enet", "lasso", "ridge", "top_eqtl")


def settings(method):
    return LinearSettings(method=method, inner_folds=5, min_people=40)


def data(seed=0, n=60, p=90):
    """More variants than people, one of them constant, one the copy of another."""
    rng = np.random.default_rng(seed)
    x = rng.binomial(2, rng.uniform(0.1, 0.5, p), (n, p)).astype(float)
    x[:, 4], x[:, 9] = 1.0, x[:, 2]
    y = x[:, 2] - 0.5 * x[:, 7] + rng.normal(size=n) + 3
    return x, y, rng.permutation(np.arange(n) % 5)


def test_ridge_minimises_what_it_says_at_the_penalty_of_least_error():
    """The solution solves the normal equations; each held-out value is that of a fit without this person."""
    x, y, folds = data()
    found = fit(x, y, folds, settings("ridge"))
    scale = np.where(x.std(axis=0) > 0, x.std(axis=0), 1)
    z = (x - x.mean(axis=0)) / scale
    n = len(y)
    penalty = found.penalty * n

    def solved(z, y):
        z_mean, y_mean = z.mean(axis=0), y.mean()
        centred = z - z_mean
        coef = np.linalg.solve(centred.T @ centred + penalty * np.eye(z.shape[1]), centred.T @ (y - y_mean))
        return coef, y_mean - z_mean @ coef

    coef, intercept = solved(z, y)
    np.testing.assert_allclose(found.coef * scale, coef, atol=1e-8)
    np.testing.assert_allclose(found.predict(x), intercept + z @ coef, atol=1e-8)
    assert found.coef[4] == 0 and found.coef[2] == pytest.approx(found.coef[9])
    for person in (0, 17, 59):
        others = np.arange(n) != person
        coef, intercept = solved(z[others], y[others])
        assert found.held_out[person] == pytest.approx(intercept + z[person] @ coef, abs=1e-8)
    error = np.mean((found.held_out - y) ** 2)
    for factor in (0.5, 2.0):
        penalty = found.penalty * n * factor
        out = [solved(np.delete(z, i, 0), np.delete(y, i)) for i in range(n)]
        assert error <= np.mean([(b + z[i] @ a - y[i]) ** 2 for i, (a, b) in enumerate(out)]) + 1e-3


def test_the_top_eqtl_is_the_variant_with_the_least_p():
    x, y, folds = data()
    found = fit(x, y, folds, settings("top_eqtl"))

    def least(x, y):
        tests = {i: stats.linregress(x[:, i], y) for i in range(x.shape[1]) if np.ptp(x[:, i])}
        lead = min(tests, key=lambda i: tests[i].pvalue)
        return lead, tests[lead]

    lead, test = least(x, y)
    assert np.flatnonzero(found.coef).tolist() == [lead]
    assert found.coef[lead] == pytest.approx(test.slope)
    assert found.intercept == pytest.approx(test.intercept)
    for fold in range(5):
        lead, test = least(x[folds != fold], y[folds != fold])
        expected = test.intercept + test.slope * x[folds == fold, lead]
        np.testing.assert_allclose(found.held_out[folds == fold], expected, atol=1e-10)


def test_the_lasso_is_the_elastic_net_with_that_penalty_alone():
    x, y, folds = data()
    found, expected = fit(x, y, folds, settings("lasso")), cross_validate(x, y, folds, alpha=1.0)
    np.testing.assert_array_equal(found.coef, expected.coef)
    enet = fit(x, y, folds, settings("enet"))
    assert found.coef.any() and not np.array_equal(found.coef, enet.coef)


@pytest.mark.parametrize("method", METHODS)
def test_nobodys_own_expression_has_a_say_in_their_prediction(method):
    dosages, expression, covariates = simulate()
    trained = train_gene(dosages, expression, covariates, settings=settings(method), seed=3)
    assert trained.significant and trained.summary["rho_avg"] > 0.4
    for fold in range(5):
        out = trained.folds == fold
        changed = np.where(out, np.random.default_rng(fold).normal(50.0, 30.0, len(expression)), expression)
        again = train_gene(dosages, changed, covariates, settings=settings(method), seed=3)
        ratio = again.out_of_fold[out] / trained.out_of_fold[out]  # the one unit of all folds may change, nothing else
        np.testing.assert_allclose(ratio, ratio[0], rtol=1e-6)
        assert not np.allclose(again.out_of_fold[~out], trained.out_of_fold[~out] * ratio[0])


@pytest.mark.parametrize("method", METHODS)
def test_noise_is_not_predicted(method):
    """Out of fold, over genes without any effect, the mean correlation is that of chance."""
    rng = np.random.default_rng(4)
    found = []
    for gene in range(12):
        dosages, noise = rng.binomial(2, 0.3, (30, 60)).astype(float), rng.normal(size=60)
        found.append(train_gene(dosages, noise, None, settings=settings(method), seed=gene).summary["rho_avg"])
    assert abs(np.mean(found)) < 0.15


@pytest.mark.parametrize("method", METHODS)
def test_nothing_that_varies_predicts_the_mean(method):
    found = fit(np.ones((30, 3)), np.arange(30.0), np.arange(30) % 5, settings(method))
    assert not found.coef.any()
    np.testing.assert_allclose(found.predict(np.ones((2, 3))), 14.5)


@pytest.mark.parametrize("method", ["ridge", "top_eqtl"])
def test_a_study_is_trained_and_its_file_names_the_method(tmp_path, method):
    models = '\n[models.own]\nfamily = "predictdb"\nweights = "own.db"\n'
    toml = cohorts.make_study(tmp_path / "study", people=60, models=models)
    chosen = LinearSettings(method=method, window=5_000, keep="all", inner_folds=3)
    study = gx.load(toml)
    study.train_linear(toml.parent / "own.db", ["GENE0", "GENE1"], settings=chosen)
    spec = study.spec("own")
    assert method in spec.readout
    weights = study.gene("GENE0").weights("own")
    assert len(weights) == 1 if method == "top_eqtl" else len(weights) > 20
    study.predict("own", ["GENE0"])
    table = study.gene("GENE0").table
    assert np.corrcoef(table["own"], table["observed"])[0, 1] > 0.3
    assert np.corrcoef(table["own_in_sample"], table["observed"])[0, 1] > 0.5


def test_an_unknown_method_is_refused_with_the_known_ones():
    with pytest.raises(GexvizError) as raised:
        LinearSettings(method="susie")
    assert raised.value.expected == "enet, lasso, ridge, top_eqtl"
