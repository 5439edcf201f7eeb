"""Regions as people type them, ``22:20,004,400-20,004,532``, 1-based closed; inside 0-based half-open."""

from __future__ import annotations

import re

from gexviz.cohort.contigs import resolve_contig
from gexviz.cohort.windows import Window
from gexviz.errors import GexvizError

_REGION = re.compile(r"^(?:(?P<contig>[^\s:]+):)?(?P<start>[\d,]+)\s*(?:-|–|\.\.)\s*(?P<end>[\d,]+)$")


def parse_region(text: str | None, window: Window) -> tuple[int, int]:
    """Read a region of a model's window.

    Parameters
    ----------
    text : str or None
        ``contig:start-end`` or ``start-end``, 1-based closed, with or without thousands separators; None for the whole
        window.
    window : Window

    Returns
    -------
    start, end : int
        0-based half-open.

    Raises
    ------
    GexvizError
        For text that is no region, another contig, or a region that is not inside the window.
    """
    if text is None or not text.strip():
        return window.start, window.end
    expected = f"a region inside the model's window, {region_text(window.contig, window.start, window.end)}"
    found = _REGION.match(text.strip())
    if found is None:
        raise GexvizError(f"'{text}' is not a region", expected=expected)
    contig = found["contig"]
    if contig is not None and resolve_contig(contig, [window.contig]) is None:
        raise GexvizError(f"the region is on {contig}, the gene on {window.contig}", expected=expected)
    start, end = int(found["start"].replace(",", "") or 0) - 1, int(found["end"].replace(",", "") or 0)
    if not window.start <= start < end <= window.end:
        raise GexvizError(
            f"the region {region_text(window.contig, start, end)} is not inside the model's window",
            expected=expected,
            remedy="choose a region inside the window, or none for the whole window",
        )
    return start, end


def region_text(contig: str, start: int, end: int) -> str:
    """A 0-based half-open region as people read it."""
    return f"{contig}:{start + 1:,}-{end:,}"
