"""What the kept views of a session need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from gexviz.errors import UnknownGene
from gexviz.models.base import GeneLocus, PredictsDosages, PredictsSequences
from gexviz.session.contents import Note, State, View

if TYPE_CHECKING:
    from gexviz.study import Study

ISM = "ism"


class Track(NamedTuple):
    """Attribution of a region; None for the whole window."""

    model: str
    method: str
    region: str | None


class Pair(NamedTuple):
    """A comparison of a deep model with genetics."""

    model: str
    linear: str | None


@dataclass
class OfGene:
    """What is needed of one gene.

    Attributes
    ----------
    place : GeneLocus
    people : list of str
        Models whose predictions are shown against expression.
    variants : list of str
        Whose carriers are told apart.
    effects : list of str
        Models whose effects of variants are shown.
    weights : list of str
        Linear models whose weights are shown.
    tracks : list of Track
    associations : Pair or None
        The comparison that its eQTLs are taken from.
    """

    place: GeneLocus
    people: list[str] = field(default_factory=list)
    variants: list[str] = field(default_factory=list)
    effects: list[str] = field(default_factory=list)
    weights: list[str] = field(default_factory=list)
    tracks: list[Track] = field(default_factory=list)
    associations: Pair | None = None


@dataclass
class Asked:
    """What is needed in all.

    Attributes
    ----------
    state : State
        As it was given, with genes by their ids.
    evaluated : list of str
        Models whose correlations are shown.
    whole : list of str
        Those of them that are shown at all genes.
    genes : dict
        Gene id -> what is needed of it.
    pairs : list of Pair
    left_out : list of str
        What can't be had, a sentence each.
    data : bool
        Whether it is shown what the study is made of.
    """

    state: State
    evaluated: list[str] = field(default_factory=list)
    whole: list[str] = field(default_factory=list)
    genes: dict[str, OfGene] = field(default_factory=dict)
    pairs: list[Pair] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    data: bool = False


def asked_of(study: Study, state: State, notes: Sequence[Note] = ()) -> Asked:
    """Read off the views and notes what is to be frozen."""
    asked = Asked(state)
    views = []
    for view in state.views:
        found = _with_gene_id(study, view, asked)
        views.append(found)
        models = _models(study, found, asked)
        if found.page == "data":
            asked.data = True
        elif found.page == "overview":
            _extend(asked.evaluated, models)
            _extend(asked.whole, models)
        elif found.page == "mismatches" and (pair := _pair(study, found, models)) is not None:
            _extend(asked.pairs, [pair])
        if found.gene in asked.genes:
            _of_gene(study, asked, found, models)
    for note in notes:
        _note_gene(study, asked, note)
    asked.state = state.model_copy(update={"views": tuple(views)})
    return asked


def _of_gene(study: Study, asked: Asked, view: View, models: list[str]) -> None:
    """Add what a view shows of its gene."""
    gene = asked.genes[str(view.gene)]
    if view.page in ("data", "overview"):
        return
    _extend(asked.evaluated, models)
    _extend(gene.variants, [v for v in (view.variant, *view.variants) if v])
    if view.page in ("gene", "mismatches"):
        _extend(gene.people, models)
    opened = {m: study.model(m) for m in models}
    deep = next((m for m in models if isinstance(opened[m], PredictsSequences)), None)
    linear = [m for m in models if isinstance(opened[m], PredictsDosages)]
    _extend(gene.effects, [deep] if deep is not None else linear[:1])
    _extend(gene.weights, linear)
    if view.page == "locus" and deep is not None:
        _extend(gene.tracks, [Track(deep, view.method or ISM, view.region)])
    if view.page == "mismatches":
        gene.associations = _pair(study, view, models)


def _models(study: Study, view: View, asked: Asked) -> list[str]:
    """The models that a view names; all of the study's if it names none."""
    named = [m for m in (view.model, view.linear) if m is not None]
    unknown = [m for m in named if m not in study.model_names]
    _extend(asked.left_out, [f"{m}: the study has no such model" for m in unknown])
    return [m for m in dict.fromkeys(named or study.model_names) if m not in unknown]


def _pair(study: Study, view: View, models: list[str]) -> Pair | None:
    """The comparison that a view of the Mismatches page shows."""
    opened = {m: study.model(m) for m in models}
    deep = [m for m, model in opened.items() if isinstance(model, PredictsSequences)]
    linear = [m for m, model in opened.items() if isinstance(model, PredictsDosages) and m != view.model]
    return Pair(deep[0], linear[0] if linear else None) if deep else None


def _with_gene_id(study: Study, view: View, asked: Asked) -> View:
    if view.gene is None:
        return view
    found = _place(study, asked, view.gene)
    return view if found is None else view.model_copy(update={"gene": found})


def _note_gene(study: Study, asked: Asked, note: Note) -> None:
    if note.anchor.gene is not None:
        _place(study, asked, note.anchor.gene)


def _place(study: Study, asked: Asked, gene: str) -> str | None:
    """A gene's id, noted as one of the session; None, with a sentence, for one that the study doesn't have."""
    try:
        place = study.locus(gene)
    except UnknownGene:
        _extend(asked.left_out, [f"{gene}: the study has no such gene"])
        return None
    asked.genes.setdefault(place.id, OfGene(place))
    return place.id


def _extend(known: list[Any], more: Sequence[Any]) -> None:
    known += [one for one in dict.fromkeys(more) if one not in known]
