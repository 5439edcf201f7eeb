"""Genotype PCA against scikit-learn, and on two populations."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

from gexviz.analysis import pca
from gexviz.analysis.pca import genotype_pca
from gexviz.errors import GexvizError


def dosages(seed, variants=300, people=40, missing=0.0):
    rng = np.random.default_rng(seed)
    first = rng.uniform(0.1, 0.9, variants)
    second = np.clip(first + rng.normal(0, 0.15, variants), 0.02, 0.98)
    frequency = np.where(np.arange(people) < people // 2, first[:, None], second[:, None])
    table = rng.binomial(2, frequency).astype(np.float32)
    table[rng.random(table.shape) < missing] = np.nan
    return table, [f"S{i}" for i in range(people)]


@pytest.mark.parametrize("missing", [0, 0.05])
def test_as_scikit_learn(missing):
    table, samples = dosages(1, missing=missing)
    result = genotype_pca(table, samples, components=5, min_frequency=0.05)
    mean = np.nanmean(table, axis=1, keepdims=True, dtype=float)
    p = mean[:, 0] / 2
    kept = np.minimum(p, 1 - p) >= 0.05
    x = (np.where(np.isnan(table), mean, table) - mean)[kept] / np.sqrt(2 * p * (1 - p))[kept, None]
    oracle = PCA(5, svd_solver="full")
    scores = oracle.fit_transform(x.T)
    assert result.n_variants == kept.sum()
    np.testing.assert_allclose(result.explained, oracle.explained_variance_ratio_, rtol=1e-9)
    np.testing.assert_allclose(np.abs(result.scores), np.abs(scores), atol=1e-8)
    largest = result.scores.to_numpy()[np.abs(result.scores.to_numpy()).argmax(axis=0), np.arange(5)]
    assert (largest > 0).all()


def test_populations_part_on_the_first_component():
    table, samples = dosages(2)
    first = genotype_pca(table, samples).scores["PC1"].to_numpy()
    assert (np.sign(first[:20]) == np.sign(first[0])).all() and (np.sign(first[20:]) == -np.sign(first[0])).all()


def test_blocks_rare_and_constant_variants_do_not_show(monkeypatch):
    table, samples = dosages(3)
    whole = genotype_pca(table, samples)
    rare = np.zeros((3, 40), np.float32)
    rare[0, 0], rare[1], rare[2] = 1, 1, np.nan
    monkeypatch.setattr(pca, "BLOCK_VALUES", 400)
    again = genotype_pca(np.vstack([table[:100], rare, table[100:]]), samples)
    assert again.n_variants == whole.n_variants
    np.testing.assert_allclose(again.scores, whole.scores, atol=1e-8)


def test_what_it_refuses():
    table, samples = dosages(4)
    with pytest.raises(GexvizError, match="do not go with"):
        genotype_pca(table, samples[:-1])
    with pytest.raises(GexvizError, match="too few"):
        genotype_pca(table[:, :2], samples[:2])
    with pytest.raises(GexvizError, match="none of 300 variants"):
        genotype_pca(np.ones_like(table), samples)
    assert genotype_pca(table[:, :4], samples[:4]).scores.shape == (4, 3)
