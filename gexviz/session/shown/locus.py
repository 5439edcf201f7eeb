"""A kept view of the Locus page: what the model makes of each base and each variant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from gexviz.figures import words
from gexviz.figures.locus import locus_figure
from gexviz.figures.tracks import GeneTrack, Region, Track, VariantTrack
from gexviz.figures.tracks.association import AssociationTrack
from gexviz.figures.tracks.attributed import (
    ATTENTION,
    GRADIENTS,
    IMPORTANCE,
    UNSIGNED,
    mutagenesis_tracks,
    value_track,
)
from gexviz.figures.tracks.base import LETTERS_BELOW, within
from gexviz.figures.tracks.weights import WeightTrack
from gexviz.session.contents import Session, View
from gexviz.session.shown.frozen import by_variant, for_people, gene_name, place_of, region_of, rows_of
from gexviz.session.shown.item import Shown

ISM = "ism"
CLOSE = 75
"""bp on each side of the variant, or of the strongest base, in the figure that shows letters."""

STRONGEST = 50
"""Bases in the table behind a figure."""

_BASES = list("ACGT")
_EFFECTS = {
    "variant": "variant", "effect_reference": "effect of ALT", "effect_mean": "mean over haplotypes",
    "share": "share of the prediction's variance", "frequency": "frequency of ALT", "carriers": "carriers",
    "driver": "driver", "reason": "remark",
}  # fmt: skip


def locus_view(session: Session, view: View) -> list[Shown]:
    """The view's region; and, if that is too wide for letters, the surroundings of the chosen variant."""
    if view.gene is None:
        return []
    arrays = _arrays_of(session, view)
    region = region_of(view.region) or _whole(session, view, arrays)
    if region is None:
        return []
    found = [_figure(session, view, arrays, region)]
    close = _close(view, arrays, region)
    if close is not None:
        found.append(_figure(session, view, arrays, close))
    if arrays:
        found.append(_strongest(arrays[0], region))
    return found


class _Bases:
    """A frozen track: what it is, and its bases."""

    def __init__(self, facts: Mapping[Any, Any], arrays: Mapping[str, np.ndarray]) -> None:
        self.facts = facts
        self.table = pd.DataFrame(
            {
                "position": arrays["position"],
                "inserted": arrays["inserted"].astype(bool),
                "ref": [chr(code) for code in arrays["ref"]],
            }
        )
        self.values = arrays["values"]

    @property
    def heights(self) -> pd.DataFrame:
        """One value a base: the gradient, or minus the mean of the three substitutions."""
        if self.values.ndim == 1:
            return self.table.assign(value=self.values)
        known = self.table["ref"].isin(_BASES).to_numpy()
        return self.table.assign(value=np.where(known, -self.values.sum(axis=1) / 3, 0.0))

    @property
    def name(self) -> str:
        method = str(self.facts["method"])
        return IMPORTANCE if self.values.ndim == 2 else (GRADIENTS | ATTENTION).get(method, method)

    def tracks(self, region: Region) -> list[Track]:
        """As the Locus page draws them."""
        unit = str(self.facts["unit"])
        if self.values.ndim == 1:
            signed = self.facts["method"] not in UNSIGNED
            return [value_track(self.heights, unit, self.name, region, signed=signed)]
        table = self.table.assign(**{base: self.values[:, i] for i, base in enumerate(_BASES)})
        return mutagenesis_tracks(table, self.heights, unit, region)


def _arrays_of(session: Session, view: View) -> list[_Bases]:
    """Tracks of the view's gene, model and method, of each sequence that was looked into."""
    facts = rows_of(session, "tracks", gene=view.gene, model=view.model, method=view.method or ISM)
    there = facts[facts["array"].isin(list(session.arrays)).to_numpy()]
    return [_Bases(row, session.arrays[row["array"]]) for row in there.to_dict("records")]


def _whole(session: Session, view: View, arrays: list[_Bases]) -> Region | None:
    """All that is there: the first track, or all variants with effects, or the gene."""
    genes = rows_of(session, "genes", gene=view.gene)
    if arrays:
        facts = arrays[0].facts
        return Region(str(facts["contig"]), int(facts["start"]), int(facts["end"]))
    if genes.empty:
        return None
    row, known = genes.iloc[0], rows_of(session, "effects", gene=view.gene, model=view.model)["position"]
    if known.empty:
        known = rows_of(session, "weights", gene=view.gene)["position"]
    low, high = (known.min(), known.max() + 1) if len(known) else (row["start"], row["end"])
    return Region(str(row["contig"]), max(0, int(low) - 50), int(high) + 50)


def _close(view: View, arrays: list[_Bases], region: Region) -> Region | None:
    """A part of the region that is narrow enough for letters."""
    if region.width <= LETTERS_BELOW or not arrays:
        return None
    place = place_of(view.variant) if view.variant else None
    if place is not None and region.start <= place[0] < region.end:
        middle = place[0]
    else:
        here = within(arrays[0].heights, region)
        if here.empty:
            return None
        middle = int(here["position"].iloc[int(here["value"].abs().to_numpy().argmax())])
    return Region(region.contig, max(region.start, middle - CLOSE), min(region.end, middle + CLOSE + 1))


def _figure(session: Session, view: View, arrays: list[_Bases], region: Region) -> Shown:
    name, model = gene_name(session, view.gene), view.model or ""
    chosen = tuple(dict.fromkeys(v for v in (view.variant, *view.variants) if v))
    effects = by_variant(rows_of(session, "effects", gene=view.gene, model=view.model))
    tracks = gene_tracks(session, view.gene)
    facts = session.manifest.models.get(model)
    if len(effects) and "effect_reference" in effects and _wanted(view, "variants"):
        tracks.append(VariantTrack(effects, facts.scale if facts else "model's scale", chosen=chosen))
    for bases in arrays if _wanted(view, "bases") else []:
        tracks += bases.tracks(region)
    tracks += _genetics(session, view, region, chosen)
    place = place_of(chosen[0]) if len(chosen) == 1 else None
    title = f"{name} · {model}" if model else name
    figure = locus_figure(tracks, region, title=title, lines=_lines(session, view, arrays), highlight=place)
    here = within(effects, region).reset_index() if len(effects) else effects.reset_index()
    table = for_people(here, _EFFECTS)
    if "effect of ALT" in table:
        table = table.sort_values("effect of ALT", key=abs, ascending=False, kind="stable").reset_index(drop=True)
    return Shown(f"{name}, {region}", table, figure, _alt(name, model, region, here, arrays))


def _wanted(view: View, track: str) -> bool:
    """Whether a view shows a track; one that names none shows all."""
    return not view.tracks or track in view.tracks


def gene_tracks(session: Session, focus: str | None) -> list[Track]:
    """The genes, if the session has their places."""
    genes = rows_of(session, "genes").drop_duplicates("gene").set_index("gene")
    placed = genes[genes["start"].notna()]
    if placed.empty:
        return []
    exons = rows_of(session, "exons")
    return [GeneTrack(placed, exons if len(exons) else None, focus=focus)]


def _genetics(session: Session, view: View, region: Region, chosen: tuple[str, ...]) -> list[Track]:
    """Associations and linear weights of the gene, where there are any in the region."""
    tests, weights = associations_of(session, view.gene), weights_of(session, view.gene, view.linear)
    tracks: list[Track] = []
    if len(within(tests, region)):
        tracks.append(AssociationTrack(tests, lead_of(tests), threshold_of(tests), chosen))
    if len(within(weights, region)):
        tracks.append(WeightTrack(weights, "per copy of ALT", None, chosen))
    return tracks


def associations_of(session: Session, gene: str | None) -> pd.DataFrame:
    """A gene's eQTL tests, index variant, as :class:`AssociationTrack` takes them."""
    return by_variant(rows_of(session, "associations", gene=gene)).rename(columns={"r_lead": "ld_lead"})


def lead_of(tests: pd.DataFrame) -> str | None:
    """The gene's lead variant, if the session names it."""
    if "lead" not in tests or not tests["lead"].any():
        return None
    return str(tests.index[tests["lead"].to_numpy(dtype=bool)][0])


def threshold_of(tests: pd.DataFrame) -> float | None:
    """The nominal p of significance at the gene, if the session tells it."""
    if "threshold" not in tests or tests["threshold"].isna().all():
        return None
    return float(tests["threshold"].dropna().iloc[0])


def weights_of(session: Session, gene: str | None, linear: str | None) -> pd.DataFrame:
    """A gene's linear weights, index variant."""
    return by_variant(rows_of(session, "weights", gene=gene, model=linear))


def _lines(session: Session, view: View, arrays: list[_Bases]) -> list[str]:
    lines = []
    strand = next(iter(rows_of(session, "genes", gene=view.gene)["strand"]), None)
    for bases in arrays:
        where = f"the gene is on the {strand} strand, bases are the forward strand's"
        lines.append(f"sequence: {bases.facts['background']}" + (f"; {where}" if strand else ""))
        lines += [str(bases.facts["note"])] if bases.facts["note"] else []
    return lines


def _alt(name: str, model: str, region: Region, effects: pd.DataFrame, arrays: list[_Bases]) -> str:
    text = f"Tracks along {region} at {name}."
    known = effects[effects["effect_reference"].notna()] if "effect_reference" in effects else effects.iloc[:0]
    if len(known):
        top: Any = known.iloc[int(known["effect_reference"].abs().to_numpy().argmax())]
        text += (
            f" {len(known):,} variants; the largest effect by {model} is {words.number(top['effect_reference'], 3)} "
            f"at {words.variant_name(top['variant'])}."
        )
    here = within(arrays[0].heights, region) if arrays else pd.DataFrame()
    if len(here):
        base = here.iloc[int(here["value"].abs().to_numpy().argmax())]
        text += (
            f" {arrays[0].name}: the strongest base is {base['ref']} at {base['position'] + 1:,}, "
            f"{words.number(base['value'], 3)}."
        )
    return text


def _strongest(bases: _Bases, region: Region) -> Shown:
    """The bases that matter most, as a table."""
    rows = within(bases.heights, region)
    rows = rows.iloc[np.argsort(-rows["value"].abs().to_numpy(), kind="stable")[:STRONGEST]]
    headings = {"position": "position", "ref": "base", "value": f"value ({bases.facts['unit']})"}
    table = for_people(rows, headings)
    title = f"The {len(table):,} strongest bases of {region}"
    return Shown(title, table, note=f"{bases.name}; positions count from 1.")
