"""Embedding, fitting and writing heads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

import gexviz
from gexviz.digests import file_digest
from gexviz.errors import GexvizError
from gexviz.heads.across_genes import fit_across_genes
from gexviz.heads.across_people import fit_across_people
from gexviz.heads.embeddings import embed_genes, language_model
from gexviz.heads.settings import HeadSettings
from gexviz.models.base import GeneLocus
from gexviz.models.language.head import write_heads
from gexviz.models.out_of_fold import DIGEST, sidecar_of, write_out_of_fold
from gexviz.tasks import Executor, Progress

if TYPE_CHECKING:
    from gexviz.study import Study


class TrainedHead(NamedTuple):
    """What training made.

    Attributes
    ----------
    head : Path
    out_of_fold : Path or None
        Of heads across people.
    genes : DataFrame
        Index gene: ``reason`` (None if trained), and ``fold``, ``beside``, ``observed``, ``held_out`` (across genes:
        other genes that the fold's head was not trained on, as their windows share bases with the fold's; mean
        expression, and its prediction by the head that saw neither the gene nor them) or ``people``, ``rho_avg``,
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
        if across_genes:
            beside = f"{int(self.genes['beside'].max()):,} at most"
            lines += [f"genes whose windows share bases with those held out were not trained on ({beside})"]
        else:
            lines += [f"{self.out_of_fold}: out-of-fold predictions of people"]
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
    opened = language_model(study, model)
    if settings.parts is not None and settings.parts > (opened.spec.window or 0):
        raise GexvizError(f"{settings.parts} segments of {opened.spec.window} bp", expected="1 bp each or more")
    study.cohort.require_matching_reference()
    reasons = {g.id: _unusable(study, model, g) for g in loci}
    usable = [g for g in loci if reasons[g.id] is None]
    embed_genes(study, model, usable, settings, executor, progress)
    refused = pd.DataFrame({"reason": {g: r for g, r in reasons.items() if r is not None}}, dtype=object)
    about: dict[str, Any] = {
        "embedding": opened.embedding_digest,
        "across": settings.across,
        "kind": settings.method,
        "segments": settings.parts,
        "settings": asdict(settings) | {"gexviz": gexviz.__version__},
    }
    if settings.across == "genes":
        heads, genes = fit_across_genes(study, model, usable, settings, about, progress)
        write_heads(out, heads)
        return TrainedHead(out, None, pd.concat([genes, refused]))
    made = fit_across_people(study, model, usable, settings, about, (executor, progress))
    write_heads(out, made.heads)
    beside = sidecar_of(out)
    write_out_of_fold(beside, made.left_out, about["settings"] | {DIGEST: file_digest(out)}, made.folds)
    return TrainedHead(out, beside, pd.concat([made.genes, refused]))


def _unusable(study: Study, model: str, gene: GeneLocus) -> str | None:
    """Why a gene can't take part: no expression, or a window that can't be read."""
    if gene.id not in study.genes.index:
        return "no expression"
    return study.unreadable(model, gene)
