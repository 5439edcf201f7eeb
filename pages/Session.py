"""The Session page."""

from gexviz.ui import frame, session_page

frame.show("Session", session_page.body)
