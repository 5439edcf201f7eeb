"""What the comparison finds where there is nothing to find: expression shuffled among people.

Deep effects stay as they are, slopes are of shuffled expression: signs agree half of the time, and eQTLs (so also
opposite calls) are as rare as their false discovery rate promises. With no true eQTL at all, any call is a false one,
and a false discovery rate of 5% promises that at most one shuffle in twenty has any.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd

from gexviz.analysis.deep_sign import deep_signs
from gexviz.analysis.direction import Interval, wilson
from gexviz.analysis.mismatch import GeneTables, classify
from gexviz.analysis.mismatch_rules import RULES, Rules
from gexviz.lazy import lazy
from gexviz.tasks import Progress

stats = lazy("scipy.stats")


class Calibration(NamedTuple):
    """What shuffles gave.

    Attributes
    ----------
    draws : DataFrame
        Index ``draw``; ``pairs`` (variants in a window with a deep sign and a slope), ``agree``, ``significant``
        (eQTLs, anywhere), ``genes`` (with one), ``concordant``, ``opposite``.
    accuracy : float
        Mean over draws of ``agree / pairs``; 0.5 if all is well.
    accuracy_interval : Interval
        95%, Student's t over the draws: within one, variants are linked.
    any_call : float
        Share of draws with a significant eQTL; at most the false discovery rate if all is well.
    any_call_interval : Interval
        95%, Wilson.
    opposite : float
        Opposite calls, mean over draws.
    """

    draws: pd.DataFrame
    accuracy: float
    accuracy_interval: Interval
    any_call: float
    any_call_interval: Interval
    opposite: float


def calibrate(
    shuffled: Callable[[int], pd.DataFrame],
    tables: Callable[[pd.DataFrame], Iterable[GeneTables]],
    draws: int,
    covariates: pd.DataFrame | None = None,
    *,
    typical: float = float("nan"),
    rules: Rules = RULES,
    progress: Progress | None = None,
) -> Calibration:
    """Classify variants against slopes of shuffled expression.

    Parameters
    ----------
    shuffled : callable
        Number of a draw -> eQTLs of all genes, from expression shuffled among people (all genes alike, covariates
        along with expression), called by :func:`gexviz.analysis.mismatch.call_significant` as the real ones are.
    tables : callable
        These eQTLs -> each gene's tables, as for :func:`gexviz.analysis.mismatch.classify`.
    draws : int
    covariates, typical, rules
        As for :func:`gexviz.analysis.mismatch.classify`.
    progress : callable, optional
        ``progress(done, total, label)``; may raise Cancelled.

    Returns
    -------
    Calibration
    """
    rows = []
    for draw in range(draws):
        counts = dict.fromkeys(["pairs", "agree", "significant", "genes", "concordant", "opposite"], 0)
        for gene in tables(shuffled(draw)):
            signs = deep_signs(gene.effects, prediction=gene.prediction, typical=typical, rules=rules)["deep_sign"]
            slope = np.sign(gene.eqtls["slope"].reindex(signs.index).to_numpy(np.float64))
            deep = signs.to_numpy(np.float64, na_value=np.nan)
            known = np.isfinite(slope * deep) & (slope * deep != 0)
            found = int(gene.eqtls["significant"].sum())
            called = pd.Series(dtype=object)
            if found:
                called = classify([gene], covariates, typical=typical, rules=rules).variants["class"]
            counts["pairs"] += int(known.sum())
            counts["agree"] += int((slope == deep)[known].sum())
            counts["significant"] += found
            counts["genes"] += found > 0
            for name in ("concordant", "opposite"):
                counts[name] += int((called == name).sum())
        rows.append(counts)
        if progress is not None:
            progress(draw + 1, draws, "calibration")
    table = pd.DataFrame(rows).rename_axis("draw")
    share = (table["agree"] / table["pairs"]).dropna() if draws else pd.Series(dtype=np.float64)
    any_call = int((table["significant"] > 0).sum()) if draws else 0
    return Calibration(
        table,
        float(share.mean()) if len(share) else float("nan"),
        _t_interval(share.to_numpy(np.float64)),
        any_call / draws if draws else float("nan"),
        wilson(any_call, draws),
        float(table["opposite"].mean()) if draws else float("nan"),
    )


def _t_interval(values: np.ndarray) -> Interval:
    """95% interval of a mean; NaN for fewer than 2 values."""
    if len(values) < 2:
        return Interval(float("nan"), float("nan"))
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return Interval(float(values.mean() - half), float(values.mean() + half))
