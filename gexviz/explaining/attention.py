"""What a transformer attends to at a gene, on the genome, and how far that agrees with mutagenesis."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from gexviz.analysis.attention import How, of_tokens, per_base
from gexviz.errors import GexvizError
from gexviz.explaining.ism import Ism
from gexviz.explaining.regions import region_text
from gexviz.explaining.target import Labels, Target, on_genome
from gexviz.figures.locus import locus_figure
from gexviz.figures.tracks.base import Region
from gexviz.figures.tracks.logo import LogoTrack
from gexviz.lazy import lazy
from gexviz.models.onehot import one_hot, reverse_complement_one_hot

stats = lazy("scipy.stats")

NAMES = {"rollout": "Attention rollout", "relevance": "Relevance (gradient x attention)"}
"""Ways, as people read them."""
UNITS = {"rollout": "share of attention", "relevance": "relevance"}
NOTE = "Attention is not an explanation: it tells what is mixed, not what a change would do."


@dataclass(frozen=True)
class Attention:
    """What the prediction of one sequence attends to.

    Attributes
    ----------
    labels : Labels
    region : tuple of int
        0-based half-open, on the reference.
    values : DataFrame
        A row a base, in genome order: ``position`` (0-based), ``inserted``, ``ref`` (forward strand), ``value``; 0 or
        more. NaN where no token has the base.
    how : {"rollout", "relevance"}
    """

    labels: Labels
    region: tuple[int, int]
    values: pd.DataFrame
    how: How

    def agreement(self, ism: Ism) -> float:
        """Spearman's correlation, over bases, with the largest effect of a substitution, whatever its sign.

        Raises
        ------
        GexvizError
            If the mutagenesis is of another sequence or region.
        """
        places = ["position", "inserted", "ref"]
        if ism.labels != self.labels or not ism.bases[places].equals(self.values[places]):
            raise GexvizError(
                "mutagenesis and attention are of different sequences or regions",
                expected="both of one gene, model, sequence and region",
            )
        largest, values = np.abs(ism.delta).max(axis=1), self.values["value"].to_numpy()
        there = np.isfinite(values) & np.isfinite(largest)
        if len(np.unique(values[there])) < 2 or len(np.unique(largest[there])) < 2:
            return float("nan")
        return float(stats.spearmanr(values[there], largest[there])[0])

    def figure(self, ism: Ism | None = None) -> go.Figure:
        """The region's values, a letter or a bar a base; with the agreement, if mutagenesis is given."""
        track = LogoTrack(self.values.fillna({"value": 0.0}), UNITS[self.how], NAMES[self.how])
        lines = [self.labels.subtitle(), NOTE]
        if ism is not None:
            over = f"the largest effect at each of {len(self.values):,} bases"
            lines.append(f"Spearman's r with {over}: {self.agreement(ism):.2f}")
        return locus_figure([track], Region(self.labels.contig, *self.region), title=self.labels.title(), lines=lines)

    def __repr__(self) -> str:
        what = f"{NAMES[self.how]} of {self.labels.model} at {self.labels.gene}, {self.labels.background}"
        return f"{what}, {region_text(self.labels.contig, *self.region)}. {NOTE}"


def attention(target: Target, region: tuple[int, int], how: How = "relevance") -> Attention:
    """Follow the attention behind a window's prediction to its bases, and show a region of it.

    Parameters
    ----------
    target : Target
        Of a language model with attention and a head.
    region : tuple of int
        0-based half-open, inside the window.
    how : {"rollout", "relevance"}
        See :mod:`gexviz.analysis.attention`; for ``rc_mean`` the mean of both strands.

    Raises
    ------
    GexvizError
        For a model without attention.
    """
    if how not in NAMES:
        raise GexvizError(f"there is no way '{how}' to read attention", expected=" or ".join(NAMES))
    model, sequence = target.model, target.background.sequence
    if not hasattr(model, "attended"):
        raise GexvizError(
            f"{target.name} ({target.spec.family}) has no attention that is kept",
            expected="nucleotide_transformer or dnabert",
            remedy="use in-silico mutagenesis",
        )
    index = target.background.within(*region)
    onehot = one_hot(sequence[None], target.spec.n_policy)
    values = _one_strand(model, onehot, how)
    if target.spec.strand == "rc_mean":
        values = (values + _one_strand(model, reverse_complement_one_hot(onehot), how)[::-1]) / 2
    return Attention(target.labels(), region, on_genome(target.background, index, values[index]), how)


def _one_strand(model: object, onehot: np.ndarray, how: How) -> np.ndarray:
    found = model.attended(onehot)  # type: ignore[attr-defined]
    tokens = of_tokens(found.attention, found.gradient, found.taken, how)
    return per_base(tokens, found.starts, found.ends, onehot.shape[2])
