"""Finding genes by what people type: ids with or without version, symbols, and near misses."""

from __future__ import annotations

import difflib
import heapq

import pandas as pd

from gexviz.cohort.genes import GeneIndex
from gexviz.errors import GexvizError, UnknownGene


class GeneBook:
    """The genes of a study, ready to be looked up and listed.

    Parameters
    ----------
    genes : DataFrame
        The study's genes: index gene id, column ``name``.
    annotation : DataFrame, optional
        All annotated genes, to tell a gene without expression from one that does not exist.

    Attributes
    ----------
    ids : list of str
        Sorted by name.
    labels : dict
        Gene id -> text of the gene box: symbol and id.
    """

    def __init__(self, genes: pd.DataFrame, annotation: pd.DataFrame | None = None) -> None:
        names = genes["name"].astype(str)
        self.names = dict(zip(genes.index, names, strict=True))
        self.ids: list[str] = list(names.sort_values(kind="stable", key=lambda n: n.str.upper()).index)
        self.labels = {g: n if n == g else f"{n} · {g}" for g, n in self.names.items()}
        self._upper = [(g, self.names[g].upper(), g.upper()) for g in self.ids]
        self._index = GeneIndex(genes)
        self._annotation = None if annotation is None else GeneIndex(annotation)

    def resolve(self, query: str) -> str:
        """Find a gene's id.

        Raises
        ------
        GexvizError
            Saying whether the gene exists at all; :meth:`suggestions` has the nearest ones.
        """
        try:
            return self._index.resolve(query)
        except UnknownGene as error:
            if self._annotation is None:
                raise
            try:
                known = self._annotation.resolve(query)
            except GexvizError:
                raise UnknownGene(f"{query} is not a gene of this study", expected=error.expected) from None
            raise UnknownGene(
                f"{query} is in the annotation ({known}), but has no expression in this study",
                expected="a gene with expression",
            ) from None

    def search(self, text: str, most: int) -> list[str]:
        """Ids of genes whose symbol or id begins with a text, then of those that contain it; shorter symbols first.

        Case doesn't count. An empty text finds the first of all genes.
        """
        text = text.strip().upper()
        if not text:
            return self.ids[:most]
        found = [
            (not (name.startswith(text) or own.startswith(text)), len(name), at)
            for at, (_, name, own) in enumerate(self._upper)
            if text in name or text in own
        ]
        return [self.ids[at] for _, _, at in heapq.nsmallest(most, found)]

    def suggestions(self, query: str, most: int = 6) -> list[str]:
        """Ids of the genes nearest to what was typed: those that have it in them, then those that look like it."""
        text = query.strip().upper()
        if not text:
            return []
        by_name = {name: g for g, name, _ in reversed(self._upper)}
        near = [by_name[n] for n in difflib.get_close_matches(text, by_name, n=most, cutoff=0.5)]
        return list(dict.fromkeys(self.search(text, most) + near))[:most]
