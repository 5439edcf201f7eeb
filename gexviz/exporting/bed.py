"""Variants and motif sites as BED with nine columns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from gexviz.exporting import ucsc as rules
from gexviz.exporting.intervals import Exported, comment
from gexviz.figures import theme
from gexviz.files import written_whole

_GAINED, _LOST, _PLAIN = theme.POSITIVE[0], theme.NEGATIVE[0], theme.QUIET
_LONGEST_NAME = 255


class _Items(NamedTuple):
    """Columns of the file, equally long."""

    chromosome: list[str]
    start: np.ndarray
    end: np.ndarray
    name: list[str]
    score: np.ndarray
    strand: list[str]
    colour: list[str]


def write_variants_bed(
    effects: pd.DataFrame,
    path: str | Path,
    contig: str | Sequence[str],
    *,
    name: str,
    value: str = "effect_reference",
    ucsc: bool = False,
) -> Exported:
    """Write variants as a BED track, coloured by the sign of their effect.

    Parameters
    ----------
    effects : DataFrame
        Index: variant ids; ``position`` (0-based), ``ref``, and the column `value`.
    path : path
    contig : str or sequence of str
        As the reference has it; or one for each variant, which then stay in the order of their contigs.
    name : str
        Of the track.
    value : str
        The effect. Scores are 1,000 for the largest absolute effect and in proportion for the others.
    ucsc : bool
        Whether to write UCSC's name of the contig.

    Returns
    -------
    Exported
        Variants without an effect are left out.
    """
    has_effect = np.isfinite(effects[value].to_numpy(dtype=float))
    known = effects[has_effect]
    contigs = [contig] * len(known) if isinstance(contig, str) else np.array(contig, dtype=object)[has_effect]
    effect = known[value].to_numpy(dtype=float)
    largest = np.abs(effect).max(initial=0.0)
    start = known["position"].to_numpy(dtype=np.int64)
    items = _Items(
        [rules.chromosome(str(c), ucsc=ucsc) for c in contigs],
        start,
        start + known["ref"].str.len().to_numpy(dtype=np.int64),
        [str(variant) for variant in known.index],
        np.abs(effect) / (largest or 1.0) * 1000,
        ["."] * len(known),
        [_GAINED if e > 0 else _LOST if e < 0 else _PLAIN for e in effect],
    )
    note = comment(len(effects) - len(known), "variants without an effect")
    return _write(items, path, name, note, len(effects) - len(known))


def write_sites_bed(sites: pd.DataFrame, path: str | Path, contig: str, *, name: str, ucsc: bool = False) -> Exported:
    """Write motif sites as a BED track.

    Parameters
    ----------
    sites : DataFrame
        ``start``, ``end`` (0-based half-open, on the reference), ``motif``, ``strand``, ``p``; if known ``inserted``
        (bases of the site that are) and ``change`` (gained and stronger have the colour of positive effects, lost and
        weaker that of negative ones).
    path : path
    contig : str
        As the reference has it.
    name : str
        Of the track.
    ucsc : bool
        Whether to write UCSC's name of the contig.

    Returns
    -------
    Exported
        Scores are ``-100 log10 p``, at most 1,000. Sites without a p-value are left out.
    """
    p = sites["p"].to_numpy(dtype=float)
    known = sites[np.isfinite(p)]
    p = np.maximum(known["p"].to_numpy(dtype=float), 1e-300)
    change = known["change"] if "change" in known else pd.Series("", index=known.index)
    colours = {"gained": _GAINED, "stronger": _GAINED, "lost": _LOST, "weaker": _LOST}
    items = _Items(
        [rules.chromosome(contig, ucsc=ucsc)] * len(known),
        known["start"].to_numpy(dtype=np.int64),
        known["end"].to_numpy(dtype=np.int64),
        [str(motif) for motif in known["motif"]],
        -100 * np.log10(p),
        [strand if strand in ("+", "-") else "." for strand in known["strand"]],
        [colours.get(word, _PLAIN) for word in change],
    )
    left_out = len(sites) - len(known)
    note = comment(left_out, "sites without a p-value")
    if "inserted" in known and (partly := int((known["inserted"] > 0).sum())):
        note += f"# {partly:,} sites have inserted bases, which the reference has no place for\n"
    return _write(items, path, name, note, left_out)


def _write(items: _Items, path: str | Path, name: str, note: str, left_out: int) -> Exported:
    rank = {contig: number for number, contig in enumerate(dict.fromkeys(items.chromosome))}
    order = np.lexsort((items.end, items.start, np.array([rank[contig] for contig in items.chromosome], int)))
    score = np.clip(np.round(items.score), 0, 1000).astype(int)
    with written_whole(path) as draft, draft.open("w", encoding="ascii", newline="\n") as out:
        out.write(f"{rules.track_line('', name, 'visibility=pack', 'itemRgb=On')}\n{note}")
        for i in order.tolist():
            place = f"{items.start[i]}\t{items.end[i]}"
            cells = (items.chromosome[i], place, _item_name(items.name[i]), score[i], items.strand[i], place)
            out.write("\t".join(map(str, cells)) + f"\t{rules.colour(items.colour[i])}\n")
    return Exported(Path(path), len(order), left_out)


def _item_name(name: str) -> str:
    """Printable ASCII without spaces, as BED may be split at any white space."""
    return re.sub(r"[^!-~]+", "_", name.strip())[:_LONGEST_NAME] or "."
