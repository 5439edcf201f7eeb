"""Settings of training, light to import."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from gexviz.errors import GexvizError

LinearMethod = Literal["enet", "lasso", "ridge", "top_eqtl"]

MIN_TEST_PEOPLE = 4  # Fisher's z has the variance 1 / (n - 3)


@dataclass(frozen=True)
class LinearSettings:
    """How linear models are trained; the defaults are PredictDB's elastic nets.

    Attributes
    ----------
    method : {"enet", "lasso", "ridge", "top_eqtl"}
        See :mod:`gexviz.analysis.linear_methods`.
    window : int
        bp on each side of the TSS whose variants may enter.
    maf : float
        Least frequency of a variant's rarer allele in the people of the training.
    alpha : float
        Share of the lasso penalty in an elastic net, above 0 and at most 1; other methods don't use it.
    outer_folds, inner_folds : int
        Of the nested cross-validation.
    min_people : int
        Genes with expression of fewer people aren't trained.
    seed : int
        Each gene's folds are drawn from this and the gene's id.
    keep : {"significant", "all"}
        Genes whose weights go into the file: those that pass PredictDB's filter, or all that have any.
    """

    method: LinearMethod = "enet"
    window: int = 1_000_000
    maf: float = 0.01
    alpha: float = 0.5
    outer_folds: int = 5
    inner_folds: int = 10
    min_people: int = 50
    seed: int = 1
    keep: Literal["significant", "all"] = "significant"

    def __post_init__(self) -> None:
        """Refuse settings that can't be trained with."""
        checks = [
            ("method", self.method in get_args(LinearMethod), ", ".join(get_args(LinearMethod))),
            ("window", self.window >= 1, "at least 1 bp"),
            ("maf", 0.0 <= self.maf < 0.5, "0 or more, and below 0.5"),
            ("alpha", 0.0 < self.alpha <= 1.0, "above 0 and at most 1 (1 is the lasso)"),
            ("outer_folds", self.outer_folds >= 2, "2 or more"),
            ("inner_folds", self.inner_folds >= 3, "3 or more"),
            ("min_people", self.min_people >= MIN_TEST_PEOPLE * self.outer_folds, "4 or more for each outer fold"),
            ("seed", self.seed >= 0, "0 or more"),
            ("keep", self.keep in ("significant", "all"), "significant or all"),
        ]
        for name, fine, expected in checks:
            if not fine:
                raise GexvizError(f"{name} = {getattr(self, name)!r} can't be used", place=name, expected=expected)

    @property
    def mixing(self) -> float:
        """Share of the lasso penalty: 1 for the lasso, 0 for ridge, NaN where there is no penalty."""
        return {"enet": self.alpha, "lasso": 1.0, "ridge": 0.0, "top_eqtl": float("nan")}[self.method]

    def as_dict(self) -> dict[str, Any]:
        """All settings by name."""
        return asdict(self)
