"""Genome builds: told from contig lengths, and known under several names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from gexviz.cohort.contigs import resolve_contig
from gexviz.lazy import lazy

bioframe = lazy("bioframe")

_ASSEMBLIES = {"GRCh37": "hg19", "GRCh38": "hg38", "T2T-CHM13": "hs1"}
_NAMES = [
    (r"grch37|hg19|b37|hs37d5|humang1kv37", "GRCh37"),
    (r"grch38|hg38|b38|hs38dh", "GRCh38"),
    (r"t2t|chm13|hs1", "T2T-CHM13"),
]


def known_build(name: str) -> str | None:
    """The build that a name stands for: GRCh37, GRCh38, T2T-CHM13, or None (patches count as their build).

    Examples
    --------
    >>> known_build("hg19"), known_build("GRCh38.p14"), known_build("mm10")
    ('GRCh37', 'GRCh38', None)
    """
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    return next((build for pattern, build in _NAMES if re.match(pattern, plain)), None)


def same_build(one: str, other: str) -> bool:
    """Whether two names stand for the same build; unknown names must be equal but for case."""
    known = known_build(one), known_build(other)
    return one.strip().lower() == other.strip().lower() if None in known else known[0] == known[1]


def build_of_lengths(lengths: Mapping[str, int | None]) -> str | None:
    """Tell a human build from contig lengths.

    Parameters
    ----------
    lengths : mapping
        Contig, under any of its names, -> length in bp or None.

    Returns
    -------
    str or None
        The one build in which all the chromosomes 1-22, X and Y that are there have these lengths. None if there is no
        such build, as for a reference that is cut short, or another species.
    """
    fitting = [build for build in _ASSEMBLIES if _fits(lengths, _lengths(build))]
    return fitting[0] if len(fitting) == 1 else None


def _fits(lengths: Mapping[str, int | None], build: Mapping[str, int]) -> bool:
    pairs = [(n, build[c]) for name, n in lengths.items() if n and (c := resolve_contig(name, build)) is not None]
    return bool(pairs) and all(n == true for n, true in pairs)


@cache
def _lengths(build: str) -> dict[str, int]:
    sizes = bioframe.assembly_info(_ASSEMBLIES[build]).chromsizes
    return {str(name): int(size) for name, size in sizes.items() if name != "chrM"}  # hg19's is not GRCh37's
