"""Contig names: the one place where ``22`` and ``chr22`` are found to be the same."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

_NUMBERED = {"23": "X", "24": "Y", "26": "MT"}
_REFSEQ = re.compile(r"NC_0000(\d\d)\.\d+")


def resolve_contig(name: str, available: Iterable[str]) -> str | None:
    """Find a contig under the name that a file gives it.

    Parameters
    ----------
    name : str
        As anyone writes it.
    available : iterable of str
        The names of a file, in its order.

    Returns
    -------
    str or None
        One of `available`, or None if the file doesn't have that contig.

    Notes
    -----
    An exact match wins. Else these are the same: ``22`` and ``chr22`` (``chr`` in any case); ``MT``, ``M``, ``chrM``
    and ``chrMT``; ``X`` and ``x``; the RefSeq accessions of the human chromosomes (``NC_000022.11``, any version).
    PLINK's ``23``, ``24`` and ``26`` are X, Y and MT, but only where the file has no contig of that number. Everything
    else (``GL000192.1``, ``HLA-A*01:01``) must match but for case and ``chr``.

    Examples
    --------
    >>> resolve_contig("22", ["chr21", "chr22"])
    'chr22'
    >>> resolve_contig("M", ["1", "MT"])
    'MT'
    >>> resolve_contig("22", ["chr1"]) is None
    True
    """
    names = tuple(available)
    if name in names:
        return name
    index = _index(names)
    key = _key(name)
    return index.get(key) or index.get(_NUMBERED.get(key, key))


@lru_cache(maxsize=64)
def _index(names: tuple[str, ...]) -> dict[str, str]:
    """The names of a file by what they mean; the first of several wins, and a true number wins over PLINK's."""
    index: dict[str, str] = {}
    for name in names:
        index.setdefault(_key(name), name)
    for number, letter in _NUMBERED.items():
        if number in index:
            index.setdefault(letter, index[number])
    return index


def _key(name: str) -> str:
    if refseq := _REFSEQ.fullmatch(name):
        number = str(int(refseq[1]))
        return _NUMBERED.get(number, number)
    if re.fullmatch(r"NC_012920\.\d+", name):
        return "MT"
    key = re.sub(r"^chr", "", name, flags=re.IGNORECASE).upper()
    return "MT" if key == "M" else key
