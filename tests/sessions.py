"""Sessions of the demo, genuine ones: its people, its models, its stored results."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

import gexviz as gx
from gexviz.session.binning import density
from gexviz.session.contents import TABLES, Anchor, Level, Manifest, ModelFacts, Note, Session, State, View
from gexviz.session.groups import groups

GENE, DEEP, LINEAR = "GENE03", "cnn", "enet"
WHEN = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
PAIR: dict[str, Any] = {"gene": GENE, "model": DEEP, "linear": LINEAR}


@cache
def demo_session(level: Level = "aggregate") -> Session:
    """A session of one view of each page, with two notes."""
    study = gx.demo()
    gene = study.gene(GENE)
    effects = gene.effects(DEEP).table
    variant = str(effects.index[effects["main_driver"]][0])
    people = gene.table
    dosage = gene.dosages([variant])[variant]
    tables = _everybody(study) | _of_gene(gene, effects)
    if level == "aggregate":
        binned = density(people, [DEEP, LINEAR])
        boxes = groups(people, dosage, ["observed", DEEP, LINEAR])
        tables |= {"density": binned.assign(gene=GENE), "groups": boxes.assign(gene=GENE, variant=variant)}
    else:
        tables |= _people(study, people, variant, dosage)
    ism = gene.ism(DEEP)
    region = f"{ism.labels.contig}:{ism.region[0] + 1}-{ism.region[1]}"
    views = (
        View(time=WHEN, page="overview", title="All genes", model=DEEP, linear=LINEAR),
        View(time=WHEN, page="gene", title="The cnn at GENE03", text="Look at the slope.", variant=variant, **PAIR),
        View(time=WHEN, page="locus", title="Its promoter", variant=variant, region=region, method="ism", **PAIR),
        View(time=WHEN, page="mismatches", title="Directions", variant=variant, filters={"Class": "opposite"}, **PAIR),
    )
    first = Note(time=WHEN, author="Ana", anchor=Anchor(gene=GENE, variant=variant), text="Can you test this one?")
    reply = Note(time=WHEN, author="Bo", anchor=first.anchor, text="Yes, next week.", reply_to=first.id)
    return Session(
        _manifest(study, level),
        State(title="Why the cnn fails", question="Is it the direction?", findings="Mostly not.", views=views),
        (first, reply),
        {name: table.reset_index(drop=True) for name, table in tables.items()},
        {"ism_1": _arrays(ism)},
    )


def _manifest(study: Any, level: Level) -> Manifest:
    models = {
        name: ModelFacts(
            family=study.spec(name).family,
            scale=study.spec(name).scale,
            window=study.spec(name).window,
            strand=study.spec(name).strand,
            licence=study.spec(name).licence,
            citation=study.spec(name).citation,
            verified=study.spec(name).verified,
            files={f"{name}.weights": "a" * 64},
        )
        for name in (DEEP, LINEAR)
    }
    return Manifest(
        gexviz=gx.__version__,
        libraries={"numpy": np.__version__},
        created=WHEN,
        level=level,
        study=study.name,
        simulated=study.simulated,
        genome=study.config.study.genome,
        people=len(study.samples),
        observed_scale=study.cohort.observed_scale,
        inputs={"genotypes": "b" * 64, "expression": "c" * 64},
        models=models,
        parameters={"permutations": 1000},
        seeds={"permutations": 7},
        left_out=("epistasis: it was not computed",),
    )


@cache
def _everybody(study: Any) -> dict[str, pd.DataFrame]:
    """What is told of all genes."""
    found = study.mismatches(DEEP, LINEAR)
    pair = {"model": DEEP, "linear": LINEAR}
    evaluations = [study.evaluate(name).reset_index().assign(model=name) for name in (DEEP, LINEAR)]
    return {
        "genes": study.genes.reset_index()[list(TABLES["genes"])],
        "evaluation": pd.concat(evaluations),
        "benchmark": study.benchmark([DEEP, LINEAR]),
        "mismatch_variants": found.variants.assign(**pair),
        "mismatch_genes": found.genes.reset_index().assign(**pair),
        "mismatch_summary": found.summary.assign(**pair),
        "candidates": found.candidates().table,
        "associations": found.eqtls.table.rename(columns={"ld_lead": "r_lead"}).query("gene == @GENE"),
    }


def _of_gene(gene: Any, effects: pd.DataFrame) -> dict[str, pd.DataFrame]:
    locus, ism = gene.locus(DEEP), gene.ism(DEEP)
    weights = gene.weights(LINEAR)
    facts = {"array": "ism_1", "gene": GENE, "model": DEEP, "method": "ism", "background": "reference",
             "unit": ism.labels.unit, "contig": ism.labels.contig, "start": ism.region[0], "end": ism.region[1],
             "note": ism.how}  # fmt: skip
    return {
        "exons": locus.exons.assign(contig=ism.labels.contig),
        "effects": effects.reset_index().assign(gene=GENE, model=DEEP),
        "weights": weights[weights["status"] != "missing"].assign(gene=GENE, model=LINEAR),
        "tracks": pd.DataFrame([facts]),
    }


def _people(study: Any, people: pd.DataFrame, variant: str, dosage: pd.Series) -> dict[str, pd.DataFrame]:
    names = pd.Series([f"p{n:04d}" for n in range(len(people))], people.index)
    values = people[["observed", DEEP, LINEAR]].rename(index=names).rename_axis("person").reset_index()
    long = values.melt("person", var_name="model", value_name="value").dropna().assign(gene=GENE)
    copies = dosage.rename(index=names).rename_axis("person").rename("copies").reset_index().assign(variant=variant)
    groups_of = study.samples["population"].reindex(people.index).to_numpy()
    return {
        "people": pd.DataFrame({"person": names.to_numpy(), "population": groups_of}),
        "values": long,
        "dosages": copies,
    }


def _arrays(ism: Any) -> dict[str, np.ndarray]:
    return {
        "position": ism.position,
        "inserted": ism.bases["inserted"].to_numpy(np.int32),
        "ref": np.array([ord(base) for base in ism.ref], np.uint8),
        "values": ism.delta,
    }
