"""Sessions of the demo: its people, its models, its stored results, frozen."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any

import gexviz as gx
from gexviz.freezing import freeze
from gexviz.session.contents import Anchor, Level, Note, Session, State, View

GENE, DEEP, LINEAR = "GENE03", "cnn", "enet"
PAIR: dict[str, Any] = {"gene": GENE, "model": DEEP, "linear": LINEAR}
WHEN = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@cache
def demo_session(level: Level = "aggregate") -> Session:
    """A session of one view of each page, with a note and its answer."""
    study = gx.demo()
    variant = driver()
    ism = study.gene(GENE).ism(DEEP)
    region = f"{ism.labels.contig}:{ism.region[0] + 1}-{ism.region[1]}"
    views = (
        View(time=WHEN, page="overview", title="All genes", model=DEEP, linear=LINEAR),
        View(time=WHEN, page="gene", title="The cnn at GENE03", text="Look at the slope.", variant=variant, **PAIR),
        View(time=WHEN, page="locus", title="Its promoter", variant=variant, region=region, method="ism", **PAIR),
        View(time=WHEN, page="mismatches", title="Directions", variant=variant, filters={"Class": "opposite"}, **PAIR),
    )
    first = Note(time=WHEN, author="Ana", anchor=Anchor(gene=GENE, variant=variant), text="Can you test this one?")
    reply = Note(time=WHEN, author="Bo", anchor=first.anchor, text="Yes, next week.", reply_to=first.id)
    state = State(
        title="Why does the cnn fail at some genes?",
        question="The cnn predicts the average gene well, but across people it is the wrong way round at many. Why?",
        findings="At GENE03 it is right: its main driver is close to the eQTL's lead.\nAt five genes it has the "
        "direction of one motif wrong.",
        views=views,
    )
    return freeze(study, state, (first, reply), level, confirm=study.name, compute=True)


@cache
def driver() -> str:
    """The main driver of the gene's predictions."""
    effects = gx.demo().gene(GENE).effects(DEEP).table
    return str(effects.index[effects["main_driver"]][0])
