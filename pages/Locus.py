"""The Locus page."""

from gexviz.ui import frame, locus_page

frame.show("Locus", locus_page.body)
