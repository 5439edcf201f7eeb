"""Hand-made and simulated genes for the tests of the comparison of deep effects with eQTLs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats
from scipy.linalg import hadamard

from gexviz.analysis.mismatch import GeneTables, call_significant

PEOPLE = 64
SAMPLES = [f"s{i}" for i in range(PEOPLE)]
WINDOW = (900, 1100)
_SIGNS = hadamard(PEOPLE)[1:]  # rows that are orthogonal to each other and to the intercept


def name_of(position: int) -> str:
    return f"1:{position + 1}:A:G"


def by_hand(variants: list[dict], *, gene: str = "G", samples=SAMPLES) -> GeneTables:
    """A gene of hand-made variants.

    Keys of each: ``position``; ``t`` (None: not tested); ``deep`` (None: no row of effects; NaN: no effect could be
    computed), ``mean``, ``sd``, ``low``, ``high``, ``strands``, ``driver`` (True, "main"), ``share``; ``weight``;
    ``like`` (position of another variant) with ``differs`` (people in whom the dosages differ) and ``turned`` (r < 0);
    ``strand_ambiguous``. Variants without ``like`` are uncorrelated. Slopes are t / 10; significant is |t| >= 3.
    """
    effects, eqtls, dosages, weights = [], [], {}, {}
    free = iter(_SIGNS)
    for v in variants:
        name = name_of(v["position"])
        place = {"variant": name, "position": v["position"], "ref": "A", "alt": "G", "distance": v["position"] - 1000}
        if "like" in v:
            sign = dosages[name_of(v["like"])] - 1
            spot = np.flatnonzero(sign > 0)[: v.get("differs", 0)], np.flatnonzero(sign < 0)[: v.get("differs", 0)]
            sign = sign.copy()
            half = v.get("differs", 0) // 2
            sign[spot[0][:half]], sign[spot[1][:half]] = -1, 1
            sign = -sign if v.get("turned") else sign
        else:
            sign = next(free)
        if v.get("dosages", True):
            dosages[name] = 1.0 + sign
        if v.get("deep") is not None:
            deep = float(v["deep"])
            f, r = v.get("strands", (np.nan, np.nan))
            effects.append(
                place | {
                    "frequency": 0.5, "frequency_EUR": 0.5, "frequency_AFR": 0.02, "carriers": 32,
                    "effect_reference": deep, "effect_forward": f, "effect_reverse": r,
                    "effect_mean": v.get("mean", deep), "effect_sd": v.get("sd", 0.0),
                    "effect_min": v.get("low", deep), "effect_max": v.get("high", deep), "share": v.get("share", 0.0),
                    "status": "ok" if np.isfinite(deep) else "skipped",
                    "reason": "" if np.isfinite(deep) else "symbolic allele",
                    "driver": bool(v.get("driver")), "main_driver": v.get("driver") == "main",
                }
            )  # fmt: skip
        if v.get("t") is not None:
            t, df = float(v["t"]), PEOPLE - 2
            eqtls.append(
                place | {
                    "gene": gene, "n": PEOPLE, "alt_count": 64, "slope": t / 10, "se": 0.1, "t": t, "df": df,
                    "p": 2 * stats.t.sf(abs(t), df), "q": min(1.0, 20 * stats.t.sf(abs(t), df)),
                    "significant": abs(t) >= 3, "threshold": 2 * stats.t.sf(3, df),
                    "strand_ambiguous": bool(v.get("strand_ambiguous")),
                }
            )  # fmt: skip
        if v.get("weight"):
            weights[name] = v["weight"]
    columns = ["position", "ref", "alt", "distance"]
    driven = [*columns, "effect_reference", "driver", "main_driver"]
    tested = [*columns, "slope", "se", "t", "df", "p", "q", "significant", "threshold"]
    return GeneTables(
        gene, WINDOW,
        pd.DataFrame(effects).set_index("variant") if effects else pd.DataFrame(columns=driven),
        pd.DataFrame(eqtls).set_index("variant") if eqtls else pd.DataFrame(columns=tested),
        pd.DataFrame.from_dict(dosages, orient="index", columns=samples),
        pd.Series(weights, dtype=float) if weights else None,
    )  # fmt: skip


def ols(y: np.ndarray, dosages: pd.DataFrame, gene: str, tss: int) -> pd.DataFrame:
    """Marginal regressions, one by one."""
    rows = []
    for name, x in zip(dosages.index, dosages.to_numpy(), strict=True):
        _, position, ref, alt = name.split(":")
        fit = stats.linregress(x, y)
        rows.append(
            {
                "gene": gene, "variant": name, "position": int(position) - 1, "ref": ref, "alt": alt,
                "distance": int(position) - 1 - tss, "n": len(y), "alt_count": x.sum(), "slope": fit.slope,
                "se": fit.stderr, "t": fit.slope / fit.stderr, "df": len(y) - 2, "p": fit.pvalue,
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def linked_dosages(rng: np.random.Generator, people: int, positions: np.ndarray) -> pd.DataFrame:
    """Dosages of two chromosomes each, in a few blocks of linkage that decays with the order of variants."""
    copies = np.zeros((len(positions), 2 * people), dtype=int)
    frequency = rng.uniform(0.15, 0.85)
    copies[0] = rng.random(2 * people) < frequency
    for k in range(1, len(positions)):
        fresh = rng.random(2 * people) < rng.choice([0.02, 0.2, 0.6])
        copies[k] = np.where(fresh, rng.random(2 * people) < rng.uniform(0.15, 0.85), copies[k - 1])
        if rng.random() < 0.5:
            copies[k] = 1 - copies[k]
    dosages = copies[:, :people] + copies[:, people:]
    names = [f"1:{p + 1}:A:G" for p in positions]
    table = pd.DataFrame(dosages.astype(float), index=names, columns=[f"s{i}" for i in range(people)])
    return table[table.var(axis=1) > 0]


class Simulation(NamedTuple):
    tables: list[GeneTables]
    truth: pd.DataFrame  # index gene: cause, agrees (the deep effect of the cause has the right sign)
    expression: pd.DataFrame  # gene x sample


def simulated(seed: int, genes: int, *, people: int = 300, causal: str = "inside") -> Simulation:
    """Genes with one cause each (inside or outside the window, or none), whose deep effect is right in six of ten."""
    rng = np.random.default_rng(seed)
    made, truth, tables, expression = [], [], [], {}
    for g in range(genes):
        gene, tss = f"G{g}", 1000
        positions = np.sort(rng.choice(np.arange(100, 1900), 60, replace=False))
        dosages = linked_dosages(rng, people, positions)
        where = np.array([int(name.split(":")[1]) - 1 for name in dosages.index])
        inside = (where >= WINDOW[0]) & (where < WINDOW[1])
        y = rng.normal(size=people)
        cause, agrees, sign = None, None, 0
        if causal != "none":
            cause = rng.choice(dosages.index[inside if causal == "inside" else ~inside])
            x = dosages.loc[cause]
            sign = rng.choice([-1, 1])
            y = y + sign * 0.8 * ((x - x.mean()) / x.std()).to_numpy()
            agrees = bool(rng.random() < 0.6)
        names = dosages.index[inside]
        effect = pd.Series(rng.normal(0, 0.01, len(names)), index=names)
        if causal == "inside":
            effect[cause] = sign * (1 if agrees else -1) * rng.uniform(0.5, 1)
        drives = np.abs(effect) == np.abs(effect).max()
        effects = pd.DataFrame(
            {
                "position": where[inside], "ref": "A", "alt": "G", "distance": where[inside] - tss,
                "frequency": dosages.loc[names].mean(axis=1) / 2, "carriers": (dosages.loc[names] > 0).sum(axis=1),
                "effect_reference": effect, "effect_mean": effect, "effect_sd": 0.0, "effect_min": effect,
                "effect_max": effect, "share": drives.astype(float), "driver": drives, "main_driver": drives,
            },
            index=names,
        )  # fmt: skip
        expression[gene] = y
        tables.append(ols(y, dosages, gene, tss))
        made.append((gene, effects, dosages))
        truth.append({"gene": gene, "cause": cause, "agrees": agrees})
    called = call_significant(pd.concat(tables, ignore_index=True))
    found = [
        GeneTables(gene, WINDOW, effects, called[called["gene"] == gene].set_index("variant"), dosages)
        for gene, effects, dosages in made
    ]
    people_of = found[0].dosages.columns
    observed = pd.DataFrame.from_dict(expression, orient="index", columns=people_of)
    return Simulation(found, pd.DataFrame(truth).set_index("gene"), observed)
