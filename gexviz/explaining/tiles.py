"""Mutagenesis of a gene's window by stretches, deleted or shuffled: for models too slow for single bases."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from gexviz.cohort.background import Background, haplotype_background, reference_background
from gexviz.cohort.windows import Window
from gexviz.errors import GexvizError
from gexviz.explaining.regions import region_text
from gexviz.explaining.target import Labels, Target
from gexviz.figures.locus import locus_figure
from gexviz.figures.tracks.base import Region
from gexviz.figures.tracks.user import UserTrack
from gexviz.lazy import lazy
from gexviz.results import Part
from gexviz.tasks import Progress, inside

memory = lazy("gexviz.analysis.memory")
tiles = lazy("gexviz.analysis.tiles")

SCHEMA = 2
"""Raised when the numbers would come out differently for the same inputs, or are stored otherwise."""

PIECE = 16
"""Tiles that are stored as one piece, so that work that was stopped goes on from there."""

_HEIGHT = 150
_COARSE = 100
_NARROWEST = {"deletion": 5, "shuffle": 20}  # bp; shuffles of less are often what was there


class Tiling(NamedTuple):
    """How a region is altered, stretch by stretch.

    Attributes
    ----------
    how : {"deletion", "shuffle"}
        True deletions, the window filled up from further along with the TSS in place; or shuffles that keep
        dinucleotides.
    width, step : int
        bp.
    n : int
        Shuffles a tile.
    seed : int
    """

    how: Literal["deletion", "shuffle"] = "deletion"
    width: int = 50
    step: int = 25
    n: int = 10
    seed: int = 7

    @property
    def words(self) -> str:
        """How the region is altered, for people."""
        how = f"shuffled {self.n} times, dinucleotides kept" if self.how == "shuffle" else "deleted, the TSS in place"
        return f"each {self.width:,} bp {how}; below 0 the prediction falls without what is there"

    def predictions(self, length: int) -> int:
        """Sequences that are predicted for a region of so many bp."""
        return len(tiles.tiles(0, length, self.width, self.step)) * (self.n if self.how == "shuffle" else 1)


def fitting_width(length: int, how: Literal["deletion", "shuffle"]) -> int:
    """Width of tiles side by side that make about 100 of a region, as people would choose it: 1, 2 or 5 times 10^n bp.

    Parameters
    ----------
    length : int
        bp of the region.
    how : {"deletion", "shuffle"}
        Shuffles are 20 bp or more: of fewer, with their dinucleotides kept, many are what was there.
    """
    wanted = max(_NARROWEST[how], length / _COARSE)
    scale = 10 ** int(np.floor(np.log10(wanted)))
    return next(part * scale for part in (1, 2, 5, 10) if part * scale >= wanted)


@dataclass(frozen=True, eq=False)
class Tiles:
    """Effects of altering one stretch of a sequence after the other.

    Attributes
    ----------
    labels : Labels
    region : tuple of int
        0-based half-open.
    tiling : Tiling
    table : DataFrame
        In genome order: ``start``, ``end`` (0-based half-open, on the reference; bases inserted there are in the tile),
        ``effect`` (altered - original, on the model's scale; the mean over shuffles), ``sd`` (over shuffles, else NaN).
    """

    labels: Labels
    region: tuple[int, int]
    tiling: Tiling
    table: pd.DataFrame

    def rows(self) -> pd.DataFrame:
        """The table for people: ``contig``, ``start`` (1-based), ``end``, ``effect``, ``sd``."""
        found = self.table.assign(start=self.table["start"] + 1)
        found.insert(0, "contig", self.labels.contig)
        return found

    def figure(self) -> go.Figure:
        """Effects along the region; where tiles overlap, each is drawn over its middle."""
        middle = (self.table["start"] + self.table["end"]) // 2
        half = min(self.tiling.step, self.tiling.width) / 2
        steps = pd.DataFrame(
            {
                "start": (middle - np.floor(half)).astype(int),
                "end": (middle + np.ceil(half)).astype(int),
                "value": self.table["effect"],
            }
        )
        steps["end"] = np.minimum(steps["end"], steps["start"].shift(-1, fill_value=self.region[1]))
        every = "" if self.tiling.step == self.tiling.width else f" every {self.tiling.step:,} bp"
        name = f"{self.tiling.how.capitalize()} of {self.tiling.width:,} bp{every}"
        track = UserTrack(steps[steps["end"] > steps["start"]], name, self.labels.unit, height=_HEIGHT, signed=True)
        region = Region(self.labels.contig, *self.region)
        lines = [self.labels.subtitle(), self.tiling.words]
        return locus_figure([track], region, title=self.labels.title(), lines=lines)

    def __repr__(self) -> str:
        what = f"{len(self.table):,} tiles ({self.tiling.how}) of {self.labels.model} at {self.labels.gene}"
        return f"{what}, {self.labels.background}, {region_text(self.labels.contig, *self.region)}"


def altered_tiles(
    target: Target,
    region: tuple[int, int],
    tiling: Tiling | None = None,
    *,
    haplotype: tuple[str, Literal[1, 2]] | None = None,
    progress: Progress | None = None,
) -> Tiles:
    """Alter a region stretch by stretch; what is stored is not computed again, and is stored piece by piece.

    Parameters
    ----------
    target : Target
    region : tuple of int
        0-based half-open, inside the window.
    tiling : Tiling, optional
    haplotype : (sample, copy), optional
        Whose haplotype the target is, where it is one's: deletions need what lies beside the window.
    progress : Progress, optional
        Told of tiles; raises `Cancelled` to stop.
    """
    tiling = tiling or Tiling()
    if tiling.width < 1 or tiling.step < 1 or tiling.n < 1:
        raise GexvizError(f"tiles of {tiling.width} bp every {tiling.step} bp", expected="1 bp or more of each")
    work = _Work(target, region, tiling, _flanks(target, tiling, haplotype))
    there = target.study.results.parts(work.key)
    waiting = {name: piece for name, piece in work.pieces.items() if name not in there}
    total, done = sum(map(len, waiting.values())), 0
    for name, piece in waiting.items():
        part = work.computed(piece, inside(progress, done, len(piece), total))
        target.study.results.put_parts(work.key, {name: part})
        done += len(piece)
        if progress is not None:
            progress(done, total, target.locus.name)
    return work.laid_out(target.study.results.parts(work.key))


def stored_tiles(
    target: Target, region: tuple[int, int], tiling: Tiling, *, haplotype: tuple[str, Literal[1, 2]] | None = None
) -> Tiles | None:
    """The same from what is stored; None if any of it is missing."""
    work = _Work(target, region, tiling, _flanks(target, tiling, haplotype))
    there = target.study.results.parts(work.key)
    return work.laid_out(there) if all(name in there for name in work.pieces) else None


class _Work:
    """The tiles of a region, piece by piece, and where they are stored."""

    def __init__(
        self, target: Target, region: tuple[int, int], tiling: Tiling, flanks: tuple[np.ndarray, np.ndarray] | None
    ) -> None:
        self._target, self._region, self._tiling, self._flanks = target, region, tiling, flanks
        index = target.background.within(*region)
        self._tiles = tiles.tiles(int(index[0]), int(index[-1]) + 1, tiling.width, tiling.step)
        beside = [part.tobytes().decode("latin-1") for part in flanks or ()]
        self.key = target.key("tiles", SCHEMA, *tiling, *region, *beside)
        self.pieces: dict[str, np.ndarray] = {
            str(begin): self._tiles[begin : begin + PIECE] for begin in range(0, len(self._tiles), PIECE)
        }

    def computed(self, piece: np.ndarray, progress: Progress | None) -> Part:
        """Alter the tiles of a piece."""
        model, on, tiling = self._target.model, self._target.background, self._tiling
        common = {"original": self._original, "progress": progress}
        if self._flanks is None:
            found = tiles.window_shuffle(model, on.sequence, piece, n=tiling.n, seed=tiling.seed, **common)
        else:
            reverse = on.window.strand == "-"
            found = tiles.tiled_deletion(model, on.sequence, piece, self._flanks, reverse=reverse, **common)
        return Part(np.stack([found.effect, found.sd]), {})

    @cached_property
    def _original(self) -> float:
        """Prediction of the sequence as it is."""
        return float(memory.predict_within_memory(self._target.model, self._target.background.sequence[None])[0])

    def laid_out(self, there: dict[str, Part]) -> Tiles:
        """All pieces on the genome."""
        effect, sd = np.concatenate([there[name].numbers for name in self.pieces], axis=1)
        positions = self._target.background.positions
        ends = np.sort(np.stack([positions[self._tiles[:, 0]], positions[self._tiles[:, 1] - 1]]), axis=0)
        table = pd.DataFrame({"start": ends[0], "end": ends[1] + 1, "effect": effect, "sd": sd})
        table = table.sort_values(["start", "end"], kind="stable").reset_index(drop=True)
        return Tiles(self._target.labels(), self._region, self._tiling, table)


def _flanks(
    target: Target, tiling: Tiling, haplotype: tuple[str, Literal[1, 2]] | None
) -> tuple[np.ndarray, np.ndarray] | None:
    """What lies before and after the window, a tile's width each, on the same sequence; None for shuffles."""
    if tiling.how == "shuffle":
        return None
    window, width = target.background.window, tiling.width
    wide = Window(window.contig, window.start - width, window.end + width, window.strand, window.anchor + width)
    study = target.study
    on: Background
    if haplotype is None:
        on = reference_background(study.cohort.reference, wide)
    else:
        only_snvs = target.spec.variants == "snv"
        on = haplotype_background(study.haplotypes_in(wide, [haplotype[0]], only_snvs=only_snvs), *haplotype)
    return on.sequence[:width], on.sequence[-width:]
