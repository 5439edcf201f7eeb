"""Where a deep model and genetics disagree in direction, over a study's genes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from gexviz.analysis import ceiling, deep_sign, mismatch, mismatch_summary, verdicts
from gexviz.analysis.eqtl_settings import EqtlSettings
from gexviz.analysis.meme import read_motifs
from gexviz.analysis.mismatch import GeneTables
from gexviz.analysis.mismatch_rules import RULES, Rules
from gexviz.errors import GexvizError
from gexviz.explaining.effects import read_sequences, variant_effects
from gexviz.explaining.motifs import changed_sites
from gexviz.mapping import Eqtls, FromElsewhere, gene_tests, map_eqtls, read_elsewhere
from gexviz.models.base import GeneLocus, PredictsDosages, PredictsSequences
from gexviz.tasks import Progress

if TYPE_CHECKING:
    from gexviz.study import Study

PERMUTATIONS = 1_000

_LOOKED_AT = ("concordant", "opposite", "missed", "unsupported driver")


@dataclass(frozen=True, eq=False)
class Mismatches:
    """A deep model's variants and genes, compared with eQTLs and a linear model.

    Attributes
    ----------
    model : str
    linear : str or None
    variants : DataFrame
        A row for each variant that matters to anyone; columns of :class:`gexviz.analysis.mismatch.Classified`.
    genes : DataFrame
        Index gene: correlations, main driver, verdict, sentence; see
        :func:`gexviz.analysis.verdicts.gene_verdicts`.
    summary : DataFrame
        Direction accuracy and shares with intervals, published figures beside; see
        :func:`gexviz.analysis.mismatch_summary.summarise`.
    eqtls : Eqtls
        Of all genes of the study, as q values compare them.
    unserved : Series
        Index gene: why the deep model can't serve it. These genes are in none of the tables.
    notes : tuple of str
        What a reader must know of the comparison.
    unit : str
        Of deep effects, for one copy.
    rules : Rules
    """

    model: str
    linear: str | None
    variants: pd.DataFrame
    genes: pd.DataFrame
    summary: pd.DataFrame
    eqtls: Eqtls
    unserved: pd.Series
    unit: str
    rules: Rules
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        counts = self.genes["verdict"].value_counts()
        found = ", ".join(f"{number} {verdict}" for verdict, number in counts.items())
        return f"{self.model} against eQTLs and {self.linear or 'no linear model'}: {len(self.genes)} genes ({found})"


def compare_directions(
    study: Study,
    model: str,
    linear: str | None = None,
    loci: Sequence[GeneLocus] | None = None,
    *,
    permutations: int = PERMUTATIONS,
    elsewhere: FromElsewhere | None = None,
    progress: Progress | None = None,
) -> Mismatches:
    """Compare a deep model's effects with eQTLs and a linear model's weights; what is stored is not computed again.

    Parameters
    ----------
    study : Study
    model : str
        One that reads sequence.
    linear : str, optional
        One with variant weights.
    loci : sequence of GeneLocus, optional
        Genes to compare; all of the study's if not given. eQTLs are those of all genes in either case.
    permutations : int
        For each gene.
    elsewhere : FromElsewhere, optional
        A table of eQTLs of other people, in place of the cohort's own. Linkage is the cohort's.
    progress : Progress, optional

    Returns
    -------
    Mismatches
    """
    _check_models(study, model, linear)
    wanted = study.loci() if loci is None else [g for g in loci if g.id in study.genes.index]
    reasons = {g.id: study.unavailable(model, g) for g in wanted}
    served = [g for g in wanted if reasons[g.id] is None]
    unserved = pd.Series({g: r for g, r in reasons.items() if r is not None}, name="reason", dtype=object)
    if not served:
        raise GexvizError(f"{model} can't serve any of these {len(wanted):,} genes", remedy="see `study.status(model)`")
    if elsewhere is None:
        eqtls = map_eqtls(study, study.loci(), permutations=permutations, progress=progress)
    else:
        eqtls = read_elsewhere(study, elsewhere)
    permuted = eqtls.genes if eqtls.permuted else None
    ids = [g.id for g in served]
    for name in (model, *([linear] if linear is not None else [])):
        study.compute(name, ids, progress=progress)
    effects = {}
    for done, gene in enumerate(served, start=1):
        effects[gene.id] = variant_effects(study, model, gene).table
        if progress is not None:
            progress(done, len(served), f"effects, {gene.name}")
    rows = mismatch.call_significant(eqtls.table, permuted)
    ceilings: dict[str, ceiling.Heritability] = {}
    tables = _gene_tables(study, served, (model, linear), effects, rows, ceilings, progress)
    classified = mismatch.classify(tables, typical=deep_sign.typical_effect(effects.values()))
    deep = study.evaluate(model).reindex(ids)
    notes: tuple[str, ...] = ()
    if linear is not None and study.predicted(linear, ids).comparable.empty:
        notes, linear = (f"{linear} has no prediction of any of these genes: compared without a linear model",), None
    against = None if linear is None else study.evaluate(linear).reindex(ids)
    genes = verdicts.gene_verdicts(
        classified, deep, against, eqtl_genes=permuted, ceilings=_ceiling_table(ceilings)
    )
    genes.insert(0, "name", study.genes["name"].reindex(genes.index))
    nulls = {"analytic": deep, "permutation": study.evaluate(model, null="permutation").reindex(ids)}
    summary = mismatch_summary.summarise(classified.variants, genes, nulls)
    unit = study.spec(model).scale
    return Mismatches(model, linear, classified.variants, genes, summary, eqtls, unserved, unit, RULES, notes)


def with_motifs(study: Study, found: Mismatches, file: str | Path, *, progress: Progress | None = None) -> Mismatches:
    """Add what variants do to motifs, for those that the deep model sees and somebody's evidence is about.

    Parameters
    ----------
    study : Study
    found : Mismatches
        Of this study.
    file : path
        Motifs in MEME format.
    progress : Progress, optional
        Told after each gene.

    Returns
    -------
    Mismatches
        ``variants`` with a column ``motifs``: the three largest changes of a site on the reference, as ``RFX5 lost``;
        empty where nothing changes, missing for variants outside the window or of class ``linear only``.
    """
    known = read_motifs(file)
    table = found.variants.assign(motifs=pd.Series(pd.NA, index=found.variants.index, dtype=object))
    chosen = table[table["in_window"].astype(bool) & table["class"].isin(_LOOKED_AT)]
    for done, (gene, rows) in enumerate(chosen.groupby("gene", sort=False), start=1):
        place = study.locus(str(gene))
        sequences = read_sequences(study, found.model, place)
        able = rows[rows["variant"].isin(sequences.variants.index[sequences.variants["status"] == "ok"])]
        changes = changed_sites(sequences, able["variant"], known)
        said = changes["motif"].astype(str) + " " + changes["change"].astype(str)
        lines = said.groupby(changes["variant"], sort=False).agg(lambda texts: "; ".join(texts.head(3)))
        table.loc[able.index, "motifs"] = [lines.get(variant, "") for variant in able["variant"]]
        if progress is not None:
            progress(done, chosen["gene"].nunique(), f"motifs, {place.name}")
    return replace(found, variants=table)


def _check_models(study: Study, model: str, linear: str | None) -> None:
    if not isinstance(study.model(model), PredictsSequences):
        raise GexvizError(f"{model} does not read sequence", expected="a model whose variant effects can be computed")
    if linear is not None and not isinstance(study.model(linear), PredictsDosages):
        raise GexvizError(f"{linear} has no variant weights", expected="a linear model, as of family predictdb")


def _gene_tables(
    study: Study,
    served: Sequence[GeneLocus],
    models: tuple[str, str | None],
    effects: dict[str, pd.DataFrame],
    rows: pd.DataFrame,
    ceilings: dict[str, ceiling.Heritability],
    progress: Progress | None,
) -> Iterator[GeneTables]:
    """One gene after the other; its cis-heritability is noted on the way, as its dosages are at hand then."""
    model, linear = models
    by_gene = dict(iter(rows.groupby("gene", sort=False)))
    reference = study.predict(model, [g.id for g in served], reference=True).set_index("gene")["value"]
    places = {g.id: g for g in served}
    covariates = study.cohort.covariates
    for done, test in enumerate(gene_tests(study, served, EqtlSettings()), start=1):
        place = places[test.gene]
        window = study.window(model, place)
        eqtls = by_gene.get(test.gene, rows.iloc[:0]).drop_duplicates("variant").set_index("variant")
        dosages = pd.DataFrame(test.residual, index=pd.Index(test.variants["variant"]), columns=test.people)
        expression = study.cohort.expression.values.loc[test.gene].reindex(test.people).to_numpy(np.float64)
        taken_out = None if covariates is None else covariates.loc[test.people].to_numpy(np.float64)
        with threadpool_limits(1, user_api="blas"):
            ceilings[test.gene] = ceiling.cis_heritability(expression, test.filled, taken_out)
        yield GeneTables(
            gene=test.gene,
            window=(window.start, window.end),
            effects=effects[test.gene],
            eqtls=eqtls,
            dosages=dosages[~dosages.index.duplicated()],
            weights=None if linear is None else _weights(study, linear, place),
            prediction=float(reference.get(test.gene, np.nan)),
        )
        if progress is not None:
            progress(done, len(served), f"classes, {place.name}")


def _weights(study: Study, linear: str, gene: GeneLocus) -> pd.Series | None:
    """A linear model's weights by variant; none for a gene that it can't serve."""
    if study.unavailable(linear, gene) is not None:
        return None
    table = study.gene(gene.id).weights(linear)
    return table[table["status"] != "missing"].groupby("variant")["weight"].sum()


def _ceiling_table(ceilings: dict[str, ceiling.Heritability]) -> pd.DataFrame:
    return pd.DataFrame([h._asdict() for h in ceilings.values()], index=pd.Index(list(ceilings), name="gene"))
