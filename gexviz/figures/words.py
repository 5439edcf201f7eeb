"""Numbers and correlations in words, for titles, axes and hover labels."""

from __future__ import annotations

import html
import math
import textwrap

import pandas as pd

WIDTH = 62
"""Characters a title line may have, so that it fits a figure of 500 px."""


def wrapped(text: str, width: int = WIDTH) -> list[str]:
    """Break a text into lines that fit; markup must not be in it."""
    return textwrap.wrap(text, width, break_long_words=True) or [""]


def number(value: float, digits: int = 2) -> str:
    """Write a number with fixed decimals and a true minus."""
    text = f"{value:.{digits}f}"
    return text.replace("-", "−") if float(text) else text.lstrip("-")


def p_value(p: float) -> str:
    """Write a p value: ``p = 0.03``, ``p = 2.1e−08``."""
    if math.isnan(p):
        return "no p"
    if p == 0:
        return "p < 1e−300"
    return f"p = {p:.2g}" if p >= 0.001 else f"p = {p:.1e}".replace("e-", "e−")


def percent(share: float) -> str:
    """Write a share: ``41%``, ``0.4%``."""
    if math.isnan(share):
        return "none"
    return f"{100 * share:.0f}%" if share == 0 or share >= 0.01 else f"{100 * share:.1f}%"


def correlation(row: pd.Series) -> str:
    """Say a gene's correlation: ``r = −0.12 [−0.22, −0.01]``, or why there is none."""
    if row["status"] != "ok":
        return f"r undefined: {row['reason']}"
    return f"r = {number(row['pearson'])} [{number(row['pearson_low'])}, {number(row['pearson_high'])}]"


def evidence(row: pd.Series, unit: str = "people") -> str:
    """Say on how many, and how surely: ``n = 330 people, p = 0.03 (analytic null)``."""
    count = f"n = {int(row['n']):,} {unit}"
    if row["status"] != "ok":
        return count
    return f"{count}, {p_value(row['p'])} ({str(row['null']).replace('_', ' ')} null)"


def alleles(variant: str) -> tuple[str, str, str]:
    """Name the genotypes of a variant id (contig:pos:ref:alt): ``G/G``, ``G/A``, ``A/A``; long alleles are cut."""
    parts = variant.rsplit(":", 2)
    if len(parts) != 3:
        return "0 copies", "1 copy", "2 copies"
    ref, alt = (a if len(a) <= 6 else f"{a[:4]}…({len(a)})" for a in parts[1:])
    return f"{ref}/{ref}", f"{ref}/{alt}", f"{alt}/{alt}"


def axis_title(what: str, scale: str) -> str:
    """Title an axis, ``copy 1 (log2(TPM + 1))``, in lines that fit it."""
    lines = wrapped(f"{what} ({scale})" if scale else what, 48)
    return "<br>".join(safe(line) for line in lines)


def variant_name(variant: str) -> str:
    """Write a variant id as people read it: ``22:20,004,537 G>A``."""
    parts = variant.rsplit(":", 3)
    if len(parts) != 4 or not parts[1].isdigit():
        return variant
    ref, alt = (a if len(a) <= 12 else f"{a[:10]}…({len(a)} bp)" for a in parts[2:])
    return f"{parts[0]}:{int(parts[1]):,} {ref}>{alt}"


def safe(text: object) -> str:
    """Make any text from outside show as it is, not as markup."""
    return html.escape(str(text), quote=False)
