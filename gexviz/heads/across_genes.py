"""One head for all genes, from the mean expression and the reference sequence of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gexviz.errors import GexvizError
from gexviz.heads.embeddings import stored_bags
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
_COPIES = 5  # of the embeddings that a fit holds: stored, put together, in float64, standardised, and its slopes


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
        For too few genes, or more than memory can hold.
    """
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
    bags = _together(study, model, genes, settings)
    rng = np.random.default_rng(settings.seed)
    fold = rng.permutation(np.arange(len(genes)) % settings.folds)
    held_out, heads = np.empty(len(genes)), []
    for row in range(settings.folds + 1):
        train = fold != row  # the last row trains on all
        head = fit_head(bags.take(train), y[train], settings, settings.seed + row, _of_all(progress, row, settings))
        heads.append(head)
        if not train.all():
            held_out[~train] = predict(head, bags.take(~train), settings)
    r = float(np.corrcoef(y, held_out)[0, 1])
    how = f"{in_words(settings)}, across {len(genes):,} genes, each predicted by the head of a fold without it"
    made = AboutHead(
        **about,
        rows={gene: int(row) for gene, row in zip(genes, fold, strict=True)},
        others=settings.folds,
        scale=f"mean expression ({study.config.cohort.transform})",
        method=f"{how} (r = {r:.3f})",
    )
    told = {"reason": None, "fold": fold, "observed": y, "held_out": held_out}
    return Heads(made, stacked(heads)), pd.DataFrame(told, index=genes)


def _together(study: Study, model: str, genes: pd.Index, settings: HeadSettings) -> Bags:
    """Embeddings of all genes, a row a gene."""
    first = stored_bags(study, model, list(genes[:1]), settings)[genes[0]]
    needed, free = _COPIES * len(genes) * first.embeddings.nbytes, available_bytes("cpu")
    if needed > free:
        raise GexvizError(
            f"embeddings of {len(genes):,} genes would take about {needed / 1e9:.1f} GB to train on; "
            f"{free / 1e9:.1f} GB can be used",
            expected="memory for all genes at once",
            remedy="close other programs, name fewer genes, or choose fewer segments",
        )
    found = stored_bags(study, model, list(genes), settings)
    strands = len(first.embeddings)
    members = np.arange(len(genes) * strands).reshape(len(genes), strands)
    return Bags(np.concatenate([found[gene].embeddings for gene in genes]), members)


def _of_all(progress: Progress | None, row: int, settings: HeadSettings) -> Progress | None:
    """Progress of one head among all."""
    if progress is None:
        return None
    heads = settings.folds + 1
    return lambda done, total, label: progress(row * total + done, heads * total, f"head {row + 1} of {heads}: {label}")
