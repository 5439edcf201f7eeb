"""The preflight of a whole study: its cohort's files, then each of its models with this cohort."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from gexviz.cohort.builds import same_build
from gexviz.cohort.preflight import preflight
from gexviz.errors import GexvizError
from gexviz.models.base import GeneLocus, KnowsPredictions, Model, PredictsDosages
from gexviz.models.language.head import NO_HEAD
from gexviz.models.remote import SendsSequence
from gexviz.tasks import Progress

if TYPE_CHECKING:
    from gexviz.study import Study

GENES_LOOKED_AT = 50
"""Genes whose weights are looked for in the genotypes, spread over those that have any."""

FEW_WEIGHTS = 0.8
"""Below this share of weights found, a linear model is warned of."""


class Row(NamedTuple):
    """A finding, as :func:`gexviz.cohort.preflight.preflight` gives it."""

    file: str
    check: str
    status: str
    found: str
    todo: str


def check(study: Study, progress: Progress | None = None) -> pd.DataFrame:
    """See :meth:`gexviz.study.Study.check`."""
    opened, rows = {}, []
    for name in study.model_names:
        try:
            opened[name] = study.model(name)
            spec = opened[name].spec
            rows.append(Row(f"model {name}", "opens", "ok", f"{spec.family}; {spec.scale}", ""))
        except GexvizError as error:
            rows.append(_failed(name, "opens", error))
    windows = {}
    for name, model in opened.items():
        spec = model.spec
        if spec.window is not None and spec.anchor is not None:
            windows[name] = (spec.window, spec.anchor, spec.strand == "gene_strand", spec.genome)
    files = preflight(study.cohort, windows=windows, progress=progress)
    if not (files["status"] == "error").any():
        for name, model in opened.items():
            try:
                rows += _with_cohort(study, name, model)
            except GexvizError as error:
                rows.append(_failed(name, "use", error))
    return pd.concat([files, pd.DataFrame(rows, columns=list(Row._fields))], ignore_index=True)


def _failed(name: str, check: str, error: GexvizError) -> Row:
    """An error as a finding, so that the other models are looked at too."""
    found = " ".join(filter(None, [error.problem, error.place and f"({error.place})"]))
    return Row(f"model {name}", check, "error", found, error.remedy or error.expected or "")


def _with_cohort(study: Study, name: str, model: Model) -> Iterator[Row]:
    """What a model makes of this cohort."""
    loci = study.loci()
    reasons = pd.Series([model.unavailable(gene) for gene in loci], dtype=object)
    able = [gene for gene, reason in zip(loci, reasons, strict=True) if reason is None]
    words = "; ".join(f"{n:,} {reason}" for reason, n in reasons.dropna().value_counts().head(3).items())
    found = f"serves {len(able):,} of {len(loci):,} genes" + (f" ({words})" if words else "")
    todo = "" if able else "see that the model's gene ids and the study's are of one kind"
    if set(reasons) == {NO_HEAD}:
        todo = f"gexviz train head {study.config.path} --model {name} --out {name}.safetensors"
    yield Row(f"model {name}", "genes", "ok" if able else "error", found, todo)
    if isinstance(model, SendsSequence):
        yield _sending(study, name, model)
    if isinstance(model, KnowsPredictions):
        yield from _people(study, name, model, able)
    genome, build = model.spec.genome, study.config.study.genome
    if isinstance(model, PredictsDosages):
        if genome is not None and not same_build(genome, build):
            found = f"the weights' positions are of {genome}, the study is {build}"
            yield Row(f"model {name}", "genome build", "error", found, "use weights of the study's build")
        yield from _weights(study, name, model, able)


def _sending(study: Study, name: str, model: SendsSequence) -> Row:
    """Whether sequence may leave the machine."""
    to = f"{model.destination.recipient}, {model.destination.address}"
    sending = study.sending(name)
    if sending.agreed:
        return Row(f"model {name}", "sends sequence", "ok", f"agreed: people's sequence goes to {to}", "")
    todo = f"{sending.command} tells what is sent, and asks"
    return Row(f"model {name}", "sends sequence", "warn", f"to {to}; not agreed to, so it predicts nothing", todo)


def _spread(loci: list[GeneLocus]) -> list[GeneLocus]:
    """Some genes, evenly from first to last."""
    places = np.linspace(0, len(loci) - 1, min(GENES_LOOKED_AT, len(loci)))
    return [loci[i] for i in np.unique(places.round().astype(int))]


def _people(study: Study, name: str, model: KnowsPredictions, loci: list[GeneLocus]) -> Iterator[Row]:
    """How many of the study's people a model brings predictions of."""
    picked = _spread(loci)
    if not picked:
        return
    everybody = study.samples.index
    theirs = pd.Index(pd.concat([model.known_predictions(gene)["value"].dropna() for gene in picked]).index.unique())
    known = everybody.intersection(theirs)
    found = f"predictions of {len(known):,} of the study's {len(everybody):,} samples"
    found += f", in {len(picked)} of {len(loci):,} genes"
    if len(known) == len(everybody):
        yield Row(f"model {name}", "samples", "ok", found, "")
        return
    todo = "samples without predictions are left out; if their ids differ, rename them"
    if known.empty:
        todo = f"name them as the genotypes do, as {everybody[0]}; found {', '.join(map(str, theirs[:3]))}"
    yield Row(f"model {name}", "samples", "warn" if len(known) else "error", found, todo)


def _weights(study: Study, name: str, model: PredictsDosages, loci: list[GeneLocus]) -> Iterator[Row]:
    """How many of a linear model's weights the genotypes have."""
    picked = _spread(loci)
    if not picked:
        return
    statuses = pd.concat([study.gene(gene.id).weights(name)["status"] for gene in picked])
    counts = statuses.value_counts()
    share = 1 - counts.get("missing", 0) / max(len(statuses), 1)
    found = f"{share:.1%} of {len(statuses):,} weights found ({', '.join(f'{n:,} {s}' for s, n in counts.items())})"
    found += f", in {len(picked)} of {len(loci):,} genes"
    todo = "" if share >= FEW_WEIGHTS else "impute the missing variants, or use weights trained on this panel"
    yield Row(f"model {name}", "weights", "ok" if share >= FEW_WEIGHTS else "warn" if share else "error", found, todo)
