"""What the comparison of a deep model with genetics found."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from gexviz.analysis import candidates
from gexviz.analysis.direction import direction_accuracy
from gexviz.analysis.mismatch_rules import Rules
from gexviz.cohort.reference import Reference
from gexviz.exporting import Exported, write_candidates
from gexviz.jupyter.kernel import in_kernel
from gexviz.lazy import lazy
from gexviz.mapping import Eqtls

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from gexviz.gene import Gene
    from gexviz.jupyter.mismatches import MismatchesView

comparison = lazy("gexviz.figures.comparison")
quadrant = lazy("gexviz.figures.quadrant")
views = lazy("gexviz.jupyter.mismatches")


@dataclass(frozen=True, eq=False)
class Candidates:
    """Variants to test at the bench.

    Attributes
    ----------
    table : DataFrame
        A row a gene and variant, the surest first; columns of :func:`gexviz.analysis.candidates.candidates`, and the
        gene's ``name``.
    model : str
    reference : Reference
        That the sequences are of.
    """

    table: pd.DataFrame
    model: str
    reference: Reference

    def write(self, path: str | Path) -> Exported:
        """Write a file: all columns as ``.csv``, oligos as ``.fa``, variants as ``.vcf`` or ``.bed``. Nobody is in it.

        Raises
        ------
        GexvizError
            For another ending.
        """
        return write_candidates(
            self.table, path, name=f"{self.model} candidates", contigs=self.reference.contigs
        )

    def __repr__(self) -> str:
        with_oligos = int((self.table["oligo_ref"] != "").sum())
        return f"{len(self.table):,} candidates of {self.model}, {with_oligos:,} with oligos"


@dataclass(frozen=True, eq=False)
class Mismatches:
    """A deep model's variants and genes, compared with eQTLs and a linear model.

    Attributes
    ----------
    model : str
    linear : str or None
    variants : DataFrame
        A row for each variant that matters to anyone; columns of :class:`gexviz.analysis.mismatch.Classified`.
    genes : DataFrame
        Index gene: correlations, main driver, verdict, sentence; see
        :func:`gexviz.analysis.verdicts.gene_verdicts`.
    summary : DataFrame
        Direction accuracy and shares with intervals, published figures beside; see
        :func:`gexviz.analysis.mismatch_summary.summarise`.
    eqtls : Eqtls
        Of all genes of the study, as q values compare them.
    unserved : Series
        Index gene: why the deep model can't serve it. These genes are in none of the tables.
    unit : str
        Of deep effects, for one copy.
    rules : Rules
    reference : Reference
    gene : callable
        Opens a gene of the study by its id.
    notes : tuple of str
        What a reader must know of the comparison.
    """

    model: str
    linear: str | None
    variants: pd.DataFrame
    genes: pd.DataFrame
    summary: pd.DataFrame
    eqtls: Eqtls
    unserved: pd.Series
    unit: str
    rules: Rules
    reference: Reference
    gene: Callable[[str], Gene] = field(repr=False)
    notes: tuple[str, ...] = ()

    def accuracy(self, chosen: str = "decided") -> pd.DataFrame:
        """Share of variants whose direction the model has right: overall, and by what it may depend on.

        Parameters
        ----------
        chosen : str
            Of what; a key of :data:`gexviz.analysis.direction.SETS`.

        Returns
        -------
        DataFrame
            See :func:`gexviz.analysis.direction.direction_accuracy`.
        """
        return direction_accuracy(self.variants, chosen, rules=self.rules)

    def candidates(
        self, classes: Collection[str] = candidates.DEFAULT, *, length: int = candidates.LENGTH, most: int | None = None
    ) -> Candidates:
        """Choose significant variants to test, with the sequences that an experiment needs.

        Parameters
        ----------
        classes : collection of str
            Of variants.
        length : int
            Of the oligo with the longer allele, bp.
        most : int, optional
            Take no more than these, the surest.

        Returns
        -------
        Candidates
        """
        rows = candidates.choose(self.variants, classes).head(len(self.variants) if most is None else most)
        table = candidates.candidates(rows, self.reference.fetch, self.reference.contigs, length=length)
        table.insert(1, "name", table["gene"].map(self.genes["name"]))
        return Candidates(table, self.model, self.reference)

    def figure(self) -> go.Figure:
        """Effects of the model against eQTL slopes, a point a gene and variant."""
        labels = comparison.Labels(predicted=self.unit, observed=self.eqtls.unit, model=self.model)
        return quadrant.quadrants(self.variants, labels=labels, names=self.genes["name"])

    def view(self) -> MismatchesView:
        """Genes and verdicts as a widget, to sort and search; a click shows the gene's people.

        Returns
        -------
        MismatchesView
            ``.selection``, ``.table`` of genes; ``.people``, the view of the first selected one.
        """
        models = [self.model] if self.linear is None else [self.model, self.linear]
        return views.MismatchesView(
            views.Compared(self.genes, self.figure(), lambda gene: self.gene(gene).view(models))
        )

    def _repr_mimebundle_(self, **formats: Any) -> dict[str, Any]:
        return self.view()._repr_mimebundle_(**formats) if in_kernel() else {"text/plain": repr(self)}

    def __repr__(self) -> str:
        counts = self.genes["verdict"].value_counts()
        found = ", ".join(f"{number} {verdict}" for verdict, number in counts.items())
        return f"{self.model} against eQTLs and {self.linear or 'no linear model'}: {len(self.genes)} genes ({found})"
