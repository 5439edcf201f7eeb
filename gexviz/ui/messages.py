"""What a page says when something is wrong: an error block, or a thing that isn't there with what is near."""

from __future__ import annotations

import streamlit as st

from gexviz.errors import GexvizError
from gexviz.explaining.attributions import METHODS
from gexviz.ui.links import TRACKS, Selection, Unknown
from gexviz.ui.opening import Opened


def error_block(error: GexvizError) -> None:
    """Show what is wrong, where, what was expected and what to do, in one block. Nothing in it is read as markup."""
    parts = [("File", error.file), ("Where", error.place), ("Expected", error.expected), ("To do", error.remedy)]
    lines = [f"**{plain(error.problem)}**", *(f"{name}: {plain(text)}" for name, text in parts if text)]
    st.error("  \n".join(lines), icon=":material/error:")


def unknown_block(page: str, unknown: Unknown, selection: Selection, opened: Opened) -> None:
    """Say what the URL asked for in vain, with links to what may have been meant."""
    st.warning(plain(unknown.message) + ".", icon=":material/search_off:")
    if not unknown.suggestions:
        return
    names = {"gene": opened.book.names, "method": METHODS, "track": TRACKS}.get(unknown.what, {})
    with st.container(horizontal=True, vertical_alignment="center", key=f"suggestions_{unknown.key}"):
        st.caption("Did you mean" if unknown.what == "gene" else "It has", width="content")
        for name in unknown.suggestions:
            st.page_link(page, label=plain(names.get(name, name)), query_params=selection.query(**{unknown.key: name}))


def plain(text: str) -> str:
    """Text with everything escaped that Streamlit would read as Markdown."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]()#+-.!|~<>$:" else c for c in text)
