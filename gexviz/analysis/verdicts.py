"""Why a deep model fails, or succeeds, at a gene: one verdict for each, with the evidence that decided.

The rules are those of :class:`gexviz.analysis.mismatch_rules.Rules`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from gexviz.analysis.mismatch import Classified
from gexviz.analysis.mismatch_rules import RULES, Rules, Verdict
from gexviz.analysis.mismatch_words import interval, plain

COLUMNS = [
    "r_deep", "r_deep_low", "r_deep_high", "q_deep", "r_linear", "r_linear_low", "r_linear_high", "q_linear", "n",
    "signs_differ", "main_driver", "main_class", "main_supported", "main_sign_predicts_r", "lead", "lead_class", "q",
    "inside", "ceiling", "ceiling_low", "ceiling_high", "ceiling_p", "verdict", "reason", "sentence", "evidence",
]  # fmt: skip

_NAN = float("nan")


class _Gene(NamedTuple):
    """What is known of one gene; NaN where nothing is."""

    r: float
    low: float
    high: float
    q: float
    undefined: str
    linear: float
    linear_low: float
    linear_high: float
    linear_q: float
    h2: float
    h2_high: float
    h2_p: float
    significant: int
    eqtl_q: float
    inside: float
    linear_inside: float
    equals_seen: int
    share_opposite: float
    share_unsupported: float
    share_concordant: float
    share_ambiguous: float
    rules: Rules

    @property
    def rises(self) -> bool:
        """Whether r(deep) is significantly positive."""
        return self.r > 0 and self.q <= self.rules.fdr

    @property
    def linear_rises(self) -> bool:
        """The same of r(linear)."""
        return self.linear > 0 and self.linear_q <= self.rules.fdr

    @property
    def evidence_inside(self) -> float:
        """Share of the evidence for the cause that lies in the window."""
        return self.inside if self.significant else self.linear_inside


class _Decision(NamedTuple):
    verdict: Verdict
    reason: str
    evidence: dict[str, Any]


def gene_verdicts(
    classified: Classified,
    deep: pd.DataFrame,
    linear: pd.DataFrame | None = None,
    *,
    eqtl_genes: pd.DataFrame | None = None,
    ceilings: pd.DataFrame | None = None,
    rules: Rules = RULES,
) -> pd.DataFrame:
    """Give each gene its verdict.

    Parameters
    ----------
    classified : Classified
        From :func:`gexviz.analysis.mismatch.classify`.
    deep, linear : DataFrame
        Index gene: ``pearson``, ``pearson_low``, ``pearson_high``, ``n``, ``q``, ``status``, ``reason`` of
        :func:`gexviz.analysis.evaluation.evaluate_genes`; the linear model's out of fold.
    eqtl_genes : DataFrame, optional
        Index gene; ``q``, shown as the gene's; the lead's q over all pairs without it.
    ceilings : DataFrame, optional
        Index gene; ``h2``, ``low``, ``high``, ``p`` of :func:`gexviz.analysis.ceiling.cis_heritability`.
    rules : Rules

    Returns
    -------
    DataFrame
        Index ``gene``: those of `classified` and `deep`. ``r_deep``, ``r_linear`` with intervals and q; ``n`` (people,
        of r_deep); ``signs_differ`` (both intervals exclude 0, on different sides; missing if either r is);
        ``main_driver``, ``main_class``, ``main_supported`` (the sign of its deep effect is its slope's, significant or
        not, as in Sasse et al. 2023), ``main_sign_predicts_r`` (r_deep has the sign that follows: positive if
        supported); ``lead``, ``lead_class``, ``q`` (of the eQTL); ``inside`` (posterior mass in the window);
        ``ceiling`` (cis-heritability, a share of variance) with interval and p; ``verdict``, ``reason`` (of an
        undecided or partial one), ``sentence``, ``evidence`` (JSON: the rule's number in :class:`Rules`, and what
        decided).
    """
    genes = classified.genes.index.union(deep.index, sort=False).rename("gene")
    table = pd.DataFrame(index=genes)
    for name, source in (("deep", deep), ("linear", linear)):
        for column, ours in (
            ("pearson", f"r_{name}"),
            ("pearson_low", f"r_{name}_low"),
            ("pearson_high", f"r_{name}_high"),
            ("q", f"q_{name}"),
        ):
            table[ours] = _NAN if source is None else source[column].reindex(genes).astype(np.float64)
    table["n"] = deep["n"].reindex(genes).astype("Int64")
    table["signs_differ"] = _signs_differ(table)
    table = table.join(classified.genes[["lead", "inside"]])
    table = table.join(_of_one(classified.variants, "main_driver")).join(_of_one(classified.variants, "lead"))
    table["main_sign_predicts_r"] = _predicts_sign(table)
    lead_q = classified.genes["lead_q"].reindex(genes)
    table["q"] = lead_q if eqtl_genes is None else eqtl_genes["q"].reindex(genes).fillna(lead_q)
    for column, ours in (("h2", "ceiling"), ("low", "ceiling_low"), ("high", "ceiling_high"), ("p", "ceiling_p")):
        table[ours] = _NAN if ceilings is None else ceilings[column].reindex(genes)
    shares = _shares(classified.variants)
    undefined = deep["reason"].where(deep["status"] != "ok", "").reindex(genes).fillna("no prediction")
    decisions = {}
    for gene in genes:
        known = _known(gene, table, classified.genes, shares, str(undefined.loc[gene]), rules)
        decisions[gene] = decided = _decide(known)
        table.loc[gene, ["verdict", "reason"]] = decided.verdict, decided.reason
        table.loc[gene, "sentence"] = _sentence(known, decided)
        table.loc[gene, "evidence"] = json.dumps({k: _plain(v) for k, v in decided.evidence.items()})
    for column in ("verdict", "reason", "sentence", "evidence"):
        if column not in table:
            table[column] = pd.Series(dtype=object)
    return table[COLUMNS]


def _signs_differ(table: pd.DataFrame) -> pd.Series:
    """Whether both intervals exclude 0, on different sides; missing if either r is."""
    above = [(table[f"r_{name}_low"] > 0).to_numpy() for name in ("deep", "linear")]
    below = [(table[f"r_{name}_high"] < 0).to_numpy() for name in ("deep", "linear")]
    differ = pd.array((above[0] & below[1]) | (below[0] & above[1]), dtype="boolean")
    return pd.Series(differ, index=table.index).mask(table[["r_deep", "r_linear"]].isna().any(axis=1))


def _of_one(variants: pd.DataFrame, flag: str) -> pd.DataFrame:
    """The main driver (or the lead) of each gene, its class and whether its slope supports it; index gene."""
    chosen = variants[variants[flag].to_numpy(dtype=bool)].set_index("gene")
    if flag == "lead":
        return pd.DataFrame({"lead_class": chosen["class"]})
    support = chosen["deep_effect"].to_numpy(np.float64) * np.sign(chosen["slope"].to_numpy(np.float64))
    known = pd.Series(support > 0, chosen.index, dtype="boolean").mask(~(np.abs(support) > 0))
    return pd.DataFrame({"main_driver": chosen["variant"], "main_class": chosen["class"], "main_supported": known})


def _predicts_sign(table: pd.DataFrame) -> pd.Series:
    """Whether r(deep) is positive just where the main driver is supported; missing without either."""
    same = table["main_supported"] == (table["r_deep"] > 0)
    return same.mask(table["r_deep"].isna() | (table["r_deep"] == 0))


def _shares(variants: pd.DataFrame) -> pd.DataFrame:
    """Share of each gene's prediction variance that lies on variants of each class; index gene, columns class."""
    positive = variants["share"].astype(np.float64).clip(lower=0).fillna(0.0)
    return positive.groupby([variants["gene"], variants["class"]]).sum().unstack().fillna(0.0)


def _known(
    gene: str, table: pd.DataFrame, located: pd.DataFrame, shares: pd.DataFrame, undefined: str, rules: Rules
) -> _Gene:
    row: Any = table.loc[gene]
    place: Any = located.loc[gene] if gene in located.index else pd.Series({name: np.nan for name in located.columns})

    def share(name: str) -> float:
        return float(shares[name].loc[gene]) if gene in shares.index and name in shares else 0.0

    def count(name: str) -> int:
        return 0 if pd.isna(place[name]) else int(place[name])

    return _Gene(
        row["r_deep"], row["r_deep_low"], row["r_deep_high"], row["q_deep"], undefined,
        row["r_linear"], row["r_linear_low"], row["r_linear_high"], row["q_linear"],
        row["ceiling"], row["ceiling_high"], row["ceiling_p"],
        count("significant"), row["q"], float(place["inside"]), float(place["linear_inside"]), count("equals_seen"),
        share("opposite"), share("unsupported driver"), share("concordant"), share("ambiguous"), rules,
    )  # fmt: skip


def _decide(gene: _Gene) -> _Decision:
    """Apply the rules in their order."""
    for rule in _RULES:
        decided = rule(gene)
        if decided is not None:
            return decided
    return _rest(gene)


def _predicts(g: _Gene) -> _Decision | None:
    enough = g.r >= g.rules.enough * g.linear if g.linear_rises else True
    if not (g.rises and enough):
        return None
    return _Decision("predicts", "", {"rule": 1, "r_deep": g.r, "q_deep": g.q, "r_linear": g.linear})


def _nothing(g: _Gene) -> _Decision | None:
    signal = g.significant or g.linear_rises or g.h2_p <= g.rules.h2_p or g.q <= g.rules.fdr
    low_r, low_h2 = g.linear_high <= g.rules.low_r, g.h2_high <= g.rules.low_h2
    if signal or not (low_r or low_h2):
        return None
    evidence = {"rule": 2, "q_eqtl": g.eqtl_q}
    if low_r:
        return _Decision("nothing to predict", "", evidence | {"from": "r(linear)", "r_linear_high": g.linear_high})
    return _Decision("nothing to predict", "", evidence | {"from": "cis-heritability", "h2_high": g.h2_high})


def _no_signal(g: _Gene) -> _Decision | None:
    if g.significant or g.linear_rises:
        return None
    reason = "power: neither an eQTL nor the linear model is significant, but a sizeable signal is not ruled out"
    evidence = {"rule": 3, "q_eqtl": g.eqtl_q, "r_linear_high": g.linear_high, "h2_high": g.h2_high, "h2_p": g.h2_p}
    return _Decision("undecided", reason, evidence)


def _wrong(g: _Gene) -> _Decision | None:
    if not (g.share_opposite >= g.rules.main_share and g.r < 0):
        return None
    return _Decision("wrong direction", "", {"rule": 4, "share_opposite": g.share_opposite, "r_deep": g.r})


def _outside(g: _Gene) -> _Decision | None:
    if not g.evidence_inside <= 1 - g.rules.inside:
        return None
    return _Decision("signal outside the window", "", {"rule": 5, "inside": g.evidence_inside, "from": _source(g)})


def _blind(g: _Gene) -> _Decision | None:
    if not (g.significant and g.inside >= g.rules.inside and g.equals_seen == 0):
        return None
    return _Decision("blind to the signal", "", {"rule": 6, "inside": g.inside, "equals_seen": 0})


def _drowned(g: _Gene) -> _Decision | None:
    if g.rises or not g.share_unsupported >= g.rules.main_share:
        return None
    evidence = {"rule": 7, "share_unsupported": g.share_unsupported, "r_deep": g.r, "q_deep": g.q}
    return _Decision("drowned by unsupported drivers", "", evidence)


def _in_part(g: _Gene) -> _Decision | None:
    if not g.rises:
        return None
    reason = f"in part: less than {g.rules.enough:.0%} of r(linear)"
    return _Decision("predicts", reason, {"rule": 8, "r_deep": g.r, "q_deep": g.q, "r_linear": g.linear})


def _rest(g: _Gene) -> _Decision:
    evidence: dict[str, Any] = {"rule": 9}
    if g.share_ambiguous >= g.rules.main_share:
        reason = "linkage: most of the prediction's variance rests on variants whose direction can't be told"
        return _Decision("undecided", reason, evidence | {"share_ambiguous": g.share_ambiguous})
    if g.share_concordant >= g.rules.main_share:
        reason = "power: the prediction rests on variants of the right direction, but r is not significant"
        return _Decision("undecided", reason, evidence | {"share_concordant": g.share_concordant, "q_deep": g.q})
    if not (g.evidence_inside >= g.rules.inside):
        reason = "linkage: the cause may be inside the window or outside"
        return _Decision("undecided", reason, evidence | {"inside": g.evidence_inside, "from": _source(g)})
    reason = "no rule explains it: no class of variants has most of the prediction's variance"
    shares = {"share_opposite": g.share_opposite, "share_unsupported": g.share_unsupported}
    return _Decision("undecided", reason, evidence | shares)


_RULES: tuple[Callable[[_Gene], _Decision | None], ...] = (
    _predicts, _nothing, _no_signal, _wrong, _outside, _blind, _drowned, _in_part,
)  # fmt: skip


def _source(g: _Gene) -> str:
    return "posterior of one cause" if g.significant else "variance of the linear score"


def _sentence(g: _Gene, decided: _Decision) -> str:
    """Say the numbers, the rule and the verdict."""
    if math.isnan(g.r):
        first = f"r(deep) is undefined ({g.undefined or 'no reason given'})"
    else:
        first = f"r(deep) = {interval(g.r, g.low, g.high)}, q = {plain(g.q)}"
    linear = (
        "r(linear) is undefined"
        if math.isnan(g.linear)
        else (f"r(linear) = {interval(g.linear, g.linear_low, g.linear_high)}")
    )
    return f"{first}; {linear}. {_why(g, decided)} So: {decided.verdict}."


def _why(g: _Gene, decided: _Decision) -> str:
    rules = g.rules
    match decided.evidence["rule"]:
        case 1:
            if g.linear_rises:
                return f"The deep model has at least {rules.enough:.0%} of the linear model's r."
            return "The deep model's r is positive and significant, and no linear model does better."
        case 2 if decided.evidence["from"] == "r(linear)":
            return f"No eQTL, and the linear r is at most {g.linear_high:.2f} (limit {rules.low_r:g})."
        case 2:
            return f"No eQTL, and the cis-heritability is at most {g.h2_high:.2f} (limit {rules.low_h2:g})."
        case 4:
            return (
                f"Variants whose deep effect is opposite to their eQTL have {g.share_opposite:.0%} of the prediction's "
                "variance (by covariance), and r is negative."
            )
        case 5:
            return f"Only {g.evidence_inside:.0%} of the evidence ({_source(g)}) lies inside the model's window."
        case 6:
            return (
                f"{g.inside:.0%} of the evidence lies inside the window, but neither the lead nor an equally good "
                "variant has a deep effect beyond noise."
            )
        case 7:
            return (
                f"Drivers that no eQTL supports have {g.share_unsupported:.0%} of the prediction's variance (by "
                "covariance), and r is not significantly positive."
            )
        case _:
            return f"{decided.reason[0].upper()}{decided.reason[1:]}."


def _plain(value: Any) -> Any:
    """Make a value JSON: rounded, None where there is none."""
    if isinstance(value, float | np.floating):
        return None if math.isnan(value) else float(f"{value:.6g}")
    return value
