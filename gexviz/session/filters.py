"""Filters of a kept view: names and values as people read them, and back; and what frozen tables can obey."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from gexviz.analysis.filtering import ANY, GeneFilters, PairFilters

Kind = Literal["choice", "number", "range", "list", "gene"]
PEOPLE, EXPRESSION, SIZE, Q, VERDICT = "People", "Mean expression", "|r| from", "q up to", "Verdict"
CLASS, GENE, PAIR_Q, WHERE, COMMON_IN = "Class", "Gene", "q of the eQTL up to", "Where", "Common in"
ACCURACY_OF, ACCURACY_BY = "Accuracy of", "Accuracy by"
NO_LIMIT = "any"
NOT_FROZEN = (PEOPLE, EXPRESSION)
"""Filters of genes that a session's tables can't obey: correlations are of everybody, expression is not in it."""
_BETWEEN = {"list": "; ", "range": " to "}


def written(kind: Kind, value: Any) -> str:
    """A filter's value as text.

    Parameters
    ----------
    kind : {"choice", "number", "range", "list", "gene"}
    value : Any
        A text, a number, two numbers, or a list of texts.
    """
    if kind in _BETWEEN:
        return _BETWEEN[kind].join(item if isinstance(item, str) else f"{item:.6g}" for item in value)
    return f"{value:.6g}" if kind == "number" else str(value).strip()


def value_of(kind: Kind, text: str) -> Any:
    """A filter's value from its text; None for a text that is none."""
    if kind == "list":
        return text.split(_BETWEEN["list"])
    if kind not in ("range", "number"):
        return text
    try:
        numbers = [float(part) for part in text.split(_BETWEEN["range"])]
    except ValueError:
        return None
    if kind == "number":
        return numbers[0]
    return (numbers[0], numbers[1]) if len(numbers) == 2 else None


def pair_filters(filters: Mapping[str, str]) -> PairFilters:
    """What a kept view of the Mismatches page asks of pairs of gene and variant."""
    return PairFilters(
        classes=_list(filters, CLASS),
        verdicts=_list(filters, VERDICT),
        gene=filters.get(GENE, ""),
        q=_limit(filters, PAIR_Q),
        where=filters.get(WHERE, ANY),
        population=filters.get(COMMON_IN),
    )


def gene_filters(filters: Mapping[str, str]) -> GeneFilters:
    """What a kept view of the Overview page asks of genes, but for their expression, which no session has."""
    return GeneFilters(
        size=value_of("number", filters.get(SIZE, "0")) or 0.0, q=_limit(filters, Q), verdicts=_list(filters, VERDICT)
    )


def _list(filters: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(value_of("list", filters[name])) if name in filters else ()


def _limit(filters: Mapping[str, str], name: str) -> float:
    text = filters.get(name, NO_LIMIT)
    limit = None if text == NO_LIMIT else value_of("number", text)
    return 1.0 if limit is None else limit
