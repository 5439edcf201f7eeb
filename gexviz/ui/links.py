"""What is being looked at, as it stands in the URL: gene, model, variant, region, tracks. Never a person."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from gexviz.errors import GexvizError
from gexviz.explaining.attributions import METHODS
from gexviz.ui.search import GeneBook

KEYS = ("gene", "model", "linear", "variant", "region", "method", "tracks")

TRACKS = {"variants": "Variants", "bases": "Bases", "difference": "Difference", "motifs": "Motifs", "own": "Own tracks"}
"""Tracks of the Locus page that can be left out, as the URL has them -> as people read them."""

_TYPED = {
    "variant": re.compile(r"[^:/\\\s]+:\d+:[A-Za-z*]+:[A-Za-z*]+"),
    "region": re.compile(r"([^:/\\\s]+:)?\d[\d,]*-\d[\d,]*"),
}
"""What may be typed into the URL, as far as it goes into links: anything else may be a name or a path."""


class Unknown(NamedTuple):
    """Something in the URL that the study doesn't have.

    Attributes
    ----------
    what : {"gene", "model", "method", "track"}
        Kind of thing; also the URL's key, but for ``linear``, which holds a model.
    key : str
        The URL's key.
    message : str
    suggestions : tuple of str
        Ids to offer in its place.
    """

    what: str
    key: str
    message: str
    suggestions: tuple[str, ...]


class Selection(NamedTuple):
    """What is being looked at.

    Attributes
    ----------
    gene : str or None
        Gene id of the study.
    model : str or None
        The model in question (a deep one, if not chosen otherwise).
    linear : str or None
        The model it is compared with.
    variant : str or None
        contig:pos:ref:alt.
    region : str or None
        As it was typed; 1-based closed. None for the whole window of the model.
    method : str or None
        One of :data:`gexviz.explaining.attributions.METHODS`; None for mutagenesis.
    tracks : str or None
        Some of :data:`TRACKS`, with commas between; None for all.
    unknown : tuple of Unknown
        What the URL asked for in vain.
    """

    gene: str | None = None
    model: str | None = None
    linear: str | None = None
    variant: str | None = None
    region: str | None = None
    method: str | None = None
    tracks: str | None = None
    unknown: tuple[Unknown, ...] = ()

    @property
    def models(self) -> list[str]:
        """The chosen models, each once."""
        return list(dict.fromkeys(m for m in (self.model, self.linear) if m is not None))

    def query(self, **changes: str | None) -> dict[str, str]:
        """The URL's parameters of this selection, changed; None leaves one out. Another gene drops what is of one."""
        if changes.get("gene", self.gene) != self.gene:
            changes.setdefault("variant", None)
            changes.setdefault("region", None)
        values = {key: changes.get(key, getattr(self, key)) for key in KEYS}
        return {key: value for key, value in values.items() if value is not None}

    def link(self) -> dict[str, str]:
        """The parameters that may be passed on: those of :meth:`query` but for what was typed and is no place."""
        return {k: v for k, v in self.query().items() if k not in _TYPED or _TYPED[k].fullmatch(v)}

    def shows(self, track: str) -> bool:
        """Whether a track of :data:`TRACKS` is shown."""
        return self.tracks is None or track in self.tracks.split(",")


def read(params: Mapping[str, str], book: GeneBook, models: Sequence[str], defaults: Sequence[str]) -> Selection:
    """Read a selection from a URL's parameters.

    Parameters
    ----------
    params : mapping
        The parameters; others than :data:`KEYS` are ignored.
    book : GeneBook
    models : sequence of str
        All models of the study.
    defaults : sequence of str
        The models to take where the URL names none: one to look at, one to compare it with.

    Returns
    -------
    Selection
        With what was found, and what was not.
    """
    unknown: list[Unknown] = []
    gene = None
    if asked := params.get("gene", "").strip():
        try:
            gene = book.resolve(asked)
        except GexvizError as error:
            near = tuple(g for g in book.ids if g in (error.remedy or "")) or tuple(book.suggestions(asked))
            unknown.append(Unknown("gene", "gene", error.problem, near))
    chosen: dict[str, str | None] = {}
    for key, default in zip(("model", "linear"), (*defaults, None, None), strict=False):
        asked = params.get(key, "").strip()
        if asked and asked not in models:
            unknown.append(Unknown("model", key, f"{asked} is not a model of this study", tuple(models)))
        chosen[key] = asked if asked in models else default
    if chosen["model"] == chosen["linear"]:
        others = [m for m in (*defaults, *models) if m != chosen["model"]]
        key = "model" if "linear" in params and "model" not in params else "linear"
        chosen[key] = others[0] if others else None if key == "linear" else chosen["model"]
    method = params.get("method", "").strip() or None
    if method is not None and method not in METHODS:
        unknown.append(Unknown("method", "method", f"{method} is not a way to look into a model", tuple(METHODS)))
        method = None
    tracks = None
    if asked := params.get("tracks", "").strip():
        named = [name.strip() for name in asked.split(",")]
        unknown += [Unknown("track", "tracks", f"{n} is not a track", tuple(TRACKS)) for n in named if n not in TRACKS]
        tracks = ",".join(name for name in TRACKS if name in named) or None
    variant, region = (params.get(key, "").strip() or None for key in ("variant", "region"))
    return Selection(gene, chosen["model"], chosen["linear"], variant, region, method, tracks, tuple(unknown))
