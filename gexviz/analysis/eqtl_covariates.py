"""Covariates as an orthonormal basis, and what is left of other values once they are taken out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from gexviz.errors import GexvizError

DEPENDENT = 1e-7  # part of a covariate's spread that earlier ones leave of it, below which it adds nothing (R's lm)


class Covariates(NamedTuple):
    """What is projected out of expression and dosages.

    Attributes
    ----------
    basis : ndarray, shape (n_samples, 1 + rank)
        Orthonormal columns that span the intercept and the covariates.
    dropped : tuple of str
        Covariates that add nothing: constant, or a sum of multiples of those before them.
    """

    basis: np.ndarray
    dropped: tuple[str, ...]

    @property
    def rank(self) -> int:
        """Of the covariates, beyond the intercept."""
        return self.basis.shape[1] - 1

    @property
    def df(self) -> int:
        """Residual degrees of freedom of a fit of one variant: n - 2 - rank."""
        return len(self.basis) - 2 - self.rank

    def residual(self, rows: np.ndarray) -> np.ndarray:
        """What the intercept and the covariates leave, (rows, n_samples) -> (rows, n_samples)."""
        centred = rows - rows.mean(axis=-1, keepdims=True)
        return centred - (centred @ self.basis) @ self.basis.T


def span(covariates: pd.DataFrame | None, people: pd.Index) -> Covariates:
    """Make the basis of some people's covariates.

    Parameters
    ----------
    covariates : DataFrame, sample x covariate, or None
        Without an intercept.
    people : Index
        The samples, in the order of expression and dosages.

    Returns
    -------
    Covariates
        A covariate that adds nothing is dropped and named; the degrees of freedom count the others.

    Raises
    ------
    GexvizError
        For a sample without covariates, a value that isn't finite, no fewer covariates than people, or covariates
        that leave no degree of freedom.
    """
    if len(people) < 3:
        raise GexvizError(f"eQTLs can't be tested in {len(people)} people", expected="3 or more with expression")
    values = _values(covariates, people)
    names = [] if covariates is None else [str(name) for name in covariates.columns]
    n, k = values.shape
    if k >= n:
        raise GexvizError(
            f"there are {k} covariates for {n} people",
            expected="fewer covariates than people",
            remedy="leave some out, or turn the table if its rows and columns are swapped",
        )
    basis = np.empty((n, k + 1))
    basis[:, 0] = n**-0.5
    used, dropped = 1, []
    for name, column in zip(names, values.T, strict=True):
        rest = column - column.mean()
        size = np.abs(rest).max()
        if size > DEPENDENT * np.abs(column).max():
            rest = rest / size
            spread = np.linalg.norm(rest)
            for _ in range(2):  # twice makes it orthogonal to the last digit
                rest = rest - basis[:, :used] @ (basis[:, :used].T @ rest)
            left = np.linalg.norm(rest)
            if left > DEPENDENT * spread:
                basis[:, used] = rest / left
                used += 1
                continue
        dropped.append(name)
    made = Covariates(np.ascontiguousarray(basis[:, :used]), tuple(dropped))
    if made.df < 1:
        raise GexvizError(
            f"{made.rank} covariates leave no degree of freedom in {n} people",
            expected=f"at most {n - 3} covariates",
            remedy="leave some out",
        )
    return made


def _values(covariates: pd.DataFrame | None, people: pd.Index) -> np.ndarray:
    if covariates is None:
        return np.zeros((len(people), 0))
    lacking = people.difference(covariates.index)
    if len(lacking):
        raise GexvizError(
            f"{len(lacking)} of {len(people)} samples have no covariates",
            place=", ".join(map(str, lacking[:3])) + (", ..." if len(lacking) > 3 else ""),
            expected="covariates of everybody who has expression",
            remedy="add them, or leave these samples out",
        )
    values = covariates.loc[people].to_numpy(np.float64)
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        row, column = bad[0]
        raise GexvizError(
            f"covariate {covariates.columns[column]} of sample {people[row]} is not a finite number",
            expected="a finite number for every covariate and sample",
            remedy="fill it in, or leave the sample or the covariate out",
        )
    return values
