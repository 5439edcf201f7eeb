"""Deep effects against genetics, variant by variant: which agree in direction, which don't, and what can't be told.

All rules and thresholds are those of :class:`gexviz.analysis.mismatch_rules.Rules`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from gexviz.analysis.deep_sign import deep_signs
from gexviz.analysis.mismatch_rules import RULES, Rules, VariantClass
from gexviz.analysis.mismatch_words import variant_sentence
from gexviz.analysis.signals import Linkage, best_first, independent_signals, posterior
from gexviz.analysis.variant_q import NEEDED, adjusted, permuted_q
from gexviz.errors import GexvizError

SCHEMA = 3
"""Raised when the numbers would come out differently for the same inputs."""

COLUMNS = [
    "gene", "variant", "position", "ref", "alt", "distance", "in_window", "carriers", "frequency", "deep_effect",
    "deep_mean", "deep_noise", "noise_from", "deep_sign", "deep_reason", "share", "slope", "se", "p", "q",
    "significant", "posterior", "weight", "ld_lead", "signal", "equals", "equals_outside", "rival",
    "ld_best_opposite", "driver", "main_driver", "lead", "strand_ambiguous", "class", "reason", "sentence",
]  # fmt: skip

_NEEDED = ["position", "ref", "alt", "distance", "slope", "se", "t", "df", "p", "q", "significant", "threshold"]
_NEEDED_EFFECTS = ["position", "ref", "alt", "distance", "effect_reference", "driver", "main_driver"]


class GeneTables(NamedTuple):
    """What is known of one gene's variants.

    Attributes
    ----------
    gene : str
    window : (int, int)
        What the deep model reads of the contig, 0-based half-open.
    effects : DataFrame
        Index ``variant``: columns of :class:`gexviz.analysis.effects.VariantEffects` and of
        :class:`gexviz.analysis.drivers.Drivers`; no rows for a gene that the model can't serve.
    eqtls : DataFrame
        Index ``variant``: this gene's rows from :func:`call_significant`; ``position`` (0-based), ``ref``, ``alt``,
        ``distance``, ``slope`` (per ALT allele), ``se``, ``t``, ``df``, ``p``, ``q``, ``significant``, ``threshold``;
        ``maf`` and ``strand_ambiguous`` where there; ``slope_POP``, ``se_POP``, ``p_POP`` of
        :func:`gexviz.analysis.eqtl_groups.group_associations` where there.
    dosages : DataFrame
        Variant x sample, for linkage: ALT copies of the tested variants and of those with effects (NaN for missing
        calls), or what the eQTLs' covariates leave of them. Linkage of a variant that is not in it is unknown.
    weights : Series or None
        Index variant: the linear model's weights.
    prediction : float
        Of the reference by the deep model; NaN if not known.
    """

    gene: str
    window: tuple[int, int]
    effects: pd.DataFrame
    eqtls: pd.DataFrame
    dosages: pd.DataFrame
    weights: pd.Series | None = None
    prediction: float = float("nan")


class Classified(NamedTuple):
    """Variants of one or more genes with their classes, and where each gene's signal lies.

    Attributes
    ----------
    variants : DataFrame
        A row for each variant that matters to anyone: deep drivers, significant and lead eQTLs, linear weights other
        than 0. Columns `COLUMNS`: ``gene``, ``variant``, ``position`` (0-based), ``ref``, ``alt``, ``distance``,
        ``in_window``, ``carriers`` and ``frequency`` (of ALT), the columns of
        :func:`gexviz.analysis.deep_sign.deep_signs`, ``share`` (of the prediction's variance), ``slope``, ``se``,
        ``p``, ``q``, ``significant``, ``posterior`` (to be the gene's one cause), ``weight`` (0 without), ``ld_lead``
        (r with the lead), ``signal`` (lead of the signal whose equal it is, or empty), ``equals`` and
        ``equals_outside`` (variants in r² > 0.8, of these outside the window), ``rival`` (most linked variant with the
        other deep sign)
        and ``ld_best_opposite`` (its r²), ``driver``, ``main_driver``, ``lead``, ``strand_ambiguous``, ``class``,
        ``reason`` (of an ambiguous one), ``sentence``; then ``frequency_POP`` of each population that the effects have,
        and ``slope_POP``, ``se_POP``, ``p_POP`` of each that the eQTLs have.
    genes : DataFrame
        Index ``gene``: ``tested`` (variants with a slope), ``significant`` (of them), ``lead``, ``lead_q``,
        ``signals`` (number), ``inside`` (posterior mass in the window), ``linear_inside`` (share of the linear score's
        variance that variants in the window have, linkage aside), ``equals_seen`` (equals of the first signal in the
        window with a deep sign), ``equals_inside`` (all of them in the window), ``drivers``. Missing where there is
        no such thing.
    """

    variants: pd.DataFrame
    genes: pd.DataFrame


def call_significant(eqtls: pd.DataFrame, genes: pd.DataFrame | None = None, *, rules: Rules = RULES) -> pd.DataFrame:
    """Say which variants are eQTLs, over all genes at once.

    Parameters
    ----------
    eqtls : DataFrame
        A row a gene and variant: ``gene``, ``p``, ``df``.
    genes : DataFrame, optional
        Index gene, of permutations: ``q``, ``threshold`` (nominal p of significance), ``beta_a``, ``beta_b``,
        ``df_effective``, ``p_beta``. A gene's variants are significant if its q is at most ``rules.fdr`` and their p
        at most its threshold. Without it, genes are selected first and then variants in them (Benjamini and Bogomolov,
        J R Stat Soc B 76:297, 2014; TreeQTL, Bioinformatics 32:2556, 2016): Simes' p of each gene,
        Benjamini-Hochberg over genes, and in the R of G genes that pass at the rate f, Benjamini-Hochberg over
        variants at f R / G. Over all pairs at once, a few genes with hundreds of linked eQTLs would lend significance
        to all others.
    rules : Rules

    Returns
    -------
    DataFrame
        With ``q`` (rate at which the variant would be called: of :func:`gexviz.analysis.variant_q.permuted_q`, or the
        gene's q where its permutations are not told; without `genes`, given the number of selected genes; NaN without
        a p), ``significant``, ``threshold`` (largest p that is significant in this gene; NaN where none is).
    """
    p, gene = eqtls["p"].to_numpy(dtype=np.float64), eqtls["gene"]
    tested = np.isfinite(p)
    if genes is None:
        within = pd.Series(p, index=eqtls.index).groupby(gene).transform(adjusted).to_numpy(np.float64)
        simes = pd.Series(within).groupby(gene.to_numpy()).min().dropna()
        first = pd.Series(adjusted(simes.to_numpy()), index=simes.index)
        selected = max(int((first <= rules.fdr).sum()), 1)
        q = np.maximum(first.reindex(gene).to_numpy(), np.minimum(within * len(first) / selected, 1.0))
        significant = q <= rules.fdr
        largest = pd.Series(np.where(significant, p, np.nan)).groupby(gene.to_numpy()).max()
        return eqtls.assign(q=q, significant=significant, threshold=largest.reindex(gene).to_numpy())
    gene_q = genes["q"].reindex(gene).to_numpy(dtype=np.float64)
    q = permuted_q(eqtls, genes) if set(genes) >= NEEDED else np.where(tested, gene_q, np.nan)
    threshold = np.where(gene_q <= rules.fdr, genes["threshold"].reindex(gene).to_numpy(dtype=np.float64), np.nan)
    with np.errstate(invalid="ignore"):
        return eqtls.assign(q=q, significant=p <= threshold, threshold=threshold)


def classify(
    genes: Iterable[GeneTables],
    covariates: pd.DataFrame | None = None,
    *,
    typical: float = float("nan"),
    rules: Rules = RULES,
) -> Classified:
    """Classify the variants of some genes.

    Parameters
    ----------
    genes : iterable of GeneTables
        Taken one by one: a generator keeps one gene's dosages in memory.
    covariates : DataFrame, sample x covariate, optional
        Those of the eQTLs' regressions, to be taken out of the dosages; without them, ancestry alone links variants.
        None if there are none, or if they are taken out already.
    typical : float
        From :func:`gexviz.analysis.deep_sign.typical_effect`; NaN leaves this part of the noise out.
    rules : Rules

    Returns
    -------
    Classified

    Raises
    ------
    GexvizError
        If a table lacks a column or has a variant twice.
    """
    parts = [_classify_gene(tables, Linkage(tables.dosages, covariates), typical, rules) for tables in genes]
    tables = [part for part, _ in parts if len(part)] or [part for part, _ in parts[:1]]
    variants = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=COLUMNS)
    located = pd.DataFrame([facts for _, facts in parts], columns=["gene", *_FACTS]).set_index("gene")
    return Classified(variants, located.astype({"lead": object}))


_FACTS = ["tested", "significant", "lead", "lead_q", "signals", "inside", "linear_inside", "equals_seen",
          "equals_inside", "drivers"]  # fmt: skip


def _classify_gene(
    tables: GeneTables, linkage: Linkage, typical: float, rules: Rules
) -> tuple[pd.DataFrame, dict[str, Any]]:
    _check(tables)
    every = _every_variant(tables, typical, rules)
    eqtls = tables.eqtls
    order = best_first(eqtls)
    lead = str(eqtls.index[order[0]]) if len(order) and np.isfinite(eqtls["t"].iloc[order[0]]) else None
    signals = independent_signals(eqtls, linkage, rules)
    every["lead"] = every.index == lead
    matters = every["driver"] | every["significant"] | every["lead"] | (every["weight"] != 0)
    rows = every[matters.to_numpy(dtype=bool)].copy()
    rows["ld_lead"] = linkage.r(rows.index, [lead])[:, 0] if lead is not None else np.nan
    rows["signal"] = _signal_of(rows.index, signals, linkage, rules)
    _look_at_linked(rows, every, linkage, rules)
    decided = [_decide(row, rules) for row in rows.to_dict("records")]
    rows["class"] = np.array([name for name, _ in decided], dtype=object)
    rows["reason"] = np.array([reason for _, reason in decided], dtype=object)
    rows = rows.rename_axis("variant").reset_index()
    rows["gene"] = tables.gene
    rows["sentence"] = np.array([variant_sentence(row, rules) for row in rows.to_dict("records")], dtype=object)
    columns = [*COLUMNS, *_of_populations(tables.effects), *_of_populations(eqtls)]
    return rows[columns], _located(tables, every, signals, linkage, rules, lead)


def _check(tables: GeneTables) -> None:
    for what, table, needed in (
        ("eqtls", tables.eqtls, _NEEDED),
        ("effects", tables.effects, _NEEDED_EFFECTS),
        ("dosages", tables.dosages, []),
    ):
        missing = [name for name in needed if name not in table]
        if missing:
            absent = ", ".join(missing)
            raise GexvizError(f"the {what} of {tables.gene} lack columns: {absent}", expected=", ".join(needed))
        if not table.index.is_unique:
            twice = table.index[table.index.duplicated()][0]
            raise GexvizError(f"the {what} of {tables.gene} have {twice} twice", expected="each variant once")


def _every_variant(tables: GeneTables, typical: float, rules: Rules) -> pd.DataFrame:
    """All variants with an effect, a slope or a weight: one table, index variant."""
    effects, eqtls = tables.effects, tables.eqtls
    weights = pd.Series(dtype=np.float64) if tables.weights is None else tables.weights
    weights = weights[weights.to_numpy() != 0]
    placed = pd.concat([effects[["position", "ref", "alt", "distance"]], eqtls[["position", "ref", "alt", "distance"]]])
    placed = placed[~placed.index.duplicated()]
    unplaced = weights.index.difference(placed.index)
    every = pd.concat([placed, _from_names(unplaced)]) if len(unplaced) else placed
    every = every.set_axis(every.index.to_numpy(object)).sort_values(["position", "ref", "alt"], kind="stable")
    index = every.index
    start, end = tables.window
    position = every["position"].to_numpy(dtype=np.float64)
    every["in_window"] = ((position >= start) & (position < end)) | index.isin(effects.index)
    signs = deep_signs(effects, prediction=tables.prediction, typical=typical, rules=rules)
    every = every.join(signs)
    absent = every["deep_reason"].isna()
    every.loc[absent, "noise_from"] = ""
    every.loc[absent, "deep_reason"] = np.where(
        every.loc[absent, "in_window"], "not among the variants that effects were computed of", "outside the window"
    )
    for name in ("carriers", "share"):
        every[name] = effects[name].reindex(index) if name in effects else np.nan
    every["frequency"] = effects["frequency"].reindex(index) if "frequency" in effects else np.nan
    if {"alt_count", "n"} <= set(eqtls):
        every["frequency"] = every["frequency"].fillna((eqtls["alt_count"] / (2 * eqtls["n"])).reindex(index))
    for table in (effects, eqtls):
        for name in _of_populations(table):
            every[name] = table[name].reindex(index)
    for name in ("driver", "main_driver"):
        every[name] = index.isin(effects.index[effects[name].to_numpy(dtype=bool)])
    for name in ("slope", "se", "t", "p", "q"):
        every[name] = eqtls[name].reindex(index)
    every["posterior"] = pd.Series(posterior(eqtls), index=eqtls.index).reindex(index)
    for name in ("significant", "strand_ambiguous"):
        every[name] = index.isin(eqtls.index[eqtls[name].to_numpy(dtype=bool)]) if name in eqtls else False
    every["weight"] = weights.reindex(index).fillna(0.0)
    return every


def _of_populations(table: pd.DataFrame) -> list[str]:
    """Columns that belong to single populations."""
    names = [str(name) for name in table]
    tested = [name.removeprefix("slope_") for name in names if name.startswith("slope_")]
    frequencies = sorted(name for name in names if name.startswith("frequency_"))
    return frequencies + [f"{what}_{name}" for name in tested for what in ("slope", "se", "p")]


def _from_names(names: pd.Index) -> pd.DataFrame:
    """Places of variants that only their id (contig:pos:ref:alt) tells; their distance is not known."""
    parts = [str(name).rsplit(":", 3) for name in names]
    for name, each in zip(names, parts, strict=True):
        if len(each) != 4 or not each[1].isdigit():
            raise GexvizError(f"'{name}' is not a variant", expected="contig:position:ref:alt, as 22:20004537:A:G")
    columns = {"position": [int(p[1]) - 1 for p in parts], "ref": [p[2] for p in parts], "alt": [p[3] for p in parts]}
    return pd.DataFrame(columns | {"distance": np.nan}, index=names)


def _signal_of(variants: pd.Index, signals: list[str], linkage: Linkage, rules: Rules) -> np.ndarray:
    """The lead of the signal that each variant is an equal of; empty for none."""
    if not signals:
        return np.full(len(variants), "", dtype=object)
    r2 = np.nan_to_num(linkage.r(variants, signals)) ** 2
    r2[np.array(variants)[:, None] == np.array(signals, dtype=object)[None]] = 1.0
    return np.where(r2.max(axis=1) > rules.equal_r2, np.array(signals, dtype=object)[r2.argmax(axis=1)], "")


def _look_at_linked(rows: pd.DataFrame, every: pd.DataFrame, linkage: Linkage, rules: Rules) -> None:
    """Add what each row's linked variants say: equals, equals outside, an equal with a deep sign, the rival."""
    r = linkage.r(rows.index, every.index)
    r2 = np.nan_to_num(r) ** 2
    r2[np.array(rows.index)[:, None] == np.array(every.index)[None]] = 0.0
    equal = r2 > rules.equal_r2
    inside = every["in_window"].to_numpy(dtype=bool)
    sign, own = (t["deep_sign"].fillna(0).to_numpy(dtype=np.int64) for t in (every, rows))
    size, own_size = (np.abs(t["deep_effect"].fillna(0.0).to_numpy(dtype=np.float64)) for t in (every, rows))
    rows["equals"], rows["equals_outside"] = equal.sum(axis=1), (equal & ~inside).sum(axis=1)
    seen = inside & (sign != 0)
    rows["equal_seen"] = (equal & seen).any(axis=1)
    with_lead = np.nan_to_num(linkage.r(pd.Index(rows["signal"]), every.index)) ** 2 > rules.equal_r2
    rows["signal_seen"] = (with_lead & seen).any(axis=1)
    implied = sign * np.sign(np.nan_to_num(r))
    rival = (own[:, None] != 0) & (implied == -own[:, None]) & (size >= rules.rival_effect * own_size[:, None])
    best = np.where(rival, r2, 0.0)
    found = best.max(axis=1, initial=0.0) > 0
    at = best.argmax(axis=1) if best.shape[1] else np.zeros(len(rows), dtype=np.intp)
    rows["rival"] = np.where(found, np.array(every.index, dtype=object)[at] if len(every) else "", "")
    rows["ld_best_opposite"] = np.where(found, best.max(axis=1, initial=0.0), np.nan)
    rows["linkage_known"] = rows.index.isin(linkage.variants)


def _decide(row: dict[Any, Any], rules: Rules) -> tuple[VariantClass, str]:
    """Classify one row: the rules of :class:`Rules`, in their order; with the reason of an ambiguous one."""
    if not row["significant"]:
        if row["driver"]:
            return "unsupported driver", ""
        return ("linear only", "") if row["weight"] != 0 else ("ambiguous", "the gene's lead, but not significant")
    if row["strand_ambiguous"]:
        return "ambiguous", "its alleles don't tell their strand"
    if not row["linkage_known"]:
        return "ambiguous", "its linkage is not known: it has no dosages"
    if not row["signal"]:
        return "ambiguous", "its slope may be due to linkage: it is no equal of any independent signal"
    if not row["in_window"]:
        seen = "an equally good variant inside the window has a deep effect"
        return ("ambiguous", seen) if row["equal_seen"] or row["signal_seen"] else ("out of window", "")
    if pd.isna(row["deep_sign"]):
        return "ambiguous", f"no deep effect: {row['deep_reason']}"
    if row["deep_sign"] == 0:
        return ("ambiguous", "an equally good variant has a deep effect") if row["equal_seen"] else ("missed", "")
    if row["rival"] and row["ld_best_opposite"] > rules.equal_r2:
        return "ambiguous", "an equally good variant has the other deep sign"
    return ("concordant" if row["deep_sign"] == np.sign(row["slope"]) else "opposite"), ""


def _located(
    tables: GeneTables, every: pd.DataFrame, signals: list[str], linkage: Linkage, rules: Rules, lead: str | None
) -> dict[str, Any]:
    """Tell where a gene's signal lies."""
    eqtls, inside = tables.eqtls, every["in_window"].to_numpy(dtype=bool)
    chance = every["posterior"].to_numpy(dtype=np.float64)
    first = _signal_of(every.index, signals[:1], linkage, rules) != ""
    seen = (every["deep_sign"].fillna(0) != 0).to_numpy(dtype=bool)
    return {
        "gene": tables.gene,
        "tested": int(np.isfinite(every["slope"].to_numpy(dtype=np.float64)).sum()),
        "significant": int(every["significant"].sum()),
        "lead": lead,
        "lead_q": float("nan") if lead is None else float(eqtls["q"].loc[lead]),
        "signals": len(signals),
        "inside": float(np.nansum(chance[inside])) if np.isfinite(chance).any() else float("nan"),
        "linear_inside": _linear_inside(every, inside, tables.dosages),
        "equals_seen": int((first & inside & seen).sum()),
        "equals_inside": int((first & inside).sum()),
        "drivers": int(every["driver"].sum()),
    }


def _linear_inside(every: pd.DataFrame, inside: np.ndarray, dosages: pd.DataFrame) -> float:
    """Share of the linear score's variance that weights in the window have, linkage aside; NaN without weights."""
    weight = every["weight"].to_numpy(dtype=np.float64)
    there = weight != 0
    variance = dosages.reindex(every.index[there]).var(axis=1, ddof=0).to_numpy(dtype=np.float64)
    parts = np.zeros(len(every))
    parts[there] = weight[there] ** 2 * np.nan_to_num(variance)
    return float(parts[inside].sum() / parts.sum()) if parts.sum() > 0 else float("nan")
