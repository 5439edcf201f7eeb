"""Why a gene's predictions are what they are: genes around, effects and weights of variants, attributions."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from gexviz.errors import GexvizError
from gexviz.explaining import attributions, effects
from gexviz.explaining.attention import Attention
from gexviz.explaining.attributions import Attribution
from gexviz.explaining.ism import Ism, stored_mutagenesis
from gexviz.explaining.locus import genes_around
from gexviz.explaining.regions import parse_region
from gexviz.explaining.target import Target, target
from gexviz.figures.tracks.base import Region
from gexviz.freezing.asked import OfGene, Track
from gexviz.freezing.work import Work, named
from gexviz.session.contents import TABLES
from gexviz.session.naming import without_paths

AROUND = 20_000
"""bp beyond the gene, and beyond what its models read, whose genes are named."""


class Bases(NamedTuple):
    """An attribution as a session holds it.

    Attributes
    ----------
    facts : dict
        A row of the table of tracks, but for the name of its arrays.
    arrays : dict
        See :data:`gexviz.session.contents.ARRAYS`.
    """

    facts: dict[str, object]
    arrays: dict[str, np.ndarray]


def surroundings(work: Work, gene: OfGene) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The gene and those around it, and exons; no more than what its figures show."""
    study, place = work.study, gene.place
    ends = [place.start, place.end]
    for model in gene.effects:
        if study.unavailable(model, place) is None:
            ends += study.gene(place.id).region(model)
    region = Region(place.contig, max(0, min(ends) - AROUND), max(ends) + AROUND)
    genes, exons = genes_around(study, region)
    return named(genes, contig=place.contig), exons.assign(contig=place.contig)


def effects_of(work: Work, gene: OfGene) -> list[pd.DataFrame]:
    """What each variant does to each model, a table a model."""
    found = []
    for model in gene.effects:
        try:
            known = effects.stored_effects(work.study, model, gene.place)
            if known is None and work.compute:
                known = effects.variant_effects(work.study, model, gene.place, progress=work.progress)
        except GexvizError as error:
            work.leave_out(f"{gene.place.name}, effects of variants on {model}: {error.problem}")
            continue
        if known is not None:
            found.append(named(known.table, gene=gene.place.id, model=model))
        else:
            reason = work.study.unavailable(model, gene.place) or "they are not computed yet"
            work.leave_out(f"{gene.place.name}, effects of variants on {model}: {reason}")
    return found


def weights_of(work: Work, gene: OfGene) -> list[pd.DataFrame]:
    """Weights of the linear models, of variants that the genotypes have."""
    found = []
    for model in gene.weights:
        if not work.study.unavailable(model, gene.place):
            table = work.study.gene(gene.place.id).weights(model)
            known = table[(table["status"] != "missing") & (table["position"] >= 0)]
            summed = known.groupby("variant", sort=False).agg({"position": "first", "weight": "sum"})
            found.append(named(summed, gene=gene.place.id, model=model)[list(TABLES["weights"])])
    return found


def tracks_of(work: Work, gene: OfGene) -> list[Bases]:
    """Attributions on the reference sequence. A person's own sequence is in no session."""
    found = []
    for track in gene.tracks:
        what = f"{gene.place.name}, {track.method} of {track.model}" + (f" in {track.region}" if track.region else "")
        try:
            bases = _bases(work, gene, track)
        except GexvizError as error:
            work.leave_out(f"{what}: {error.problem}")
            continue
        if bases is None:
            work.leave_out(f"{what}: it is not computed yet")
        else:
            found.append(bases)
    return found


def _bases(work: Work, gene: OfGene, track: Track) -> Bases | None:
    on = target(work.study, track.model, gene.place)
    region = parse_region(track.region, on.background.window)
    if track.method not in attributions.METHODS:
        raise GexvizError(f"there is no method '{track.method}'")
    attribution = attributions.stored(on, region, track.method)
    if attribution is None and work.compute:
        attribution = attributions.attributed(on, region, track.method, work.progress)
    if attribution is None:
        return None
    if isinstance(attribution, Ism):
        table, values = attribution.bases, attribution.delta
    else:
        table = attributions.per_base(attribution)
        values = table["value"].to_numpy(np.float32)
    labels = attribution.labels
    facts = {
        "gene": gene.place.id, "model": track.model, "method": track.method, "background": labels.background,
        "unit": labels.unit, "contig": labels.contig, "start": region[0], "end": region[1],
        "note": without_paths(_note(on, region, attribution)),
    }  # fmt: skip
    arrays = {
        "position": table["position"].to_numpy(np.int64),
        "inserted": table["inserted"].to_numpy(np.int32),
        "ref": np.array([ord(base) for base in table["ref"]], dtype=np.uint8),
        "values": values,
    }
    return Bases(facts, arrays)


def _note(on: Target, region: tuple[int, int], attribution: Attribution) -> str:
    """What has to be known of it; of attention also how far it agrees with mutagenesis, if that is stored."""
    note = attributions.told(attribution)
    if isinstance(attribution, Attention) and (known := stored_mutagenesis(on, region)) is not None:
        note += f" {attribution.agreement_words(known)}"
    return note
