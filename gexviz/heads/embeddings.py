"""Embeddings of a study's genes: of the reference, or of all that people carry; kept gene by gene."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from gexviz.cohort.haplotypes import reference_sequence
from gexviz.errors import GexvizError
from gexviz.heads.settings import HeadSettings
from gexviz.models.base import GeneLocus
from gexviz.models.language.head_fitting import Bags
from gexviz.models.language.model import LanguageModel
from gexviz.models.onehot import one_hot
from gexviz.results import Record, Run, digest_of
from gexviz.tasks import Executor, Progress, Task, run

if TYPE_CHECKING:
    from gexviz.study import Study

SCHEMA = 2
"""Raised when the embeddings would come out differently for the same inputs."""
_CHUNK = 64


def embed_genes(
    study: Study,
    model: str,
    loci: Sequence[GeneLocus],
    settings: HeadSettings,
    executor: Executor | None,
    progress: Progress | None,
) -> None:
    """Make the embeddings of genes that aren't there yet."""
    wanted = embedding_run(study, model, settings)
    kind, keys = kind_of(settings), keys_of(wanted, loci)
    stored = study.results.keys(kind, model, list(keys))
    tasks = [
        Task(g.id, embed_locus, (study, model, g, settings)) for g in loci if stored.get(g.id, ("",))[0] != keys[g.id]
    ]
    for _, record in run(tasks, executor, progress):
        study.store(kind, model, wanted, record, keys[record.gene])


def embed_locus(study: Study, model: str, gene: GeneLocus, settings: HeadSettings) -> Record:
    """Embed one gene's reference sequence, or its people's: the task that :func:`embed_genes` runs."""
    opened = language_model(study, model)
    key = keys_of(embedding_run(study, model, settings), [gene])[gene.id]
    if settings.across == "genes":
        sequences = reference_sequence(study.cohort.reference, study.window(model, gene))[None]
        return Record(gene.id, key, None, {}, _embedded(opened, sequences, settings.parts))
    haplotypes = study.haplotypes(model, gene.id)
    facts = {"copies": haplotypes.index.to_numpy().tolist()}
    return Record(gene.id, key, None, facts, _embedded(opened, haplotypes.sequences, settings.parts))


def stored_bags(study: Study, model: str, keys: Mapping[str, str], settings: HeadSettings) -> Mapping[str, Bags]:
    """Genes' stored embeddings, by the keys that they must have: rows are the reference alone, or people.

    Raises
    ------
    GexvizError
        If they aren't there any more: another training has stored its own in their place.
    """
    found = [r for r in study.results.records(kind_of(settings), model, list(keys)) if r.key == keys[r.gene]]
    bags = {r.gene: _bags(r.numbers, r.facts.get("copies", [[0]])) for r in found if r.numbers is not None}
    gone = [gene for gene in keys if gene not in bags]
    if gone:
        raise GexvizError(
            f"embeddings of {len(gone):,} of {len(keys):,} genes are no longer those of this training",
            file=study.results.path,
            expected="one training of a model's heads at a time in a results folder",
            remedy="train again when the other is done, or give another results folder",
        )
    return bags


def embedding_run(study: Study, model: str, settings: HeadSettings) -> Run:
    """Everything that all genes' embeddings depend on."""
    inputs = {"embedding": language_model(study, model).embedding_digest, "code": str(SCHEMA)}
    inputs |= study.digests("reference")
    if settings.parts is not None:
        inputs["segments"] = str(settings.parts)
    if settings.across == "genes":
        return Run(inputs, ())
    policy = study.config.cohort
    inputs |= study.digests("genotypes") | {"missing calls": policy.missing, "unphased calls": policy.unphased}
    return Run(inputs, tuple(study.samples.index))


def keys_of(wanted: Run, loci: Sequence[GeneLocus]) -> dict[str, str]:
    """Genes' keys: hashes of everything that each one's embeddings depend on."""
    return {g.id: digest_of(wanted.digest, g.id, g.contig, g.tss, g.strand) for g in loci}


def kind_of(settings: HeadSettings) -> str:
    """What such embeddings are called in the results folder."""
    apart = "" if settings.parts is None else ", in segments"
    return f"embedding across {settings.across}{apart}"


def language_model(study: Study, model: str) -> LanguageModel:
    """Open a model of the study that makes embeddings.

    Raises
    ------
    GexvizError
        For any other.
    """
    opened = study.model(model)
    if not isinstance(opened, LanguageModel):
        raise GexvizError(
            f"{model} ({opened.spec.family}) makes no embeddings",
            file=study.config.path,
            place=study.config.place("models", model, "family"),
            expected="a genomic language model; `gexviz models` lists them",
        )
    return opened


def _embedded(opened: LanguageModel, sequences: np.ndarray, segments: int | None) -> np.ndarray:
    """Each sequence on each strand, float32 (sequences, strands, ..., dim)."""
    policy = opened.spec.n_policy
    chunks = [one_hot(sequences[i : i + _CHUNK], policy) for i in range(0, len(sequences), _CHUNK)]
    return np.concatenate([opened.embed_strands(chunk, segments) for chunk in chunks])


def _bags(numbers: np.ndarray, copies: Sequence[Sequence[int]]) -> Bags:
    """Rows of what each person carries, on each strand."""
    strands, index = numbers.shape[1], np.array(copies)
    members = index[:, :, None] * strands + np.arange(strands)
    members = np.where(index[:, :, None] < 0, -1, members)
    return Bags(numbers.reshape(-1, *numbers.shape[2:]), members.reshape(len(index), -1))
