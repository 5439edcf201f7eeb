"""Verdicts on genes: each by hand, with the evidence that decided; and on simulated genes."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from mismatch_tables import by_hand, simulated

from gexviz.analysis.deep_sign import typical_effect
from gexviz.analysis.evaluation import evaluate_genes
from gexviz.analysis.mismatch import GeneTables, classify
from gexviz.analysis.mismatch_rules import VERDICTS, Rules
from gexviz.analysis.verdicts import COLUMNS, gene_verdicts

MAIN = {"driver": "main", "share": 0.9}


def evaluated(r: float, q: float = np.nan, *, gene: str = "G", half: float = 0.1) -> pd.DataFrame:
    """A row as evaluate_genes gives it; significant as its interval is, if q is not given."""
    q = (0.001 if abs(r) > half else 0.5) if np.isnan(q) and not np.isnan(r) else q
    row = {"n": 300, "pearson": r, "pearson_low": r - half, "pearson_high": r + half, "q": q}
    undefined = {"status": "undefined", "reason": "constant prediction"}
    return pd.DataFrame([row | (undefined if np.isnan(r) else {"status": "ok", "reason": ""})], index=[gene])


def verdict(
    variants: list[dict], r: float, linear: float | None = None, *, h2: dict | None = None, **options
) -> pd.Series:
    tables = by_hand(variants) if isinstance(variants, list) else variants
    ceilings = None if h2 is None else pd.DataFrame([{"low": 0.0} | h2], index=["G"])
    others = None if linear is None else evaluated(linear)
    table = gene_verdicts(classify([tables]), evaluated(r), others, ceilings=ceilings, **options)
    assert list(table.columns) == COLUMNS and table.index.tolist() == ["G"]
    row = table.loc["G"].copy()
    row["evidence"] = json.loads(row["evidence"])
    assert row["sentence"].endswith(f"So: {row['verdict']}.") and row["verdict"] in VERDICTS
    assert "nan" not in row["sentence"] and "NaN" not in table["evidence"].iloc[0]
    return row


SIGNAL = {"position": 910, "deep": 0.5, "t": 6}
FAR = {"position": 5000, "t": 6}


def test_predicts():
    found = verdict([SIGNAL | MAIN], 0.5, 0.6)
    assert found["verdict"] == "predicts" and found["evidence"] == {
        "rule": 1,
        "r_deep": 0.5,
        "q_deep": 0.001,
        "r_linear": 0.6,
    }
    assert found["main_class"] == "concordant" and found["main_supported"]
    assert found["main_sign_predicts_r"] and not found["signs_differ"] and "0.50 [0.40, 0.60]" in found["sentence"]
    alone = verdict([SIGNAL], 0.5)
    assert alone["verdict"] == "predicts" and "r(linear) is undefined" in alone["sentence"]
    assert verdict([SIGNAL], 0.3, 0.6)["evidence"]["rule"] == 1  # just enough
    part = verdict([SIGNAL | MAIN], 0.29, 0.6)
    assert part["verdict"] == "predicts" and part["evidence"]["rule"] == 8 and part["reason"].startswith("in part")


def test_nothing_to_predict():
    by_linear = verdict([{"position": 910, "deep": 0.5, "t": 0.5} | MAIN], 0.02, 0.05)
    assert by_linear["verdict"] == "nothing to predict" and by_linear["evidence"]["from"] == "r(linear)"
    by_h2 = verdict([], 0.02, None, h2={"h2": 0.01, "high": 0.08, "p": 0.4})
    assert by_h2["verdict"] == "nothing to predict" and by_h2["evidence"] == {
        "rule": 2, "q_eqtl": None, "from": "cis-heritability", "h2_high": 0.08,
    }  # fmt: skip
    assert "at most 0.08 (limit 0.1)" in by_h2["sentence"]


def test_power():
    found = verdict([{"position": 910, "deep": 0.5, "t": 0.5}], 0.02, 0.09, h2={"h2": 0.2, "high": 0.5, "p": 0.001})
    assert (
        found["verdict"] == "undecided"
        and found["reason"].startswith("power: neither")
        and found["evidence"]["rule"] == 3
    )
    wide = gene_verdicts(classify([by_hand([])]), evaluated(0.02), evaluated(0.1, half=0.2)).loc["G"]
    assert wide["verdict"] == "undecided" and json.loads(wide["evidence"])["r_linear_high"] == pytest.approx(0.3)
    nothing = gene_verdicts(classify([by_hand([])]), evaluated(np.nan)).loc["G"]
    assert nothing["verdict"] == "undecided" and "undefined (constant prediction)" in nothing["sentence"]
    weak = verdict([SIGNAL | MAIN], 0.05, 0.5)
    assert weak["verdict"] == "undecided" and weak["reason"].startswith("power: the prediction rests")
    assert weak["evidence"]["share_concordant"] == 0.9


def test_wrong_direction():
    found = verdict([SIGNAL | {"deep": -0.5} | MAIN], -0.5, 0.6)
    assert found["verdict"] == "wrong direction" and found["evidence"] == {
        "rule": 4,
        "share_opposite": 0.9,
        "r_deep": -0.5,
    }
    assert found["signs_differ"] and found["main_class"] == "opposite" and found["main_sign_predicts_r"]
    assert not found["main_supported"] and "90% of the prediction's variance" in found["sentence"]
    # it can't be an opposite variant that makes r positive
    assert verdict([SIGNAL | {"deep": -0.5} | MAIN], 0.01, 0.6)["verdict"] == "undecided"
    # opposite, but of no weight in the prediction
    assert verdict([SIGNAL | {"deep": -0.5, "share": 0.3}], -0.5, 0.6)["verdict"] == "undecided"


def test_signal_outside_the_window():
    found = verdict([FAR, {"position": 910, "deep": 0.5, "t": 0.3} | MAIN], 0.03, 0.6)
    assert found["verdict"] == "signal outside the window" and found["evidence"]["inside"] < 0.01
    assert found["evidence"]["from"] == "posterior of one cause" and found["lead_class"] == "out of window"
    linear = [{"position": 5000, "t": 1.0, "weight": 1.0}, {"position": 910, "deep": 0.5, "t": 1, "weight": 0.4}]
    by_linear = verdict(linear, 0.03, 0.6)
    assert by_linear["verdict"] == "signal outside the window"
    assert by_linear["evidence"] == {
        "rule": 5,
        "inside": pytest.approx(0.16 / 1.16, rel=1e-5),
        "from": "variance of the linear score",
    }
    # a constant prediction is no excuse: the reason is still the window
    assert verdict([FAR], np.nan, 0.6)["verdict"] == "signal outside the window"


def test_blind_to_the_signal():
    found = verdict([SIGNAL | {"deep": 0.0}, {"position": 920, "deep": 0.5, "t": 0.3} | MAIN], 0.03, 0.6)
    assert found["verdict"] == "blind to the signal" and found["evidence"]["equals_seen"] == 0
    assert found["lead_class"] == "missed" and found["main_class"] == "unsupported driver"
    tag = [SIGNAL | {"deep": 0.0}, {"position": 920, "deep": 0.5, "t": 5.9, "like": 910, "differs": 2}]
    assert verdict(tag, 0.03, 0.6)["verdict"] != "blind to the signal"


def test_drowned_by_unsupported_drivers():
    variants = [SIGNAL | {"share": 0.1}, {"position": 920, "deep": 2, "t": 0.3} | MAIN]
    found = verdict(variants, 0.05, 0.6)
    assert found["verdict"] == "drowned by unsupported drivers" and found["evidence"]["share_unsupported"] == 0.9
    assert verdict(variants, 0.2, 0.6)["verdict"] == "predicts"


def test_linkage():
    rivals = [SIGNAL | MAIN, {"position": 920, "deep": -0.5, "t": 5.9, "like": 910, "differs": 2}]
    found = verdict(rivals, 0.05, 0.6)
    assert found["verdict"] == "undecided" and "direction can't be told" in found["reason"]
    assert found["evidence"] == {"rule": 9, "share_ambiguous": 0.9}
    either = verdict([FAR, {"position": 910, "deep": 0.5, "t": 5.9, "like": 5000, "differs": 2}], 0.05, 0.6)
    assert either["verdict"] == "undecided" and "inside the window or outside" in either["reason"]
    assert 0.3 < either["evidence"]["inside"] < 0.5
    assert verdict([SIGNAL], 0.05, 0.6)["reason"].startswith("no rule explains it")


def test_genes_without_something():
    deep = pd.concat([evaluated(0.5, gene="only deep"), evaluated(0.5)])
    found = gene_verdicts(classify([by_hand([SIGNAL]), by_hand([FAR], gene="only eqtl")]), deep)
    assert found.index.tolist() == ["G", "only eqtl", "only deep"] and found["verdict"].notna().all()
    assert (
        "no prediction" in found.at["only eqtl", "sentence"]
        and found.at["only eqtl", "verdict"] == "signal outside the window"
    )
    assert found["main_supported"].isna().all() and found["signs_differ"].isna().all()
    nobody = gene_verdicts(classify([]), evaluated(0.5).iloc[:0])
    assert nobody.empty and list(nobody.columns) == COLUMNS
    given = gene_verdicts(
        classify([by_hand([SIGNAL])]), evaluated(0.5), eqtl_genes=pd.DataFrame({"q": [1e-5]}, index=["G"])
    )
    assert given.at["G", "q"] == 1e-5


def test_the_order_of_genes_carries_no_meaning():
    tables, _, observed = simulated(4, 6, people=150)
    deep = evaluate_genes(predictions(tables), observed)
    one, other = gene_verdicts(classify(tables), deep), gene_verdicts(classify(tables[::-1]), deep[::-1])
    pd.testing.assert_frame_equal(one, other.loc[one.index])


def predictions(tables: list[GeneTables]) -> pd.DataFrame:
    """Sum of dosage x effect, gene x sample."""
    rows = {t.gene: t.effects["effect_reference"] @ t.dosages.loc[t.effects.index] for t in tables}
    return pd.DataFrame.from_dict(rows, orient="index", columns=tables[0].dosages.columns)


@pytest.mark.parametrize("causal", ["inside", "outside", "none"])
def test_simulated_genes(causal):
    """Expression, predictions and the linear model come from the same simulated people."""
    tables, truth, observed = simulated(7, 30, causal=causal)
    predicted = predictions(tables)
    best = {t.gene: t.eqtls["t"].abs().idxmax() for t in tables}
    score = {t.gene: t.dosages.loc[best[t.gene]] * np.sign(t.eqtls["slope"].loc[best[t.gene]]) for t in tables}
    deep, linear = evaluate_genes(predicted, observed), evaluate_genes(pd.DataFrame(score).T, observed)
    if causal == "none":
        linear = linear.assign(pearson=0.0, pearson_low=-0.1, pearson_high=0.1, q=0.9)  # out of fold, there is nothing
    typical = typical_effect([t.effects for t in tables])
    found = gene_verdicts(classify(tables, typical=typical), deep, linear)
    if causal == "none":
        assert (found["verdict"] == "nothing to predict").mean() > 0.9
    elif causal == "outside":
        assert (found["verdict"] == "signal outside the window").mean() > 0.7
        assert not (found["verdict"] == "wrong direction").any()
    else:
        agrees = truth["agrees"].astype(bool).reindex(found.index)
        assert (found.loc[agrees, "verdict"] == "predicts").mean() > 0.9
        decided = found.loc[~agrees, "verdict"]
        assert (decided == "wrong direction").mean() > 0.7 and set(decided) <= {"wrong direction", "undecided"}
        assert (found["main_sign_predicts_r"] == True).mean() > 0.9  # noqa: E712  (missing is not True)


def test_thresholds_are_those_of_the_rules():
    assert verdict([SIGNAL | MAIN], 0.29, 0.6, rules=Rules(enough=0.4))["evidence"]["rule"] == 1
    assert (
        verdict([{"position": 910, "deep": 0.5, "t": 0.5}], 0.02, 0.15, rules=Rules(fdr=1e-4, low_r=0.3))["verdict"]
        == "nothing to predict"
    )
    assert VERDICTS[0] == "predicts" and len(VERDICTS) == 7
