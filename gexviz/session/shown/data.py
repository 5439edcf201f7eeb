"""A kept view of the Data page: who is in the cohort, and what its models are."""

from __future__ import annotations

import pandas as pd

from gexviz.session.contents import Session, View
from gexviz.session.shown.frozen import rows_of
from gexviz.session.shown.item import Shown

_NO_POINTS = "Principal components of genotypes are a point a person, and are in no session."


def data_view(session: Session, view: View) -> list[Shown]:
    """People by population, and the models with how far their predictions are."""
    found = []
    people = rows_of(session, "populations")
    if len(people):
        title = f"People by population, {session.manifest.people:,} in all" if session.manifest.people else "People"
        found.append(Shown(title, people[["population", "people"]], note=_NO_POINTS, table_first=True))
    models = _models(session)
    if len(models):
        found.append(Shown("Models", models, table_first=True))
    return found


def _models(session: Session) -> pd.DataFrame:
    """A row a model: what it is, and numbers of genes by the state of their predictions."""
    coverage = rows_of(session, "coverage")
    counts = coverage.pivot_table(index="model", columns="state", values="genes", aggfunc="sum", fill_value=0)
    facts = session.manifest.models
    rows = [
        {
            "model": name,
            "family": facts[name].family,
            "predicts": facts[name].scale,
            "reads": f"{facts[name].window:,} bp" if facts[name].window else "",
            **{f"genes {state}": int(number) for state, number in counts.loc[name].items()},
            "checked": facts[name].verified,
        }
        for name in counts.index
        if name in facts
    ]
    return pd.DataFrame(rows)
