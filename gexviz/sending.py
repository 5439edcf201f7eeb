"""What of a study leaves this machine: asked for, agreed to, logged; and the answers, kept so that nothing goes twice.

Two logs stand in the results folder, a JSON object a line, only ever added to: ``agreements.jsonl`` (agreed, withdrawn)
and ``sent.jsonl`` (a line a request, written before it is sent). They hold counts, never sample ids or sequence.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from gexviz.errors import GexvizError
from gexviz.models.remote import Answer, Destination
from gexviz.results import Part, digest_of

if TYPE_CHECKING:
    from gexviz.study import Study

AGREEMENTS, SENT = "agreements.jsonl", "sent.jsonl"
_COLUMNS = ["time", "model", "address", "gene", "sequences", "bases"]


class Offer(NamedTuple):
    """What would be sent, to be agreed to.

    Attributes
    ----------
    study, model : str
    destination : Destination
    people, genes : int
        In the study now.
    digest : str
        Of all of it, and of who and which these are: an agreement holds for exactly this.
    """

    study: str
    model: str
    destination: Destination
    people: int
    genes: int
    digest: str

    def told(self) -> tuple[str, ...]:
        """Sentences for people to read before they agree."""
        to = self.destination
        return (
            f"{self.model} is run by others: its predictions are made by {to.recipient}, at {to.address}.",
            f"To predict, gexviz sends it the DNA sequence around a gene: {to.sends}.",
            f"These are the sequences of both chromosomes of {self.people:,} people of {self.study}, and of the "
            f"reference, at up to {self.genes:,} genes; and, for mutagenesis and effects, altered copies of them.",
            "No names, sample ids, expression or other data are sent. But a person's sequence is itself personal: "
            "rare variants in it can tell who it is, and what was sent can't be called back.",
            "Agree only if these people's consent, your institution and the recipient's terms allow it: "
            f"{to.terms}",
        )


class Sending:
    """The way out of a study for one of its models.

    Parameters
    ----------
    study : Study
    model : str
    destination : Destination
    """

    def __init__(self, study: Study, model: str, destination: Destination) -> None:
        self._study, self._model, self._destination = study, model, destination

    @property
    def offer(self) -> Offer:
        """What would be sent, as the study is now."""
        study, people, genes = self._study, list(self._study.samples.index), list(self._study.genes.index)
        digest = digest_of(study.name, self._model, self._destination, people, genes)
        return Offer(study.name, self._model, self._destination, len(people), len(genes), digest)

    @property
    def agreed(self) -> bool:
        """Whether it is agreed that exactly this may be sent."""
        last = self._last_act()
        return last is not None and last["act"] == "agreed" and last["digest"] == self.offer.digest

    @property
    def command(self) -> str:
        """What to type to read what is sent, and to agree."""
        study = self._study
        elsewhere = study.results.folder != study.config.results_folder
        results = ["--results", str(study.results.folder)] if elsewhere else []
        return shlex.join(["gexviz", "models", "consent", str(study.config.path), "--model", self._model, *results])

    def agree(self, confirm: str, digest: str) -> None:
        """Agree to an offer that was read, and have it on record.

        Parameters
        ----------
        confirm : str
            The study's name, as a confirmation that it is meant.
        digest : str
            Of that :attr:`offer`.

        Raises
        ------
        GexvizError
            For another name, a folder that can't be written, or if something else would be sent by now.
        """
        offer = self.offer
        if digest != offer.digest:
            raise GexvizError(
                f"what {self._model} would send has changed since it was read: nothing was agreed to",
                file=self._study.config.path,
                expected="the same people, genes and recipient as were shown",
                remedy="read what is sent now, and agree if it may be",
            )
        if confirm != offer.study:
            raise GexvizError(
                f"sending people's sequence to {self._destination.address} was not confirmed",
                expected=f"the study's name: {offer.study!r}",
                remedy="read what is sent, and give the name if it may be",
            )
        self._note("agreed", offer)

    def withdraw(self) -> None:
        """Take an agreement back; what was sent before stays there."""
        self._note("withdrawn", self.offer)

    def sent(self) -> pd.DataFrame:
        """What this study has sent for the model: a row a request; ``time`` (UTC), ``gene``, counts."""
        rows = [row for row in _lines(self._path(SENT)) if row["model"] == self._model]
        return pd.DataFrame(rows, columns=_COLUMNS)

    # -- what the model uses -------------------------------------------------------------------------------------

    def require_agreement(self, gene: str) -> None:
        """See that it is agreed that sequence around a gene may be sent.

        Parameters
        ----------
        gene : str
            Its id.

        Raises
        ------
        GexvizError
            If not: says how to agree. An agreement is to the study's genes, not to all of the annotation.
        """
        if gene not in self._study.genes.index:
            raise GexvizError(
                f"{self._model} would send people's sequence around {gene}, which is not among the study's genes",
                file=self._study.config.path,
                place=self._study.config.place("models", self._model),
                expected="a gene with expression, as an agreement is to these; nothing was sent",
                remedy="choose one of them, or a model that runs on this machine",
            )
        if self.agreed:
            return
        last = self._last_act()
        changed = last is not None and last["act"] == "agreed"
        raise GexvizError(
            f"{self._model} would send people's sequence to {self._destination.address}"
            + (": the people, genes or recipient are others than was agreed to" if changed else ", without agreement"),
            file=self._study.config.path,
            place=self._study.config.place("models", self._model),
            expected="an agreement on record; nothing was sent",
            remedy=f"read what is sent, and agree: {self.command}; or on the app's Models page",
        )

    def log(self, gene: str, bases: int) -> None:
        """Take note of a request, before it is sent; from any thread."""
        row = {
            "time": _now(),
            "model": self._model,
            "address": self._destination.address,
            "gene": gene,
            "sequences": 1,
            "bases": bases,
        }
        _append(self._path(SENT), row)

    def answers(self, keys: Iterable[str]) -> Mapping[str, Answer]:
        """Answers that are kept, of those requests that have one."""
        found = self._study.results.parts(self._answers_key, keys)
        return {key: dict(zip(part.facts["tracks"], part.numbers.tolist(), strict=True)) for key, part in found.items()}

    def keep(self, key: str, answer: Answer) -> None:
        """Keep the answer to a request, from any thread; on disk when this returns."""
        part = Part(np.array(list(answer.values()), dtype=np.float64), {"tracks": list(answer)})
        self._study.results.put_parts(self._answers_key, {key: part})

    # -- the inner workings --------------------------------------------------------------------------------------

    @property
    def _answers_key(self) -> str:
        """The same for every model that asks this address: requests are told apart by their own keys."""
        return digest_of("answers", self._destination.address)

    def _last_act(self) -> dict[str, Any] | None:
        acts = [row for row in _lines(self._path(AGREEMENTS)) if row["model"] == self._model]
        return acts[-1] if acts else None

    def _note(self, act: str, offer: Offer) -> None:
        row = {
            "time": _now(),
            "act": act,
            "study": offer.study,
            "model": offer.model,
            "recipient": offer.destination.recipient,
            "address": offer.destination.address,
            "sends": offer.destination.sends,
            "people": offer.people,
            "genes": offer.genes,
            "digest": offer.digest,
        }
        _append(self._path(AGREEMENTS), row)

    def _path(self, name: str) -> Path:
        return self._study.results.folder / name


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _lines(path: Path) -> list[dict[str, Any]]:
    """Read a log; nothing where there is none."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return []
    try:
        return [json.loads(line) for line in text.splitlines()]
    except json.JSONDecodeError as error:
        raise GexvizError(
            f"the log can't be read: {error}",
            file=path,
            expected="a JSON object a line, as gexviz writes it",
            remedy="restore it from a copy, or move it away: then everything is asked anew",
        ) from None


def _append(path: Path, row: dict[str, Any]) -> None:
    """Add a line to a log; on disk when this returns."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
            file.flush()  # one write at the file's end, whole beside those of other threads
            os.fsync(file.fileno())
    except OSError as error:
        raise GexvizError(
            f"the log can't be written: {error.strerror}",
            file=path,
            expected="a results folder that this user may write to",
            remedy="what can't be noted isn't sent; correct its permissions or free some space",
        ) from None
