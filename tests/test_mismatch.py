"""Classes of variants: each by hand, invariances on random tables, and simulated genes with a known cause."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from mismatch_tables import by_hand, linked_dosages, name_of, ols, simulated
from scipy import special, stats
from statsmodels.stats.multitest import multipletests

from gexviz.analysis.deep_sign import deep_signs, typical_effect
from gexviz.analysis.mismatch import COLUMNS, GeneTables, call_significant, classify
from gexviz.analysis.mismatch_rules import CLASSES, Rules
from gexviz.analysis.signals import Linkage, best_first, independent_signals, posterior
from gexviz.errors import GexvizError


def rows(*variants: dict, **options) -> pd.DataFrame:
    found = classify([by_hand(list(variants))], **options).variants
    assert list(found.columns[: len(COLUMNS)]) == COLUMNS
    return found.set_index("position")


# -- the noise floor ---------------------------------------------------------------------------------------------------


def signs(**columns) -> pd.DataFrame:
    return deep_signs(pd.DataFrame({k: np.atleast_1d(v) for k, v in columns.items()}, index=["v"]))


def test_strands_that_disagree_give_no_sign():
    agree = signs(effect_reference=0.3, effect_forward=0.5, effect_reverse=0.1).iloc[0]
    assert agree["deep_sign"] == 1 and agree["deep_noise"] == pytest.approx(0.2) and agree["noise_from"] == "strands"
    differ = signs(effect_reference=0.2, effect_forward=0.5, effect_reverse=-0.1).iloc[0]
    assert differ["deep_sign"] == 0 and differ["deep_noise"] == pytest.approx(0.3)
    assert differ["deep_reason"] == "within noise"


def test_spread_over_backgrounds_counts_only_where_the_sign_changes():
    same = {"effect_reference": -0.3, "effect_mean": -0.2, "effect_sd": 0.5, "effect_min": -2.0}
    assert signs(**same, effect_max=-0.01)["deep_sign"].iloc[0] == -1
    mixed = signs(**same, effect_max=0.01).iloc[0]
    assert mixed["deep_sign"] == 0 and mixed["noise_from"] == "backgrounds" and mixed["deep_noise"] == 0.5
    turned = signs(effect_reference=-0.3, effect_mean=0.2).iloc[0]
    assert turned["deep_sign"] == 0 and "different signs" in turned["deep_reason"]


def test_rounding_and_typical_effects():
    table = pd.DataFrame({"effect_reference": [1e-6, 2e-5, np.nan]}, index=list("abc"))
    found = deep_signs(table, prediction=10.0)
    assert found["deep_sign"].tolist() == [0, 1, pd.NA] and found["noise_from"].tolist() == ["rounding", "rounding", ""]
    assert found["deep_reason"].tolist() == ["within noise", "", "no effect was computed"]
    assert deep_signs(table, typical=3e-5)["deep_sign"].tolist() == [0, 0, pd.NA]
    many = pd.DataFrame({"effect_reference": np.r_[np.full(60, 1.0), np.full(50, -3.0), np.nan]})
    assert typical_effect([many]) == 1.0 and np.isnan(typical_effect([many[:50]])) and np.isnan(typical_effect([]))
    zero = signs(effect_reference=0.0).iloc[0]
    assert zero["deep_sign"] == 0 and zero["noise_from"] == "" and zero["deep_noise"] == 0


# -- every class -------------------------------------------------------------------------------------------------------


def test_each_class_by_hand():
    found = rows(
        {"position": 910, "deep": 0.5, "t": 5, "driver": "main"},
        {"position": 920, "deep": -0.4, "t": 4.5},
        {"position": 930, "deep": 0.3, "t": 0.2, "driver": True},
        {"position": 940, "deep": 0.0, "t": -4},
        {"position": 2000, "t": 4.2},
        {"position": 3000, "t": 0.5, "weight": 0.1},
        {"position": 950, "deep": 0.2, "t": 1.0},
        rules=Rules(fdr=0.05),
    )
    assert found["class"].to_dict() == {
        910: "concordant", 920: "opposite", 930: "unsupported driver", 940: "missed", 2000: "out of window",
        3000: "linear only",
    }  # fmt: skip
    assert (found["reason"] == "").all() and found["lead"].tolist() == [True] + [False] * 5
    assert found["frequency_EUR"].notna().tolist() == [True] * 4 + [False] * 2
    said = found["sentence"]
    assert "ALT raises expression: +0.5 on the reference" in said[910] and "slope +0.5 ± 0.1 per copy" in said[910]
    assert "no other variant is equally good (r² > 0.8)" in said[910] and said[910].endswith("So: concordant.")
    assert "lowers" in said[920] and "have more of it" in said[920] and "signs differ" in said[920]
    assert "not significant: slope +0.02" in said[930] and "1,000 bp from the TSS" in said[2000]
    assert "within noise" in said[940]


def test_a_rival_in_linkage_makes_a_direction_ambiguous():
    def rival(**changes) -> pd.DataFrame:
        other = {"position": 920, "deep": -0.2, "t": 4.9, "like": 910, "differs": 2} | changes
        return rows({"position": 910, "deep": 0.5, "t": 5}, other)

    found = rival()
    assert found["class"].tolist() == ["ambiguous", "ambiguous"] and found["signal"].nunique() == 1
    assert found["reason"].tolist() == ["an equally good variant has the other deep sign"] * 2
    assert found.at[910, "rival"] == name_of(920) and found.at[910, "ld_best_opposite"] == pytest.approx(0.9375**2)
    assert f"({name_of(920)}, r² = 0.88)" in found.at[910, "sentence"]
    # of the same sign, with ALT on the other haplotypes: r < 0 turns it into a rival
    assert rival(deep=0.2, turned=True, t=-4.9)["class"].tolist() == ["ambiguous", "ambiguous"]
    # the other sign on the other haplotypes: both say the same of people, and both agree with their slopes
    assert rival(turned=True, t=-4.9)["class"].tolist() == ["concordant", "concordant"]
    # too small to matter for the large one; the small one is overruled
    small = rival(deep=-0.04)
    assert small["class"].tolist() == ["concordant", "ambiguous"] and small.at[910, "equals"] == 1
    assert "none of 1 equally good variant (r² > 0.8) has the other deep sign" in small.at[910, "sentence"]
    # less linked than r² = 0.8: no rival, and the second one owes its slope to linkage
    loose = rival(differs=4, t=3.5)
    assert loose["class"].tolist() == ["concordant", "ambiguous"] and loose.at[920, "signal"] == ""
    assert loose.at[910, "ld_best_opposite"] == pytest.approx(0.875**2)
    assert "linkage" in loose.at[920, "reason"] and "r with the lead is 0.88" in loose.at[920, "sentence"]


def test_equals_inside_and_outside_the_window():
    seen = rows({"position": 2000, "t": 5}, {"position": 910, "deep": 0.5, "t": 4.9, "like": 2000, "differs": 2})
    assert seen["class"].to_dict() == {2000: "ambiguous", 910: "concordant"} and "inside" in seen.at[2000, "reason"]
    assert seen.at[910, "equals_outside"] == 1 and "outside the window could be the cause" in seen.at[910, "sentence"]
    unseen = rows({"position": 2000, "t": 5}, {"position": 910, "deep": 0.0, "t": 4.9, "like": 2000, "differs": 2})
    assert unseen["class"].to_dict() == {2000: "out of window", 910: "missed"}
    tag = rows({"position": 920, "deep": 0.0, "t": 5}, {"position": 910, "deep": 0.5, "t": 4.9, "like": 920})
    assert tag["class"].to_dict() == {920: "ambiguous", 910: "concordant"}
    assert tag.at[920, "reason"] == "an equally good variant has a deep effect"


def test_what_can_not_be_told_says_why():
    found = rows(
        {"position": 910, "deep": 0.5, "t": 5, "strand_ambiguous": True},
        {"position": 920, "deep": np.nan, "t": 4.5},
        {"position": 930, "t": 4.2},
        {"position": 940, "deep": 0.5, "t": 4, "dosages": False},
    )
    assert (found["class"] == "ambiguous").all()
    assert found["reason"].to_dict() == {
        910: "its alleles don't tell their strand", 920: "no deep effect: symbolic allele",
        930: "no deep effect: not among the variants that effects were computed of",
        940: "its linkage is not known: it has no dosages",
    }  # fmt: skip
    assert found["deep_sign"].isna().tolist() == [False, True, True, False]
    weak = rows({"position": 910, "deep": 0.5, "t": 1})
    assert weak["class"].tolist() == ["ambiguous"] and weak["reason"].tolist() == [
        "the gene's lead, but not significant"
    ]
    rare = rows({"position": 910, "deep": 0.5, "driver": "main"})
    assert rare["class"].tolist() == ["unsupported driver"] and "was not tested in people" in rare.at[910, "sentence"]
    assert np.isnan(rare.at[910, "slope"]) and not rare.at[910, "lead"]
    only = by_hand([{"position": 910, "deep": 0.5, "t": 1}])._replace(
        weights=pd.Series({"1:5001:C:CT": 0.2, "1:7:A:G": 0})
    )
    found = classify([only]).variants.set_index("variant")
    assert found.loc["1:5001:C:CT", ["position", "ref", "alt", "class"]].tolist() == [5000, "C", "CT", "linear only"]
    assert "1:7:A:G" not in found.index


def test_tables_that_can_not_be_used():
    good = by_hand([{"position": 910, "deep": 0.5, "t": 5}])
    for name in ("eqtls", "effects", "dosages"):
        table = getattr(good, name)
        with pytest.raises(GexvizError, match=f"{name} of G have 1:911:A:G twice"):
            classify([good._replace(**{name: pd.concat([table, table])})])
    with pytest.raises(GexvizError, match="eqtls of G lack columns: t, df"):
        classify([good._replace(eqtls=good.eqtls.drop(columns=["t", "df"]))])
    with pytest.raises(GexvizError, match="'rs1' is not a variant"):
        classify([good._replace(weights=pd.Series({"rs1": 0.2}))])


def test_genes_with_nothing():
    nothing = by_hand([])
    found = classify([nothing, by_hand([{"position": 910, "deep": 0.5, "t": 5}], gene="H")])
    assert found.variants["gene"].tolist() == ["H"] and found.genes["tested"].to_dict() == {"G": 0, "H": 1}
    assert found.genes.loc["G", ["inside", "lead", "lead_q", "linear_inside"]].isna().all()
    assert list(classify([nothing]).variants.columns) == COLUMNS and classify([]).genes.empty
    assert list(classify([]).variants.columns) == COLUMNS


def test_where_the_signal_lies():
    found = classify(
        [by_hand([{"position": 910, "deep": 0.0, "t": 5, "weight": 1.0}, {"position": 2000, "t": 4, "weight": 2.0}])]
    ).genes.loc["G"]
    likelihood = np.array([(1 + t * t / 62) ** 31 for t in (5, 4)])
    assert found["inside"] == pytest.approx(likelihood[0] / likelihood.sum())
    assert found["linear_inside"] == pytest.approx(0.2)
    assert found[["signals", "significant", "equals_inside", "equals_seen", "drivers"]].tolist() == [2, 2, 1, 0, 0]


# -- significance ------------------------------------------------------------------------------------------------------


def test_significance_by_selection_of_genes(seed=3):
    rng = np.random.default_rng(seed)
    p = {"A": 1e-6 * rng.random(50), "B": rng.random(40), "C": np.r_[1e-4, rng.random(30)], "D": np.array([np.nan])}
    table = pd.DataFrame([{"gene": g, "p": x} for g, ps in p.items() for x in ps]).sample(frac=1, random_state=1)
    found = call_significant(table)
    simes = {g: multipletests(ps, method="fdr_bh")[1].min() for g, ps in p.items() if g != "D"}
    chosen = dict(zip(simes, multipletests(list(simes.values()), method="fdr_bh")[0], strict=True))
    assert chosen == {"A": True, "B": False, "C": True}
    for g, ps in p.items():
        rows_of = found[found["gene"] == g]
        rate = 0.05 * 2 / 3
        expected = multipletests(rows_of["p"], method="fdr_bh")[1] <= rate if chosen.get(g) else np.zeros(len(ps), bool)
        assert rows_of["significant"].tolist() == list(expected)
        largest = rows_of.loc[rows_of["significant"], "p"].max()
        assert rows_of["threshold"].isna().all() if np.isnan(largest) else (rows_of["threshold"] == largest).all()
    assert ((found["q"] <= 0.05) == found["significant"]).all() and found["q"].isna().sum() == 1


def test_significance_by_thresholds_of_permutations():
    table = pd.DataFrame({"gene": ["A", "A", "B", "C"], "p": [1e-4, 0.01, 1e-9, 1e-9]}, index=[5, 6, 7, 8])
    genes = pd.DataFrame({"q": [0.01, 0.2], "threshold": [0.001, 0.5]}, index=["A", "B"])
    found = call_significant(table, genes)
    assert found["significant"].tolist() == [True, False, False, False] and found["q"].tolist()[:3] == [0.01, 0.01, 0.2]
    assert found["q"].isna().tolist() == [False] * 3 + [True]


# -- linkage -----------------------------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.integers(0, 3))
def test_signals_are_those_of_stepwise_regression(seed, covariates):
    """Against regressions with covariates and all earlier leads in the model, one by one; missing calls too."""
    rng = np.random.default_rng(seed)
    dosages = linked_dosages(rng, 120, np.arange(100, 112))
    design = pd.DataFrame(rng.normal(size=(120, covariates)), index=dosages.columns)
    if covariates:
        dosages.iloc[0] = np.clip(np.round(dosages.iloc[0] + design[0].to_numpy()), 0, 2)
    y = dosages.T.to_numpy() @ (rng.normal(size=len(dosages)) * (rng.random(len(dosages)) < 0.3)) + rng.normal(size=120)
    y = y + design.sum(axis=1).to_numpy()
    x = dosages.where(rng.random(dosages.shape) > 0.05)
    filled = x.apply(lambda row: row.fillna(row.mean()), axis=1)
    filled = filled[filled.var(axis=1) > 0.02]

    def fit(names):
        columns = [np.ones(120), *design.to_numpy().T, *filled.loc[names].to_numpy()]
        return sm.OLS(y, np.column_stack(columns)).fit()

    marginal = {name: fit([name]) for name in filled.index}
    eqtls = pd.DataFrame(
        {
            "t": [m.tvalues[-1] for m in marginal.values()], "df": [m.df_resid for m in marginal.values()],
            "p": [m.pvalues[-1] for m in marginal.values()], "position": np.arange(len(filled)), "ref": "A", "alt": "G",
            "distance": np.arange(len(filled)),
        },
        index=filled.index,
    )  # fmt: skip
    eqtls = eqtls.assign(significant=eqtls["p"] < 0.05, threshold=0.05)
    found = independent_signals(eqtls, Linkage(x, design), Rules(most_signals=4))
    expected: list[str] = []
    while len(expected) < 4 and eqtls["significant"].any():
        best, least = None, 1.0
        for name in eqtls.index[eqtls["significant"]]:
            if name in expected:
                continue
            left = 1.0
            if expected:
                others = np.column_stack([np.ones(120), design, filled.loc[expected].T])
                plain = sm.OLS(filled.loc[name].to_numpy(), others[:, : 1 + covariates]).fit()
                left = sm.OLS(filled.loc[name].to_numpy(), others).fit().ssr / plain.ssr
            p = fit([*expected, name]).pvalues[-1] if left > 0.1 else 1.0
            if p < least:
                best, least = name, p
        if best is None or (expected and least > 0.05 / len(eqtls)):
            break
        expected.append(best)
    assert found == expected


def test_posterior_and_ties():
    t = pd.DataFrame({"t": [3.0, -3.0, 1.0, np.nan, 3.0], "df": 50}, index=list("abcde"))
    t = t.assign(position=[5, 9, 1, 2, 7], distance=[-5, 9, 1, 2, 4], ref="A", alt="G")
    chance = posterior(t)
    assert chance[0] == chance[1] and np.isnan(chance[3]) and np.nansum(chance) == pytest.approx(1)
    assert chance[2] / chance[0] == pytest.approx(((1 + 1 / 50) / (1 + 9 / 50)) ** 25)
    assert t.index[best_first(t)].tolist() == list("eabcd")
    perfect = pd.DataFrame({"t": [np.inf, 2.0], "df": 50})
    assert posterior(perfect)[0] == pytest.approx(1)
    assert np.isnan(posterior(t.assign(t=np.nan))).all()


# -- invariances -------------------------------------------------------------------------------------------------------

_FLIPPED = {"A": "G", "G": "A"}


def flipped(tables: GeneTables) -> GeneTables:
    """The same gene with REF and ALT of every variant exchanged."""

    def turn(table: pd.DataFrame, odd: list[str], swaps: list[tuple[str, str]]) -> pd.DataFrame:
        made = table.assign(ref=table["alt"], alt=table["ref"], **{c: -table[c] for c in odd if c in table})
        for a, b in swaps:
            made = made.assign(**{a: -table[b], b: -table[a]})
        return made.set_axis([":".join([*n.split(":")[:2], *n.split(":")[:1:-1]]) for n in table.index])

    eqtls = turn(tables.eqtls, ["slope", "t"], [])
    effects = turn(
        tables.effects, ["effect_reference", "effect_forward", "effect_reverse", "effect_mean"],
        [("effect_min", "effect_max")],
    )  # fmt: skip
    dosages = (2 - tables.dosages).set_axis(
        [":".join([*n.split(":")[:2], *n.split(":")[:1:-1]]) for n in tables.dosages.index]
    )
    return tables._replace(
        eqtls=eqtls.assign(alt_count=2 * eqtls["n"] - eqtls["alt_count"]),
        effects=effects.assign(frequency=1 - effects["frequency"]),
        dosages=dosages,
    )


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.sampled_from(["inside", "outside", "none"]))
def test_flipping_alleles_flips_signs_and_no_class(seed, causal):
    genes, _, _ = simulated(seed, 2, people=120, causal=causal)
    one, other = classify(genes, typical=0.005), classify([flipped(g) for g in genes], typical=0.005)
    a, b = one.variants, other.variants
    assert a["position"].tolist() == b["position"].tolist() and a["class"].tolist() == b["class"].tolist()
    assert a["reason"].tolist() == b["reason"].tolist() and a["lead"].tolist() == b["lead"].tolist()
    for name in ("deep_effect", "deep_mean", "slope", "deep_sign"):
        x, y = (t[name].to_numpy(np.float64, na_value=np.nan) for t in (a, b))
        assert np.allclose(x, -y, equal_nan=True)
    for name in ("deep_noise", "posterior", "equals", "equals_outside", "ld_lead", "p", "q"):
        assert np.allclose(a[name].astype(float), b[name].astype(float), equal_nan=True)
    assert np.allclose(a["frequency"], 1 - b["frequency"])
    assert one.genes.drop(columns="lead").astype(float).equals(
        other.genes.drop(columns="lead").astype(float)
    ) or np.allclose(
        one.genes.drop(columns="lead").astype(float), other.genes.drop(columns="lead").astype(float), equal_nan=True
    )


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.sampled_from(["inside", "outside"]))
def test_the_order_of_rows_carries_no_meaning(seed, causal):
    genes, _, _ = simulated(seed, 2, people=120, causal=causal)
    rng = np.random.default_rng(seed)

    def shuffled(t: GeneTables) -> GeneTables:
        parts = {
            n: getattr(t, n).sample(frac=1, random_state=int(rng.integers(2**31)))
            for n in ("eqtls", "effects", "dosages")
        }
        return t._replace(**parts)

    one, other = classify(genes), classify([shuffled(g) for g in genes])
    pd.testing.assert_frame_equal(one.variants, other.variants)
    pd.testing.assert_frame_equal(one.genes, other.genes)


# -- known causes ------------------------------------------------------------------------------------------------------


def test_simulated_causes_inside_get_their_direction():
    """One cause a gene, deep effects right in six of ten: calls at the cause are right, whatever linkage there is."""
    genes, truth, _ = simulated(1, 40)
    found = classify(genes, typical=typical_effect([g.effects for g in genes])).variants
    at_cause = found.set_index(["gene", "variant"])["class"].reindex(truth["cause"].items())
    expected = np.where(truth["agrees"].astype(bool), "concordant", "opposite")
    decided = at_cause.isin(["concordant", "opposite"]).to_numpy()
    assert (at_cause.to_numpy()[decided] == expected[decided]).all() and decided.mean() > 0.8
    called = found[found["class"] == "opposite"]
    wrong = ~truth["agrees"].astype(bool).reindex(called["gene"]).to_numpy()
    assert len(called) >= 5 and wrong.mean() > 0.9
    # without taking linkage into account, far more calls would be false
    naive = found[found["significant"] & found["in_window"] & (found["deep_sign"].fillna(0) != 0)]
    naive = naive[np.sign(naive["slope"]) != naive["deep_sign"].astype(float)]
    at_the_cause = [
        np.mean(t["variant"].to_numpy() == truth["cause"].reindex(t["gene"]).to_numpy()) for t in (called, naive)
    ]
    assert at_the_cause[0] > 0.7 and at_the_cause[1] < 0.5
    assert set(found["class"]) <= set(CLASSES) and found["sentence"].str.endswith(".").all()


def test_simulated_causes_outside_are_out_of_the_window():
    genes, truth, _ = simulated(2, 30, causal="outside")
    made = classify(genes, typical=typical_effect([g.effects for g in genes]))
    at_cause = made.variants.set_index(["gene", "variant"])["class"].reindex(truth["cause"].items())
    assert (at_cause == "out of window").mean() > 0.7
    assert not made.variants["class"].isin(["opposite", "concordant"]).to_numpy().sum() > 6
    assert (made.genes["inside"] < 0.2).mean() > 0.7


def test_slopes_are_those_of_one_regression_each():
    """The slopes of the made genes, that all of this rests on, against statsmodels."""
    rng = np.random.default_rng(5)
    dosages = linked_dosages(rng, 80, np.arange(100, 110))
    y = rng.normal(size=80)
    table = ols(y, dosages, "G", 100)
    for _, row in table.iterrows():
        fit = sm.OLS(y, sm.add_constant(dosages.loc[row["variant"]].to_numpy())).fit()
        assert row["t"] == pytest.approx(fit.tvalues[1]) and row["p"] == pytest.approx(fit.pvalues[1])
        assert row["p"] == pytest.approx(2 * stats.t.sf(abs(row["t"]), 78))


def test_q_of_variants_by_permutation():
    """The lead has its gene's q, others never less; about the threshold it is the rate."""
    rng = np.random.default_rng(8)
    genes = pd.DataFrame(
        {
            "beta_a": rng.uniform(0.9, 1.1, 30),
            "beta_b": rng.uniform(20, 80, 30),
            "df_effective": rng.uniform(80, 98, 30),
        },
        index=[f"G{i}" for i in range(30)],
    )
    leads = np.r_[10.0 ** -rng.uniform(3, 9, 12), rng.uniform(0.001, 0.2, 18)]
    effective = special.betainc(genes["df_effective"] / 2, 0.5, special.betaincinv(49, 0.5, leads))
    genes["p_beta"] = special.betainc(genes["beta_a"], genes["beta_b"], effective)
    genes["q"] = multipletests(genes["p_beta"], method="fdr_bh")[1]
    last, first = genes["p_beta"][genes["q"] <= 0.05].max(), genes["p_beta"][genes["q"] > 0.05].min()
    cut = special.betaincinv(genes["beta_a"], genes["beta_b"], (last + first) / 2)
    genes["threshold"] = special.betainc(49, 0.5, special.betaincinv(genes["df_effective"] / 2, 0.5, cut))
    rows_of = [
        {"gene": g, "p": p * k, "df": 98, "k": k} for g, p in zip(genes.index, leads, strict=True) for k in (1, 2, 4)
    ]
    found = call_significant(pd.DataFrame(rows_of), genes)
    assert found.loc[found["k"] == 1, "q"].tolist() == pytest.approx(genes["q"].tolist())
    assert (found.groupby("gene")["q"].diff().dropna() >= -1e-12).all() and found["q"].between(0, 1).all()
    assert (found["significant"] == (found["p"] <= found["threshold"])).all() and found["significant"].sum() > 12
    assert (found.loc[found["significant"] & (found["k"] > 1), "q"] < 0.1).all()
    assert (found.loc[~found["significant"], "q"] > 0.05).all()
