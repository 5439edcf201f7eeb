"""The filters of each page as text that people read, and back: they are part of a kept view, but not of the URL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import streamlit as st

from gexviz.ui.opening import Opened

Kind = Literal["choice", "number", "range", "list", "gene"]


class Filter(NamedTuple):
    """One widget that filters, or chooses what is shown.

    Attributes
    ----------
    name : str
        As people read it.
    key : str
        The widget's.
    kind : {"choice", "number", "range", "list", "gene"}
        What its value is; "gene" is a text that is kept only if it finds a gene.
    neutral : Any
        The value that shows everything; it is not kept.
    """

    name: str
    key: str
    kind: Kind
    neutral: Any


FILTERS: dict[str, tuple[Filter, ...]] = {
    "Overview": (
        Filter("People", "population", "choice", "Everybody"),
        Filter("Mean expression", "expression", "range", None),
        Filter("|r| from", "size", "number", 0.0),
        Filter("q up to", "q", "choice", "any"),
        Filter("Verdict", "verdicts", "list", []),
    ),
    "Gene": (Filter("Colour by", "colour_by", "choice", "Population"),),
    "Mismatches": (
        Filter("Class", "mm_class", "list", []),
        Filter("Verdict", "mm_verdict", "list", []),
        Filter("Gene", "mm_gene", "gene", ""),
        Filter("q of the eQTL up to", "mm_q", "choice", "any"),
        Filter("Where", "mm_where", "choice", "Anywhere"),
        Filter("Common in", "mm_population", "choice", "Anybody"),
        Filter("Accuracy of", "strip_set", "choice", "decided"),
        Filter("Accuracy by", "strip_by", "choice", "Distance"),
    ),
}
_BETWEEN = {"list": "; ", "range": " to "}


def kept(page: str, opened: Opened) -> dict[str, str]:
    """The filters of a page as they are now, those that show everything left out."""
    found = {}
    for each in FILTERS.get(page, ()):
        value = st.session_state.get(each.key)
        if value in (None, each.neutral) or (each.kind == "gene" and not opened.book.search(value, 1)):
            continue
        if each.kind == "range" and tuple(value) == expression_bounds(opened):
            continue
        found[each.name] = _written(each.kind, value)
    return found


def set_to(page: str, opened: Opened, filters: Mapping[str, str]) -> None:
    """Set the filters of a page, before its widgets are made; those that aren't named show everything."""
    low, high = expression_bounds(opened)
    for each in FILTERS.get(page, ()):
        if each.name not in filters and each.key not in st.session_state:
            continue  # the widget begins with what is neutral
        value = _read(each.kind, filters[each.name]) if each.name in filters else each.neutral
        if each.kind == "range":
            first, last = value or (low, high)
            value = min(max(first, low), high), max(min(last, high), low)
        if value is not None:
            st.session_state[each.key] = min(max(value, 0.0), 1.0) if each.kind == "number" else value


def not_set(page: str, opened: Opened, filters: Mapping[str, str]) -> list[str]:
    """After the page is drawn: which of the filters it could not take, as ``name: value``."""
    return [f"{name}: {value}" for name, value in filters.items() if kept(page, opened).get(name) != value]


def expression_bounds(opened: Opened) -> tuple[float, float]:
    """Whole numbers around the mean expression of all genes."""
    mean = opened.study.genes["mean_expression"]
    low = float(mean.min() // 1)
    return low, max(float(-(-mean.max() // 1)), low + 1)


def _written(kind: Kind, value: Any) -> str:
    if kind in _BETWEEN:
        return _BETWEEN[kind].join(item if isinstance(item, str) else f"{item:.6g}" for item in value)
    return f"{value:.6g}" if kind == "number" else str(value).strip()


def _read(kind: Kind, text: str) -> Any:
    """A value from its text; None for a text that is none."""
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
