"""Models that are run by somebody else: what they send, to whom, and the way out that a study gives them.

A family of this kind sends nothing by itself. It says where sequence would go (:class:`SendsSequence`), and is given an
:class:`Outbox` by the study, which knows whether that was agreed to, keeps a log of what was sent, and the answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol, runtime_checkable

from gexviz.errors import GexvizError
from gexviz.models.base import Model, ModelSpec

Answer = Mapping[str, float]
"""What is kept of an answer: a number a track."""


class Destination(NamedTuple):
    """Where sequence would go.

    Attributes
    ----------
    recipient : str
        Who gets it, as people know them.
    address : str
        Host and port.
    sends : str
        What a request holds, in words.
    terms : str
        Where the recipient's terms of use stand.
    """

    recipient: str
    address: str
    sends: str
    terms: str


class Outbox(Protocol):
    """The one way out of a study."""

    def require_agreement(self, gene: str) -> None:
        """See that sending sequence around a gene was agreed to; GexvizError if not."""
        ...

    def log(self, gene: str, bases: int) -> None:
        """Take note of a request, before it is sent."""
        ...

    def answers(self, keys: Iterable[str]) -> Mapping[str, Answer]:
        """Answers that are kept, of those requests that have one."""
        ...

    def keep(self, key: str, answer: Answer) -> None:
        """Keep the answer to a request, from any thread; on disk when this returns."""
        ...


@runtime_checkable
class SendsSequence(Protocol):
    """Sends sequence to another machine, through the outbox of a study and no other way."""

    spec: ModelSpec
    destination: Destination

    def through(self, outbox: Outbox) -> Model:
        """Give the same model with a study's outbox."""
        ...


class NoWayOut:
    """The outbox of a model that belongs to no study: it lets nothing out.

    Parameters
    ----------
    name : str
        The model's.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def require_agreement(self, gene: str) -> None:
        """Refuse."""
        raise self._refusal()

    def log(self, gene: str, bases: int) -> None:
        """Refuse."""
        raise self._refusal()

    def answers(self, keys: Iterable[str]) -> Mapping[str, Answer]:
        """None are kept."""
        return {}

    def keep(self, key: str, answer: Answer) -> None:
        """Refuse."""
        raise self._refusal()

    def _refusal(self) -> GexvizError:
        return GexvizError(
            f"{self._name} would send sequence to another machine, and belongs to no study that agreed to it",
            expected="a model of a study: study.model(...)",
            remedy="open it through its study; docs/privacy.md says what is sent",
        )
