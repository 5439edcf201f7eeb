"""What a study's results depend on, as SHA-256 digests: what a session is compared with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gexviz.digests import sha256_of
from gexviz.errors import GexvizError
from gexviz.models import registry
from gexviz.results import Part, Results, digest_of
from gexviz.session.comparing import SETTINGS, Comparison, compare_digests
from gexviz.session.contents import Session

if TYPE_CHECKING:
    from gexviz.study import Study

_COHORT = {"genotypes", "reference", "expression", "genes", "samples", "covariates"}


def input_digests(study: Study) -> dict[str, str]:
    """SHA-256 of each input of a study's cohort, by its kind: never a path or a name that somebody chose.

    Several files of genotypes have one digest, whatever their order. ``settings`` is that of everything under
    ``[cohort]`` which is no file, and of the genome build. Files are read once, then remembered by size and time of
    change.

    Raises
    ------
    GexvizError
        For a file that isn't there, naming the key and its line.
    """
    found = {}
    for kind, paths in study.cohort.files.items():
        digests = sorted(_remembered(path, study.results) for path in paths)
        found[kind] = digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()
    settings = study.config.cohort.model_dump(mode="json", exclude=_COHORT)
    return found | {SETTINGS: _sha256({**settings, "genome": study.config.study.genome})}


def model_digests(study: Study, model: str) -> dict[str, str]:
    """SHA-256 of each file of a model, by the key of ``[models.NAME]`` that names it, and of its settings.

    ``settings`` covers everything else that its predictions depend on: window, readout, policies, the layers.

    Raises
    ------
    GexvizError
        If the model can't be opened.
    """
    fingerprint = study.fingerprint(model)  # opens it: a missing file is said as usual
    files = {key: path for key, path in registry.check_options(study.config, model) if isinstance(path, Path)}
    digests = {key: _remembered(path, study.results) for key, path in files.items()}
    return digests | {SETTINGS: _sha256(fingerprint)}


def compare(session: Session, study: Study) -> Comparison:
    """Whether a session was made from the files that a study has now.

    Returns
    -------
    Comparison
        ``live`` if so; else ``changed`` says what changed.

    Raises
    ------
    GexvizError
        If a file of the cohort isn't there.
    """
    models: dict[str, Mapping[str, str] | None] = {}
    for name in session.manifest.models.keys() & set(study.model_names):
        models[name] = None
        with suppress(GexvizError):
            models[name] = model_digests(study, name)
    return compare_digests(session.manifest, input_digests(study), models)


def _remembered(path: Path, results: Results) -> str:
    """SHA-256 of a file, kept in the results folder by the file's size and time of change."""
    found = path.stat()
    key = digest_of("sha256", str(path), found.st_size, found.st_mtime_ns)
    stored = results.parts(key)
    if not stored:
        stored = {"sha256": Part(np.zeros(0), {"digest": sha256_of(path)})}
        with suppress(GexvizError):  # a folder that can't be written to costs time, no more
            results.put_parts(key, stored)
    return str(stored["sha256"].facts["digest"])


def _sha256(values: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
