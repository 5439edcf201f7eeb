"""Motifs: in attributions, in sequences, and made or broken by variants."""

from __future__ import annotations

import importlib
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from gexviz.analysis import motif_scan
from gexviz.errors import GexvizError
from gexviz.lazy import lazy
from gexviz.models.onehot import one_hot

memelite_fimo = lazy("memelite.fimo")
memelite_tomtom = lazy("memelite.tomtom")
numba_dispatcher = lazy("numba.core.dispatcher")

THRESHOLD = 1e-4
"""FIMO's default: one site in 10,000 places of a random sequence."""

FEW_MOTIFS = 25
"""With fewer motifs, p-values of :func:`annotate_seqlets` depend strongly on which motifs there are."""

MOST_HITS = 2_000_000
LONGEST_SEQLET = 50

_SHORTEST, _LONGEST = 4, 25  # of seqlets, as tangermeme has them
_SAME = 1e-9  # bits
_NUMBA = threading.Lock()  # numba's simplest threading layer ends the process if two threads enter it at once

_SEQLETS = ["start", "end", "attribution", "p"]
_ANNOTATED = ["seqlet", "start", "end", "rank", "motif", "strand", "offset", "overlap", "p", "e"]
_HITS = ["motif", "start", "end", "strand", "score", "p"]
_CHANGES = ["motif", "change", "allele", "start", "end", "strand", "score_ref", "score_alt", "p_ref", "p_alt"]


def seqlets(attribution: np.ndarray, threshold: float = 0.01) -> pd.DataFrame:
    """Find short stretches of large attribution, positive and negative.

    Parameters
    ----------
    attribution : ndarray, float (length,)
        Of the base that is there, at each place of a sequence.
    threshold : float
        Every span within a seqlet has a p-value below this. P-values rank spans; they are no error rates, as they
        treat places as independent.

    Returns
    -------
    DataFrame
        ``start``, ``end`` (0-based half-open indices into `attribution`, 4 to 25 long), ``attribution`` (sum over it),
        ``p``; by p. Seqlets don't overlap: a negative one that touches a positive one is left out.

    References
    ----------
    Recursive seqlets of tangermeme (Schreiber 2025, bioRxiv 10.1101/2025.08.08.669296).
    """
    values = np.asarray(attribution, dtype=np.float64)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise ValueError("attribution is one finite value for each base")
    if len(values) < _SHORTEST:
        return _empty(_SEQLETS)
    found = pd.concat([_positive_seqlets(values, threshold), _positive_seqlets(-values, threshold)], keys=["+", "-"])
    positive, negative = (found.loc[found.index.get_level_values(0) == sign] for sign in "+-")
    taken = np.zeros(len(values) + 1, dtype=np.int64)
    for start, end in zip(positive["start"], positive["end"], strict=True):
        taken[start + 1 : end + 1] = 1
    before = np.cumsum(taken)
    free = before[negative["end"].to_numpy()] == before[negative["start"].to_numpy()]
    negative = negative[free].assign(attribution=-negative["attribution"][free])
    return pd.concat([positive, negative]).sort_values(["p", "start"], kind="stable").reset_index(drop=True)


def _positive_seqlets(values: np.ndarray, threshold: float) -> pd.DataFrame:
    longest = min(_LONGEST, len(values))
    with _NUMBA:
        found = _recursive_seqlets()(values[None], threshold=threshold, max_seqlet_len=longest)
    return found.rename(columns={"p-value": "p"})[_SEQLETS]


@cache
def _recursive_seqlets() -> Any:
    """The caller of tangermeme, compiled once a machine, not anew (5 to 20 s) in every process."""
    module = importlib.import_module("tangermeme.seqlet")
    for function in vars(module).values():
        if isinstance(function, numba_dispatcher.Dispatcher):
            with suppress(RuntimeError):  # no folder to keep it in
                function.enable_caching()
    return module.recursive_seqlets


def annotate_seqlets(
    seqlets: pd.DataFrame, matrix: np.ndarray, motifs: Mapping[str, np.ndarray], n: int = 3
) -> pd.DataFrame:
    """Compare seqlets to motifs with TOMTOM.

    Parameters
    ----------
    seqlets : DataFrame
        ``start``, ``end`` (0-based half-open indices into `matrix`), at most 50 long; its index comes back in the
        column ``seqlet``.
    matrix : ndarray, float (length, 4)
        Columns A C G T: the sequence's one-hot, or probabilities. Seqlets with a base that isn't known (a row of
        zeros) are left out.
    motifs : mapping of str to ndarray (4, width)
    n : int
        Most similar motifs of each seqlet.

    Returns
    -------
    DataFrame
        ``seqlet``, ``start``, ``end``, ``rank`` (1 is the most similar), ``motif``, ``strand`` of the motif, ``offset``
        (index in the motif, read on that strand, of the seqlet's first base; negative if the seqlet begins before the
        motif), ``overlap`` (bases), ``p`` and ``e`` (the E-value: p times the number of motifs).

    Notes
    -----
    The null is made of the motifs' own columns: with fewer than :data:`FEW_MOTIFS` p-values change much with the choice
    of motifs.

    References
    ----------
    Gupta et al. 2007, Genome Biology 8:R24, as implemented in memelite.
    """
    _check_motifs(motifs)
    values = np.asarray(matrix, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != 4 or (values < 0).any() or (values.sum(axis=1) > 1.01).any():
        raise ValueError("matrix is a one-hot or probabilities, (length, 4)")
    spans = list(zip(seqlets["start"], seqlets["end"], strict=True))
    longest = max((end - start for start, end in spans), default=0)
    if longest > LONGEST_SEQLET:
        raise GexvizError(f"a seqlet of {longest:,} bp", expected=f"at most {LONGEST_SEQLET} bp")
    known = np.concatenate([[0], np.cumsum(values.any(axis=1))])
    usable = [i for i, (start, end) in enumerate(spans) if end > start and known[end] - known[start] == end - start]
    if not usable:
        return _empty(_ANNOTATED)
    names = list(motifs)
    queries = [np.ascontiguousarray(values[slice(*spans[i])].T) for i in usable]
    targets = [np.ascontiguousarray(motifs[name], dtype=np.float64) for name in names]
    with _NUMBA, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="tomtom was given")  # FEW_MOTIFS says it
        p, _, offset, overlap, strand, target = memelite_tomtom.tomtom(queries, targets, n_nearest=min(n, len(names)))
    row = np.repeat(usable, p.shape[1])
    table = {
        "seqlet": seqlets.index.to_numpy()[row],
        "start": seqlets["start"].to_numpy()[row],
        "end": seqlets["end"].to_numpy()[row],
        "rank": np.tile(np.arange(1, p.shape[1] + 1), len(usable)),
        "motif": np.array(names, dtype=object)[target.ravel().astype(int)],
        "strand": np.where(strand.ravel() == 0, "+", "-"),
        "offset": offset.ravel().astype(np.int64),
        "overlap": overlap.ravel().astype(np.int64),
        "p": p.ravel(),
        "e": p.ravel() * len(names),
    }
    return pd.DataFrame(table, columns=_ANNOTATED)


def hits(sequence: np.ndarray, motifs: Mapping[str, np.ndarray], threshold: float = THRESHOLD) -> pd.DataFrame:
    """Find the sites of motifs in a sequence, on both strands, with FIMO.

    Parameters
    ----------
    sequence : ndarray, uint8 (length,)
        ASCII, either case. Sites with another letter than A, C, G, T are left out.
    motifs : mapping of str to ndarray (4, width)
        Probabilities of A, C, G, T.
    threshold : float
        Sites with a smaller p-value are given. The background is uniform (a quarter each base), whatever the sequence;
        motifs so short that no site is so rare have none.

    Returns
    -------
    DataFrame
        ``motif``, ``start``, ``end`` (0-based half-open indices into `sequence`), ``strand`` (+: the motif reads along
        the sequence), ``score`` (log odds, bits), ``p``; by start, end, motif, strand.

    Raises
    ------
    GexvizError
        If more than two million sites are to be expected.

    References
    ----------
    Grant et al. 2011, Bioinformatics 27:1017, as implemented in memelite.
    """
    _check_motifs(motifs)
    _check_scan(sequence, threshold)
    expected = 2 * len(sequence) * len(motifs) * threshold
    if expected > MOST_HITS:
        raise GexvizError(
            f"about {expected:,.0f} motif sites are to be expected in {len(sequence):,} bp",
            expected=f"at most {MOST_HITS:,}",
            remedy="choose a smaller p-value threshold, fewer motifs or a shorter region",
        )
    if len(sequence) == 0:
        return _empty(_HITS)
    encoded = one_hot(sequence[None]).astype(np.int8)
    named = {name: np.asarray(matrix, dtype=np.float64) for name, matrix in motifs.items()}
    with _NUMBA:
        found = memelite_fimo.fimo(
            named, encoded, bin_size=motif_scan.BIN, eps=motif_scan.PSEUDO, threshold=threshold, dim=1
        )
    if not found:
        return _empty(_HITS)
    table = found[0].rename(columns={"motif_name": "motif", "p-value": "p"})[_HITS]
    table = table.astype({"start": np.int64, "end": np.int64})
    table["p"] = np.maximum(table["p"], 0.25 ** (table["end"] - table["start"]))  # memelite gives 0 to the best sites
    unknown = np.concatenate([[0], np.cumsum(~encoded[0].any(axis=0))])
    table = table[unknown[table["end"].to_numpy()] == unknown[table["start"].to_numpy()]]
    return table.sort_values(["start", "end", "motif", "strand"], kind="stable").reset_index(drop=True)


class _Local(NamedTuple):
    """What a variant changes and as much beside it as the longest motif reaches, on both haplotypes.

    `left` bases are the same before the altered ones, of which there are `n_ref` and `n_alt`; the rest is the same too.
    """

    ref: np.ndarray
    alt: np.ndarray
    left: int
    n_ref: int
    n_alt: int


def gained_and_lost(
    before: np.ndarray,
    after: np.ndarray,
    span_before: tuple[int, int],
    span_after: tuple[int, int],
    motifs: Mapping[str, np.ndarray],
    threshold: float = THRESHOLD,
) -> pd.DataFrame:
    """Find the motif sites that a variant makes, breaks, strengthens or weakens.

    Parameters
    ----------
    before, after : ndarray, uint8 (length,)
        Haplotypes without and with the variant, ASCII, read in the same direction. Their lengths may differ, and the
        variant may stand at different indices.
    span_before, span_after : tuple of int
        Where its REF and ALT bases are, 0-based half-open. Bases that both begin or end with don't count as altered.
    motifs : mapping of str to ndarray (4, width)
    threshold : float
        A site has a smaller p-value, against a uniform background, as in :func:`hits`.

    Returns
    -------
    DataFrame
        A row for each site that overlaps altered bases (or the place where bases are inserted or deleted) on one
        haplotype or both, and whose score differs: ``motif``; ``change``: gained (a site on `after` only), lost (on
        `before` only), stronger, weaker (on both); ``start``, ``end``, ``strand`` of the site, as indices into `before`
        if ``allele`` is ref (lost), into `after` if it is alt; ``score_ref``, ``score_alt`` (bits), ``p_ref``,
        ``p_alt``. The largest ratio of p-values first.

    Raises
    ------
    ValueError
        If the haplotypes differ beside the spans, as far as motifs reach.

    Notes
    -----
    A site is compared with the place at the same distance from the altered bases on the other haplotype. Where lengths
    differ there are two such places, one counted from each side; the better is taken. A site wholly within altered
    bases of another length has none: its score and p there are NaN.
    """
    _check_motifs(motifs)
    _check_scan(before, threshold)
    _check_scan(after, threshold)
    widest = max(matrix.shape[1] for matrix in motifs.values())
    local, shift_ref, shift_alt = _localised(before, after, span_before, span_after, widest)
    rows = []
    if local.n_ref or local.n_alt:
        for names, scores in _by_width(motifs):
            for row in _changes(local, names, scores, threshold):
                shift = shift_ref if row["allele"] == "ref" else shift_alt
                rows.append(row | {"start": row["start"] + shift, "end": row["end"] + shift})
    if not rows:
        return _empty(_CHANGES)
    table = pd.DataFrame(rows, columns=_CHANGES)
    ratio = np.abs(np.log(table["p_ref"].fillna(1)) - np.log(table["p_alt"].fillna(1)))
    table = table.assign(ratio=-ratio).sort_values(["ratio", "motif", "start", "strand"], kind="stable")
    return table.drop(columns="ratio").reset_index(drop=True)


def _localised(
    before: np.ndarray, after: np.ndarray, span_before: tuple[int, int], span_after: tuple[int, int], widest: int
) -> tuple[_Local, int, int]:
    """Cut out what counts; also at which indices of the haplotypes the pieces begin."""
    (a, a_end), (b, b_end) = span_before, span_after
    if not (0 <= a <= a_end <= len(before) and 0 <= b <= b_end <= len(after)):
        raise ValueError("a span is not within its sequence")
    ref, alt = before & 0xDF, after & 0xDF  # upper case
    while a < a_end and b < b_end and ref[a] == alt[b]:
        a, b = a + 1, b + 1
    while a < a_end and b < b_end and ref[a_end - 1] == alt[b_end - 1]:
        a_end, b_end = a_end - 1, b_end - 1
    left = min(a, b, widest - 1)
    right = min(len(ref) - a_end, len(alt) - b_end, widest - 1)
    same = np.array_equal(ref[a - left : a], alt[b - left : b])
    if not same or not np.array_equal(ref[a_end : a_end + right], alt[b_end : b_end + right]):
        raise ValueError("the haplotypes differ beside the spans: there is another variant, or the spans are wrong")
    local = _Local(ref[a - left : a_end + right], alt[b - left : b_end + right], left, a_end - a, b_end - b)
    return local, a - left, b - left


def _by_width(motifs: Mapping[str, np.ndarray]) -> Iterator[tuple[list[str], np.ndarray]]:
    """Names and log odds (n, 4, width) of the motifs of each width."""
    groups: dict[int, list[str]] = {}
    for name, matrix in motifs.items():
        groups.setdefault(matrix.shape[1], []).append(name)
    for names in groups.values():
        yield names, np.stack([motif_scan.log_odds(motifs[name]) for name in names])


def _changes(local: _Local, names: list[str], scores: np.ndarray, threshold: float) -> Iterator[dict[str, Any]]:
    """Rows for the motifs of one width; starts are those of the local pieces."""
    width = scores.shape[2]
    ref, alt = motif_scan.scan(local.ref, scores), motif_scan.scan(local.alt, scores)
    tails = [motif_scan.tail_of(of_motif) for of_motif in scores]
    least = np.array([motif_scan.least_score(tail, threshold) for tail in tails])[:, None, None]
    first = max(local.left - width + 1, 0)
    is_ref, is_alt = ref > least, alt > least
    for sites, altered in ((is_ref, local.n_ref), (is_alt, local.n_alt)):
        sites[:, :, :first] = False
        sites[:, :, local.left + altered :] = False
    for k, strand in np.argwhere(is_ref.any(axis=2) | is_alt.any(axis=2)):
        here, there = ref[k, strand], alt[k, strand]
        for s, t in _pairs(local, width, here, there, is_ref[k, strand], is_alt[k, strand]):
            pair = np.array([np.nan if s is None else here[s], np.nan if t is None else there[t]])
            was, now = s is not None and is_ref[k, strand, s], t is not None and is_alt[k, strand, t]
            if was and now and abs(pair[1] - pair[0]) < _SAME:
                continue
            start = t if now else s
            p = motif_scan.p_values(pair, tails[k], width)
            yield {
                "motif": names[k],
                "change": ("stronger" if pair[1] > pair[0] else "weaker")
                if was and now
                else "gained"
                if now
                else "lost",
                "allele": "alt" if now else "ref",
                "start": start,
                "end": start + width,
                "strand": "+-"[strand],
                "score_ref": pair[0],
                "score_alt": pair[1],
                "p_ref": p[0],
                "p_alt": p[1],
            }


def _pairs(
    local: _Local, width: int, ref: np.ndarray, alt: np.ndarray, is_ref: np.ndarray, is_alt: np.ndarray
) -> list[tuple[int | None, int | None]]:
    """Sites on either haplotype, each with its place on the other."""
    n_ref, n_alt = local.n_ref, local.n_alt
    pairs: list[tuple[int | None, int | None]] = []
    for s in np.flatnonzero(is_ref):
        pairs.append((int(s), _counterpart(int(s), width, local.left, (n_ref, n_alt), alt)))
    met = {t for _, t in pairs}
    for t in np.flatnonzero(is_alt):
        if int(t) not in met:
            pairs.append((_counterpart(int(t), width, local.left, (n_alt, n_ref), ref), int(t)))
    return pairs


def _counterpart(place: int, width: int, left: int, altered: tuple[int, int], other: np.ndarray) -> int | None:
    """The better place at the same distance from the altered bases' left or right end on the other haplotype."""
    own, theirs = altered
    places = []
    if place < left or own == theirs:
        places.append(place)
    if place + width > left + own:
        places.append(place + theirs - own)
    places = [at for at in places if 0 <= at < len(other)]
    return max(places, key=lambda at: np.nan_to_num(other[at], nan=-np.inf), default=None)


def on_reference(sites: pd.DataFrame, positions: np.ndarray, inserted: np.ndarray) -> pd.DataFrame:
    """Give sites (seqlets, hits) the coordinates of the reference.

    Parameters
    ----------
    sites : DataFrame
        ``start``, ``end``: 0-based half-open indices into a sequence; ``strand`` if known.
    positions : ndarray, int64 (length,)
        0-based reference coordinate of each base of the sequence, ascending or (minus strand) descending; -1 off the
        contig.
    inserted : ndarray, bool (length,)

    Returns
    -------
    DataFrame
        The rows with ``start``, ``end`` 0-based half-open on the reference, from the first to the last base of the site
        that is not inserted; ``strand`` of the reference; ``inserted``: bases of the site that are. A site of inserted
        bases only stands on the reference base before them. Sites that reach off the contig are left out. In genome
        order.
    """
    start, end = sites["start"].to_numpy(dtype=np.int64), sites["end"].to_numpy(dtype=np.int64)
    index = np.arange(len(positions))
    following = np.minimum.accumulate(np.where(inserted, len(positions), index)[::-1])[::-1]
    preceding = np.maximum.accumulate(np.where(inserted, -1, index))
    first, last = following[start], preceding[end - 1]
    only_inserted = first > last
    first, last = np.where(only_inserted, start, first), np.where(only_inserted, start, last)
    low, high = np.minimum(positions[first], positions[last]), np.maximum(positions[first], positions[last]) + 1
    count = np.concatenate([[0], np.cumsum(inserted)])
    placed = sites.assign(start=low, end=high, inserted=count[end] - count[start])
    known = positions[positions >= 0]
    if "strand" in placed and len(known) and known[0] > known[-1]:
        placed["strand"] = placed["strand"].map({"+": "-", "-": "+"})
    off = np.concatenate([[0], np.cumsum(positions < 0)])
    placed = placed[off[end] == off[start]]
    return placed.sort_values(["start", "end"], kind="stable").reset_index(drop=True)


def _check_motifs(motifs: Mapping[str, np.ndarray]) -> None:
    if not motifs:
        raise ValueError("no motifs")
    if wrong := [name for name, matrix in motifs.items() if matrix.ndim != 2 or matrix.shape[0] != 4]:
        raise ValueError(f"motifs are (4, width): {wrong[0]} is {motifs[wrong[0]].shape}")


def _check_scan(sequence: np.ndarray, threshold: float) -> None:
    if sequence.dtype != np.uint8 or sequence.ndim != 1:
        raise ValueError(f"a sequence is uint8 (length,), not {sequence.dtype} {sequence.shape}")
    if not 0 < threshold < 1:
        raise GexvizError(f"a motif p-value threshold of {threshold:g}", expected="more than 0 and less than 1")


def _empty(columns: list[str]) -> pd.DataFrame:
    texts = {"motif", "change", "allele", "strand"}
    whole = {"seqlet", "start", "end", "rank", "offset", "overlap"}
    types = {name: "object" if name in texts else "int64" if name in whole else "float64" for name in columns}
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in types.items()})
