"""Training heads on a language model's embeddings: a gene a task, each kept as soon as it is made; then the fits.

Across genes: one ridge predicts the mean expression of a gene from the embedding of its reference sequence. Genes are
split into folds; a gene is always predicted by the head of the fold that it was left out of. Across people: a ridge for
each gene predicts its expression from people's embeddings, each the mean of both haplotypes', in the nested
cross-validation that linear models are trained in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

import gexviz
from gexviz.analysis.linear import gene_seed, train_predictors
from gexviz.analysis.linear_methods import fit
from gexviz.analysis.settings import LinearSettings
from gexviz.cohort.haplotypes import reference_sequence
from gexviz.digests import file_digest
from gexviz.errors import GexvizError
from gexviz.models.base import GeneLocus
from gexviz.models.language.head import AboutHead, Heads, write_heads
from gexviz.models.language.model import LanguageModel
from gexviz.models.onehot import one_hot
from gexviz.models.out_of_fold import DIGEST, sidecar_of, write_out_of_fold
from gexviz.results import Record, Run, digest_of
from gexviz.tasks import Executor, Progress, Task, run

if TYPE_CHECKING:
    from gexviz.study import Study

Across = Literal["genes", "people"]
SCHEMA = 1
"""Raised when the embeddings would come out differently for the same inputs."""
_CHUNK = 64
_LEAST_GENES = 20


@dataclass(frozen=True)
class HeadSettings:
    """How heads are trained.

    Attributes
    ----------
    method : {"ridge"}
        On standardised embeddings; the penalty has the least error of leaving out one row at a time.
    across : {"genes", "people"}
    folds : int
        Of genes or of people.
    seed : int
        Of the folds.
    min_people : int
        Across people: genes with expression of fewer aren't trained.
    """

    method: Literal["ridge"] = "ridge"
    across: Across = "genes"
    folds: int = 5
    seed: int = 1
    min_people: int = 50

    def __post_init__(self) -> None:
        if self.folds < 2:
            raise GexvizError(f"{self.folds} folds", expected="2 or more")

    @property
    def linear(self) -> LinearSettings:
        """The same, as settings of linear training."""
        return LinearSettings(method=self.method, outer_folds=self.folds, seed=self.seed, min_people=self.min_people)


class TrainedHead(NamedTuple):
    """What training made.

    Attributes
    ----------
    head : Path
    out_of_fold : Path or None
        Of heads across people.
    genes : DataFrame
        Index gene: ``reason`` (None if trained), and ``fold``, ``observed``, ``held_out`` (across genes: mean
        expression and its prediction by the head that did not see the gene) or ``people``, ``rho_avg``,
        ``zscore_pval`` (across people).
    """

    head: Path
    out_of_fold: Path | None
    genes: pd.DataFrame

    @property
    def held_out_r(self) -> float:
        """Pearson's r of held-out genes (across genes), or the mean over genes of that of left-out people."""
        if "rho_avg" in self.genes:
            return float(self.genes["rho_avg"].mean())
        return float(self.genes["observed"].corr(self.genes["held_out"]))

    def __str__(self) -> str:
        trained = int(self.genes["reason"].isna().sum())
        across_genes = self.out_of_fold is None
        what = f"r = {self.held_out_r:.3f} of held-out genes" if across_genes else f"mean r = {self.held_out_r:.3f}"
        lines = [f"{self.head}: trained on {trained:,} genes, {what}"]
        lines += [] if across_genes else [f"{self.out_of_fold}: out-of-fold predictions of people"]
        refused = self.genes[~self.genes["reason"].isna()]
        lines += [f"{len(rows):,} genes not trained: {reason}" for reason, rows in refused.groupby("reason")]
        return "\n".join([*lines, f'to use it, write in the model\'s section: head = "{self.head.name}"'])


def train_head(
    study: Study,
    model: str,
    out: Path,
    loci: Sequence[GeneLocus],
    settings: HeadSettings | None = None,
    *,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> TrainedHead:
    """Train a head for a language model of the study, and write it.

    Parameters
    ----------
    study : Study
    model : str
        With or without a head.
    out : Path
        ``.safetensors`` to write; of heads across people, ``.out_of_fold.parquet`` is written beside it.
    loci : sequence of GeneLocus
    settings : HeadSettings, optional
    executor, progress
        See :mod:`gexviz.tasks`. Embeddings that were made before are not made again.

    Returns
    -------
    TrainedHead

    Raises
    ------
    GexvizError
        For a model that makes no embeddings, too few genes, or files that can't be written.
    """
    settings = settings or HeadSettings()
    opened = _language_model(study, model)
    study.cohort.require_matching_reference()
    reasons = {g.id: _unusable(study, model, g) for g in loci}
    usable = [g for g in loci if reasons[g.id] is None]
    embeddings = _embeddings(study, model, usable, settings.across, executor, progress)
    refused = pd.DataFrame({"reason": {g: r for g, r in reasons.items() if r is not None}}, dtype=object)
    about: dict[str, Any] = {
        "embedding": opened.embedding_digest,
        "across": settings.across,
        "settings": asdict(settings) | {"gexviz": gexviz.__version__},
    }
    if settings.across == "genes":
        heads, genes = _across_genes(study, usable, embeddings, settings, about)
        write_heads(out, heads)
        return TrainedHead(out, None, pd.concat([genes, refused]))
    heads, genes, left_out, folds = _across_people(study, usable, embeddings, settings, about)
    write_heads(out, heads)
    beside = sidecar_of(out)
    write_out_of_fold(beside, left_out, about["settings"] | {DIGEST: file_digest(out)}, folds)
    return TrainedHead(out, beside, pd.concat([genes, refused]))


def embed_locus(study: Study, model: str, gene: GeneLocus, across: Across) -> Record:
    """Embed one gene's reference sequence, or its people's: the task that :func:`train_head` runs."""
    opened = _language_model(study, model)
    key = _key(embedding_run(study, model, across), gene)
    if across == "genes":
        sequences = reference_sequence(study.cohort.reference, study.window(model, gene))[None]
        return Record(gene.id, key, None, {}, _embedded(opened, sequences))
    haplotypes = study.haplotypes(model, gene.id)
    distinct, index = _embedded(opened, haplotypes.sequences), haplotypes.index.to_numpy()
    there = (index >= 0)[:, :, None]
    total = np.where(there, distinct[index], 0).sum(axis=1)
    with np.errstate(invalid="ignore"):
        people = total / there.sum(axis=1)  # NaN for a person without any copy
    return Record(gene.id, key, None, {"distinct": len(distinct)}, people.astype(np.float32))


def embedding_run(study: Study, model: str, across: Across) -> Run:
    """Everything that all genes' embeddings depend on."""
    inputs = {"embedding": _language_model(study, model).embedding_digest, "code": str(SCHEMA)}
    inputs |= study.digests("reference")
    if across == "genes":
        return Run(inputs, ())
    policy = study.config.cohort
    inputs |= study.digests("genotypes") | {"missing calls": policy.missing, "unphased calls": policy.unphased}
    return Run(inputs, tuple(study.samples.index))


def _language_model(study: Study, model: str) -> LanguageModel:
    opened = study.model(model)
    if not isinstance(opened, LanguageModel):
        raise GexvizError(
            f"{model} ({opened.spec.family}) makes no embeddings",
            file=study.config.path,
            place=study.config.place("models", model, "family"),
            expected="a genomic language model; `gexviz models` lists them",
        )
    return opened


def _unusable(study: Study, model: str, gene: GeneLocus) -> str | None:
    """Why a gene can't take part: no expression, or a window that can't be read."""
    if gene.id not in study.genes.index:
        return "no expression"
    return study.unreadable(model, gene)


def _embeddings(
    study: Study,
    model: str,
    loci: Sequence[GeneLocus],
    across: Across,
    executor: Executor | None,
    progress: Progress | None,
) -> dict[str, np.ndarray]:
    wanted = embedding_run(study, model, across)
    kind, keys = f"embedding across {across}", {g.id: _key(wanted, g) for g in loci}
    stored = study.results.keys(kind, model, list(keys))
    tasks = [
        Task(g.id, embed_locus, (study, model, g, across)) for g in loci if stored.get(g.id, ("",))[0] != keys[g.id]
    ]
    for _, record in run(tasks, executor, progress):
        study.store(kind, model, wanted, record, keys[record.gene])
    found = {r.gene: r.numbers for r in study.results.records(kind, model, list(keys))}
    return {gene: numbers for gene in keys if (numbers := found[gene]) is not None}


def _embedded(opened: LanguageModel, sequences: np.ndarray) -> np.ndarray:
    policy = opened.spec.n_policy
    parts = [opened.embed(one_hot(sequences[i : i + _CHUNK], policy)) for i in range(0, len(sequences), _CHUNK)]
    return np.concatenate(parts)


def _key(wanted: Run, gene: GeneLocus) -> str:
    return digest_of(wanted.digest, gene.id, gene.contig, gene.tss, gene.strand)


def _across_genes(
    study: Study,
    loci: Sequence[GeneLocus],
    embeddings: Mapping[str, np.ndarray],
    settings: HeadSettings,
    about: Mapping[str, Any],
) -> tuple[Heads, pd.DataFrame]:
    """One ridge of each training fold, and one of all genes for genes that took no part."""
    genes = pd.Index([g.id for g in loci], name="gene", dtype=object)
    y = study.genes["mean_expression"].reindex(genes).to_numpy(np.float64)
    has = np.isfinite(y)
    genes, y = genes[has], y[has]
    if len(genes) < max(_LEAST_GENES, 2 * settings.folds):
        raise GexvizError(
            f"{len(genes)} genes are too few for a head across genes",
            expected=f"{max(_LEAST_GENES, 2 * settings.folds)} or more, with expression and a window on the reference",
            remedy="name more genes, or train across people",
        )
    x = np.stack([embeddings[gene][0] for gene in genes]).astype(np.float64)
    rng = np.random.default_rng(settings.seed)
    fold = rng.permutation(np.arange(len(genes)) % settings.folds)
    held_out, coefficients, intercepts = np.empty(len(genes)), [], []
    for row in range(settings.folds + 1):
        train = fold != row  # the last row trains on all
        found = fit(x[train], y[train], fold[train], settings.linear)
        coefficients.append(found.coef)
        intercepts.append(found.intercept)
        held_out[~train] = found.predict(x[~train])
    r = float(np.corrcoef(y, held_out)[0, 1])
    heads = Heads(
        AboutHead(
            **about,
            rows={gene: int(row) for gene, row in zip(genes, fold, strict=True)},
            others=settings.folds,
            scale=f"mean expression ({study.config.cohort.transform})",
            method=f"ridge across {len(genes):,} genes, each predicted by the head of a fold without it (r = {r:.3f})",
        ),
        np.stack(coefficients),
        np.array(intercepts),
    )
    told = {"reason": None, "fold": fold, "observed": y, "held_out": held_out}
    return heads, pd.DataFrame(told, index=genes)


def _across_people(
    study: Study,
    loci: Sequence[GeneLocus],
    embeddings: Mapping[str, np.ndarray],
    settings: HeadSettings,
    about: Mapping[str, Any],
) -> tuple[Heads, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """A ridge a gene; with everybody's out-of-fold predictions, and the folds."""
    samples, linear = list(study.samples.index), settings.linear
    covariates = study.cohort.covariates
    design = None if covariates is None else covariates.to_numpy(np.float64)
    told: dict[str, dict[str, Any]] = {}
    coefficients: list[np.ndarray] = []
    intercepts: list[float] = []
    left_out, folds = {}, {}
    for gene in loci:
        x = embeddings[gene.id].astype(np.float64)
        y = study.cohort.expression.values.loc[gene.id, samples].to_numpy(np.float64)
        y = np.where(np.isfinite(x).all(axis=1), y, np.nan)
        with threadpool_limits(1, user_api="blas"):
            made = train_predictors(x, y, design, settings=linear, seed=gene_seed(settings.seed, gene.id))
        told[gene.id] = {"reason": made.reason, "people": made.people} | {
            k: made.summary[k] for k in ("rho_avg", "zscore_pval") if k in made.summary
        }
        if made.reason is not None:
            continue
        weights = np.zeros(x.shape[1])
        weights[made.rows] = made.weights
        coefficients.append(weights)
        intercepts.append(-float(x[made.folds >= 0].mean(axis=0) @ weights))
        left_out[gene.id], folds[gene.id] = made.out_of_fold, made.folds
    if not coefficients:
        reasons = sorted({row["reason"] for row in told.values()})
        raise GexvizError(
            f"no gene could be trained: {'; '.join(reasons[:3]) or 'none was named'}",
            expected="genes with expression of enough people, whose sequences differ",
        )
    heads = Heads(
        AboutHead(
            **about,
            rows={gene: row for row, gene in enumerate(left_out)},
            scale="expression, covariates taken out (SD)",
            method=f"a ridge of its own for each of {len(left_out):,} genes, across people",
        ),
        np.stack(coefficients),
        np.array(intercepts),
    )
    index = pd.Index(left_out, name="gene", dtype=object)
    return (
        heads,
        pd.DataFrame.from_dict(told, orient="index").rename_axis("gene"),
        pd.DataFrame(np.stack(list(left_out.values())), index=index, columns=samples),
        pd.DataFrame(np.stack(list(folds.values())), index=index, columns=samples),
    )
