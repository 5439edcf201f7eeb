"""The app's front door: ``streamlit run app.py -- --study study.toml``; the demo study by default."""

from gexviz.ui import frame, overview_page

frame.show("Overview", overview_page.body)
