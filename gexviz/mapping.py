"""cis-eQTLs of a study: each gene kept as soon as it is done, then all compared."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from gexviz.analysis import eqtl, eqtl_conditional, eqtl_permutation
from gexviz.analysis.eqtl import Dosages, GeneTest
from gexviz.analysis.eqtl_covariates import span
from gexviz.analysis.eqtl_settings import EqtlSettings
from gexviz.cohort import eqtl_alleles, eqtl_tables
from gexviz.errors import GexvizError
from gexviz.explaining.frames import frame_part, part_frame
from gexviz.models.base import GeneLocus
from gexviz.results import Part, digest_of
from gexviz.tasks import Progress

if TYPE_CHECKING:
    from gexviz.study import Study

_SECONDS = 1.0
"""Genes are stored about as often as this."""

_FATES = {
    "monomorphic": "monomorphic",
    "rare": "too rare",
    "uncalled": "without a call",
    "collinear": "explained by the covariates",
}
"""Why a variant is not tested (a column of the genes' table), in words."""

_NEAR = 100_000
"""bp between places of a table that are read from the genotypes together."""


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
    left_out : mapping
        Rows of a table from elsewhere that could not be used, by reason.
    elsewhere : bool
        Whether they were found in other people.
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
    left_out: Mapping[str, int] = field(default_factory=dict)
    elsewhere: bool = False

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out, how much of it and why, in words."""
        said = []
        if self.dropped:
            said.append(f"covariates that add nothing to the others, left out: {', '.join(self.dropped)}")
        untested = self.genes.loc[self.genes["reason"] != "", "reason"].value_counts()
        said += [f"{number:,} gene{'s' * (number > 1)} not tested: {reason}" for reason, number in untested.items()]
        fates = {name: int(self.genes[name].sum()) for name in _FATES if name in self.genes}
        counted = ", ".join(f"{number:,} {_FATES[name]}" for name, number in fates.items() if number)
        if counted:
            said.append(f"pairs of gene and variant not tested: {counted}")
        said += [f"{number:,} rows of the table left out: {why}" for why, number in self.left_out.items() if number]
        return tuple(said)

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


def independent_signals(
    study: Study, found: Eqtls, loci: Sequence[GeneLocus], *, progress: Progress | None = None
) -> pd.DataFrame:
    """Independent signals of the genes that have an eQTL, by stepwise conditional regression.

    Parameters
    ----------
    study : Study
    found : Eqtls
        With permutations.
    loci : sequence of GeneLocus
        Genes of `found`.
    progress : Progress, optional

    Returns
    -------
    DataFrame
        A row a signal; see :func:`gexviz.analysis.eqtl_conditional.independent_signals`.
    """
    if not found.permuted:
        raise GexvizError("signals need permutations", remedy="ask for eQTLs with permutations (`--permutations 1000`)")
    called = set(found.genes.index[found.genes["q"] <= found.settings.fdr])
    chosen = [g for g in loci if g.id in called]
    tables = []
    for done, test in enumerate(gene_tests(study, chosen, found.settings), start=1):
        tables.append(eqtl_conditional.independent_signals(test, found.p_beta, found.settings))
        if progress is not None:
            progress(done, len(chosen), test.gene)
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=eqtl_conditional.COLUMNS)


class FromElsewhere(NamedTuple):
    """A table of eQTLs that were found in other people.

    Attributes
    ----------
    file : Path
        GTEx, eQTL Catalogue or plain; see :mod:`gexviz.cohort.eqtl_tables`.
    people : int
        How many they were found in: it makes t a correlation.
    build : str or None
        Its genome build, where the file doesn't tell.
    """

    file: Path
    people: int
    build: str | None = None


def read_elsewhere(study: Study, source: FromElsewhere) -> Eqtls:
    """Read eQTLs that were found elsewhere, turned to the cohort's ALT alleles.

    Parameters
    ----------
    study : Study
    source : FromElsewhere

    Returns
    -------
    Eqtls
        Of the cohort's variants that the table has; ``genes`` tells how many rows each gene has. ``left_out`` counts
        the rows that could not be used, by reason.

    Raises
    ------
    GexvizError
        For a table that can't be read, of another build, or without a row that can be used.
    """
    if source.people < 4:
        raise GexvizError(f"eQTLs found in {source.people} people", expected="the number of people behind the table")
    read = eqtl_tables.read_eqtls(source.file)
    variants = _cohort_variants(study, read.table)
    found = eqtl_alleles.harmonise_eqtls(
        read, variants, study.genes.index, cohort_build=study.config.study.genome, build=source.build
    )
    if found.table.empty:
        counted = ", ".join(f"{reason}: {number:,}" for reason, number in found.counts.items() if number)
        raise GexvizError("no row of the table can be used", file=source.file, place=counted)
    table, genes = found.table, study.genes.loc[found.table["gene"]]
    sign = np.where(genes["strand"] == "+", 1, -1)
    frequency = variants.drop_duplicates("variant").set_index("variant")["frequency"].reindex(table["variant"])
    distance = sign * (table["position"].to_numpy() - genes["tss"].to_numpy())
    maf = np.minimum(frequency.to_numpy(), 1 - frequency.to_numpy())
    table = table.assign(distance=distance, n=source.people, df=source.people - 2, maf=maf)
    rows = table.groupby("gene", sort=False).size().rename("tested").to_frame().assign(reason="")
    unit = f"as in {source.file.name}"
    left_out = {reason: number for reason, number in found.counts.items() if reason != "kept"}
    return Eqtls(table, rows, EqtlSettings(), False, (), (), float("nan"), float("nan"), unit, left_out, elsewhere=True)


def _cohort_variants(study: Study, table: pd.DataFrame) -> pd.DataFrame:
    """The cohort's variants where a table has some, with the frequency of ALT among the study's people."""
    samples, parts = list(study.samples.index), []
    for name, rows in table.groupby("contig", sort=False):
        contig = study.cohort.reference_contig(str(name))
        if contig is None:
            continue
        places = np.unique(rows["position"].to_numpy(np.int64))
        for near in np.split(places, np.flatnonzero(np.diff(places) > _NEAR) + 1):
            variants, dosages = study.cohort.genotypes.read(contig, int(near[0]), int(near[-1]) + 1, samples).dosages()
            wanted = variants["position"].isin(near).to_numpy()
            known = ~np.isnan(dosages[wanted])
            total = np.where(known, dosages[wanted], 0).sum(axis=1)
            parts.append(variants[wanted].assign(frequency=total / np.maximum(2 * known.sum(axis=1), 1)))
    empty = pd.DataFrame({"variant": [], "position": [], "ref": [], "alt": [], "frequency": []})
    return pd.concat(parts, ignore_index=True) if parts else empty.astype({"variant": str})


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


def eqtl_key(study: Study, settings: EqtlSettings) -> str:
    """Hash of all that eQTLs with permutations depend on, but for the genes."""
    return _Keys.of(study, settings).permuted


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
