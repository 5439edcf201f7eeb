"""Weights made elsewhere, found among a cohort's variants and turned to its ALT alleles."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple, TypeVar

import numpy as np
import pandas as pd

from gexviz.cohort.contigs import resolve_contig

_Key = TypeVar("_Key", int, str)

_COMPLEMENT = str.maketrans("ACGT", "TGCA")
_VARIANT = re.compile(r"([\w.]+?)[_:](\d+)[_:]([ACGTN]+)[_:]([ACGTN]+)(?:[_:](\w+))?", re.IGNORECASE)
_BUILDS = {"b37": "GRCh37", "hg19": "GRCh37", "grch37": "GRCh37", "b38": "GRCh38", "hg38": "GRCh38", "grch38": "GRCh38"}


class VariantName(NamedTuple):
    """A variant's place as its name tells it: `position` is 0-based, `build` is None where the name has none."""

    contig: str
    position: int
    ref: str
    alt: str
    build: str | None


def parse_variant(name: str) -> VariantName | None:
    """Read a name like ``chr1_1000_A_G_b38`` or ``1:1000:A:G``.

    Parameters
    ----------
    name : str

    Returns
    -------
    VariantName or None
        None for an rs number or anything else.
    """
    found = _VARIANT.fullmatch(name)
    if found is None:
        return None
    contig, position, ref, alt, build = found.groups()
    named = _BUILDS.get(build.lower(), build) if build else None
    return VariantName(contig, int(position) - 1, ref.upper(), alt.upper(), named)


def harmonise(weights: pd.DataFrame, variants: pd.DataFrame) -> pd.DataFrame:
    """Find each weight's variant in a cohort.

    A weight is looked for by position and alleles, where its ``varID`` (or ``rsid``) tells them, else by its rs number
    among the ids of the cohort. Its alleles must be those of the variant, in either order, as given or (single bases
    only) on the other strand; the first of these that fits wins. Alleles that are each other's complement (A/T, C/G)
    can't tell their strand; they are taken as given, as MetaXcan takes them, and called ambiguous, unless position and
    REF both agree.

    Parameters
    ----------
    weights : DataFrame
        ``rsid``, ``varID``, ``ref_allele``, ``eff_allele``, in upper case.
    variants : DataFrame
        ``variant`` (contig:pos:ref:alt), ``id`` (may be a list ``rs1;rs2``), ``position`` (0-based), ``ref``, ``alt``.

    Returns
    -------
    DataFrame
        As long as `weights`, in its order: ``row`` (of `variants`; -1 if missing), ``status`` (matched, flipped,
        ambiguous, missing), ``flipped`` (the effect allele is REF), ``complement`` (alleles were given on the other
        strand), ``position`` (0-based; -1 if unknown).
    """
    names = [_place(*pair) for pair in zip(weights["varID"], weights["rsid"], strict=True)]
    by_position = _rows_at(variants, {n.position for n in names if n is not None})
    by_id = _rows_with_id(variants["id"], set(weights["rsid"]))
    contigs = variants["variant"].str.rsplit(":", n=3).str[0].to_numpy(object) if len(variants) else np.empty(0, object)
    alleles = list(zip(variants["ref"], variants["alt"], strict=True))
    found = []
    for name, rsid, ref, eff in zip(names, weights["rsid"], weights["ref_allele"], weights["eff_allele"], strict=True):
        here = [] if name is None else by_position.get(name.position, [])
        here = [row for row in here if name is not None and resolve_contig(name.contig, [contigs[row]]) is not None]
        best = _best(((row, *alleles[row]) for row in here), ref, eff, placed=True)
        best = best or _best(((row, *alleles[row]) for row in by_id.get(rsid, [])), ref, eff, placed=False)
        row, status, flipped, complement = best or (-1, "missing", False, False)
        position = name.position if name is not None else -1
        found.append((row, status, flipped, complement, position))
    table = pd.DataFrame(found, columns=["row", "status", "flipped", "complement", "position"])
    table = table.astype({"row": int, "flipped": bool, "complement": bool, "position": int})
    there = table["row"] >= 0
    table.loc[there, "position"] = variants["position"].to_numpy()[table.loc[there, "row"]]
    return table


def _place(variant: str, rsid: str) -> VariantName | None:
    return parse_variant(variant) or parse_variant(rsid)


def _rows_at(variants: pd.DataFrame, positions: set[int]) -> dict[int, list[int]]:
    wanted = np.flatnonzero(variants["position"].isin(positions))
    return _grouped(zip(variants["position"].to_numpy()[wanted].tolist(), wanted.tolist(), strict=True))


def _rows_with_id(ids: pd.Series, wanted: set[str]) -> dict[str, list[int]]:
    split = ((part, row) for row, name in enumerate(ids) if isinstance(name, str) for part in name.split(";"))
    return _grouped((part, row) for part, row in split if part in wanted and part != ".")


def _grouped(pairs: Iterable[tuple[_Key, int]]) -> dict[_Key, list[int]]:
    groups: dict[_Key, list[int]] = {}
    for key, row in pairs:
        groups.setdefault(key, []).append(row)
    return groups


def _best(
    candidates: Iterable[tuple[int, str, str]], ref: str, eff: str, *, placed: bool
) -> tuple[int, str, bool, bool] | None:
    """The candidate whose alleles fit best: row, status, flipped, complement."""
    snv = len(ref) == len(eff) == 1
    other = (ref.translate(_COMPLEMENT), eff.translate(_COMPLEMENT))
    unsure = snv and other == (eff, ref)
    forms = [((ref, eff), False, False), ((eff, ref), True, False)]
    if snv and not unsure:
        forms += [(other, False, True), (other[::-1], True, True)]
    rows = list(candidates)
    for pair, flipped, complement in forms:
        for row, cohort_ref, cohort_alt in rows:
            if (cohort_ref.upper(), cohort_alt.upper()) == pair:
                sure = not unsure or (placed and not flipped)
                status = "ambiguous" if not sure else "flipped" if flipped else "matched"
                return row, status, flipped, complement
    return None
