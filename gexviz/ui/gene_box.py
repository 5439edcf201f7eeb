"""The box that finds genes as one types, among any number: the server searches, the browser shows a few matches."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from gexviz.ui.search import GeneBook

MOST = 20
_KEY = "gene_box"
_FILE = Path(__file__)

_component = st.components.v2.component(
    "gexviz_gene_box",
    html=_FILE.with_suffix(".html").read_text(encoding="utf-8"),
    css=_FILE.with_suffix(".css").read_text(encoding="utf-8"),
    js=_FILE.with_suffix(".js").read_text(encoding="utf-8"),
    isolate_styles=False,
)


def gene_box(book: GeneBook, gene: str | None, choose: Callable[[str], None]) -> None:
    """Show the box.

    A list of all genes in the browser would cost every rerun of a page half a second at 20,000 genes.

    Parameters
    ----------
    book : GeneBook
        Where to look.
    gene : str or None
        Id of the gene that is shown now.
    choose : callable
        Called with what was chosen: an id, or any text that was typed. The page is run anew after it.
    """
    _box(book, "" if gene is None else book.labels[gene], choose)


@st.fragment
def _box(book: GeneBook, current: str, choose: Callable[[str], None]) -> None:
    query = str((st.session_state.get(_KEY) or {}).get("query") or "")
    matches = [{"id": g, "name": book.names[g]} for g in book.search(query, MOST)]
    placeholder = f"Type a symbol or an id ({len(book.ids):,} genes)"
    data = {"current": current, "query": query, "matches": matches, "placeholder": placeholder}
    result = _component(key=_KEY, data=data, on_query_change=_nothing, on_chosen_change=_nothing)
    if result.chosen:
        choose(str(result.chosen))
        st.rerun()


def _nothing() -> None:
    """Streamlit asks for a callback of each state."""
