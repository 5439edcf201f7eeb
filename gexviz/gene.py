"""One gene of a study: its people, observed and predicted, and what the predictions are made of."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from gexviz.analysis.evaluation import evaluate_genes
from gexviz.cohort.haplotypes import Haplotypes
from gexviz.errors import GexvizError
from gexviz.jupyter.kernel import in_kernel
from gexviz.jupyter.progress import shows_progress
from gexviz.lazy import lazy
from gexviz.models.base import GeneLocus, PredictsDosages, PredictsSequences

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from gexviz.analysis.gradients import GradientSettings
    from gexviz.explaining.agreement import Linearity
    from gexviz.explaining.attention import Attention
    from gexviz.explaining.effects import DriverVariants, Effects
    from gexviz.explaining.epistasis import Interactions
    from gexviz.explaining.gradients import Gradients
    from gexviz.explaining.ism import Ism
    from gexviz.explaining.locus import Locus
    from gexviz.explaining.motifs import Seqlets
    from gexviz.explaining.target import Target
    from gexviz.explaining.tiles import Tiles, Tiling
    from gexviz.figures.comparison import Labels
    from gexviz.jupyter.people import PeopleView
    from gexviz.study import Study
    from gexviz.tasks import Progress

comparison = lazy("gexviz.figures.comparison")
dosage = lazy("gexviz.figures.dosage")
views = lazy("gexviz.jupyter.people")
looked_into = lazy("gexviz.explaining.target")
regions = lazy("gexviz.explaining.regions")
ism = lazy("gexviz.explaining.ism")
gradients = lazy("gexviz.explaining.gradients")
attending = lazy("gexviz.explaining.attention")
attributions = lazy("gexviz.explaining.attributions")
stretches = lazy("gexviz.explaining.tiles")
effects = lazy("gexviz.explaining.effects")
epistasis = lazy("gexviz.explaining.epistasis")
agreement = lazy("gexviz.explaining.agreement")
loci = lazy("gexviz.explaining.locus")
motifs = lazy("gexviz.explaining.motifs")
meme = lazy("gexviz.analysis.meme")
tracks = lazy("gexviz.figures.tracks.base")


class Gene:
    """One gene of a study, from :meth:`gexviz.study.Study.gene`.

    Attributes
    ----------
    id, name : str
    place : GeneLocus
        0-based coordinates.
    """

    def __init__(self, study: Study, place: GeneLocus) -> None:
        self.study = study
        self.place = place
        self.id = place.id
        self.name = place.name

    def __repr__(self) -> str:
        where = f"{self.place.contig}:{self.place.start + 1:,}-{self.place.end:,} ({self.place.strand})"
        return f"Gene {self.name} ({self.id}), {where}, of {self.study.name}"

    @property
    def table(self) -> pd.DataFrame:
        """Observed and predicted, a row a person; what is not predicted yet is computed now.

        Index sample; ``population`` (if the study has it); ``observed`` (in ``cohort.observed_scale``); a column a
        model, on the model's scale. A model trained on these people stands there with its out-of-fold predictions, and
        with its in-sample ones in ``MODEL_in_sample``. ``MODEL_haplotype_1``, ``MODEL_haplotype_2`` for models on
        haplotypes. A model that can't serve the gene has NaN; :meth:`facts` gives the reason.
        """
        for model in self.study.model_names:
            self.study.compute(model, [self.id])
        return self.stored_table()

    def stored_table(self, models: Sequence[str] | None = None) -> pd.DataFrame:
        """As :attr:`table`, from what is stored; nothing is computed, missing predictions are NaN."""
        samples = self.study.samples
        table = pd.DataFrame(index=samples.index)
        if "population" in samples:
            table["population"] = samples["population"]
        table["observed"] = self.observed
        for model in self.study.model_names if models is None else models:
            table = table.join(self.study.gene_columns(model, self.id))
        return table

    @cached_property
    def observed(self) -> pd.Series:
        """Expression by sample, in ``cohort.observed_scale``; NaN throughout for a gene without expression."""
        values = self.study.cohort.observed
        samples = self.study.samples.index
        if self.id not in values.index:
            return pd.Series(np.nan, index=samples)
        return pd.Series(values.loc[self.id].reindex(samples))

    def facts(self, model: str) -> dict[str, Any]:
        """Counts and shares behind a stored prediction: haplotypes run, weights found; ``reason`` if there is none."""
        return self.study.facts(model, self.id)

    def haplotypes(self, model: str) -> Haplotypes:
        """The distinct sequences that a model reads for this gene, and who carries them."""
        return self.study.haplotypes(model, self.id)

    def region(self, model: str) -> tuple[int, int]:
        """What a model may use of the contig: its input window, or its cis window; 0-based half-open."""
        opened = self.study.model(model)
        if isinstance(opened, PredictsDosages):
            return opened.cis_region(self.place)
        window = self.study.window(model, self.place)
        return window.start, window.end

    def variants(self, model: str) -> pd.DataFrame:
        """Variants in a model's :meth:`region` that somebody carries.

        Returns
        -------
        DataFrame
            Index ``variant`` (contig:pos:ref:alt, 1-based); ``id``, ``position`` (0-based), ``ref``, ``alt``,
            ``frequency`` (of
            ALT among the study's people), ``distance`` (bp to the TSS, downstream positive).
        """
        table, dosages = self.read_dosages(model)
        frequency = _frequency(dosages)
        sign = 1 if self.place.strand == "+" else -1
        table = table.assign(frequency=frequency, distance=sign * (table["position"] - self.place.tss))
        return table[(frequency > 0) & (frequency < 1)].set_index("variant")

    def read_dosages(self, model: str) -> tuple[pd.DataFrame, np.ndarray]:
        """All variants in a model's :meth:`region` and their dosages (variant, sample), as the genotypes have them."""
        return self._read(*self.region(model))

    def dosages(self, variants: Sequence[str]) -> pd.DataFrame:
        """ALT copies of chosen variants, sample x variant; NaN where a call is missing.

        Raises
        ------
        GexvizError
            For a variant that the genotypes don't have.
        """
        columns = {}
        for variant in variants:
            position = _position(variant)
            table, dosages = self._read(position, position + 1)
            found = np.flatnonzero(table["variant"].to_numpy() == variant)
            if not len(found):
                raise GexvizError(
                    f"variant {variant} is not in the study's genotypes",
                    expected="contig:position:ref:alt, 1-based, as in the variants table",
                    remedy="choose one of the gene's variants",
                )
            columns[variant] = dosages[found[0]]
        return pd.DataFrame(columns, index=self.study.samples.index)

    def weights(self, model: str) -> pd.DataFrame:
        """A linear model's weights for this gene; columns of :class:`gexviz.models.base.DosagePrediction`."""
        opened = self.study.model(model)
        if not isinstance(opened, PredictsDosages):
            raise GexvizError(f"{model} has no variant weights", expected="a linear model, as of family predictdb")
        variants, dosages = self._read(*opened.cis_region(self.place))
        return opened.predict_dosages(self.place, variants, dosages).weights

    # -- why the prediction is what it is ------------------------------------------------------------------------------

    @shows_progress
    def ism(
        self,
        model: str,
        region: str | None = None,
        *,
        sample: str | None = None,
        copy: Literal[1, 2] | None = None,
        plain: bool = False,
        progress: Progress | None = None,
    ) -> Ism:
        """In-silico mutagenesis: the effect of every single-base substitution; what is stored is not computed again.

        Parameters
        ----------
        model : str
            One that reads sequence.
        region : str, optional
            ``contig:start-end``, 1-based closed; the model's whole window if not given.
        sample, copy : str, {1, 2}, optional
            On this person's haplotype (copy 1 if not given) in place of the reference.
        plain : bool
            Predict every mutated sequence whole: slow, the same numbers to 1e-5.
        progress : Progress, optional

        Returns
        -------
        Ism
            ``.delta`` (L, 4), ``.bases``, ``.centred(how)``, ``.figure()``, ``.save(path)``.

        Raises
        ------
        GexvizError
            For a region that is not inside the window, a model that reads no sequence, a gene that it can't serve.
        """
        target, where = self._looked_into(model, region, sample, copy)
        return ism.mutagenesis(target, where, plain=plain, progress=progress)

    @shows_progress
    def tiles(
        self,
        model: str,
        region: str | None = None,
        tiling: Tiling | None = None,
        *,
        sample: str | None = None,
        copy: Literal[1, 2] | None = None,
        progress: Progress | None = None,
    ) -> Tiles:
        """Mutagenesis by stretches, deleted or shuffled, for models too slow for single bases.

        Parameters
        ----------
        model, region, sample, copy
            As for :meth:`ism`.
        tiling : Tiling, optional
            Deletions of 50 bp every 25 bp if not given; see :class:`gexviz.explaining.tiles.Tiling`.
        progress : Progress, optional

        Returns
        -------
        Tiles
            ``.table``, ``.figure()``.
        """
        target, where = self._looked_into(model, region, sample, copy)
        whose: tuple[str, Literal[1, 2]] | None = None if sample is None else (sample, copy or 1)
        return stretches.altered_tiles(target, where, tiling, haplotype=whose, progress=progress)

    @shows_progress
    def gradients(
        self,
        model: str,
        region: str | None = None,
        *,
        method: str = "input_x_gradient",
        sample: str | None = None,
        copy: Literal[1, 2] | None = None,
        settings: GradientSettings | None = None,
        progress: Progress | None = None,
    ) -> Gradients:
        """Gradient attribution of the model's whole window, of which a region is given back.

        Parameters
        ----------
        model, region, sample, copy
            As for :meth:`ism`.
        method : str
            ``input_x_gradient``, ``saliency``, ``smoothgrad``, ``integrated_gradients``, ``deeplift``,
            ``deeplift_shap``; see :func:`gexviz.analysis.gradients.attribute`.
        settings : GradientSettings, optional
        progress : Progress, optional

        Returns
        -------
        Gradients
            ``.values``, ``.full``, ``.completeness``, ``.figure()``.

        Raises
        ------
        GexvizError
            As for :meth:`ism`, and for a model without gradients.
        """
        target, where = self._looked_into(model, region, sample, copy)
        return gradients.attribution(target, where, method, settings=settings, progress=progress)

    @shows_progress
    def attention(
        self,
        model: str,
        region: str | None = None,
        *,
        how: Literal["rollout", "relevance"] = "relevance",
        sample: str | None = None,
        copy: Literal[1, 2] | None = None,
        progress: Progress | None = None,
    ) -> Attention:
        """What a transformer's prediction attends to, on the genome; attention is not an explanation.

        What is stored is not computed again.

        Parameters
        ----------
        model, region, sample, copy
            As for :meth:`ism`; the model is a transformer that reads tokens, with a head.
        how : {"rollout", "relevance"}
            ``rollout`` of the weights alone, or ``relevance``: gradient times attention.
        progress : Progress, optional

        Returns
        -------
        Attention
            ``.values``, ``.agreement(ism)``, ``.figure()``.
        """
        target, where = self._looked_into(model, region, sample, copy)
        return attending.attention(target, where, how, progress=progress)

    @shows_progress
    def linearity(
        self,
        model: str,
        region: str | None = None,
        *,
        method: str = "input_x_gradient",
        sample: str | None = None,
        copy: Literal[1, 2] | None = None,
        progress: Progress | None = None,
    ) -> Linearity:
        """How linear the model is here: its gradient's prediction of each substitution, against mutagenesis.

        Parameters
        ----------
        model, region, sample, copy
            As for :meth:`ism`.
        method : str
            As for :meth:`gradients`.
        progress : Progress, optional

        Returns
        -------
        Linearity
            ``.found`` (r, slope, verdict), ``.largest`` (where they differ most), ``.figure()``.
        """
        mutated = self.ism(model, region, sample=sample, copy=copy, progress=progress)
        shown = self.gradients(model, region, method=method, sample=sample, copy=copy, progress=progress)
        return agreement.linearity(mutated, shown)

    @shows_progress
    def effects(self, model: str, *, progress: Progress | None = None) -> Effects:
        """What each variant of the model's window does to the prediction, on the reference and across haplotypes.

        Returns
        -------
        Effects
            ``.table`` (a row a variant), ``.drivers``, ``.additivity``, ``.figure()``, ``.additivity_figure()``.
        """
        return effects.variant_effects(self.study, model, self.place, progress=progress)

    @shows_progress
    def drivers(self, model: str, *, progress: Progress | None = None) -> DriverVariants:
        """Which variants make the differences between people's predictions (Sasse et al. 2023)."""
        return effects.DriverVariants(self.effects(model, progress=progress))

    @shows_progress
    def epistasis(
        self,
        model: str,
        variants: Sequence[str],
        *,
        haplotype: tuple[str, Literal[1, 2]] | None = None,
        progress: Progress | None = None,
    ) -> Interactions:
        """Pairwise epistasis of 2 to 12 variants, on the reference or on (sample, copy)."""
        return epistasis.interactions(
            self.study, model, self.place, variants, haplotype=haplotype, progress=progress
        )

    def motifs(
        self,
        attribution: Ism | Gradients,
        file: str | Path,
        *,
        threshold: float = 0.01,
        n: int = 3,
    ) -> Seqlets:
        """Seqlets of an attribution (from :meth:`ism` or :meth:`gradients`), and the motifs they look like.

        Parameters
        ----------
        attribution : Ism or Gradients
        file : path
            Motifs in MEME format.
        threshold : float
            Of a seqlet's p-value.
        n : int
            Most similar motifs of each.
        """
        return motifs.find_seqlets(attribution, meme.read_motifs(file), threshold=threshold, n=n)

    def motif_changes(
        self, model: str, variants: Sequence[str], file: str | Path, *, threshold: float = 1e-4
    ) -> pd.DataFrame:
        """Motif sites that variants make, break, strengthen or weaken on the reference.

        Columns of :func:`gexviz.explaining.motifs.changed_sites`; `file` holds motifs in MEME format.
        """
        found = effects.read_sequences(self.study, model, self.place)
        return motifs.changed_sites(found, variants, meme.read_motifs(file), threshold=threshold)

    @shows_progress
    def locus(
        self,
        model: str | None = None,
        region: str | None = None,
        *,
        method: str = "ism",
        sample: str | None = None,
        copy: Literal[1, 2] | None = None,
        progress: Progress | None = None,
    ) -> Locus:
        """Genes, variants and attribution of a region on one axis; what is not stored is computed.

        Parameters
        ----------
        model : str, optional
            The study's first that reads sequence if not given.
        region, sample, copy
            As for :meth:`ism`.
        method : str
            ``ism``, a method of :meth:`gradients`, or ``rollout`` or ``relevance`` of :meth:`attention`.
        progress : Progress, optional

        Returns
        -------
        Locus
            ``.figure()``; ``.zoomed(start, end)``; ``.adding(...)`` adds a second haplotype, motifs, own tracks.
        """
        name = self._reads_sequence() if model is None else model
        target, part = self._looked_into(name, region, sample, copy)
        shown = attributions.attributed(target, part, method, progress)
        where = tracks.Region(shown.labels.contig, *part)
        genes, exons = loci.genes_around(self.study, where)
        table = self.effects(name, progress=progress).table
        return loci.Locus(target.labels(), where, genes, exons, effects=table, attribution=shown)

    def _looked_into(
        self, model: str, region: str | None, sample: str | None, copy: Literal[1, 2] | None
    ) -> tuple[Target, tuple[int, int]]:
        """The sequence to look into, and the part of it that is asked for (0-based half-open)."""
        target = looked_into.target(self.study, model, self.place, sample=sample, copy=copy)
        return target, regions.parse_region(region, target.background.window)

    def _reads_sequence(self) -> str:
        """The study's first model that reads sequence."""
        for name in self.study.model_names:
            if isinstance(self.study.model(name), PredictsSequences):
                return name
        raise GexvizError("the study has no model that reads sequence", file=self.study.config.path)

    # -- pictures ------------------------------------------------------------------------------------------------------

    def figure(self, models: Sequence[str] | None = None, *, colour_by: str = "population") -> go.Figure:
        """Predicted against observed, a panel a model, a point a person who was not in the model's training."""
        return self._side_by_side(self.table, list(self.study.model_names if models is None else models), colour_by)

    def view(self, models: Sequence[str] | None = None, *, variant: str | None = None) -> PeopleView:
        """Predicted against observed as a widget: people boxed in one figure are marked in all.

        Parameters
        ----------
        models : sequence of str, optional
            All that can serve the gene if not given.
        variant : str, optional
            Colour by genotype here (contig:pos:ref:alt), and show expression by genotype; else by population.

        Returns
        -------
        PeopleView
            ``.selection``, ``.table``; :func:`gexviz.link` links it with another.
        """
        table, shown, remarks = self.table, [], []
        for model in self.study.model_names if models is None else models:
            if table[model].notna().any():
                shown.append(model)
            else:
                reason = self.facts(model).get("reason", "none is stored")
                remarks.append(f"{model} has no prediction of this gene: {reason}")
        colour_by = "population"
        if variant is not None:
            table, colour_by = table.join(self.dosages([variant])), variant
        figures = [self._comparison(table, model, colour_by) for model in shown]
        if variant is not None:
            group = "population" if "population" in table else None
            figures.append(dosage.by_dosage(table, variant, colour_by=group, labels=self._labels()))
        together = self._side_by_side(table, shown, colour_by)
        return views.PeopleView(views.People(table, figures, together, remarks))

    def _repr_mimebundle_(self, **formats: Any) -> dict[str, Any]:
        return self.view()._repr_mimebundle_(**formats) if in_kernel() else {"text/plain": repr(self)}

    def _comparison(self, table: pd.DataFrame, model: str, colour_by: str) -> go.Figure:
        people = held_out(self.study, model)
        return comparison.predicted_vs_observed(
            table.loc[people],
            model,
            colour_by=colour_by if colour_by in table else None,
            evaluation=gene_row(table, model, people),
            labels=self._labels(model),
        )

    def _side_by_side(self, table: pd.DataFrame, models: list[str], colour_by: str) -> go.Figure:
        counted = {model: table[model].where(held_out(self.study, model)) for model in models}
        return comparison.side_by_side(
            table.assign(**counted),
            models,
            colour_by=colour_by if colour_by in table else None,
            scales={n: self.study.spec(n).scale for n in models},
            gene=self.name,
            observed=self.study.cohort.observed_scale,
        )

    def _labels(self, model: str = "") -> Labels:
        scale = self.study.spec(model).scale if model else ""
        return comparison.Labels(self.name, scale, self.study.cohort.observed_scale, model)

    def _read(self, start: int, end: int) -> tuple[pd.DataFrame, np.ndarray]:
        genotypes = self.study.cohort.genotypes
        return genotypes.read(self.place.contig, start, end, list(self.study.samples.index)).dosages()


def held_out(study: Study, model: str) -> np.ndarray:
    """Which people may be compared: those outside the model's ``trained_on`` splits; bool (n_samples,)."""
    splits = study.config.models[model].trained_on
    if not splits or "split" not in study.samples:
        return np.ones(len(study.samples), dtype=bool)
    return ~study.samples["split"].isin(splits).to_numpy()


def gene_row(table: pd.DataFrame, model: str, people: np.ndarray) -> pd.Series:
    """Evaluate one gene of one model on some of its people; a row of :func:`evaluate_genes`."""
    predicted, observed = (table.loc[people, [column]].T.set_axis(["gene"]) for column in (model, "observed"))
    return evaluate_genes(predicted.astype(float), observed.astype(float)).iloc[0]


def _frequency(dosages: np.ndarray) -> np.ndarray:
    known = ~np.isnan(dosages)
    return np.where(known, dosages, 0).sum(axis=1) / np.maximum(2 * known.sum(axis=1), 1)


def _position(variant: str) -> int:
    """0-based position of a variant id."""
    parts = variant.rsplit(":", 3)
    if len(parts) != 4 or not parts[1].isdigit():
        raise GexvizError(f"'{variant}' is not a variant", expected="contig:position:ref:alt, as 22:20004537:A:G")
    return int(parts[1]) - 1
