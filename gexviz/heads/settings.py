"""How heads are trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from gexviz.analysis.settings import MIN_TEST_PEOPLE, LinearSettings
from gexviz.errors import GexvizError
from gexviz.models.language.head import MOST_SEGMENTS, Across, HeadMethod


@dataclass(frozen=True)
class HeadSettings:
    """How heads are trained.

    Attributes
    ----------
    method : {"ridge", "mlp", "attention"}
        ``ridge``: linear in the embedding; the penalty has the least error of leaving out one row at a time. ``mlp``:
        one hidden layer on the embedding. ``attention``: a weighted mean of the embeddings of equal parts of the
        window, by attention, then linear. All on standardised embeddings.
    across : {"genes", "people"}
    folds : int
        Of genes, stretches of the genome; or of people, drawn at random.
    seed : int
        Of the folds of people, of the parts that networks leave out, and of the first weights of ``mlp``.
    min_people : int
        Across people: genes with expression of fewer aren't trained.
    segments : int
        ``attention``: parts of the window, 2 to 64.
    networks : int
        ``mlp`` and ``attention``: fitted side by side and averaged; each leaves out another part of its training, one
        in `networks`, and stops when the error of that part grows.
    units : int
        ``mlp``: in the hidden layer of each network.
    """

    method: HeadMethod = "ridge"
    across: Across = "genes"
    folds: int = 5
    seed: int = 1
    min_people: int = 50
    segments: int = 16
    networks: int = 4
    units: int = 32

    def __post_init__(self) -> None:
        most = self.min_people // MIN_TEST_PEOPLE
        checks = [
            ("method", self.method in get_args(HeadMethod), ", ".join(get_args(HeadMethod))),
            ("across", self.across in get_args(Across), "genes or people"),
            ("folds", self.folds >= 2, "2 or more"),
            ("folds", self.across == "genes" or self.folds <= most, f"2 to {most} across people"),
            ("seed", self.seed >= 0, "0 or more"),
            ("segments", 2 <= self.segments <= MOST_SEGMENTS, f"2 to {MOST_SEGMENTS}"),
            ("networks", 2 <= self.networks <= 10, "2 to 10"),
            ("units", 1 <= self.units <= 1_000, "1 to 1,000"),
        ]
        for name, fine, expected in checks:
            if not fine:
                raise GexvizError(f"{name} = {getattr(self, name)!r} can't be used", place=name, expected=expected)

    @property
    def parts(self) -> int | None:
        """Parts of the window that are embedded apart; None for the embedding of the whole."""
        return self.segments if self.method == "attention" else None

    @property
    def linear(self) -> LinearSettings:
        """The same across people, as settings of linear training."""
        return LinearSettings(method="ridge", outer_folds=self.folds, seed=self.seed, min_people=self.min_people)
