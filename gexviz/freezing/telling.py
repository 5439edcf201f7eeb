"""What of the collected tables may be told: coarse numbers, bins and groups of people, people under other names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from gexviz.analysis.mismatch_rules import RULES
from gexviz.analysis.mismatch_words import variant_sentence
from gexviz.freezing.people import People
from gexviz.freezing.work import Tables, Work, joined, named
from gexviz.session import pseudonyms
from gexviz.session.binning import density
from gexviz.session.contents import Level
from gexviz.session.groups import groups
from gexviz.session.privacy import (
    Carriers,
    K,
    coarse_benchmark,
    coarse_genes,
    coarse_variants,
    folded,
    grid_step,
)

if TYPE_CHECKING:
    from gexviz.study import Study

_OF_VARIANTS = ("effects", "associations", "weights", "mismatch_variants", "candidates")
_OF_GENES = ("evaluation", "mismatch_genes")
_VALUES_PER_SD = 100


def coarse_tables(work: Work, tables: Tables, carriers: Carriers) -> Tables:
    """Tables without people, as they may be told below level full."""
    told = dict(tables)
    for name in _OF_VARIANTS:
        if name in tables:
            told[name] = coarse_variants(tables[name], carriers)
            left = tables[name]["variant"].nunique() - told[name]["variant"].nunique()
            if left:
                work.leave_out(f"{name}: {left:,} variants that fewer than {K} people carry, or all but fewer than {K}")
    for name in _OF_GENES:
        if name in tables:
            told[name] = coarse_genes(tables[name], carriers)
    if "mismatch_genes" in tables:
        hidden = told["mismatch_genes"]["main_driver"].isna() & tables["mismatch_genes"]["main_driver"].notna()
        if hidden.any():
            number = int(hidden.sum())
            work.leave_out(f"mismatch_genes: the main driver of {number:,} genes, carried by fewer than {K} people")
    if "benchmark" in tables:
        told["benchmark"] = coarse_benchmark(tables["benchmark"], carriers.everybody)
    if "effects" in told and "rank" in told["effects"]:
        ranks = told["effects"].groupby(["gene", "model"])["rank"].rank(method="first")
        told["effects"] = told["effects"].assign(rank=ranks)
    if "mismatch_variants" in told:
        told["mismatch_variants"] = _said_again(told["mismatch_variants"])
    if "candidates" in told:
        keys = ["gene", "variant", "model", "linear"]
        said = told["mismatch_variants"][[*keys, "sentence"]]
        told["candidates"] = told["candidates"].drop(columns="sentence").merge(said, on=keys, how="left")
    return told


def _said_again(variants: pd.DataFrame) -> pd.DataFrame:
    """Sentences with the rounded numbers in place of the exact ones."""
    return variants.assign(sentence=[variant_sentence(row, RULES) for row in variants.to_dict("records")])


def aggregates(work: Work, people: Mapping[str, People], told: pd.Index) -> Tables:
    """Bins and groups of people, one gene after the other."""
    binned, boxes = [], []
    for gene, found in people.items():
        name = work.asked.genes[gene].place.name
        bins = density(found.values, found.models) if found.models else pd.DataFrame()
        if found.models and bins.empty:
            work.leave_out(f"{name}: fewer than {K} people have both expression and a prediction")
        binned.append(named(bins, gene=gene))
        for variant in found.variants:
            if variant not in told:
                work.leave_out(f"{variant}: fewer than {K} people carry it, or all but fewer than {K}: no numbers")
                continue
            summed = groups(found.values, found.copies[variant], ["observed", *found.models])
            if summed.empty:
                work.leave_out(f"{name}, {variant}: its genotypes don't make two groups of {K} people")
            boxes.append(named(summed, gene=gene, variant=variant))
    return joined("density", binned) | joined("groups", boxes)


def rows_of_people(
    study: Study, people: Mapping[str, People], told: pd.Index, level: Level
) -> tuple[Tables, pd.Series | None]:
    """Rows of single people, sorted by the names that they have in the session; and who is who, if those are drawn."""
    samples = study.samples.index
    names = pd.Series(samples, index=samples, dtype=object)
    populations = study.samples.get("population", pd.Series("", index=samples)).fillna("").astype(str)
    if level == "pseudonymous":
        names = pseudonyms.draw(list(samples))
        populations = folded(populations)
    values, dosages = [], []
    for gene, found in people.items():
        for model in ("observed", *found.models):
            known = found.values[model].dropna()
            if level == "pseudonymous":
                step = grid_step(known.to_numpy(np.float64), _VALUES_PER_SD)
                known = (known / step).round() * step if known.nunique() > 1 else known
            rows = pd.DataFrame({"person": names[known.index].to_numpy(), "value": known.to_numpy(np.float64)})
            values.append(rows.assign(gene=gene, model=model))
        for variant in found.variants:
            if variant in told:
                copies = found.copies[variant].dropna()
                rows = pd.DataFrame({"person": names[copies.index].to_numpy(), "copies": copies.to_numpy(np.float64)})
                dosages.append(rows.assign(variant=variant))
    shown = {name for rows in (*values, *dosages) for name in rows["person"]}
    table = pd.DataFrame({"person": names.to_numpy(), "population": populations.to_numpy()})
    tables = joined("people", [table[table["person"].isin(shown)]])
    tables |= joined("values", values) | joined("dosages", [pd.concat(dosages).drop_duplicates()] if dosages else [])
    ordered = {name: rows.sort_values([*map(str, rows)], ignore_index=True) for name, rows in tables.items()}
    return ordered, names[names.isin(shown)] if level == "pseudonymous" and shown else None
