"""How much of each of many windows is N in the reference, without reading any base twice."""

from __future__ import annotations

import numpy as np

from gexviz.cohort.reference import Reference

_CHUNK = 4_000_000


def count_n(reference: Reference, contig: str, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Count the N bases of windows of one contig.

    Parameters
    ----------
    reference : Reference
    contig : str
        As the reference names it.
    starts, ends : ndarray of int, shape (n,)
        0-based half-open, inside the contig; windows may overlap.

    Returns
    -------
    ndarray of int64, shape (n,)
        Bases other than A, C, G and T.

    Notes
    -----
    Each base that lies in any window is read once; what is kept are the edges of the gaps. The number of N before a
    position is piecewise linear between these edges.
    """
    if len(starts) == 0:
        return np.zeros(0, dtype=np.int64)
    edges = [np.zeros(0, dtype=np.int64)]
    for start, end in _union(starts, ends):
        for at in range(start, end, _CHUNK):
            edges.append(_gaps(reference.fetch(contig, at, min(at + _CHUNK, end))) + at)
    edge = np.concatenate(edges)  # start, end, start, end, ...
    if len(edge) == 0:
        return np.zeros(len(starts), dtype=np.int64)
    before = np.zeros(len(edge), dtype=np.int64)  # N before each edge
    before[1::2] = np.cumsum(edge[1::2] - edge[::2])
    before[2::2] = before[1:-1:2]
    return np.rint(np.interp(ends, edge, before) - np.interp(starts, edge, before)).astype(np.int64)


def _union(starts: np.ndarray, ends: np.ndarray) -> list[tuple[int, int]]:
    """Disjoint stretches that cover the same bases, in order."""
    order = np.argsort(starts, kind="stable")
    begin, reach = starts[order], np.maximum.accumulate(ends[order])
    first = np.flatnonzero(np.r_[True, begin[1:] > reach[:-1]])
    last = np.r_[first[1:] - 1, len(begin) - 1]
    return [(int(begin[a]), int(reach[b])) for a, b in zip(first, last, strict=True)]


def _gaps(bases: np.ndarray) -> np.ndarray:
    """Starts and ends of the runs without A, C, G, T, alternating."""
    is_gap = ~np.isin(bases, np.frombuffer(b"ACGT", dtype=np.uint8))
    return np.flatnonzero(np.diff(np.r_[False, is_gap, False].astype(np.int8)))
