"""eQTLs made elsewhere, found among a cohort's variants and turned to its ALT alleles."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from gexviz.cohort.contigs import resolve_contig
from gexviz.cohort.eqtl_tables import EqtlTable, require_build

NEAR_HALF = 0.08  # a frequency this near to 1/2 tells no strand (TwoSampleMR's tolerance)

_COMPLEMENT = str.maketrans("ACGT", "TGCA")
COLUMNS = ["gene", "variant", "position", "ref", "alt", "slope", "se", "t", "p", "flipped", "strand"]


class Harmonised(NamedTuple):
    """eQTLs on a cohort's ALT alleles.

    Attributes
    ----------
    table : DataFrame
        ``gene`` (the cohort's id), ``variant`` (the cohort's), ``position`` (0-based), ``ref``, ``alt``, ``slope``
        (per ALT allele of the cohort), ``se``, ``t``, ``p``, ``flipped`` (the effect allele was REF), ``strand``
        (``as given``, ``other``, or ``by frequency``: which of the two its frequency told), and ``q`` and
        ``frequency`` (of ALT) where the table has them.
    counts : dict
        Rows by what became of them: ``kept``, and those set aside: ``gene not in the study``, ``variant not in the
        cohort``, ``other alleles``, ``strand ambiguous``, ``repeated`` (the first row of a gene and variant is kept);
        with what was left out at reading.
    """

    table: pd.DataFrame
    counts: dict[str, int]


def harmonise_eqtls(
    eqtls: EqtlTable, variants: pd.DataFrame, genes: pd.Index, *, cohort_build: str, build: str | None = None
) -> Harmonised:
    """Find each eQTL's variant in a cohort.

    Alleles must be those of the variant, in either order, as given or (single bases only) on the other strand; the
    first of these that fits wins. A/T and C/G variants can't tell their strand. They are taken as given where the
    table tells REF and it is the cohort's; else the effect allele's frequency decides, if it and the cohort's are both
    further than 0.08 from 1/2; the rest are set aside.

    Parameters
    ----------
    eqtls : EqtlTable
    variants : DataFrame
        ``variant`` (contig:pos:ref:alt), ``position`` (0-based), ``ref``, ``alt``, ``frequency`` (of ALT).
    genes : Index
        The study's gene ids; those of the table are matched with, then without their version.
    cohort_build : str
    build : str, optional
        The table's, where it doesn't tell.

    Returns
    -------
    Harmonised

    Raises
    ------
    GexvizError
        If the builds differ, naming both, or the table's is unknown.
    """
    require_build(eqtls, cohort_build, build)
    rows = eqtls.table.assign(gene=_study_genes(eqtls.table["gene"], genes))
    contigs = variants["variant"].str.rsplit(":", n=3).str[0]
    names = contigs.unique()
    rows["contig"] = rows["contig"].map({c: resolve_contig(c, names) for c in rows["contig"].unique()})
    fate = pd.Series("variant not in the cohort", index=rows.index)
    there = variants.assign(contig=contigs)[["contig", "position", "variant", "ref", "alt", "frequency"]]
    there = there.rename(columns={"frequency": "cohort"})
    pairs = rows.reset_index(names="row").merge(there, on=["contig", "position"])
    fate[pairs["row"].unique()] = "other alleles"
    fits = _oriented(pairs, other_is_ref=eqtls.other_is_ref)
    fits = fits.sort_values(["row", "rank"], kind="stable").drop_duplicates("row")
    fate[fits["row"]] = np.where(fits["strand"] == "", "strand ambiguous", "kept")
    fate[rows["gene"].isna()] = "gene not in the study"
    kept = fits[(fate[fits["row"]] == "kept").to_numpy()]
    repeated = kept.duplicated(["gene", "variant"])
    fate[kept.loc[repeated, "row"]] = "repeated"
    kept = kept[~repeated]
    sign = np.where(kept["flipped"], -1.0, 1.0)
    table = kept.assign(slope=kept["slope"] * sign, t=kept["slope"] * sign / kept["se"])
    if "frequency" in table:
        table["frequency"] = table["frequency"].where(~table["flipped"], 1.0 - table["frequency"])
    told = [name for name in ("q", "frequency") if name in table]
    counts = {"kept": 0} | {str(k): int(n) for k, n in fate.value_counts().items()} | eqtls.left_out
    return Harmonised(table[COLUMNS + told].reset_index(drop=True), counts)


def _study_genes(written: pd.Series, genes: pd.Index) -> pd.Series:
    """The study's id of each gene: the same, else the same without versions; NaN if there is none."""
    plain = pd.Series(genes, index=genes.astype("str").str.replace(r"\.\d+$", "", regex=True))
    plain = plain[~plain.index.duplicated(keep=False)]
    exact = written.where(written.isin(genes))
    return exact.fillna(written.str.replace(r"\.\d+$", "", regex=True).map(plain))


def _oriented(pairs: pd.DataFrame, *, other_is_ref: bool) -> pd.DataFrame:
    """Pairs of a row and a variant whose alleles fit: ``flipped``, ``strand`` (empty: can't be told), ``rank``."""
    other, effect = pairs["other"], pairs["effect"]
    single = (other.str.len() == 1) & (effect.str.len() == 1)
    turned_other, turned_effect = other.str.translate(_COMPLEMENT), effect.str.translate(_COMPLEMENT)
    unsure = single & (turned_other == effect)
    as_given = (other == pairs["ref"]) & (effect == pairs["alt"])
    swapped = (effect == pairs["ref"]) & (other == pairs["alt"])
    turned = single & ~unsure & (turned_other == pairs["ref"]) & (turned_effect == pairs["alt"])
    turned_swapped = single & ~unsure & (turned_effect == pairs["ref"]) & (turned_other == pairs["alt"])
    forms = [as_given, swapped, turned, turned_swapped]
    rank = np.select(forms, range(4), default=9)
    flipped = (swapped | turned_swapped).to_numpy()
    strand = np.where(turned | turned_swapped, "other", "as given").astype(object)
    open_question = (unsure & ~(as_given & other_is_ref)).to_numpy()
    frequency = pairs["frequency"] if "frequency" in pairs else pd.Series(np.nan, index=pairs.index)
    effect_side, alt_side = frequency.to_numpy() - 0.5, pairs["cohort"].to_numpy() - 0.5
    tells = (np.abs(effect_side) > NEAR_HALF) & (np.abs(alt_side) > NEAR_HALF)
    flipped = np.where(open_question, np.sign(effect_side) != np.sign(alt_side), flipped)
    strand[open_question] = np.where(tells, "by frequency", "")[open_question]
    return pairs.assign(flipped=flipped, strand=strand, rank=rank)[rank < 9]
