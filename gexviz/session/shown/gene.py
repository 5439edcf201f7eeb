"""A kept view of the Gene page: predicted against observed, and both by genotype."""

from __future__ import annotations

from typing import Any

import pandas as pd

from gexviz.figures import words
from gexviz.figures.comparison import Labels, predicted_vs_observed
from gexviz.figures.density import binned_people
from gexviz.figures.dosage import by_dosage
from gexviz.figures.groups import boxes_by_dosage
from gexviz.session.contents import Session, View
from gexviz.session.shown.frozen import evaluated, labels_of, models_of, rows_of
from gexviz.session.shown.item import Shown

OBSERVED = "observed"
_BOXES = {
    "observed_low": "observed from",
    "observed_high": "observed to",
    "predicted_low": "predicted from",
    "predicted_high": "predicted to",
    "people": "people",
}
_GROUPS = {
    "copies": "copies of ALT",
    "people": "people",
    "q10": "10th percentile",
    "q25": "25th percentile",
    "q50": "median",
    "q75": "75th percentile",
    "q90": "90th percentile",
}


def gene_view(session: Session, view: View) -> list[Shown]:
    """Each model's predictions against expression, then both by genotype of each chosen variant."""
    if view.gene is None:
        return []
    people = people_of(session, view.gene)
    there = rows_of(session, "density", gene=view.gene)["model"].tolist() + list(people.columns)
    models = models_of(view, list(dict.fromkeys(m for m in there if m in session.manifest.models)))
    found = [item for model in models if (item := _comparison(session, view.gene, model, people)) is not None]
    chosen = dict.fromkeys(variant for variant in (view.variant, *view.variants) if variant)
    for variant in chosen:
        found += by_genotype(session, view.gene, variant, models[:1], people)
    return found


def people_of(session: Session, gene: str) -> pd.DataFrame:
    """What is known of people at a gene: index person; ``population``, ``observed``, a column a model."""
    wide = rows_of(session, "values", gene=gene).pivot_table(index="person", columns="model", values="value")
    wide.columns.name = None
    groups = rows_of(session, "people").drop_duplicates("person").set_index("person")
    if len(wide) and groups["population"].replace("", None).notna().any():
        wide.insert(0, "population", groups["population"].reindex(wide.index))
    return wide


def by_genotype(
    session: Session, gene: str, variant: str, models: list[str], people: pd.DataFrame
) -> list[Shown]:
    """Expression, and the predictions of models, by genotype of a variant."""
    found = []
    dosage = rows_of(session, "dosages", variant=variant).drop_duplicates("person").set_index("person")["copies"]
    for value in (OBSERVED, *models):
        labels = labels_of(session, gene, "" if value == OBSERVED else value)
        what = _what(value)
        title = f"{what} by genotype at {words.variant_name(variant)}"
        if len(dosage) and value in people:
            table = people[[value]].assign(**{variant: dosage.reindex(people.index).astype(float)})
            figure = by_dosage(table, variant, value=value, labels=labels)
            count = int((table[variant].notna() & table[value].notna()).sum())
            alt = f"{title}: {count:,} people of {labels.gene} as points, with a box for each genotype."
            found.append(Shown(title, _people_table(table), figure, alt))
            continue
        groups = rows_of(session, "groups", gene=gene, variant=variant, value=value)
        if "population" in groups:
            groups = groups[groups["population"].fillna("").isin(["", "all"]).to_numpy()]
        if len(groups):
            found.append(_boxes(session, groups, (gene, variant, value), labels))
    return found


def _comparison(session: Session, gene: str, model: str, people: pd.DataFrame) -> Shown | None:
    labels, row = labels_of(session, gene, model), evaluated(session, gene, model)
    title = f"{labels.gene}: observed expression against the prediction by {model}"
    said = "" if row is None else f" {words.correlation(row)}, {words.evidence(row)}."
    if model in people and OBSERVED in people:
        figure = predicted_vs_observed(
            people, model, colour_by="population" if "population" in people else None, evaluation=row, labels=labels
        )
        count = int(people[[model, OBSERVED]].notna().all(axis=1).sum())
        return Shown(title, _people_table(people), figure, f"{title}. {count:,} people as points.{said}")
    bins = rows_of(session, "density", gene=gene, model=model)
    if bins.empty:
        return None
    figure = binned_people(bins, model, evaluation=row, labels=labels)
    most: Any = bins.iloc[int(bins["people"].to_numpy().argmax())]
    where = (
        f"The fullest box has {int(most['people']):,} people: predicted {most['predicted_low']:.3g} to "
        f"{most['predicted_high']:.3g}, observed {most['observed_low']:.3g} to {most['observed_high']:.3g}."
    )
    alt = f"{title}, as numbers of people in {len(bins):,} boxes.{said} {where}"
    fewest = f"None has fewer than {session.manifest.k} people."
    note = f"Boxes instead of points: nobody's own values are in this file. {fewest}"
    return Shown(title, bins[list(_BOXES)].rename(columns=_BOXES), figure, alt, note)


def _boxes(session: Session, groups: pd.DataFrame, what: tuple[str, str, str], labels: Labels) -> Shown:
    gene, variant, value = what
    title = f"{_what(value)} by genotype at {words.variant_name(variant)}"
    lines = [line] if value == OBSERVED and (line := _slope(session, gene, variant)) else []
    rounded = session.manifest.level == "aggregate"
    figure = boxes_by_dosage(groups, variant, value=value, labels=labels, lines=lines, rounded=rounded)
    medians = "; ".join(
        f"{row['copies']}: {row['q50']:.3g} (n = {int(row['people']):,})" for row in groups.to_dict("records")
    )
    alt = f"{title} of {labels.gene}. Medians by copies of ALT: {medians}. {' '.join(lines)}".strip()
    note = f"Groups of fewer than {session.manifest.k} people are joined with another, or left out." if rounded else ""
    return Shown(title, groups[list(_GROUPS)].rename(columns=_GROUPS), figure, alt, note)


def _slope(session: Session, gene: str, variant: str) -> str:
    """The variant's eQTL in words, if it was tested."""
    tests = rows_of(session, "associations", gene=gene, variant=variant)
    if tests.empty or pd.isna(tests["se"].iloc[0]):
        return ""
    row = tests.iloc[0]
    low, high = row["slope"] - 1.96 * row["se"], row["slope"] + 1.96 * row["se"]
    digits = 2 if abs(row["slope"]) >= 0.1 else 4
    numbers = "{} a copy [{}, {}]".format(*(words.number(value, digits) for value in (row["slope"], low, high)))
    return f"eQTL slope {numbers}, {words.p_value(row['p'])}, covariates taken out"


def _people_table(people: pd.DataFrame) -> pd.DataFrame:
    return people.rename_axis("person").reset_index()


def _what(value: str) -> str:
    return "Observed expression" if value == OBSERVED else f"Prediction by {value}"
