"""``python -m gexviz.cli``."""

from gexviz.cli import main

main()
