"""A kept view of the Mismatches page: where the deep model and genetics disagree, and what to test."""

from __future__ import annotations

import numpy as np
import pandas as pd

from gexviz.analysis.direction import SETS, direction_accuracy
from gexviz.analysis.filtering import PairFilters, passing_pairs
from gexviz.analysis.mismatch_summary import summary_text
from gexviz.analysis.panel import density
from gexviz.analysis.published import published_directions
from gexviz.figures import words
from gexviz.figures.association import Evidence, association_figure, evidence_region
from gexviz.figures.direction_strip import direction_strip
from gexviz.figures.quadrant import quadrants
from gexviz.figures.verdicts import verdict_bars
from gexviz.session import filters
from gexviz.session.contents import Session, View
from gexviz.session.shown.frozen import (
    by_variant,
    for_people,
    gene_name,
    gene_names,
    labels_of,
    region_of,
    rows_of,
)
from gexviz.session.shown.gene import by_genotype, people_of
from gexviz.session.shown.item import Shown
from gexviz.session.shown.locus import associations_of, gene_tracks, lead_of, threshold_of, weights_of

SET = "decided"
CANDIDATES = "Candidates to test"
_VARIANTS = {
    "name": "gene", "variant": "variant", "class": "class", "deep_effect": "model's effect of ALT",
    "slope": "eQTL slope", "se": "standard error", "q": "q", "distance": "bp to the TSS",
    "frequency": "frequency of ALT", "sentence": "in words",
}  # fmt: skip
_GENES = {
    "name": "gene", "verdict": "verdict", "r_deep": "r of the model", "r_linear": "r of the linear model",
    "q": "q of the eQTL", "lead": "lead eQTL", "main_driver": "main driver", "sentence": "in words",
}  # fmt: skip
_PARTS = ("direction", "drivers", "negative genes")
_NUMBERS = "Brackets are 95% intervals. Published figures are of other cohorts, genes or tissues, as context."
_CANDIDATES = {
    "name": "gene", "variant": "variant", "class": "class", "deep_effect": "model's effect of ALT",
    "slope": "eQTL slope", "q": "q", "oligo_ref": "oligo with REF", "oligo_alt": "oligo with ALT", "oligo_note": "note",
    "edit_context": "edit context", "guide": "nearest guide", "guide_pam": "PAM", "guide_strand": "strand",
    "guide_cut": "cut, bp away",
}  # fmt: skip
_OLIGOS = (
    "Oligos are the forward strand of the reference, the variant in the middle, with the same flanks for both alleles. "
    "Guides are the nearest SpCas9 sites (NGG, cut within 20 bp); off-targets are not looked at. The q is of the eQTL."
)


def mismatches_view(session: Session, view: View) -> list[Shown]:
    """The view's gene and variant first, then all variants and genes of the two models, then what to test."""
    variants = rows_of(session, "mismatch_variants", model=view.model, linear=view.linear)
    genes = rows_of(session, "mismatch_genes", model=view.model, linear=view.linear)
    model = view.model or next(iter(variants["model"]), next(iter(genes["model"]), ""))
    found = _evidence(session, view, variants, model)
    if len(variants):
        found += _directions(session, view, variants, genes, model)
    if len(genes):
        found.append(_verdicts(session, genes, model))
    summary = rows_of(session, "mismatch_summary", model=view.model, linear=view.linear)
    if len(summary):
        written = summary_text(summary, _PARTS, published_directions())
        found.append(Shown("The comparison in numbers", written, note=_NUMBERS, table_first=True))
    table = candidates_table(session)
    if len(table):
        found.append(Shown(CANDIDATES, table, note=_OLIGOS, table_first=True))
    return found


_SHARES = "Shares are fractions of 1; low and high are the ends of the 95% interval (Wilson)."


def candidates_table(session: Session) -> pd.DataFrame:
    """What a bench scientist orders, as people read it."""
    return for_people(_named(session, rows_of(session, "candidates")), _CANDIDATES)


def _directions(session: Session, view: View, variants: pd.DataFrame, genes: pd.DataFrame, model: str) -> list[Shown]:
    """Effects against slopes, of the pairs that pass the view's filters; and how often directions agree, of all."""
    plain = labels_of(session, None, model)
    tests = rows_of(session, "associations")
    labels = plain._replace(observed=str(tests["unit"].iloc[0])) if "unit" in tests and len(tests) else plain
    table = for_people(_named(session, variants.sort_values("p", kind="stable")), _VARIANTS)
    drawn, filtered = _passing(session, view, variants, genes)
    both = drawn[drawn["deep_effect"].notna() & drawn["slope"].notna()]
    same = int((np.sign(both["deep_effect"]) == np.sign(both["slope"])).sum())
    counts = ", ".join(f"{n:,} {name}" for name, n in drawn["class"].value_counts().items())
    found = [
        Shown(
            f"{model} against eQTLs",
            table,
            quadrants(drawn, labels=labels, names=gene_names(session)),
            f"Effect of ALT by {model} against the eQTL slope, {len(both):,} pairs of gene and variant; in {same:,} "
            f"both have one direction. Classes: {counts}.",
            " ".join(filter(None, [filtered, _claims(session, tests)])),
            table_first=True,
        )
    ]
    chosen = view.filters.get(filters.ACCURACY_OF, SET)
    chosen = chosen if chosen in SETS else SET
    accuracy = direction_accuracy(variants, chosen)
    given = published_directions()
    given = given[given["figure"] == ("drivers supported" if chosen == "drivers" else "eQTL direction")]
    figure = direction_strip(accuracy, model=model, published=given, unit=plain.predicted, lines=[SETS[chosen]])
    whole = accuracy.iloc[0]
    said = "No pair can be decided."
    if whole["n"]:
        said = (
            f"{words.percent(whole['accuracy'])} of {int(whole['n']):,} pairs have the model's direction right "
            f"[{words.percent(whole['low'])}, {words.percent(whole['high'])}]."
        )
    columns = {"by": "by", "stratum": "stratum", "correct": "right", "n": "of", "accuracy": "share"}
    rows = for_people(accuracy, columns | {"low": "low", "high": "high"})
    found.append(Shown("How often the direction is right", rows, figure, said, _SHARES))
    return found


def _passing(session: Session, view: View, variants: pd.DataFrame, genes: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Pairs that pass the view's filters, and what a reader must know of it."""
    wanted = filters.pair_filters(view.filters)
    if wanted == PairFilters():
        return variants, ""
    verdicts = genes.drop_duplicates("gene").set_index("gene")["verdict"]
    rows = _named(session, variants).assign(verdict=variants["gene"].map(verdicts))
    try:
        kept = passing_pairs(rows, wanted)
    except KeyError as column:
        return variants, f"The session doesn't tell {column.args[0]}: the figure is of all pairs, whatever the filters."
    return kept, f"The figure is of the {len(kept):,} of {len(rows):,} pairs that pass the filters."


def _claims(session: Session, tests: pd.DataFrame) -> str:
    """What the density of the genotypes does to claims about direction."""
    if tests.empty or "maf" not in tests:
        return ""
    text = density(tests).sentence(simulated=session.manifest.simulated)
    return f"At the genes that were looked at: {text[:1].lower()}{text[1:]}"


def _verdicts(session: Session, genes: pd.DataFrame, model: str) -> Shown:
    counts = ", ".join(f"{n:,} {name}" for name, n in genes["verdict"].value_counts().items())
    figure = verdict_bars(genes.set_index("gene"), model=model, names=gene_names(session))
    alt = f"Numbers of genes of each verdict on {model}, of {len(genes):,}: {counts}."
    table = for_people(_named(session, genes), _GENES)
    return Shown(f"Why {model} fails, or succeeds", table, figure, alt, table_first=True)


def _evidence(session: Session, view: View, variants: pd.DataFrame, model: str) -> list[Shown]:
    """What is known of the view's gene and variant."""
    if view.gene is None:
        return []
    found = []
    if view.variant:
        people = people_of(session, view.gene)
        found += by_genotype(session, view.gene, view.variant, [model] if model else [], people)
    tests = associations_of(session, view.gene)
    places = rows_of(session, "genes", gene=view.gene)
    if tests.empty or places.empty:
        return found
    effects = by_variant(rows_of(session, "effects", gene=view.gene, model=model))
    weights = weights_of(session, view.gene, view.linear)
    place = places.iloc[0]
    evidence = Evidence(
        tests,
        lead_of(tests),
        threshold_of(tests),
        effects if len(effects) else None,
        weights if len(weights) else None,
        None,
        int(place["tss"]),
    )
    region = region_of(view.region) or evidence_region(evidence, str(place["contig"]))
    name = gene_name(session, view.gene)
    chosen = (view.variant,) if view.variant else ()
    figure = association_figure(
        evidence, region, units=(labels_of(session, None, model).predicted, "per copy of ALT"),
        title=f"{name} · {model}", chosen=chosen, above=gene_tracks(session, view.gene),
    )  # fmt: skip
    own = variants[(variants["gene"] == view.gene).to_numpy()]
    alt = f"{len(tests):,} variants tested at {name}"
    if evidence.lead is not None:
        p, slope = (float(tests[column][evidence.lead]) for column in ("p", "slope"))
        alt += f"; the lead is {words.variant_name(evidence.lead)}, {words.p_value(p)}, slope {words.number(slope)}"
    table = for_people(_named(session, own), _VARIANTS)
    return [*found, Shown(f"Association, effects and weights around {name}", table, figure, f"{alt}.")]


def _named(session: Session, table: pd.DataFrame) -> pd.DataFrame:
    """The same with the genes' names, if it has none."""
    if "name" in table:
        return table
    return table.assign(name=table["gene"].map(gene_names(session)).fillna(table["gene"]))
