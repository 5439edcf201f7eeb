"""The ``borzoi`` family: Borzoi (Linder et al. 2025) as borzoi-pytorch saves it, and RNA-seq coverage over exons."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import torch
from torch import nn

from gexviz.errors import GexvizError
from gexviz.models.base import GeneLocus, ModelSpec
from gexviz.models.borzoi_network import BIN, Borzoi, BorzoiConfig, check_window, exon_bins, read_borzoi_config
from gexviz.models.checkpoints import fill_network, open_tensors
from gexviz.models.devices import device_for
from gexviz.models.options import BorzoiOptions
from gexviz.models.precision import Precision
from gexviz.models.readouts import Unsquashed
from gexviz.models.targets import find_tracks, read_targets
from gexviz.models.torch_model import TorchSequenceModel

_HEAD = "human_head.weight"
_COLUMNS = ("clip_soft", "scale", "sum_stat", "strand_pair")


class Tracks(NamedTuple):
    """Tracks of the gene's strand, and each one's of the other strand (the same, of unstranded ones)."""

    sense: list[int]
    antisense: list[int]
    names: list[str]


class BorzoiReadout(nn.Module):
    """Replicates, and the coverage of some bins as one number.

    Parameters
    ----------
    replicates : torch.nn.ModuleList
        Of :class:`Borzoi`; their heads keep the tracks of the gene's strand, then those of the other.
    unsquash : Unsquashed
    bins : list of int
        In the window.
    window_bins : int
    both_strands : bool
    """

    bins: torch.Tensor
    mirrored: torch.Tensor

    def __init__(
        self, replicates: nn.ModuleList, unsquash: Unsquashed, bins: list[int], window_bins: int, *, both_strands: bool
    ) -> None:
        super().__init__()
        self.replicates, self.unsquash, self.both_strands = replicates, unsquash, both_strands
        places = torch.tensor(bins, device=unsquash.scale.device)
        self.register_buffer("bins", places, persistent=False)
        self.register_buffer("mirrored", window_bins - 1 - places, persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, 4, window) -> (batch,): log1p of the coverage summed over bins, the mean of replicates; of tracks."""
        coverage = torch.stack([self._coverage(replicate, x) for replicate in self.replicates]).mean(dim=0)
        return torch.log1p(coverage).mean(dim=1)

    def extra_repr(self) -> str:
        """What the fingerprint has to know."""
        return f"both_strands={self.both_strands}, bins={len(self.bins)}"

    def _coverage(self, replicate: nn.Module, x: torch.Tensor) -> torch.Tensor:
        """(batch, tracks), of one replicate."""
        number = len(self.unsquash.scale)
        squashed = replicate(x, self.bins)[:, :number]
        if self.both_strands:
            squashed = (squashed + replicate(x.flip(1, 2), self.mirrored)[:, number:]) / 2
        return self.unsquash(squashed).sum(dim=2)


class BorzoiModel(TorchSequenceModel):
    """Borzoi of any gene: its own network reads all bins, that of a gene the gene's exons.

    Parameters
    ----------
    spec : ModelSpec
    config : BorzoiConfig
    network : BorzoiReadout
    device : str
    precision : {"full", "mixed"}
    """

    def __init__(
        self, spec: ModelSpec, config: BorzoiConfig, network: BorzoiReadout, device: str, precision: Precision
    ) -> None:
        super().__init__(spec, network, batch_size=1, device=device, precision=precision)
        self._config, self._readout, self._where, self._precision = config, network, device, precision

    def for_gene(self, gene: GeneLocus, exons: Sequence[tuple[int, int]]) -> TorchSequenceModel:
        """Give the model of one gene; where the annotation has no exons, the whole gene is read."""
        spec = self.spec
        assert spec.window is not None and spec.anchor is not None
        shift, sign = (spec.anchor - gene.tss, 1) if gene.strand == "+" else (spec.anchor + gene.tss + 1, -1)
        places = [tuple(sorted((sign * s + shift, sign * e + shift))) for s, e in exons or [(gene.start, gene.end)]]
        bins = exon_bins(self._config, spec.window, places)  # type: ignore[arg-type]
        if not bins:
            reach = self._config.bins_to_return * BIN // 2
            raise GexvizError(f"no exon of {gene.name} is within {reach:,} bp of its TSS", expected="an exon there")
        own, read = self._readout, spec.window // BIN
        network = BorzoiReadout(own.replicates, own.unsquash, bins, read, both_strands=own.both_strands)
        return TorchSequenceModel(spec, network, batch_size=1, device=self._where, precision=self._precision)


def borzoi_spec(name: str, options: BorzoiOptions, config: BorzoiConfig, tracks: list[str]) -> ModelSpec:
    """Tell what a Borzoi with a readout is."""
    replicates = len(_weights(options))
    strands = "mean of both strands' sequences, " if options.both_strands else ""
    reach = config.bins_to_return * BIN // 2
    return ModelSpec(
        name=name,
        family="borzoi",
        input="sequence",
        scale=f"log(1 + coverage of exons), {tracks[0] if len(tracks) == 1 else f'mean of {len(tracks)} tracks'}",
        haplotypes="output_mean",
        window=options.window,
        anchor=options.window // 2,
        strand="gene_strand",
        n_policy="zero",
        bin_size=BIN,
        tracks=tuple(tracks),
        genome="GRCh38",
        licence="see its home",
        citation="Linder et al. 2025, Nature Genetics 57:949",
        verified="not verified against weights; equal to borzoi-pytorch with random weights in its own files",
        readout=f"sum over exon bins of {BIN} bp within {reach:,} bp of the TSS, scale and squash undone; {strands}"
        f"mean of {replicates} replicate{'s' * (replicates > 1)}; of {', '.join(tracks)}",
    )


def open_model(name: str, options: BorzoiOptions) -> BorzoiModel:
    """Open weights of Borzoi.

    Parameters
    ----------
    name : str
        Its name in the study.
    options : BorzoiOptions

    Returns
    -------
    BorzoiModel
    """
    config = read_borzoi_config(options.config)
    check_window(config, options.window)
    targets = read_targets(options.targets, _COLUMNS)
    tracks = _stranded(options, targets)
    replicates = nn.ModuleList(_replicate(path, options, config, tracks, len(targets)) for path in _weights(options))
    own = targets.iloc[tracks.sense]
    power = own["sum_stat"].eq("sum_sqrt").map({True: 0.75, False: 1.0})
    columns = (own["scale"], own["clip_soft"], power)
    unsquash = Unsquashed(*(torch.tensor(column.to_numpy(float)) for column in columns))
    every = exon_bins(config, options.window, [(0, options.window)])
    network = BorzoiReadout(replicates, unsquash, every, options.window // BIN, both_strands=options.both_strands)
    spec = borzoi_spec(name, options, config, tracks.names)
    return BorzoiModel(spec, config, network, device_for(options.device), options.precision)


def _weights(options: BorzoiOptions) -> list[Path]:
    paths = (options.weights, options.replicate_2, options.replicate_3, options.replicate_4)
    return [path for path in paths if path is not None]


def _replicate(path: Path, options: BorzoiOptions, config: BorzoiConfig, tracks: Tracks, number: int) -> Borzoi:
    rows = [*tracks.sense, *tracks.antisense]
    with torch.device("meta"):
        network = Borzoi(config, options.window, len(rows))
    with open_tensors(path) as file:
        head = file.shapes.get(_HEAD)
        if head is not None and head[:1] != (number,):
            raise GexvizError(
                f"{number:,} tracks are listed in {options.targets.name}, the network has {head[0] if head else 0:,}",
                file=path,
                place=f"tensor {_HEAD}",
                expected="the table of the network's own tracks, a row a track",
                remedy="give the targets.txt that was published with the weights",
            )
        chosen = {_HEAD: rows, "human_head.bias": rows}
        fill_network(
            network, file, named=lambda ours: ours.removeprefix("trunk."), rows=chosen, unused=("mouse_head.",)
        )
    return network


def _stranded(options: BorzoiOptions, targets: pd.DataFrame) -> Tracks:
    """Find the tracks asked for, and each one's partner of the other strand."""
    indices, _ = find_tracks(options.tracks, len(targets), targets, options.targets)
    minus = targets["identifier"].astype(str).str.endswith("-")
    sense = [index for index in indices if not minus.iloc[index]]
    if not sense:
        raise GexvizError(
            f"track {indices[0]} is of the other strand than the gene",
            file=options.targets,
            place=f"row {indices[0] + 2}",
            expected="tracks of the gene's own strand (+), or without a strand",
            remedy=f"ask for track {targets['strand_pair'].iloc[indices[0]]}",
        )
    antisense = [int(pair) for pair in targets["strand_pair"].iloc[sense]]
    if not all(0 <= pair < len(targets) for pair in antisense):
        raise GexvizError(
            "a strand_pair is no row of the table", file=options.targets, expected=f"0 to {len(targets) - 1:,}"
        )
    return Tracks(sense, antisense, [str(name) for name in targets["description"].iloc[sense]])
