"""The Gene page."""

from gexviz.ui import frame, gene_page

frame.show("Gene", gene_page.body)
