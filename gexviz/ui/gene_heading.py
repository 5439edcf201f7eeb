"""The heading of the pages of one gene, with the way to its neighbours in the list."""

from __future__ import annotations

from functools import partial

import streamlit as st

from gexviz.ui.frame import View
from gexviz.ui.gene_words import place
from gexviz.ui.messages import plain


def heading(view: View, gene: str, ready: list[str]) -> None:
    """Show name and place of a gene.

    Parameters
    ----------
    view : View
    gene : str
    ready : list of str
        Genes to go round, if this one is among them and not alone; all of the study otherwise.
    """
    locus = view.study.locus(gene)
    around = ready if gene in ready and len(ready) > 1 else view.opened.book.ids
    at = around.index(gene)
    with st.container(horizontal=True, vertical_alignment="center", key="gene_heading"):
        st.header(plain(locus.name), width="content", anchor=False)
        where = place(locus) if locus.id == locus.name else f"{locus.id} · {place(locus)}"
        st.markdown(f":gray[{plain(where)}]", width="content")
        st.space("stretch")
        for label, icon, step in (("Previous gene", "arrow_back", -1), ("Next gene", "arrow_forward", 1)):
            other = around[(at + step) % len(around)]
            st.button(
                label,
                icon=f":material/{icon}:",
                icon_position="left" if step < 0 else "right",
                key=f"step{step}",
                help=plain(view.opened.book.labels[other]),
                on_click=partial(_go_to, view, other),
                disabled=len(around) < 2,
            )


def _go_to(view: View, gene: str) -> None:
    st.query_params.from_dict(view.selection.query(gene=gene))
