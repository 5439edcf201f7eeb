"""The ``xpresso`` family: the published Keras checkpoints of Xpresso (Agarwal & Shendure 2020), run in torch.

The network reads 10,500 bp around the TSS in the gene's direction, and six features of the mRNA's half-life. These are
standardised: without a table of them, the zeros that they are given are the mean gene of the training set, as in Huang
et al. 2023.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import h5py
import numpy as np
import torch
from torch import nn

from gexviz.errors import GexvizError
from gexviz.models.base import GeneLocus, ModelSpec
from gexviz.models.half_life import HalfLifeFeatures
from gexviz.models.options import XpressoOptions
from gexviz.models.own_arrays import own_weights
from gexviz.models.torch_model import TorchSequenceModel

WINDOW = 10_500
ANCHOR = 6_999
HALF_LIFE_FEATURES = 6
_POSITIONS, _CHANNELS = 35, 32  # what is left of the window before it is flattened
_MOST_CONFIG = 1_000_000
_BATCH = 16  # the first layer's output is 5.4 MB a sequence


AnyLayer = TypeVar("AnyLayer", nn.Conv1d, nn.Linear)


class _Layer(NamedTuple):
    """A layer as the checkpoint has to describe it; inputs by place in the list, shape of the kernel if it has one."""

    kind: str
    settings: dict[str, Any]
    inputs: tuple[int, ...]
    kernel: tuple[int, ...] = ()


_CONV = {"padding": "same", "strides": [1], "dilation_rate": [1], "activation": "relu", "use_bias": True}
_DENSE = {"activation": "linear", "use_bias": True}
_LAYERS = [
    _Layer("InputLayer", {"batch_input_shape": [None, WINDOW, 4]}, ()),
    _Layer("Conv1D", {"filters": 128, "kernel_size": [6], **_CONV}, (0,), (6, 4, 128)),
    _Layer("MaxPooling1D", {"pool_size": [30], "strides": [30], "padding": "valid"}, (1,)),
    _Layer("Conv1D", {"filters": 32, "kernel_size": [9], **_CONV}, (2,), (9, 128, 32)),
    _Layer("MaxPooling1D", {"pool_size": [10], "strides": [10], "padding": "valid"}, (3,)),
    _Layer("Flatten", {}, (4,)),
    _Layer("InputLayer", {"batch_input_shape": [None, HALF_LIFE_FEATURES]}, ()),
    _Layer("Concatenate", {"axis": -1}, (5, 6)),
    _Layer("Dense", {"units": 64, **_DENSE}, (7,), (_POSITIONS * _CHANNELS + HALF_LIFE_FEATURES, 64)),
    _Layer("Activation", {"activation": "relu"}, (8,)),
    _Layer("Dropout", {}, (9,)),
    _Layer("Dense", {"units": 2, **_DENSE}, (10,), (64, 2)),
    _Layer("Activation", {"activation": "relu"}, (11,)),
    _Layer("Dropout", {}, (12,)),
    _Layer("Dense", {"units": 1, **_DENSE}, (13,), (2, 1)),
]


class KerasWeights(NamedTuple):
    """Kernel and bias of a layer, float32, in Keras' order: (width, in, out) for convolutions, (in, out) else."""

    kernel: np.ndarray
    bias: np.ndarray


def read_checkpoint(path: Path) -> list[KerasWeights]:
    """Read a published checkpoint.

    Parameters
    ----------
    path : Path
        Keras 2.0 HDF5, architecture and weights.

    Returns
    -------
    list of KerasWeights
        The two convolutions, then the three dense layers.

    Raises
    ------
    GexvizError
        For a file that is not HDF5, not a Keras model, or not Xpresso: names what is missing or differs.

    Notes
    -----
    Nothing in the file is run, links out of it are not followed, and shapes are compared before anything is read.
    """
    try:
        with h5py.File(path, "r") as file:
            names = _check_architecture(path, file)
            return [
                _layer_weights(path, file, name, layer.kernel)
                for name, layer in zip(names, _LAYERS, strict=True)
                if layer.kernel
            ]
    except (OSError, KeyError, RuntimeError, ValueError, TypeError) as error:
        raise GexvizError(
            f"can't read it as an HDF5 file: {str(error).splitlines()[0] if str(error) else type(error).__name__}",
            file=path,
            expected="an Xpresso checkpoint, HDF5 as Keras 2.0 wrote it",
            remedy="download the .h5 file again; a web page or a Git LFS pointer may have been saved in its place",
        ) from None


def build_network(weights: list[KerasWeights]) -> nn.Sequential:
    """Make the torch network of a checkpoint.

    Parameters
    ----------
    weights : list of KerasWeights
        From :func:`read_checkpoint`.

    Returns
    -------
    torch.nn.Sequential
        From float32 (batch, 4, 10500) to (batch,); every ReLU is a module of its own.

    Notes
    -----
    Keras pads the first convolution ('same', width 6) with 2 on the left and 3 on the right. It flattens position by
    position; here the rows of the first dense kernel are put in torch's order, channel by channel, and its last six
    rows, which multiply zeros, are left out.
    """
    first, second, dense, narrow, output = weights
    flat = dense.kernel[:-HALF_LIFE_FEATURES].reshape(_POSITIONS, _CHANNELS, -1).swapaxes(0, 1)
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        pad=nn.ZeroPad1d((2, 3)),
        conv1=_filled(nn.Conv1d(4, 128, 6), first.kernel.T, first.bias),
        conv1_relu=nn.ReLU(),
        conv1_pool=nn.MaxPool1d(30),
        conv2=_filled(nn.Conv1d(128, 32, 9, padding=4), second.kernel.T, second.bias),
        conv2_relu=nn.ReLU(),
        conv2_pool=nn.MaxPool1d(10),
        flatten=nn.Flatten(),
        dense1=_filled(nn.Linear(_POSITIONS * _CHANNELS, 64), flat.reshape(_POSITIONS * _CHANNELS, -1).T, dense.bias),
        dense1_relu=nn.ReLU(),
        dense2=_filled(nn.Linear(64, 2), narrow.kernel.T, narrow.bias),
        dense2_relu=nn.ReLU(),
        output=_filled(nn.Linear(2, 1), output.kernel.T, output.bias),
        one_number=nn.Flatten(0),
    )
    return nn.Sequential(layers)


def xpresso_spec(name: str) -> ModelSpec:
    """Tell what an Xpresso model is."""
    return ModelSpec(
        name=name,
        family="xpresso",
        input="sequence",
        scale="log10(RPKM + 0.1), standardised across the training genes",
        haplotypes="output_mean",
        window=WINDOW,
        anchor=ANCHOR,
        strand="gene_strand",
        n_policy="zero",
        licence="MIT",
        citation="Agarwal & Shendure 2020, Cell Reports 31:107663",
        published={"reference": 0.33, "across genes": 0.32, "across individuals": 0.007},
        verified="equal to the checkpoint run in Keras; the published GM12878 predictions of hg19 are reproduced",
    )


class XpressoWithHalfLives(TorchSequenceModel):
    """Xpresso with each gene's own half-life features.

    Parameters
    ----------
    spec : ModelSpec
    weights : list of KerasWeights
    features : HalfLifeFeatures

    Notes
    -----
    A gene's features multiply rows of the first dense kernel: for one gene they are a change of that layer's bias.
    """

    def __init__(self, spec: ModelSpec, weights: list[KerasWeights], features: HalfLifeFeatures) -> None:
        super().__init__(spec, build_network(weights), batch_size=_BATCH)
        self.features = features
        self._kernel = weights[2].kernel[-HALF_LIFE_FEATURES:]

    def unavailable(self, gene: GeneLocus) -> str | None:
        """Say why a gene can't be served: it has no features. Zeros for some genes alone would make them no peers."""
        return None if self.features.of(gene) is not None else f"no half-life features in {self.features.path.name}"

    def fingerprint(self) -> dict[str, str]:
        """Content hashes of the specification, of the network and of the features."""
        return super().fingerprint() | {"half-life features": self.features.digest}

    def for_gene(self, gene: GeneLocus, exons: Sequence[tuple[int, int]]) -> TorchSequenceModel:
        """Give the model of one gene; all layers but one are shared."""
        features = self.features.of(gene)
        if features is None:
            return self
        layers = OrderedDict(self.network().named_children())
        dense = layers["dense1"]
        assert isinstance(dense, nn.Linear)
        bias = dense.bias.detach().numpy() + features @ self._kernel
        layers["dense1"] = _filled(
            nn.Linear(dense.in_features, dense.out_features), dense.weight.detach().numpy(), bias
        )
        return TorchSequenceModel(self.spec, nn.Sequential(layers), batch_size=_BATCH)


def open_model(name: str, options: XpressoOptions) -> TorchSequenceModel:
    """Open a checkpoint.

    Parameters
    ----------
    name : str
        Its name in the study.
    options : XpressoOptions

    Returns
    -------
    TorchSequenceModel
    """
    spec, weights = xpresso_spec(name), read_checkpoint(options.checkpoint)
    if options.half_life is None:
        return TorchSequenceModel(spec, build_network(weights), batch_size=_BATCH)
    readout = f"half-life features of each gene from {options.half_life.name}"
    features = HalfLifeFeatures(options.half_life, HALF_LIFE_FEATURES)
    return XpressoWithHalfLives(replace(spec, readout=readout), weights, features)


def _check_architecture(path: Path, file: h5py.File) -> list[str]:
    """Compare the layers with Xpresso's; give their names in the file."""
    text = file.attrs.get("model_config")
    text = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    if not isinstance(text, str) or len(text) > _MOST_CONFIG:
        raise _not_xpresso(path, "it has no readable attribute model_config (an HDF5 file, but no whole Keras model)")
    try:
        found = [_described(layer) for layer in json.loads(text)["config"]["layers"]]
    except (KeyError, TypeError, ValueError, IndexError, RecursionError):
        raise _not_xpresso(path, "its model_config does not list layers as Keras 2.0 does") from None
    if [kind for _, kind, _, _ in found] != [layer.kind for layer in _LAYERS]:
        raise _not_xpresso(path, f"its layers are {', '.join(kind for _, kind, _, _ in found[:20])}")
    names = [name for name, *_ in found]
    for layer, (name, _, settings, inputs) in zip(_LAYERS, found, strict=True):
        if inputs != [names[i] for i in layer.inputs]:
            raise _not_xpresso(path, f"layer {name} reads {inputs}, not {[names[i] for i in layer.inputs]}")
        for key, value in layer.settings.items():
            if settings.get(key) != value:
                raise _not_xpresso(path, f"layer {name} has {key} = {settings.get(key)!r}, not {value!r}")
    return names


def _described(layer: Any) -> tuple[str, str, dict[str, Any], list[str]]:
    """Name, kind, settings and inputs of a layer in Keras' JSON."""
    inputs = [node[0] for call in layer["inbound_nodes"] for node in call]
    return str(layer["name"]), str(layer["class_name"]), dict(layer["config"]), inputs


def _layer_weights(path: Path, file: h5py.File, layer: str, shape: tuple[int, ...]) -> KerasWeights:
    folder = f"model_weights/{layer}/{layer}"
    return KerasWeights(
        _array(path, file, f"{folder}/kernel:0", shape), _array(path, file, f"{folder}/bias:0", shape[-1:])
    )


def _array(path: Path, file: h5py.File, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Read one array, once its kind and shape are known to be right."""
    try:
        return own_weights(file, name, shape)
    except ValueError as error:
        raise _not_xpresso(path, str(error)) from None


def _not_xpresso(path: Path, reason: str) -> GexvizError:
    return GexvizError(
        f"this is not an Xpresso checkpoint: {reason}",
        file=path,
        expected="Keras 2.0 HDF5 of Xpresso: 10,500 x 4 and 6 half-life features, two convolutions, three dense layers",
        remedy="give one of the published .h5 files; docs/models.md says where they are",
    )


def _filled(layer: AnyLayer, weight: np.ndarray, bias: np.ndarray) -> AnyLayer:
    """Put weights into a layer."""
    layer.load_state_dict({"weight": torch.from_numpy(weight.copy()), "bias": torch.from_numpy(bias)})
    return layer
