"""A study: a cohort, its models and what was computed; the door that the app, notebooks and command line go through."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from gexviz.allowed import Allowed
from gexviz.analysis import prediction
from gexviz.cohort.builds import same_build
from gexviz.cohort.checks_models import MOSTLY_N
from gexviz.cohort.cohort import Cohort
from gexviz.cohort.exons import read_exons
from gexviz.cohort.haplotypes import Haplotypes, build_haplotypes, reference_sequence
from gexviz.cohort.windows import Window, window_of
from gexviz.computing import Kind, compute_gene
from gexviz.config import StudyConfig, read_config
from gexviz.digests import Stamp, stamp
from gexviz.errors import GexvizError
from gexviz.gene import Gene
from gexviz.jupyter.progress import shows_progress
from gexviz.lazy import lazy
from gexviz.models import registry
from gexviz.models.base import (
    DependsOnGene,
    GeneLocus,
    Model,
    ModelSpec,
    PredictsDosages,
    PredictsOutOfFold,
    PredictsSequences,
)
from gexviz.models.remote import SendsSequence
from gexviz.results import Record, Results, Run, digest_of
from gexviz.tasks import Executor, Progress, Task, run

if TYPE_CHECKING:
    from gexviz.analysis.eqtl_settings import EqtlSettings
    from gexviz.freezing.sharing import Saved
    from gexviz.mapping import Eqtls, FromElsewhere
    from gexviz.mismatches import Mismatches
    from gexviz.sending import Sending
    from gexviz.session.contents import Level, Note, Page, View

checking = lazy("gexviz.checking")
evaluating = lazy("gexviz.evaluating")
heads = lazy("gexviz.heads")
mapping = lazy("gexviz.mapping")
mismatching = lazy("gexviz.mismatching")
sending = lazy("gexviz.sending")
sharing = lazy("gexviz.freezing.sharing")
training = lazy("gexviz.training")


class Predicted(NamedTuple):
    """Predictions of some genes, as tables gene x sample.

    Attributes
    ----------
    values : DataFrame
        What the model predicts; for a model trained on these people, the in-sample predictions.
    out_of_fold : DataFrame or None
        Each person's prediction from the fold they were left out of, for models that have it.
    """

    values: pd.DataFrame
    out_of_fold: pd.DataFrame | None

    @property
    def comparable(self) -> pd.DataFrame:
        """What may be compared with observed expression: out of fold where there is such a thing."""
        return self.values if self.out_of_fold is None else self.out_of_fold


class Study:
    """An opened study. Files are read when they are first needed.

    Parameters
    ----------
    config : StudyConfig
        From :func:`gexviz.config.read_config`.
    results : path, optional
        Results folder, in place of the configured one.

    Raises
    ------
    GexvizError
        If a model's section in the TOML is wrong. Files of the cohort are checked by :meth:`check` and when used.
    """

    def __init__(self, config: StudyConfig, results: str | Path | None = None) -> None:
        self.config = config
        self._cohort = Cohort(config)
        self.results = Results(Path(results).absolute() if results else config.results_folder)
        self._results_argument = results
        self._options = {name: registry.check_options(config, name) for name in config.models}
        self._models: dict[str, tuple[dict[Path, Stamp], Model]] = {}
        self._fingerprints: dict[str, tuple[Model, dict[str, str]]] = {}

    # -- what it is ------------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The study's name."""
        return self.config.study.name

    @property
    def simulated(self) -> bool:
        """Whether its data are simulated."""
        return self.config.study.simulated

    @property
    def cohort(self) -> Cohort:
        """The people's files; opened anew when one of them was replaced or edited, as results are keyed by content."""
        if self._cohort.changed():
            self._cohort = Cohort(self.config)
        return self._cohort

    @property
    def genes(self) -> pd.DataFrame:
        """Annotated genes with expression: index gene id; the annotation's columns (0-based), ``mean_expression``."""
        return self.cohort.genes

    @property
    def samples(self) -> pd.DataFrame:
        """People with genotypes and expression: index sample id; the columns of the samples file."""
        return self.cohort.samples

    @property
    def model_names(self) -> list[str]:
        """The models of the study, in the order of its TOML."""
        return list(self.config.models)

    def model(self, name: str) -> Model:
        """Open a model: once, and anew when one of its files was replaced or edited.

        Raises
        ------
        GexvizError
            For an unknown name, or if its files can't be read.
        """
        if name not in self._options:
            raise GexvizError(
                f"the study has no model '{name}'",
                file=self.config.path,
                expected="one of " + ", ".join(self._options) if self._options else "a [models.NAME] section",
                remedy=f"add [models.{name}] to the study's TOML, or choose another",
            )
        options = self._options[name]
        stamps = {path: stamp(path) for path in options.files()}
        if name not in self._models or self._models[name][0] != stamps:
            opened = registry.open_model(name, self.config.models[name].family, options, self.config)
            if isinstance(opened, SendsSequence):
                opened = opened.through(sending.Sending(self, name, opened.destination))
            self._models[name] = stamps, opened
        return self._models[name][1]

    def model_for(self, name: str, gene: GeneLocus) -> Model:
        """Open a model for one gene: with its exons, if the model's readout depends on them."""
        opened = self.model(name)
        return opened.for_gene(gene, self.exons(gene)) if isinstance(opened, DependsOnGene) else opened

    def sending(self, name: str) -> Sending:
        """What a model sends to another machine, whether it is agreed to, and what was sent.

        Raises
        ------
        GexvizError
            For a model that runs here.
        """
        opened = self.model(name)
        if not isinstance(opened, SendsSequence):
            raise GexvizError(f"{name} runs on this machine: it sends nothing", expected="a model run by others")
        found: Sending = sending.Sending(self, name, opened.destination)
        return found

    def exons(self, gene: GeneLocus) -> tuple[tuple[int, int], ...]:
        """Exons of a gene's representative transcript, 0-based half-open, ascending; empty if none are annotated."""
        known = self.genes if gene.id in self.genes.index else self.cohort.annotation
        transcript = known.loc[gene.id, "transcript"]
        exons = read_exons(self.cohort.path_of("genes"), gene.contig)
        own = exons[(exons["transcript"] == transcript) & (exons["transcript"] != "")]
        return tuple(sorted(zip(own["start"].tolist(), own["end"].tolist(), strict=True)))

    def of_gene(self, model: str, gene: GeneLocus) -> tuple[object, ...]:
        """What of a gene, besides its sequence, a model's numbers depend on; to key results with."""
        return (gene.id, self.exons(gene)) if isinstance(self.model(model), DependsOnGene) else ()

    def spec(self, name: str) -> ModelSpec:
        """What a model is."""
        return self.model(name).spec

    def locus(self, gene: str) -> GeneLocus:
        """Find a gene by id (with or without version) or symbol.

        Raises
        ------
        UnknownGene
            With the nearest names.
        """
        found = self.cohort.find_gene(gene)
        row: Any = (self.genes if found in self.genes.index else self.cohort.annotation).loc[found]
        place = int(row["tss"]), row["strand"], int(row["start"]), int(row["end"])
        return GeneLocus(found, row["name"], row["contig"], *place)

    def loci(self, genes: Iterable[str] | None = None) -> list[GeneLocus]:
        """Places of genes by id or symbol, each once; of all the study's genes if none are named."""
        if isinstance(genes, str):
            genes = [genes]
        if genes is not None:
            return list({g.id: g for g in map(self.locus, genes)}.values())
        return [
            GeneLocus(*row)
            for row in self.genes[["name", "contig", "tss", "strand", "start", "end"]].itertuples(name=None)
        ]

    def unavailable(self, model: str, gene: GeneLocus) -> str | None:
        """Why a model can't serve a gene, or None if it can."""
        opened = self.model(model)
        reason = opened.unavailable(gene)
        return self.unreadable(model, gene) if reason is None and opened.spec.window is not None else reason

    def unreadable(self, model: str, gene: GeneLocus) -> str | None:
        """Why the reference can't fill a sequence model's window of a gene, or None if it can."""
        window = self.window(model, gene)
        reference = self.cohort.reference
        contig = self.cohort.reference_contig(gene.contig)
        if contig is None or window.outside(reference.contigs[contig]):
            return "outside the reference"
        share = float((reference_sequence(reference, window) == ord("N")).mean())
        return f"{share:.0%} of the window is N in the reference" if share > MOSTLY_N else None

    def fingerprint(self, model: str) -> dict[str, str]:
        """Name and content hash of everything that a model's predictions depend on; of the weights that are loaded."""
        opened = self.model(model)
        if model not in self._fingerprints or self._fingerprints[model][0] is not opened:
            self._fingerprints[model] = opened, opened.fingerprint()
        return self._fingerprints[model][1]

    @shows_progress
    def check(self, progress: Progress | None = None) -> pd.DataFrame:
        """Look the whole study over before computing: columns file, check, status (ok, warn, error), found, todo."""
        return checking.check(self, progress)

    # -- prediction ------------------------------------------------------------------------------------------------

    @shows_progress
    def predict(
        self,
        model: str,
        genes: Iterable[str] | None = None,
        *,
        reference: bool = False,
        executor: Executor | None = None,
        progress: Progress | None = None,
    ) -> pd.DataFrame:
        """Predict genes for everybody; what is stored and fresh is not computed again.

        Parameters
        ----------
        model : str
        genes : iterable of str, optional
            Ids or symbols; all the study's genes if not given.
        reference : bool
            Predict the reference sequence in place of people's.
        executor : Executor, optional
            Where to compute; see :mod:`gexviz.tasks`.
        progress : Progress, optional
            Told after each gene is stored; raises `Cancelled` to stop.

        Returns
        -------
        DataFrame
            ``gene``, ``sample``, ``value``, and ``haplotype_1``, ``haplotype_2`` for models on haplotypes; with
            `reference`,
            ``gene``, ``value``. Genes that the model can't serve are not in it: :meth:`status` says why.
        """
        loci = self.loci(genes)
        kind: Kind = "reference" if reference else "prediction"
        self.compute(model, [g.id for g in loci], kind=kind, executor=executor, progress=progress)
        records = [r for r in self._fresh(model, kind, loci) if r.numbers is not None]
        if reference:
            return pd.DataFrame({"gene": [r.gene for r in records], "value": [float(_numbers(r)[0]) for r in records]})
        samples = np.array(self.samples.index)
        table = pd.DataFrame(
            {
                "gene": np.repeat([r.gene for r in records], len(samples)),
                "sample": np.tile(samples, len(records)),
                "value": _joined([self._values(model, r) for r in records]),
            }
        )
        if records and all(_numbers(r).ndim == 2 for r in records):
            copies = np.concatenate([_numbers(r) for r in records])
            table = table.assign(haplotype_1=copies[:, 0], haplotype_2=copies[:, 1])
        return table

    def compute(
        self,
        model: str,
        genes: Iterable[str] | None = None,
        *,
        kind: Kind = "prediction",
        executor: Executor | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Compute and store what is missing or stale, gene by gene; each gene is on disk before the next is begun.

        Raises
        ------
        GexvizError
            If a file of the study was replaced meanwhile; what was stored before is kept.
        """
        loci = self.loci(genes)
        wanted = self._run(model, kind)
        stored = self.results.keys(kind, model, [g.id for g in loci])
        waiting = [g for g in loci if stored.get(g.id, ("", None))[0] != self._key(wanted, g)]
        if not waiting:
            return
        if kind == "prediction":
            self._require_match(model)
        keys = {g.id: self._key(wanted, g) for g in waiting}
        tasks = [Task(g.id, compute_gene, (self, model, g.id, kind)) for g in waiting]
        for _, record in run(tasks, executor, progress):
            self.store(kind, model, wanted, record, keys[record.gene])

    def store(self, kind: str, name: str, wanted: Run, record: Record, key: str) -> None:
        """Store what a task made, if the files were those that it was asked for (`key`).

        Raises
        ------
        GexvizError
            If one was replaced meanwhile; nothing is stored.
        """
        if record.key != key:
            raise GexvizError(
                f"a file of the study was replaced during the work on {record.gene}",
                file=self.config.path,
                expected="the same files from beginning to end",
                remedy="run again; finished genes are kept where they belong to the files as they are now",
            )
        self.results.put(kind, name, wanted, [record])

    def status(self, model: str, genes: Iterable[str] | None = None, kind: Kind = "prediction") -> pd.DataFrame:
        """What is there of a model's predictions.

        Returns
        -------
        DataFrame
            Index gene; ``state`` (ready, stale, missing, unavailable), ``reason`` (of a stale or unavailable gene).
        """
        loci = self.loci(genes)
        ids = [g.id for g in loci]
        stored, runs = self.results.keys(kind, model, ids), self.results.runs(kind, model, ids)
        wanted = self._run(model, kind)
        rows: list[tuple[str, str, str | None]] = []
        for gene in loci:
            key, reason = stored.get(gene.id, (None, None))
            if key is None:
                rows.append((gene.id, "missing", None))
            elif key != self._key(wanted, gene):
                rows.append((gene.id, "stale", _changed(runs[gene.id], wanted)))
            else:
                rows.append((gene.id, "unavailable" if reason else "ready", reason))
        return pd.DataFrame(rows, columns=["gene", "state", "reason"]).set_index("gene")

    def predicted(self, model: str, genes: Iterable[str] | None = None) -> Predicted:
        """Stored, fresh predictions as tables gene x sample; nothing is computed.

        Genes without a fresh prediction are left out.
        """
        loci = self.loci(genes)
        records = [r for r in self._fresh(model, "prediction", loci) if r.numbers is not None]
        samples = self.samples.index
        values = np.stack([self._values(model, r) for r in records]) if records else np.zeros((0, len(samples)))
        index = pd.Index([r.gene for r in records], name="gene", dtype=object)
        return Predicted(pd.DataFrame(values, index=index, columns=samples), self._out_of_fold(model, loci))

    def facts(self, model: str, gene: str) -> dict[str, Any]:
        """Counts and shares behind a gene's stored prediction; ``reason`` if it can't be served; empty if none."""
        found = list(self._fresh(model, "prediction", [self.locus(gene)]))
        return found[0].facts | ({"reason": found[0].reason} if found[0].reason else {}) if found else {}

    def window(self, model: str, gene: GeneLocus) -> Window:
        """The stretch of reference that a sequence model reads for a gene."""
        spec = self.spec(model)
        if spec.window is None or spec.anchor is None:
            raise GexvizError(
                f"{model} ({spec.family}) does not read sequence", expected="a model with an input window"
            )
        return window_of(gene, spec.window, spec.anchor, oriented=spec.strand == "gene_strand")

    def haplotypes(self, model: str, gene: str, samples: Sequence[str] | None = None) -> Haplotypes:
        """The distinct haplotype sequences of a gene's window, as the model reads them."""
        window = self.window(model, self.locus(gene))
        return self.haplotypes_in(window, samples, only_snvs=self.spec(model).variants == "snv")

    def haplotypes_in(
        self, window: Window, samples: Sequence[str] | None = None, *, only_snvs: bool = False
    ) -> Haplotypes:
        """The distinct haplotype sequences of any window, of some people or all of the study's."""
        policy = self.config.cohort
        return build_haplotypes(
            self.cohort.genotypes,
            self.cohort.reference,
            window,
            list(self.samples.index) if samples is None else samples,
            missing=policy.missing,
            unphased=policy.unphased,
            only_snvs=only_snvs,
        )

    def gene(self, gene: str) -> Gene:
        """One gene, by id (with or without version) or symbol."""
        return Gene(self, self.locus(gene))

    def gene_columns(self, model: str, gene: str) -> pd.DataFrame:
        """Stored predictions of one gene: index sample; columns as in :attr:`gexviz.gene.Gene.table`."""
        locus = self.locus(gene)
        samples = self.samples.index
        record = next((r for r in self._fresh(model, "prediction", [locus]) if r.numbers is not None), None)
        missing = np.full(len(samples), np.nan)
        columns = {model: missing if record is None else self._values(model, record)}
        if record is not None and _numbers(record).ndim == 2:
            columns |= {f"{model}_haplotype_{copy}": _numbers(record)[:, copy - 1] for copy in (1, 2)}
        opened = self.model(model)
        if isinstance(opened, PredictsOutOfFold):
            folds = opened.out_of_fold(locus)
            left_out = missing if folds is None else folds.reindex(samples).to_numpy()
            columns = {model: left_out, f"{model}_in_sample": columns[model]}
        return pd.DataFrame(columns, index=samples)

    # -- evaluation ------------------------------------------------------------------------------------------------

    @shows_progress
    def evaluate(
        self,
        model: str,
        genes: Iterable[str] | None = None,
        *,
        by: Literal["gene", "individual"] = "gene",
        null: str = "analytic",
        population: str | None = None,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> pd.DataFrame:
        """Compare stored predictions with observed expression; nothing is predicted anew.

        Only people who were not in the model's training count: out-of-fold predictions where there are any, else people
        outside the splits of ``trained_on``.

        Parameters
        ----------
        model : str
        genes : iterable of str, optional
            Ids or symbols; all that are predicted if not given. q values compare these genes.
        by : {"gene", "individual"}
            Across individuals, a row a gene; or across genes, a row a person.
        null : {"analytic", "permutation", "random_weights"}
            What p and q are computed against; see :mod:`gexviz.analysis.nulls`.
        population : str, optional
            One population; ``"each"`` for all, one by one; ``"pooled"`` for their pooled correlation; everybody
            together
            if not given.
        seed : int
            Of the random nulls.
        progress : Progress, optional
            Told every few genes.

        Returns
        -------
        DataFrame
            Columns of :func:`gexviz.analysis.evaluation.evaluate_genes`, ``evaluate_groups``, ``pool_groups`` or
            ``evaluate_individuals``. ``attrs["people"]`` says which people were used.
        """
        chosen = evaluating.named_null(self, null, model, seed)
        ids = None if genes is None else [g.id for g in self.loci(genes)]
        return evaluating.evaluate(self, model, ids, by=by, chosen=chosen, population=population, progress=progress)

    def benchmark(self, models: Sequence[str] | None = None) -> pd.DataFrame:
        """The three rows of the field's benchmark table for each model, published figures beside.

        Columns of :func:`gexviz.analysis.benchmark.benchmark_rows`. The reference correlation is mean prediction
        against
        mean expression; models whose predictions are differences from a gene's mean (dosage models) have none.
        """
        return evaluating.benchmark(self, self.model_names if models is None else models)

    @shows_progress
    def train_linear(
        self,
        out: str | Path,
        genes: Iterable[str] | None = None,
        *,
        settings: Any = None,
        executor: Executor | None = None,
        progress: Progress | None = None,
    ) -> Any:
        """Train elastic nets as PrediXcan does; see :func:`gexviz.training.train_linear`."""
        return training.train_linear(self, Path(out), self.loci(genes), settings, executor=executor, progress=progress)

    @shows_progress
    def train_head(
        self,
        model: str,
        out: str | Path,
        genes: Iterable[str] | None = None,
        *,
        settings: Any = None,
        executor: Executor | None = None,
        progress: Progress | None = None,
    ) -> Any:
        """Train a head on a language model's embeddings; see :func:`gexviz.heads.train_head`."""
        return heads.train_head(
            self, model, Path(out), self.loci(genes), settings, executor=executor, progress=progress
        )

    # -- genetics ------------------------------------------------------------------------------------------------------

    @shows_progress
    def eqtls(
        self,
        genes: Iterable[str] | None = None,
        *,
        permutations: int = 0,
        settings: EqtlSettings | None = None,
        progress: Progress | None = None,
    ) -> Eqtls:
        """Marginal cis-eQTLs of the cohort, covariates taken out of expression and dosages.

        Parameters
        ----------
        genes : iterable of str, optional
            Ids or symbols; all the study's genes if not given. q values compare these genes.
        permutations : int
            For each gene, 1,000 or more for q values; 0 for the nominal pass alone.
        settings : EqtlSettings, optional
        progress : Progress, optional

        Returns
        -------
        Eqtls
            ``.table`` (a row a gene and variant), ``.genes``.
        """
        return mapping.map_eqtls(self, self.loci(genes), settings, permutations=permutations, progress=progress)

    @shows_progress
    def independent_signals(
        self, genes: Iterable[str] | None = None, *, permutations: int = 1_000, progress: Progress | None = None
    ) -> pd.DataFrame:
        """Independent signals of the genes that have an eQTL, by stepwise conditional regression; a row a signal."""
        loci = self.loci(genes)
        found = self.eqtls(genes, permutations=permutations, progress=progress)
        return mapping.independent_signals(self, found, loci, progress=progress)

    @shows_progress
    def mismatches(
        self,
        model: str,
        linear: str | None = None,
        genes: Iterable[str] | None = None,
        *,
        permutations: int = 1_000,
        elsewhere: FromElsewhere | None = None,
        progress: Progress | None = None,
    ) -> Mismatches:
        """Where a deep model and genetics disagree in direction, and why the model fails or succeeds at each gene.

        Parameters
        ----------
        model : str
            One that reads sequence.
        linear : str, optional
            One with variant weights.
        genes : iterable of str, optional
            All of the study's if not given.
        permutations : int
            For the eQTLs of each gene.
        elsewhere : FromElsewhere, optional
            A table of eQTLs of other people (GTEx, eQTL Catalogue, plain), in place of the cohort's own.
        progress : Progress, optional

        Returns
        -------
        Mismatches
            ``.variants``, ``.genes`` (with a verdict and a sentence each), ``.summary``.
        """
        loci = None if genes is None else self.loci(genes)
        return mismatching.compare_directions(
            self, model, linear, loci, permutations=permutations, elsewhere=elsewhere, progress=progress
        )

    # -- sharing ---------------------------------------------------------------------------------------------------

    def note(self, about: str, text: str, author: str = "") -> Note:
        """Write a note; it is kept with the study's results, where the app shows it, too.

        Parameters
        ----------
        about : str
            A gene (id or symbol), a variant (contig:pos:ref:alt) or a region (contig:start-end), both 1-based.
        text : str
        author : str
            As you want to be named.
        """
        return sharing.add_note(self, about, text, author)

    def keep_view(self, page: Page, gene: str | None = None, **fields: Any) -> View:
        """Keep a view for the session, as the app's button does.

        Parameters
        ----------
        page : {"data", "overview", "gene", "locus", "mismatches"}
        gene : str, optional
            Id or symbol.
        **fields
            Others of :class:`gexviz.session.contents.View`: ``title``, ``text``, ``model``, ``linear``, ``variant``,
            ``variants``, ``region``, ``method``, ``filters``.
        """
        return sharing.add_view(self, page, gene, fields)

    @shows_progress
    def save(
        self,
        path: str | Path,
        level: Level = "aggregate",
        *,
        confirm: str | None = None,
        title: str | None = None,
        compute: bool = False,
        progress: Progress | None = None,
    ) -> Saved:
        """Save what was kept (views and notes) with the results that they show, as a file that opens anywhere.

        Without kept views, it holds the overview and the genes of the notes.

        Parameters
        ----------
        path : path
            As ``tango2.gexviz.zip``.
        level : {"aggregate", "pseudonymous", "full"}
            Of privacy, see docs/privacy.md. ``full`` also needs the study's name as `confirm`.
        confirm : str, optional
        title : str, optional
            Of the story, in this file.
        compute : bool
            Compute what is not stored yet; else it is left out, and the file says so.
        progress : Progress, optional

        Raises
        ------
        GexvizError
            As :func:`gexviz.freezing.freeze`, and for a file that can't be written.
        """
        return sharing.save(self, path, level, confirm=confirm, title=title, compute=compute, progress=progress)

    # -- the inner workings ------------------------------------------------------------------------------------------

    def _run(self, model: str, kind: Kind) -> Run:
        """Everything that all of a model's predictions depend on."""
        opened = self.model(model)
        inputs = {f"model {k}": v for k, v in self.fingerprint(model).items()} | {"code": str(prediction.SCHEMA)}
        reads_sequence = isinstance(opened, PredictsSequences)
        if reads_sequence:
            inputs |= self.digests("reference")
        if isinstance(opened, DependsOnGene):
            inputs |= self.digests("genes")
        if kind == "reference":
            return Run(inputs, ())
        if reads_sequence or isinstance(opened, PredictsDosages):
            policy = self.config.cohort
            inputs |= self.digests("genotypes") | {"missing calls": policy.missing, "unphased calls": policy.unphased}
        return Run(inputs, tuple(self.samples.index))

    def digests(self, role: str) -> dict[str, str]:
        """Content hash of each file of a role, as results are keyed by; none if the study names none."""
        paths = self.cohort.files.get(role, [])
        alike = len({path.name for path in paths}) < len(paths)
        return {f"{role} {path if alike else path.name}": self.results.file_digest(path) for path in paths}

    def _require_match(self, model: str) -> None:
        """See that genotypes and reference, and a linear model's positions, are of one build."""
        opened = self.model(model)
        if isinstance(opened, PredictsSequences | PredictsDosages):
            self.cohort.require_matching_reference()
        genome = opened.spec.genome
        if isinstance(opened, PredictsDosages) and genome and not same_build(genome, self.config.study.genome):
            raise GexvizError(
                f"the weights' positions are of {genome}, the study is {self.config.study.genome}",
                file=self.config.path,
                place=self.config.place("models", model),
                expected="weights and genotypes of one genome build",
                remedy="use weights of the study's build; positions of another would match by chance",
            )

    def key(self, model: str, kind: Kind, gene: GeneLocus) -> str:
        """Hash of everything that a gene's prediction depends on, as the files are now."""
        return self._key(self._run(model, kind), gene)

    def _key(self, wanted: Run, gene: GeneLocus) -> str:
        return digest_of(wanted.digest, gene.id, gene.contig, gene.tss, gene.strand)

    def _fresh(self, model: str, kind: Kind, loci: Sequence[GeneLocus]) -> Iterator[Record]:
        """Stored records that belong to the files as they are now, in the order of `loci`."""
        wanted = self._run(model, kind)
        stored = {r.gene: r for r in self.results.records(kind, model, [g.id for g in loci])}
        for gene in loci:
            if gene.id in stored and stored[gene.id].key == self._key(wanted, gene):
                yield stored[gene.id]

    def _values(self, model: str, record: Record) -> np.ndarray:
        numbers = _numbers(record)
        return numbers if numbers.ndim == 1 else prediction.combine(numbers, self.spec(model).haplotypes)

    def _out_of_fold(self, model: str, loci: Sequence[GeneLocus]) -> pd.DataFrame | None:
        opened = self.model(model)
        if not isinstance(opened, PredictsOutOfFold):
            return None
        samples = self.samples.index
        known = {g.id: opened.out_of_fold(g) for g in loci}
        rows = {g: s.reindex(samples).to_numpy(np.float64) for g, s in known.items() if s is not None}
        values = np.stack(list(rows.values())) if rows else np.zeros((0, len(samples)))
        return pd.DataFrame(values, index=pd.Index(rows, name="gene", dtype=object), columns=samples)

    def __reduce__(self) -> tuple[object, ...]:
        return _reopened, (str(self.config.path), self._results_argument, self.config.allowed, self._config_digest)

    @cached_property
    def _config_digest(self) -> str:
        return digest_of(self.config.model_dump(mode="json", exclude={"lines"}))


def load(path: str | Path, results: str | Path | None = None, allowed: Allowed | None = None) -> Study:
    """Open a study.

    Parameters
    ----------
    path : path
        Its ``study.toml``.
    results : path, optional
        Results folder, in place of the configured one.
    allowed : Allowed, optional
        Folders that the TOML, and every file named in it, must be in; anywhere if not given.

    Returns
    -------
    Study

    Raises
    ------
    GexvizError
        Naming the key and line of what is wrong in the TOML.
    """
    return Study(read_config(path, allowed), results)


@lru_cache(maxsize=2)
def _reopened(path: str, results: str | None, allowed: Allowed | None, config_digest: str) -> Study:
    """A study in another process, opened once there; anew when its TOML was edited (`config_digest`)."""
    return load(path, results, allowed)


def _numbers(record: Record) -> np.ndarray:
    assert record.numbers is not None
    return record.numbers


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts) if parts else np.zeros(0)


def _changed(before: Run, now: Run) -> str:
    """Say in what two runs differ."""
    names = sorted(n for n in before.inputs.keys() | now.inputs.keys() if before.inputs.get(n) != now.inputs.get(n))
    if names:
        return ", ".join(names) + " changed since"
    return "other people are in the study now" if before.samples != now.samples else "the gene's place has changed"
