"""In-silico mutagenesis of a gene's window, kept on disk chunk by chunk."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from gexviz.explaining.regions import region_text
from gexviz.explaining.target import Labels, Target, on_genome, unknown_text
from gexviz.figures.locus import locus_figure
from gexviz.figures.tracks.base import Region, Track
from gexviz.figures.tracks.ism import IsmTrack
from gexviz.figures.tracks.logo import LogoTrack
from gexviz.files import written_whole
from gexviz.lazy import lazy
from gexviz.results import Part
from gexviz.tasks import Progress, inside

if TYPE_CHECKING:
    from gexviz.analysis.ism import Mutagenesis

ism = lazy("gexviz.analysis.ism")

CHUNK = 64
"""Bases of the window that are stored as one piece, from its first base on."""

_TOGETHER = 16
"""Chunks that the fast way computes at once, to begin with."""

_SECONDS = 0.5
"""Pieces are stored about as often as this: more chunks go together while they are quicker."""


@dataclass(frozen=True)
class Ism:
    """Effects of every single-base substitution in a region, on one sequence.

    Attributes
    ----------
    labels : Labels
    region : tuple of int
        0-based half-open, on the reference.
    bases : DataFrame
        A row a base, in genome order: ``position`` (0-based), ``inserted`` (has the position of the base before it),
        ``ref`` (the background's base on the forward strand), ``A``, ``C``, ``G``, ``T``: prediction with that base
        minus prediction without, on the model's scale; 0 for the base that is there.
    method : {"incremental", "plain"}
        Whether only what a mutation reaches was computed again, or everything.
    reason : str
        Why it was the plain way; empty otherwise.
    """

    labels: Labels
    region: tuple[int, int]
    bases: pd.DataFrame
    method: str
    reason: str

    @property
    def delta(self) -> np.ndarray:
        """Raw differences alt - ref, float32 (L, 4), columns A C G T of the forward strand, rows in genome order."""
        return self.bases[list("ACGT")].to_numpy(np.float32)

    @property
    def position(self) -> np.ndarray:
        """0-based reference coordinates, int64 (L,)."""
        return self.bases["position"].to_numpy(np.int64)

    @property
    def ref(self) -> np.ndarray:
        """The background's bases on the forward strand, str (L,)."""
        return self.bases["ref"].to_numpy(dtype="U1")

    def centred(self, how: str) -> pd.DataFrame:
        """The same table, with the differences centred; see :func:`gexviz.analysis.ism.centred`."""
        there = (self.ref[:, None] == np.array(list("ACGT"))).argmax(axis=1)
        values = ism.centred(self.delta, np.where(np.isin(self.ref, list("ACGT")), there, -1), how)
        return self.bases.assign(**{base: values[:, i] for i, base in enumerate("ACGT")})

    @property
    def importance(self) -> pd.DataFrame:
        """What the base that is there adds: minus the mean difference of the three others. Columns of an attribution.

        ``position``, ``inserted``, ``ref``, ``value``, on the model's scale.
        """
        known = np.isin(self.ref, list("ACGT"))
        value = np.where(known, -self.delta.sum(axis=1) / 3, 0.0)
        return self.bases[["position", "inserted", "ref"]].assign(value=value)

    def figure(self) -> go.Figure:
        """Heatmap of the region, and the base that is there as high as it matters, a letter below 300 bp."""
        tracks: list[Track] = [
            IsmTrack(self.bases, self.labels.unit),
            LogoTrack(self.importance, self.labels.unit, "Minus the mean of the three substitutions"),
        ]
        region = Region(self.labels.contig, *self.region)
        return locus_figure(tracks, region, title=self.labels.title(), lines=[self.labels.subtitle(), self.how])

    @property
    def how(self) -> str:
        """How it was computed, in words."""
        text = "each substitution computed exactly, from what it reaches in the network"
        if self.method != "incremental":
            text = "each mutated sequence predicted whole" + (f" ({self.reason})" if self.reason else "")
        return text + unknown_text(self.ref)

    def save(self, path: str | Path) -> None:
        """Write an ``.npz`` that opens without pickle.

        Arrays ``delta`` (L, 4), ``position`` (L,), **1-based**, ``ref`` (L,), ``inserted`` (L,), ``alt`` (4,); and
        ``gene``, ``model``, ``unit``, ``contig``, ``background``, ``method`` as text.
        """
        with written_whole(Path(path)) as draft, draft.open("wb") as handle:
            np.savez_compressed(
                handle,
                delta=self.delta,
                position=self.position + 1,
                ref=self.ref,
                inserted=self.bases["inserted"].to_numpy(bool),
                alt=np.array(list("ACGT")),
                gene=np.array(self.labels.gene_id),
                model=np.array(self.labels.model),
                unit=np.array(self.labels.unit),
                contig=np.array(self.labels.contig),
                background=np.array(self.labels.background),
                method=np.array(self.method),
            )

    def __repr__(self) -> str:
        what = f"{self.labels.model} at {self.labels.gene}, {self.labels.background}"
        return f"Ism of {what}, {region_text(self.labels.contig, *self.region)}, {len(self.bases):,} bases"


def mutagenesis(
    target: Target, region: tuple[int, int], *, plain: bool = False, progress: Progress | None = None
) -> Ism:
    """Mutate every base of a region; what is stored is not computed again.

    Parameters
    ----------
    target : Target
    region : tuple of int
        0-based half-open, inside the model's window.
    plain : bool
        Predict every mutated sequence whole.
    progress : Progress, optional
        Told after each piece is stored; raises `Cancelled` to stop.
    """
    index = target.background.within(*region)
    chunks = np.unique(index // CHUNK).tolist()
    key = _key(target, plain)
    results = target.study.results
    there = results.parts(key)
    waiting = [c for c in chunks if str(c) not in there]
    if waiting:
        running = ism.Mutagenesis(target.model, target.background.sequence, plain=plain)
        together, done = _TOGETHER if running.method == "incremental" else 1, 0
        while done < len(waiting):
            began = time.monotonic()
            piece = waiting[done : done + together]
            inner = inside(progress, done * CHUNK, len(piece) * CHUNK, len(waiting) * CHUNK)
            results.put_parts(key, _computed(running, piece, len(target.background.sequence), inner))
            done += len(piece)
            if progress is not None:
                progress(done * CHUNK, len(waiting) * CHUNK, target.locus.name)
            together = 2 * together if time.monotonic() - began < _SECONDS else max(1, together // 2)
        there = results.parts(key)
    return _assembled(target, region, index, [there[str(c)] for c in chunks])


def stored_mutagenesis(target: Target, region: tuple[int, int], *, plain: bool = False) -> Ism | None:
    """The same from what is stored; None if any of it is missing."""
    index = target.background.within(*region)
    there = target.study.results.parts(_key(target, plain))
    chunks = np.unique(index // CHUNK).tolist()
    if any(str(c) not in there for c in chunks):
        return None
    return _assembled(target, region, index, [there[str(c)] for c in chunks])


def _key(target: Target, plain: bool) -> str:  # noqa: FBT001
    return target.key("ism", ism.SCHEMA, plain)


def _computed(running: Mutagenesis, chunks: list[int], length: int, progress: Progress | None) -> dict[str, Part]:
    index = np.concatenate([np.arange(c * CHUNK, min((c + 1) * CHUNK, length)) for c in chunks])
    found = running.saturation(index, progress=progress)
    facts = {"method": found.method, "reason": found.reason}
    return {str(c): Part(found.delta[index // CHUNK == c], facts) for c in chunks}


def _assembled(target: Target, region: tuple[int, int], index: np.ndarray, parts: list[Part]) -> Ism:
    first = index[0] // CHUNK * CHUNK
    whole = np.concatenate([part.numbers for part in parts])
    chunks = np.unique(index // CHUNK)
    at = np.searchsorted(chunks, index // CHUNK) * CHUNK + index % CHUNK  # chunks need not follow each other
    assert first <= index[0]
    methods = {(p.facts["method"], p.facts["reason"] or "") for p in parts}
    method, reason = sorted(methods)[-1]  # "plain" where any was
    return Ism(target.labels(), region, on_genome(target.background, index, whole[at]), method, reason)
