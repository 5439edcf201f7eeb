"""The command line, ``gexviz --help``: a module for each kind of command, and what they share."""

from gexviz.cli import demo, explaining, genetics, models, report, session, study
from gexviz.cli.shared import app

__all__ = ["app", "demo", "explaining", "genetics", "main", "models", "report", "session", "study"]


def main() -> None:
    """Run the command line."""
    app()
