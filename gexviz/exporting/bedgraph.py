"""Values of bases as bedGraph."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from gexviz.exporting import ucsc as rules
from gexviz.exporting.intervals import Exported, comment, intervals_of
from gexviz.figures import theme
from gexviz.files import written_whole


def write_bedgraph(table: pd.DataFrame, path: str | Path, contig: str, *, name: str, ucsc: bool = False) -> Exported:
    """Write values of bases as a bedGraph track.

    Parameters
    ----------
    table : DataFrame
        ``position`` (0-based), ``inserted`` (bool), ``value``; a row a base, NaN where there is no value.
    path : path
    contig : str
        As the reference has it.
    name : str
        Of the track; cut to what UCSC allows.
    ucsc : bool
        Whether to write UCSC's name of the contig (``chr22``) instead of the reference's.

    Returns
    -------
    Exported
        Intervals written (neighbours of equal value are one), and rows left out: inserted bases have no place on the
        reference. A comment in the file says how many.
    """
    chromosome = rules.chromosome(contig, ucsc=ucsc)
    start, end, value, left_out = intervals_of(table)
    colours = f"color={rules.colour(theme.POSITIVE[0])}", f"altColor={rules.colour(theme.NEGATIVE[0])}"
    head = rules.track_line("bedGraph", name, "visibility=full", *colours, "alwaysZero=on", "autoScale=on")
    with written_whole(path) as draft, draft.open("w", encoding="ascii", newline="\n") as out:
        out.write(f"{head}\n{comment(left_out, 'inserted bases or bases without a value')}")
        for row in zip(start.tolist(), end.tolist(), value.tolist(), strict=True):
            out.write(f"{chromosome}\t{row[0]}\t{row[1]}\t{row[2]:.6g}\n")
    return Exported(Path(path), len(start), left_out)
