"""Write the table of models into docs/models.md anew, from gexviz/models/zoo.toml and the registry.

``make docs`` runs it.
"""

from pathlib import Path

from gexviz.models.zoo import markdown

DOCS = Path(__file__).resolve().parents[1] / "docs/models.md"
START, END = "<!-- zoo -->\n", "\n<!-- /zoo -->"

before, _, rest = DOCS.read_text("utf-8").partition(START)
_, _, after = rest.partition(END)
DOCS.write_text(before + START + markdown() + END + after, "utf-8")
