"""Heads: weights that make one number of an embedding, in a safetensors file that tells what they were trained on."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from gexviz.cohort.genes import unversioned_id
from gexviz.errors import GexvizError
from gexviz.files import written_whole

Across = Literal["genes", "people"]
REMEDY = "train again: gexviz train head STUDY --model NAME --out FILE; or take head out of the study"
NO_HEAD = "the model has no head yet"
_KEY = "gexviz"


class AboutHead(BaseModel):
    """What a file of heads tells of itself.

    Attributes
    ----------
    embedding : str
        Hash of what made the embeddings that they were trained on.
    across : {"genes", "people"}
        ``genes``: one head for all genes, a row for each fold of genes that was left out. ``people``: a row a gene.
    rows : dict
        Gene -> row of the head that predicts it.
    others : int or None
        Row for all other genes; without it they can't be predicted.
    scale : str
        Unit of the prediction.
    method : str
        How it was trained, in words.
    settings : dict
        Of the training.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["gexviz-head-1"] = "gexviz-head-1"
    embedding: str
    across: Across
    rows: dict[str, int]
    others: int | None = None
    scale: str = Field(min_length=1)
    method: str = Field(min_length=1)
    settings: dict[str, Any] = {}

    @property
    def count(self) -> int:
        """Rows that there have to be."""
        return 1 + max([*self.rows.values(), -1 if self.others is None else self.others], default=-1)

    @model_validator(mode="after")
    def _rows(self) -> Self:
        if min([*self.rows.values(), self.others or 0], default=0) < 0:
            raise ValueError("a row below 0")
        return self


class LinearHead(NamedTuple):
    """One head: ``embedding @ coefficients + intercept``; float64."""

    coefficients: np.ndarray
    intercept: float

    def __call__(self, embeddings: np.ndarray) -> np.ndarray:
        """Predict, (n, dim) -> (n,)."""
        return embeddings.astype(np.float64) @ self.coefficients + self.intercept


class Heads:
    """The heads of a file.

    Parameters
    ----------
    about : AboutHead
    coefficients : ndarray, float64 (rows, dim)
    intercepts : ndarray, float64 (rows,)
    """

    def __init__(self, about: AboutHead, coefficients: np.ndarray, intercepts: np.ndarray) -> None:
        self.about = about
        self.coefficients = coefficients
        self.intercepts = intercepts

    def of(self, gene: str) -> LinearHead | None:
        """The head for a gene, by its id with or without version; None if there is none."""
        row = self.about.rows.get(gene, self._plain.get(unversioned_id(gene), self.about.others))
        return None if row is None else LinearHead(self.coefficients[row], float(self.intercepts[row]))

    @cached_property
    def _plain(self) -> dict[str, int]:
        return {unversioned_id(gene): row for gene, row in self.about.rows.items()}


def write_heads(path: str | Path, heads: Heads) -> None:
    """Write heads, whole or not at all.

    Raises
    ------
    GexvizError
        If the file can't be written.
    """
    arrays = {
        "coefficients": np.ascontiguousarray(heads.coefficients, np.float64),
        "intercepts": np.ascontiguousarray(heads.intercepts, np.float64),
    }
    with written_whole(path) as draft:
        save_file(arrays, draft, metadata={_KEY: heads.about.model_dump_json()})


def read_heads(path: Path) -> Heads:
    """Read a file that :func:`write_heads` wrote.

    Raises
    ------
    GexvizError
        For another file, or rows that are missing or not finite.
    """
    try:
        with safe_open(path, framework="np") as file:
            about = AboutHead.model_validate_json((file.metadata() or {}).get(_KEY, ""))
            coefficients, intercepts = (file.get_tensor(name) for name in ("coefficients", "intercepts"))
    except ValidationError as error:
        raise _not_heads(path, error.errors()[0]["msg"]) from None
    except (SafetensorError, OSError) as error:
        raise _not_heads(path, str(error)) from None
    if coefficients.ndim != 2 or intercepts.shape != coefficients.shape[:1] or len(intercepts) < about.count:
        raise _not_heads(path, f"coefficients {coefficients.shape}, intercepts {intercepts.shape}, {about.count} rows")
    if not (np.isfinite(coefficients).all() and np.isfinite(intercepts).all()):
        raise _not_heads(path, "it holds NaN or infinity")
    return Heads(about, coefficients, intercepts)


def _not_heads(path: Path, why: str) -> GexvizError:
    return GexvizError(
        f"this is no file of heads: {why}",
        file=path,
        expected="the .safetensors that `gexviz train head` writes",
        remedy=REMEDY,
    )
