"""Training linear models on a study: a gene a task, each kept as soon as it is done, then all written at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

import gexviz
from gexviz.analysis import linear
from gexviz.analysis.linear import GeneTraining, gene_seed, train_gene
from gexviz.analysis.linear_tables import LinearTables, TrainedGene, assemble
from gexviz.analysis.settings import LinearSettings
from gexviz.errors import GexvizError
from gexviz.models.base import GeneLocus
from gexviz.models.predictdb import write_trained
from gexviz.results import Record, Run, digest_of
from gexviz.tasks import Executor, Progress, Task, run

if TYPE_CHECKING:
    from gexviz.study import Study


class Trained(NamedTuple):
    """What training made.

    Attributes
    ----------
    weights, out_of_fold : Path
        The PredictDB file, and the out-of-fold predictions beside it.
    genes : DataFrame
        Index gene: ``reason`` (None if trained), ``people``, ``variants``, ``weights``, ``kept``, ``rho_avg``,
        ``zscore_pval``.
    """

    weights: Path
    out_of_fold: Path
    genes: pd.DataFrame

    def __str__(self) -> str:
        trained = self.genes[self.genes["reason"].isna()]
        lines = [
            f"{self.weights}: weights of {int(trained['kept'].sum()):,} genes",
            f"{self.out_of_fold}: out-of-fold predictions of {len(trained):,} genes",
        ]
        refused = self.genes[~self.genes["reason"].isna()]
        lines += [f"{len(rows):,} genes not trained: {reason}" for reason, rows in refused.groupby("reason")]
        return "\n".join(lines)


def train_linear(
    study: Study,
    out: Path,
    loci: Sequence[GeneLocus],
    settings: LinearSettings | None = None,
    *,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Trained:
    """Train linear models as PrediXcan does its elastic nets, and write them as a PredictDB file.

    Parameters
    ----------
    study : Study
    out : Path
        ``.db`` to write; ``.out_of_fold.parquet`` is written beside it.
    loci : sequence of GeneLocus
        With expression in the study.
    settings : LinearSettings, optional
    executor, progress
        See :mod:`gexviz.tasks`. Genes trained before with the same input and settings are not trained again.

    Returns
    -------
    Trained

    Raises
    ------
    GexvizError
        If a gene has no expression, or the files can't be written; genes that were trained are kept.
    """
    settings = settings or LinearSettings()
    without = [g.name for g in loci if g.id not in study.genes.index]
    if without:
        raise GexvizError(
            f"{', '.join(without[:5])} can't be trained: no expression",
            file=study.cohort.files["expression"][0],
            expected="genes of the expression file",
        )
    study.cohort.require_matching_reference()
    wanted = training_run(study, settings)
    name = f"linear {digest_of(settings.as_dict())[:12]}"
    stored = study.results.keys("training", name)
    waiting = [g for g in loci if stored.get(g.id, ("",))[0] != _key(wanted, g)]
    tasks = [Task(g.id, train_locus, (study, g, settings)) for g in waiting]
    keys = {g.id: _key(wanted, g) for g in waiting}
    for _, record in run(tasks, executor, progress):
        study.store("training", name, wanted, record, keys[record.gene])
    records = {r.gene: r for r in study.results.records("training", name, [g.id for g in loci])}
    return _write(study, out, {g.id: _trained(records[g.id]) for g in loci}, settings)


def training_run(study: Study, settings: LinearSettings) -> Run:
    """Everything that all genes' training depends on."""
    roles = ("genotypes", "expression", "covariates")
    inputs = {name: digest for role in roles for name, digest in study.digests(role).items()}
    inputs |= {"transform": study.config.cohort.transform, "code": str(linear.SCHEMA)}
    return Run(inputs | {k: str(v) for k, v in settings.as_dict().items()}, tuple(study.samples.index))


def train_locus(study: Study, gene: GeneLocus, settings: LinearSettings) -> Record:
    """Train one gene: the task that :func:`train_linear` runs."""
    samples = list(study.samples.index)
    begin, end = gene.tss - settings.window, gene.tss + settings.window + 1
    variants, dosages = study.cohort.genotypes.read(gene.contig, begin, end, samples).dosages()
    covariates = study.cohort.covariates
    with threadpool_limits(1, user_api="blas"):  # matrices are small: threads cost ten times what they save
        trained = train_gene(
            dosages,
            study.cohort.expression.values.loc[gene.id, samples].to_numpy(np.float64),
            None if covariates is None else covariates.to_numpy(np.float64),
            settings=settings,
            seed=gene_seed(settings.seed, gene.id),
        )
    used = variants.iloc[trained.rows]
    facts: dict[str, Any] = {
        "seed": trained.seed,
        "people": trained.people,
        "variants": trained.variants,
        "weights": trained.weights.tolist(),
        "weighted": used[["variant", "id", "ref", "alt"]].to_dict("list"),
        "summary": trained.summary,
    }
    numbers = np.column_stack([trained.out_of_fold, trained.folds.astype(np.float64)])
    return Record(gene.id, _key(training_run(study, settings), gene), trained.reason, facts, numbers)


def _key(wanted: Run, gene: GeneLocus) -> str:
    return digest_of(wanted.digest, gene.id, gene.contig, gene.tss)


def _trained(record: Record) -> TrainedGene:
    """Make a gene's training anew from its stored record."""
    assert record.numbers is not None
    facts = record.facts
    training = GeneTraining(
        reason=record.reason,
        seed=facts["seed"],
        people=facts["people"],
        variants=facts["variants"],
        rows=np.arange(len(facts["weights"])),
        weights=np.array(facts["weights"], dtype=np.float64),
        out_of_fold=record.numbers[:, 0],
        folds=record.numbers[:, 1].astype(np.int8),
        summary=facts["summary"],
    )
    return TrainedGene(training, pd.DataFrame(facts["weighted"], columns=["variant", "id", "ref", "alt"]))


def _write(study: Study, out: Path, trained: dict[str, TrainedGene], settings: LinearSettings) -> Trained:
    samples = list(study.samples.index)
    tables: LinearTables = assemble(
        trained, study.genes, samples, settings=settings, genome=study.config.study.genome, tissue=study.name
    )
    metadata = {"settings": settings.as_dict(), "study": study.name, "gexviz": gexviz.__version__}
    beside = write_trained(out, tables, metadata | {"inputs": dict(training_run(study, settings).inputs)})
    return Trained(out, beside, tables.genes)
