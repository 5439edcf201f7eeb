"""A published language model's folder: its configuration, its vocabulary, its weights."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from torch import nn

from gexviz.errors import GexvizError
from gexviz.models.checkpoints import fill_network, open_tensors

AnyConfig = TypeVar("AnyConfig", bound="NetworkConfig")
_MOST_CONFIG = 1_000_000
_OLD_NORM = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}


class NetworkConfig(BaseModel):
    """What is read of a ``config.json``; its other keys change nothing, and code that it names is never fetched."""

    model_config = ConfigDict(extra="ignore", frozen=True)


def library(name: str) -> Any:
    """Give ``transformers`` or ``tokenizers``, which are an extra.

    Raises
    ------
    GexvizError
        If it isn't installed: with the line that installs it.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise GexvizError(
            f"the package {name} is needed to open this model: {error}",
            expected="transformers 5 or newer, which brings tokenizers",
            remedy='pip install "gexviz[language]"',
        ) from None


def beside(weights: Path, given: Path | None, name: str) -> Path:
    """Find a file of the weights' folder, unless another was given.

    Raises
    ------
    GexvizError
        If it isn't there.
    """
    path = weights.with_name(name) if given is None else given
    if not path.is_file():
        raise GexvizError(
            f"there is no {name} beside the weights",
            file=path,
            expected="the folder as it was published: weights, config.json and the vocabulary",
            remedy=f"put {name} beside the weights, or name its path in the study",
        )
    return path


def read_config(path: Path, kind: type[AnyConfig]) -> AnyConfig:
    """Read and check a ``config.json``.

    Raises
    ------
    GexvizError
        Naming the key that is missing or wrong.
    """
    try:
        if path.stat().st_size > _MOST_CONFIG:
            raise OSError("it is too long")
        return kind.model_validate_json(path.read_bytes())
    except OSError as error:
        raise GexvizError(f"can't read the configuration: {error}", file=path) from None
    except ValidationError as error:
        first = error.errors()[0]
        raise GexvizError(
            f"this is not a configuration of such a network: {first['msg']}",
            file=path,
            place=".".join(str(part) for part in first["loc"]) or None,
            expected="config.json as it was published with the weights; docs/models.md says which networks open",
            remedy="give that file",
        ) from None


def check_size(vocabulary: Path, tokens: int, network: int) -> None:
    """See that a network has an embedding for each token.

    Raises
    ------
    GexvizError
        If the vocabulary has more tokens.
    """
    if tokens > network:
        raise GexvizError(
            f"the vocabulary has {tokens:,} tokens, the network {network:,}",
            file=vocabulary,
            expected="the vocabulary that was published with the weights",
            remedy="give that file",
        )


def fill_from(
    network: nn.Module, weights: Path, unused: tuple[str, ...], older: Mapping[str, str] | None = None
) -> None:
    """Load a network whose parameters are called as in the file, or as files of earlier releases have them.

    Parameters
    ----------
    network : torch.nn.Module
    weights : Path
    unused : tuple of str
        Beginnings of names that the file may have beside.
    older : mapping, optional
        Other names of some tensors.

    Notes
    -----
    Older names of the scales of layer norms are known, files of a network without heads, whose names lack the first
    part, and parameters that layers share, under the first layer's name alone.
    """
    bare = tuple(filter(None, map(_bare, unused)))
    older = _shared(network) | dict(older or {})
    with open_tensors(weights) as file:
        there = file.shapes

        def named(ours: str) -> str:
            return next((name for name in _names_of(ours, older) if name in there), ours)

        fill_network(network, file, named=named, unused=unused + bare)


def _shared(network: nn.Module) -> dict[str, str]:
    """Names of parameters that have an earlier name too, and that name."""
    first: dict[int, str] = {}
    named = network.named_parameters(remove_duplicate=False)
    return {name: found for name, tensor in named if (found := first.setdefault(id(tensor), name)) != name}


def _names_of(ours: str, older: Mapping[str, str]) -> Iterator[str]:
    names = [ours, older[ours]] if ours in older else [ours]
    names += [ours.removesuffix(new) + old for new, old in _OLD_NORM.items() if ours.endswith(new)]
    yield from names
    yield from map(_bare, names)


def _bare(name: str) -> str:
    """A name in a file of a network that was saved without heads: without its first part."""
    return name.partition(".")[2]
