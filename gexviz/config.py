"""``study.toml``: the cohort's files and its models, read and checked key by key."""

from __future__ import annotations

import difflib
import re
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from gexviz.allowed import Allowed
from gexviz.errors import GexvizError

_SECTIONS = ("study", "cohort", "models")
_MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")  # it names columns, files and parts of addresses
_COLUMNS = ("sample", "population", "observed", "gene", "name")

_INDEXES = (".tbi", ".csi", ".fai", ".gzi")

Transform = Literal["none", "log2p1", "inverse_normal"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StudySection(_Section):
    """``[study]``: what the study is called and where its results go."""

    name: str = Field(min_length=1)
    genome: str = Field(min_length=1, description="genome build, as GRCh37 or GRCh38")
    description: str = ""
    simulated: StrictBool = False
    results: Path | None = Field(None, description="folder for results; 'results' beside the study's file if not given")


class CohortSection(_Section):
    """``[cohort]``: the people's files. Paths are relative to the study's file."""

    genotypes: list[str] = Field(min_length=1)
    reference: Path
    expression: Path
    genes: Path
    transform: Transform = "none"
    samples: Path | None = None
    covariates: Path | None = None
    adjust: bool = Field(False, description="compare with expression that the covariates were projected out of")
    missing: Literal["reference", "N"] = Field("reference", description="what a missing call becomes in a haplotype")
    unphased: Literal["as_written", "reference"] = Field(
        "as_written", description="how an unphased heterozygote goes into the two haplotypes"
    )

    @field_validator("genotypes", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value


class ModelSection(BaseModel):
    """``[models.NAME]``: a model's family, and the options of that family (checked by the family)."""

    model_config = ConfigDict(extra="allow", frozen=True)

    family: str = Field(min_length=1)
    trained_on: list[str] = Field(
        default_factory=list,
        description="values of the samples' `split` column that the model was trained on; never evaluated",
    )

    @property
    def options(self) -> dict[str, Any]:
        """The keys that belong to the family."""
        return dict(self.__pydantic_extra__ or {})


class StudyConfig(_Section):
    """A whole ``study.toml``.

    Attributes
    ----------
    path : Path
        The file it was read from; relative paths in it start from this file's folder.
    lines : dict
        Line (1-based) of each section and key, ``("cohort", "genotypes") -> 7``.
    allowed : Allowed or None
        Folders that every file named in it must be in; None for anywhere.
    """

    study: StudySection
    cohort: CohortSection
    models: dict[str, ModelSection] = Field(default_factory=dict)
    path: Path
    lines: dict[tuple[str, ...], int]
    allowed: Allowed | None = None

    @field_validator("models")
    @classmethod
    def _usable_names(cls, models: dict[str, ModelSection]) -> dict[str, ModelSection]:
        for name in models:
            if not _MODEL_NAME.fullmatch(name) or name in _COLUMNS:
                raise PydanticCustomError("model_name", "{name}", {"name": name})
        return models

    def resolve(self, path: str | Path) -> Path:
        """Make a path from the file absolute."""
        return (self.path.parent / Path(path).expanduser()).absolute()

    @property
    def results_folder(self) -> Path:
        """The folder for results."""
        return self.permitted(self.study.results or "results", "study", "results")

    def place(self, *keys: str) -> str:
        """Say where a key stands, as ``[cohort] genotypes, line 7``."""
        section, key = (".".join(keys[:-1]), keys[-1]) if len(keys) > 1 else (keys[0], "")
        line = next((self.lines[keys[:n]] for n in range(len(keys), 0, -1) if keys[:n] in self.lines), None)
        return f"[{section}]" + (f" {key}" if key else "") + (f", line {line}" if line else "")

    def permitted(self, path: str | Path, *keys: str) -> Path:
        """Make a path absolute; where only some folders are allowed, follow it and see that it stays in them.

        Raises
        ------
        GexvizError
            Naming the key and its line.
        """
        full = self.resolve(path)
        if self.allowed is None:
            return full
        try:
            return self.allowed.path(full)
        except GexvizError as error:
            raise GexvizError(
                f"{error.problem}: {error.file}",
                file=self.path,
                place=self.place(*keys),
                expected=error.expected,
                remedy=error.remedy,
            ) from None

    def existing(self, path: str | Path, *keys: str) -> Path:
        """Make a path absolute and see that its file is there.

        Raises
        ------
        GexvizError
            Naming the key and its line, with the nearest file names of that folder.
        """
        full = self.permitted(path, *keys)
        if full.is_file():
            for index in _INDEXES if self.allowed is not None else ():  # readers open them by themselves
                self.permitted(f"{full}{index}", *keys)
            return full
        near = difflib.get_close_matches(full.name, [p.name for p in full.parent.glob("*")], n=3, cutoff=0.5)
        raise GexvizError(
            f"{full} does not exist" if not full.exists() else f"{full} is not a file",
            file=self.path,
            place=self.place(*keys),
            expected="a file (paths are relative to the study's TOML)",
            remedy=f"did you mean {' or '.join(near)}?"
            if near
            else f"correct the path, or put the file in {full.parent}",
        )


def read_config(path: str | Path, allowed: Allowed | None = None) -> StudyConfig:
    """Read and check a ``study.toml``. Files named in it are looked for when they are opened.

    Parameters
    ----------
    path : path
        The TOML file.
    allowed : Allowed, optional
        Folders that it, and every file named in it, must be in.

    Returns
    -------
    StudyConfig

    Raises
    ------
    GexvizError
        For a missing file, broken TOML, an unknown key, a missing key or a wrong type: names the key and its line.
    """
    path = Path(path).expanduser().absolute()
    if allowed is not None:
        path = allowed.path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise GexvizError(
            f"there is no study file {path}",
            file=path,
            expected="a study.toml",
            remedy="give the path of a study's TOML; `gexviz demo path` prints the demo's",
        ) from None
    except (UnicodeDecodeError, PermissionError) as error:
        raise GexvizError(
            f"can't read the study file: {error}", file=path, expected="a readable UTF-8 TOML file"
        ) from None
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _not_toml(error, path) from None
    lines = _key_lines(text)
    for key in raw.keys() - set(_SECTIONS):
        raise _unknown((key,), path, lines)
    try:
        return StudyConfig(**raw | {"path": path, "lines": lines, "allowed": allowed})
    except ValidationError as error:
        first = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")  # a typo explains what is missing
        raise _readable(first, path, lines) from None


def _key_lines(text: str) -> dict[tuple[str, ...], int]:
    """Find the line of every section and of every key in it."""
    lines: dict[tuple[str, ...], int] = {}
    section: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\s*\[+([^\[\]]+)\]+\s*(#.*)?$", line):
            section = tuple(part.strip().strip("\"'") for part in header[1].split("."))
            for depth in range(1, len(section) + 1):
                lines.setdefault(section[:depth], number)
        elif key := re.match(r"\s*[\"']?([\w-]+)[\"']?\s*=", line):
            lines.setdefault((*section, key[1]), number)
    return lines


_TYPES = {"string_type": "text in quotes", "bool_type": "true or false", "bool_parsing": "true or false",
          "list_type": "a list, as [\"a\", \"b\"]", "path_type": "a path in quotes", "dict_type": "a section",
          "model_type": "a section with keys", "too_short": "at least one file",
          "string_too_short": "some text"}  # fmt: skip


def _readable(error: Any, path: Path, lines: dict[tuple[str, ...], int]) -> GexvizError:
    """Turn pydantic's first complaint into ours."""
    keys = tuple(str(part) for part in error["loc"] if not isinstance(part, int))
    section, key = ".".join(keys[:-1]), keys[-1]
    if error["type"] == "extra_forbidden":
        return _unknown(keys, path, lines)
    if error["type"] == "missing":
        if typo := difflib.get_close_matches(key, error["input"], n=1, cutoff=0.7):
            return _unknown((*keys[:-1], typo[0]), path, lines)
        return GexvizError(
            f"'{key}' is missing" + (f" from [{section}]" if section else ""),
            file=path,
            place=_place(keys, lines),
            expected=f"{key} = ..." if section else f"[{key}] with its keys",
            remedy="add it; docs/study.md describes every key",
        )
    if error["type"] == "model_name":
        name = error["ctx"]["name"]
        return GexvizError(
            f"a model can't be named '{name}'",
            file=path,
            place=_place(("models", name), lines),
            expected=f"letters, digits, _ . and -, and none of {', '.join(_COLUMNS)}",
            remedy="choose another name",
        )
    return GexvizError(
        f"'{key}' has a wrong value: {error['input']!r}",
        file=path,
        place=_place(keys, lines),
        expected=_TYPES.get(error["type"], error["msg"].removeprefix("Input should be ")),
        remedy="correct the value; docs/study.md describes every key",
    )


def _unknown(keys: tuple[str, ...], path: Path, lines: dict[tuple[str, ...], int]) -> GexvizError:
    """The error for a key that a section doesn't have."""
    key, known = keys[-1], known_keys(keys[:-1])
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    home = next((section for section in ("study", "cohort") if key in known_keys((section,))), None)
    return GexvizError(
        f"unknown key '{key}'",
        file=path,
        place=_place(keys, lines),
        expected="one of " + ", ".join(known),
        remedy=f"did you mean '{near[0]}'?" if near else f"put it under [{home}]" if home else "remove it",
    )


def _place(keys: tuple[str, ...], lines: dict[tuple[str, ...], int]) -> str:
    """Say where a key stands, as ``[cohort] genotypes, line 7``."""
    line = next((lines[keys[:n]] for n in range(len(keys), 0, -1) if keys[:n] in lines), None)
    section = f"[{'.'.join(keys[:-1])}] " if len(keys) > 1 else ""
    return section + keys[-1] + (f", line {line}" if line else "")


def _not_toml(error: tomllib.TOMLDecodeError, path: Path) -> GexvizError:
    """The error for a file that isn't TOML; its place stands in the parser's words."""
    problem, _, place = str(error).partition(" (at ")
    return GexvizError(
        f"this is not valid TOML: {problem}",
        file=path,
        place=place.removesuffix(")") or None,
        expected='lines of the form key = "value" under [sections]',
        remedy="close every quote and bracket, and give each key once",
    )


def known_keys(section: tuple[str, ...]) -> list[str]:
    """The keys that a section may have."""
    match section:
        case ("study",):
            return list(StudySection.model_fields)
        case ("cohort",):
            return list(CohortSection.model_fields)
        case _:
            return list(ModelSection.model_fields) if section[:1] == ("models",) else list(_SECTIONS)
