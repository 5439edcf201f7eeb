"""``truth.tsv``: what drives each simulated gene, told for people and for tests."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from gexviz.demo_study.expression import Effect, Simulated, World, true_effects
from gexviz.demo_study.plans import Plan
from gexviz.demo_study.writing import CONTIG

COLUMNS = {
    "gene": "gene id",
    "class": "promoter, reversed, distal, interaction or null",
    "variant": "causal variant, contig:pos:ref:alt, 1-based; empty for a null gene",
    "effect_allele": "the ALT allele",
    "motif": "the motif that the variant makes or breaks; 'enhancer' for a distal one",
    "offset": "bp from the TSS in the gene's direction; negative is upstream",
    "effect": "change of a person's log2(TPM + 1) per ALT copy, all else as in the reference",
    "partner": "for an interaction: the other variant",
    "together": "for an interaction: what a copy with both ALT alleles adds to the sum of the two effects, log2",
    "frequency": "of ALT, all people",
    "frequency_EUR": "of ALT, EUR-like people",
    "frequency_AFR": "of ALT, AFR-like people",
    "heritability": "share of variance that is cis-genetic, asked for, all people",
    "heritability_realised": "the same, in these people",
    "explanation": "in a sentence",
}
_TEXT = ("gene", "class", "variant", "effect_allele", "motif", "partner", "explanation")


def truth_table(world: World, simulated: Simulated) -> pd.DataFrame:
    """Tell what drives each gene.

    Returns
    -------
    DataFrame
        Columns as `COLUMNS` describes them; a row a causal variant, and one for each null gene.
    """
    rows = [row for plan in world.plans for row in _rows(world, simulated, plan)]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"offset": "Int64"})


def _rows(world: World, simulated: Simulated, plan: Plan) -> list[dict[str, object]]:
    genetic = simulated.genetic.loc[plan.gene].to_numpy()
    whole = {
        "gene": plan.gene,
        "class": plan.kind,
        "heritability": round(float(simulated.heritability[plan.gene]), 3),
        "heritability_realised": round(float(genetic.var() / simulated.values.loc[plan.gene].to_numpy().var()), 3),
    }
    effects = true_effects(world, plan, genetic)
    variants = [world.records[cause.site].variant(CONTIG) for cause in plan.causes]
    if not plan.causes:
        return [whole | {"effect": 0.0, "explanation": "No variant in cis changes this gene."}]
    panel = world.panel
    return [
        whole
        | {
            "variant": variants[k],
            "effect_allele": variants[k].split(":")[3],
            "motif": cause.motif or "enhancer",
            "offset": plan.offset(int(panel.positions[cause.site])),
            "effect": round(effects.each[k], 4),
            "partner": variants[1 - k] if len(variants) == 2 else None,
            "together": round(effects.together, 4) if len(variants) == 2 else None,
            "frequency": round(float(panel.frequency()[cause.site]), 4),
            "frequency_EUR": round(float(panel.frequency("EUR")[cause.site]), 4),
            "frequency_AFR": round(float(panel.frequency("AFR")[cause.site]), 4),
            "explanation": _explanation(world, plan, k, effects),
        }
        for k, cause in enumerate(plan.causes)
    ]


def _explanation(world: World, plan: Plan, k: int, effects: Effect) -> str:
    """Say in a sentence how a variant acts."""
    cause = plan.causes[k]
    position = int(world.panel.positions[cause.site])
    offset = plan.offset(position)
    where = f"{abs(offset):,} bp {'upstream' if offset < 0 else 'downstream'} of the TSS"
    moves = "raises" if effects.each[k] > 0 else "lowers"
    match plan.kind:
        case "distal":
            return f"ALT changes an enhancer {where}, outside the deep model's window, and {moves} expression."
        case "interaction":
            other = plan.causes[1 - k].motif
            return (
                f"The variant is in {cause.motif}, {where}; {cause.motif} and {other} act only together, on one copy."
            )
    rule = world.tissue.motif(str(cause.motif))
    makes = (effects.each[k] > 0) == (rule.effect > 0)
    acts = f"ALT {'makes' if makes else 'breaks'} {cause.motif}, {where}"
    if plan.kind == "reversed":
        return f"{acts}; it activates in the model's tissue but represses here, so ALT {moves} expression."
    return f"{acts}, {'an activator' if rule.effect > 0 else 'a repressor'}, so ALT {moves} expression."


def read_truth(path: str | Path) -> pd.DataFrame:
    """Read a ``truth.tsv``; plain ``pandas.read_csv`` would take the class ``null`` for a missing value.

    Returns
    -------
    DataFrame
        Columns as `COLUMNS` describes them; NaN where a gene has no such thing.
    """
    empty = {name: [""] for name in COLUMNS}
    return pd.read_csv(path, sep="\t", keep_default_na=False, na_values=empty, dtype=dict.fromkeys(_TEXT, "object"))
