"""Effects of setting and unsetting variants on the sequences that a model reads: the reference's, and haplotypes'."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from gexviz.analysis.ism import Mutagenesis, Progress, predict_within_memory
from gexviz.cohort.variant_sequences import VariantSequences
from gexviz.models.base import PredictsSequences
from gexviz.models.onehot import reverse_complement

_BATCH_BYTES = 64 * 1024**2
_LABEL = "variant effects"


class Steps:
    """Counts steps and tells them on.

    Parameters
    ----------
    total : int
    progress : callable, optional
        ``progress(done, total, label)``; may raise Cancelled.
    """

    def __init__(self, total: int, progress: Progress | None) -> None:
        self._done, self._total, self._progress = 0, total, progress

    def finished(self) -> None:
        """Count one step."""
        self._done += 1
        self.within(0, 0, _LABEL)

    def within(self, done: int, total: int, label: str) -> None:
        """Tell the same count again in the middle of a step, so that it can be cancelled there."""
        if self._progress is not None:
            self._progress(self._done, self._total, _LABEL)


class OnReference(NamedTuple):
    """Effects on the reference, float64 (n_variants,); NaN for a variant that can't be put on it.

    Attributes
    ----------
    effect : ndarray
        On the model's scale; for ``rc_mean`` the mean of the two strands.
    forward, reverse : ndarray
        Of each strand, for ``rc_mean``; NaN for other models.
    original : float
        Prediction of the reference.
    """

    effect: np.ndarray
    forward: np.ndarray
    reverse: np.ndarray
    original: float


class OnHaplotypes(NamedTuple):
    """Effects over backgrounds, (n_variants,) each. A background is a distinct haplotype less the variant itself.

    Attributes
    ----------
    mean, sd : ndarray, float64
        Weighted by the chromosomes with each background, whether they carry the variant or not.
    lowest, highest : ndarray, float64
    backgrounds : ndarray, int
    chromosomes : ndarray, int
        Behind the mean: all that are covered, less those where another allele is in the way.
    """

    mean: np.ndarray
    sd: np.ndarray
    lowest: np.ndarray
    highest: np.ndarray
    backgrounds: np.ndarray
    chromosomes: np.ndarray


def effects_on_reference(model: PredictsSequences, found: VariantSequences) -> OnReference:
    """Effect of each variant alone on the reference.

    Parameters
    ----------
    model : PredictsSequences
    found : VariantSequences

    Returns
    -------
    OnReference
    """
    number = len(found.variants)
    nothing = np.full(number, np.nan)
    if model.spec.strand == "rc_mean":
        strands, original = _both_strands(model, found)
        return OnReference(strands.mean(axis=1), strands[:, 0], strands[:, 1], original)
    mutagenesis = Mutagenesis(model, found.reference.sequence)
    effect = nothing.copy()
    effect[found.substitutions] = mutagenesis.substitutions(found.reference.at, found.substitution_bases[:, 1])
    for rows, sequences in _with_alt(found, whole_sequences(found)):
        effect[rows] = predict_within_memory(model, sequences) - mutagenesis.original
    return OnReference(effect, nothing, nothing, mutagenesis.original)


def effects_on_haplotypes(model: PredictsSequences, found: VariantSequences, most: int, steps: Steps) -> OnHaplotypes:
    """Effect of each variant on the haplotypes of the people who carry it, or could.

    Parameters
    ----------
    model : PredictsSequences
    found : VariantSequences
    most : int
        How many of the most common haplotypes to look at.
    steps : Steps
        Told of each haplotype's substitutions, and of each other variant.

    Returns
    -------
    OnHaplotypes
    """
    out = OnHaplotypes(
        *(np.full(len(found.variants), np.nan) for _ in range(4)), *np.zeros((2, len(found.variants)), int)
    )
    _substitutions_on_haplotypes(model, found, most, out, steps)
    known: dict[bytes, float] = {}
    for row in whole_sequences(found):
        swaps = found.swaps(int(row), found.carried[:most])
        before, after = (_predicted(model, sequences, known) for sequences in (swaps.without, swaps.with_alt))
        names = [a.tobytes() + b.tobytes() for a, b in zip(swaps.without, swaps.with_alt, strict=True)]
        first: dict[bytes, int] = {}
        group = np.array([first.setdefault(name, len(first)) for name in names], dtype=np.intp)
        effects = np.zeros(len(first))
        effects[group] = after - before
        _summarise(out, int(row), effects, np.bincount(group, swaps.copies, len(first)))
        steps.finished()
    return out


def whole_sequences(found: VariantSequences) -> np.ndarray:
    """Rows of the variants that need whole sequences: indels, and all that may touch another record."""
    ok = np.flatnonzero((found.variants["status"] == "ok").to_numpy(dtype=bool))
    return np.setdiff1d(ok, found.substitutions)


def _substitutions_on_haplotypes(
    model: PredictsSequences, found: VariantSequences, most: int, out: OnHaplotypes, steps: Steps
) -> None:
    """Each haplotype once, for those of its backgrounds that no earlier one shares."""
    carried = found.carried[:most]
    copies = np.array([background.copies.sum() for background in carried], dtype=np.int64)
    keys = _background_keys(found, most)
    effects = np.zeros(keys.shape)
    same = np.empty(keys.shape, dtype=np.intp)
    for k in range(keys.shape[1]):
        _, first, group = np.unique(keys[:, k], return_index=True, return_inverse=True)
        same[:, k] = first[group]
    for b, background in enumerate(carried):
        chosen = np.flatnonzero((same[b] == b) & (background.at >= 0))
        if len(chosen):
            mutagenesis = Mutagenesis(model, background.sequence)
            index, bases = background.at[chosen], found.substitution_bases[chosen]
            each = mutagenesis.substitutions(np.tile(index, 2), bases.T.ravel(), progress=steps.within)
            effects[b, chosen] = each[len(chosen) :] - each[: len(chosen)]
        steps.finished()
    for k, row in enumerate(found.substitutions):
        own = np.unique(same[:, k])
        _summarise(out, int(row), effects[own, k], np.bincount(same[:, k], copies)[own])


def _background_keys(found: VariantSequences, most: int) -> np.ndarray:
    """Hash of each haplotype with each substitution's REF base, uint64 (n_haplotypes, n_substitutions).

    A sum of bases times random odd numbers, modulo 2 ** 64, so that changing one base is one addition.
    """
    factors = np.random.default_rng(0).integers(0, 2**63, found.window.length, dtype=np.uint64) * np.uint64(
        2
    ) + np.uint64(1)
    keys = np.empty((len(found.carried[:most]), len(found.substitutions)), dtype=np.uint64)
    ref = found.substitution_bases[:, 0].astype(np.uint64)
    for b, background in enumerate(found.carried[:most]):
        sequence = background.sequence.astype(np.uint64)
        change = np.where(background.at >= 0, (ref - sequence[background.at]) * factors[background.at], 0)
        keys[b] = (sequence * factors).sum(dtype=np.uint64) + change.astype(np.uint64)
    return keys


def _summarise(out: OnHaplotypes, row: int, effects: np.ndarray, copies: np.ndarray) -> None:
    total = copies.sum()
    if total == 0:
        return
    mean = float(effects @ copies / total)
    out.mean[row] = mean
    out.sd[row] = np.sqrt(((effects - mean) ** 2) @ copies / total)
    out.lowest[row], out.highest[row] = effects.min(), effects.max()
    out.backgrounds[row], out.chromosomes[row] = len(effects), total


def _predicted(model: PredictsSequences, sequences: np.ndarray, known: dict[bytes, float]) -> np.ndarray:
    """Predictions, each distinct sequence run once for all calls with the same `known`."""
    names = [hashlib.blake2b(s.tobytes(), digest_size=16).digest() for s in sequences]
    new = {name: row for row, name in enumerate(names) if name not in known}
    if new:
        values = predict_within_memory(model, sequences[list(new.values())])
        known.update(zip(new, values.tolist(), strict=True))
    return np.array([known[name] for name in names], dtype=np.float64)


def _with_alt(found: VariantSequences, rows: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows of variants, and the reference with each on it, in batches of bounded memory."""
    size = max(1, _BATCH_BYTES // (16 * found.window.length))
    place = {int(row): k for k, row in enumerate(found.substitutions)}
    for begin in range(0, len(rows), size):
        batch = rows[begin : begin + size]
        sequences = np.repeat(found.reference.sequence[None], len(batch), axis=0)
        for sequence, row in zip(sequences, batch.tolist(), strict=True):
            if row in place:
                sequence[found.reference.at[place[row]]] = found.substitution_bases[place[row], 1]
            else:
                sequence[:] = found.swaps(row, [found.reference]).with_alt[0]
        yield batch, sequences


class _OneStrand:
    """A model without its mean over strands."""

    def __init__(self, model: PredictsSequences) -> None:
        self.spec = replace(model.spec, strand="none")
        self.predict_sequences = model.predict_sequences


def _both_strands(model: PredictsSequences, found: VariantSequences) -> tuple[np.ndarray, float]:
    """Effects through the whole network on each strand, (n_variants, 2), and the reference's prediction."""
    one = _OneStrand(model)

    def strands(sequences: np.ndarray) -> np.ndarray:
        both = (sequences, reverse_complement(sequences))
        return np.stack([predict_within_memory(one, each) for each in both], axis=1)

    original = strands(found.reference.sequence[None])[0]
    effects = np.full((len(found.variants), 2), np.nan)
    for rows, sequences in _with_alt(found, np.flatnonzero(found.variants["status"] == "ok")):
        effects[rows] = strands(sequences) - original
    return effects, float(original.mean())
