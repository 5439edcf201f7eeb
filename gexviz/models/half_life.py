"""Features of mRNAs' half-lives, a row a gene: what Xpresso reads beside the promoter."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gexviz.cohort.genes import unversioned_id
from gexviz.cohort.tables import read_header, read_tsv
from gexviz.digests import file_digest
from gexviz.errors import GexvizError
from gexviz.models.base import GeneLocus

_MOST = 20.0  # standard deviations; raw lengths are beyond it


class HalfLifeFeatures:
    """A table of standardised features, read whole.

    Parameters
    ----------
    path : Path
        TSV: gene (id, id without version, or symbol), then the features in the order in which the network was trained.
    number : int
        Of features.

    Raises
    ------
    GexvizError
        For another number of columns, an empty cell, a gene that stands twice, or values that aren't standardised.
    """

    def __init__(self, path: Path, number: int) -> None:
        self.path = path
        names = read_header(path)
        if len(names) != number + 1:
            raise GexvizError(
                f"{len(names) - 1} columns of features",
                file=path,
                place="line 1",
                expected=f"gene and {number} features, standardised as for the network's training",
                remedy="give the features of the checkpoint's own training, in their order",
            )
        table = read_tsv(path, names, text=1)
        self.digest = file_digest(path)
        self._values = table[names[1:]].to_numpy(np.float32)
        self._rows: dict[str, int] = {}
        for row, gene in enumerate(table[names[0]]):
            if gene in self._rows:
                place = f"rows {self._rows[gene] + 2:,} and {row + 2:,}"
                raise GexvizError(f"gene {gene} stands twice", file=path, place=place, expected="a row a gene")
            self._rows[gene] = row
        self._check(table[names[0]].tolist(), names[1:])
        for gene in list(self._rows):
            self._rows.setdefault(unversioned_id(gene), self._rows[gene])

    def of(self, gene: GeneLocus) -> np.ndarray | None:
        """Features of a gene, float32 (number,); None for a gene that the table lacks."""
        found = (self._rows.get(name) for name in (gene.id, unversioned_id(gene.id), gene.name))
        row = next((row for row in found if row is not None), None)
        return None if row is None else self._values[row]

    def _check(self, genes: list[str], names: list[str]) -> None:
        wrong = ~(np.abs(self._values) <= _MOST)  # NaN too
        if not wrong.any():
            return
        row, column = np.argwhere(wrong)[0]
        value = self._values[row, column]
        raise GexvizError(
            "a feature is missing" if np.isnan(value) else f"{value:g} is no standardised feature",
            file=self.path,
            place=f"row {row + 2:,} (gene {genes[row]}), column {names[column]}",
            expected="(log10(value + 0.1) or GC share, less the training genes' mean) / their standard deviation",
            remedy="standardise the features with the means and standard deviations of the training genes",
        )
