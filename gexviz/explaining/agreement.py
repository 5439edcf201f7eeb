"""How linear a model is at a gene: its gradient's prediction of each substitution, against mutagenesis."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from gexviz.analysis import agreement
from gexviz.errors import GexvizError
from gexviz.explaining.gradients import NAMES, Gradients
from gexviz.explaining.ism import Ism
from gexviz.explaining.target import Labels
from gexviz.figures.agreement import agreement_figure
from gexviz.figures.tracks.places import insertion_numbers


@dataclass(frozen=True, eq=False)
class Linearity:
    """Gradient and mutagenesis of one sequence, compared over the substitutions of a region.

    Attributes
    ----------
    labels : Labels
    method : str
        Of the gradient.
    found : Agreement
        Correlations, slope, verdict; see :class:`gexviz.analysis.agreement.Agreement`.
    table : DataFrame
        A row a substitution: ``position`` (0-based), ``inserted``, ``nth`` (among bases inserted at one place),
        ``ref``, ``alt`` (forward strand), ``gradient``, ``ism``.
    largest : DataFrame
        Those that differ most, one a base; with ``position``, ``inserted``.
    """

    labels: Labels
    method: str
    found: agreement.Agreement
    table: pd.DataFrame
    largest: pd.DataFrame

    def figure(self) -> go.Figure:
        """Gradient against mutagenesis, a point a substitution."""
        named = self.table.assign(ref=self.table["ref"] + ">" + self.table["alt"])
        return agreement_figure(
            named,
            unit=self.labels.unit,
            method=NAMES[self.method],
            title=f"{self.labels.title()} · {NAMES[self.method]} against mutagenesis",
            points="substitutions",
            lines=(self.found.words,),
        )


def linearity(ism: Ism, gradients: Gradients, *, n_top: int = 20) -> Linearity:
    """Compare a gradient with mutagenesis.

    Parameters
    ----------
    ism : Ism
    gradients : Gradients
        Of the same sequence and region.
    n_top : int
        Rows of ``largest``, at most.

    Raises
    ------
    GexvizError
        If they are of different sequences or regions.
    """
    bases = ism.bases[["position", "inserted", "ref"]]
    if ism.labels != gradients.labels or not bases.equals(gradients.values[["position", "inserted", "ref"]]):
        raise GexvizError(
            "mutagenesis and gradient are of different sequences or regions",
            expected="both of one gene, model, sequence and region",
        )
    full, delta = gradients.full[list("ACGT")].to_numpy(float), ism.delta.astype(float)
    letters = bases["ref"].to_numpy(dtype="S1").view(np.uint8)
    found = agreement.gradient_agreement(full, delta, letters, n_top=n_top)
    numbered = bases.assign(nth=insertion_numbers(bases))
    there = letters[:, None] == np.frombuffer(b"ACGT", np.uint8)
    row, column = np.nonzero(~there & there.any(axis=1, keepdims=True))
    gradient = full - np.where(there, full, 0).sum(axis=1, keepdims=True)
    table = numbered.iloc[row].reset_index(drop=True)
    table = table.assign(alt=np.array(list("ACGT"))[column], gradient=gradient[row, column], ism=delta[row, column])
    largest = numbered[["position", "inserted"]].iloc[found.largest["row"]].reset_index(drop=True)
    largest = largest.join(found.largest.drop(columns="row").reset_index(drop=True))
    return Linearity(ism.labels, gradients.method, found, table, largest)
