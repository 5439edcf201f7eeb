"""cis-eQTLs: against ordinary least squares with the covariates in the model, on random data and on bad input."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st

from gexviz.analysis.eqtl import Dosages, dosages_of, gene_tests, ld, lead_of, nominal
from gexviz.analysis.eqtl_covariates import span
from gexviz.analysis.eqtl_settings import EqtlSettings
from gexviz.cohort.expression import read_expression
from gexviz.cohort.genotypes import GenotypeBlock, Genotypes
from gexviz.cohort.samples import read_covariates
from gexviz.errors import Cancelled, GexvizError

ALL = EqtlSettings(window=1_000, maf=0.0, min_count=0)


def people(n):
    return pd.Index([f"P{i:03d}" for i in range(n)])


def dosages_from(values, positions=None, copies=None):
    positions = np.arange(100, 100 + 10 * len(values), 10) if positions is None else positions
    table = pd.DataFrame({"variant": [f"22:{p + 1}:A:G" for p in positions], "position": positions})
    return Dosages(table.assign(ref="A", alt="G"), np.asarray(values, np.float32), copies)


def reader(dosages):
    def read(contig, start, end):
        position = dosages.variants["position"]
        near = ((position >= start) & (position < end)).to_numpy() & dosages.variants["variant"].str.startswith(
            f"{contig}:"
        ).to_numpy()
        copies = None if dosages.copies is None else dosages.copies[near]
        return Dosages(dosages.variants[near], dosages.values[near], copies)

    return read


def one_locus(gene="G", tss=500, strand="+", contig="22"):
    return pd.DataFrame({"contig": [contig], "tss": [tss], "strand": [strand]}, index=pd.Index([gene], name="gene"))


def simulate(seed=0, n=80, p=12, k=3, missing=0.0):
    rng = np.random.default_rng(seed)
    values = rng.binomial(2, rng.uniform(0.1, 0.5, p)[:, None], (p, n)).astype(float)
    values[rng.random((p, n)) < missing] = np.nan
    covariates = pd.DataFrame(rng.normal(size=(n, k)), people(n), [f"c{i}" for i in range(k)])
    y = rng.normal(size=n) + np.nan_to_num(values[2]) * 0.7 + covariates.to_numpy() @ rng.normal(size=k)
    return dosages_from(values), pd.DataFrame([y], index=pd.Index(["G"], name="gene"), columns=people(n)), covariates


def by_statsmodels(values, y, covariates):
    """Slope, se, t, df and p of one variant, from the definition: OLS with an intercept and the covariates."""
    filled = np.where(np.isnan(values), np.nanmean(values), values)
    design = sm.add_constant(np.column_stack([filled, covariates]), prepend=False, has_constant="add")
    fit = sm.OLS(y, design).fit()
    return fit.params[0], fit.bse[0], fit.tvalues[0], fit.df_resid, fit.pvalues[0]


@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(15, 60),
    p=st.integers(1, 8),
    k=st.integers(0, 6),
    missing=st.sampled_from([0.0, 0.05, 0.3]),
    haploid=st.booleans(),
    absent=st.integers(0, 3),
    scale=st.sampled_from([1.0, 1e-3, 1e4]),
)
def test_equals_ols_with_covariates(seed, n, p, k, missing, haploid, absent, scale):
    rng = np.random.default_rng(seed)
    copies = np.full((p, n), 2, np.int8)
    if haploid:
        copies[:, : n // 2] = 1
    values = rng.binomial(copies, rng.uniform(0.05, 0.95, p)[:, None]).astype(float)
    values[rng.random((p, n)) < missing] = np.nan
    covariates = rng.normal(size=(n, k)) * 10.0 ** rng.integers(-3, 4, k) + rng.normal(size=k)
    y = scale * (rng.normal(size=n) + 3 + np.nan_to_num(values[0]))
    y[rng.choice(n, absent, replace=False)] = np.nan
    expression = pd.DataFrame([y], index=["G"], columns=people(n))
    table = pd.DataFrame(covariates, people(n), [f"c{i}" for i in range(k)])
    found = nominal(expression, one_locus(), reader(dosages_from(values, copies=copies)), table, ALL)
    has = np.isfinite(y)
    assert found.dropped == ()
    rows = found.table.set_index("position")
    for position, dosage, copy in zip(range(100, 100 + 10 * p, 10), values[:, has], copies[:, has], strict=True):
        called = np.isfinite(dosage)
        if not called.any() or np.ptp(dosage[called]) == 0:
            assert position not in rows.index
            continue
        row = rows.loc[position]
        expected = by_statsmodels(dosage, y[has], covariates[has])
        np.testing.assert_allclose([row["slope"], row["se"], row["t"], row["df"], row["p"]], expected, rtol=1e-8)
        frequency = dosage[called].sum() / copy[called].sum()
        assert row["maf"] == pytest.approx(min(frequency, 1 - frequency))
        assert row["missing"] == (~called).sum()
        assert row["alt_count"] == dosage[called].sum()
        assert row["n"] == has.sum()
    counts = found.genes.loc["G"]
    assert counts["in_window"] == p == counts[["tested", "monomorphic", "rare", "uncalled", "collinear"]].sum()
    assert counts["tested"] == len(rows)


def test_variants_of_the_window_only_with_distances_downstream_positive():
    dosages, expression, covariates = simulate(p=5)
    positions = np.array([499, 500, 1500, 2500, 2501])
    dosages = dosages_from(dosages.values, positions)
    found = nominal(expression, one_locus(tss=1500, strand="-"), reader(dosages), covariates, ALL).table
    assert found["position"].tolist() == [500, 1500, 2500]
    assert found["distance"].tolist() == [1000, 0, -1000]
    assert found["variant"].iat[0] == "22:501:A:G"


def test_filters_count_what_they_leave_out():
    n = 40
    rng = np.random.default_rng(1)
    covariates = pd.DataFrame({"c": rng.normal(size=n), "carrier": (np.arange(n) % 3 == 0) * 1.0}, people(n))
    rows = [
        np.zeros(n),  # monomorphic
        np.full(n, 1.0),  # everybody heterozygous: one dosage
        np.eye(n)[0],  # a singleton
        np.full(n, np.nan),
        covariates["carrier"].to_numpy(),
        rng.binomial(2, 0.4, n),
        2 - np.eye(n)[0],  # a singleton of REF
    ]
    y = pd.DataFrame([rng.normal(size=n)], index=["G"], columns=people(n))
    settings = EqtlSettings(window=1_000, maf=0.01, min_count=2)
    found = nominal(y, one_locus(), reader(dosages_from(np.array(rows, float))), covariates, settings)
    assert found.genes.loc["G", ["in_window", "tested", "monomorphic", "rare", "uncalled", "collinear"]].tolist() == [
        7, 1, 2, 2, 1, 1,
    ]  # fmt: skip
    assert np.isfinite(found.table[["slope", "se", "t", "p", "ld_lead"]].to_numpy()).all()


def test_genes_share_reads_and_come_back_in_the_order_asked_for():
    rng = np.random.default_rng(3)
    n, far = 50, 9_000_000
    positions = np.r_[np.arange(100, 900, 100), np.arange(far, far + 500, 100)]
    dosages = dosages_from(rng.binomial(2, 0.4, (len(positions), n)).astype(float), positions)
    loci = pd.concat(
        [one_locus("far", far), one_locus("a", 500), one_locus("b", 1500), one_locus("other", 5, contig="1")]
    )
    expression = pd.DataFrame(rng.normal(size=(4, n)), index=["a", "b", "far", "other"], columns=people(n))
    expression.iloc[1, 4] = np.nan
    asked = []

    def read(*region):
        asked.append(region)
        return reader(dosages)(*region)

    told = []
    found = nominal(expression, loci, read, None, ALL, progress=lambda *args: told.append(args))
    assert len(asked) == 3
    assert list(found.genes.index) == ["far", "a", "b", "other"]
    assert found.genes["people"].tolist() == [50, 50, 49, 50]
    assert found.genes.loc["other", "reason"] == "no variant in the window"
    assert [t[:2] for t in told] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    for gene in ("far", "a", "b"):
        alone = nominal(expression, loci.loc[[gene]], reader(dosages), None, ALL).table
        together = found.table[found.table["gene"] == gene].reset_index(drop=True)
        pd.testing.assert_frame_equal(alone, together, rtol=1e-12)

    def stop(done, total, label):
        raise Cancelled

    with pytest.raises(Cancelled):
        nominal(expression, loci, reader(dosages), None, ALL, progress=stop)


def test_covariates_that_add_nothing_are_dropped_and_named_and_cost_no_degree_of_freedom():
    dosages, expression, covariates = simulate()
    more = covariates.assign(constant=3.0, double=2 * covariates["c0"] + 1, mix=covariates["c1"] - covariates["c2"])
    plain = nominal(expression, one_locus(), reader(dosages), covariates, ALL)
    found = nominal(expression, one_locus(), reader(dosages), more, ALL)
    assert found.dropped == ("constant", "double", "mix")
    pd.testing.assert_frame_equal(found.table, plain.table, rtol=1e-9)
    assert (found.table["df"] == 80 - 2 - 3).all()


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(10, 40), k=st.integers(1, 6))
def test_residuals_are_orthogonal_to_the_covariates(seed, n, k):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(rng.normal(size=(n, k)) * 10.0 ** rng.integers(-6, 7, k), people(n))
    basis = span(table, people(n))
    assert basis.rank == np.linalg.matrix_rank(table / table.std()) == k
    np.testing.assert_allclose(basis.basis.T @ basis.basis, np.eye(k + 1), atol=1e-13)
    rows = rng.normal(size=(3, n)) + 100
    design = np.column_stack([np.ones(n), (table / table.std()).to_numpy()])
    expected = rows.T - design @ np.linalg.lstsq(design, rows.T, rcond=None)[0]
    np.testing.assert_allclose(basis.residual(rows), expected.T, atol=1e-11)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda c: pd.concat([c] * 30, axis=1).set_axis(range(90), axis=1), "90 covariates for 80 people"),
        (lambda c: pd.DataFrame(np.random.default_rng(0).normal(size=(80, 78)), c.index), "no degree of freedom"),
        (lambda c: c.iloc[:-2], "2 of 80 samples have no covariates"),
        (lambda c: c.assign(c1=[np.nan] + [1.0] * 79), "covariate c1 of sample P000 is not a finite number"),
    ],
)
def test_covariates_that_cannot_be_used_are_errors(change, message):
    dosages, expression, covariates = simulate()
    with pytest.raises(GexvizError, match=message):
        nominal(expression, one_locus(), reader(dosages), change(covariates), ALL)


@pytest.mark.parametrize(
    "values, reason",
    [
        (lambda y, c: np.full(80, 5.5), "constant expression"),
        (lambda y, c: 2 * c["c0"].to_numpy() + 7, "the covariates explain the expression entirely"),
        (lambda y, c: np.where(np.arange(80) < 5, y, np.nan), "3 covariates leave no degree of freedom in 5 people"),
        (lambda y, c: np.where(np.arange(80) < 2, y, np.nan), "eQTLs can't be tested in 2 people"),
        (lambda y, c: np.full(80, np.nan), "eQTLs can't be tested in 0 people"),
    ],
)
def test_a_gene_that_cannot_be_tested_says_why(values, reason):
    dosages, expression, covariates = simulate()
    expression.loc["G"] = values(expression.loc["G"].to_numpy(), covariates)
    found = nominal(expression, one_locus(), reader(dosages), covariates, ALL)
    assert found.genes.loc["G", "reason"] == reason
    assert found.genes.loc["G", "tested"] == 0
    assert found.table.empty


def test_only_monomorphic_variants_are_a_reason():
    dosages, expression, covariates = simulate()
    flat = dosages._replace(values=np.zeros_like(dosages.values))
    found = nominal(expression, one_locus(), reader(flat), covariates, ALL)
    assert found.genes.loc["G", "reason"] == "none of the 12 variants in the window can be tested"
    assert found.genes.loc["G", "monomorphic"] == 12


def test_errors_name_the_gene():
    dosages, expression, covariates = simulate()
    with pytest.raises(GexvizError, match="1 genes have no expression"):
        nominal(expression, one_locus("H"), reader(dosages), covariates, ALL)
    expression.iloc[0, 3] = np.inf
    with pytest.raises(GexvizError, match="gene G, sample P003"):
        nominal(expression, one_locus(), reader(dosages), covariates, ALL)


def test_perfect_fit_is_no_nan():
    dosages, expression, _ = simulate()
    expression.loc["G"] = dosages.values[4]
    row = nominal(expression, one_locus(), reader(dosages), None, ALL).table.iloc[4]
    assert row["slope"] == pytest.approx(1.0)
    assert row["p"] < 1e-300 and row["t"] > 1e6 and row["ld_lead"] == pytest.approx(1.0)


def test_lead_and_ld():
    dosages, expression, covariates = simulate(missing=0.05)
    twin = dosages.values.copy()
    twin[9] = twin[2]
    test = next(gene_tests(expression, one_locus(tss=180), reader(dosages_from(twin)), covariates, ALL))
    table = nominal(expression, one_locus(tss=180), reader(dosages_from(twin)), covariates, ALL).table
    assert table["p"].argmin() == 2
    lead = table.index[np.isclose(table["ld_lead"], 1.0, rtol=1e-12)]  # both copies
    assert list(lead) == [2, 9]
    assert lead_of(np.array([0.1, -0.5, 0.5, 0.2]), np.array([0, -400, 300, 5])) == 2
    np.testing.assert_allclose(ld(test.filled, 5), np.corrcoef(test.filled)[5], rtol=1e-12)
    np.testing.assert_allclose(table["ld_lead"], np.corrcoef(test.filled)[2], rtol=1e-12)


def test_haploid_calls_count_one_copy():
    alleles = np.array([[[0, 1], [1, -2], [0, -2], [-1, 1]], [[0, 2], [1, 1], [2, -2], [0, 0]]], np.int8)
    records = pd.DataFrame({"position": [10, 20], "id": ".", "ref": "A", "alts": [("G",), ("T", "<DEL>")]})
    block = GenotypeBlock("X", 0, 30, tuple("abcd"), records, alleles, np.ones((2, 4), bool))
    made = dosages_of(block)
    assert made.variants["variant"].tolist() == ["X:11:A:G", "X:21:A:T"]
    np.testing.assert_array_equal(made.copies, [[2, 1, 1, 2], [2, 2, 1, 2]])
    np.testing.assert_array_equal(made.values, [[1, 1, 0, np.nan], [0, 2, 0, 0]])
    diploid = GenotypeBlock("1", 0, 30, tuple("abcd"), records, np.abs(alleles), np.ones((2, 4), bool))
    assert dosages_of(diploid).copies is None


@pytest.mark.parametrize(
    "field, value", [("window", 0), ("maf", 0.5), ("permutations", 5), ("fdr", 1.0), ("min_count", -1)]
)
def test_settings_that_cannot_be_used_are_errors(field, value):
    with pytest.raises(GexvizError, match=field):
        EqtlSettings(**{field: value})


@pytest.mark.real
def test_real_genes_equal_ols_with_all_covariates(real_cohort):
    expression = read_expression(real_cohort / "expression.bed.gz", "log2p1")
    genotypes = Genotypes([real_cohort / "genotypes.vcf.gz"])
    everybody = [s for s in genotypes.samples if s in expression.values.columns]
    covariates = read_covariates(real_cohort / "covariates.tsv").loc[everybody]
    tango2 = expression.positions.index[expression.positions.index.str.startswith("ENSG00000183597")]
    values = expression.values.loc[tango2, everybody]

    def read(contig, start, end):
        return dosages_of(genotypes.read(contig, start, end, everybody))

    found = nominal(values, expression.positions.loc[tango2], read, covariates)
    assert found.genes["people"].item() == 330
    assert (found.table["df"] == 330 - 2 - 53).all()
    lead = found.table.loc[found.table["p"].idxmin()]
    assert lead["variant"] == "22:20136379:C:A" and lead["ld_lead"] == pytest.approx(1.0)
    for _, row in found.table.iloc[::25].iterrows():
        variants, dosages = read("22", row["position"], row["position"] + 1)[:2]
        dosage = dosages[(variants["variant"] == row["variant"]).to_numpy()][0].astype(float)
        expected = by_statsmodels(dosage, values.iloc[0].to_numpy(), covariates)
        np.testing.assert_allclose(row[["slope", "se", "t", "df", "p"]].astype(float), expected, rtol=1e-8)
