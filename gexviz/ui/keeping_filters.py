"""The filters of each page as text that people read, and back: they are part of a kept view, but not of the URL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import streamlit as st

from gexviz.session import filters as names
from gexviz.session.filters import Kind, value_of, written
from gexviz.ui.opening import Opened


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
        Filter(names.PEOPLE, "population", "choice", "Everybody"),
        Filter(names.EXPRESSION, "expression", "range", None),
        Filter(names.SIZE, "size", "number", 0.0),
        Filter(names.Q, "q", "choice", names.NO_LIMIT),
        Filter(names.VERDICT, "verdicts", "list", []),
    ),
    "Gene": (Filter("Colour by", "colour_by", "choice", "Population"),),
    "Mismatches": (
        Filter(names.CLASS, "mm_class", "list", []),
        Filter(names.VERDICT, "mm_verdict", "list", []),
        Filter(names.GENE, "mm_gene", "gene", ""),
        Filter(names.PAIR_Q, "mm_q", "choice", names.NO_LIMIT),
        Filter(names.WHERE, "mm_where", "choice", "Anywhere"),
        Filter(names.COMMON_IN, "mm_population", "choice", "Anybody"),
        Filter(names.ACCURACY_OF, "strip_set", "choice", "decided"),
        Filter(names.ACCURACY_BY, "strip_by", "choice", "Distance"),
    ),
}


def kept(page: str, opened: Opened) -> dict[str, str]:
    """The filters of a page as they are now, those that show everything left out."""
    found = {}
    for each in FILTERS.get(page, ()):
        value = st.session_state.get(each.key)
        if value in (None, each.neutral) or (each.kind == "gene" and not opened.book.search(value, 1)):
            continue
        if each.kind == "range" and tuple(value) == expression_bounds(opened):
            continue
        found[each.name] = written(each.kind, value)
    return found


def set_to(page: str, opened: Opened, filters: Mapping[str, str]) -> None:
    """Set the filters of a page, before its widgets are made; those that aren't named show everything."""
    low, high = expression_bounds(opened)
    for each in FILTERS.get(page, ()):
        if each.name not in filters and each.key not in st.session_state:
            continue  # the widget begins with what is neutral
        value = value_of(each.kind, filters[each.name]) if each.name in filters else each.neutral
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
