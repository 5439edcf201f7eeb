"""The Mismatches page."""

from gexviz.ui import frame, mismatches_page

frame.show("Mismatches", mismatches_page.body)
