"""eQTLs within groups of the people: the same residuals, a group's people alone."""

from __future__ import annotations

import numpy as np
import pandas as pd

from gexviz.analysis.eqtl import EXPLAINED, GeneTest, regress


def group_associations(test: GeneTest, groups: pd.Series, *, fewest: int, min_count: int) -> pd.DataFrame:
    """Test a gene's variants within each group of people.

    The covariates' effects are those found in everybody: a group has too few people to find tens of them anew. They
    take their share of each group's degrees of freedom.

    Parameters
    ----------
    test : GeneTest
    groups : Series
        Index sample: the group of each person; people without one are in none.
    fewest : int
        People with expression that a group must have.
    min_count : int
        Copies of the rarer allele that a group must have.

    Returns
    -------
    DataFrame
        Index ``variant``, in the order of `test`; ``slope_GROUP`` (per ALT allele), ``se_GROUP``, ``p_GROUP`` for each
        group of enough people, in the order of their names. NaN for variants that are too rare in the group.
    """
    columns: dict[str, np.ndarray] = {}
    labels = groups.reindex(test.people)
    for name, members in sorted(labels.groupby(labels).indices.items()):
        if len(members) < fewest:
            continue
        within = _within(test, np.asarray(members), min_count)
        columns |= {f"{what}_{name}": values for what, values in within.items()}
    return pd.DataFrame(columns, index=pd.Index(test.variants["variant"], name="variant"))


def _within(test: GeneTest, members: np.ndarray, min_count: int) -> dict[str, np.ndarray]:
    rank = 0 if test.covariates is None else test.covariates.rank
    df = int(len(members) * (1 - rank / len(test.people))) - 2
    found = {what: np.full(len(test.variants), np.nan) for what in ("slope", "se", "p")}
    if test.reason or df < 1:
        return found
    y = _centred(test.expression[members])
    x = _centred(test.residual[:, members])
    copies = test.filled[:, members].sum(axis=1)
    spread, left = np.ptp(test.filled[:, members], axis=1), np.abs(x).max(axis=1, initial=0.0)
    able = (np.minimum(copies, 2 * len(members) - copies) >= min_count) & (left > EXPLAINED * spread)
    if able.any() and np.abs(y).max() > 0:
        made = regress(y, x[able], df)
        for what, values in found.items():
            values[able] = getattr(made, what)
    return found


def _centred(rows: np.ndarray) -> np.ndarray:
    return rows - rows.mean(axis=-1, keepdims=True)
