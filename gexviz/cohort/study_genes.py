"""Expressed genes and their places, from the annotation, else from the expression file."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from gexviz.cohort.expression import Expression
from gexviz.cohort.genes import COLUMNS, unversioned


class StudyGenes(NamedTuple):
    """Expressed genes.

    Attributes
    ----------
    table : DataFrame
        Genes that have a place: index ``gene``, the id as in the expression file; the columns of
        :func:`gexviz.cohort.genes.read_genes`.
    annotated : Series
        Index ``gene``, all genes of the expression file; the annotation's id, NA where it has none.
    """

    table: pd.DataFrame
    annotated: pd.Series


def place_genes(expression: Expression, annotation: pd.DataFrame) -> StudyGenes:
    """Give each expressed gene its place.

    Parameters
    ----------
    expression : Expression
    annotation : DataFrame
        As from :func:`gexviz.cohort.genes.read_genes`.

    Returns
    -------
    StudyGenes

    Notes
    -----
    A gene of the expression file is one of the annotation by its id, else by its id without version, else by its
    symbol, where just one gene has that. A gene that the annotation doesn't have takes the place that a BED gives it,
    if the BED has its strand: name = id, start and end as in the BED, no biotype. Other genes are left out.
    """
    ids = pd.Series(expression.values.index, index=expression.values.index)
    annotated = _match(ids, annotation)
    table = annotation.reindex(annotated.dropna()).set_axis(annotated.dropna().index, axis=0)
    if expression.positions is not None:
        left = expression.positions[annotated.isna() & expression.positions["strand"].ne("")]
        if len(left):
            placed = left.assign(name=left.index, biotype="", transcript="")
            table = pd.concat([table, placed[COLUMNS]])
    order = expression.values.index[expression.values.index.isin(table.index)]
    return StudyGenes(table.loc[order, COLUMNS].rename_axis("gene"), annotated)


def _match(ids: pd.Series, annotation: pd.DataFrame) -> pd.Series:
    """The annotation's id of each expressed gene."""
    known = pd.Series(annotation.index, index=annotation.index)
    plain = known.set_axis(unversioned(known))
    symbols = known.set_axis(annotation["name"])
    found = ids.map(known)
    for table, keys in ((plain, pd.Series(unversioned(ids), index=ids.index)), (symbols, ids)):
        once = table[~table.index.duplicated(keep=False)]
        found = found.where(found.notna(), keys.map(once))
    return found.astype(object).where(found.notna(), None).astype("str") if len(found) else found.astype("str")


def disagreeing_tss(expression: Expression, genes: StudyGenes, annotation: pd.DataFrame) -> pd.DataFrame:
    """Genes whose TSS differs between the expression file and the annotation.

    Returns
    -------
    DataFrame
        Index ``gene``; ``expression``, ``annotation`` (0-based TSS), ``distance`` (bp), largest first. Empty for
        expression files without positions.
    """
    if expression.positions is None:
        return pd.DataFrame({"expression": [], "annotation": [], "distance": []})
    both = genes.annotated.dropna()
    stated = expression.positions.loc[both.index, "tss"]
    annotated = annotation.loc[both, "tss"].set_axis(both.index)
    table = pd.DataFrame({"expression": stated, "annotation": annotated, "distance": np.abs(stated - annotated)})
    return table[table["distance"] > 0].sort_values("distance", ascending=False)
