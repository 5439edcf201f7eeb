"""The comparison in sentences: the numbers, the rule, the verdict."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from gexviz.analysis.mismatch_rules import Rules


def variant_sentence(row: dict[Any, Any], rules: Rules) -> str:
    """Say why a variant has its class: what the model says, what people show, what decided."""
    name = row["class"]
    decided = {
        "concordant": f"The signs agree, and {_no_rival(row, rules)}.",
        "opposite": f"The signs differ, and {_no_rival(row, rules)}.",
        "unsupported driver": "It drives the prediction, but people don't show that it changes expression."
        if pd.notna(row["slope"])
        else "It drives the prediction, but was not tested in people (too rare, perhaps).",
        "missed": "An eQTL in the window on which the model has no direction.",
        "out of window": "The model can't see it.",
        "linear only": "Only the linear model uses it.",
        "ambiguous": _undecided(row, rules),
    }[name]
    if row["equals_outside"] and name in ("concordant", "opposite", "missed"):
        number = int(row["equals_outside"])
        decided += f" But {_count(number, 'equally good variant')} outside the window could be the cause as well."
    return f"{_deep(row)} {_people(row)} {decided} So: {name}."


def _deep(row: dict[Any, Any]) -> str:
    """What the model says of ALT."""
    if not row["in_window"]:
        where = "" if pd.isna(row["distance"]) else f" ({abs(int(row['distance'])):,} bp from the TSS)"
        return f"It lies outside the deep model's window{where}."
    if pd.isna(row["deep_sign"]):
        return f"There is no deep effect: {row['deep_reason']}."
    effect = f"{signed(row['deep_effect'])} on the reference, {signed(row['deep_mean'])} on average over haplotypes"
    source = f" ({row['noise_from']})" if row["noise_from"] else ""
    noise = f"noise {plain(row['deep_noise'])}{source}"
    if row["deep_sign"] == 0:
        return f"The model gives ALT no direction: {effect}; {noise}; {row['deep_reason']}."
    verb = "raises" if row["deep_sign"] > 0 else "lowers"
    return f"The model says ALT {verb} expression: {effect}; {noise}."


def _people(row: dict[Any, Any]) -> str:
    """What people show of ALT."""
    if pd.isna(row["slope"]):
        return "Its slope in people is not known."
    slope = f"slope {signed(row['slope'])} ± {plain(row['se'])} per copy"
    numbers = f"{slope}, p = {plain(row['p'])}, q = {plain(row['q'])}"
    if not row["significant"]:
        return f"In people it is not significant: {numbers}."
    return f"People with ALT have {'more' if row['slope'] > 0 else 'less'} of it: {numbers}."


def _undecided(row: dict[Any, Any], rules: Rules) -> str:
    reason = row["reason"]
    if "due to linkage" in reason:
        lead = "" if pd.isna(row["ld_lead"]) else f"; its r with the lead is {row['ld_lead']:.2f}"
        return f"It can't be told: {reason} (r² > {rules.equal_r2:g}){lead}."
    if "other deep sign" in reason:
        return f"It can't be told: {reason} ({row['rival']}, r² = {row['ld_best_opposite']:.2f})."
    return f"It can't be told: {reason}."


def _no_rival(row: dict[Any, Any], rules: Rules) -> str:
    if not row["equals"]:
        return f"no other variant is equally good (r² > {rules.equal_r2:g})"
    number = _count(int(row["equals"]), "equally good variant")
    return f"none of {number} (r² > {rules.equal_r2:g}) has the other deep sign"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def signed(value: float) -> str:
    """Write a number with its sign: ``+0.42``, ``−0.003``."""
    return "unknown" if pd.isna(value) else f"{value:+.2g}".replace("-", "−")


def plain(value: float) -> str:
    """Write a number with two digits: ``0.031``, ``2.1e−08``."""
    return "unknown" if pd.isna(value) else f"{value:.2g}".replace("-", "−")


def interval(value: float, low: float, high: float) -> str:
    """Write a number with its interval: ``−0.12 [−0.22, −0.01]``."""
    if math.isnan(value):
        return "undefined"
    return f"{value:.2f} [{low:.2f}, {high:.2f}]".replace("-", "−")
