"""What may be told of people when no person may be: the smallest group, how coarse numbers are (docs/privacy.md)."""

from __future__ import annotations

import json
import math
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

K = 10
"""The smallest group of people that anything is told of."""

_PEOPLE_APART = 3.0
"""Standard deviations of one person's value by which the sum over a variant's carriers stays uncertain."""

_FINEST = 0.25
"""Of a standard error: no slope is rounded to less."""

_ERROR_STEP = 1.1
"""Standard errors are rounded to powers of it: they tell how many the carriers are."""

_R_STEP = 0.05


def rounded_count(people: float, k: int = K) -> int:
    """A number of people as it is told: a multiple of `k`.

    The difference of two such numbers never shows that the one group has 1 to `k` - 1 people more than the other.
    """
    return math.floor(people / k + 0.5) * k


def told_count(people: float, everybody: int, k: int = K) -> int:
    """The same, and no more than everybody, whose number is known: all, where they are too few to divide."""
    return everybody if too_few(everybody, k) else min(rounded_count(people, k), everybody)


def signed_round(values: pd.Series, digits: int) -> pd.Series:
    """Round to decimals; what isn't 0 keeps its sign, so that shares of negative numbers stay as they are."""
    step = 10.0**-digits
    nearest = values.astype(np.float64).round(digits)
    return nearest.mask((nearest == 0) & (values != 0), np.sign(values.astype(np.float64)) * step)


def too_few(everybody: int, k: int = K) -> bool:
    """Whether a cohort is so small that a group in it leaves a small one over."""
    return everybody < 2 * k


def grid_step(values: np.ndarray, per_sd: float) -> float:
    """A round step (1, 2 or 5 times a power of ten), at least one part in `per_sd` of the standard deviation."""
    known = values[np.isfinite(values)]
    wanted = float(np.std(known)) / per_sd if len(known) else 0.0
    if not wanted > 1e-9 * max(1.0, float(np.abs(known).max(initial=0.0))):  # a constant, but for rounding
        return 1.0
    power = 10.0 ** math.floor(math.log10(wanted))
    return next(n * power for n in (1, 2, 5, 10) if n * power >= wanted * (1 - 1e-9))


# -- variants ----------------------------------------------------------------------------------------------------------


class Carriers(NamedTuple):
    """How many people of the study carry each variant.

    Attributes
    ----------
    table : DataFrame
        Index variant: ``carriers`` (people with an ALT call), ``others`` (people with a call and no ALT), and the
        same of each population, ``carriers_POP``, ``others_POP``.
    everybody : int
        People of the study.
    """

    table: pd.DataFrame
    everybody: int

    @property
    def groups(self) -> list[str]:
        """The populations."""
        return [name.removeprefix("carriers_") for name in map(str, self.table) if name.startswith("carriers_")]

    def steps(self, variants: pd.Series, group: str = "") -> np.ndarray:
        """How coarse z scores of variants are: the fewer people make the difference, the coarser.

        A slope is a difference of means; that of a variant with m carriers shifts by 1 / sqrt(m) if one person is added
        who is a standard deviation away.
        """
        suffix = f"_{group}" if group else ""
        fewer = self.table[[f"carriers{suffix}", f"others{suffix}"]].min(axis=1)
        found = np.maximum(fewer.reindex(variants).to_numpy(np.float64), 1.0)
        return np.maximum(_PEOPLE_APART / np.sqrt(found), _FINEST)

    def frequency_step(self, group: str = "", k: int = K) -> float:
        """How coarse frequencies of ALT are: `k` of a group's alleles, hundredths at the least.

        Two decimals alone would count the alleles of a small group one by one.
        """
        suffix = f"_{group}" if group else ""
        people = self.table[[f"carriers{suffix}", f"others{suffix}"]].sum(axis=1).max() if len(self.table) else 0
        return math.ceil(100 * k / (2 * people)) / 100 if people else 1.0

    def enough(self, k: int = K) -> pd.Index:
        """Variants that at least `k` people carry and at least `k` don't."""
        table = self.table
        return table.index[(table["carriers"] >= k) & (table["others"] >= k)]

    def enough_everywhere(self, k: int = K) -> pd.Index:
        """The same within each population: what is told of all but one, and of everybody, tells of the last one."""
        return self.table.index[(self.table >= k).all(axis=1)]


_LEFT_OUT = frozenset(
    {"alt_count", "chromosomes", "df", "effect_max", "effect_min", "missing", "n", "n_backgrounds", "t"}
)
_DECIMALS = {"share": 2, "running_r": 2, "rise": 2, "own_r": 2, "posterior": 2}
_DIGITS = {"effect_mean": 3, "effect_sd": 3, "deep_mean": 3, "deep_noise": 3, "weight": 3, "threshold": 2}
_FREQUENCIES = ("frequency", "maf")
_LINKAGE = ("r_lead", "ld_lead", "ld_best_opposite")
_P = ("p", "q", "own_p")
_OTHER_VARIANTS = ("signal", "rival")
_OF_POPULATION = ("frequency", "slope", "se", "p")


def coarse_variants(table: pd.DataFrame, carriers: Carriers, k: int = K) -> pd.DataFrame:
    """What may be told of variants, of any table with a row a variant.

    Variants with fewer than `k` carriers, or fewer than `k` others, are left out. Frequencies, effects over haplotypes,
    slopes, p and linkage are rounded, so that of two variants that nearly the same people carry the numbers don't tell
    of the few who carry one. What is told within populations is told if it may be in each.

    Parameters
    ----------
    table : DataFrame
        Column ``variant``.
    carriers : Carriers
        Of all of its variants.
    k : int

    Returns
    -------
    DataFrame
        With a default index.
    """
    enough = carriers.enough(k)
    kept = table[table["variant"].isin(enough)].reset_index(drop=True)
    kept = kept.drop(columns=[name for name in kept if name in _LEFT_OUT])
    everywhere = kept["variant"].isin(carriers.enough_everywhere(k))
    groups = carriers.groups
    changed: dict[str, Any] = {}
    for group in ("", *groups):
        suffix, steps = f"_{group}" if group else "", carriers.steps(kept["variant"], group)
        changed |= _coarse_slopes(kept, suffix, steps)
        found = [f"{name}{suffix}" for name in _P if f"{name}{suffix}" in kept]
        changed |= {name: _coarse_p(kept[name], steps) for name in found}
        step = carriers.frequency_step(group, k)
        found = [f"{name}{suffix}" for name in _FREQUENCIES if f"{name}{suffix}" in kept]
        changed |= {name: ((kept[name] / step).round() * step).round(2).clip(upper=1.0) for name in found}
    changed |= {name: kept[name].round(decimals) for name, decimals in _DECIMALS.items() if name in kept}
    changed |= {name: _significant(kept[name], digits) for name, digits in _DIGITS.items() if name in kept}
    changed |= {name: (kept[name] / _R_STEP).round() * _R_STEP for name in _LINKAGE if name in kept}
    if "carriers" in kept:
        changed["carriers"] = kept["variant"].map(carriers.table["carriers"]).map(lambda n: rounded_count(n, k))
    for name in _OTHER_VARIANTS:
        if name in kept:
            changed[name] = kept[name].where(kept[name].isin(enough) | (kept[name] == ""), "a rare variant")
    told = kept.assign(**changed)
    within = [f"{name}_{group}" for name in _OF_POPULATION for group in groups]
    return told.assign(**{name: told[name].where(everywhere) for name in within if name in told})


def _coarse_slopes(table: pd.DataFrame, suffix: str, steps: np.ndarray) -> dict[str, pd.Series]:
    """Slopes on a grid of their standard error, which is rounded itself."""
    if f"slope{suffix}" not in table:
        return {}
    slope, error = (table[f"{name}{suffix}"].astype(np.float64) for name in ("slope", "se"))
    known = error.where(error > 0)
    coarse = _ERROR_STEP ** np.round(np.log(known) / math.log(_ERROR_STEP))
    return {f"se{suffix}": coarse, f"slope{suffix}": (slope / known / steps).round() * steps * coarse}


def _coarse_p(p: pd.Series, steps: np.ndarray) -> pd.Series:
    """Two-sided p on the same grid."""
    z = stats.norm.isf(p.astype(np.float64).clip(lower=1e-300) / 2)
    return pd.Series(2 * stats.norm.sf(np.round(z / steps) * steps), p.index, name=p.name)


def _significant(values: pd.Series, digits: int) -> pd.Series:
    return values.map(lambda value: float(f"{value:.{digits}g}"), na_action="ignore").astype(np.float64)


# -- genes and models --------------------------------------------------------------------------------------------------

_OF_SOME = frozenset({"mean_observed", "mean_predicted", "r2"})
_MAIN = ("main_driver", "main_class", "main_supported", "main_sign_predicts_r")
_LEAD = ("lead", "lead_class")
_P_OF_GENES = ("p", "q", "q_deep", "q_linear", "ceiling_p")
_SHARED = {"inside": 2, "r_deep": 3, "r_deep_low": 3, "r_deep_high": 3, "r_linear": 3, "r_linear_low": 3,
           "r_linear_high": 3, "pearson": 3, "pearson_low": 3, "pearson_high": 3, "spearman": 3,
           "ceiling": 3, "ceiling_low": 3, "ceiling_high": 3}  # fmt: skip


def coarse_genes(table: pd.DataFrame, carriers: Carriers, k: int = K) -> pd.DataFrame:
    """What may be told of genes: correlations of `k` people or more; no means, as two of them can be subtracted.

    Of a gene's main driver and lead nothing is told if too few people carry it.

    Parameters
    ----------
    table : DataFrame
        ``n``; columns of :func:`gexviz.analysis.evaluation.evaluate_genes` or of
        :func:`gexviz.analysis.verdicts.gene_verdicts`.
    carriers : Carriers
        Of the variants that it names.
    k : int
    """
    told = table.drop(columns=[name for name in table if name in _OF_SOME])
    people = told["n"].astype("Float64").fillna(0)
    numbers = [str(name) for name in told.select_dtypes("number") if name != "n"]
    told = told.assign(**{name: told[name].where(people >= k) for name in numbers})
    told["n"] = people.map(lambda n: told_count(n, carriers.everybody, k) if n >= k else 0).astype("int64")
    told = told.assign(**{name: signed_round(told[name], digits) for name, digits in _SHARED.items() if name in told})
    told = told.assign(**{name: _significant(told[name], 2) for name in _P_OF_GENES if name in told})
    if "evidence" in told:
        told["evidence"] = told["evidence"].map(_coarse_evidence, na_action="ignore")
    enough = carriers.enough(k)
    for name, columns in (("main_driver", _MAIN), ("lead", _LEAD)):
        if name in told:
            hidden = told[name].notna() & (told[name] != "") & ~told[name].isin(enough)
            told[list(columns)] = told[list(columns)].astype(object).mask(hidden, None)
    return told


def _coarse_evidence(text: str) -> str:
    """What decided a verdict, JSON, with three digits."""
    facts = json.loads(text)
    return json.dumps({name: float(f"{v:.3g}") if isinstance(v, float) else v for name, v in facts.items()})


def coarse_benchmark(table: pd.DataFrame, everybody: int, k: int = K) -> pd.DataFrame:
    """What may be told of the benchmark: nothing over fewer than `k` people, and no more than three decimals.

    A mean of many digits over everybody, and one over all but somebody, tell that person's value.
    """
    of_people = table["unit"].eq("people") if "unit" in table else pd.Series(data=True, index=table.index)
    few = of_people & (table["n"] < k)
    told = table.assign(n=[told_count(n, everybody, k) if p else n for n, p in zip(table["n"], of_people, strict=True)])
    if "undefined" in told:
        told["undefined"] = told["undefined"].mask(of_people, told["undefined"].map(lambda n: rounded_count(n, k)))
    return told.assign(**{name: signed_round(told[name], 3).mask(few) for name in ("value", "low", "high")})


# -- people under other names ------------------------------------------------------------------------------------------


def folded(populations: pd.Series, k: int = K, other: str = "other") -> pd.Series:
    """Put populations of fewer than `k` people together, and the smallest of the others if they are still too few."""
    counts = populations.value_counts().sort_values(kind="stable")
    small = list(counts.index[counts < k])
    left = [name for name in counts.index if name not in small]
    while small and left and counts[small].sum() < k:
        small.append(left.pop(0))
    return populations.where(~populations.isin(small), other)
