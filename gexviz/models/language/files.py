"""A published language model's folder: its configuration, its vocabulary, its weights."""

from __future__ import annotations

import importlib
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


def transformers() -> Any:
    """Give the library, which is an extra.

    Raises
    ------
    GexvizError
        If it isn't installed: with the line that installs it.
    """
    try:
        return importlib.import_module("transformers")
    except ImportError as error:
        raise GexvizError(
            f"the package transformers is needed to open this model: {error}",
            expected="transformers 5 or newer",
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
            expected="the folder as it was published: weights, config.json and vocab.txt",
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


def fill_from(network: nn.Module, weights: Path, unused: tuple[str, ...]) -> None:
    """Load a network whose parameters are called as in the file; scales of layer norms by their older names too."""
    with open_tensors(weights) as file:
        there = file.shapes

        def named(ours: str) -> str:
            for new, old in _OLD_NORM.items():
                if ours.endswith(new) and ours not in there and (older := ours.removesuffix(new) + old) in there:
                    return older
            return ours

        fill_network(network, file, named=named, unused=unused)
