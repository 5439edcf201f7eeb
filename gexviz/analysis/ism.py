"""In-silico mutagenesis: how a model's prediction changes when bases of one sequence do.

Everything here is in the model's own direction and on its own scale; an effect is altered - original. Where the model's
prediction is the mean of both strands, so is its effect.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np

from gexviz.analysis.incremental import Incremental, NotIncremental
from gexviz.analysis.memory import out_of_memory, predict_within_memory, too_much_to_keep
from gexviz.analysis.pacing import Pacing
from gexviz.analysis.tiles import TileEffects, tiled_deletion, tiles, window_shuffle
from gexviz.errors import GexvizError
from gexviz.models.base import Differentiable, PredictsSequences
from gexviz.models.onehot import one_hot, reverse_complement_one_hot
from gexviz.tasks import Progress

__all__ = [
    "SCHEMA",
    "Centring",
    "Mutagenesis",
    "Progress",
    "Saturation",
    "TileEffects",
    "centred",
    "predict_within_memory",
    "saturation",
    "substitution_effects",
    "tiled_deletion",
    "tiles",
    "window_shuffle",
]

Centring = Literal["raw", "alternatives", "four"]

SCHEMA = 1
"""Raised when the numbers would come out differently for the same inputs."""

_BASES = np.frombuffer(b"ACGT", dtype=np.uint8)
_UPPER = 0xDF  # clears the bit that makes a letter lower case
_TOLERANCE = 1e-5  # of what is recomputed against whole forward passes, on outputs of order 1
_LARGEST_SHARE = 0.7  # of the whole network's work; from there on plain batches are as fast
_FIRST_CHECKS, _LATER_CHECKS = 4, 1
_LABEL = "mutagenesis"


class Saturation(NamedTuple):
    """The effect of every base at some places of a sequence.

    Attributes
    ----------
    delta : ndarray, float32 (n, 4)
        Altered - original, columns A C G T in the model's direction; 0 for the base that is there.
    method : {"incremental", "plain"}
        Whether only what each mutation reaches was recomputed, or the whole network.
    reason : str or None
        Why it was plain.
    forwards : int
        Sequences that went through the whole network, those of the check included.
    """

    delta: np.ndarray
    method: Literal["incremental", "plain"]
    reason: str | None
    forwards: int


class Mutagenesis:
    """One sequence and one model, ready to be asked for the effects of mutations; what they share is computed once.

    Only what each mutation reaches is recomputed, where the model's network can be traced and that saves work. A few
    mutants of every call go through the whole network too; if any differs, all do from then on.

    Parameters
    ----------
    model : PredictsSequences
    sequence : ndarray, uint8 (length,)
        ASCII, in the model's own direction.
    plain : bool
        Run the whole network for every mutant.

    Attributes
    ----------
    method : {"incremental", "plain"}
    reason : str or None
        Why it is plain.
    original : float
        Prediction of the sequence as it is.
    forwards : int
        Sequences that went through the whole network so far.
    """

    def __init__(self, model: PredictsSequences, sequence: np.ndarray, *, plain: bool = False) -> None:
        if sequence.dtype != np.uint8 or sequence.ndim != 1:
            raise ValueError(f"a sequence is uint8 (length,), not {sequence.dtype} {sequence.shape}")
        self._model, self._sequence = model, sequence & _UPPER
        self._strands = 2 if model.spec.strand == "rc_mean" else 1
        self._engines: list[Incremental] = []
        self._checks = _FIRST_CHECKS
        self.forwards = self._strands
        begin = time.perf_counter()
        self.original = float(predict_within_memory(model, self._sequence[None])[0])
        self._pacing = Pacing(time.perf_counter() - begin)
        self.reason: str | None = "asked for" if plain else self._prepare()

    @property
    def method(self) -> Literal["incremental", "plain"]:
        """Whether only what each mutation reaches is recomputed, or the whole network."""
        return "plain" if self.reason else "incremental"

    def substitutions(self, index: np.ndarray, base: np.ndarray, *, progress: Progress | None = None) -> np.ndarray:
        """Effects of single-base substitutions.

        Parameters
        ----------
        index : ndarray, int (n,)
            0-based, into the sequence.
        base : ndarray, uint8 (n,)
            ASCII A, C, G or T in the model's direction.
        progress : callable, optional
            ``progress(done, total, label)``; may raise Cancelled.

        Returns
        -------
        ndarray, float64 (n,)
            Altered - original; exactly 0 where the base is the one that is there.

        Raises
        ------
        GexvizError
            If memory runs out with the smallest batch.
        """
        index, base = self._checked(index, base)
        effects = np.zeros(len(index))
        changed = np.flatnonzero(self._sequence[index] != base)
        changed = changed[np.argsort(index[changed], kind="stable")]
        if self.method == "incremental":
            effects[changed] = self._in_steps(self._incremental, index[changed], base[changed], progress)
            self._check(index[changed], base[changed], effects[changed])
        if self.method == "plain":
            effects[changed] = self._in_steps(self._plain, index[changed], base[changed], progress)
        return effects

    def saturation(self, index: np.ndarray, *, progress: Progress | None = None) -> Saturation:
        """Effects of all four bases at some places.

        Parameters
        ----------
        index : ndarray, int (n,)
            0-based, into the sequence.
        progress : callable, optional
            ``progress(done, total, label)``; may raise Cancelled.

        Returns
        -------
        Saturation
        """
        before = self.forwards
        index = np.asarray(index, dtype=np.int64)
        effects = self.substitutions(np.repeat(index, 4), np.tile(_BASES, len(index)), progress=progress)
        delta = effects.reshape(-1, 4).astype(np.float32)
        return Saturation(delta, self.method, self.reason, self.forwards - before)

    def _checked(self, index: np.ndarray, base: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        index = np.asarray(index, dtype=np.int64)
        base = np.asarray(base, dtype=np.uint8) & _UPPER
        if index.ndim != 1 or base.shape != index.shape:
            raise ValueError(f"index and base are (n,), not {index.shape} and {base.shape}")
        if len(index) and not (index.min() >= 0 and index.max() < len(self._sequence)):
            raise ValueError(f"index goes from {index.min()} to {index.max()}; the sequence has {len(self._sequence)}")
        if not np.isin(base, _BASES).all():
            raise ValueError("substitutions are to A, C, G or T")
        return index, base

    def _prepare(self) -> str | None:
        """Make an engine for each strand; say why not, where that can't be or saves nothing."""
        if not isinstance(self._model, Differentiable):
            return f"{self._model.spec.name} does not show its network"
        if told := too_much_to_keep(self._model, "every_layer"):
            return f"to keep the values of every layer takes {told}"
        policy = self._model.spec.n_policy
        self._onehot = one_hot(self._sequence[None], policy)[0]
        strands = [self._onehot, reverse_complement_one_hot(self._onehot)][: self._strands]
        try:
            engines = [Incremental(self._model.network(), strand) for strand in strands]
        except NotIncremental as error:
            return str(error)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            return "there is not enough memory to keep the values of every layer"
        self.forwards += 2 * len(engines)
        if engines[0].share > _LARGEST_SHARE:
            return "a mutation reaches nearly all that the network computes: nothing can be saved"
        if not abs(np.mean([engine.result for engine in engines]) - self.original) <= self._tolerance():
            return "the network does not give what the model predicts"
        self._engines = engines
        self._pacing.seconds *= engines[0].share
        return None

    def _tolerance(self) -> float:
        return _TOLERANCE * max(1.0, abs(self.original))

    def _in_steps(
        self,
        effects: Callable[[np.ndarray, np.ndarray], np.ndarray],
        index: np.ndarray,
        base: np.ndarray,
        progress: Progress | None,
    ) -> np.ndarray:
        """Do some mutants at a time, and tell the progress."""
        found = np.zeros(len(index))
        for here in self._pacing.steps(len(index)):
            found[here] = effects(index[here], base[here])
            if progress is not None:
                progress(here.stop, len(index), _LABEL)
        return found

    def _check(self, index: np.ndarray, base: np.ndarray, effects: np.ndarray) -> None:
        """Compare a few mutants with plain forward passes; turn to these where they differ."""
        rows = np.random.default_rng(len(index)).permutation(len(index))[: self._checks]
        self._checks = _LATER_CHECKS
        if not np.isfinite(effects).all():
            self.reason = "recomputing only what mutations reach gave values that are not finite"
        elif len(rows):
            worst = np.abs(self._plain(index[rows], base[rows]) - effects[rows]).max()
            if not worst <= self._tolerance():
                self.reason = f"recomputing only what mutations reach differed by {worst:.1e} from whole forward passes"

    def _incremental(self, index: np.ndarray, base: np.ndarray) -> np.ndarray:
        """Effects by recomputing what each mutation reaches; index ascends."""
        effects = np.empty(len(index))
        wanted = one_hot(base[:, None], "zero")[:, :, 0] - self._onehot.T[index]
        first = np.flatnonzero(np.diff(index, prepend=-1))
        mutants = np.diff(first, append=len(index))
        for m in np.unique(mutants):
            rows = first[mutants == m][:, None] + np.arange(m)
            effects[rows] = self._strands_mean(index[rows[:, 0]], wanted[rows])
        return effects

    def _strands_mean(self, places: np.ndarray, delta: np.ndarray) -> np.ndarray:
        """Effects (n, m) of changes of the one-hot (n, m, 4): the mean of those on each strand."""
        last = len(self._sequence) - 1
        asked = [(places, delta), (last - places, np.ascontiguousarray(delta[:, :, ::-1]))]
        parts = [_within_memory(engine, *question) for engine, question in zip(self._engines, asked, strict=False)]
        return np.mean(parts, axis=0)

    def _plain(self, index: np.ndarray, base: np.ndarray) -> np.ndarray:
        """Effects through the whole network."""
        mutants = np.repeat(self._sequence[None], len(index), axis=0)
        mutants[np.arange(len(index)), index] = base
        self.forwards += len(index) * self._strands
        return predict_within_memory(self._model, mutants) - self.original


def _within_memory(engine: Incremental, places: np.ndarray, delta: np.ndarray) -> np.ndarray:
    """Ask an engine, in smaller batches where memory runs out."""
    while True:
        try:
            return engine.effects(places, delta)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            if not engine.use_less_memory():
                raise GexvizError(
                    "mutagenesis runs out of memory with the smallest batch",
                    remedy="close other programs, or use a machine with more memory",
                ) from error


def substitution_effects(
    model: PredictsSequences,
    sequence: np.ndarray,
    index: np.ndarray,
    base: np.ndarray,
    *,
    plain: bool = False,
    progress: Progress | None = None,
) -> np.ndarray:
    """Effect of each of some single-base substitutions.

    Parameters
    ----------
    model : PredictsSequences
    sequence : ndarray, uint8 (length,)
        ASCII, in the model's own direction.
    index : ndarray, int (n,)
        0-based, into the sequence.
    base : ndarray, uint8 (n,)
        ASCII A, C, G or T in the model's direction.
    plain : bool
        Run the whole network for every mutant.
    progress : callable, optional
        ``progress(done, total, label)``; may raise Cancelled.

    Returns
    -------
    ndarray, float64 (n,)
        Altered - original; exactly 0 where the base is the one that is there.
    """
    return Mutagenesis(model, sequence, plain=plain).substitutions(index, base, progress=progress)


def saturation(
    model: PredictsSequences,
    sequence: np.ndarray,
    index: np.ndarray,
    *,
    plain: bool = False,
    progress: Progress | None = None,
) -> Saturation:
    """Effects of all four bases at some places of a sequence.

    Parameters
    ----------
    model : PredictsSequences
    sequence : ndarray, uint8 (length,)
        ASCII, in the model's own direction.
    index : ndarray, int (n,)
        0-based, into the sequence.
    plain : bool
        Run the whole network for every mutant.
    progress : callable, optional
        ``progress(done, total, label)``; may raise Cancelled.

    Returns
    -------
    Saturation
    """
    return Mutagenesis(model, sequence, plain=plain).saturation(index, progress=progress)


def centred(delta: np.ndarray, ref_index: np.ndarray, how: Centring) -> np.ndarray:
    """Centre raw differences, by name.

    Parameters
    ----------
    delta : ndarray, float (n, 4)
        Raw: 0 for the base that is there.
    ref_index : ndarray, int (n,)
        Column of the base that is there; -1 for N.
    how : {"raw", "alternatives", "four"}
        ``raw``: as it is. ``alternatives``: less the mean of the three alternatives. ``four``: less the mean of all
        four, the zero of the base that is there among them; what is subtracted is 3/4 of the former.

    Returns
    -------
    ndarray, as `delta`
        A row without a base that is there (N) has its mean over all four taken off, for both.
    """
    if how == "raw":
        return delta.copy()
    if how not in ("alternatives", "four"):
        raise ValueError(f"centrings are raw, alternatives and four, not {how}")
    number = np.where((np.asarray(ref_index) >= 0) & (how == "alternatives"), 3, 4)
    return (delta - (delta.sum(axis=1, dtype=np.float64) / number)[:, None]).astype(delta.dtype)
