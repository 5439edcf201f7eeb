"""cis-eQTLs of a study: each gene kept as soon as it is done, then all compared."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gexviz.analysis import eqtl, eqtl_permutation
from gexviz.analysis.eqtl import Dosages, GeneTest
from gexviz.analysis.eqtl_covariates import span
from gexviz.analysis.eqtl_settings import EqtlSettings
from gexviz.errors import GexvizError
from gexviz.explaining.frames import frame_part, part_frame
from gexviz.models.base import GeneLocus
from gexviz.results import Part, digest_of
from gexviz.tasks import Progress

if TYPE_CHECKING:
    from gexviz.study import Study

_SECONDS = 1.0
"""Genes are stored about as often as this."""


@dataclass(frozen=True, eq=False)
class Eqtls:
    """Marginal cis-eQTLs of some genes.

    Attributes
    ----------
    table : DataFrame
        One row a gene and tested variant; columns of :class:`gexviz.analysis.eqtl.Nominal` (``position`` 0-based).
    genes : DataFrame
        Index gene: people, tested variants and why others were not; with permutations, also the columns of
        :class:`gexviz.analysis.eqtl_permutation.Genes`: lead variant, p_beta, q, threshold.
    settings : EqtlSettings
    permuted : bool
    covariates : tuple of str
        Taken out of expression and dosages.
    dropped : tuple of str
        Covariates that add nothing to the others.
    p_beta, pi0 : float
        Significance of genes, and Storey's share of true nulls; NaN without permutations.
    unit : str
        Of slopes, per ALT allele.
    """

    table: pd.DataFrame
    genes: pd.DataFrame
    settings: EqtlSettings
    permuted: bool
    covariates: tuple[str, ...]
    dropped: tuple[str, ...]
    p_beta: float
    pi0: float
    unit: str

    def __repr__(self) -> str:
        tested = int(self.genes["reason"].eq("").sum())
        text = f"eQTLs: {len(self.table):,} pairs of {tested:,} genes, {len(self.covariates)} covariates taken out"
        if not self.permuted:
            return text
        called = int((self.genes["q"] <= self.settings.fdr).sum())
        return f"{text}; {called:,} genes with q <= {self.settings.fdr} ({self.settings.permutations:,} permutations)"


def map_eqtls(
    study: Study,
    loci: Sequence[GeneLocus],
    settings: EqtlSettings | None = None,
    *,
    permutations: int = 0,
    progress: Progress | None = None,
) -> Eqtls:
    """Test every variant near some genes; what is stored is not computed again.

    Parameters
    ----------
    study : Study
    loci : sequence of GeneLocus
        With expression in the study. q values compare these genes.
    settings : EqtlSettings, optional
    permutations : int
        For each gene; 0 for the nominal pass alone.
    progress : Progress, optional

    Returns
    -------
    Eqtls

    Raises
    ------
    GexvizError
        For a gene without expression, or covariates that can't be used.
    """
    settings = settings or EqtlSettings()
    if permutations:
        settings = replace(settings, permutations=permutations)
    study.cohort.require_matching_reference()
    _require_expression(study, loci)
    keys = _Keys.of(study, settings)
    waiting = _waiting(study, loci, keys, permuted=bool(permutations))
    store: dict[str, dict[str, Part]] = {keys.nominal: {}, keys.permuted: {}}
    stored_at = time.monotonic()
    by_id = {g.id: g for g in waiting}
    for done, test in enumerate(gene_tests(study, waiting, settings), start=1):
        name = _part(by_id[test.gene])
        facts = {"people": len(test.people), "df": test.df} | test.counts | {"reason": test.reason}
        store[keys.nominal][name] = frame_part(eqtl.association_table(test), _plain(facts))
        if permutations:
            row = eqtl_permutation.permute_gene(test, settings)
            store[keys.permuted][name] = Part(np.zeros(0), _plain(row))
        if time.monotonic() - stored_at >= _SECONDS or done == len(waiting):
            _keep(study, store)
            stored_at = time.monotonic()
        if progress is not None:
            progress(done, len(waiting), test.gene)
    return _assembled(study, loci, keys, settings, permuted=bool(permutations))


def gene_tests(study: Study, loci: Sequence[GeneLocus], settings: EqtlSettings) -> Iterator[GeneTest]:
    """Genes ready to be tested, in genome order; see :func:`gexviz.analysis.eqtl.gene_tests`."""
    if not loci:
        return iter(())
    table = pd.DataFrame(
        {"contig": [g.contig for g in loci], "tss": [g.tss for g in loci], "strand": [g.strand for g in loci]},
        index=pd.Index([g.id for g in loci], name="gene"),
    )
    samples = list(study.samples.index)

    def read(contig: str, start: int, end: int) -> Dosages:
        return eqtl.dosages_of(study.cohort.genotypes.read(contig, start, end, samples))

    return eqtl.gene_tests(study.cohort.expression.values, table, read, study.cohort.covariates, settings)


def _require_expression(study: Study, loci: Sequence[GeneLocus]) -> None:
    without = [g.name for g in loci if g.id not in study.genes.index]
    if without:
        raise GexvizError(
            f"{', '.join(without[:5])} can't be tested: no expression",
            file=study.cohort.path("expression"),
            expected="genes of the expression file",
        )


@dataclass(frozen=True)
class _Keys:
    """Hashes of all that a nominal pass, and its permutations, depend on."""

    nominal: str
    permuted: str

    @staticmethod
    def of(study: Study, settings: EqtlSettings) -> _Keys:
        roles = ("genotypes", "expression", "covariates")
        inputs = [study.digests(role) for role in roles]
        people = tuple(study.samples.index)
        tested = asdict(settings)
        drawn = {name: tested.pop(name) for name in ("permutations", "seed", "fdr")}
        nominal = digest_of("eqtl", eqtl.SCHEMA, inputs, people, study.config.cohort.transform, tested)
        drawn.pop("fdr")
        return _Keys(nominal, digest_of(nominal, eqtl_permutation.SCHEMA, drawn))


def _part(gene: GeneLocus) -> str:
    return f"{gene.id} {gene.contig} {gene.tss} {gene.strand}"


def _waiting(study: Study, loci: Sequence[GeneLocus], keys: _Keys, *, permuted: bool) -> list[GeneLocus]:
    wanted = [keys.nominal, keys.permuted] if permuted else [keys.nominal]
    there = [study.results.part_names(key) for key in wanted]
    return [g for g in loci if not all(_part(g) in names for names in there)]


def _keep(study: Study, store: dict[str, dict[str, Part]]) -> None:
    for key, parts in store.items():
        if parts:
            study.results.put_parts(key, parts)
            parts.clear()


def _assembled(
    study: Study, loci: Sequence[GeneLocus], keys: _Keys, settings: EqtlSettings, *, permuted: bool
) -> Eqtls:
    names = [_part(g) for g in loci]
    parts = study.results.parts(keys.nominal, names)
    tables = [part_frame(parts[name]) for name in names]
    filled = [table for table in tables if len(table)] or tables[:1]
    table = pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=eqtl.COLUMNS)
    index = pd.Index([g.id for g in loci], name="gene")
    genes = pd.DataFrame([parts[name].facts for name in names], index=index)
    p_beta = pi0 = float("nan")
    if permuted:
        rows = study.results.parts(keys.permuted, names)
        found = eqtl_permutation.gene_table([rows[name].facts for name in names], settings.fdr)
        genes = genes.join(found.table.drop(columns=["reason", "df"]))
        p_beta, pi0 = found.p_beta, found.pi0
    covariates = study.cohort.covariates
    used = () if covariates is None else tuple(map(str, covariates.columns))
    dropped = span(covariates, study.cohort.expression.values.columns).dropped
    unit = study.cohort.expression_scale
    return Eqtls(table, genes, settings, permuted, used, dropped, p_beta, pi0, unit)


def _plain(facts: dict[str, Any]) -> dict[str, Any]:
    """Numbers of numpy as Python's, for JSON."""
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in facts.items()}
