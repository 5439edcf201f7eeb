"""Mutagenesis of a gene's window by stretches, deleted or shuffled: for models too slow for single bases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from gexviz.cohort.background import Background, haplotype_background, reference_background
from gexviz.cohort.windows import Window
from gexviz.errors import GexvizError
from gexviz.explaining.frames import frame_part, part_frame
from gexviz.explaining.regions import region_text
from gexviz.explaining.target import Labels, Target
from gexviz.figures.locus import locus_figure
from gexviz.figures.tracks.base import Region
from gexviz.figures.tracks.user import UserTrack
from gexviz.lazy import lazy
from gexviz.tasks import Progress

tiles = lazy("gexviz.analysis.tiles")

SCHEMA = 1
"""Raised when the numbers would come out differently for the same inputs."""


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
        name = f"{self.tiling.how} of {self.tiling.width} bp every {self.tiling.step} bp"
        track = UserTrack(steps[steps["end"] > steps["start"]], name, self.labels.unit)
        region = Region(self.labels.contig, *self.region)
        return locus_figure([track], region, title=self.labels.title(), lines=[self.labels.subtitle()])

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
    """Alter a region stretch by stretch; what is stored is not computed again.

    Parameters
    ----------
    target : Target
    region : tuple of int
        0-based half-open, inside the window.
    tiling : Tiling, optional
    haplotype : (sample, copy), optional
        Whose haplotype the target is, where it is one's: deletions need what lies beside the window.
    progress : Progress, optional
    """
    tiling = tiling or Tiling()
    if tiling.width < 1 or tiling.step < 1 or tiling.n < 1:
        raise GexvizError(f"tiles of {tiling.width} bp every {tiling.step} bp", expected="1 bp or more of each")
    key = target.key("tiles", SCHEMA, *tiling, *region)
    there = target.study.results.parts(key)
    if "tiles" in there:
        return Tiles(target.labels(), region, tiling, part_frame(there["tiles"]))
    on = target.background
    index = on.within(*region)
    stretches = tiles.tiles(int(index[0]), int(index[-1]) + 1, tiling.width, tiling.step)
    if tiling.how == "shuffle":
        found = tiles.window_shuffle(
            target.model, on.sequence, stretches, n=tiling.n, seed=tiling.seed, progress=progress
        )
    else:
        found = tiles.tiled_deletion(
            target.model, on.sequence, stretches, _flanks(target, tiling.width, haplotype),
            reverse=on.window.strand == "-", progress=progress,
        )  # fmt: skip
    ends = np.sort(np.stack([on.positions[found.start], on.positions[found.end - 1]]), axis=0)
    table = pd.DataFrame({"start": ends[0], "end": ends[1] + 1, "effect": found.effect, "sd": found.sd})
    table = table.sort_values(["start", "end"], kind="stable").reset_index(drop=True)
    target.study.results.put_parts(key, {"tiles": frame_part(table)})
    return Tiles(target.labels(), region, tiling, table)


def _flanks(
    target: Target, width: int, haplotype: tuple[str, Literal[1, 2]] | None
) -> tuple[np.ndarray, np.ndarray]:
    """What lies before and after the window, `width` bp each, on the same sequence."""
    window = target.background.window
    wide = Window(window.contig, window.start - width, window.end + width, window.strand, window.anchor + width)
    study = target.study
    on: Background
    if haplotype is None:
        on = reference_background(study.cohort.reference, wide)
    else:
        only_snvs = target.spec.variants == "snv"
        on = haplotype_background(study.haplotypes_in(wide, [haplotype[0]], only_snvs=only_snvs), *haplotype)
    return on.sequence[:width], on.sequence[-width:]
