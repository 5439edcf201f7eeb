"""Where a deep model and genetics disagree in direction, over a study's genes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from gexviz.analysis import ceiling, deep_sign, drivers, effects, mismatch, mismatch_summary, verdicts
from gexviz.analysis.eqtl_groups import group_associations
from gexviz.analysis.eqtl_settings import EqtlSettings
from gexviz.analysis.meme import read_motifs
from gexviz.analysis.mismatch import GeneTables
from gexviz.analysis.mismatch_rules import RULES
from gexviz.errors import GexvizError
from gexviz.explaining.effects import read_sequences, variant_effects
from gexviz.explaining.frames import frame_part, part_frame
from gexviz.explaining.motifs import changed_sites
from gexviz.mapping import Eqtls, FromElsewhere, eqtl_key, gene_tests, map_eqtls, read_elsewhere
from gexviz.mismatches import Mismatches
from gexviz.models.base import GeneLocus, PredictsDosages, PredictsSequences
from gexviz.results import Part, digest_of
from gexviz.tasks import Progress

if TYPE_CHECKING:
    from gexviz.study import Study

SCHEMA = 1
"""Raised when verdicts or the summary would come out differently for the same inputs; classes have their own."""

PERMUTATIONS = 1_000

NULLS = ("analytic", "permutation", "random_weights")
"""Under which the share of negative genes is told."""

_LOOKED_AT = ("concordant", "opposite", "missed", "unsupported driver")


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

    A comparison of the whole study with the cohort's own eQTLs is stored itself.

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
    if elsewhere is None:
        eqtls = map_eqtls(study, study.loci(), permutations=permutations, progress=progress)
    else:
        eqtls = read_elsewhere(study, elsewhere)
    if loci is not None or elsewhere is not None:
        return _assembled(study, model, eqtls, _compared(study, _Asked(model, linear, wanted), eqtls, progress))
    key = _key(study, model, linear, permutations)
    found = study.results.parts(key)
    if not found:
        found = _compared(study, _Asked(model, linear, wanted), eqtls, progress)
        study.results.put_parts(key, found)
    return _assembled(study, model, eqtls, found)


def stored_comparison(
    study: Study, model: str, linear: str | None = None, *, permutations: int = PERMUTATIONS
) -> Mismatches | None:
    """The same of the whole study and the cohort's own eQTLs, from what is stored; None if it is to be made (again)."""
    _check_models(study, model, linear)
    found = study.results.parts(_key(study, model, linear, permutations))
    if not found:
        return None
    return _assembled(study, model, map_eqtls(study, study.loci(), permutations=permutations), found)


def stored_genes(
    study: Study, model: str, linear: str | None = None, *, permutations: int = PERMUTATIONS
) -> pd.DataFrame | None:
    """Read the verdicts of a comparison of the whole study, if it is stored and nothing has changed since.

    Parameters
    ----------
    study : Study
    model : str
    linear : str, optional
    permutations : int

    Returns
    -------
    DataFrame or None
        :attr:`gexviz.mismatches.Mismatches.genes`; None if the comparison is to be made (again).
    """
    found = study.results.parts(_key(study, model, linear, permutations), ["genes"])
    return part_frame(found["genes"]) if found else None


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


class _Asked(NamedTuple):
    """What is to be compared."""

    model: str
    linear: str | None
    genes: list[GeneLocus]


def _key(study: Study, model: str, linear: str | None, permutations: int) -> str:
    """Hash of all that a comparison of the whole study depends on."""
    names = [model] if linear is None else [model, linear]
    loci = study.loci()
    runs = [study.key(name, "prediction", gene) for name in names for gene in loci[:1]]  # one has all that genes share
    people = [study.config.models[name].trained_on for name in names], study.digests("samples")
    code = SCHEMA, mismatch.SCHEMA, effects.SCHEMA, drivers.SCHEMA, asdict(RULES)
    tests = eqtl_key(study, EqtlSettings(permutations=permutations))
    return digest_of("mismatches", code, names, runs, loci, people, tests)


def _compared(study: Study, asked: _Asked, eqtls: Eqtls, progress: Progress | None) -> dict[str, Part]:
    """Compare; the tables as they are stored."""
    reasons = {g.id: study.unavailable(asked.model, g) for g in asked.genes}
    unserved = {g: r for g, r in reasons.items() if r is not None}
    served = asked._replace(genes=[g for g in asked.genes if g.id not in unserved])
    if not served.genes:
        count = f"{len(asked.genes):,}"
        raise GexvizError(f"{asked.model} can't serve any of these {count} genes", remedy="see `study.status(model)`")
    ids = [g.id for g in served.genes]
    for name in (asked.model, *([asked.linear] if asked.linear is not None else [])):
        study.compute(name, ids, progress=progress)
    notes = []
    if asked.linear is not None and study.predicted(asked.linear, ids).comparable.empty:
        notes.append(f"{asked.linear} has no prediction of any of these genes: compared without a linear model")
        served = served._replace(linear=None)
    of_variants = _effects(study, served, progress)
    ceilings: dict[str, ceiling.Heritability] = {}
    tables = _gene_tables(study, served, eqtls, of_variants, ceilings, progress)
    classified = mismatch.classify(tables, typical=deep_sign.typical_effect(of_variants.values()))
    nulls = {name: study.evaluate(asked.model, ids, null=name, progress=progress).reindex(ids) for name in NULLS}
    genes = verdicts.gene_verdicts(
        classified,
        nulls["analytic"],
        None if served.linear is None else study.evaluate(served.linear, ids).reindex(ids),
        eqtl_genes=eqtls.genes if eqtls.permuted else None,
        ceilings=_ceiling_table(ceilings),
    )
    genes.insert(0, "name", study.genes["name"].reindex(genes.index))
    summary = mismatch_summary.summarise(classified.variants, genes, nulls)
    notes += [*_null_notes(nulls), *_population_notes(study, eqtls)]
    facts = {"linear": served.linear, "unserved": unserved, "notes": notes}
    return {
        "variants": frame_part(classified.variants),
        "genes": frame_part(genes),
        "summary": frame_part(summary, facts),
    }


def _assembled(study: Study, model: str, eqtls: Eqtls, found: Mapping[str, Part]) -> Mismatches:
    facts = found["summary"].facts
    variants, genes, summary = (part_frame(found[name]) for name in ("variants", "genes", "summary"))
    unserved = pd.Series(facts["unserved"], name="reason", dtype=object)
    about = study.spec(model).scale, RULES, study.cohort.reference, study.gene
    return Mismatches(
        model, facts["linear"], variants, genes, summary, eqtls, unserved, *about, notes=(*facts["notes"], *eqtls.notes)
    )


def _effects(study: Study, served: _Asked, progress: Progress | None) -> dict[str, pd.DataFrame]:
    """Each gene's variant effects."""
    found = {}
    for done, gene in enumerate(served.genes, start=1):
        found[gene.id] = variant_effects(study, served.model, gene).table
        if progress is not None:
            progress(done, len(served.genes), f"effects, {gene.name}")
    return found


def _gene_tables(
    study: Study,
    served: _Asked,
    eqtls: Eqtls,
    of_variants: dict[str, pd.DataFrame],
    ceilings: dict[str, ceiling.Heritability],
    progress: Progress | None,
) -> Iterator[GeneTables]:
    """One gene after the other; its cis-heritability is noted on the way, as its dosages are at hand then."""
    rows = mismatch.call_significant(eqtls.table, eqtls.genes if eqtls.permuted else None)
    by_gene = dict(iter(rows.groupby("gene", sort=False)))
    places = {g.id: g for g in served.genes}
    reference = study.predict(served.model, list(places), reference=True).set_index("gene")["value"]
    covariates, settings = study.cohort.covariates, EqtlSettings()
    groups = _populations(study, eqtls)
    for done, test in enumerate(gene_tests(study, served.genes, settings), start=1):
        place = places[test.gene]
        window = study.window(served.model, place)
        tested = by_gene.get(test.gene, rows.iloc[:0]).drop_duplicates("variant").set_index("variant")
        within = group_associations(test, groups, fewest=RULES.fewest_people, min_count=settings.min_count)
        dosages = pd.DataFrame(test.residual, index=pd.Index(test.variants["variant"]), columns=test.people)
        expression = study.cohort.expression.values.loc[test.gene].reindex(test.people).to_numpy(np.float64)
        taken_out = None if covariates is None else covariates.loc[test.people].to_numpy(np.float64)
        with threadpool_limits(1, user_api="blas"):
            ceilings[test.gene] = ceiling.cis_heritability(expression, test.filled, taken_out)
        yield GeneTables(
            gene=test.gene,
            window=(window.start, window.end),
            effects=of_variants[test.gene],
            eqtls=tested.join(within[~within.index.duplicated()]),
            dosages=dosages[~dosages.index.duplicated()],
            weights=None if served.linear is None else _weights(study, served.linear, place),
            prediction=float(reference.get(test.gene, np.nan)),
        )
        if progress is not None:
            progress(done, len(served.genes), f"classes, {place.name}")


def _populations(study: Study, eqtls: Eqtls) -> pd.Series:
    """Each person's population; nobody's for eQTLs of other people."""
    if eqtls.elsewhere or "population" not in study.samples:
        return pd.Series(dtype=object)
    named = study.samples["population"]
    return named[named != ""]


def _population_notes(study: Study, eqtls: Eqtls) -> list[str]:
    """Say which populations are too small for eQTLs of their own."""
    counts = _populations(study, eqtls).value_counts().sort_index()
    few = [f"{name} ({number})" for name, number in counts.items() if number < RULES.fewest_people]
    if not few:
        return []
    return [f"fewer than {RULES.fewest_people} people, so without an accuracy of their own: {', '.join(few)}"]


def _null_notes(nulls: Mapping[str, pd.DataFrame]) -> list[str]:
    """Say for how many genes a null gives no p."""
    without = {name: int((table["pearson"].notna() & table["p"].isna()).sum()) for name, table in nulls.items()}
    return [
        f"the {name} null can't be built for {number:,} genes: no variant varies in the window"
        for name, number in without.items()
        if number
    ]


def _weights(study: Study, linear: str, gene: GeneLocus) -> pd.Series | None:
    """A linear model's weights by variant; none for a gene that it can't serve."""
    if study.unavailable(linear, gene) is not None:
        return None
    table = study.gene(gene.id).weights(linear)
    return table[table["status"] != "missing"].groupby("variant")["weight"].sum()


def _ceiling_table(ceilings: dict[str, ceiling.Heritability]) -> pd.DataFrame:
    return pd.DataFrame([h._asdict() for h in ceilings.values()], index=pd.Index(list(ceilings), name="gene"))
