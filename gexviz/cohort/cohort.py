"""A cohort: the files of a study, each opened when it is first used, and what they have in common."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Literal

import pandas as pd

from gexviz.cohort.adjustment import adjusted
from gexviz.cohort.alleles import AlleleCheck, check_alleles, require_match
from gexviz.cohort.contigs import resolve_contig
from gexviz.cohort.expression import Expression, read_expression, transformed
from gexviz.cohort.genes import GeneIndex, read_genes
from gexviz.cohort.genotypes import Genotypes
from gexviz.cohort.reference import Reference
from gexviz.cohort.samples import read_covariates, read_samples
from gexviz.cohort.study_genes import StudyGenes, place_genes
from gexviz.config import StudyConfig
from gexviz.digests import Stamp, stamp
from gexviz.errors import GexvizError, UnknownGene

_SCALES = {"none": "as given", "log2p1": "log2(x + 1)", "inverse_normal": "inverse-normal ranks"}

Role = Literal["reference", "expression", "genes", "samples", "covariates"]


class Cohort:
    """The people's files of a study. Each is read when first used, then kept.

    Parameters
    ----------
    config : StudyConfig

    Notes
    -----
    It pickles as its configuration, so that workers open the files themselves.
    """

    def __init__(self, config: StudyConfig) -> None:
        self.config = config
        self._stamps: dict[Path, Stamp] = {}

    def __reduce__(self) -> tuple[object, ...]:
        return Cohort, (self.config,)

    # -- files -----------------------------------------------------------------------------------------------------

    @cached_property
    def files(self) -> dict[str, list[Path]]:
        """The files of each role that the study has: genotypes, reference, expression, genes, samples, covariates.

        Raises
        ------
        GexvizError
            For a file that isn't there, naming the key and its line.
        """
        roles: tuple[Role, ...] = ("reference", "expression", "genes", "samples", "covariates")
        named = {role: self.path(role) for role in roles}
        return {"genotypes": self.genotype_paths} | {role: [path] for role, path in named.items() if path is not None}

    def changed(self) -> bool:
        """Whether a file was replaced, edited or removed since this cohort first looked at it."""
        return any(stamp(path) != seen for path, seen in list(self._stamps.items()))

    def path(self, role: Role) -> Path | None:
        """The file of a role, or None if the study names none.

        Raises
        ------
        GexvizError
            For a file that isn't there, naming the key and its line.
        """
        value = getattr(self.config.cohort, role)
        return None if value is None else self._seen(self.config.existing(value, "cohort", role))

    def path_of(self, role: Role) -> Path:
        """The file of a role that the study has.

        Raises
        ------
        GexvizError
            If it has none, or the file isn't there.
        """
        path = self.path(role)
        if path is None:
            raise GexvizError(f"the study names no {role} file", file=self.config.path, place=f"[cohort] {role}")
        return path

    @cached_property
    def genotype_paths(self) -> list[Path]:
        """The genotype files; ``{contig}`` in a name stands for any text."""
        paths: list[Path] = []
        for value in self.config.cohort.genotypes:
            if "{contig}" not in value:
                paths.append(self._seen(self.config.existing(value, "cohort", "genotypes")))
                continue
            pattern = self.config.permitted(value, "cohort", "genotypes")
            matching = pattern.parent.glob(pattern.name.replace("{contig}", "*"))
            found = sorted(p for p in matching if p.suffix not in (".tbi", ".csi"))
            if not found:
                raise GexvizError(
                    f"no file is named {pattern.name}",
                    file=self.config.path,
                    place=self.config.place("cohort", "genotypes"),
                    expected=f"files as {pattern.name.format(contig='22')} in {pattern.parent}",
                    remedy="correct the pattern, or list the files",
                )
            paths += [self._seen(self.config.existing(p, "cohort", "genotypes")) for p in found]
        return paths

    def _seen(self, path: Path) -> Path:
        """Note what a file is like before it is read."""
        self._stamps.setdefault(path, stamp(path))
        return path

    # -- what is in them -------------------------------------------------------------------------------------------

    @cached_property
    def genotypes(self) -> Genotypes:
        """Calls of all people."""
        return Genotypes(self.genotype_paths)

    @cached_property
    def reference(self) -> Reference:
        """The reference genome."""
        return Reference(self.path_of("reference"))

    @cached_property
    def annotation(self) -> pd.DataFrame:
        """All annotated genes, as :func:`gexviz.cohort.genes.read_genes`; contigs as the reference names them."""
        return self._in_reference_names(self.annotation_as_written)

    @cached_property
    def annotation_as_written(self) -> pd.DataFrame:
        """All annotated genes; contigs as in the annotation."""
        return read_genes(self.path_of("genes"))

    @cached_property
    def expression(self) -> Expression:
        """Expression of the people of :attr:`samples`, transformed.

        An inverse-normal transform ranks these people only.
        """
        raw = self.measured_as_written.raw[list(self.samples.index)]
        values = transformed(raw, self.config.cohort.transform, self.path_of("expression"))
        return Expression(values, raw, self.measured_as_written.positions)

    @cached_property
    def observed(self) -> pd.DataFrame:
        """What predictions are compared with, gene x sample: :attr:`expression`, adjusted if the study says so.

        Raises
        ------
        GexvizError
            If expression is to be adjusted and the study has no covariates.
        """
        values = self.expression.values
        if not self.config.cohort.adjust:
            return values
        if self.covariates is None:
            raise GexvizError(
                "expression can't be adjusted: the study has no covariates",
                file=self.config.path,
                place=self.config.place("cohort", "adjust"),
                expected="covariates = ... under [cohort]",
                remedy="name the covariates' file, or set adjust = false",
            )
        return adjusted(values, self.covariates)

    @property
    def expression_scale(self) -> str:
        """The unit of :attr:`expression`."""
        return _SCALES[self.config.cohort.transform]

    @property
    def observed_scale(self) -> str:
        """The unit of :attr:`observed`, as people read it on an axis."""
        scale = self.expression_scale
        if self.config.cohort.adjust and self.covariates is not None:
            scale += f", adjusted for {self.covariates.shape[1]} covariates"
        return scale

    @cached_property
    def measured(self) -> Expression:
        """The whole expression file, not transformed; contigs as the reference names them."""
        whole = self.measured_as_written
        if whole.positions is None:
            return whole
        return whole._replace(positions=self._in_reference_names(whole.positions))

    @cached_property
    def measured_as_written(self) -> Expression:
        """The whole expression file, not transformed; contigs as in the file."""
        return read_expression(self.path_of("expression"), "none")

    @cached_property
    def people(self) -> pd.DataFrame:
        """The samples file, whole."""
        return read_samples(self.path_of("samples"))

    @cached_property
    def samples(self) -> pd.DataFrame:
        """People with genotypes and expression, in the genotype file's order: index ``sample``.

        Columns are those of the samples file; people whom it lacks have empty texts.

        Raises
        ------
        GexvizError
            If nobody has both, with some ids of each file.
        """
        expressed = self.measured_as_written.raw.columns
        shared = pd.Index([s for s in self.genotypes.samples if s in expressed], name="sample", dtype="str")
        if shared.empty:
            raise GexvizError(
                "no sample has both genotypes and expression",
                file=self.path_of("expression"),
                place=f"genotypes have {_some(self.genotypes.samples)}; "
                f"expression has {_some(expressed)}",
                expected="the same sample ids in both files",
                remedy="rename the samples in one of them, e.g. bcftools reheader -s names.txt",
            )
        if self.path("samples") is None:
            return pd.DataFrame(index=shared)
        return self.people.reindex(shared, fill_value="")

    @cached_property
    def covariates(self) -> pd.DataFrame | None:
        """Covariates of the people of :attr:`samples`: sample x covariate; None if the study names none.

        Raises
        ------
        GexvizError
            If somebody has none.
        """
        path = self.path("covariates")
        if path is None:
            return None
        table = self.covariates_as_written
        lacking = self.samples.index.difference(table.index)
        if len(lacking):
            raise GexvizError(
                f"{len(lacking)} of {len(self.samples)} samples have no covariates",
                file=path,
                place=_some(lacking),
                expected="a column for each sample that has genotypes and expression",
                remedy="add them, or take these samples out of the expression file",
            )
        return table.loc[self.samples.index]

    @cached_property
    def covariates_as_written(self) -> pd.DataFrame:
        """The covariates file, whole: sample x covariate."""
        return read_covariates(self.path_of("covariates"))

    # -- genes -----------------------------------------------------------------------------------------------------

    @cached_property
    def genes(self) -> pd.DataFrame:
        """Genes with expression and a place, indexed by the expression file's ids.

        Columns of :func:`gexviz.cohort.genes.read_genes` (contigs as the reference names them), and
        ``mean_expression``: the mean over :attr:`samples` of the transformed values (of the raw ones under
        inverse_normal, which makes all means equal).

        See :func:`gexviz.cohort.study_genes.place_genes` for how genes are matched.
        """
        expression = self.expression
        values = expression.raw if self.config.cohort.transform == "inverse_normal" else expression.values
        table = self.placed.table
        return table.assign(mean_expression=values.mean(axis=1).reindex(table.index))

    @cached_property
    def placed(self) -> StudyGenes:
        """How the genes of the expression file were matched to the annotation.

        Raises
        ------
        GexvizError
            If none has a place, with some ids of each file.
        """
        found = place_genes(self.measured, self.annotation)
        if found.table.empty:
            raise GexvizError(
                "no gene of the expression file is in the annotation",
                file=self.path_of("expression"),
                place=f"expression has {_some(found.annotated.index)}; "
                f"the annotation has {_some(self.annotation.index)}",
                expected="the same kind of gene ids in both",
                remedy="use the annotation that the expression was measured with",
            )
        return found

    def find_gene(self, query: str) -> str:
        """Find a gene by id, with or without version, or symbol: the study's id, else the annotation's.

        Raises
        ------
        UnknownGene
            With the nearest genes.
        GexvizError
            For a symbol of several genes, naming their ids.
        """
        study, annotation = self._indexes
        if query in self.genes.index:
            return query
        try:
            return study.resolve(query)
        except UnknownGene:
            return self.study_id(annotation.resolve(query))

    def study_id(self, gene: str) -> str:
        """The expression file's id of an annotated gene; the annotation's own if it has no expression."""
        return self._study_ids.get(gene, gene)

    @cached_property
    def _indexes(self) -> tuple[GeneIndex, GeneIndex]:
        return GeneIndex(self.genes, self.path("expression")), GeneIndex(self.annotation, self.path("genes"))

    @cached_property
    def _study_ids(self) -> dict[str, str]:
        both = self.placed.annotated.dropna()
        return dict(zip(both, both.index, strict=True))

    # -- reference and genotypes together --------------------------------------------------------------------------

    @cached_property
    def alleles(self) -> AlleleCheck:
        """REF alleles of some thousand sites around the study's genes, compared with the reference."""
        return check_alleles(self.genotypes, self.reference, self.genes, list(self.samples.index))

    def require_matching_reference(self) -> None:
        """See that the genotypes belong to this reference.

        Raises
        ------
        GexvizError
            If more than 1% of the REF alleles differ from it, or nothing could be compared; with the likely cause.
        """
        require_match(self.alleles, self.genotype_paths[0], self.reference.path)

    def reference_contig(self, name: str) -> str | None:
        """A contig as the reference names it; None if it has no such contig."""
        return resolve_contig(name, self.reference.contigs)

    def _in_reference_names(self, table: pd.DataFrame) -> pd.DataFrame:
        names = {name: self.reference_contig(name) or name for name in table["contig"].unique()}
        return table.assign(contig=table["contig"].map(names))



def _some(ids: object) -> str:
    listed = list(ids)  # type: ignore[call-overload]
    return ", ".join(map(str, listed[:3])) + (", ..." if len(listed) > 3 else "")
