"""False discovery rates of single variants: of a family of p values, and by the permutations of their genes."""

from __future__ import annotations

import numpy as np
import pandas as pd

from gexviz.lazy import lazy

scipy = lazy("scipy")

NEEDED = {"beta_a", "beta_b", "df_effective", "p_beta"}


def adjusted(p: np.ndarray | pd.Series) -> np.ndarray:
    """Benjamini-Hochberg's q; NaN where there is no p."""
    values = np.asarray(p, dtype=np.float64)
    q = np.full(len(values), np.nan)
    tested = np.isfinite(values)
    if tested.any():
        q[tested] = scipy.stats.false_discovery_control(values[tested])
    return q


def permuted_q(eqtls: pd.DataFrame, genes: pd.DataFrame) -> np.ndarray:
    """Rate at which each variant would make its gene pass, as if it were the gene's lead.

    A variant's p becomes the p_beta that a lead of such a p would have, and that its place among the genes' p_beta.
    The lead itself has its gene's q; variants at the nominal threshold have about the rate that it stands for.

    Parameters
    ----------
    eqtls : DataFrame
        ``gene``, ``p``, ``df``.
    genes : DataFrame
        Index gene; ``beta_a``, ``beta_b``, ``df_effective``, ``p_beta`` of
        :class:`gexviz.analysis.eqtl_permutation.Genes`.

    Returns
    -------
    ndarray, float64 (n,)
        NaN where there is no p, or no permutations of the gene.
    """
    a, b, effective = genes[["beta_a", "beta_b", "df_effective"]].reindex(eqtls["gene"]).to_numpy(np.float64).T
    p, df = eqtls["p"].to_numpy(np.float64), eqtls["df"].to_numpy(np.float64)
    unexplained = scipy.special.betaincinv(df / 2, 0.5, p)
    place = scipy.special.betainc(a, b, scipy.special.betainc(effective / 2, 0.5, unexplained))
    known = np.sort(genes["p_beta"].dropna().to_numpy(np.float64))
    q = np.append(adjusted(known), 1.0)
    above = np.searchsorted(known, place * (1 + 1e-9), side="right")
    with np.errstate(invalid="ignore"):
        return np.where(np.isfinite(place), np.minimum(place * len(known) / np.maximum(above, 1), q[above]), np.nan)
