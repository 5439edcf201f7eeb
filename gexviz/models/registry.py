"""Families of models by name: the built-in ones, those of other installed packages, and those a user registers.

A family's module is imported when a model of it is opened, so torch is loaded only when a deep model runs.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from gexviz.config import StudyConfig
from gexviz.errors import GexvizError
from gexviz.models.base import Model
from gexviz.models.not_expression import NOT_EXPRESSION
from gexviz.models.options import (
    AlphaGenomeOptions,
    Basenji2Options,
    BorzoiOptions,
    CaduceusOptions,
    CnnOptions,
    Dnabert2Options,
    DnabertOptions,
    EnformerOptions,
    Evo2Options,
    ExpectoOptions,
    FusionOptions,
    GenaLmOptions,
    GpnOptions,
    HyenadnaOptions,
    ModelOptions,
    NucleotideTransformerOptions,
    PredictDBOptions,
    RastogiOptions,
    TableOptions,
    TorchOptions,
    VariformerOptions,
    XpressoOptions,
)

ENTRY_POINTS = "gexviz.models"
"""Group of entry points; each names a module with a class ``Options`` and a function ``open_model(name, options)``."""

Opener = Callable[[str, Any], Model]


class Family(NamedTuple):
    """A family of models.

    Attributes
    ----------
    options : type of ModelOptions
        Checks the keys of ``[models.NAME]``.
    opener : callable or str
        ``opener(name, options) -> Model``, or the module whose ``open_model`` does it.
    """

    options: type[ModelOptions]
    opener: Opener | str


_BUILT_IN = {
    "predictdb": Family(PredictDBOptions, "gexviz.models.predictdb"),
    "fusion": Family(FusionOptions, "gexviz.models.fusion"),
    "basenji2": Family(Basenji2Options, "gexviz.models.basenji2"),
    "borzoi": Family(BorzoiOptions, "gexviz.models.borzoi"),
    "enformer": Family(EnformerOptions, "gexviz.models.enformer"),
    "variformer": Family(VariformerOptions, "gexviz.models.variformer"),
    "rastogi": Family(RastogiOptions, "gexviz.models.rastogi"),
    "alphagenome": Family(AlphaGenomeOptions, "gexviz.models.alphagenome"),
    "expecto": Family(ExpectoOptions, "gexviz.models.expecto"),
    "xpresso": Family(XpressoOptions, "gexviz.models.xpresso"),
    "cnn": Family(CnnOptions, "gexviz.models.cnn"),
    "dnabert": Family(DnabertOptions, "gexviz.models.dnabert"),
    "dnabert2": Family(Dnabert2Options, "gexviz.models.dnabert2"),
    "gena_lm": Family(GenaLmOptions, "gexviz.models.gena_lm"),
    "caduceus": Family(CaduceusOptions, "gexviz.models.caduceus"),
    "evo2": Family(Evo2Options, "gexviz.models.evo2"),
    "hyenadna": Family(HyenadnaOptions, "gexviz.models.hyenadna"),
    "gpn": Family(GpnOptions, "gexviz.models.gpn"),
    "nucleotide_transformer": Family(NucleotideTransformerOptions, "gexviz.models.nucleotide_transformer"),
    "table": Family(TableOptions, "gexviz.models.table"),
    "torch": Family(TorchOptions, "gexviz.models.torch_file"),
}
_registered: dict[str, Family] = {}


def register_family(name: str, opener: Opener, options: type[ModelOptions] = ModelOptions) -> None:
    """Make a family known in this process.

    Parameters
    ----------
    name : str
        As studies write it: ``family = "name"``. A name registered before is replaced; built-in ones can't be.
    opener : callable
        ``opener(name, options) -> Model``: gets the model's name in the study and the checked options; paths in
        them are absolute and their files exist.
    options : type of ModelOptions
        The keys of the family, as pydantic fields.

    Raises
    ------
    ValueError
        For the name of a built-in family.
    """
    if name in _BUILT_IN:
        raise ValueError(f"{name} is a built-in family; choose another name")
    _registered[name] = Family(options, opener)


def family_names() -> list[str]:
    """Names of all families that can be opened."""
    return sorted({*_BUILT_IN, *_registered, *_installed()})


def check_options(config: StudyConfig, name: str) -> ModelOptions:
    """Check the keys of a study's ``[models.NAME]``.

    Parameters
    ----------
    config : StudyConfig
    name : str
        The model's name in the study.

    Returns
    -------
    ModelOptions
        Of the model's family; paths made absolute. Their files are looked for when the model is opened.

    Raises
    ------
    GexvizError
        For an unknown family or key, a missing key or a wrong value: names the line and the nearest right one.
    """
    section = config.models[name]

    def place(*keys: str) -> str:
        return config.place("models", name, *keys)

    family = _family(section.family, file=config.path, place=place("family"))
    options = _validated(family, section.options, file=config.path, place=place)
    return options.model_copy(update={key: config.resolve(path) for key, path in _paths(options).items()})


def open_model(
    name: str, family: str, options: ModelOptions | Mapping[str, Any], config: StudyConfig | None = None
) -> Model:
    """Open a model.

    Parameters
    ----------
    name : str
        Its name in the study.
    family : str
    options : ModelOptions or mapping
        Checked options, or the keys to check; relative paths start from the study's folder, else from the current one.
    config : StudyConfig, optional
        The study it belongs to; errors then name the line.

    Returns
    -------
    Model

    Raises
    ------
    GexvizError
        For an unknown family, wrong options, a file that is missing or that is no model of the family.
    """
    known = _family(family)
    if not isinstance(options, ModelOptions):
        options = _validated(known, options, file=None, place=lambda *keys: f"[models.{name}] {' '.join(keys)}".strip())
    files = {key: _existing(path, name, key, config) for key, path in _paths(options).items()}
    opener = known.opener if callable(known.opener) else importlib.import_module(known.opener).open_model
    model: Model = opener(name, options.model_copy(update=files))
    return model


def _family(name: str, file: Path | None = None, place: str | None = None) -> Family:
    if name in _registered:
        return _registered[name]
    if name in _BUILT_IN:
        return _BUILT_IN[name]
    if name in _installed():
        return _load_entry_point(_installed()[name])
    if (other := NOT_EXPRESSION.get(name.lower())) is not None:
        raise GexvizError(
            f"{name} does not predict expression from sequence: it predicts {other.predicts} ({other.citation})",
            file=file,
            place=place,
            expected="one of " + ", ".join(family_names()),
            remedy=other.use,
        )
    near = difflib.get_close_matches(name.lower(), family_names(), n=1, cutoff=0.5)
    raise GexvizError(
        f"unknown family '{name}'",
        file=file,
        place=place,
        expected="one of " + ", ".join(family_names()),
        remedy=f"did you mean '{near[0]}'?" if near else "docs/models.md shows how to register a family of your own",
    )


@cache
def _installed() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=ENTRY_POINTS)}


def _load_entry_point(point: EntryPoint) -> Family:
    where = f"entry point {point.name} = {point.value}"
    try:
        module = point.load()
    except (ImportError, AttributeError) as error:
        raise GexvizError(
            f"can't load the family '{point.name}' of an installed package: {error}",
            place=where,
            remedy="repair or remove the package that brings it",
        ) from error
    options, opener = getattr(module, "Options", None), getattr(module, "open_model", None)
    if not (isinstance(options, type) and issubclass(options, ModelOptions) and callable(opener)):
        raise GexvizError(
            f"the family '{point.name}' of an installed package is not complete",
            place=where,
            expected="a module with a class Options (of ModelOptions) and a function open_model(name, options)",
        )
    return Family(options, opener)


def _paths(options: ModelOptions) -> dict[str, Path]:
    return {key: value for key, value in options if isinstance(value, Path)}


def _existing(path: Path, name: str, key: str, config: StudyConfig | None) -> Path:
    if config is not None:
        return config.existing(path, "models", name, key)
    full = path.expanduser().absolute()
    if not full.is_file():
        raise GexvizError(
            f"{full} does not exist" if not full.exists() else f"{full} is not a file",
            place=f"[models.{name}] {key}",
            expected="a file",
            remedy="correct the path",
        )
    return full


def _validated(
    family: Family, values: Mapping[str, Any], *, file: Path | None, place: Callable[..., str]
) -> ModelOptions:
    try:
        return family.options(**values)
    except ValidationError as error:
        first = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")  # a typo explains what is missing
        key = str(first["loc"][0]) if first["loc"] else ""
        known = list(family.options.model_fields)
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
        raise GexvizError(
            f"unknown key '{key}'",
            file=file,
            place=place(key),
            expected="one of family, trained_on, " + ", ".join(known),
            remedy=f"did you mean '{near[0]}'?" if near else "remove it",
        )
    if first["type"] == "missing":
        raise GexvizError(
            f"'{key}' is missing",
            file=file,
            place=place(key),
            expected=f"{key} = ...",
            remedy="add it; docs/models.md describes every key",
        )
    raise GexvizError(
        f"'{key}' has a wrong value: {first['input']!r}" if key else "the keys don't go together",
        file=file,
        place=place(key) if key else place(),
        expected=_EXPECTED.get(first["type"], first["msg"].lower()),
        remedy="correct the value; docs/models.md describes every key",
    )


_EXPECTED = {"path_type": "a path in quotes", "string_type": "text in quotes", "bool_type": "true or false",
             "bool_parsing": "true or false", "string_too_short": "text, not empty"}  # fmt: skip
