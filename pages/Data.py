"""The Data page."""

from gexviz.ui import data_page, frame

frame.show("Data", data_page.body)
