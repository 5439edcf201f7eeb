"""Tables of where a model and genetics disagree, made up but plausible, and one figure of each kind from them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from locus_tables import BASES, UNIT, genes_tables, variants_table

from gexviz.analysis.direction import direction_accuracy
from gexviz.analysis.published import published_directions
from gexviz.figures import overview
from gexviz.figures.association import Evidence, association_figure
from gexviz.figures.classes import CLASSES, VERDICTS
from gexviz.figures.comparison import Labels
from gexviz.figures.direction_strip import direction_strip
from gexviz.figures.quadrant import pair_id, quadrants
from gexviz.figures.tracks import GeneTrack, Region
from gexviz.figures.two_sides import two_sides
from gexviz.figures.verdicts import verdict_bars

MODEL = "xpresso GM12878"
LABELS = Labels("TANGO2", UNIT, "log2(RPKM + 1), covariates removed", MODEL)
TSS = 20_500_000
REGION = Region("22", TSS - 400_000, TSS + 400_000)
WINDOW = TSS - 98_304, TSS + 98_304
SAID = ["eQTLs in the window that are concordant or opposite"]


def pairs_table(n, seed=0):
    """Pairs of gene and variant: heavy-tailed effects, some without one, some without a slope."""
    rng = np.random.default_rng(seed)
    position = rng.integers(16_000_000, 51_000_000, n)
    ref = rng.integers(0, 4, n)
    alt = (ref + rng.integers(1, 4, n)) % 4
    table = pd.DataFrame({"gene": [f"ENSG{k:05d}.1" for k in rng.integers(0, max(1, n // 8), n)]})
    table["variant"] = [f"22:{p}:{BASES[r]}:{BASES[a]}" for p, r, a in zip(position, ref, alt, strict=True)]
    table["class"] = rng.choice(list(CLASSES), n, p=[0.2, 0.18, 0.22, 0.15, 0.1, 0.05, 0.1])
    table["deep_effect"] = 0.01 * rng.standard_t(2.5, n)
    table["deep_noise"] = rng.gamma(2, 0.001, n)
    table["se"] = rng.gamma(20, 0.002, n)
    table["slope"] = rng.normal(0, 0.12, n)
    table["q"] = 10 ** -rng.gamma(1, 2, n)
    table["distance"] = rng.integers(-400_000, 400_000, n)
    outside = (table["class"] == "out of window").to_numpy()
    table.loc[outside, ["deep_effect", "deep_noise"]] = np.nan
    table.loc[rng.random(n) < 0.02, ["slope", "se", "q"]] = np.nan
    return table


def strata_table(n=412, seed=0):
    """Accuracies of pairs that are right more often near the TSS; strata without any pair."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({"gene": ["G"] * n, "deep_effect": rng.normal(0, 0.02, n), "se": 0.05, "position": 0})
    table["distance"] = np.sign(rng.normal(size=n)) * 10 ** rng.uniform(0.5, 4.6, n)
    right = rng.random(n) < np.interp(np.log10(table["distance"].abs()), [1, 3, 4.5], [0.9, 0.55, 0.2])
    table["slope"] = np.abs(rng.normal(0, 0.2, n)) * np.sign(table["deep_effect"]) * np.where(right, 1, -1)
    table["deep_sign"] = np.sign(table["deep_effect"])
    table["frequency"] = rng.uniform(0.02, 0.98, n)
    for population in ("CEU", "FIN", "GBR", "TSI", "YRI"):
        table[f"slope_{population}"] = table["slope"] + rng.normal(0, 0.1, n)
        table[f"se_{population}"], table[f"p_{population}"] = 0.1, rng.uniform(0, 0.1, n)
    table["class"] = np.where(right, "concordant", "opposite")
    return direction_accuracy(table.assign(significant=True, in_window=True))


def published_table():
    table = published_directions()
    return table[table["figure"] == "eQTL direction"]


def genes_table(n=608, seed=0):
    """Verdicts of genes; some have none, and none is undecided."""
    rng = np.random.default_rng(seed)
    share = np.array([0.05, 0.07, 0.14, 0.2, 0.3, 0.24])
    verdict = rng.choice([v for v in VERDICTS if v != "undecided"], n, p=share / share.sum())
    index = pd.Index([f"ENSG{k:05d}.1" for k in range(n)], name="gene")
    return pd.DataFrame({"verdict": np.where(rng.random(n) < 0.02, None, verdict)}, index=index)


def associations_table(n, seed=0, region=REGION):
    """Associations that decay with LD around a lead; the table and the lead."""
    rng = np.random.default_rng(seed)
    table = variants_table(region.start, region.end, n, seed)[["position", "ref", "alt", "frequency"]]
    position = table["position"].to_numpy()
    lead = int(np.argmin(np.abs(position - (TSS + 30_000))))
    block = np.exp(-np.abs(position - position[lead]) / 40_000)
    r = block * rng.choice([0.98, 0.8, 0.5, 0.2], n, p=[0.15, 0.15, 0.3, 0.4]) * rng.choice([-1, 1], n)
    r[lead] = 1
    z = 9.0 * r + rng.normal(0, 1, n)
    z[lead] = np.abs(z).max() + 0.4
    table["slope"], table["se"] = 0.06 * z, 0.06
    table["p"] = 10 ** -np.maximum(0.001, 0.217 * z**2 + 0.2)
    table["ld_lead"] = r
    table["maf"] = np.minimum(table["frequency"], 1 - table["frequency"])
    return table, table.index[lead]


def evidence(n=3000, seed=0):
    associations, lead = associations_table(n, seed)
    effects = variants_table(*WINDOW, max(3, n // 10), seed + 1)
    rng = np.random.default_rng(seed)
    chosen = rng.choice(n, min(n, 14), replace=False)
    weights = associations[["position", "frequency"]].assign(weight=0.0)
    weights.iloc[chosen, 1] = 0.3
    weights.iloc[chosen, 2] = rng.normal(0, 0.08, len(chosen))
    weights.loc[lead, "weight"] = 0.21
    return Evidence(associations, lead, 2e-5, effects, weights, WINDOW, TSS)


def people_table(variant, n=330):
    rng = np.random.default_rng(0)
    copies = rng.binomial(2, 0.3, n).astype(float)
    people = pd.Index([f"P{i:03d}" for i in range(n)], name="sample")
    table = pd.DataFrame({"population": rng.choice(["CEU", "FIN", "GBR", "TSI"], n), variant: copies}, index=people)
    table["observed"] = -0.4 * copies + rng.normal(0, 0.6, n)
    table["xpresso"] = 2.3 + 0.03 * copies + rng.choice([0, 0.02, 0.05], n)
    table.loc["P003", variant] = np.nan
    return table


def evaluations(genes, seed=0):
    """Of a linear and a deep model."""
    rng = np.random.default_rng(seed)
    tables = []
    for mean in (0.15, 0.0):
        r = np.clip(rng.normal(mean, 0.12, len(genes)), -1, 1)
        columns = {"status": "ok", "pearson": r, "pearson_low": r - 0.1, "pearson_high": r + 0.1, "null": "analytic"}
        tables.append(pd.DataFrame(columns, index=genes.index).assign(q=np.exp(-15 * np.abs(r))))
    return tables


def figures():
    """Name -> function that makes a figure."""
    some, many, most = (pairs_table(n) for n in (1_200, 9_000, 40_000))
    two = [pair_id(g, v) for g, v in some.dropna().sample(12, random_state=0)[["gene", "variant"]].to_numpy()]
    genes, strata = genes_table(), strata_table()
    linear, deep = evaluations(genes)
    local, dense = evidence(), evidence(12_000)
    variant = "22:20004537:GTTA:G"
    models, exons = genes_tables(REGION.start, REGION.end)
    above = [GeneTrack(models, exons, focus="ENSG1")]
    near = Region("22", TSS - 60_000, TSS + 60_000)
    options = {"units": (UNIT, "log2(RPKM + 1) per copy"), "title": "TANGO2: evidence", "lines": ["98 of 608 genes"]}
    return {
        "quadrant": lambda: quadrants(some, labels=LABELS),
        "quadrant_selected": lambda: quadrants(some, labels=LABELS, selected=two),
        "quadrant_9000": lambda: quadrants(many, labels=LABELS),
        "quadrant_bins": lambda: quadrants(most, labels=LABELS),
        "strip": lambda: direction_strip(strata, model=MODEL, published=published_table(), unit=UNIT, lines=SAID),
        "verdicts": lambda: verdict_bars(genes, model=MODEL),
        "verdicts_selected": lambda: verdict_bars(genes, model=MODEL, selected=["wrong direction"]),
        "overview": lambda: overview.model_vs_model(
            linear, deep.assign(category=genes["verdict"]), models=("elastic net", MODEL)
        ),
        "two_sides": lambda: two_sides(
            people_table(variant), variant, "xpresso", colour_by="population", labels=LABELS,
            lines=["opposite: the model says ALT raises expression; its carriers have less (q = 2e-8)."],
        ),
        "association": lambda: association_figure(local, REGION, above=above, **options),
        "association_chosen": lambda: association_figure(local, near, chosen=[local.lead], **options),
        "association_wide": lambda: association_figure(dense, REGION, **options),
    }  # fmt: skip
