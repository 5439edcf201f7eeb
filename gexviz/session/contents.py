"""What a session consists of: the kept views, the notes, and frozen tables and arrays that need no study."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

SCHEMA: Literal[1] = 1
"""Version of the session file that this gexviz writes."""

Level = Literal["aggregate", "pseudonymous", "full"]
Page = Literal["data", "overview", "gene", "locus", "mismatches"]


def _printable(text: str) -> str:
    if any((c < " " and c not in "\n\t") or "\x7f" <= c < "\xa0" for c in text):
        raise ValueError("holds control characters")
    return text


Id = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=300), AfterValidator(_printable)]
Line = Annotated[str, StringConstraints(max_length=1_000), AfterValidator(_printable)]
Text = Annotated[str, StringConstraints(max_length=20_000), AfterValidator(_printable)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def new_id() -> str:
    """A random id."""
    return uuid.uuid4().hex


def now() -> datetime:
    """The present time, UTC, to the second."""
    return datetime.now(UTC).replace(microsecond=0)


class Anchor(_Strict):
    """What a note is about.

    Attributes
    ----------
    gene : str or None
        Gene id.
    variant : str or None
        contig:pos:ref:alt, 1-based.
    region : str or None
        contig:start-end, 1-based closed.
    """

    gene: Name | None = None
    variant: Name | None = None
    region: Name | None = None

    @model_validator(mode="after")
    def _of_something(self) -> Anchor:
        if not (self.gene or self.variant or self.region):
            raise ValueError("an anchor has a gene, a variant or a region")
        return self


class Note(_Strict):
    """What somebody wrote; never changed once written.

    Attributes
    ----------
    author : str
        As given.
    reply_to : str or None
        Id of another note.
    """

    id: Id = Field(default_factory=new_id)
    time: AwareDatetime = Field(default_factory=now)
    author: Line = ""
    anchor: Anchor
    text: Text
    reply_to: Id | None = None


class View(_Strict):
    """A kept view of the study: what was looked at, and why it matters. Never a person.

    Attributes
    ----------
    text : str
        The analyst's words on it.
    model, linear : str or None
        The model in question, and the one that it is compared with.
    variant : str or None
        The chosen one.
    variants : tuple of str
        Others that are marked, or compared with each other.
    region, method : str or None
        Of the Locus page.
    tracks : tuple of str
        Names of the tracks that are shown.
    filters : mapping of str to str
        Of tables and points, as the page names them.
    """

    id: Id = Field(default_factory=new_id)
    time: AwareDatetime = Field(default_factory=now)
    page: Page
    title: Line = ""
    text: Text = ""
    gene: Name | None = None
    model: Name | None = None
    linear: Name | None = None
    variant: Name | None = None
    variants: tuple[Name, ...] = Field(default=(), max_length=100)
    region: Name | None = None
    method: Name | None = None
    tracks: tuple[Name, ...] = Field(default=(), max_length=100)
    filters: Mapping[Name, Line] = Field(default={}, max_length=100)


class State(_Strict):
    """The story: its title, its question, what was found, and the views in order."""

    title: Line = ""
    question: Text = ""
    findings: Text = ""
    views: tuple[View, ...] = Field(default=(), max_length=1_000)


class ModelFacts(_Strict):
    """What a reader must know of a model.

    Attributes
    ----------
    files : mapping of str to str
        Name (no path) and SHA-256 of each file that its predictions depend on.
    """

    family: Name
    scale: Line
    window: int | None = None
    strand: Line = ""
    licence: Line = ""
    citation: Text = ""
    verified: Line = ""
    trained_on: Text = ""
    files: Mapping[Name, Digest] = {}


class Manifest(_Strict):
    """What the file is, and what it was made from.

    Attributes
    ----------
    libraries : mapping of str to str
        Versions.
    study : str
        Its name.
    people : int or None
        How many the results are of.
    inputs : mapping of str to str
        Kind of input (``genotypes``, ``reference``, ...; never a path) and its SHA-256.
    parameters, seeds : mapping
    k : int
        The smallest group of people that is shown, at level ``aggregate``.
    left_out : tuple of str
        What was not put in for privacy's sake or because it was not computed, a sentence each.
    members : mapping of str to str
        Every other member and its SHA-256; filled in when the file is written.
    """

    schema_version: Literal[1] = SCHEMA
    gexviz: Name
    libraries: Mapping[Name, Name]
    created: AwareDatetime = Field(default_factory=now)
    level: Level
    study: Name
    simulated: bool
    genome: Name | None = None
    people: int | None = None
    observed_scale: Line = ""
    inputs: Mapping[Name, Digest]
    models: Mapping[Name, ModelFacts]
    parameters: Mapping[Name, str | int | float | bool | None] = {}
    seeds: Mapping[Name, int] = {}
    k: int = 10
    left_out: tuple[Line, ...] = Field(default=(), max_length=10_000)
    members: Mapping[Name, Digest] = {}


@dataclass(frozen=True, eq=False)
class Session:
    """A session, whole: what a session file holds.

    Attributes
    ----------
    tables : mapping of str to DataFrame
        Keys and columns of :data:`TABLES`, plain columns, default index; any may be absent.
    arrays : mapping of str to mapping of str to ndarray
        By the name in ``tables["tracks"]``; keys of :data:`ARRAYS`.
    report : str or None
        The offline report, HTML.
    """

    manifest: Manifest
    state: State
    notes: tuple[Note, ...] = ()
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    arrays: Mapping[str, Mapping[str, np.ndarray]] = field(default_factory=dict)
    report: str | None = None


TABLES: dict[str, tuple[str, ...]] = {
    # places: position, start, end and tss are 0-based, half-open
    "genes": ("gene", "name", "contig", "start", "end", "strand", "tss"),
    "exons": ("gene", "contig", "start", "end"),
    # what the study is made of; no person in it
    "populations": ("population", "people"),
    "coverage": ("model", "state", "genes"),
    # evaluation; no person in it
    "evaluation": ("gene", "model", "n", "pearson", "pearson_low", "pearson_high", "spearman", "p", "q", "status"),
    "benchmark": ("model", "row", "value", "low", "high", "n", "published"),
    # groups of k people or more (level aggregate; made at every level)
    "density": ("gene", "model", "observed_low", "observed_high", "predicted_low", "predicted_high", "people"),
    "groups": ("gene", "variant", "value", "copies", "people", "q10", "q25", "q50", "q75", "q90"),
    # people, under names of this session alone; absent at level aggregate
    "people": ("person", "population"),
    "values": ("gene", "model", "person", "value"),  # model "observed" for expression
    "dosages": ("variant", "person", "copies"),  # of the chosen variants alone
    # why
    "effects": ("gene", "model", "variant", "position", "ref", "alt"),
    "tracks": ("array", "gene", "model", "method", "background", "unit", "contig", "start", "end", "note"),
    "associations": ("gene", "variant", "position", "slope", "se", "p", "r_lead"),
    "weights": ("gene", "model", "variant", "position", "weight"),
    # direction
    "mismatch_variants": ("model", "linear", "gene", "variant", "class"),
    "mismatch_genes": ("model", "linear", "gene", "verdict", "sentence"),
    "mismatch_summary": ("model", "linear"),
    "candidates": ("gene", "variant", "ref", "alt", "oligo_ref", "oligo_alt"),
}
"""Frozen tables and the columns that each has at least; others follow, as the functions that make them name them."""

ARRAYS: dict[str, str] = {"position": "i8", "inserted": "i4", "ref": "u1", "values": "f4"}
"""Arrays of a track: places as in tables of bases (0-based, forward strand), the base that is there (ASCII), and values
(bases, 4) of mutagenesis (A, C, G, T; NaN-free: 0 at the base that is there) or (bases,) of a gradient or of
attention."""

OF_PEOPLE = ("people", "values", "dosages")
"""Tables with a row a person, which no session of level ``aggregate`` has."""
