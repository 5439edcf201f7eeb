"""Heads: what makes one number of an embedding, in a safetensors file that tells what they were trained on."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from gexviz.cohort.genes import unversioned_id
from gexviz.errors import GexvizError
from gexviz.files import written_whole

Across = Literal["genes", "people"]
HeadMethod = Literal["ridge", "mlp", "attention"]
REMEDY = "train again: gexviz train head STUDY --model NAME --out FILE; or take head out of the study"
NO_HEAD = "the model has no head yet"
MOST_SEGMENTS = 64
_KEY = "gexviz"
_SHAPES: dict[HeadMethod, dict[str, tuple[str, ...]]] = {
    "ridge": {"coefficients": ("rows", "dim"), "intercepts": ("rows",)},
    "mlp": {
        "centre": ("rows", "dim"),
        "precision": ("rows", "dim"),
        "inner": ("rows", "networks", "units", "dim"),
        "inner_bias": ("rows", "networks", "units"),
        "outer": ("rows", "networks", "units"),
        "bias": ("rows", "networks"),
    },
    "attention": {
        "centre": ("rows", "segments", "dim"),
        "precision": ("rows", "segments", "dim"),
        "query": ("rows", "networks", "dim"),
        "place": ("rows", "networks", "segments"),
        "value": ("rows", "networks", "dim"),
        "bias": ("rows", "networks"),
    },
}
"""The tensors of each method; a letter of a shape is the same number in all of them."""


class AboutHead(BaseModel):
    """What a file of heads tells of itself.

    Attributes
    ----------
    format : str
        ``gexviz-head-1`` knows ridge alone.
    kind : {"ridge", "mlp", "attention"}
        See :mod:`gexviz.models.language.head_networks`.
    segments : int or None
        Attention: into how many equal parts the window is cut.
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

    format: Literal["gexviz-head-1", "gexviz-head-2"] = "gexviz-head-2"
    kind: HeadMethod = "ridge"
    segments: int | None = Field(None, ge=1, le=MOST_SEGMENTS)
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

    @model_validator(mode="after")
    def _segments(self) -> Self:
        if (self.segments is not None) != (self.kind == "attention"):
            raise ValueError("segments go with attention")
        return self


class Heads:
    """The heads of a file.

    Parameters
    ----------
    about : AboutHead
    arrays : mapping of str to ndarray
        The tensors of its kind; first axis: the heads.
    """

    def __init__(self, about: AboutHead, arrays: Mapping[str, np.ndarray]) -> None:
        self.about = about
        self.arrays = dict(arrays)

    def of(self, gene: str) -> dict[str, np.ndarray] | None:
        """The tensors of the head for a gene, by its id with or without version; None if there is none."""
        row = self.about.rows.get(gene, self._plain.get(unversioned_id(gene), self.about.others))
        return None if row is None else {name: array[row] for name, array in self.arrays.items()}

    @property
    def width(self) -> int:
        """Numbers of the embeddings that they read."""
        width: int = next(iter(self.arrays.values())).shape[-1]
        return width

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
    arrays = {name: np.ascontiguousarray(array) for name, array in heads.arrays.items()}
    with written_whole(path) as draft:
        save_file(arrays, draft, metadata={_KEY: heads.about.model_dump_json()})


def read_heads(path: Path) -> Heads:
    """Read a file that :func:`write_heads` wrote.

    Raises
    ------
    GexvizError
        For another file, or tensors that are missing, don't fit each other or aren't finite.
    """
    try:
        with safe_open(path, framework="np") as file:
            about = AboutHead.model_validate_json((file.metadata() or {}).get(_KEY, ""))
            arrays = {name: file.get_tensor(name) for name in _SHAPES[about.kind]}
    except ValidationError as error:
        raise _not_heads(path, error.errors()[0]["msg"]) from None
    except (SafetensorError, OSError) as error:
        raise _not_heads(path, str(error)) from None
    except (TypeError, AttributeError) as error:  # a kind of number that numpy does not have
        raise _not_heads(path, f"its numbers can't be read: {error}") from None
    _check(path, about, arrays)
    return Heads(about, arrays)


def _check(path: Path, about: AboutHead, arrays: Mapping[str, np.ndarray]) -> None:
    """See that tensors are finite numbers whose shapes go together."""
    known: dict[str, int] = {} if about.segments is None else {"segments": about.segments}
    for name, axes in _SHAPES[about.kind].items():
        array = arrays[name]
        if array.ndim != len(axes) or any(known.setdefault(a, n) != n for a, n in zip(axes, array.shape, strict=True)):
            raise _not_heads(path, f"{name} {array.shape} does not go with {known}")
        if array.dtype.kind != "f" or not np.isfinite(array).all():
            raise _not_heads(path, f"{name} holds NaN or infinity, or no numbers")
    if known["rows"] < about.count:
        raise _not_heads(path, f"{known['rows']} heads, {about.count} are needed")


def _not_heads(path: Path, why: str) -> GexvizError:
    return GexvizError(
        f"this is no file of heads: {why}",
        file=path,
        expected="the .safetensors that `gexviz train head` writes",
        remedy=REMEDY,
    )
