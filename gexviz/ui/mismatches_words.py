"""The arithmetic behind a class and a verdict, in words."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from gexviz.analysis.mismatch_rules import Rules
from gexviz.analysis.mismatch_words import interval, plain, signed
from gexviz.figures import words


def variant_steps(row: dict[Any, Any], rules: Rules) -> pd.DataFrame:
    """The steps that lead to a variant's class, as in :class:`Rules`: two columns of text.

    Parameters
    ----------
    row : dict
        Of :class:`gexviz.analysis.mismatch.Classified`.
    rules : Rules
    """
    lines = {"Window": "inside the deep model's window" if row["in_window"] else "outside the deep model's window"}
    if pd.notna(row["slope"]):
        verb = "significant" if row["significant"] else "not significant"
        numbers = f"slope {signed(row['slope'])} ± {plain(row['se'])}, p = {plain(row['p'])}"
        lines["eQTL"] = f"{numbers}, q = {plain(row['q'])}: {verb}"
    else:
        lines["eQTL"] = "not tested"
    if pd.isna(row["deep_sign"]):
        lines["Deep effect"] = f"none: {row['deep_reason']}"
    else:
        smaller = min(abs(row["deep_effect"]), abs(row["deep_mean"]))
        both = f"{signed(row['deep_effect'])} on the reference, {signed(row['deep_mean'])} on average"
        relation = ">" if row["deep_sign"] else "not beyond"
        source = f" ({row['noise_from']})" if row["noise_from"] else ""
        lines["Deep effect"] = f"{both}: {plain(smaller)} {relation} noise {plain(row['deep_noise'])}{source}"
        if row["deep_sign"] == 0:
            lines["Deep effect"] += f": {row['deep_reason']}"
    lines["Linkage"] = _linkage(row, rules)
    number, text = class_rule(row)
    lines[f"Rule {number}"] = f"{text} → {row['class']}"
    return pd.DataFrame({"What": list(lines), "Numbers": list(lines.values())})


def _linkage(row: dict[Any, Any], rules: Rules) -> str:
    parts = []
    if row["lead"]:
        parts.append("the gene's lead")
    elif pd.notna(row["ld_lead"]):
        parts.append(f"r² = {row['ld_lead'] ** 2:.2f} with the lead")
    if row["signal"] == row["variant"]:
        parts.append("leads an independent signal")
    elif row["signal"]:
        parts.append(f"equal of the signal of {words.variant_name(row['signal'])}")
    outside = f", {row['equals_outside']:,} of them outside the window" if row["equals_outside"] else ""
    number = f"{row['equals']:,} equally good variant{'' if row['equals'] == 1 else 's'}"
    parts.append(f"{number} (r² > {rules.equal_r2:g}){outside}")
    if row["rival"] and pd.notna(row["ld_best_opposite"]):
        rival = words.variant_name(row["rival"])
        parts.append(f"nearest with the other deep sign: {rival}, r² = {row['ld_best_opposite']:.2f}")
    return "; ".join(parts)


def class_rule(row: dict[Any, Any]) -> tuple[int, str]:
    """Number and words of the rule of :class:`Rules` that decided on a variant."""
    if not row["significant"]:
        return 1, "not significant" + (", but a driver of the prediction" if row["driver"] else "")
    if row["strand_ambiguous"] or "linkage is not known" in row["reason"]:
        return 2, row["reason"]
    if not row["signal"]:
        return 3, row["reason"]
    if not row["in_window"]:
        return 4, row["reason"] or "significant, outside the window, and no equal inside has a deep sign"
    if pd.isna(row["deep_sign"]):
        return 5, row["reason"]
    if row["deep_sign"] == 0:
        return 6, row["reason"] or "significant, in the window, without a deep sign, and no equal has one"
    if row["class"] == "ambiguous":
        return 7, row["reason"]
    signs = f"deep sign {_sign(row['deep_sign'])}, sign of the slope {_sign(row['slope'])}"
    return 8, f"{signs}: they {'agree' if row['class'] == 'concordant' else 'differ'}"


def _sign(value: float) -> str:
    return "+" if value > 0 else "−"


_EVIDENCE = {
    "r_deep": "r(deep)",
    "q_deep": "q of r(deep)",
    "r_linear": "r(linear)",
    "r_linear_high": "upper limit of r(linear)",
    "q_eqtl": "q of the eQTL",
    "h2_high": "upper limit of the cis-heritability",
    "h2_p": "p of the cis-heritability",
    "share_opposite": "share of the prediction's variance on opposite variants",
    "share_unsupported": "on unsupported drivers",
    "share_ambiguous": "on ambiguous variants",
    "share_concordant": "on concordant variants",
    "inside": "evidence inside the window",
    "equals_seen": "equals of the signal with a deep sign",
}
_SHARES = {_EVIDENCE[k] for k in _EVIDENCE if k.startswith("share_")} | {_EVIDENCE["inside"]}
_VERDICT_RULES = {
    1: "r(deep) is significantly positive, and at least {enough:.0%} of a significant r(linear)",
    2: "no signal; upper limit of r(linear) at most {low_r:g}, or of the heritability at most {low_h2:g}",
    3: "neither eQTLs nor r(linear) are significant",
    4: "opposite variants have at least {main_share:.0%} of the prediction's variance, and r(deep) < 0",
    5: "at most {outside:.0%} of the evidence lies inside the window",
    6: "at least {inside:.0%} of the evidence lies inside, and no equal of the signal has a deep sign",
    7: "unsupported drivers have at least {main_share:.0%} of the variance; r(deep) not significantly positive",
    8: "r(deep) is significantly positive, though below {enough:.0%} of r(linear)",
    9: "none of the rules before",
}


def gene_steps(row: pd.Series, rules: Rules) -> pd.DataFrame:
    """The numbers and the rule that lead to a gene's verdict: two columns of text.

    Parameters
    ----------
    row : Series
        Of :func:`gexviz.analysis.verdicts.gene_verdicts`.
    rules : Rules
    """
    evidence = json.loads(row["evidence"])
    number = int(evidence["rule"])
    lines = {
        "r(deep)": f"{interval(row['r_deep'], row['r_deep_low'], row['r_deep_high'])}, q = {plain(row['q_deep'])}",
        "r(linear)": f"{interval(row['r_linear'], row['r_linear_low'], row['r_linear_high'])}"
        + ("" if pd.isna(row["q_linear"]) else f", q = {plain(row['q_linear'])}"),
        "eQTL": f"q = {plain(row['q'])}"
        + (f", lead {words.variant_name(row['lead'])}: {row['lead_class']}" if isinstance(row["lead"], str) else ""),
        "Main driver": f"{words.variant_name(row['main_driver'])}: {row['main_class']}"
        if isinstance(row["main_driver"], str)
        else "none",
        "Cis-heritability": interval(row["ceiling"], row["ceiling_low"], row["ceiling_high"]),
    }
    known = {_EVIDENCE[k]: v for k, v in evidence.items() if k in _EVIDENCE and _EVIDENCE[k] not in lines}
    if known:
        lines["Decided by"] = "; ".join(f"{k}: {_written(k, v)}" for k, v in known.items())
    limits = {"enough": rules.enough, "low_r": rules.low_r, "low_h2": rules.low_h2, "main_share": rules.main_share}
    text = _VERDICT_RULES[number].format(**limits, inside=rules.inside, outside=1 - rules.inside)
    lines[f"Rule {number}"] = f"{text}{': ' + row['reason'] if number == 9 else ''} → {row['verdict']}"
    return pd.DataFrame({"What": list(lines), "Numbers": list(lines.values())})


def _written(what: str, value: float | None) -> str:
    if value is None:
        return "unknown"
    return f"{value:.0%}" if what in _SHARES else plain(value)
