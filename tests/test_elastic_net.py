"""The elastic-net path: against glmnet itself, against scikit-learn, and its own optimality conditions."""

import shutil
import subprocess

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import ElasticNet

from gexviz.analysis.elastic_net import cross_validate, elastic_net_path


def has_glmnet():
    rscript = shutil.which("Rscript")
    return bool(rscript) and subprocess.run([rscript, "-e", "library(glmnet)"], capture_output=True).returncode == 0


needs_glmnet = pytest.mark.skipif(not has_glmnet(), reason="Rscript with the package glmnet is not installed")


def genotypes(rng, n, p, linkage=0.8):
    """Dosages in linkage: each variant repeats its neighbour's haplotypes with some probability."""
    haplotypes = rng.random((2, n, p)) < rng.uniform(0.02, 0.5, p)
    for j in range(1, p):
        same = rng.random((2, n)) < linkage
        haplotypes[:, :, j] = np.where(same, haplotypes[:, :, j - 1], haplotypes[:, :, j])
    return haplotypes.sum(axis=0).astype(float)


def simulate(seed, n, p, causal=4, noise=1.0):
    rng = np.random.default_rng(seed)
    x = genotypes(rng, n, p)
    effects = np.zeros(p)
    effects[rng.choice(p, min(causal, p), replace=False)] = rng.normal(size=min(causal, p))
    y = x @ effects + noise * rng.normal(size=n)
    return x, y, rng.permutation(np.arange(n) % 5)


R_ORACLE = """
suppressMessages(library(glmnet))
a <- commandArgs(TRUE)
x <- as.matrix(read.csv("x.csv", header = FALSE)); y <- scan("y.csv", quiet = TRUE)
fold <- scan("folds.csv", quiet = TRUE) + 1
f <- cv.glmnet(x, y, alpha = as.numeric(a[1]), foldid = fold, thresh = as.numeric(a[2]), maxit = 1e9, keep = TRUE)
w <- function(v, name) write.table(format(v, digits = 17), name, quote = FALSE, row.names = FALSE, col.names = FALSE,
                                   sep = ",")
w(as.matrix(f$glmnet.fit$beta), "beta.csv"); w(f$glmnet.fit$a0, "a0.csv"); w(f$glmnet.fit$lambda, "lambda.csv")
w(f$glmnet.fit$dev.ratio, "dev.csv"); w(f$cvm, "cvm.csv"); w(f$fit.preval, "held.csv"); w(f$lambda.min, "best.csv")
"""


def glmnet(folder, x, y, folds, alpha, thresh):
    np.savetxt(folder / "x.csv", x, delimiter=",", fmt="%.17g")
    np.savetxt(folder / "y.csv", y, fmt="%.17g")
    np.savetxt(folder / "folds.csv", folds, fmt="%d")
    (folder / "oracle.R").write_text(R_ORACLE)
    done = subprocess.run(
        [shutil.which("Rscript"), "oracle.R", str(alpha), str(thresh)], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    names = ("beta", "a0", "lambda", "dev", "cvm", "held", "best")
    return {name: np.loadtxt(folder / f"{name}.csv", delimiter=",") for name in names}


CASES = [
    (1, 120, 60, 0.5),  # n > p: penalties to 1e-4
    (2, 60, 150, 0.5),  # n < p: penalties to 0.01
    (3, 70, 60, 0.5),  # n > p on all rows, n < p in the folds: another rule in each
    (4, 90, 40, 1.0),  # lasso
    (5, 60, 90, 0.05),
]


@needs_glmnet
@pytest.mark.parametrize(("seed", "n", "p", "alpha"), CASES)
def test_equals_glmnet(tmp_path, seed, n, p, alpha):
    x, y, folds = simulate(seed, n, p)
    theirs = glmnet(tmp_path, x, y, folds, alpha, 1e-18)
    ours = cross_validate(x, y, folds, alpha=alpha)
    np.testing.assert_allclose(ours.path.lambdas, theirs["lambda"], rtol=1e-9)
    np.testing.assert_allclose(ours.path.explained, theirs["dev"], atol=1e-7)
    np.testing.assert_allclose(ours.path.predict(x), theirs["a0"] + x @ theirs["beta"], atol=2e-5)
    np.testing.assert_allclose(ours.held_out, theirs["held"], atol=2e-5)
    np.testing.assert_allclose(ours.mse, theirs["cvm"], rtol=1e-5)
    assert ours.lambda_min == pytest.approx(float(theirs["best"]), rel=1e-9)


@needs_glmnet
@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_ends_the_path_early_where_glmnet_does(tmp_path, noise):
    x, y, folds = simulate(6, 100, 30, causal=3, noise=noise)
    theirs = glmnet(tmp_path, x, y, folds, 0.5, 1e-18)
    ours = cross_validate(x, y, folds)
    assert len(ours.path.lambdas) == len(theirs["lambda"]) < 100
    np.testing.assert_allclose(ours.path.coef.T, theirs["beta"], atol=1e-6)
    np.testing.assert_allclose(ours.path.intercept, theirs["a0"], atol=1e-6)


@needs_glmnet
def test_differs_from_default_glmnet_by_its_tolerance_only(tmp_path):
    x, y, folds = simulate(7, 150, 80)
    theirs = glmnet(tmp_path, x, y, folds, 0.5, 1e-7)
    ours = cross_validate(x, y, folds)
    used = slice(0, ours.best + 1)  # the end of the path, which nobody uses, is where glmnet is least exact
    assert ours.best > 10
    np.testing.assert_allclose(ours.held_out[:, used], theirs["held"][:, used], atol=0.01 * y.std())
    assert ours.lambda_min == pytest.approx(float(theirs["best"]), rel=1e-9)


def assert_optimal(x, y, path, alpha):
    """The optimality conditions of every predictor at every penalty (which need no other solver)."""
    scale = np.where(np.ptp(x, axis=0) > 0, x.std(axis=0), 1.0)
    z, spread = (x - x.mean(axis=0)) / scale, y.std()
    for penalty, intercept, coef in zip(path.lambdas / spread, path.intercept, path.coef, strict=True):
        gradient = z.T @ (y - intercept - x @ coef) / len(y) / spread
        beta, tiny = coef * scale / spread, 1e-6 * penalty * alpha + 1e-12
        active = beta != 0
        pull = penalty * alpha * np.sign(beta) + penalty * (1 - alpha) * beta
        np.testing.assert_allclose(gradient[active], pull[active], atol=max(tiny, 1e-8 * np.abs(beta).max(initial=0)))
        assert (np.abs(gradient[~active]) <= penalty * alpha + tiny).all()
        assert abs((y - intercept - x @ coef).mean()) < 1e-9 * (1 + np.abs(y).max())


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(4, 60),
    p=st.integers(1, 90),
    alpha=st.sampled_from([0.05, 0.5, 0.9, 1.0]),
    copies=st.integers(0, 5),
)
def test_every_point_of_a_random_path_is_optimal(seed, n, p, alpha, copies):
    x, y, _ = simulate(seed, n, p)
    x = np.hstack([x, x[:, :copies], 2 - x[:, :copies], np.ones((n, 1))])  # equal, opposite and constant predictors
    path = elastic_net_path(x, y, alpha=alpha, n_lambdas=40)
    assert (np.diff(path.lambdas) < 0).all() and (np.diff(path.explained) > -1e-9).all()
    assert (path.coef[0] == 0).all() and (path.coef[:, -1] == 0).all()
    assert_optimal(x, y, path, alpha)


@pytest.mark.parametrize(("n", "p", "alpha"), [(80, 30, 0.5), (50, 120, 0.5), (60, 40, 0.95)])
def test_equals_scikit_learn_at_each_penalty(n, p, alpha):
    x, y, _ = simulate(n + p, n, p)
    keep = np.ptp(x, axis=0) > 0
    x = x[:, keep]
    x, y = (x - x.mean(axis=0)) / x.std(axis=0), y / y.std()
    path = elastic_net_path(x, y, alpha=alpha, n_lambdas=30, lambda_min_ratio=0.02)
    for penalty, intercept, coef in list(zip(path.lambdas, path.intercept, path.coef, strict=True))[1::4]:
        theirs = ElasticNet(alpha=penalty, l1_ratio=alpha, tol=1e-13, max_iter=10**6).fit(x, y)
        np.testing.assert_allclose(coef, theirs.coef_, atol=1e-6)
        assert intercept == pytest.approx(theirs.intercept_)


def test_many_more_predictors_than_rows_enter_through_screening():
    x, y, _ = simulate(11, 80, 1500)
    path = elastic_net_path(x, y)
    assert (path.coef != 0).any(axis=0).sum() < 600  # else nothing was screened
    assert_optimal(x, y, path, 0.5)


def test_given_penalties_in_any_order_and_far_apart():
    x, y, _ = simulate(12, 60, 50)
    grid = np.array([1e-3, 10.0, 0.1, 0.1])
    path = elastic_net_path(x, y, lambdas=grid)
    assert path.lambdas.tolist() == [10.0, 0.1, 0.1, 1e-3]
    assert (path.coef[0] == 0).all()
    np.testing.assert_allclose(path.coef[1], path.coef[2], atol=1e-12)
    assert_optimal(x, y, path, 0.5)


def test_path_is_the_same_for_scaled_data():
    x, y, _ = simulate(13, 60, 50)
    one, other = elastic_net_path(x, y), elastic_net_path(x * 10 + 3, y * 1000 - 5)
    np.testing.assert_allclose(other.lambdas, one.lambdas * 1000)
    np.testing.assert_allclose(other.predict(x * 10 + 3), one.predict(x) * 1000 - 5, rtol=1e-6, atol=1e-4)


def test_interpolates_between_penalties_and_clamps_beyond():
    x, y, _ = simulate(14, 60, 20)
    path = elastic_net_path(x, y)
    middle = (path.lambdas[10] + path.lambdas[11]) / 2
    fitted = path.predict(x)
    at = path.predict(x, np.array([path.lambdas[0] * 2, middle, path.lambdas[-1] / 2]))
    np.testing.assert_allclose(at[:, 0], fitted[:, 0])
    np.testing.assert_allclose(at[:, 1], (fitted[:, 10] + fitted[:, 11]) / 2)
    np.testing.assert_allclose(at[:, 2], fitted[:, -1])


@pytest.mark.parametrize(("x", "y"), [(np.ones((9, 3)), np.arange(9.0)), (np.eye(9), np.full(9, 2.0))])
def test_nothing_to_fit_gives_the_mean(x, y):
    path = elastic_net_path(x, y)
    assert path.lambdas.tolist() == [0.0] and not path.coef.any()
    np.testing.assert_allclose(path.predict(x, np.array([1.0, 0.5])), y.mean())


def test_held_out_rows_have_no_say_in_their_own_prediction():
    x, y, folds = simulate(15, 50, 20)
    ours = cross_validate(x, y, folds)
    changed = y.copy()
    changed[folds == 2] = 0.0
    path = elastic_net_path(x[folds != 2], y[folds != 2])
    np.testing.assert_allclose(ours.held_out[folds == 2], path.predict(x[folds == 2], ours.path.lambdas))
    again = cross_validate(x, changed, folds)
    both = path.predict(x[folds == 2], again.path.lambdas)
    np.testing.assert_allclose(again.held_out[folds == 2], both)


@pytest.mark.parametrize(
    ("x", "y", "alpha", "what"),
    [
        (np.ones((3, 2)), np.ones(4), 0.5, "expected x"),
        (np.array([[np.nan], [1.0]]), np.ones(2), 0.5, "finite"),
        (np.ones((2, 1)), np.ones(2), 0.0, "alpha"),
    ],
)
def test_refuses_what_it_cannot_fit(x, y, alpha, what):
    with pytest.raises(ValueError, match=what):
        elastic_net_path(x, y, alpha=alpha)
