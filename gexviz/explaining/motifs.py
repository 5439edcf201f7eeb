"""Motifs at a gene: in what the model looks at, and gained and lost by variants."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from gexviz.analysis import motifs
from gexviz.cohort.background import Background
from gexviz.cohort.editing import edits_of
from gexviz.cohort.variant_sequences import VariantSequences
from gexviz.errors import GexvizError
from gexviz.explaining.attributions import per_base
from gexviz.explaining.gradients import Gradients
from gexviz.explaining.ism import Ism
from gexviz.explaining.target import Labels

Motifs = Mapping[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Seqlets:
    """Short stretches that the prediction comes from, and the motifs they look like.

    Attributes
    ----------
    labels : Labels
    table : DataFrame
        A row a seqlet and rank: ``seqlet``, ``start``, ``end`` (0-based half-open on the reference), ``attribution``
        (sum, on the model's scale), ``p`` (of the seqlet), ``rank``, ``motif``, ``strand`` (of the genome),
        ``motif_p``, ``motif_e`` (TOMTOM's; with few motifs in the file they say little). Seqlets that look like no
        motif have one row without.
    """

    labels: Labels
    table: pd.DataFrame

    @property
    def sites(self) -> pd.DataFrame:
        """The most similar motif of each seqlet, as a motif track takes it."""
        best = self.table[self.table["rank"] == 1]
        return pd.DataFrame(
            {
                "start": best["start"],
                "end": best["end"],
                "strand": best["strand"],
                "motif": best["motif"],
                "score": best["attribution"].abs(),
                "p": best["motif_p"],
            }
        ).reset_index(drop=True)


def find_seqlets(attribution: Ism | Gradients, known: Motifs, *, threshold: float = 0.01, n: int = 3) -> Seqlets:
    """Find seqlets in an attribution, and annotate them.

    Parameters
    ----------
    attribution : Ism or Gradients
        Of a region; ISM counts with the importance of the base that is there.
    known : mapping of str to ndarray (4, width)
        From :func:`gexviz.analysis.meme.read_motifs`.
    threshold : float
        See :func:`gexviz.analysis.motifs.seqlets`.
    n : int
        Most similar motifs of each.
    """
    bases = per_base(attribution)
    found = motifs.seqlets(bases["value"].to_numpy(np.float64), threshold)
    letters = bases["ref"].to_numpy(dtype="U1")
    matrix = (letters[:, None] == np.array(list("ACGT"))).astype(np.float64)
    similar = motifs.annotate_seqlets(found, matrix, known, n)
    similar = similar[["seqlet", "rank", "motif", "strand", "p", "e"]].rename(columns={"p": "motif_p", "e": "motif_e"})
    position, inserted = bases["position"].to_numpy(np.int64), bases["inserted"].to_numpy(bool)
    placed = motifs.on_reference(found.rename_axis("seqlet").reset_index(), position, inserted)
    table = placed.merge(similar, on="seqlet", how="left").drop(columns="inserted")
    return Seqlets(attribution.labels, table)


def sites(background: Background, region: tuple[int, int], known: Motifs, *, threshold: float = 1e-4) -> pd.DataFrame:
    """Find the sites of motifs in a region of a sequence.

    Returns
    -------
    DataFrame
        ``motif``, ``start``, ``end`` (0-based half-open, on the reference), ``strand`` (of the genome), ``score``
        (bits), ``p``.
    """
    index = background.within(*region)
    found = motifs.hits(background.sequence[index], known, threshold)
    placed = motifs.on_reference(found, background.positions[index], background.inserted[index])
    return placed[["motif", "start", "end", "strand", "score", "p"]]


def changed_sites(
    found: VariantSequences,
    variants: Iterable[str],
    known: Motifs,
    *,
    threshold: float = 1e-4,
    haplotype: tuple[str, int] | None = None,
) -> pd.DataFrame:
    """Motif sites that variants make, break, strengthen or weaken.

    Parameters
    ----------
    found : VariantSequences
        Of the model's window.
    variants : iterable of str
    known : mapping of str to ndarray (4, width)
    threshold : float
        A site's p-value, against a uniform background.
    haplotype : (sample, copy), optional
        On this person's haplotype; on the reference if not given.

    Returns
    -------
    DataFrame
        ``variant``, ``motif``, ``change`` (gained, lost, stronger, weaker), ``start``, ``end`` (0-based half-open, on
        the reference), ``strand`` (of the genome), ``score_ref``, ``score_alt`` (bits), ``p_ref``, ``p_alt``; for each
        variant the largest change first.
    """
    columns = ["variant", "motif", "change", "start", "end", "strand", "score_ref", "score_alt", "p_ref", "p_alt"]
    tables = []
    for variant in variants:
        without, with_alt = found.pair(variant, *(haplotype or (None, None)))  # type: ignore[arg-type]
        changes = _changes(without, with_alt, variant, known, threshold)
        order = changes.reset_index()
        parts = []
        for allele, on in (("ref", without), ("alt", with_alt)):
            here = order[order["allele"] == allele]
            parts.append(motifs.on_reference(here, on.positions, on.inserted))
        placed = pd.concat(parts).sort_values("index", kind="stable").assign(variant=variant)
        tables.append(placed.reindex(columns=columns))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)


def _changes(
    without: Background, with_alt: Background, variant: str, known: Motifs, threshold: float
) -> pd.DataFrame:
    spans = altered(without, with_alt, variant)
    try:
        return motifs.gained_and_lost(without.sequence, with_alt.sequence, *spans, known, threshold)
    except ValueError as error:  # a deletion of the TSS itself moves both sides
        raise GexvizError(
            f"the sequences beside variant {variant} can't be laid on each other: {error}",
            expected="a variant that leaves the TSS in place",
            remedy="leave this variant out",
        ) from None


def altered(without: Background, with_alt: Background, variant: str) -> tuple[tuple[int, int], tuple[int, int]]:
    """Where a variant's bases are in the sequences without and with it.

    Parameters
    ----------
    without, with_alt : Background
        From :meth:`gexviz.cohort.variant_sequences.VariantSequences.pair`.
    variant : str

    Returns
    -------
    span_without, span_with : tuple of int
        0-based half-open indices, in the sequences' direction, of the bases of REF and of ALT that differ.

    Raises
    ------
    GexvizError
        If both sequences are the same: the variant is not in the window.
    """
    _, position, ref, alt = variant.rsplit(":", 3)
    differs = np.flatnonzero(without.sequence != with_alt.sequence)
    if not len(differs):
        raise GexvizError(f"variant {variant} changes nothing in the model's window", remedy="choose one inside it")
    edit = edits_of(int(position) - 1, ref, (alt,))[1].edit
    removed, added = edit.end - edit.start, len(edit.bases)
    if without.window.anchor <= differs[0]:  # what is between the TSS and the variant stays in place
        first = int(differs[0])
        return (first, first + removed), (first, first + added)
    last = int(differs[-1]) + 1
    return (last - removed, last), (last - added, last)

