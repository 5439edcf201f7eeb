"""The models of the literature in one table: what each reads and gives, where its weights are, how it was checked here.

The rows are in ``zoo.toml``. Whether a model can be opened is never written there: the registry knows.
"""

from __future__ import annotations

import difflib
import tomllib
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from gexviz.errors import GexvizError
from gexviz.models.not_expression import NOT_EXPRESSION
from gexviz.models.registry import family_names

NOT_REPORTED = "not reported"
ROWS = ("reference", "across genes", "across individuals")
"""Of the field's benchmark, as :meth:`gexviz.study.Study.benchmark` has them."""

Status = Literal["opens", "not yet", "other output"]
COLUMNS = {
    "family": "Family",
    "status": "Here",
    "title": "What it is",
    "input": "Reads",
    "gives": "Gives",
    "readout": "Readout",
    "strand": "Strand",
    "people": "A person's value",
    "licence": "Licence of the weights",
    "weights": "Weights",
    "needs": "Needs",
    "published": "Published r: reference, across genes, across individuals",
    "also": "Other published figures",
    "verified": "Checked",
    "citation": "Citation",
}
"""Columns of :func:`table` -> how people read them."""

_STRICT = ConfigDict(extra="forbid", frozen=True)
_NONE = "–"


class WeightsFile(BaseModel):
    """A file of weights at its official home.

    Attributes
    ----------
    name : str
        Of the file, as it is kept.
    url : str
    sha256 : str or None
        None where this project never saw the file: then whoever fetches it has to tell it.
    """

    model_config = _STRICT

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.-]*$")]
    url: Annotated[str, Field(pattern="^https://")]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None


class ZooModel(BaseModel):
    """One model of the literature.

    Attributes
    ----------
    family : str
        As studies write it.
    title, input, gives, readout, strand, people, licence, citation, weights, needs : str
        In words.
    verified : str
        How the implementation was checked; of families that can be opened, and of these only.
    published : dict
        Pearson's r by row of the field's benchmark; rows that aren't there are not reported.
    also : str
        Other published figures, each with who published it.
    files : tuple of WeightsFile
        What ``gexviz models fetch`` can get.
    """

    model_config = _STRICT

    family: str
    title: str
    input: str
    gives: str
    readout: str
    strand: str = _NONE
    people: str = _NONE
    licence: str = "see its home"
    citation: str
    weights: str
    needs: str = _NONE
    verified: str = ""
    published: dict[Literal["reference", "across genes", "across individuals"], float] = {}
    also: str = NOT_REPORTED
    files: tuple[WeightsFile, ...] = ()

    @property
    def status(self) -> Status:
        """``opens`` as a family of a study; ``not yet``; or ``other output``, where it predicts something else."""
        if self.family in family_names():
            return "opens"
        return "other output" if self.family in NOT_EXPRESSION else "not yet"

    @property
    def figures(self) -> str:
        """The published figures in words, those that are not reported named as such."""
        if not self.published:
            return NOT_REPORTED
        return ", ".join(f"{self.published[row]:g}" if row in self.published else NOT_REPORTED for row in ROWS)

    def told(self) -> dict[str, str]:
        """All of it in words, a value for each of :data:`COLUMNS`."""
        own = {"published": self.figures, "verified": self.verified or _NONE, "status": self.status}
        return {column: own.get(column) or str(getattr(self, column)) for column in COLUMNS}


@cache
def zoo() -> dict[str, ZooModel]:
    """All models, by family, in the order to show them."""
    rows = tomllib.loads(files("gexviz.models").joinpath("zoo.toml").read_text("utf-8"))
    return {name: ZooModel(family=name, **_other(name), **row) for name, row in rows.items()}


def table() -> pd.DataFrame:
    """All models in words, a row each; columns as in :data:`COLUMNS`."""
    return pd.DataFrame([model.told() for model in zoo().values()])


def zoo_model(name: str) -> ZooModel:
    """Find a model by its family.

    Raises
    ------
    GexvizError
        For another name; the nearest right one is told.
    """
    if (found := zoo().get(name.lower())) is not None:
        return found
    near = difflib.get_close_matches(name.lower(), zoo(), n=1, cutoff=0.5)
    raise GexvizError(
        f"no model is called '{name}'",
        expected="one of " + ", ".join(zoo()),
        remedy=f"did you mean '{near[0]}'?" if near else "`gexviz models` lists them all",
    )


def markdown() -> str:
    """The table as ``docs/models.md`` has it."""
    shown = table()
    shown["family"] = "`" + shown["family"] + "`"
    lines = [list(COLUMNS.values()), ["---"] * len(COLUMNS), *shown[list(COLUMNS)].values.tolist()]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _other(name: str) -> dict[str, Any]:
    """What is known elsewhere of models that don't predict expression."""
    other = NOT_EXPRESSION.get(name)
    return {} if other is None else {"gives": other.predicts, "readout": other.use, "citation": other.citation}
