"""Moving along a window: to the side, in and out, and around a variant; 0-based half-open."""

from __future__ import annotations

from gexviz.cohort.windows import Window

NARROWEST = 20
"""bp to which one can zoom in."""


def panned(region: tuple[int, int], window: Window, share: float) -> tuple[int, int]:
    """Move by a share of the width, positive to the right, up to the window's end."""
    start, end = region
    by = round(share * (end - start))
    by = max(window.start - start, min(by, window.end - end))
    return start + by, end + by


def zoomed(region: tuple[int, int], window: Window, factor: float) -> tuple[int, int]:
    """Make a region `factor` times as wide around its middle, as far as the window goes."""
    start, end = region
    width = min(max(round(factor * (end - start)), NARROWEST), window.length)
    first = (start + end - width) // 2
    first = max(window.start, min(first, window.end - width))
    return first, first + width


def around(variant: str, window: Window, bp: int) -> tuple[int, int] | None:
    """The surroundings of a variant, `bp` on each side of its REF; None where it is not in the window."""
    parts = variant.rsplit(":", 3)
    if len(parts) != 4 or parts[0] != window.contig or not parts[1].isdigit():
        return None
    first = int(parts[1]) - 1
    last = first + len(parts[2])
    if last <= window.start or first >= window.end:
        return None
    return max(window.start, first - bp), min(window.end, last + bp)


def in_url(region: tuple[int, int], window: Window) -> str | None:
    """A region as the URL has it, 1-based closed; None for the whole window."""
    if region == (window.start, window.end):
        return None
    return f"{window.contig}:{region[0] + 1}-{region[1]}"
