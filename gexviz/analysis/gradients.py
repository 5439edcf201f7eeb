"""Which bases a prediction comes from, by gradients: attributions of one sequence for any differentiable model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple, TypeVar, get_args

import numpy as np
import torch

from gexviz.analysis.memory import too_much_to_keep
from gexviz.analysis.private_network import PrivateNetwork, Strand
from gexviz.analysis.rescale import RescaledNetwork
from gexviz.analysis.shuffling import dinucleotide_shuffles
from gexviz.errors import GexvizError
from gexviz.lazy import lazy
from gexviz.models.base import Differentiable, ModelSpec
from gexviz.models.onehot import one_hot
from gexviz.tasks import Progress

captum = lazy("captum.attr")

SCHEMA = 1
"""Raised when the numbers would come out differently for the same inputs."""

Method = Literal["input_x_gradient", "saliency", "smoothgrad", "integrated_gradients", "deeplift", "deeplift_shap"]
Baseline = Literal["zero", "uniform", "shuffled"]
METHODS: tuple[Method, ...] = get_args(Method)

FLAGGED_ABOVE = 0.01
"""Part of the difference that may be missing from the sum of the attributions before a result is flagged."""

_Result = TypeVar("_Result")
_Compare = Callable[[int, torch.Tensor], tuple[torch.Tensor, float]]
_NO_MEMORY = ("out of memory", "can't allocate memory", "cannot allocate memory", "not enough memory")
_ROUNDING = 1e-6  # of the predictions: what float32 can't tell from zero
_BASES_A_BATCH = 2**18
_MOST_A_BATCH = 64


@dataclass(frozen=True)
class GradientSettings:
    """How an attribution is computed; each method uses what concerns it.

    Attributes
    ----------
    baseline : {"shuffled", "uniform", "zero"}
        What the sequence is compared with: dinucleotide shuffles of itself, 0.25 of each base, or nothing at all.
    n_baselines : int
        Shuffles, averaged over.
    n_steps : int
        Points between baseline and sequence at which integrated gradients look (Gauss-Legendre).
    noise : float
        Standard deviation of SmoothGrad's noise; a base that is there is 1.
    samples : int
        Noisy sequences that SmoothGrad averages over.
    batch_size : int or None
        Sequences a forward and backward pass; None takes what suits the window's length. Halved if memory runs out.
        DeepLIFT goes one reference at a time.
    seed : int
        Of shuffles and noise.
    """

    baseline: Baseline = "shuffled"
    n_baselines: int = 20
    n_steps: int = 50
    noise: float = 0.1
    samples: int = 50
    batch_size: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.baseline not in get_args(Baseline):
            raise GexvizError(f"there is no baseline {self.baseline!r}", expected=", ".join(get_args(Baseline)))
        for name in ("n_baselines", "n_steps", "samples", "batch_size"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise GexvizError(f"{name} is {value}", expected="1 or more")
        if not self.noise > 0:
            raise GexvizError(f"noise is {self.noise}", expected="a standard deviation above 0")


class Attribution(NamedTuple):
    r"""What each base of a sequence has to do with its prediction.

    Attributes
    ----------
    values : ndarray, float32 (length,)
        Of the base that is there, on the model's scale; 0 at N and other letters than A C G T.
    full : ndarray, float32 (length, 4)
        Of each base A C G T if it were there. Gradient methods: the corrected gradient. Integrated gradients and
        DeepLIFT: hypothetical contributions, the multipliers applied to (base - baseline), averaged over baselines, as
        DeepSHAP and TF-MoDISco have it. For all methods, full[alt] - full[ref] is the first-order effect of alt.
    method : str
    difference : float
        Prediction minus the mean prediction of the baselines; NaN for methods without completeness.
    delta : float
        How far the sum of `values` is from `difference` (completeness, or convergence, delta), measured with plain
        predictions; NaN as above.
    flagged : bool
        Whether `delta` is above 1% of \|difference\| (and above what rounding explains).
    facts : dict
        ``prediction``, ``strands``, ``note`` (None, or what a person should know), and the settings used; with
        baselines also ``largest_delta`` (of one baseline alone), ``baseline_sd`` (standard deviation of the baselines'
        predictions) and ``values_sd`` (standard deviation of a base's value across baselines, root mean square).
    """

    values: np.ndarray
    full: np.ndarray
    method: str
    difference: float
    delta: float
    flagged: bool
    facts: dict[str, Any]


def attribute(
    model: Any,
    sequence: np.ndarray,
    method: Method,
    *,
    settings: GradientSettings | None = None,
    progress: Progress | None = None,
) -> Attribution:
    """Attribute a prediction to the bases of its sequence.

    Parameters
    ----------
    model : Differentiable
        Its network isn't touched: the work is done on a private copy that shares the parameters.
    sequence : ndarray, uint8 (length,)
        ASCII, in the model's own direction.
    method : {"input_x_gradient", "saliency", "smoothgrad", "integrated_gradients", "deeplift", "deeplift_shap"}
    settings : GradientSettings, optional
    progress : Progress, optional
        Told after each batch or reference; may raise Cancelled.

    Returns
    -------
    Attribution
        In the model's direction. For ``rc_mean`` models the mean of both strands, as the prediction is.

    Raises
    ------
    GexvizError
        For a model without gradients, a gradient that isn't finite, a network that DeepLIFT can't follow, or memory
        that doesn't suffice for a single sequence.
    ValueError
        For a sequence of another shape or length.

    Notes
    -----
    - ``input_x_gradient``: the gradient minus its mean over the four bases, at the base that is there. The mean is the
      part that points off the simplex of one-hot sequences and says nothing about DNA (Majdandzic et al. 2023,
      Genome Biology 24:109).
    - ``saliency``: the largest size of that corrected gradient over the four bases (Simonyan et al. 2013).
    - ``smoothgrad``: as the first, the gradient averaged over noisy sequences (Smilkov et al. 2017).
    - ``integrated_gradients``: Sundararajan et al. 2017, ICML, by captum.
    - ``deeplift``: Shrikumar et al. 2017, ICML, rescale rule; see :mod:`gexviz.analysis.rescale`. ``deeplift_shap``:
      the same with dinucleotide-shuffled references (Lundberg & Lee 2017).

    Baselines have the sequence's own N at its N, so that these get no attribution and completeness still holds.
    """
    settings = settings or GradientSettings()
    if method not in METHODS:
        raise GexvizError(f"there is no method {method!r}", expected=", ".join(METHODS))
    if method == "deeplift_shap" and settings.baseline != "shuffled":
        raise GexvizError(
            f"deeplift_shap is DeepLIFT with shuffled references, not with the baseline {settings.baseline}",
            remedy="choose deeplift, which takes any baseline",
        )
    with torch.inference_mode(mode=False), torch.enable_grad():
        network = PrivateNetwork(model)
        _check(model.spec, sequence)
        _fit(model, network, method)
        work = _Work(network, sequence, settings, progress)
        if method in ("integrated_gradients", "deeplift", "deeplift_shap"):
            return _with_baselines(work, method)
        return _without_baselines(work, method)


class _Work:
    """One sequence and what looks at it.

    Attributes
    ----------
    network : PrivateNetwork
    onehot : torch.Tensor, (1, 4, length)
    there : torch.Tensor, bool (length,)
        Where there is a base, not N.
    batch_size : int
    """

    def __init__(
        self, network: PrivateNetwork, sequence: np.ndarray, settings: GradientSettings, progress: Progress | None
    ) -> None:
        self.network, self.settings = network, settings
        self.onehot = network.encoded(sequence)
        known = torch.from_numpy(one_hot(sequence[None])[0]).to(self.onehot.device)
        self.there = known.sum(dim=0) > 0
        self.batch_size = settings.batch_size or min(_MOST_A_BATCH, max(1, _BASES_A_BATCH // len(sequence)))
        self._sequence, self._base = sequence, known.argmax(dim=0)
        self._progress = progress

    def baselines(self) -> Iterator[torch.Tensor]:
        """What to compare with, one (1, 4, length) after another."""
        if self.settings.baseline == "shuffled":
            shuffles = dinucleotide_shuffles(self._sequence, self.settings.n_baselines, self.settings.seed)
            yield from (self.network.encoded(shuffle) for shuffle in shuffles)
        else:
            plain = torch.full_like(self.onehot, 0.25 if self.settings.baseline == "uniform" else 0.0)
            yield torch.where(self.there, plain, self.onehot)

    def of_base_there(self, full: torch.Tensor) -> torch.Tensor:
        """Of (4, length) what belongs to the base that is there; 0 at N."""
        return torch.where(self.there, full.gather(0, self._base[None])[0], 0.0)

    def told(self, done: int, total: int, label: str) -> None:
        """Tell of progress."""
        if self._progress is not None:
            self._progress(done, total, label)


def _without_baselines(work: _Work, method: str) -> Attribution:
    """Methods that look at the gradient at the sequence itself, or around it."""
    settings = work.settings
    noisy = method == "smoothgrad"
    samples = settings.samples if noisy else 1
    total = torch.zeros_like(work.onehot[0], dtype=torch.float64)
    done, size = 0, work.batch_size

    def gradients(number: int) -> torch.Tensor:
        x = work.onehot.repeat(number, 1, 1)
        if noisy:
            noise = _noise(range(done, done + number), work.onehot.shape[1:], settings.seed)
            x += settings.noise * torch.from_numpy(noise).to(x)
        x.requires_grad_()
        found = [captum.Saliency(strand).attribute(x, abs=False) for strand in work.network.strands]
        return torch.stack(found).mean(dim=0).double().sum(dim=0)

    while done < samples:
        part, size = _as_memory_allows(gradients, min(size, samples - done))
        total += part
        done += size
        work.told(done, samples, "gradients")
    full = total / samples
    full -= full.mean(dim=0, keepdim=True)
    values = torch.where(work.there, full.abs().amax(dim=0), 0.0) if method == "saliency" else work.of_base_there(full)
    facts: dict[str, Any] = {"prediction": work.network.predicted(work.onehot)}
    if noisy:
        facts |= {"samples": samples, "noise": settings.noise, "seed": settings.seed}
    return _finished(work, method, (values, full), (np.nan, np.nan, False), facts)


def _with_baselines(work: _Work, method: str) -> Attribution:
    """Methods that compare the sequence with baselines, and whose attributions sum to the difference."""
    settings = work.settings
    number = settings.n_baselines if settings.baseline == "shuffled" else 1
    compare = _integrated(work, number) if method == "integrated_gradients" else _rescaled(work, number)
    full = torch.zeros_like(work.onehot[0], dtype=torch.float64)
    mean, squares = torch.zeros_like(full[0]), torch.zeros_like(full[0])
    sums, others = [], []
    for k, baseline in enumerate(work.baselines()):
        multipliers, other = compare(k, baseline)
        hypothetical = (multipliers - (multipliers * baseline[0]).sum(dim=0)).double()
        full += hypothetical / number
        values = work.of_base_there(hypothetical)
        change = values - mean
        mean += change / (k + 1)
        squares += change * (values - mean)
        sums.append(float(values.sum()))
        others.append(other)
    prediction = work.network.predicted(work.onehot)
    difference = prediction - float(np.mean(others))
    delta = abs(float(np.mean(sums)) - difference)
    facts: dict[str, Any] = {
        "prediction": prediction,
        "baseline": settings.baseline,
        "n_baselines": number,
        "largest_delta": float(np.max(np.abs(prediction - np.array(others) - sums))),
        "baseline_sd": float(np.std(others, ddof=1)) if number > 1 else np.nan,
        "values_sd": float((squares.mean() / (number - 1)).sqrt()) if number > 1 else np.nan,
    }
    if settings.baseline == "shuffled":
        facts["seed"] = settings.seed
    if method == "integrated_gradients":
        facts["n_steps"] = settings.n_steps
    rounding = _ROUNDING * (abs(prediction) + float(np.mean(np.abs(others))))
    flagged = not delta <= max(FLAGGED_ABOVE * abs(difference), rounding)
    return _finished(work, method, (mean, full), (difference, delta, flagged), facts)


def _integrated(work: _Work, number: int) -> _Compare:
    """Integrated gradients: multipliers are the mean gradient between a baseline and the sequence."""
    steps, strands = work.settings.n_steps, work.network.strands
    size = min(work.batch_size, steps)

    def compare(k: int, baseline: torch.Tensor) -> tuple[torch.Tensor, float]:
        nonlocal size

        def mean_gradient(most: int) -> torch.Tensor:
            seen = k * steps * len(strands)

            def watched(x: torch.Tensor, strand: Strand) -> torch.Tensor:
                nonlocal seen
                y = strand(x)
                seen += len(x)
                work.told(seen, number * steps * len(strands), "integrated gradients")
                return y

            x = work.onehot.clone().requires_grad_()
            total = torch.zeros_like(work.onehot)
            for strand in strands:
                method = captum.IntegratedGradients(partial(watched, strand=strand), multiply_by_inputs=False)
                total += method.attribute(x, baseline, n_steps=steps, internal_batch_size=most).detach()
            return total[0] / len(strands)

        found, size = _as_memory_allows(mean_gradient, size)
        return found, work.network.predicted(baseline)

    return compare


def _rescaled(work: _Work, number: int) -> _Compare:
    """DeepLIFT: its multipliers, one reference at a time."""

    def names(kind: str) -> str:
        return work.network.layer_of(kind, work.onehot)

    networks, _ = _as_memory_allows(
        lambda _: [RescaledNetwork(strand, work.onehot, names) for strand in work.network.strands], 1
    )

    def compare(k: int, baseline: torch.Tensor) -> tuple[torch.Tensor, float]:
        found, _ = _as_memory_allows(lambda _: [network.multipliers(baseline) for network in networks], 1)
        work.told(k + 1, number, "DeepLIFT")
        return torch.stack([one for one, _ in found]).mean(dim=0), float(np.mean([other for _, other in found]))

    return compare


def _noise(samples: range, shape: Sequence[int], seed: int) -> np.ndarray:
    """Standard normal noise, the same for a sample whatever batch it is in."""
    return np.stack([np.random.default_rng([seed, i]).standard_normal(shape, np.float32) for i in samples])


def _finished(
    work: _Work,
    method: str,
    arrays: tuple[torch.Tensor, torch.Tensor],
    completeness: tuple[float, float, bool],
    facts: dict[str, Any],
) -> Attribution:
    """Check what came out, and say what a person should know of it."""
    values, full = (array.float().cpu().numpy() for array in arrays)
    if not (np.isfinite(full).all() and np.isfinite(values).all()):
        count = int((~np.isfinite(full)).any(axis=0).sum())
        raise GexvizError(
            f"the gradient of {work.network.name} is not finite at {count} of {full.shape[1]} bases",
            expected="finite numbers",
            remedy="look for a square root, logarithm or division of zero in the network, or use in-silico mutagenesis",
        )
    note = None
    if not full.any():
        note = (
            "The gradient is zero at every base: the network does not react to small changes of this sequence "
            "(its last units are off, or saturated). That says nothing about larger ones; see mutagenesis."
        )
    facts |= {"strands": len(work.network.strands), "note": note}
    return Attribution(values, np.ascontiguousarray(full.T), method, *completeness, facts)


def _as_memory_allows(run: Callable[[int], _Result], size: int) -> tuple[_Result, int]:
    """Run with a batch size, halved for as long as memory runs out; give the result and the size that worked."""
    while True:
        try:
            return run(size), size
        except (RuntimeError, MemoryError) as error:
            if not isinstance(error, MemoryError) and not any(words in str(error).lower() for words in _NO_MEMORY):
                raise
        if size == 1:
            raise GexvizError(
                "memory doesn't suffice for the gradient of a single sequence",
                expected="room for what every layer gives, at once",
                remedy="free some memory, use a machine with more, or use tiled deletion, which needs no gradient",
            )
        size //= 2


def _fit(model: Differentiable, network: PrivateNetwork, method: Method) -> None:
    """Keep less for the gradient where all would not fit; refuse what doesn't fit then."""
    whole = "deeplift" in method  # its rules need what went into every layer
    told = too_much_to_keep(model, "every_layer" if whole else "gradient")
    if told is None:
        return
    less = too_much_to_keep(model, "recomputed")
    if less is None and not whole:
        network.keep_less()
        return
    gradients = "integrated gradients or input x gradient, which fit; or " if less is None else ""
    raise GexvizError(
        f"{method} of {model.spec.name} takes {told if whole else f'{less}, with most layers computed twice'}",
        expected="memory for the values of the layers of one sequence",
        remedy=f"use {gradients}in-silico mutagenesis of the places of interest, or a machine or GPU with more memory",
    )


def _check(spec: ModelSpec, sequence: np.ndarray) -> None:
    """Refuse what can't be a sequence of this model."""
    if sequence.dtype != np.uint8 or sequence.ndim != 1:
        raise ValueError(f"a sequence is uint8 (length,), not {sequence.dtype} {sequence.shape}")
    if len(sequence) == 0 or (spec.window is not None and len(sequence) != spec.window):
        raise ValueError(f"{spec.name} takes {spec.window} bp, not {len(sequence)}")
