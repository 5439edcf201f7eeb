"""The ``alphagenome`` family: AlphaGenome (Avsec et al. 2026), as its service predicts it or with weights here."""

from __future__ import annotations

import copy
import hashlib
import importlib
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from typing import Any

import numpy as np

from gexviz.errors import Cancelled, GexvizError
from gexviz.models.alphagenome_readout import AROUND_TSS, EXON_FLOOR, Spans, alphagenome_spec, spans_of
from gexviz.models.base import GeneLocus, Model, ModelSpec
from gexviz.models.options import AlphaGenomeOptions
from gexviz.models.pacing import Stop
from gexviz.models.remote import Answer, Destination, NoWayOut, Outbox

SCHEMA = 1
"""Raised when the same request would be answered by other numbers."""


class AlphaGenomeModel:
    """AlphaGenome of any gene; nothing is predicted before it is bound to one, as the readout is the gene's.

    Parameters
    ----------
    spec : ModelSpec
    options : AlphaGenomeOptions
    service : Service
        See :class:`gexviz.models.alphagenome_service.Service`.
    """

    def __init__(self, spec: ModelSpec, options: AlphaGenomeOptions, service: Any) -> None:
        self.spec = spec
        self.destination = Destination(
            "the AlphaGenome service of Google DeepMind",
            options.address,
            f"one sequence of {options.window:,} bp a request, without names or positions",
            "https://deepmind.google.com/science/alphagenome/terms",
        )
        self._options, self._service = options, service
        self._outbox: Outbox = NoWayOut(spec.name)
        self._gene: GeneLocus | None = None
        self._spans: Spans = ()

    def through(self, outbox: Outbox) -> AlphaGenomeModel:
        """Give the same model with a study's outbox."""
        other = copy.copy(self)
        other._outbox = outbox
        return other

    def for_gene(self, gene: GeneLocus, exons: Sequence[tuple[int, int]]) -> AlphaGenomeModel:
        """Give the model of one gene; where the annotation has no exons, the whole gene is read."""
        other = copy.copy(self)
        other._gene, other._spans = gene, spans_of(gene, exons, self._options)
        return other

    def unavailable(self, gene: GeneLocus) -> str | None:
        """Say why a gene can't be served: never, as far as the model knows."""
        return None

    def fingerprint(self) -> dict[str, str]:
        """What is asked, of whom, and how it is read; whether the service has other weights since, nobody can tell."""
        told = self._options.model_dump(mode="json", exclude={"per_minute", "at_once"})
        return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in
                (("spec", repr(self.spec)), ("request", json.dumps([SCHEMA, told], sort_keys=True)))}  # fmt: skip

    def predict_sequences(self, onehot: np.ndarray) -> np.ndarray:
        """Predict from one-hot sequence; only what was never asked before leaves the machine.

        Parameters
        ----------
        onehot : ndarray, float32 (batch, 4, window)
            A, C, G, T, or N (zeros).

        Returns
        -------
        ndarray, float64 (batch,)

        Raises
        ------
        GexvizError
            If the study did not agree to sending, or the service does not answer; answers that came are kept.
        ValueError
            For an array of another shape, or one that is not letters.
        """
        if self._gene is None:
            raise ValueError(f"{self.spec.name} reads a gene's coverage: give it one with for_gene")
        sequences = letters(onehot, self._options.window)
        keys = [self._key(sequence) for sequence in sequences]
        known = dict(self._outbox.answers(set(keys)))
        waiting = {key: text for key, text in zip(keys, sequences, strict=True) if key not in known}
        if waiting:
            self._outbox.require_agreement(self._gene.id)
            known |= self._ask(waiting)
        return np.array([self._number(known[key]) for key in keys], dtype=np.float64)

    def _key(self, sequence: str) -> str:
        """Hash of a request, of what is read of its answer, and of the sequence."""
        assert self._gene is not None
        asked = self._options
        of = [SCHEMA, asked.address, asked.version, asked.output, asked.ontology, self._gene.strand, self._spans]
        return hashlib.blake2b(json.dumps(of).encode() + sequence.encode(), digest_size=16).hexdigest()

    def _ask(self, waiting: Mapping[str, str]) -> dict[str, Answer]:
        """Ask the service, a few requests at a time; every answer is kept as it comes.

        After a failure nothing more is sent, and what is under way is waited for, as it was sent already. Who stops the
        work doesn't wait: it is cancelled.
        """
        stop, futures = Stop(), {}
        with ThreadPoolExecutor(self._options.at_once) as pool:
            try:
                futures = {key: pool.submit(self._answer, key, text, stop) for key, text in waiting.items()}
                wait(futures.values())
            finally:
                stop.cancel()
        failures = [failure for future in futures.values() if (failure := future.exception()) is not None]
        if failures:
            raise min(failures, key=lambda failure: isinstance(failure, Cancelled))  # what the others were stopped by
        return {key: future.result() for key, future in futures.items()}

    def _answer(self, key: str, sequence: str, stop: Stop) -> Answer:
        """Ask for one sequence, and keep the answer; where that fails, have no other request begin."""
        assert self._gene is not None
        try:
            note = partial(self._outbox.log, self._gene.id, len(sequence))
            answer = self._means(self._service.coverage(sequence, stop, note))
            self._outbox.keep(key, answer)
        except BaseException:
            stop.set()
            raise
        return answer

    def _means(self, coverage: Any) -> Answer:
        """Mean coverage of the tracks of the gene's strand, and of those without one."""
        assert self._gene is not None
        where = np.concatenate([np.arange(*span) for span in self._spans])
        means = coverage.values[where].mean(axis=0, dtype=np.float64)
        tracks = zip(coverage.names, coverage.strands, means.tolist(), strict=True)
        return {f"{name} {strand}": mean for name, strand, mean in tracks if strand in (self._gene.strand, ".")}

    def _number(self, answer: Answer) -> float:
        """One number of the tracks that were asked for."""
        means = np.array(list(self._chosen(answer).values()))
        if self._options.output == "rna_seq":
            return float(np.log(means + EXON_FLOOR).mean())
        return float(np.log2(1 + means * (2 * AROUND_TSS + 1)).mean())

    def _chosen(self, answer: Answer) -> Answer:
        names = {track: track.rpartition(" ")[0] for track in answer}
        wanted = self._options.tracks or tuple(names.values())
        missing = sorted(set(wanted) - set(names.values()))
        if missing or not names:
            assert self._gene is not None
            raise GexvizError(
                f"the service has no {self._options.output} track {missing[0] if missing else ''} of the "
                f"{self._gene.strand} strand for {self._options.ontology}",
                place=f"[models.{self.spec.name}] tracks",
                expected="of " + (", ".join(sorted(set(names.values()))) or "another ontology term"),
                remedy="name one of these, or none to read their mean",
            )
        return {track: answer[track] for track, name in names.items() if name in wanted}


def letters(onehot: np.ndarray, window: int) -> list[str]:
    """One-hot sequences as text.

    Parameters
    ----------
    onehot : ndarray (batch, 4, window)
        Of zeros and ones; nothing at N.
    window : int

    Raises
    ------
    ValueError
        For another shape, and for numbers between: the service reads letters.
    """
    if onehot.ndim != 3 or onehot.shape[1:] != (4, window):
        raise ValueError(f"the service takes (batch, 4, {window}), not {onehot.shape}")
    if not (((onehot == 0) | (onehot == 1)).all() and (onehot.sum(axis=1) <= 1).all()):
        raise ValueError("the service reads letters: one-hot sequence of zeros and ones, all zeros at N")
    index = np.where(onehot.any(axis=1), onehot.argmax(axis=1), 4)
    return [text.tobytes().decode() for text in np.frombuffer(b"ACGTN", np.uint8)[index]]


def open_model(name: str, options: AlphaGenomeOptions) -> Model:
    """Open AlphaGenome: local weights, or what its service predicts. Nothing is connected to or sent.

    Parameters
    ----------
    name : str
        Its name in the study.
    options : AlphaGenomeOptions

    Returns
    -------
    AlphaGenomeModel or AlphaGenomeHere
    """
    if options.weights is not None:
        here: Model = _module("alphagenome_local", "alphagenome-pytorch 0.2.8").open_local(name, options)
        return here
    service = _module("alphagenome_service", "alphagenome 0.10")
    request = service.Request(options.output, options.ontology, options.version)
    spec = alphagenome_spec(
        name,
        options,
        verified="not verified against the service; requests and answers in the messages of its own client",
        licence="terms of the service: not for commercial use",
    )
    return AlphaGenomeModel(spec, options, service.Service(options.address, request, options.per_minute))


def _module(name: str, package: str) -> Any:
    """A module that needs extra libraries."""
    try:
        return importlib.import_module(f"gexviz.models.{name}")
    except ImportError as error:
        raise GexvizError(
            f"the package {package} is needed to open this model: {error}",
            expected=f"{package} or newer, and what it needs",
            remedy=f'pip install "gexviz[{name.replace("_service", "").replace("_", "-")}]"',
        ) from None
