"""What pages show, computed once for all readers and until an input or a result changes.

Every function takes the opened study and its :func:`version`; Streamlit's caches are keyed by the version, so nothing
stale is shown. Tables are shared by all sessions: take copies before changing them.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import streamlit as st

from gexviz.errors import GexvizError
from gexviz.gene import Gene, gene_row, held_out
from gexviz.models.base import PredictsDosages
from gexviz.study import Study
from gexviz.ui.jobs import Jobs

MOST_VARIANTS = 400
"""Variants offered for choice at a gene."""

NEAR = 20_000
"""bp on each side of the TSS whose variants are offered for models whose input nothing is known of."""

COMMON = 0.05
"""Frequency from which a variant is offered before rarer ones."""


def version(study: Study, jobs: Jobs) -> str:
    """A short name of everything that tables depend on: the study's files, and its predictions as they are now.

    What the Locus page stores is in the same file and changes nothing of it.

    While a job adds results, the version changes only at the job's checkpoints, ever more seldom, so that large tables
    are not computed again for every gene that comes in.
    """
    running = [f"{job.key} {job.checkpoint}" for job in jobs.all() if job.key.startswith("predict ") and job.active]
    stored = running or [_predictions(study, str(study.results.path), stamp(study.results.path))]
    return _digest([files_version(study), *stored])


@st.cache_data(show_spinner=False, max_entries=8)
def _predictions(_study: Study, path: str, stamp: str) -> str:
    """A short name of all stored predictions; read again when the file has changed."""
    kinds = [(kind, model) for kind in ("prediction", "reference") for model in _study.model_names]
    return _digest([f"{kind} {model} {sorted(_study.results.keys(kind, model).items())}" for kind, model in kinds])


def files_version(study: Study) -> str:
    """A short name of the study's files as they are now, the models' too. A file that is not there counts as such."""
    config = study.config
    options = [value for section in config.models.values() for value in section.options.values()]
    named = [config.resolve(value) for value in options if isinstance(value, str)]
    try:
        files = [path for paths in study.cohort.files.values() for path in paths]
    except GexvizError as error:
        return _digest([stamp(config.path), error.problem])
    return _digest([stamp(path) for path in [config.path, *files, *named]])


def _digest(parts: list[str]) -> str:
    return hashlib.blake2b("|".join(parts).encode(), digest_size=12).hexdigest()


def stamp(path: Path) -> str:
    """A file's size and time of change, in a word; that it isn't there counts, too."""
    try:
        stat = path.stat()
    except OSError:
        return f"{path} absent"
    return f"{path} {stat.st_size} {stat.st_mtime_ns}"


class Coverage(NamedTuple):
    """How many genes have a prediction of a model.

    Attributes
    ----------
    counts : dict
        State (ready, stale, missing, unavailable) -> genes.
    stale : str or None
        What has changed since.
    unavailable : dict
        Reason -> genes.
    unserved : frozenset of str
        Ids of the genes that are unavailable.
    """

    counts: dict[str, int]
    stale: str | None
    unavailable: dict[str, int]
    unserved: frozenset[str]

    @property
    def waiting(self) -> int:
        """Genes to predict."""
        return self.counts.get("missing", 0) + self.counts.get("stale", 0)


@st.cache_data(show_spinner=False, max_entries=64)
def coverage(_study: Study, version: str, model: str) -> Coverage:
    """Count a model's predictions by state."""
    status = _study.status(model)
    unavailable = status.loc[status["state"] == "unavailable", "reason"]
    stale = status.loc[status["state"] == "stale", "reason"]
    return Coverage(
        {str(k): int(v) for k, v in status["state"].value_counts().items()},
        None if stale.empty else str(stale.iloc[0]),
        {str(k): int(v) for k, v in unavailable.value_counts().items()},
        frozenset(unavailable.index),
    )


@st.cache_resource(show_spinner="Comparing predictions with expression…", max_entries=24)
def evaluation(_study: Study, version: str, model: str, population: str | None) -> pd.DataFrame:
    """Each gene's correlation across individuals; empty if nothing is predicted yet."""
    if not coverage(_study, version, model).counts.get("ready"):
        return pd.DataFrame()
    return _study.evaluate(model, population=population)


@st.cache_resource(show_spinner="Summing up…", max_entries=8)
def benchmark(_study: Study, version: str, models: tuple[str, ...]) -> pd.DataFrame:
    """The benchmark rows of the models that have predictions; kept for later."""
    return ready_benchmark(_study, models)


def ready_benchmark(study: Study, models: tuple[str, ...]) -> pd.DataFrame:
    """The benchmark rows of the models that have predictions. Nothing of Streamlit: it may run in the background."""
    ready = [m for m in models if (study.status(m)["state"] == "ready").any()]
    return study.benchmark(ready) if ready else pd.DataFrame()


class GeneView(NamedTuple):
    """One gene as its page shows it.

    Attributes
    ----------
    name : str
        The gene's symbol.
    table : DataFrame
        As :attr:`gexviz.gene.Gene.table`, with what is stored.
    rows : dict
        Model -> the gene's row of the evaluation.
    facts : dict
        Model -> counts and shares behind its prediction.
    states : dict
        Model -> (state, reason).
    """

    name: str
    table: pd.DataFrame
    rows: dict[str, pd.Series]
    facts: dict[str, dict[str, Any]]
    states: dict[str, tuple[str, str | None]]


@st.cache_resource(show_spinner=False, max_entries=64)
def ready_genes(_study: Study, version: str, models: tuple[str, ...]) -> list[str]:
    """Genes that all these models have a prediction of, sorted by name."""
    ready = pd.concat([_study.status(m)["state"] == "ready" for m in models], axis=1).all(axis=1)
    names = _study.genes.loc[ready[ready].index, "name"].astype(str)
    return list(names.sort_values(kind="stable", key=lambda n: n.str.upper()).index)


@st.cache_data(show_spinner=False, max_entries=256)
def gene_view(_study: Study, version: str, gene: str, models: tuple[str, ...]) -> GeneView:
    """Read one gene: its people, and what is known of its predictions."""
    found = _study.gene(gene)
    table = found.stored_table(models)
    status = {m: _study.status(m, [gene]).iloc[0] for m in models}
    return GeneView(
        found.name,
        table,
        {m: gene_row(table, m, held_out(_study, m)) for m in models},
        {m: found.facts(m) for m in models},
        {m: (str(row["state"]), row["reason"] or None) for m, row in status.items()},
    )


@st.cache_data(show_spinner=False, max_entries=256)
def gene_variants(_study: Study, version: str, gene: str, models: tuple[str, ...]) -> pd.DataFrame:
    """Variants worth looking at: those with a weight, then the common ones that a sequence model reads, then rare ones.

    Returns
    -------
    DataFrame
        Index ``variant``; ``weight`` (NaN for none), ``model`` (that uses it), ``distance`` (bp to the TSS, downstream
        positive), ``frequency`` (of ALT). Sorted by what the weight does to the predictions' spread, then by nearness;
        at most :data:`MOST_VARIANTS`.
    """
    found = _study.gene(gene)
    table = pd.concat([_variants_of(_study, found, model) for model in models])
    rarer = np.minimum(table["frequency"], 1 - table["frequency"])
    spread = (table["weight"].abs() * np.sqrt(2 * rarer * (1 - rarer))).fillna(0.0)
    table = table.assign(spread=spread, common=rarer >= COMMON, near=table["distance"].abs())
    table = table[rarer > 0].sort_values(["spread", "common", "near"], ascending=[False, False, True], kind="stable")
    return table.loc[~table.index.duplicated(), ["weight", "model", "distance", "frequency"]].head(MOST_VARIANTS)


def _variants_of(study: Study, gene: Gene, model: str) -> pd.DataFrame:
    """The variants that a model can use, with their weights if it has such."""
    opened = study.model(model)
    linear = isinstance(opened, PredictsDosages)
    if linear or opened.spec.window is not None:
        start, end = gene.region(model)
    else:  # nothing is known of its input
        start, end = gene.place.tss - NEAR, gene.place.tss + NEAR
    block = study.cohort.genotypes.read(gene.place.contig, max(0, start), end, list(study.samples.index))
    variants, dosages = block.dosages()
    known = ~np.isnan(dosages)
    sign = 1 if gene.place.strand == "+" else -1
    table = pd.DataFrame(
        {
            "distance": sign * (variants["position"].to_numpy() - gene.place.tss),
            "frequency": np.where(known, dosages, 0).sum(axis=1) / np.maximum(2 * known.sum(axis=1), 1),
            "weight": np.nan,
            "model": model,
        },
        index=pd.Index(variants["variant"], name="variant"),
    )
    if not isinstance(opened, PredictsDosages) or opened.unavailable(gene.place):
        return table.iloc[:0] if linear else table
    weights = opened.predict_dosages(gene.place, variants, dosages).weights.set_index("variant")["weight"]
    table = table.loc[table.index.isin(weights.index)]
    return table.assign(weight=weights.reindex(table.index))


@st.cache_data(show_spinner=False, max_entries=512)
def dosage(_study: Study, version: str, gene: str, variant: str) -> pd.Series:
    """ALT copies of one variant by sample; NaN where a call is missing."""
    return _study.gene(gene).dosages([variant])[variant]


def merged(study: Study, evaluated: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Lay the evaluations of models side by side.

    Parameters
    ----------
    study : Study
    evaluated : dict
        Model -> :func:`gexviz.analysis.evaluation.evaluate_genes`, of the same genes.

    Returns
    -------
    DataFrame
        Index gene; ``name``, ``contig``, ``mean_expression``, and for each model ``MODEL r``, ``MODEL low``,
        ``MODEL high``, ``MODEL q``, ``MODEL n``, ``MODEL reason`` (why there is no r).
    """
    names = {"pearson": "r", "pearson_low": "low", "pearson_high": "high", "q": "q", "n": "n", "reason": "reason"}
    parts = [
        table[list(names)].rename(columns={column: f"{model} {short}" for column, short in names.items()})
        for model, table in evaluated.items()
    ]
    wide = pd.concat(parts, axis=1)
    return study.genes.loc[wide.index, ["name", "contig", "mean_expression"]].join(wide).rename_axis("gene")
