"""The ``basenji2`` family: Keras checkpoints of Basenji2 (Kelley 2020), run in torch; the centre bins of a track."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path

import h5py
import torch
from torch import nn

from gexviz.errors import GexvizError
from gexviz.models.base import ModelSpec
from gexviz.models.basenji_network import BasenjiParams, Shifted, build_trunk, read_basenji_params
from gexviz.models.devices import device_for
from gexviz.models.enformer import TrackHead
from gexviz.models.options import Basenji2Options
from gexviz.models.own_arrays import own_array, own_weights
from gexviz.models.readouts import CentreBins, OneNumber
from gexviz.models.targets import find_tracks, read_targets
from gexviz.models.torch_model import TorchSequenceModel

_KINDS: dict[type[nn.Module], tuple[str, dict[str, str]]] = {
    nn.Conv1d: ("conv1d", {"weight": "kernel"}),
    nn.BatchNorm1d: (
        "batch_normalization",
        {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"},
    ),
    nn.Linear: ("dense", {"weight": "kernel", "bias": "bias"}),
}
"""Layers of torch: what Keras calls them, and their arrays."""


def build_network(params: BasenjiParams, options: Basenji2Options, tracks: int) -> nn.Module:
    """Make the network with its readout, from (batch, 4, seq_length) to (batch,).

    Parameters
    ----------
    params : BasenjiParams
    options : Basenji2Options
    tracks : int
        How many.

    Raises
    ------
    GexvizError
        For more bins than the network has.
    """
    with torch.device("meta"):
        trunk, channels = build_trunk(params)
        bins = trunk(torch.empty(1, 4, params.seq_length)).shape[2]
        if options.bins > bins or bins % 2:
            raise GexvizError(f"{options.bins} bins of {bins}", expected=f"1 to {bins}, of an even number of bins")
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            trunk=trunk,
            centre=CentreBins(options.bins, bins),
            head=TrackHead(channels, tracks),
            softplus=nn.Softplus(),
            readout=OneNumber("mean"),
        )
        return Shifted(nn.Sequential(layers), options.shifts)


def fill_from_keras(network: nn.Module, path: Path, tracks: Sequence[int], number: int) -> None:
    """Load a Keras HDF5 into a network.

    Parameters
    ----------
    network : torch.nn.Module
        May be on the meta device.
    path : Path
        Saved whole, or weights only. Layers of a kind are taken in the order in which Keras numbers them.
    tracks : sequence of int
        Of the head, that the network keeps.
    number : int
        Of tracks in the file.

    Raises
    ------
    GexvizError
        For a file that is not HDF5, another number of layers, or an array that is missing, of another type or shape or
        not finite: names it.

    Notes
    -----
    Nothing in the file is run, links out of it are not followed, and shapes are compared before anything is read.
    """
    try:
        with h5py.File(path, "r") as file:
            values = dict(_values(path, file, network, tracks, number))
    except (OSError, KeyError, RuntimeError, ValueError, TypeError) as error:
        raise GexvizError(
            f"can't read it as an HDF5 file: {str(error).splitlines()[0] if str(error) else type(error).__name__}",
            file=path,
            expected="a checkpoint of Basenji2, HDF5 as Keras wrote it",
            remedy="download the .h5 file again; a web page or a Git LFS pointer may have been saved in its place",
        ) from None
    network.load_state_dict(values, assign=True)


def basenji2_spec(name: str, options: Basenji2Options, params: BasenjiParams, tracks: list[str]) -> ModelSpec:
    """Tell what a Basenji2 with a readout is."""
    moved = f"mean of shifts by {', '.join(str(shift) for shift in options.shifts)} bp"
    return ModelSpec(
        name=name,
        family="basenji2",
        input="sequence",
        scale=f"{tracks[0] if len(tracks) == 1 else f'mean of {len(tracks)} tracks'}, mean of {options.bins} bins",
        haplotypes="output_mean",
        window=params.seq_length,
        anchor=params.seq_length // 2,
        strand=options.strand,
        n_policy="zero",
        tracks=tuple(tracks),
        genome="GRCh38",
        licence="see its home",
        citation="Kelley 2020, PLoS Computational Biology 16:e1008050",
        published={"reference": 0.52, "across genes": 0.51, "across individuals": 0.037},
        verified="not verified against weights; equal to its layers in Keras and in NumPy with random weights",
        readout=f"mean of {options.bins} bins around the TSS, {moved}; of {', '.join(tracks)}",
    )


def open_model(name: str, options: Basenji2Options) -> TorchSequenceModel:
    """Open a checkpoint.

    Parameters
    ----------
    name : str
        Its name in the study.
    options : Basenji2Options

    Returns
    -------
    TorchSequenceModel
    """
    params = read_basenji_params(options.params)
    number = params.head_human.units
    targets = None if options.targets is None else read_targets(options.targets)
    tracks, names = find_tracks(options.tracks, number, targets, options.targets)
    network = build_network(params, options, len(tracks))
    fill_from_keras(network, options.checkpoint, tracks, number)
    spec = basenji2_spec(name, options, params, names)
    device = device_for(options.device)
    return TorchSequenceModel(spec, network, batch_size=1, device=device, precision=options.precision)


def _values(
    path: Path, file: h5py.File, network: nn.Module, tracks: Sequence[int], number: int
) -> Iterator[tuple[str, torch.Tensor]]:
    """The network's tensors by name, from the layers of the file."""
    found = file.get("model_weights", file)
    folder = found if isinstance(found, h5py.Group) else file
    for kind, (theirs, arrays) in _KINDS.items():
        ours = {name: layer for name, layer in network.named_modules() if isinstance(layer, kind)}
        names = _numbered(folder, theirs)
        if len(names) != len(ours):
            raise _other(path, f"it has {len(names)} layers {theirs}, not {len(ours)}")
        for (name, layer), their_name in zip(ours.items(), names, strict=True):
            group = f"{their_name}/{their_name}"
            if kind is nn.Conv1d and own_array(folder, f"{group}/bias:0") is not None:
                raise _other(path, f"layer {their_name} has a bias")
            for key, array in arrays.items():
                yield f"{name}.{key}", _array(path, folder, f"{group}/{array}:0", layer, key, tracks, number)
            if kind is nn.BatchNorm1d:
                yield f"{name}.num_batches_tracked", torch.zeros((), dtype=torch.int64)


def _numbered(folder: h5py.Group, kind: str) -> list[str]:
    """Layers of a kind that have arrays, as Keras numbers them: ``conv1d``, ``conv1d_1``, ``conv1d_2``, ..."""
    pattern = re.compile(rf"(?:sync_)?{kind}(?:_(\d{{1,9}}))?")
    matches = ((name, pattern.fullmatch(name)) for name in folder)
    numbered = [(int(match[1] or 0), name) for name, match in matches if match]
    return [name for _, name in sorted(numbered) if _own_group(folder, name)]


def _own_group(folder: h5py.Group, name: str) -> bool:
    """Whether there is something in a group of the file itself."""
    here = isinstance(folder.get(name, getlink=True), h5py.HardLink)
    return here and isinstance(folder[name], h5py.Group) and len(folder[name]) > 0


def _array(
    path: Path, folder: h5py.Group, name: str, layer: nn.Module, key: str, tracks: Sequence[int], number: int
) -> torch.Tensor:
    """Read one array, once its type and shape are known to be right, and put it in torch's order."""
    head = isinstance(layer, nn.Linear)
    shape = tuple(getattr(layer, key).shape)
    expected = (number, *shape[1:])[::-1] if head else shape[::-1]
    try:
        values = own_weights(folder, name, expected).T
    except ValueError as error:
        raise _other(path, str(error)) from None
    return torch.from_numpy((values[list(tracks)] if head else values).copy())


def _other(path: Path, reason: str) -> GexvizError:
    return GexvizError(
        f"this is not the checkpoint of these layers: {reason}",
        file=path,
        expected="Keras HDF5 of the Basenji2 that params describes; the published human one without params",
        remedy="give the .h5 and the JSON of one network; docs/models.md says where they are",
    )
