"""What a study is made of: its people by population, and how far each model's predictions are."""

from __future__ import annotations

import pandas as pd

from gexviz.errors import GexvizError
from gexviz.freezing.work import Tables, Work, joined
from gexviz.session.contents import Level
from gexviz.session.privacy import folded, told_count

UNKNOWN = "not told"


def collect_data(work: Work, level: Level) -> Tables:
    """Numbers of people by population, as a level lets them be told, and of genes by the state of their predictions."""
    if not work.asked.data:
        return {}
    coverage = [_coverage(work, model) for model in work.study.model_names]
    return joined("populations", [_populations(work.study.samples, level)]) | joined("coverage", coverage)


def _coverage(work: Work, model: str) -> pd.DataFrame:
    """Numbers of genes by the state of a model's predictions."""
    try:
        states = work.study.status(model)["state"]
    except GexvizError as error:
        work.leave_out(f"{model}: {error.problem}")
        return pd.DataFrame()
    return states.value_counts().rename_axis("state").rename("genes").reset_index().assign(model=model)


def _populations(samples: pd.DataFrame, level: Level) -> pd.DataFrame:
    """Populations and how many people each has; none where the study names no populations."""
    if "population" not in samples:
        return pd.DataFrame()
    labels = samples["population"].fillna(UNKNOWN).astype(str)
    counts = (labels if level == "full" else folded(labels)).value_counts().rename_axis("population")
    if level == "aggregate":
        counts = counts.map(lambda people: told_count(people, len(samples)))
    return counts.rename("people").reset_index()
