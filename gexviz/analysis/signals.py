"""What linkage does to a gene's eQTLs: independent signals, equally good variants, and where the cause may lie.

Everything comes from the marginal statistics and the correlation of dosages. A variant's correlation with expression is
``t / sqrt(t ** 2 + df)``, and from correlations follow partial ones: with dosages of the same people, their covariates
taken out, they are those of the joint regressions, exactly. (With covariates left in, ancestry alone makes signals:
populations differ in the frequency of many variants.)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from gexviz.analysis.correlation import correlation_p
from gexviz.analysis.eqtl_covariates import span
from gexviz.analysis.mismatch_rules import RULES, Rules

_NOTHING = 1e-7  # part of a dosage's spread that covariates leave, below which the rest is rounding error
_NEW = 0.1
"""Share of a variant's variance that earlier signals must leave for it to be another signal."""


class Linkage:
    """Correlations of dosages, covariates taken out.

    Parameters
    ----------
    dosages : DataFrame
        Variant x sample: ALT copies; missing calls are the variant's mean.
    covariates : DataFrame, sample x covariate, optional
        Those of the eQTLs' regressions, without an intercept.

    Raises
    ------
    GexvizError
        For covariates that can't be used; see :func:`gexviz.analysis.eqtl_covariates.span`.
    """

    def __init__(self, dosages: pd.DataFrame, covariates: pd.DataFrame | None = None) -> None:
        values = dosages.to_numpy(dtype=np.float64)
        there = np.isfinite(values)
        mean = np.where(there, values, 0.0).sum(axis=1) / np.maximum(there.sum(axis=1), 1)
        filled = np.where(there, values, mean[:, None])
        left = span(covariates, dosages.columns).residual(filled) if len(filled) else filled
        length = np.sqrt(np.einsum("ij,ij->i", left, left))
        spread = filled.max(axis=1, initial=0.0) - filled.min(axis=1, initial=0.0)
        varies = length > _NOTHING * np.sqrt(max(values.shape[1], 1)) * np.maximum(spread, 1e-300)
        self._unit = left[varies] / length[varies, None]
        self.variants = pd.Index(dosages.index[varies].to_numpy(object))

    def r(self, rows: Sequence[str] | pd.Index, columns: Sequence[str] | pd.Index) -> np.ndarray:
        """Correlation of each of some variants with each of others; NaN for a variant that is unknown or constant."""
        left, right = (self.variants.get_indexer(pd.Index(list(names), dtype=object)) for names in (rows, columns))
        found = np.full((len(left), len(right)), np.nan)
        products = self._unit[left[left >= 0]] @ self._unit[right[right >= 0]].T
        found[np.ix_(left >= 0, right >= 0)] = np.clip(products, -1, 1)
        return found


def expression_r(eqtls: pd.DataFrame) -> np.ndarray:
    """Correlation of each variant with expression, from ``t`` and ``df``; NaN where there is no t."""
    t, df = eqtls["t"].to_numpy(dtype=np.float64), eqtls["df"].to_numpy(dtype=np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        return np.where(np.isinf(t), np.sign(t), t / np.hypot(t, np.sqrt(df)))


def best_first(eqtls: pd.DataFrame) -> np.ndarray:
    """Rows in order of |correlation with expression|; of equal ones the nearest to the TSS first; NaN last.

    Differences in the tenth digit are ties: they are rounding, as between variants in perfect linkage.
    """
    size = np.nan_to_num(np.round(np.abs(expression_r(eqtls)), 10), nan=-1.0)
    alleles = ["/".join(sorted(pair)) for pair in zip(eqtls["ref"].astype(str), eqtls["alt"].astype(str), strict=True)]
    return np.lexsort([np.array(alleles, dtype=object), eqtls["position"], eqtls["distance"].abs(), -size])


def independent_signals(eqtls: pd.DataFrame, linkage: Linkage, rules: Rules = RULES) -> list[str]:
    """Find lead variants of independent signals by forward selection, the strongest first.

    Parameters
    ----------
    eqtls : DataFrame
        Of one gene, all that were tested, index variant: ``t``, ``df``, ``significant``, ``threshold`` (largest p that
        is significant), ``position``, ``distance``, ``ref``, ``alt``.
    linkage : Linkage
    rules : Rules

    Returns
    -------
    list of str
        Empty without a significant variant.
    """
    chosen = eqtls[eqtls["significant"].to_numpy(dtype=bool)]
    chosen = chosen.iloc[best_first(chosen)]
    if chosen.empty:
        return []
    leads = [0]
    own = expression_r(chosen)
    df = chosen["df"].to_numpy(dtype=np.float64)
    limit = np.minimum(chosen["threshold"].to_numpy(dtype=np.float64), rules.fdr / int(eqtls["t"].notna().sum()))
    while len(leads) < min(rules.most_signals, len(chosen)):
        among = linkage.r(chosen.index[leads], chosen.index)
        within = among[:, leads]
        if np.isnan(within).any():
            break
        weights = np.linalg.solve(within, np.column_stack([among, own[leads]]))
        with np.errstate(invalid="ignore"):
            left_x = 1 - np.einsum("ij,ij->j", among, weights[:, :-1])
            left_y = 1 - own[leads] @ weights[:, -1]
            numerator = own - among.T @ weights[:, -1]
            usable = (left_x > _NEW) & (left_y > 0) & np.isfinite(numerator)
            partial = np.where(usable, numerator / np.sqrt(np.where(usable, left_x * left_y, 1.0)), 0.0)
        best = int(np.argmax(np.round(np.abs(partial), 10)))
        p = correlation_p(np.clip(partial[[best]], -1, 1), df[[best]] - len(leads) + 2)[0]
        if not usable[best] or not p <= limit[best]:
            break
        leads.append(best)
    return [str(name) for name in chosen.index[leads]]


def posterior(eqtls: pd.DataFrame) -> np.ndarray:
    """Posterior of each variant of a gene to be the one cause, all alike before; (n,), NaN where there is no t.

    Proportional to the likelihood of the regression on this variant alone, ``(1 - r ** 2) ** (-df / 2)``.
    """
    r, df = expression_r(eqtls), eqtls["df"].to_numpy(dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        log = -df / 2 * np.log1p(-np.minimum(r**2, 1 - 1e-15))
    known = np.isfinite(log)
    if not known.any():
        return np.full(len(eqtls), np.nan)
    relative = np.exp(np.where(known, log, -np.inf) - log[known].max())
    return np.where(known, relative / relative.sum(), np.nan)
