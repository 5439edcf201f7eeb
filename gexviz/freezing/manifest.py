"""What a session says of itself: versions, digests, parameters, its models."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from dataclasses import asdict
from importlib import metadata
from typing import TYPE_CHECKING, Any

import gexviz
from gexviz.analysis.eqtl_settings import EqtlSettings
from gexviz.analysis.mismatch_rules import RULES
from gexviz.fingerprints import input_digests, model_digests
from gexviz.mismatching import PERMUTATIONS
from gexviz.session.contents import Level, Manifest, ModelFacts
from gexviz.session.naming import without_paths
from gexviz.session.privacy import K

if TYPE_CHECKING:
    from gexviz.study import Study

_LIBRARIES = ("numpy", "pandas", "scipy", "plotly", "torch", "captum", "cyvcf2", "scikit-learn")


def manifest_of(study: Study, models: Iterable[str], level: Level, left_out: Iterable[str]) -> Manifest:
    """Describe a session of a study."""
    eqtls = asdict(EqtlSettings(permutations=PERMUTATIONS))
    seed = int(eqtls.pop("seed"))
    parameters = {f"eQTL {name}": _plain(value) for name, value in eqtls.items()}
    parameters |= {f"direction {name}": _plain(value) for name, value in asdict(RULES).items()}
    return Manifest(
        gexviz=gexviz.__version__,
        libraries={"python": platform.python_version()} | {name: metadata.version(name) for name in _LIBRARIES},
        level=level,
        study=study.name,
        simulated=study.simulated,
        genome=study.config.study.genome,
        people=len(study.samples),
        observed_scale=study.cohort.observed_scale,
        inputs=input_digests(study),
        models={name: _model_facts(study, name) for name in models},
        parameters=parameters,
        seeds={"eQTL permutations": seed, "nulls": 0},
        k=K,
        left_out=tuple(without_paths(sentence)[:1_000] for sentence in left_out),
    )


def _model_facts(study: Study, name: str) -> ModelFacts:
    spec = study.spec(name)
    splits = study.config.models[name].trained_on
    trained = "people of this cohort, each predicted by a fold without them" if spec.trained_on_cohort else ""
    return ModelFacts(
        family=spec.family,
        scale=spec.scale,
        window=spec.window,
        strand=spec.strand,
        licence=without_paths(spec.licence),
        citation=without_paths(spec.citation),
        verified=without_paths(spec.verified),
        trained_on=f"people of the splits {', '.join(splits)}, who are not shown" if splits else trained,
        files=model_digests(study, name),
    )


def _plain(value: Any) -> str | int | float | bool | None:
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)
