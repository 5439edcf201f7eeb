"""One head for all genes, from the mean expression and the reference sequence of each.

Folds are stretches of the genome, and no gene is trained on whose window shares a base with one of the fold that is
predicted: otherwise heads would know held-out genes by what their neighbours' windows have of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from gexviz.cohort.windows import Window
from gexviz.errors import GexvizError
from gexviz.heads.embeddings import embedding_run, keys_of, stored_bags
from gexviz.heads.fitting import fit_head, in_words, predict, stacked
from gexviz.heads.settings import HeadSettings
from gexviz.models.base import GeneLocus
from gexviz.models.language.head import AboutHead, Heads
from gexviz.models.language.head_fitting import Bags
from gexviz.models.torch_memory import available_bytes
from gexviz.tasks import Progress

if TYPE_CHECKING:
    from gexviz.study import Study

_LEAST_GENES = 20
_LEAST_TRAINING = 10  # genes, of each fold
_COPIES = {"ridge": 20, "mlp": 10, "attention": 10}
"""Memory of a fit, as measured, over that of the embeddings in float32; most of it is copies in float64."""


class GeneFolds(NamedTuple):
    """Genes that are left out together.

    Attributes
    ----------
    fold : ndarray of int (genes,)
        Of each gene.
    training : ndarray of bool (folds, genes)
        Genes to train on before a fold is predicted.
    """

    fold: np.ndarray
    training: np.ndarray

    @property
    def beside(self) -> np.ndarray:
        """Of each fold, other genes that are not trained on, as their windows share bases with it; int (folds,)."""
        folds = len(self.training)
        return (~self.training).sum(axis=1) - np.bincount(self.fold, minlength=folds)


def folds_of_genes(windows: Sequence[Window], folds: int) -> GeneFolds:
    """Cut genes in genome order into stretches of about equal numbers.

    Parameters
    ----------
    windows : sequence of Window
        Of the genes; all of the same length.
    folds : int

    Returns
    -------
    GeneFolds
    """
    _, contig = np.unique([w.contig for w in windows], return_inverse=True)
    start, length = np.array([w.start for w in windows]), windows[0].end - windows[0].start
    order = np.lexsort((start, contig))
    fold, training = np.empty(len(windows), int), np.ones((folds, len(windows)), bool)
    for row, stretch in enumerate(np.array_split(order, folds)):
        fold[stretch] = row
        training[row, stretch] = False
        for edge in stretch[[0, -1]]:  # what is outside of a stretch is nearest to its first or its last window
            training[row] &= (contig != contig[edge]) | (np.abs(start - start[edge]) >= length)
    return GeneFolds(fold, training)


def fit_across_genes(
    study: Study,
    model: str,
    loci: Sequence[GeneLocus],
    settings: HeadSettings,
    about: Mapping[str, Any],
    progress: Progress | None,
) -> tuple[Heads, pd.DataFrame]:
    """Fit a head for each fold of genes that is left out, and one on all genes for those that took no part.

    Raises
    ------
    GexvizError
        For too few genes, folds that leave too few to train on, or more than memory can hold.
    """
    genes = pd.Index([g.id for g in loci], name="gene", dtype=object)
    y = study.genes["mean_expression"].reindex(genes).to_numpy(np.float64)
    has = np.isfinite(y)
    genes, y, loci = genes[has], y[has], [g for g, known in zip(loci, has, strict=True) if known]
    if len(genes) < max(_LEAST_GENES, 2 * settings.folds):
        raise GexvizError(
            f"{len(genes)} genes are too few for a head across genes",
            expected=f"{max(_LEAST_GENES, 2 * settings.folds)} or more, with expression and a window on the reference",
            remedy="name more genes, or train across people",
        )
    fold, training = split = folds_of_genes([study.window(model, g) for g in loci], settings.folds)
    if training.sum(axis=1).min() < _LEAST_TRAINING:
        raise GexvizError(
            f"{training.sum(axis=1).min()} genes are left to train on for a fold: windows of the others share bases",
            expected=f"{_LEAST_TRAINING} or more genes, whose windows share none with those of the fold",
            remedy="name more genes, of several contigs, choose a shorter window, or train across people",
        )
    bags = _together(study, model, loci, settings)
    held_out, heads = np.empty(len(genes)), []
    for row, train in enumerate([*training, np.ones(len(genes), bool)]):  # the last head is of all
        head = fit_head(bags.take(train), y[train], settings, settings.seed + row, _of_all(progress, row, settings))
        heads.append(head)
        if row < settings.folds:
            held_out[fold == row] = predict(head, bags.take(fold == row), settings)
    r = float(np.corrcoef(y, held_out)[0, 1])
    how = (
        f"{in_words(settings)}, across {len(genes):,} genes, each predicted by the head of a fold without it "
        f"and without the genes (at most {split.beside.max():,}) whose windows share bases with those of the fold"
    )
    made = AboutHead(
        **about,
        rows={gene: int(row) for gene, row in zip(genes, fold, strict=True)},
        others=settings.folds,
        scale=f"mean expression ({study.config.cohort.transform})",
        method=f"{how} (r = {r:.3f})",
    )
    told = {"reason": None, "fold": fold, "beside": split.beside[fold], "observed": y, "held_out": held_out}
    return Heads(made, stacked(heads)), pd.DataFrame(told, index=genes)


def _together(study: Study, model: str, loci: Sequence[GeneLocus], settings: HeadSettings) -> Bags:
    """Embeddings of all genes, a row a gene."""
    keys = keys_of(embedding_run(study, model, settings), loci)
    genes = list(keys)
    first = stored_bags(study, model, {genes[0]: keys[genes[0]]}, settings)[genes[0]]
    needed, free = _COPIES[settings.method] * len(genes) * first.embeddings.nbytes, available_bytes("cpu")
    if needed > free:
        raise GexvizError(
            f"embeddings of {len(genes):,} genes would take about {needed / 1e9:.1f} GB to train on; "
            f"{free / 1e9:.1f} GB can be used",
            expected="memory for all genes at once",
            remedy="close other programs, name fewer genes, or choose fewer segments",
        )
    found = stored_bags(study, model, keys, settings)
    strands = len(first.embeddings)
    members = np.arange(len(genes) * strands).reshape(len(genes), strands)
    return Bags(np.concatenate([found[gene].embeddings for gene in genes]), members)


def _of_all(progress: Progress | None, row: int, settings: HeadSettings) -> Progress | None:
    """Progress of one head among all."""
    if progress is None:
        return None
    heads = settings.folds + 1
    return lambda done, total, label: progress(row * total + done, heads * total, f"head {row + 1} of {heads}: {label}")
