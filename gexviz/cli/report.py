"""The command that writes an offline report: ``report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gexviz.cli.shared import OutFile, app, out, readable
from gexviz.lazy import lazy
from gexviz.session.reading import read_session

reports = lazy("gexviz.session.report")

SessionFile = Annotated[Path, typer.Argument(metavar="SESSION", help="A .gexviz.zip.", show_default=False)]


@app.command(epilog="Example: gexviz report tango2.gexviz.zip --out tango2.html")
@readable
def report(session: SessionFile, file: OutFile) -> None:
    """Write a session as one HTML page that works with the network off, for people without gexviz.

    It is made anew from the session's tables; a report that is inside the session file is not looked at.
    """
    found = read_session(session)
    size = reports.write_report(found, file)
    out.print(f"{file}: {size / 1e6:.1f} of {reports.LIMIT / 1e6:.0f} MB, {len(found.state.views):,} views, "
              f"level {found.manifest.level}", markup=False)  # fmt: skip
