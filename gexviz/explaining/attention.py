"""What a transformer attends to at a gene, on the genome, and how far that agrees with mutagenesis; kept on disk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from gexviz.analysis.attention import How, of_strands, of_tokens, per_base
from gexviz.analysis.rank_agreement import RankAgreement, rank_agreement
from gexviz.errors import GexvizError
from gexviz.explaining.ism import Ism
from gexviz.explaining.regions import region_text
from gexviz.explaining.target import Labels, Target, on_genome
from gexviz.figures.locus import locus_figure
from gexviz.figures.tracks.attributed import ATTENTION, value_track
from gexviz.figures.tracks.base import Region
from gexviz.models.onehot import one_hot, reverse_complement_one_hot
from gexviz.results import Part
from gexviz.tasks import Progress

SCHEMA = 2
"""Raised when the values would come out differently for the same inputs."""

NAMES = ATTENTION
"""Ways, as people read them."""
UNITS = {"rollout": "share of attention", "relevance": "relevance"}
NOTE = "Attention is not an explanation: it tells what is mixed, not what a change would do."


@dataclass(frozen=True)
class Attention:
    """What the prediction of one sequence attends to.

    Attributes
    ----------
    labels : Labels
        With the unit of these values, which is not the model's.
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
    how: str

    @property
    def caution(self) -> str:
        """What has to be known of it."""
        without = int(self.values["value"].isna().sum())
        return f"{NOTE} {without:,} bases are in no token." if without else NOTE

    def agreement(self, ism: Ism) -> RankAgreement:
        """Spearman's correlation, over bases, with the largest effect of a substitution, whatever its sign.

        Raises
        ------
        GexvizError
            If the mutagenesis is of another sequence or region.
        """
        places = ["position", "inserted", "ref"]
        same = ism.labels._replace(unit=self.labels.unit) == self.labels
        if not same or not ism.bases[places].equals(self.values[places]):
            raise GexvizError(
                "mutagenesis and attention are of different sequences or regions",
                expected="both of one gene, model, sequence and region",
            )
        return rank_agreement(self.values["value"].to_numpy(), np.abs(ism.delta).max(axis=1))

    def agreement_words(self, ism: Ism) -> str:
        """The same as a sentence."""
        words = self.agreement(ism).words
        return f"Agreement with mutagenesis (the largest effect of a substitution, whatever its sign): {words}."

    def table(self) -> pd.DataFrame:
        """The bases with their value, and the ``method``."""
        return self.values.assign(method=self.how)

    def figure(self, ism: Ism | None = None) -> go.Figure:
        """The region's values, a letter or a bar a base; with the agreement, if mutagenesis is given."""
        region = Region(self.labels.contig, *self.region)
        known = self.values.dropna(subset="value")
        track = value_track(known, self.labels.unit, NAMES[self.how], region, signed=False)
        lines = [self.labels.subtitle(), self.caution]
        if ism is not None:
            lines.append(self.agreement_words(ism))
        return locus_figure([track], region, title=self.labels.title(), lines=lines)

    def __repr__(self) -> str:
        what = f"{NAMES[self.how]} of {self.labels.model} at {self.labels.gene}, {self.labels.background}"
        return f"{what}, {region_text(self.labels.contig, *self.region)}. {self.caution}"


def has_attention(model: object) -> bool:
    """Whether a model is a transformer whose attention can be followed."""
    return bool(getattr(model, "attends", False))


def attention(
    target: Target, region: tuple[int, int], how: str = "relevance", *, progress: Progress | None = None
) -> Attention:
    """Follow the attention behind a window's prediction to its bases, and show a region of it.

    What is stored is not computed again; both ways are stored, as they take the same forward and backward pass.

    Parameters
    ----------
    target : Target
        Of a language model with attention and a head.
    region : tuple of int
        0-based half-open, inside the window.
    how : {"rollout", "relevance"}
        See :mod:`gexviz.analysis.attention`; for ``rc_mean`` the mean of both strands.
    progress : Progress, optional
        Told after each strand.

    Raises
    ------
    GexvizError
        For a model without attention.
    """
    if how not in NAMES:
        raise GexvizError(f"there is no way '{how}' to read attention", expected=" or ".join(NAMES))
    if not has_attention(target.model):
        raise GexvizError(
            f"{target.name} ({target.spec.family}) has no attention that can be followed",
            expected="a language model that is a transformer, as nucleotide_transformer or dnabert",
            remedy="use in-silico mutagenesis",
        )
    found = stored_attention(target, region, how)
    if found is not None:
        return found
    values = _followed(target, progress)
    target.study.results.put_parts(_key(target), {name: Part(values[name], {}) for name in NAMES})
    return _laid_out(target, region, how, values[how])


def stored_attention(target: Target, region: tuple[int, int], how: str) -> Attention | None:
    """The same from what is stored; None if it is not."""
    target.background.within(*region)
    parts = target.study.results.parts(_key(target), [how])
    return _laid_out(target, region, how, parts[how].numbers) if how in parts else None


def _key(target: Target) -> str:
    return target.key("attention", SCHEMA)


def _laid_out(target: Target, region: tuple[int, int], how: str, values: np.ndarray) -> Attention:
    index = target.background.within(*region)
    labels = target.labels()._replace(unit=UNITS[how])
    return Attention(labels, region, on_genome(target.background, index, values[index]), how)


def _followed(target: Target, progress: Progress | None) -> dict[str, np.ndarray]:
    """Values of all bases of the window, each way; the mean of the strands that the model reads."""
    onehot = one_hot(target.background.sequence[None], target.spec.n_policy)
    strands = [onehot]
    if target.spec.strand == "rc_mean":
        strands.append(reverse_complement_one_hot(onehot))
    read = []
    for done, strand in enumerate(strands, 1):
        found = target.model.attended(strand)  # type: ignore[attr-defined]
        tokens = {how: of_tokens(found.attention, found.gradient, found.taken, how) for how in get_args(How)}
        spread = {how: per_base(values, found.starts, found.ends, onehot.shape[2]) for how, values in tokens.items()}
        read.append({how: values[:: -1 if done == 2 else 1] for how, values in spread.items()})
        if progress is not None:
            progress(done, len(strands), target.locus.name)
    return {how: of_strands(np.stack([strand[how] for strand in read])) for how in NAMES}
