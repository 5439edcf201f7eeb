"""Values of bases as bigWig, where pyBigWig is installed."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd

from gexviz.errors import GexvizError
from gexviz.exporting import ucsc as rules
from gexviz.exporting.intervals import Exported, intervals_of
from gexviz.files import written_whole
from gexviz.lazy import lazy

pyBigWig = lazy("pyBigWig")


def write_bigwig(
    table: pd.DataFrame, path: str | Path, contig: str, contig_length: int, *, ucsc: bool = False
) -> Exported:
    """Write values of bases as a bigWig file.

    Parameters
    ----------
    table : DataFrame
        ``position`` (0-based), ``inserted`` (bool), ``value``; a row a base, NaN where there is no value.
    path : path
    contig : str
        As the reference has it.
    contig_length : int
        bp; the file's header needs it.
    ucsc : bool
        Whether to write UCSC's name of the contig (``chr22``) instead of the reference's.

    Returns
    -------
    Exported
        Intervals written, as float32, and rows left out: inserted bases have no place on the reference.

    Raises
    ------
    GexvizError
        If pyBigWig isn't installed or there is nothing to write.
    """
    if find_spec("pyBigWig") is None:
        raise GexvizError(
            "writing bigWig needs pyBigWig, which is not installed",
            file=path,
            remedy="pip install pyBigWig, or write bedGraph instead",
        )
    chromosome = rules.chromosome(contig, ucsc=ucsc)
    start, end, value, left_out = intervals_of(table)
    if len(start) == 0:
        raise GexvizError("no base has a value and a place on the reference", file=path, remedy="choose another region")
    if end[-1] > contig_length:
        raise ValueError(f"position {end[-1]} is past the end of {contig} ({contig_length} bp)")
    with written_whole(path) as draft:
        draft.touch()  # for its error, if the folder is missing: pyBigWig has none
        with pyBigWig.open(str(draft), "w") as out:
            out.addHeader([(chromosome, int(contig_length))])
            chromosomes = np.full(len(start), chromosome, dtype=object).tolist()
            out.addEntries(chromosomes, start.tolist(), ends=end.tolist(), values=value.tolist())
    return Exported(Path(path), len(start), left_out)
