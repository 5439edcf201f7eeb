"""Variants to test at the bench: what to order for an MPRA or a CRISPR edit, and what each side expects."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from gexviz.analysis.mismatch_rules import VariantClass
from gexviz.errors import GexvizError

Fetch = Callable[[str, int, int], np.ndarray]
"""Reads the reference: contig, start, end (0-based half-open) -> uint8 ASCII, as ``Reference.fetch``."""

LENGTH = 200
DEFAULT: tuple[VariantClass, ...] = ("opposite", "concordant")
CONTEXT = 60
"""Bases on each side of an edit."""

NEAR_CUT = 20
"""bp from the variant within which a guide's cut is of use."""

SEQUENCES = ["oligo_start", "oligo_end", "oligo_ref", "oligo_alt", "oligo_note", "edit_context", "guide", "guide_pam",
             "guide_strand", "guide_cut"]  # fmt: skip
_FROM_VARIANTS = ["class", "distance", "in_window", "deep_effect", "deep_mean", "deep_noise", "slope", "se", "p", "q",
                  "carriers", "frequency", "sentence"]  # fmt: skip
COLUMNS = ["gene", "variant", "contig", "position", "ref", "alt", *_FROM_VARIANTS, *SEQUENCES]

_GUIDE = 20
_CUT = 3
"""SpCas9 cuts 3 bp before its PAM, NGG (Jinek et al., Science 337:816, 2012)."""

_PLAIN = re.compile(r"[ACGTN]+")
_COMPLEMENT = str.maketrans("ACGTN", "TGCAN")


class _Guide(NamedTuple):
    """A protospacer and its PAM, read in their own direction; `cut`: bp from the variant, 0 if inside of REF."""

    sequence: str
    pam: str
    strand: str
    cut: int


def choose(variants: pd.DataFrame, classes: Collection[str] = DEFAULT) -> pd.DataFrame:
    """Choose rows worth testing: significant ones of some classes.

    Parameters
    ----------
    variants : DataFrame
        Of :class:`gexviz.analysis.mismatch.Classified`.
    classes : collection of str

    Returns
    -------
    DataFrame
        The surest first.
    """
    rows = variants[variants["significant"].to_numpy(bool) & variants["class"].isin(list(classes)).to_numpy()]
    return rows.sort_values(["p", "gene", "position"], kind="stable")


def candidates(
    variants: pd.DataFrame, fetch: Fetch, contigs: Mapping[str, int], *, length: int = LENGTH
) -> pd.DataFrame:
    """Write the sequences that an experiment on each variant needs, beside both predictions.

    Parameters
    ----------
    variants : DataFrame
        Rows of :class:`gexviz.analysis.mismatch.Classified`, as from :func:`choose`.
    fetch : callable
        Reads the reference.
    contigs : mapping
        Contig -> length in bp.
    length : int
        Of the oligo with the longer allele, bp.

    Returns
    -------
    DataFrame
        Columns `COLUMNS`; one row for each of `variants`, in their order. ``position`` is 0-based.

        ``oligo_ref``, ``oligo_alt``: the forward strand, with the variant in its middle (an odd base is on the right).
        Both have the same flanks, so that they differ by the variant alone: with an indel, the one with the shorter
        allele is shorter than `length`. ``oligo_start``, ``oligo_end``: what they cover of the reference, 0-based
        half-open. ``oligo_note`` says what is unusual; where there can be no oligos it says why, and they are empty.

        ``edit_context``: ``LEFT[REF/ALT]RIGHT`` with up to 60 bases on each side. ``guide``, ``guide_pam``,
        ``guide_strand``, ``guide_cut``: the SpCas9 protospacer whose cut is nearest to REF, within 20 bp, and how many
        bp away that is (positive: downstream on the forward strand, 0: inside of REF or at its edge); empty and missing
        without one. Off-targets are not looked at.

    Raises
    ------
    GexvizError
        For a length that leaves no room for flanks, or an id that is no variant.
    """
    if length < 20:
        raise GexvizError(f"oligos of {length} bp have no room for flanks", expected="20 bp or more")
    rows = []
    for row in variants.to_dict("records"):
        contig = _contig(str(row["variant"]))
        place = contig, int(row["position"]), str(row["ref"]).upper(), str(row["alt"]).upper()
        same = {name: row.get(name, np.nan) for name in _FROM_VARIANTS}
        head = {"gene": row["gene"], "variant": row["variant"]}
        named = dict(zip(["contig", "position", "ref", "alt"], place, strict=True))
        rows.append(head | named | same | _sequences(place, fetch, contigs, length))
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table.astype({name: "Int64" for name in ("position", "oligo_start", "oligo_end", "guide_cut", "carriers")})


def _contig(variant: str) -> str:
    parts = variant.rsplit(":", 3)
    if len(parts) != 4:
        raise GexvizError(f"'{variant}' is not a variant", expected="contig:position:ref:alt, as 22:20004537:A:G")
    return parts[0]


def _sequences(
    place: tuple[str, int, str, str], fetch: Fetch, contigs: Mapping[str, int], length: int
) -> dict[str, object]:
    """All sequences of one variant; empty, with the reason, where there can be none."""
    contig, position, ref, alt = place
    found: dict[str, object] = dict.fromkeys(SEQUENCES, "") | dict.fromkeys(("oligo_start", "oligo_end", "guide_cut"))
    if contig not in contigs:
        return found | {"oligo_note": "the reference does not have its contig"}
    if not (_PLAIN.fullmatch(ref) and _PLAIN.fullmatch(alt)):
        return found | {"oligo_note": "its alleles are not plain sequence"}
    end, last = position + len(ref), contigs[contig]
    if position < 0 or end > last or _text(fetch(contig, position, end)) != ref:
        return found | {"oligo_note": "REF is not what the reference has there"}

    def around(start: int, stop: int) -> tuple[str, str]:
        return _text(fetch(contig, max(start, 0), position)), _text(fetch(contig, end, min(stop, last)))

    left, right = around(position - CONTEXT, end + CONTEXT)
    found["edit_context"] = f"{left}[{ref}/{alt}]{right}"
    guide = _nearest_guide(*around(position - NEAR_CUT - _GUIDE - 3, end + NEAR_CUT + _GUIDE + 3), ref)
    if guide is not None:
        found |= dict(zip(["guide", "guide_pam", "guide_strand", "guide_cut"], guide, strict=True))
    flanks = length - max(len(ref), len(alt))
    start, stop = position - flanks // 2, end + flanks - flanks // 2
    if flanks < 2:
        return found | {"oligo_note": f"an allele has {max(len(ref), len(alt)):,} bp, the oligo only {length}"}
    if start < 0 or stop > last:
        return found | {"oligo_note": "the oligo would leave the contig"}
    left, right = around(start, stop)
    found |= {"oligo_start": start, "oligo_end": stop, "oligo_ref": left + ref + right, "oligo_alt": left + alt + right}
    unknown = max((left + allele + right).count("N") for allele in (ref, alt))
    return found | {"oligo_note": f"{unknown:,} bases are N in the reference" if unknown else ""}


def _text(bases: np.ndarray) -> str:
    return bases.tobytes().decode("ascii")


def _nearest_guide(left: str, right: str, ref: str) -> _Guide | None:
    """Find the protospacer with its cut nearest to REF, on either strand; of two equally near the forward one."""
    text = left + ref + right
    begin, end = len(left), len(left) + len(ref)
    found = []
    for strand, read in (("+", text), ("-", text.translate(_COMPLEMENT)[::-1])):
        for at in range(_GUIDE, len(read) - 2):
            pam, guide = read[at : at + 3], read[at - _GUIDE : at]
            if not pam.endswith("GG") or "N" in pam + guide:
                continue
            cut = at - _CUT if strand == "+" else len(text) - (at - _CUT)  # before the base at this index
            away = min(cut - begin, 0) + max(cut - end, 0)
            if abs(away) <= NEAR_CUT:
                found.append(_Guide(guide, pam, strand, away))
    return min(found, key=lambda g: abs(g.cut), default=None)
