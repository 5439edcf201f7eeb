"""Cis-heritability against a dense restricted likelihood, and against simulated truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize
from scipy.stats import chi2

from gexviz.analysis.ceiling import cis_heritability


def genotypes(rng, variants: int, people: int) -> np.ndarray:
    blocks = rng.binomial(2, rng.uniform(0.1, 0.5, (variants // 5, 1)), (variants // 5, people))
    flips = rng.random((variants, people)) < 0.1
    return np.where(flips, rng.binomial(2, 0.3, (variants, people)), np.repeat(blocks, 5, axis=0)).astype(float)


def dense_likelihood(h2: float, y: np.ndarray, x: np.ndarray, kinship: np.ndarray) -> float:
    """Patterson and Thompson's restricted likelihood as written, with its scale profiled out."""
    inverse = np.linalg.inv(h2 * kinship + (1 - h2) * np.eye(len(y)))
    information = x.T @ inverse @ x
    projection = inverse - inverse @ x @ np.linalg.solve(information, x.T @ inverse)
    free = len(y) - x.shape[1]
    scale = y @ projection @ y / free
    determinant = -np.linalg.slogdet(inverse)[1] + np.linalg.slogdet(information)[1]
    return -0.5 * (determinant + free * np.log(scale) + y @ projection @ y / scale)


@settings(max_examples=12)
@given(st.integers(0, 10**6), st.floats(0.0, 0.8), st.integers(0, 3))
def test_against_the_dense_likelihood(seed, h2, covariates):
    rng = np.random.default_rng(seed)
    dosages = genotypes(rng, 30, 70)
    z = (dosages - dosages.mean(axis=1, keepdims=True)) / dosages.std(axis=1, keepdims=True)
    c = rng.normal(size=(70, covariates))
    g = rng.normal(size=30) @ z
    y = np.sqrt(h2) * g / g.std() + np.sqrt(1 - h2) * rng.normal(size=70) + c.sum(axis=1)
    found = cis_heritability(y, dosages, c)
    x, kinship = np.column_stack([np.ones(70), c]), z.T @ z / 30

    def fall(h: float) -> float:
        return -dense_likelihood(h, y, x, kinship)

    grid = np.linspace(0, 0.999, 101)
    start = grid[np.argmin([fall(h) for h in grid])]
    best = optimize.minimize_scalar(fall, bounds=(max(0, start - 0.02), min(0.9999, start + 0.02)), method="bounded")
    assert found.reason == "" and found.n == 70 and found.variants == 30
    assert -fall(found.h2) >= -best.fun - 1e-6
    if 0.01 < best.x < 0.99:
        assert found.h2 == pytest.approx(best.x, abs=2e-3)
    top = -fall(found.h2)
    for end in (found.low, found.high):
        if 0 < end < 1:
            assert top + fall(end) == pytest.approx(chi2.ppf(0.95, 1) / 2, abs=1e-5)
    assert found.low <= found.h2 <= found.high
    ratio = max(0.0, 2 * (top + fall(0.0)))
    assert found.p == pytest.approx(0.5 * chi2.sf(ratio, 1) if ratio > 1e-9 else 1.0, abs=1e-4) or found.h2 < 1e-4


@pytest.mark.parametrize("h2", [0.0, 0.3])
def test_on_simulated_genes(h2):
    """Right on average; intervals hold the truth 19 times in 20; p is significant as often as it should be."""
    rng = np.random.default_rng(9)
    found = []
    for _ in range(120):
        dosages = genotypes(rng, 60, 200)
        causes = rng.choice(60, 3, replace=False)
        g = rng.normal(size=3) @ dosages[causes]
        y = np.sqrt(h2) * (g - g.mean()) / g.std() + np.sqrt(1 - h2) * rng.normal(size=200)
        found.append(cis_heritability(y, dosages))
    estimates = np.array([f.h2 for f in found])
    error = estimates.std() / np.sqrt(len(found))
    holds = np.mean([f.low <= h2 <= f.high for f in found])
    if h2:
        assert abs(estimates.mean() - h2) < 4 * error + 0.02
        assert np.mean([f.p < 0.01 for f in found]) > 0.9 and holds > 0.85
    else:
        assert np.median(estimates) < 0.02 and np.mean([f.p < 0.05 for f in found]) < 0.12 and holds > 0.9


def test_what_has_no_estimate():
    rng = np.random.default_rng(0)
    y, dosages = rng.normal(size=50), genotypes(rng, 10, 50)
    assert "fewer than 30" in cis_heritability(y[:20], dosages[:, :20]).reason
    assert "fewer than 30" in cis_heritability(y, dosages, rng.normal(size=(50, 25))).reason
    assert "fewer than 30" in cis_heritability(np.full(50, np.nan), dosages).reason
    assert cis_heritability(y, np.ones((3, 50))).reason == "no variant varies"
    assert cis_heritability(y, np.empty((0, 50))).reason == "no variant varies"
    assert "constant" in cis_heritability(np.ones(50), dosages).reason
    assert "constant" in cis_heritability(3 * dosages[0] + 1, dosages, dosages[:1].T).reason
    assert all(np.isnan(cis_heritability(np.ones(50), dosages)[:4]))


def test_missing_values_and_scale():
    rng = np.random.default_rng(1)
    dosages = genotypes(rng, 20, 80)
    y = dosages[0] + rng.normal(size=80)
    one = cis_heritability(y, dosages)
    other = cis_heritability(100 * y - 7, np.vstack([2 - dosages, np.ones((2, 80))]))
    assert other.h2 == pytest.approx(one.h2, abs=1e-5) and other.variants == 20
    fewer = y.copy()
    fewer[:5] = np.nan
    assert cis_heritability(fewer, dosages) == cis_heritability(y[5:], dosages[:, 5:])
    with_missing = dosages.copy()
    with_missing[0, :3] = np.nan
    filled = dosages.copy()
    filled[0, :3] = dosages[0, 3:].mean()
    assert cis_heritability(y, with_missing).h2 == pytest.approx(cis_heritability(y, filled).h2, abs=1e-6)
