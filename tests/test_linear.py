"""Training of elastic nets: against R's glmnet doing PredictDB's steps, free of leakage, and the tables made of it."""

import pickle
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.multitest import multipletests

from gexviz.analysis.linear import gene_seed, train_gene
from gexviz.analysis.linear_tables import WEIGHT_COLUMNS, TrainedGene, assemble, weights_table
from gexviz.analysis.settings import LinearSettings
from gexviz.errors import GexvizError

SETTINGS = LinearSettings(inner_folds=5, min_people=40)


def has_glmnet():
    rscript = shutil.which("Rscript")
    return bool(rscript) and subprocess.run([rscript, "-e", "library(glmnet)"], capture_output=True).returncode == 0


def simulate(seed=0, n=120, p=40, strength=1.0):
    rng = np.random.default_rng(seed)
    frequency = rng.uniform(0.05, 0.5, p)
    frequency[[3, 7]] = 0.4
    dosages = rng.binomial(2, frequency[:, None], (p, n)).astype(float)
    covariates = rng.normal(size=(n, 3))
    genetic = dosages[3] - dosages[7]
    expression = 5 + strength * genetic + covariates @ [1.0, -2.0, 0.5] + rng.normal(size=n)
    return dosages, expression, covariates


@pytest.fixture(scope="module")
def trained():
    dosages, expression, covariates = simulate()
    return train_gene(dosages, expression, covariates, settings=SETTINGS, seed=3)


R_ORACLE = """
suppressMessages(library(glmnet))
x <- as.matrix(read.csv("x.csv", header = FALSE)); d <- read.csv("d.csv")
folds <- as.matrix(read.csv("folds.csv", header = FALSE)); y <- d$y; n <- length(y); covs <- d[, grep("c", names(d))]
one <- function(x, y, inner) cv.glmnet(x, y, alpha = 0.5, foldid = inner, thresh = 1e-18, maxit = 1e9, keep = TRUE)
pred <- rep(NA, n); rho <- z <- r2 <- p <- c()
for (k in 1:5) {
  out <- d$outer == k
  m <- lm(y ~ ., data = cbind(y = y, covs)[!out, ])
  fit <- one(x[!out, ], residuals(m), folds[!out, k])
  pred[out] <- predict(fit, x[out, ], s = "lambda.min")
  adj <- y[out] - predict(m, covs[out, ])
  rho[k] <- cor(pred[out], adj); z[k] <- atanh(rho[k]) * sqrt(sum(out) - 3)
  p[k] <- cor.test(pred[out], adj)$p.value; r2[k] <- 1 - sum((adj - pred[out])^2) / sum(adj^2)
}
res <- residuals(lm(y ~ ., data = cbind(y = y, covs))); s <- scale(res)[, 1]
fit <- one(x, s, folds[, 6]); best <- fit$index[1]
cvr2 <- sapply(1:5, function(k) { o <- folds[, 6] == k; 1 - sum((s[o] - fit$fit.preval[o, best])^2) / sum(s[o]^2) })
zs <- sum(z) / sqrt(5)
figures <- c(lambda_min_mse = fit$lambda.min, test_R2_avg = mean(r2), test_R2_sd = sd(r2), cv_R2_avg = mean(cvr2),
  cv_R2_sd = sd(cvr2), in_sample_R2 = 1 - sum((s - predict(fit, x, s = "lambda.min"))^2) / sum(s^2),
  nested_cv_fisher_pval = pchisq(-2 * sum(log(p)), 10, lower.tail = FALSE), rho_avg = mean(rho), rho_se = sd(rho),
  rho_zscore = zs, rho_avg_squared = mean(rho)^2, zscore_pval = 2 * pnorm(abs(zs), lower.tail = FALSE))
write.csv(data.frame(name = names(figures), value = format(figures, digits = 15)), "figures.csv", row.names = FALSE)
write(format(pred / sd(res), digits = 15), "pred.csv", ncolumns = 1)
write(format(as.matrix(coef(fit, s = "lambda.min"))[-1], digits = 15), "coef.csv", ncolumns = 1)
"""


@pytest.mark.skipif(not has_glmnet(), reason="Rscript with the package glmnet is not installed")
def test_equals_predictdbs_steps_in_r(tmp_path, trained):
    dosages, expression, covariates = simulate()
    n, rng = len(expression), np.random.default_rng(3)
    outer = rng.permutation(np.arange(n) % 5)  # the folds in the order in which training draws them
    folds = np.zeros((n, 6), int)
    for k in range(5):
        train = outer != k
        folds[train, k] = rng.permutation(np.arange(train.sum()) % 5) + 1
    folds[:, 5] = rng.permutation(np.arange(n) % 5) + 1
    np.savetxt(tmp_path / "x.csv", dosages.T, delimiter=",")
    np.savetxt(tmp_path / "folds.csv", folds, delimiter=",", fmt="%d")
    table = pd.DataFrame(covariates, columns=["c1", "c2", "c3"]).assign(y=expression, outer=outer + 1)
    table.to_csv(tmp_path / "d.csv", index=False)
    (tmp_path / "oracle.R").write_text(R_ORACLE)
    done = subprocess.run([shutil.which("Rscript"), "oracle.R"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(trained.folds, outer)
    np.testing.assert_allclose(trained.out_of_fold, np.loadtxt(tmp_path / "pred.csv"), atol=1e-5)
    coef = np.zeros(len(dosages))
    coef[trained.rows] = trained.weights
    np.testing.assert_allclose(coef, np.loadtxt(tmp_path / "coef.csv"), atol=1e-5)
    theirs = pd.read_csv(tmp_path / "figures.csv", index_col="name")["value"]
    assert set(trained.summary) == set(theirs.index)
    for name, value in theirs.items():
        assert trained.summary[name] == pytest.approx(value, rel=1e-4), name


def test_finds_the_causal_variants_and_passes_the_filter(trained):
    assert trained.reason is None and trained.significant
    spread = simulate()[0].std(axis=1)[trained.rows]
    largest = trained.rows[np.argsort(-np.abs(trained.weights * spread))[:2]]
    assert set(largest.tolist()) == {3, 7}
    assert trained.weights[trained.rows == 3] > 0 > trained.weights[trained.rows == 7]


def test_nobodys_own_expression_has_a_say_in_their_prediction(trained):
    dosages, expression, covariates = simulate()
    for fold in range(SETTINGS.outer_folds):
        out = trained.folds == fold
        changed = np.where(out, np.random.default_rng(fold).normal(50.0, 30.0, len(expression)), expression)
        again = train_gene(dosages, changed, covariates, settings=SETTINGS, seed=3)
        np.testing.assert_array_equal(again.folds, trained.folds)
        ratio = again.out_of_fold[out] / trained.out_of_fold[out]  # the one unit of all folds may change, nothing else
        np.testing.assert_allclose(ratio, ratio[0], rtol=1e-6)
        assert not np.allclose(again.out_of_fold[~out], trained.out_of_fold[~out] * ratio[0])


def test_what_covariates_explain_is_no_part_of_it(trained):
    dosages, expression, covariates = simulate()
    again = train_gene(dosages, expression + covariates @ [7.0, 3.0, -4.0] + 2, covariates, settings=SETTINGS, seed=3)
    np.testing.assert_allclose(again.out_of_fold, trained.out_of_fold, atol=1e-8)
    twice = train_gene(dosages, expression, np.hstack([covariates, covariates]), settings=SETTINGS, seed=3)
    np.testing.assert_allclose(twice.out_of_fold, trained.out_of_fold, atol=1e-8)
    without = train_gene(dosages, expression, None, settings=SETTINGS, seed=3)
    assert without.summary["rho_avg"] < trained.summary["rho_avg"]


def test_people_without_expression_take_no_part():
    dosages, expression, covariates = simulate()
    has = np.ones(len(expression), bool)
    has[[0, 17, 60]] = False
    some = train_gene(dosages, np.where(has, expression, np.nan), covariates, settings=SETTINGS, seed=3)
    alone = train_gene(dosages[:, has], expression[has], covariates[has], settings=SETTINGS, seed=3)
    np.testing.assert_array_equal(some.out_of_fold[has], alone.out_of_fold)
    assert np.isnan(some.out_of_fold[~has]).all() and (some.folds[~has] == -1).all() and some.people == 117


def test_missing_calls_become_the_mean_and_rare_variants_stay_out():
    dosages, expression, covariates = simulate()
    holes = dosages.copy()
    holes[3, :20] = np.nan
    filled = np.where(np.isnan(holes), np.nanmean(holes, axis=1, keepdims=True), holes)
    one = train_gene(holes, expression, covariates, settings=SETTINGS, seed=3)
    other = train_gene(filled, expression, covariates, settings=SETTINGS, seed=3)
    np.testing.assert_array_equal(one.weights, other.weights)
    rare, absent, fixed = np.zeros((3, dosages.shape[1]))
    rare[:2], absent[:], fixed[:] = 1.0, np.nan, 2.0
    more = np.vstack([rare, absent, fixed, 2 - rare, dosages])  # 2 of 240 copies: 0.8%
    again = train_gene(more, expression, covariates, settings=SETTINGS, seed=3)
    assert again.variants == len(dosages)
    plain = train_gene(dosages, expression, covariates, settings=SETTINGS, seed=3)
    np.testing.assert_array_equal(again.rows - 4, plain.rows)


def test_a_null_gene_fails_the_filter_but_keeps_its_predictions():
    dosages, expression, covariates = simulate(seed=5, strength=0.0)
    null = train_gene(dosages, expression, covariates, settings=SETTINGS, seed=3)
    assert null.reason is None and not null.significant
    assert np.isfinite(null.out_of_fold).all()


def test_an_empty_fold_predicts_zero_for_everybody_in_it():
    rng = np.random.default_rng(8)
    found = False
    for seed in range(10):
        dosages = rng.binomial(2, 0.3, (3, 60)).astype(float)
        null = train_gene(dosages, rng.normal(size=60), None, settings=SETTINGS, seed=seed)
        for fold in range(5):
            values = null.out_of_fold[null.folds == fold]
            assert (values == 0).all() or np.ptp(values) > 1e-6  # never a constant made of rounding error
            found |= (values == 0).all()
    assert found


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda d, e, c: (d, np.where(np.arange(len(e)) < 20, e, np.nan), c), "expression of 20 people; 40 are needed"),
        (lambda d, e, c: (d, np.full(len(e), 3.0), c), "constant expression"),
        (lambda d, e, c: (d[:0], e, c), "no variant in the window"),
        (lambda d, e, c: (np.zeros_like(d), e, c), "no variant in the window"),
        (lambda d, e, c: (d, c @ [1.0, 2.0, 3.0], c), "the covariates explain the expression entirely"),
        (lambda d, e, c: (d, e, np.random.default_rng(0).normal(size=(len(e), 90))), "90 covariates leave too little"),
    ],
)
def test_says_why_a_gene_cannot_be_trained(change, reason):
    dosages, expression, covariates = change(*simulate())
    result = train_gene(dosages, expression, covariates, settings=SETTINGS, seed=3)
    assert result.reason.startswith(reason)
    assert len(result.weights) == 0 and np.isnan(result.out_of_fold).all() and not result.significant


def test_refuses_people_that_do_not_agree():
    dosages, expression, covariates = simulate()
    with pytest.raises(ValueError, match="people don't agree"):
        train_gene(dosages[:, 1:], expression, covariates, settings=SETTINGS, seed=1)
    with pytest.raises(ValueError, match="covariates must be finite"):
        train_gene(dosages, expression, covariates * np.nan, settings=SETTINGS, seed=1)


def test_is_a_task_that_pickles_and_repeats(trained):
    dosages, expression, covariates = simulate()
    again = pickle.loads(pickle.dumps(train_gene(dosages, expression, covariates, settings=SETTINGS, seed=3)))
    assert again.summary == trained.summary
    np.testing.assert_array_equal(again.weights, trained.weights)
    other = train_gene(dosages, expression, covariates, settings=SETTINGS, seed=4)
    assert not np.array_equal(other.folds, trained.folds)


def test_gene_seeds_differ_and_stay():
    assert gene_seed(1, "ENSG1") == gene_seed(1, "ENSG1") < 2**31
    assert len({gene_seed(s, g) for s in (1, 2) for g in ("ENSG1", "ENSG2")}) == 4


@pytest.mark.parametrize(
    "wrong", [{"alpha": 0.0}, {"maf": 0.5}, {"keep": "some"}, {"outer_folds": 1}, {"window": 0}, {"min_people": 10}]
)
def test_settings_that_cannot_be_used_are_refused(wrong):
    with pytest.raises(GexvizError, match=next(iter(wrong))):
        LinearSettings(**wrong)


def variants(ids, contig="22"):
    positions = [f"{contig}:{100 + i}:A:G" for i in range(len(ids))]
    return pd.DataFrame({"variant": positions, "id": ids, "ref": "A", "alt": "G"})


def test_weights_are_named_as_metaxcan_wants_them(trained):
    three = trained._replace(weights=np.array([0.5, -0.25, 1.0, 2.0]))
    table = weights_table("G1", TrainedGene(three, variants([".", "rs1;rs2", "rs7", "rs7"], "chr22")), "GRCh37")
    assert list(table) == WEIGHT_COLUMNS
    assert table["varID"].tolist() == [f"22_{100 + i}_A_G_b37" for i in range(4)]
    assert table["rsid"].tolist() == ["22_100_A_G_b37", "rs1", "22_102_A_G_b37", "22_103_A_G_b37"]
    assert (table["ref_allele"] == "A").all() and (table["eff_allele"] == "G").all()
    assert weights_table("G1", TrainedGene(three, variants(["."] * 4)), "hg38")["varID"][0] == "chr22_100_A_G_b38"


@pytest.fixture(scope="module")
def several(trained):
    dosages, expression, covariates = simulate(seed=5, strength=0.0)
    null = train_gene(dosages, expression, covariates, settings=SETTINGS, seed=9)
    null = null._replace(rows=np.array([1]), weights=np.array([0.1]))
    impossible = train_gene(dosages[:0], expression, covariates, settings=SETTINGS, seed=9)
    made = {"G1": trained, "G2": null, "G3": impossible}
    return {g: TrainedGene(t, variants([f"rs{g[1]}{k}" for k in t.rows])) for g, t in made.items()}


@pytest.mark.parametrize(("keep", "genes"), [("significant", ["G1"]), ("all", ["G1", "G2"])])
def test_assembles_predictdbs_tables(several, keep, genes):
    annotation = pd.DataFrame({"name": ["one", "two", "three"], "contig": "chr22", "biotype": "protein_coding"})
    annotation.index = ["G1", "G2", "G3"]
    samples = [f"S{i}" for i in range(120)]
    settings = LinearSettings(inner_folds=5, min_people=40, keep=keep)
    tables = assemble(several, annotation, samples, settings=settings, genome="GRCh37", population="EUR")
    assert tables.extra["gene"].tolist() == genes == list(dict.fromkeys(tables.weights["gene"]))
    assert tables.genes["kept"].tolist() == [g in genes for g in ("G1", "G2", "G3")]
    assert tables.genes.loc["G3", "reason"].startswith("no variant") and tables.genes["reason"].isna().sum() == 2
    first, training = tables.extra.iloc[0], several["G1"].training
    assert first["genename"] == "one" and first["n.snps.in.model"] == len(training.weights)
    assert first["pred.perf.R2"] == pytest.approx(training.summary["rho_avg"] ** 2)
    p = [several[g].training.summary["zscore_pval"] for g in ("G1", "G2")]
    q = multipletests(p, method="fdr_bh")[1]
    np.testing.assert_allclose(tables.extra["pred.perf.qval"], q[: len(genes)])
    assert tables.out_of_fold.index.tolist() == ["G1", "G2"]  # also the gene whose weights are not kept
    np.testing.assert_allclose(tables.out_of_fold.loc["G2"], several["G2"].training.out_of_fold, atol=1e-6)
    assert tables.folds.loc["G1"].tolist() == training.folds.tolist()
    assert tables.construction.to_dict("list") == {"chromosome": ["chr22"], "cv_seed": [1]}
    assert tables.sample_info.to_dict("list") == {"n_samples": [120], "population": ["EUR"], "tissue": [""]}


def test_assembles_nothing_without_failing():
    empty = assemble({}, pd.DataFrame(columns=["contig", "name", "biotype"]), [], settings=SETTINGS, genome="GRCh37")
    assert empty.weights.empty and empty.out_of_fold.empty
