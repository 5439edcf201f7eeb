"""eQTLs of a study: its files, covariates and people in place, resumed gene by gene."""

from __future__ import annotations

import cohorts
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

import gexviz as gx
from gexviz import mapping
from gexviz.errors import Cancelled, GexvizError


@pytest.fixture(scope="module")
def toml(tmp_path_factory):
    path = cohorts.make_study(tmp_path_factory.mktemp("mapping"), people=60)
    people = [f"P{i:03d}" for i in range(60)]
    rng = np.random.default_rng(3)
    table = pd.DataFrame(rng.normal(size=(2, 60)), index=["age", "batch"], columns=people).rename_axis("covariate")
    table.to_csv(path.parent / "covariates.tsv", sep="\t")
    path.write_text(path.read_text().replace('samples = "samples.tsv"\n', 'samples = "samples.tsv"\ncovariates = "covariates.tsv"\n'))  # noqa: E501
    return path


@pytest.fixture
def study(toml, tmp_path):
    return gx.load(toml, tmp_path / "results")


def test_slopes_are_those_of_least_squares_with_covariates(study):
    found = study.eqtls(["GENE0"], settings=gx.EqtlSettings(min_count=1))
    covariates = study.cohort.covariates.to_numpy()
    y = study.cohort.expression.values.loc["ENSG00000000000.1"].to_numpy()
    for row in found.table.sample(15, random_state=1).itertuples():
        dosage = study.gene("GENE0").dosages([row.variant])[row.variant].to_numpy(float)
        fit = sm.OLS(y, np.column_stack([np.ones(60), dosage, covariates])).fit()
        assert row.slope == pytest.approx(fit.params[1], rel=1e-8) and row.se == pytest.approx(fit.bse[1], rel=1e-8)
        assert row.p == pytest.approx(fit.pvalues[1], rel=1e-6) and row.df == fit.df_resid == 56
    assert found.covariates == ("age", "batch") and not found.permuted


def test_the_causal_variant_leads_and_its_gene_is_called(study):
    found = study.eqtls(permutations=200)
    assert found.genes.index.tolist() == study.genes.index.tolist()
    called = found.genes.index[found.genes["q"] <= 0.05]
    assert called.tolist() == ["ENSG00000000000.1"] and "1 genes with q" in repr(found)
    lead = found.genes.loc[called[0]]
    assert lead["slope"] == pytest.approx(1.5, abs=0.5) and 4_000 < lead["position"] < 5_000
    best = found.table[found.table["gene"] == called[0]].sort_values("p").iloc[0]
    assert best["p"] == pytest.approx(lead["p_nominal"])


def test_genes_that_are_done_are_kept(study, monkeypatch):
    monkeypatch.setattr(mapping, "_SECONDS", 0.0)

    def stop(done, total, label):
        if done == 4:
            raise Cancelled

    with pytest.raises(Cancelled):
        study.eqtls(permutations=50, progress=stop)
    told = []
    whole = study.eqtls(permutations=50, progress=lambda done, total, label: told.append((done, total)))
    assert told == [(1, 2), (2, 2)]
    again = study.eqtls(permutations=50, progress=lambda *a: told.append(a))
    assert len(told) == 2
    pd.testing.assert_frame_equal(again.table, whole.table)
    pd.testing.assert_frame_equal(again.genes, whole.genes)


def test_other_settings_are_other_results(study):
    near = study.eqtls(["GENE2"], settings=gx.EqtlSettings(window=3_000))
    far = study.eqtls(["GENE2"])
    assert len(near.table) < len(far.table) and near.table["distance"].abs().max() <= 3_000
    with pytest.raises(GexvizError, match="maf"):
        gx.EqtlSettings(maf=0.7)


def test_a_gene_without_expression_is_named(toml, tmp_path):
    text = (toml.parent / "expression.tsv").read_text().splitlines()
    (toml.parent / "less.tsv").write_text("\n".join(text[:-1]) + "\n")
    less = toml.parent / "less.toml"
    less.write_text(toml.read_text().replace("expression.tsv", "less.tsv"))
    with pytest.raises(GexvizError, match="GENE5 can't be tested: no expression"):
        gx.load(less, tmp_path / "results").eqtls(["GENE5"])


def test_what_can_not_be_tested_is_named_and_counted(toml, tmp_path):
    """A constant gene, covariates that add nothing: said in words, and no verdict without a reason."""
    table = pd.read_csv(toml.parent / "covariates.tsv", sep="\t", index_col=0)
    table.loc["twice"], table.loc["one"] = 2 * table.loc["age"] + 1, 1.0
    table.to_csv(tmp_path / "covariates.tsv", sep="\t")
    expression = pd.read_csv(toml.parent / "expression.tsv", sep="\t", index_col=0)
    expression.iloc[2] = 4.0
    expression.to_csv(tmp_path / "expression.tsv", sep="\t")
    names = {name: str(tmp_path / name) for name in ("covariates.tsv", "expression.tsv")}
    text = toml.read_text()
    for name, path in names.items():
        text = text.replace(f'"{name}"', f'"{path}"')
    (toml.parent / "poor.toml").write_text(text)
    found = gx.load(toml.parent / "poor.toml", tmp_path / "results").eqtls(permutations=20)
    assert found.dropped == ("twice", "one")
    constant = found.genes.index[2]
    assert found.genes.at[constant, "reason"] == "constant expression" and constant not in set(found.table["gene"])
    said = "; ".join(found.notes)
    assert "add nothing to the others, left out: twice, one" in said
    assert "1 gene not tested: constant expression" in said
    counts = found.genes[["monomorphic", "rare", "uncalled", "collinear"]].sum()
    assert counts.sum() > 0 and all(f"{n:,} " in said for n in counts if n)
    assert found.table[["slope", "se", "p"]].notna().all(axis=None)


def test_independent_signals_begin_with_the_lead(study):
    signals = study.independent_signals(permutations=200)
    lead = study.eqtls(permutations=200).genes.loc["ENSG00000000000.1", "variant"]
    assert set(signals["gene"]) == {"ENSG00000000000.1"} and signals["variant"].iat[0] == lead
    with pytest.raises(GexvizError, match="need permutations"):
        mapping.independent_signals(study, study.eqtls(), study.loci())


def test_eqtls_from_elsewhere_are_turned_to_the_cohorts_alleles(study, tmp_path):
    own = study.eqtls(["GENE0"], settings=gx.EqtlSettings(min_count=1)).table
    snvs = own[(own["ref"].str.len() == 1) & (own["alt"].str.len() == 1)]
    ambiguous = snvs["ref"].map(dict(zip("ACGT", "TGCA", strict=True))) == snvs["alt"]
    sure = snvs[~ambiguous].head(20)
    plain = pd.DataFrame(
        {
            "gene": sure["gene"],
            "contig": "chr1",
            "position": sure["position"] + 1,
            "effect_allele": sure["ref"],  # the other way round
            "other_allele": sure["alt"],
            "slope": -sure["slope"],
            "se": sure["se"],
            "p": sure["p"],
            "build": "test",
        }
    )
    plain.loc[len(plain) + 10_000] = ["ENSGX", "chr1", 5, "A", "G", 0.1, 0.1, 0.5, "test"]
    plain.to_csv(tmp_path / "other.tsv", sep="\t", index=False)
    found = mapping.read_elsewhere(study, gx.FromElsewhere(tmp_path / "other.tsv", 400))
    ours = sure.set_index("variant")[["slope", "distance"]].add_suffix("_own")
    both = found.table.set_index("variant").join(ours)
    assert len(both) == 20 and np.allclose(both["slope"], both["slope_own"])
    assert (both["distance"] == both["distance_own"]).all() and (both["df"] == 398).all()
    assert sum(found.left_out.values()) == 1
    with pytest.raises(GexvizError, match="2 people"):
        mapping.read_elsewhere(study, gx.FromElsewhere(tmp_path / "other.tsv", 2))
    plain.assign(build="GRCh38").to_csv(tmp_path / "b38.tsv", sep="\t", index=False)
    with pytest.raises(GexvizError, match="GRCh38"):
        mapping.read_elsewhere(study, gx.FromElsewhere(tmp_path / "b38.tsv", 400))
