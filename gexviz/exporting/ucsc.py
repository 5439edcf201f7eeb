"""What UCSC's browser demands of a custom track: names of chromosomes, the track line, colours.

See https://genome.ucsc.edu/goldenPath/help/customTrack.html.
"""

from __future__ import annotations

import re

from gexviz.cohort.contigs import resolve_contig
from gexviz.errors import GexvizError

_CHROMOSOMES = (*(f"chr{number}" for number in range(1, 23)), "chrX", "chrY", "chrM")
_LONGEST_NAME, _LONGEST_DESCRIPTION = 15, 60


def chromosome(contig: str, *, ucsc: bool) -> str:
    """The name of a contig in a file.

    Parameters
    ----------
    contig : str
        As the reference has it.
    ucsc : bool
        Whether to write UCSC's name for it (``chr22`` for ``22``, ``chrM`` for ``MT``) instead.

    Raises
    ------
    GexvizError
        If UCSC's name for it isn't known, as for unplaced contigs of other sources.
    """
    if not ucsc or contig.startswith("chr"):
        return "chrM" if ucsc and contig == "chrMT" else contig
    name = resolve_contig(contig, _CHROMOSOMES)
    if name is None:
        raise GexvizError(
            f"UCSC's name of the contig {contig} is not known",
            expected="a human chromosome (1-22, X, Y, MT), or a name that begins with chr",
            remedy="write the file with the reference's own contig names",
        )
    return name


def track_line(kind: str, name: str, *settings: str) -> str:
    """The line that makes a file a custom track.

    Parameters
    ----------
    kind : str
        As ``bedGraph``; empty for BED.
    name : str
        Cut to UCSC's 15 characters; up to 60 stand in the description. Quotes, line ends and all else but printable
        ASCII become spaces.
    *settings : str
        As ``visibility=full``.
    """
    text = " ".join(re.sub(r"[^!#-&(-;=?-~]", " ", name).split()) or "gexviz"
    label, description = text[:_LONGEST_NAME].rstrip(), text[:_LONGEST_DESCRIPTION].rstrip()
    parts = [f"type={kind}"] * bool(kind) + [f'name="{label}"', f'description="{description}"', *settings]
    return "track " + " ".join(parts)


def colour(hexadecimal: str) -> str:
    """``#0072B2`` as ``0,114,178``."""
    return ",".join(str(int(hexadecimal[i : i + 2], 16)) for i in (1, 3, 5))
