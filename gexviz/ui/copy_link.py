"""A button that copies a link to what is looked at."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from gexviz.ui.links import Selection

_FILE = Path(__file__)

_component = st.components.v2.component(
    "gexviz_copy_link",
    html=_FILE.with_suffix(".html").read_text(encoding="utf-8"),
    css=_FILE.with_suffix(".css").read_text(encoding="utf-8"),
    js=_FILE.with_suffix(".js").read_text(encoding="utf-8"),
    isolate_styles=False,
)


def copy_link(selection: Selection) -> None:
    """Show the button. The link is this page's, with :meth:`gexviz.ui.links.Selection.link` and nothing else."""
    _component(key="copy_link", data={"query": selection.link()})
