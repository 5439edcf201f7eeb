"""A session of a small study of tests, genuine: its evaluation and its binned densities."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

import gexviz as gx
from gexviz import fingerprints
from gexviz.session.binning import density
from gexviz.session.contents import TABLES, Anchor, Manifest, ModelFacts, Note, Session, State, View
from gexviz.session.writing import write_session

PAIR = ("deep", "linear")


def small_session(toml: Path, gene: str = "GENE0") -> Session:
    """A session of a study of :func:`app_studies.app_study`: two views and a note, as they are shared by default."""
    study = gx.load(toml)
    found = study.gene(gene)
    evaluations = [study.evaluate(name).reset_index().assign(model=name) for name in PAIR]
    tables = {
        "genes": study.genes.reset_index()[list(TABLES["genes"])],
        "evaluation": pd.concat(evaluations).reset_index(drop=True),
        "density": density(found.table, list(PAIR)).assign(gene=found.id).reset_index(drop=True),
    }
    manifest = Manifest(
        gexviz=gx.__version__,
        libraries={"numpy": np.__version__},
        level="aggregate",
        study=study.name,
        simulated=study.simulated,
        genome=study.config.study.genome,
        people=len(study.samples),
        observed_scale=study.cohort.observed_scale,
        inputs=fingerprints.input_digests(study),
        models={
            name: ModelFacts(
                family=study.spec(name).family,
                scale=study.spec(name).scale,
                files=fingerprints.model_digests(study, name),
            )
            for name in PAIR
        },
    )
    views = (
        View(page="overview", title="All genes", model="deep", linear="linear"),
        View(page="gene", title="One gene", text="<b>Look</b> at it.", gene=found.id, model="deep", linear="linear"),
    )
    note = Note(author="Bo", anchor=Anchor(gene=found.id), text="Can we test it? <script>alert(1)</script>")
    return Session(manifest, State(title="Why deep fails", views=views), (note,), tables)


def written(session: Session, folder: Path) -> Path:
    """The session's file."""
    path = folder / "small.gexviz.zip"
    write_session(session, path)
    return path
