"""Finding genes by what people type: ids with or without version, symbols, and near misses."""

from __future__ import annotations

import difflib

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
        self._at = {g: i for i, g in enumerate(self.ids)}
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

    def suggestions(self, query: str, most: int = 6) -> list[str]:
        """Ids of the genes nearest to what was typed: those that begin with it, that contain it, that look like it."""
        text = query.strip().upper()
        if not text:
            return []
        upper = {g: (self.names[g].upper(), g.upper()) for g in self.ids}
        begin = [g for g, (name, own) in upper.items() if name.startswith(text) or own.startswith(text)]
        inside = [g for g, (name, _) in upper.items() if text in name]
        by_name: dict[str, str] = {name: g for g, (name, _) in reversed(upper.items())}
        near = [by_name[n] for n in difflib.get_close_matches(text, by_name, n=most, cutoff=0.5)]
        return list(dict.fromkeys(begin + inside + near))[:most]

    def neighbour(self, gene: str, step: int) -> str:
        """The gene `step` places on in the list, which goes round."""
        return self.ids[(self._at[gene] + step) % len(self.ids)]
