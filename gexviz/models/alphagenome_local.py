"""AlphaGenome with weights that are here: the network of alphagenome-pytorch, read from one-hot sequence."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from alphagenome_pytorch import alphagenome as library
from alphagenome_pytorch.alphagenome import AlphaGenome, Attention, set_update_running_var
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import nn
from torch.nn import functional as F

from gexviz.errors import GexvizError
from gexviz.models.alphagenome_readout import EXON_FLOOR, Spans, alphagenome_spec, spans_of
from gexviz.models.base import GeneLocus, ModelSpec
from gexviz.models.checkpoints import TensorFile, fill_network, open_tensors
from gexviz.models.devices import device_for
from gexviz.models.options import AlphaGenomeOptions
from gexviz.models.torch_model import TorchSequenceModel

_COLUMNS = ["name", "strand", "ontology_curie", "nonzero_mean"]
_CLIP = 10.0  # above which training data were replaced by a square root
_SQUASHED = 0.75  # the power that RNA-seq coverage was raised to before
_HUMAN = 0

# On a GPU the library casts attention and its rotary phases to bfloat16, whatever the weights' type: 8 bits round away
# more than most variants do. This is its own switch, read in every forward.
library._ALLOW_NATIVE_BF16 = False


class AlphaGenomeConfig(BaseModel):
    """Sizes of the network; other keys of the file change nothing."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    dims: tuple[int, ...] = Field((768, 896, 1024, 1152, 1280, 1408, 1536), min_length=2, max_length=16)
    dna_embed_width: int = Field(15, ge=1, le=1_001)
    num_organisms: int = Field(2, ge=1, le=100)
    transformer_kwargs: dict[str, int | float] = {}


class FromOneHot(nn.Module):
    """The network's first layers, fed with one-hot sequence in place of numbers for letters.

    Parameters
    ----------
    embed : torch.nn.Module
        The library's, whose layers these are.
    """

    def __init__(self, embed: Any) -> None:
        super().__init__()
        self.conv, self.pointwise, self.pool = embed.conv, embed.pointwise, embed.pool

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(batch, 4, n) -> halved, and as it is."""
        x = self.conv(x)
        x = x + self.pointwise(x)
        return self.pool(x), x


class InOwnType(nn.Module):
    """A norm that the library feeds with float32, whatever the network's type; here with the norm's own.

    Parameters
    ----------
    norm : torch.nn.Module
    """

    def __init__(self, norm: Any) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Same shape."""
        normed: torch.Tensor = self.norm(x.to(self.norm.weight.dtype))
        return normed


class Trunk(nn.Module):
    """From one-hot sequence to what the heads at 1 bp read.

    Parameters
    ----------
    network : AlphaGenome
        Without heads.
    """

    def __init__(self, network: Any) -> None:
        super().__init__()
        network.transformer_unet.dna_embed = FromOneHot(network.transformer_unet.dna_embed)
        set_update_running_var(network, False)  # else each prediction would change the next
        for layer in network.modules():
            if isinstance(layer, Attention):
                layer.q_norm, layer.k_norm, layer.v_norm = map(InOwnType, (layer.q_norm, layer.k_norm, layer.v_norm))
        del network.outembed_pair  # of contact maps
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, 4, n) -> (batch, n, dim), of human."""
        network = self.network
        organism = torch.full((len(x),), _HUMAN, dtype=torch.long, device=x.device)
        fine, coarse, _ = network.transformer_unet(x, pre_attend_embed=network.organism_embed(organism))
        embedded: torch.Tensor = network.outembed_1bp(fine, organism, network.outembed_128bp(coarse, organism))
        return embedded


class Head(nn.Module):
    """Some tracks of a head, on the scale of the experiments.

    Parameters
    ----------
    weight, bias, scale, mean : torch.Tensor
        Rows of the tracks: (tracks, dim), then (tracks,) each.
    squashed : bool
        Whether coverage was raised to a power in training.
    """

    weight: torch.Tensor
    bias: torch.Tensor
    scale: torch.Tensor
    mean: torch.Tensor

    def __init__(
        self, weight: torch.Tensor, bias: torch.Tensor, scale: torch.Tensor, mean: torch.Tensor, *, squashed: bool
    ) -> None:
        super().__init__()
        self.squashed = squashed
        for name, values in (("weight", weight), ("bias", bias), ("scale", scale), ("mean", mean)):
            self.register_buffer(name, values.float())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, n, dim) -> (batch, n, tracks)."""
        x = F.softplus(F.linear(x, self.weight, self.bias)) * F.softplus(self.scale)
        x = torch.where(x > _CLIP, (x + _CLIP) ** 2 / (4 * _CLIP), x)
        return (x ** (1 / _SQUASHED) if self.squashed else x) * self.mean

    def of(self, rows: Sequence[int]) -> Head:
        """Give the same head with some of its tracks."""
        chosen = torch.tensor(rows, device=self.weight.device)
        parts = (self.weight[chosen], self.bias[chosen], self.scale[chosen], self.mean[chosen])
        return Head(*parts, squashed=self.squashed)

    def extra_repr(self) -> str:
        """What the fingerprint has to know."""
        return f"squashed={self.squashed}"


class CoverageReadout(nn.Module):
    """From one-hot sequence to one number.

    Parameters
    ----------
    trunk : Trunk
    head : Head
    spans : Spans
        Of the window.
    over_exons : bool
        Whether the mean counts (of exons), or the sum (around the TSS).
    """

    def __init__(self, trunk: Trunk, head: Head, spans: Spans, *, over_exons: bool) -> None:
        super().__init__()
        self.trunk, self.head, self.over_exons = trunk, head, over_exons
        self.spans = spans

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, 4, window) -> (batch,)."""
        embedded = self.trunk(x)
        coverage = self.head(torch.cat([embedded[:, start:end] for start, end in self.spans], dim=1))
        if self.over_exons:
            return torch.log(coverage.mean(dim=1) + EXON_FLOOR).mean(dim=1)
        return torch.log2(1 + coverage.sum(dim=1)).mean(dim=1)

    def extra_repr(self) -> str:
        """What the fingerprint has to know."""
        return f"over_exons={self.over_exons}"


class AlphaGenomeHere(TorchSequenceModel):
    """AlphaGenome of any gene; its own network reads all that the window has, that of a gene the gene's coverage.

    Parameters
    ----------
    spec : ModelSpec
    options : AlphaGenomeOptions
    network : CoverageReadout
    strands : sequence of str
        Of the head's tracks.
    """

    def __init__(
        self, spec: ModelSpec, options: AlphaGenomeOptions, network: CoverageReadout, strands: Sequence[str]
    ) -> None:
        self._where = device_for(options.device)
        super().__init__(spec, network, batch_size=1, device=self._where)
        self._options, self._readout, self._strands = options, network, tuple(strands)

    def fingerprint(self) -> dict[str, str]:
        """As of every network, and of the tracks' strands, which choose among them at each gene."""
        return super().fingerprint() | {"strands": hashlib.sha256(repr(self._strands).encode()).hexdigest()}

    def for_gene(self, gene: GeneLocus, exons: Sequence[tuple[int, int]]) -> TorchSequenceModel:
        """Give the model of one gene: its strand's tracks, or those without one."""
        rows = [row for row, strand in enumerate(self._strands) if strand in (gene.strand, ".")]
        if not rows:
            raise GexvizError(
                f"no {self._options.output} track of the {gene.strand} strand was chosen for {gene.name}",
                file=self._options.targets,
                expected=f"tracks of {self._options.ontology} of both strands, or without one",
                remedy="name none in `tracks`, to read all of the term",
            )
        own, spans = self._readout, spans_of(gene, exons, self._options)
        network = CoverageReadout(own.trunk, own.head.of(rows), spans, over_exons=own.over_exons)
        return TorchSequenceModel(self.spec, network, batch_size=1, device=self._where)


def open_local(name: str, options: AlphaGenomeOptions) -> AlphaGenomeHere:
    """Open weights of AlphaGenome.

    Parameters
    ----------
    name : str
        Its name in the study.
    options : AlphaGenomeOptions
        With weights and targets.

    Returns
    -------
    AlphaGenomeHere
    """
    assert options.weights is not None and options.targets is not None
    network = _network(options.config)
    with open_tensors(options.weights) as file:
        fill_network(network, file, unused=("heads.",))
        tracks = _tracks(options.targets, options, _shape(file, options.output)[0])
        head = _head(file, options.output, tracks)
    readout = CoverageReadout(Trunk(network), head, ((0, options.window),), over_exons=options.output == "rna_seq")
    spec = alphagenome_spec(
        name,
        options,
        verified="not verified against weights; equal to alphagenome-pytorch with random weights in its own files",
        licence="see its home",
    )
    return AlphaGenomeHere(spec, options, readout, tracks["strand"].tolist())


def _network(path: Path | None) -> Any:
    """The library's network, without heads."""
    try:
        config = AlphaGenomeConfig.model_validate({} if path is None else json.loads(path.read_text("utf-8")))
        return AlphaGenome(**config.model_dump())
    except (OSError, ValueError, TypeError, AssertionError, ValidationError) as error:
        raise GexvizError(
            f"the configuration can't be used: {str(error).splitlines()[0] if str(error) else 'sizes do not fit'}",
            file=path,
            expected="JSON: dims, dna_embed_width, num_organisms, transformer_kwargs, as alphagenome-pytorch has them",
        ) from None


def _names(output: str) -> Mapping[str, str]:
    beginning = f"heads.human.{output}.resolutions.resolution_1"
    return {"weight": f"{beginning}.to_pred.weight", "bias": f"{beginning}.to_pred.bias", "scale": f"{beginning}.scale"}


def _shape(file: TensorFile, output: str) -> tuple[int, ...]:
    name = _names(output)["weight"]
    if len(file.shapes.get(name, ())) != 2:
        raise GexvizError(
            f"the weights have no head for {output}",
            file=file.path,
            place=f"tensor {name}",
            expected="the state dict of alphagenome-pytorch after add_reference_heads('human')",
            remedy="convert the published weights with alphagenome-pytorch, and save the network's state_dict()",
        )
    return file.shapes[name]


def _tracks(path: Path, options: AlphaGenomeOptions, number: int) -> pd.DataFrame:
    """The chosen rows of the table of tracks."""
    try:
        table = pd.read_csv(path, sep="\t", nrows=100_000)
    except (OSError, ValueError) as error:
        raise _no_tracks(path, f"the table can't be read: {str(error).splitlines()[0]}", number) from None
    if missing := [column for column in _COLUMNS if column not in table]:
        raise _no_tracks(path, f"the table has no column {missing[0]}", number)
    if len(table) != number:
        raise _no_tracks(path, f"{len(table):,} tracks are listed, the head of {options.output} has {number:,}", number)
    of_term = table[table["ontology_curie"] == options.ontology]
    chosen = of_term[of_term["name"].isin(options.tracks)] if options.tracks else of_term
    unknown = sorted(set(options.tracks) - set(of_term["name"]))
    if unknown or chosen.empty:
        listed = ", ".join(sorted(set(of_term["name"]))[:10]) or "none of this term"
        name = unknown[0] if unknown else ""
        raise _no_tracks(path, f"no track {name} of {options.ontology}; of it are: {listed}", number)
    mean = pd.to_numeric(chosen["nonzero_mean"], errors="coerce")
    if not (mean > 0).all():
        raise _no_tracks(path, f"nonzero_mean of {chosen['name'][~(mean > 0)].iloc[0]} is no positive number", number)
    return chosen.assign(nonzero_mean=mean)


def _no_tracks(path: Path, problem: str, number: int) -> GexvizError:
    return GexvizError(
        problem,
        file=path,
        expected=f"tab-separated, {number:,} rows in the head's order, padding too; columns {', '.join(_COLUMNS)}",
        remedy="write it from the metadata of the package alphagenome-research",
    )


def _head(file: TensorFile, output: str, tracks: pd.DataFrame) -> Head:
    """Rows of a head."""
    rows = tracks.index.tolist()
    tensors = {part: file.read(name)[rows].float() for part, name in _names(output).items() if name in file.shapes}
    if len(tensors) < len(_names(output)) or not all(torch.isfinite(tensor).all() for tensor in tensors.values()):
        raise GexvizError(
            f"the head of {output} is not whole",
            file=file.path,
            place=f"tensors {', '.join(_names(output).values())}",
            expected="weight, bias and scale, finite numbers",
        )
    mean = torch.tensor(tracks["nonzero_mean"].to_numpy(float))
    return Head(**tensors, mean=mean, squashed=output == "rna_seq")
