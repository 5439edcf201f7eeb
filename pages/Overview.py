"""The Overview page."""

from gexviz.ui import frame, overview_page

frame.show("Overview", overview_page.body)
