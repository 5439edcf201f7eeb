"""Mutagenesis by stretches, for models too long for single bases: deletions and shuffles of tiles.

Indices are 0-based and half-open, into the sequence in the model's own direction; an effect is altered - original.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gexviz.analysis.memory import predict_within_memory
from gexviz.analysis.pacing import Pacing
from gexviz.analysis.shuffling import dinucleotide_shuffles
from gexviz.errors import GexvizError
from gexviz.models.base import PredictsSequences
from gexviz.tasks import Progress

_BATCH_BYTES = 8_000_000


class TileEffects(NamedTuple):
    """Effects of altering one stretch after the other.

    Attributes
    ----------
    start, end : ndarray, int64 (n,)
        0-based half-open, into the sequence in the model's direction.
    effect : ndarray, float64 (n,)
        Altered - original on the model's scale; the mean where a tile was altered several times.
    sd : ndarray, float64 (n,)
        Standard deviation of the alterations' effects (n - 1); NaN where there is one only.
    """

    start: np.ndarray
    end: np.ndarray
    effect: np.ndarray
    sd: np.ndarray


def tiles(start: int, end: int, width: int, step: int) -> np.ndarray:
    """Lay tiles over a stretch.

    Parameters
    ----------
    start, end : int
        0-based half-open; every tile is wholly inside, and the last one ends at `end`.
    width, step : int
        bp; a stretch narrower than `width` is one tile.

    Returns
    -------
    ndarray, int64 (n, 2)
        Start and end of each.
    """
    if width < 1 or step < 1 or end <= start:
        raise ValueError(f"tiles of {width} every {step} from {start} to {end}")
    last = max(start, end - width)
    begin = np.unique(np.append(np.arange(start, last, step), last))
    return np.column_stack([begin, np.minimum(begin + width, end)])


def tiled_deletion(
    model: PredictsSequences,
    sequence: np.ndarray,
    tiles: np.ndarray,
    flanks: tuple[np.ndarray, np.ndarray],
    *,
    reverse: bool = False,
    original: float | None = None,
    progress: Progress | None = None,
) -> TileEffects:
    """Delete one tile after the other, truly: the sequence closes up, and the window fills from its flanks.

    Parameters
    ----------
    model : PredictsSequences
        ``model.spec.anchor`` is the base that keeps its index (the middle one, where a model has no anchor).
    sequence : ndarray, uint8 (length,)
        ASCII, in the model's own direction.
    tiles : ndarray, int (n, 2)
        From :func:`tiles`.
    flanks : tuple of ndarray, uint8
        What comes before and after the window, in the model's direction; each at least as long as the widest tile.
    reverse : bool
        Whether the window is read on the minus strand. Where the anchor itself is deleted, the base before it *on the
        reference* takes its index, as in personal haplotypes; in the model's direction that is the one after it then.
    original : float, optional
        Prediction of the sequence as it is, where that is known.
    progress : callable, optional
        ``progress(done, total, label)``; may raise Cancelled.

    Returns
    -------
    TileEffects
    """
    stretches = _checked(sequence, tiles)
    anchor = len(sequence) // 2 if model.spec.anchor is None else model.spec.anchor
    widest = int(np.diff(stretches).max(initial=0))
    if min(len(flanks[0]), len(flanks[1])) < widest:
        raise GexvizError(
            f"deletions of {widest:,} bp need as much sequence on each side of the window",
            expected=f"{widest:,} bp before and after it, not {len(flanks[0]):,} and {len(flanks[1]):,}",
            remedy="choose narrower tiles, or give longer flanks",
        )
    whole = np.concatenate([flanks[0], sequence, flanks[1]])

    def altered(start: int, end: int) -> np.ndarray:
        if end <= anchor:
            moved = anchor - (end - start)
        elif start > anchor:
            moved = anchor
        else:
            moved = start if reverse else start - 1
        begin, first = len(flanks[0]) + moved - anchor, len(flanks[0]) + start
        closed = np.concatenate([whole[:first], whole[first + end - start :]])
        return closed[begin : begin + len(sequence)][None]

    return _effects(model, sequence, stretches, altered, original, progress)


def window_shuffle(
    model: PredictsSequences,
    sequence: np.ndarray,
    tiles: np.ndarray,
    *,
    n: int = 10,
    seed: int = 7,
    original: float | None = None,
    progress: Progress | None = None,
) -> TileEffects:
    """Shuffle one tile after the other, its dinucleotides kept.

    Parameters
    ----------
    model : PredictsSequences
    sequence : ndarray, uint8 (length,)
        ASCII, in the model's own direction.
    tiles : ndarray, int (n, 2)
        From :func:`tiles`.
    n : int
        Shuffles a tile.
    seed : int
        A tile's shuffles depend on it and on where the tile starts, not on which others are asked for.
    original : float, optional
        Prediction of the sequence as it is, where that is known.
    progress : callable, optional
        ``progress(done, total, label)``; may raise Cancelled.

    Returns
    -------
    TileEffects
        Mean and standard deviation over the shuffles.
    """
    if n < 1:
        raise ValueError(f"n is the number of shuffles, not {n}")

    def altered(start: int, end: int) -> np.ndarray:
        copies = np.repeat(sequence[None], n, axis=0)
        copies[:, start:end] = dinucleotide_shuffles(sequence[start:end], n, seed + start)
        return copies

    return _effects(model, sequence, _checked(sequence, tiles), altered, original, progress)


def _checked(sequence: np.ndarray, tiles: np.ndarray) -> np.ndarray:
    if sequence.dtype != np.uint8 or sequence.ndim != 1:
        raise ValueError(f"a sequence is uint8 (length,), not {sequence.dtype} {sequence.shape}")
    stretches = np.asarray(tiles, dtype=np.int64).reshape(-1, 2)
    if ((stretches[:, 0] < 0) | (stretches[:, 1] > len(sequence)) | (stretches[:, 0] >= stretches[:, 1])).any():
        raise ValueError(f"tiles lie within 0 to {len(sequence)}, and none is empty")
    return stretches


def _effects(
    model: PredictsSequences,
    sequence: np.ndarray,
    stretches: np.ndarray,
    altered: Callable[[int, int], np.ndarray],
    original: float | None,
    progress: Progress | None,
) -> TileEffects:
    """Predict the alterations of each stretch, (k, length)."""
    if original is None:
        original = float(predict_within_memory(model, sequence[None])[0])
    pacing = Pacing()
    effect, sd = np.zeros(len(stretches)), np.full(len(stretches), np.nan)
    done = 0
    while done < len(stretches):
        batch = [altered(*stretches[done].tolist())]
        room = max(1, _BATCH_BYTES // batch[0].size)
        batch += [altered(*stretch) for stretch in stretches[done + 1 : done + room].tolist()]
        sequences = np.concatenate(batch)
        values = np.empty(len(sequences))
        for part in pacing.steps(len(sequences)):
            values[part] = predict_within_memory(model, sequences[part]) - original
            if progress is not None:
                progress(done + part.stop // len(batch[0]), len(stretches), "tiles")
        repeats = values.reshape(len(batch), -1)
        here = slice(done, done + len(batch))
        effect[here] = repeats.mean(axis=1)
        if repeats.shape[1] > 1:
            sd[here] = repeats.std(axis=1, ddof=1)
        done += len(batch)
    return TileEffects(stretches[:, 0], stretches[:, 1], effect, sd)
