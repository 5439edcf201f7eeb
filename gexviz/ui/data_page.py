"""The Data page: is the cohort fit for use, and who is in it."""

from __future__ import annotations

import streamlit as st

from gexviz.analysis.pca import GenotypePca
from gexviz.figures import pca
from gexviz.study import Study
from gexviz.ui import tables
from gexviz.ui.ancestry import cohort_pca
from gexviz.ui.background import in_background
from gexviz.ui.charts import show_chart
from gexviz.ui.frame import View, readable
from gexviz.ui.jobs import Jobs
from gexviz.ui.messages import plain
from gexviz.ui.preflight import preflight


def body(view: View) -> None:
    """Draw the page below the header."""
    study = view.study
    if study.config.study.description:
        st.markdown(plain(study.config.study.description))
    _counts(study)
    with readable("the checks"):
        preflight(study, view.jobs)
    left, right = st.columns([3, 2], gap="medium")
    with left, readable("the principal components"):
        _components(study, view.jobs)
    with right, readable("the populations"):
        _populations(study)
        _models(view)


def _counts(study: Study) -> None:
    """How many there are of everything."""
    populations = study.samples["population"].nunique() if "population" in study.samples else 0
    expressed = len(study.genes)
    counts = [
        ("People", f"{len(study.samples):,}", "with genotypes and expression"),
        ("Genes", f"{expressed:,}", "annotated, with expression"),
        ("Populations", f"{populations:,}" if populations else "none given", "column `population` of the samples file"),
        ("Models", f"{len(study.model_names):,}", "in the study's file"),
        ("Genome", study.config.study.genome, "as the study's file says"),
    ]
    for column, (label, value, about) in zip(st.columns(len(counts)), counts, strict=True):
        column.metric(label, plain(value), help=about, border=True)


def _components(study: Study, jobs: Jobs) -> None:
    """Principal components of the genotypes, coloured by population."""
    st.subheader("Genotypes", anchor=False)
    key = f"components {tables.files_version(study)}"
    found: GenotypePca | None = in_background(jobs, key, "Reading common variants", lambda p: cohort_pca(study, p))
    if found is None:
        return
    names = list(found.scores.columns)
    across, up = names[0], names[min(1, len(names) - 1)]
    if len(names) >= 4:
        choice = st.segmented_control(
            "Components", ["PC1, PC2", "PC3, PC4"], default="PC1, PC2", key="components", required=True,
            label_visibility="collapsed", persist_state="session",
        )  # fmt: skip
        across, up = (choice or "PC1, PC2").split(", ")
    figure = pca.genotype_components(
        found.scores, found.explained, populations=study.samples.get("population"), components=(across, up),
        n_variants=found.n_variants,
    )  # fmt: skip
    figure.update_layout(dragmode="zoom")
    show_chart(figure, "pca", "Principal components of genotypes, a point a person, by population")


def _populations(study: Study) -> None:
    if "population" not in study.samples:
        return
    st.subheader("Populations", anchor=False)
    columns = [c for c in ("population", "superpopulation") if c in study.samples]
    counts = study.samples.groupby(columns, dropna=False).size().rename("People").reset_index()
    counts = counts.rename(columns=str.capitalize).sort_values("People", ascending=False)
    bar = st.column_config.ProgressColumn(format="%d", min_value=0, max_value=int(counts["People"].max()))
    st.dataframe(counts, hide_index=True, column_config={"People": bar})


def _models(view: View) -> None:
    """What each model is, and how it was checked."""
    st.subheader("Models", anchor=False)
    for name in view.opened.models:
        spec = view.study.spec(name)
        there = tables.coverage(view.study, view.version, name).counts
        state = ", ".join(f"{there[s]:,} {s}" for s in ("ready", "stale", "missing", "unavailable") if there.get(s))
        with st.expander(f"**{plain(name)}** · {plain(spec.family)} · genes: {state}"):
            reads = {"sequence": "sequence", "dosage": "dosages of variants", "table": "predictions computed elsewhere",
                     "remote": "sequence, which is sent to others"}  # fmt: skip
            window = f", {spec.window:,} bp" if spec.window else ""
            lines = {
                "Reads": reads.get(spec.input, spec.input) + window,
                "Predicts": spec.scale,
                "Licence": spec.licence,
                "Citation": spec.citation,
                "Checked": spec.verified,
            }
            st.markdown("\n".join(f"- {label}: {plain(text)}" for label, text in lines.items() if text))
