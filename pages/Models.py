"""The Models page."""

from gexviz.ui import frame, models_page

frame.show("Models", models_page.body)
