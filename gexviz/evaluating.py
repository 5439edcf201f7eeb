"""A study's stored predictions against its observed expression: who may be compared, and with which null."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from gexviz.analysis import nulls
from gexviz.analysis.benchmark import benchmark_rows
from gexviz.analysis.evaluation import (
    evaluate_genes,
    evaluate_groups,
    evaluate_individuals,
    pool_groups,
    reference_correlation,
)
from gexviz.errors import GexvizError
from gexviz.tasks import Progress

if TYPE_CHECKING:
    from gexviz.study import Study


class Comparable(NamedTuple):
    """What may be compared, gene x sample, and which people that is in a word."""

    predicted: pd.DataFrame
    observed: pd.DataFrame
    people: str


def comparable(study: Study, model: str) -> Comparable:
    """Find the stored predictions and observations of people who were not in a model's training.

    Raises
    ------
    GexvizError
        If nothing is predicted, nobody is left, or the samples' ``split`` doesn't tell who was in the training.
    """
    stored = study.predicted(model)
    predicted = stored.comparable
    if study.config.models[model].trained_on:
        predicted = predicted.loc[:, _held_out(study, model)]
    elif stored.out_of_fold is None and study.spec(model).trained_on_cohort:
        raise GexvizError(
            f"{model} was trained on people of this cohort, and nothing says on whom",
            file=study.config.path,
            place=study.config.place("models", model, "trained_on_cohort"),
            expected="only people outside the training are evaluated",
            remedy='set `trained_on = ["train"]`, with a column `split` in the samples file',
        )
    predicted = predicted.loc[predicted.index.isin(study.genes.index)]
    if predicted.empty:
        reasons = study.status(model).loc[lambda t: t["state"] == "unavailable", "reason"].value_counts()
        raise GexvizError(
            f"there is nothing of {model} to evaluate",
            file=study.results.folder,
            place="; ".join(f"{n:,} genes: {reason}" for reason, n in reasons.head(3).items()) or None,
            expected="predictions of genes with expression, for people outside the model's training",
            remedy=f"gexviz predict {shlex.quote(str(study.config.path))} --model {model} --out {model}.tsv",
        )
    observed = study.cohort.observed.loc[study.genes.index, predicted.columns]
    return Comparable(predicted, observed, "held-out" if stored.out_of_fold is None else "out-of-fold")


def _held_out(study: Study, model: str) -> np.ndarray:
    """Whether each person is outside the splits of a model's ``trained_on``, bool (n_samples,)."""
    trained_on = study.config.models[model].trained_on
    splits = study.samples.get("split", pd.Series("", index=study.samples.index))
    unknown = sorted(set(trained_on) - set(splits))
    blank = int((splits == "").sum())
    if unknown or blank:
        known = ", ".join(sorted(set(splits) - {""}))
        raise GexvizError(
            f"no sample has the split {', '.join(unknown)}" if unknown else f"{blank} samples have no split",
            file=study.config.path,
            place=study.config.place("models", model, "trained_on"),
            expected="a column `split` in the samples file, filled for everybody, with the values of trained_on"
            + (f"; it has {known}" if known else ""),
            remedy="correct it, so that people of the training are left out",
        )
    return ~splits.isin(trained_on).to_numpy()


class Told:
    """A null that tells of its progress, a few genes at a time (random nulls take a while on many genes)."""

    def __init__(self, null: nulls.Null, total: int, progress: Progress) -> None:
        self._null, self._total, self._progress = null, total, progress
        self._done = 0
        self.name, self.details = null.name, null.details

    def p_values(self, pairs: nulls.Pairs) -> np.ndarray:
        """Two-sided p of each gene."""
        parts = []
        for begin in range(0, len(pairs.genes), _TOLD_EVERY):
            rows = slice(begin, begin + _TOLD_EVERY)
            some = pairs._replace(
                genes=pairs.genes[rows],
                predicted=pairs.predicted.take(rows),
                observed=pairs.observed.take(rows),
                present=pairs.present[rows],
                pearson=pairs.pearson[rows],
            )
            parts.append(self._null.p_values(some))
            self._done += len(some.genes)
            self._progress(self._done, self._total, str(some.genes[-1]))
        return np.concatenate(parts)


_TOLD_EVERY = 20


def evaluate(
    study: Study,
    model: str,
    genes: Sequence[str] | None = None,
    *,
    by: str,
    chosen: nulls.Null,
    population: str | None,
    progress: Progress | None,
) -> pd.DataFrame:
    """See :meth:`gexviz.study.Study.evaluate`."""
    predicted, observed, people = comparable(study, model)
    if genes is not None:
        predicted, observed = (table.loc[table.index.isin(genes)] for table in (predicted, observed))
    if by == "individual":
        if population in ("each", "pooled"):
            raise GexvizError(
                f"people can't be evaluated one by one within {population} population",
                expected="one population by its name, or none for everybody",
                remedy="leave population out; the samples table tells each person's",
            )
        observed = levels(study, observed)
    rounds = populations(study).nunique() if population in ("each", "pooled") else 1
    null = chosen if progress is None else Told(chosen, rounds * len(predicted), progress)
    if population not in (None, "each", "pooled"):
        members = populations(study).reindex(predicted.columns) == population
        if not members.any():
            names = ", ".join(sorted(set(populations(study))))
            raise GexvizError(f"nobody is in population {population}", expected=names)
        predicted = predicted.loc[:, members.to_numpy()]
    if by == "individual":
        table = evaluate_individuals(predicted, observed)
    elif population in ("each", "pooled"):
        groups = evaluate_groups(predicted, observed, populations(study), null=null)
        table = groups if population == "each" else pool_groups(groups)
    else:
        table = evaluate_genes(predicted, observed, null=null)
    table.attrs["people"] = people
    return table


def benchmark(study: Study, models: Sequence[str]) -> pd.DataFrame:
    """See :meth:`gexviz.study.Study.benchmark`."""
    rows = []
    for model in models:
        predicted, observed, _ = comparable(study, model)
        spec = study.spec(model)
        absolute = spec.input != "dosage"
        level = levels(study, observed)
        means = reference_correlation(predicted.mean(axis=1), level.mean(axis=1)) if absolute else None
        people = evaluate_individuals(predicted, level) if absolute else None
        genes = evaluate_genes(predicted, observed)
        block = benchmark_rows(model, spec.family, genes=genes, individuals=people, reference=means)
        if not absolute:
            block.loc[block["value"].isna(), "reason"] = "its predictions are differences from a gene's mean"
        rows.append(block)
    return pd.concat(rows, ignore_index=True)


def levels(study: Study, observed: pd.DataFrame) -> pd.DataFrame:
    """Expression to compare genes with each other by: raw under inverse_normal, which gives all genes one level."""
    if study.config.cohort.transform != "inverse_normal":
        return observed
    return study.cohort.expression.raw.loc[observed.index, observed.columns]


def populations(study: Study) -> pd.Series:
    """Population of each sample.

    Raises
    ------
    GexvizError
        If the study has none.
    """
    if "population" not in study.samples:
        raise GexvizError(
            "the study has no populations",
            file=study.config.path,
            expected="a samples file with a column `population`",
            remedy="add `samples = ...` under [cohort], with columns sample and population",
        )
    return study.samples["population"]


def named_null(study: Study, name: str, model: str, seed: int) -> nulls.Null:
    """Make a null by its name; ``random_weights`` reads the dosages of the variants that the model can see."""
    match name:
        case "analytic":
            return nulls.Analytic()
        case "permutation":
            return nulls.Permutation(seed=seed)
        case "random_weights":
            return nulls.RandomWeights(lambda gene: _window_dosages(study, model, gene), seed=seed)
    raise GexvizError(f"there is no null '{name}'", expected="analytic, permutation or random_weights")


def _window_dosages(study: Study, model: str, gene: str) -> pd.DataFrame:
    """Dosages of all variants that a model can see at a gene, variant x sample."""
    variants, dosages = study.gene(gene).read_dosages(model)
    return pd.DataFrame(dosages, index=variants["variant"], columns=study.samples.index)
