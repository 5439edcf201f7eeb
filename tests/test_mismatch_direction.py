"""Direction accuracy, negative genes, the study's summary, and the calibration on shuffled expression."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from mismatch_tables import by_hand, ols, simulated
from scipy.stats import binomtest
from statsmodels.stats.proportion import proportion_confint

from gexviz.analysis.calibration import calibrate
from gexviz.analysis.deep_sign import typical_effect
from gexviz.analysis.direction import SETS, direction_accuracy, negative_share, sign_pairs, wilson
from gexviz.analysis.mismatch import call_significant, classify
from gexviz.analysis.mismatch_rules import CLASSES, RULES, VERDICTS
from gexviz.analysis.mismatch_summary import summarise
from gexviz.analysis.published import published_directions
from gexviz.analysis.verdicts import gene_verdicts
from gexviz.errors import Cancelled


@pytest.fixture(scope="module")
def variants() -> pd.DataFrame:
    one = by_hand(
        [
            {"position": 910, "deep": 0.5, "t": 5, "driver": "main", "share": 0.6},
            {"position": 920, "deep": -0.4, "t": 4.5},
            {"position": 930, "deep": -0.3, "t": 0.2, "driver": True},
            {"position": 940, "deep": 0.0, "t": -4},
            {"position": 2000, "t": 4.2},
            {"position": 950, "deep": 0.2, "driver": True},
        ]
    )
    two = by_hand(
        [
            {"position": 1010, "deep": 0.7, "t": -5, "driver": "main", "share": 0.9},
            {"position": 1020, "deep": 0.7, "t": -4.9, "like": 1010, "differs": 2, "turned": True},
        ],
        gene="H",
    )
    return classify([one, two]).variants


def test_sets(variants):
    members = {name: sign_pairs(variants, name).set_index("position")["agree"].to_dict() for name in SETS}
    assert members == {
        "decided": {910: True, 920: False},
        "one a gene": {910: True},
        "all eQTLs": {910: True, 920: False, 1010: False, 1020: False},
        "drivers": {910: True, 930: False, 1010: False},
        "main drivers": {910: True, 1010: False},
    }


def test_accuracy_and_its_strata(variants):
    found = direction_accuracy(variants, "all eQTLs").set_index(["by", "stratum"])
    every = found.loc[("all", "all")]
    low, high = proportion_confint(1, 4, method="wilson")
    assert every[["n", "correct", "accuracy"]].tolist() == [4, 1, 0.25]
    assert every[["low", "high"]].tolist() == pytest.approx([low, high])
    assert every["p"] == pytest.approx(binomtest(1, 4).pvalue)
    for by in ("distance", "frequency", "effect size"):
        assert found.loc[by, "n"].sum() == 4 and found.loc[by, "correct"].sum() == 1
    assert found.loc[("distance", "0 to 200"), "n"] == 4 and found.loc[("frequency", "0.2 to 0.5"), "n"] == 4
    assert found.loc["effect size"]["low_edge"].iloc[0] == 0.4 and found.loc["effect size"]["high_edge"].iloc[-1] == 0.7
    assert "population" not in found.index.get_level_values("by")  # eQTLs were not tested within any
    empty = found[found["n"] == 0]
    assert len(empty) and empty[["accuracy", "low", "high", "p"]].isna().all(axis=None)
    nothing = direction_accuracy(variants.iloc[:0])
    assert (nothing["n"] == 0).all() and nothing["by"].tolist().count("distance") == 6
    assert np.isnan(wilson(0, 0).low)


def test_accuracy_within_populations(variants):
    """The slopes and p of the population itself; what is no eQTL in it doesn't count, but for drivers."""
    own = pd.DataFrame(
        {
            910: [0.4, 1e-6],  # as in everybody
            920: [-0.4, 1e-5],  # the other way round: right here
            930: [0.2, 0.9],
            1010: [-0.5, 0.2],  # no eQTL here
            1020: [-0.5, np.nan],  # too rare
        },
        index=["slope_FIN", "p_FIN"],
    ).T.reindex(variants["position"])
    tested = variants.assign(**{name: own[name].to_numpy() for name in own}, se_FIN=0.1)
    tested = tested.assign(slope_YRI=np.nan, se_YRI=np.nan, p_YRI=np.nan)
    for name, counts in {"all eQTLs": (2, 2), "decided": (2, 2), "one a gene": (1, 1), "drivers": (1, 3)}.items():
        found = direction_accuracy(tested, name).set_index(["by", "stratum"])
        assert tuple(found.loc[("population", "FIN"), ["correct", "n"]]) == counts
        assert found.loc[("population", "FIN"), ["low", "high"]].tolist() == pytest.approx(
            proportion_confint(*counts, method="wilson")
        )
        assert found.loc[("population", "YRI"), "n"] == 0 and np.isnan(found.loc[("population", "YRI"), "accuracy"])
        assert found.loc[("all", "all"), "n"] == direction_accuracy(variants, name)["n"].iloc[0]


def test_strata_without_a_frequency_or_distance_leave_the_variant_out(variants):
    unknown = variants.assign(frequency=np.nan, distance=np.nan)
    found = direction_accuracy(unknown, "all eQTLs").groupby("by")["n"].sum()
    assert found[["all", "frequency", "distance", "effect size"]].tolist() == [4, 0, 0, 4]


def test_negative_genes_under_each_null():
    table = pd.DataFrame(
        {
            "status": ["ok"] * 5 + ["undefined"],
            "pearson": [0.5, -0.4, -0.1, 0.1, -0.3, np.nan],
            "p": [0.0] * 4 + [np.nan] * 2,
        }
    )
    nulls = {"analytic": table.assign(q=[0.01, 0.05, 0.5, 0.5, np.nan, np.nan]), "permutation": table.assign(q=0.9)}
    found = negative_share(nulls)
    counts = ["genes", "negative", "tested", "significant", "negative_significant"]
    assert found.loc["analytic", counts].tolist() == [5, 3, 4, 2, 1]
    assert found.loc["analytic", "share"] == 0.5
    assert found.loc["analytic", ["low", "high"]].tolist() == pytest.approx(proportion_confint(1, 2, method="wilson"))
    assert found.loc["permutation", "significant"] == 0 and np.isnan(found.loc["permutation", "share"])
    assert negative_share({}).empty


def test_summary_with_published_figures(variants):
    deep = pd.DataFrame(
        {
            "n": 300, "pearson": [0.5, -0.5], "pearson_low": [0.4, -0.6], "pearson_high": [0.6, -0.4], "p": 1e-9,
            "q": 0.001, "status": "ok", "reason": "",
        },
        index=["G", "H"],
    )  # fmt: skip
    genes = gene_verdicts(classify([by_hand([{"position": 910, "deep": 0.5, "t": 5, "driver": "main"}])]), deep)
    found = summarise(variants, genes, {"analytic": deep}).set_index("figure")
    assert found.loc["drivers supported", ["count", "n", "published"]].tolist() == [1, 3, 0.63]
    assert found.loc["main driver supported, r > 0", ["count", "n"]].tolist() == [1, 1]
    assert "157 of 164" in found.loc["main driver supported, r > 0", "published_note"]
    none = found.loc["main driver supported, r < 0"]
    assert none["n"] == 0 and np.isnan(none["value"]) and none["published"] == 0
    assert found.loc["main driver's sign predicts r's", "published"] == pytest.approx(244 / 251)
    note = found.loc["all eQTLs", "published_note"]
    assert "Enformer 53%" in note and "Performer (Variformer) 68%" in note and "UKBioFormer more than 70%" in note
    assert found.loc["of the significant ones, analytic null", ["count", "n"]].tolist() == [1, 2]
    assert found.loc["of all with an r", ["count", "n"]].tolist() == [1, 2]
    assert found.loc[list(CLASSES), "count"].sum() == len(variants) and found.loc[list(VERDICTS), "count"].sum() == 2
    assert published_directions()["value"].between(0, 1).all()


# -- calibration -------------------------------------------------------------------------------------------------------


def shuffles(seed: int, genes: int, causal: str):
    """Functions that a study would give: eQTLs of shuffled expression, and the tables around them."""
    tables, _, observed = simulated(seed, genes, people=100, causal=causal)
    tables = [
        t._replace(dosages=t.dosages.iloc[::2], effects=t.effects[t.effects.index.isin(t.dosages.index[::2])])
        for t in tables
    ]

    def shuffled(draw: int) -> pd.DataFrame:
        order = np.random.default_rng([seed, draw]).permutation(observed.shape[1])
        parts = [ols(observed.loc[t.gene].to_numpy()[order], t.dosages, t.gene, 1000) for t in tables]
        return call_significant(pd.concat(parts, ignore_index=True))

    def around(eqtls: pd.DataFrame):
        for t in tables:
            yield t._replace(eqtls=eqtls[eqtls["gene"] == t.gene].set_index("variant"))

    return shuffled, around, tables


def test_shuffled_expression_gives_half_and_the_promised_rate():
    """Causes in all genes, none after the shuffle: accuracy one half, any call in at most one shuffle of twenty."""
    shuffled, around, tables = shuffles(11, 6, "inside")
    typical = typical_effect([t.effects for t in tables], replace(RULES, fewest_typical=10))
    told = []
    found = calibrate(shuffled, around, 60, typical=typical, progress=lambda *step: told.append(step))
    assert found.accuracy_interval.low < 0.5 < found.accuracy_interval.high and 0.35 < found.accuracy < 0.65
    assert found.any_call_interval.low <= RULES.fdr and found.any_call <= 0.12
    assert found.opposite <= 2 * RULES.fdr * len(tables)
    assert found.draws["pairs"].gt(0).all() and len(found.draws) == 60 and told[-1] == (60, 60, "calibration")
    real = calibrate(
        lambda _: call_significant(pd.concat([t.eqtls.reset_index() for t in tables])), around, 1, typical=typical
    )
    assert real.any_call == 1 and real.draws["significant"].iloc[0] > 20  # the same measure sees what is there


def test_a_broken_test_would_be_seen():
    """p values that are too small by far: calls appear in nearly every shuffle."""
    shuffled, around, _ = shuffles(12, 4, "none")

    def broken(draw: int) -> pd.DataFrame:
        table = shuffled(draw)
        return call_significant(table.assign(p=table["p"] ** 4))

    found = calibrate(broken, around, 12)
    assert found.any_call_interval.low > 0.5 and (found.draws["concordant"] + found.draws["opposite"]).sum() > 5


def test_calibration_can_be_stopped_and_may_be_empty():
    shuffled, around, _ = shuffles(13, 1, "none")

    def stop(*_):
        raise Cancelled

    with pytest.raises(Cancelled):
        calibrate(shuffled, around, 3, progress=stop)
    nothing = calibrate(shuffled, around, 0)
    assert np.isnan(nothing.accuracy) and np.isnan(nothing.any_call) and nothing.draws.empty
    one = calibrate(shuffled, around, 1)
    assert np.isnan(one.accuracy_interval.low) and 0 <= one.accuracy <= 1
