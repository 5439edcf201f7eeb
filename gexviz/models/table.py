"""The ``table`` family: predictions that were computed elsewhere, compared like any model's."""

from __future__ import annotations

import hashlib
import threading
from functools import cached_property

import numpy as np
import pandas as pd

from gexviz.cohort.genes import unversioned, unversioned_id
from gexviz.digests import file_digest
from gexviz.errors import GexvizError
from gexviz.models.base import GeneLocus, ModelSpec
from gexviz.models.options import TableOptions
from gexviz.models.table_arrays import ArrayLayout, is_hdf5, read_array_layout, read_arrays
from gexviz.models.table_file import Predictions, read_predictions
from gexviz.models.table_layout import Layout, read_layout


class TableModel:
    """Predictions of people, read from a table when they are first needed.

    Parameters
    ----------
    spec : ModelSpec
        With ``input="table"``; its haplotype policy makes one number of a person's two.
    layout : Layout or ArrayLayout
        Of the file.
    """

    def __init__(self, spec: ModelSpec, layout: Layout | ArrayLayout) -> None:
        self.spec = spec
        self.layout = layout
        self._reading = threading.Lock()

    @property
    def genes(self) -> pd.Index:
        """Genes of the table, as it names them."""
        return self._whole.genes

    @property
    def samples(self) -> pd.Index:
        """People of the table."""
        return self._whole.samples

    def unavailable(self, gene: GeneLocus) -> str | None:
        """Say why a gene can't be served: it isn't in the table, or stands there under several names."""
        rows = self._rows_of(gene)
        if len(rows) > 1:
            return "several rows of the table: " + ", ".join(self.genes[list(rows)])
        return None if rows else "not in the table of predictions"

    def known_predictions(self, gene: GeneLocus) -> pd.DataFrame:
        """Predictions of one gene.

        Parameters
        ----------
        gene : GeneLocus

        Returns
        -------
        DataFrame
            Index sample; ``value``, and ``haplotype_1``, ``haplotype_2`` for a table per haplotype; NaN where there is
            none.

        Raises
        ------
        GexvizError
            For a gene that :meth:`unavailable` names.
        """
        table, row = self._whole, self._row_of(gene)
        part = slice(table.starts[row], table.starts[row + 1])
        copies = table.values[part]
        found = pd.DataFrame({"value": self._combined(copies)}, index=table.samples[table.sample[part]])
        if copies.shape[1] == 2:
            found = found.assign(haplotype_1=copies[:, 0], haplotype_2=copies[:, 1])
        return found

    def known_reference(self, gene: GeneLocus) -> float | None:
        """Prediction of one gene on the reference sequence (``sample`` is ``reference``), or None if there is none."""
        value = self._whole.reference.get(self.genes[self._row_of(gene)])
        return None if value is None else float(value)

    def fingerprint(self) -> dict[str, str]:
        """Content hash of the file, and of what is said about it."""
        return {"predictions": self._digest, "spec": hashlib.sha256(repr(self.spec).encode()).hexdigest()}

    @cached_property
    def _digest(self) -> str:
        return file_digest(self.layout.path)

    @property
    def _whole(self) -> Predictions:
        with self._reading:
            return self._predictions

    @cached_property
    def _predictions(self) -> Predictions:
        layout = self.layout
        return read_arrays(layout) if isinstance(layout, ArrayLayout) else read_predictions(layout)

    @cached_property
    def _exact(self) -> dict[str, tuple[int, ...]]:
        return {gene: (row,) for row, gene in enumerate(self.genes)}

    @cached_property
    def _plain(self) -> dict[str, tuple[int, ...]]:
        rows: dict[str, tuple[int, ...]] = {}
        for row, gene in enumerate(unversioned(self.genes)):
            rows[gene] = (*rows.get(gene, ()), row)
        return rows

    def _rows_of(self, gene: GeneLocus) -> tuple[int, ...]:
        """Rows of a gene: by its id, else its id without version, else its symbol."""
        return self._exact.get(gene.id) or self._plain.get(unversioned_id(gene.id)) or self._exact.get(gene.name) or ()

    def _row_of(self, gene: GeneLocus) -> int:
        rows = self._rows_of(gene)
        if len(rows) != 1:
            raise GexvizError(
                f"{gene.id} ({gene.name}): {self.unavailable(gene)}",
                file=self.layout.path,
                expected="one row a gene (wide), named by its id (with or without version) or symbol",
                remedy="add the gene's predictions to the table, or choose another gene",
            )
        return rows[0]

    def _combined(self, copies: np.ndarray) -> np.ndarray:
        """One number a person; of the one copy where there is only one."""
        there = ~np.isnan(copies)
        total = np.where(there, copies, 0.0).sum(axis=1)
        if self.spec.haplotypes == "output_mean":
            total /= np.maximum(there.sum(axis=1), 1)
        return np.where(there.any(axis=1), total, np.nan)


def open_model(name: str, options: TableOptions) -> TableModel:
    """Open a table; its header is checked now, its cells when they are first needed.

    Parameters
    ----------
    name : str
        The model's name in the study.
    options : TableOptions

    Returns
    -------
    TableModel
    """
    spec = ModelSpec(
        name=name,
        family="table",
        input="table",
        scale=options.scale,
        haplotypes=options.haplotypes,
        genome=options.genome,
        licence=options.licence,
        citation=options.citation,
        trained_on_cohort=options.trained_on_cohort,
        verified="computed elsewhere, shown as given",
    )
    return TableModel(spec, _laid(options))


def _laid(options: TableOptions) -> Layout | ArrayLayout:
    if not is_hdf5(options.predictions):
        return read_layout(options.predictions, options.layout)
    layout = read_array_layout(options.predictions)
    if layout.scale is not None and layout.scale != options.scale:
        raise GexvizError(
            f"the file's predictions are {layout.scale}, the study calls them {options.scale}",
            file=layout.path,
            expected="one unit in both places",
            remedy=f'write scale = "{layout.scale}" in the study, if the file is right',
        )
    return layout
