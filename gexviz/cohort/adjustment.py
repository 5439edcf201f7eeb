"""Expression with covariates projected out."""

from __future__ import annotations

import numpy as np
import pandas as pd


def adjusted(values: pd.DataFrame, covariates: pd.DataFrame) -> pd.DataFrame:
    """Take out of each gene what a least-squares fit on the covariates explains; its mean stays.

    Parameters
    ----------
    values : DataFrame, gene x sample
        NaN where a value is missing; each gene is fitted on the people who have it.
    covariates : DataFrame, sample x covariate
        Finite, of the same samples.

    Returns
    -------
    DataFrame, gene x sample
        A gene with no more people than covariates is NaN.
    """
    table = values.to_numpy(np.float64)
    design = covariates.loc[values.columns].to_numpy(np.float64)
    design = np.column_stack([np.ones(len(design)), design])
    result = np.full_like(table, np.nan)
    known = np.isfinite(table)
    patterns, pattern = np.unique(known, axis=0, return_inverse=True)
    for number, people in enumerate(patterns):
        genes = np.flatnonzero(pattern.ravel() == number)
        if people.sum() <= design.shape[1]:
            continue
        y, x = table[np.ix_(genes, people)].T, design[people]
        residual = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
        result[np.ix_(genes, people)] = (residual + y.mean(axis=0)).T
    return pd.DataFrame(result, index=values.index, columns=values.columns)
