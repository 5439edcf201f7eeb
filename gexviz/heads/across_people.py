"""A head for each gene, from people's expression and what they carry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from gexviz.analysis.linear import NestedTraining, gene_seed, train_nested, train_predictors
from gexviz.errors import GexvizError
from gexviz.heads.embeddings import embedding_run, keys_of, stored_bags
from gexviz.heads.fitting import fit_head, in_words, predict, stacked
from gexviz.heads.settings import HeadSettings
from gexviz.models.base import GeneLocus
from gexviz.models.language.head import AboutHead, Heads
from gexviz.models.language.head_fitting import Bags
from gexviz.tasks import Executor, Progress, Task, run

if TYPE_CHECKING:
    from gexviz.study import Study


class AcrossPeople(NamedTuple):
    """Heads a gene.

    Attributes
    ----------
    heads : Heads
    genes : DataFrame
        Index gene: ``reason``, ``people``, ``rho_avg``, ``zscore_pval``.
    left_out, folds : DataFrame
        gene x sample: predictions of people by heads without them, and the folds.
    """

    heads: Heads
    genes: pd.DataFrame
    left_out: pd.DataFrame
    folds: pd.DataFrame


def fit_across_people(
    study: Study,
    model: str,
    loci: Sequence[GeneLocus],
    settings: HeadSettings,
    about: Mapping[str, Any],
    run_by: tuple[Executor | None, Progress | None],
) -> AcrossPeople:
    """Fit a head a gene, with everybody's out-of-fold predictions.

    Raises
    ------
    GexvizError
        If no gene could be trained.
    """
    keys = keys_of(embedding_run(study, model, settings), loci)
    tasks = [Task(f"head of {gene.name}", fit_gene, (study, model, gene, settings, keys[gene.id])) for gene in loci]
    made = {task.args[2].id: found for task, found in run(tasks, *run_by)}
    told = {g.id: _told(made[g.id]) for g in loci}
    trained = {g.id: made[g.id] for g in loci if made[g.id].reason is None}
    if not trained:
        reasons = sorted({row["reason"] for row in told.values()})
        raise GexvizError(
            f"no gene could be trained: {'; '.join(reasons[:3]) or 'none was named'}",
            expected="genes with expression of enough people, whose sequences differ",
        )
    of_all = AboutHead(
        **about,
        rows={gene: row for row, gene in enumerate(trained)},
        scale="expression, covariates taken out (SD)",
        method=f"{in_words(settings)}, of its own for each of {len(trained):,} genes, across people",
    )
    index, samples = pd.Index(trained, name="gene", dtype=object), list(study.samples.index)
    return AcrossPeople(
        Heads(of_all, stacked([found.final for found in trained.values()])),
        pd.DataFrame.from_dict(told, orient="index").rename_axis("gene"),
        pd.DataFrame(np.stack([found.out_of_fold for found in trained.values()]), index=index, columns=samples),
        pd.DataFrame(np.stack([found.folds for found in trained.values()]), index=index, columns=samples),
    )


def fit_gene(study: Study, model: str, gene: GeneLocus, settings: HeadSettings, key: str) -> NestedTraining:
    """Fit one gene's head, on embeddings of a key: the task that :func:`fit_across_people` runs."""
    bags = stored_bags(study, model, {gene.id: key}, settings)[gene.id]
    covariates = study.cohort.covariates
    design = None if covariates is None else covariates.to_numpy(np.float64)
    means = bags.means().reshape(len(bags.members), -1)
    y = study.cohort.expression.values.loc[gene.id, list(study.samples.index)].to_numpy(np.float64)
    y = np.where(np.isfinite(means).all(axis=1), y, np.nan)
    seed, nested = gene_seed(settings.seed, gene.id), settings.linear
    if settings.method != "ridge":
        return train_nested(_Networks(bags, settings), means, y, design, settings=nested, seed=seed)
    with threadpool_limits(1, user_api="blas"):
        made = train_predictors(means, y, design, settings=nested, seed=seed)
    weights = np.zeros(means.shape[1])
    weights[made.rows] = made.weights
    intercept = np.array(-means[made.folds >= 0].mean(axis=0) @ weights) if made.reason is None else np.array(0.0)
    final = {"coefficients": weights, "intercepts": intercept}
    return NestedTraining(made.reason, made.people, final, made.out_of_fold, made.folds, made.summary)


class _Networks:
    """Fits the networks of a head on some people."""

    def __init__(self, bags: Bags, settings: HeadSettings) -> None:
        self._bags, self._settings = bags, settings

    def __call__(self, people: np.ndarray, y: np.ndarray, seed: int) -> dict[str, np.ndarray]:
        return fit_head(self._bags.take(people), y, self._settings, seed)

    def predict(self, fitted: Mapping[str, np.ndarray], people: np.ndarray) -> np.ndarray:
        return predict(fitted, self._bags.take(people), self._settings)


def _told(found: NestedTraining) -> dict[str, Any]:
    """A gene's row."""
    figures = {k: found.summary[k] for k in ("rho_avg", "zscore_pval") if k in found.summary}
    return {"reason": found.reason, "people": found.people} | figures
