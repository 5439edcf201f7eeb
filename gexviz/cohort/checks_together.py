"""Checks of a cohort's files against each other, for the preflight."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import pandas as pd

from gexviz.cohort.alleles import LIMIT, AlleleCheck, check_alleles
from gexviz.cohort.builds import build_of_lengths, known_build, same_build
from gexviz.cohort.checks import Row, Status, some
from gexviz.cohort.cohort import Cohort
from gexviz.cohort.contigs import resolve_contig
from gexviz.cohort.probe import probe_vcf
from gexviz.cohort.study_genes import disagreeing_tss

_FEW = 30


def contig_names(cohort: Cohort, usable: Collection[str]) -> Iterator[Row]:
    """Whether the files name the reference's contigs, under any of their names."""
    if "genotypes" in usable:
        yield _contigs(cohort, some([p.name for p in cohort.genotype_paths], 3), list(cohort.genotypes.contigs))
    if "genes" in usable:
        yield _contigs(cohort, cohort.path_of("genes").name, list(cohort.annotation_as_written["contig"].unique()))
    if "expression" in usable and (positions := cohort.measured_as_written.positions) is not None:
        yield _contigs(cohort, cohort.path_of("expression").name, list(positions["contig"].unique()))


def _contigs(cohort: Cohort, file: str, names: list[str]) -> Row:
    contigs = cohort.reference.contigs
    found = {name: resolve_contig(name, contigs) for name in names}
    lacking = [name for name, other in found.items() if other is None]
    texts = [f"{len(names) - len(lacking):,} of {len(names):,} contigs are in the reference"]
    texts += [f"{name} is read as its {other}" for name, other in found.items() if other not in (None, name)][:1]
    if not lacking:
        return Row(file, "contig names", "ok", "; ".join(texts))
    text = "; ".join([*texts, f"not in it: {some(lacking)}"])
    if len(lacking) < len(names):
        return Row(file, "contig names", "warn", text, "what lies on these contigs is left out")
    return Row(file, "contig names", "error", text, f"use files of one genome; the reference has {some(contigs)}")


def genome_build(cohort: Cohort, usable: Collection[str]) -> Iterator[Row]:
    """Builds, told from contig lengths, against the study's."""
    stated = cohort.config.study.genome
    if known_build(stated) is None and not cohort.config.study.simulated:
        todo = "write GRCh37, GRCh38 or T2T-CHM13 if it is one of these: models are checked against it"
        yield Row(cohort.config.path.name, "genome build", "warn", f"{stated} is no build that gexviz knows", todo)
    if "reference" in usable:
        yield _build(cohort, cohort.reference.path.name, dict(cohort.reference.contigs))
    if "genotypes" in usable:
        for path in cohort.genotype_paths:
            yield _build(cohort, path.name, probe_vcf(path).contigs)


def _build(cohort: Cohort, file: str, lengths: dict[str, int | None]) -> Row:
    stated, build = cohort.config.study.genome, build_of_lengths(lengths)
    if build is None:
        return Row(file, "genome build", "ok", f"not told by its contig lengths; the study says {stated}")
    if same_build(build, stated):
        return Row(file, "genome build", "ok", f"{build}, by its contig lengths")
    found = f"its contig lengths are those of {build}; the study says {stated}"
    todo = f"use files of {stated}, or correct {cohort.config.place('study', 'genome')}"
    return Row(file, "genome build", "error", found, todo)


def sample_overlap(cohort: Cohort) -> Iterator[Row]:
    """Who has genotypes and expression."""
    called, expressed = pd.Index(cohort.genotypes.samples), cohort.measured_as_written.raw.columns
    shared = len(cohort.samples)
    texts, todo = [f"{shared:,} samples have genotypes and expression"], ""
    if len(lacking := expressed.difference(called, sort=False)):
        texts.append(f"expression but no genotypes: {some(lacking)}")
        todo = "they are left out; if their ids differ between the files, rename them"
    if len(more := called.difference(expressed, sort=False)):
        texts.append(f"genotypes only, not used: {some(more)}")
    if shared < _FEW:
        todo = "add people: correlations across so few say little"
    yield Row("genotypes, expression", "samples", "warn" if todo else "ok", "; ".join(texts), todo)


def expression_values(cohort: Cohort) -> Iterator[Row]:
    """Constant genes and missing values, among the study's people."""
    file = cohort.path_of("expression").name
    raw = cohort.expression.raw
    known = raw.notna().to_numpy()
    constant, holes = raw.index[raw.nunique(axis=1).le(1)], raw.index[raw.isna().any(axis=1)]
    if len(constant):
        found = f"{len(constant):,} genes have one value in everybody, or none: {some(constant)}"
        yield Row(file, "constant genes", "warn", found, "they are reported as undefined; drop what is not expressed")
    else:
        yield Row(file, "constant genes", "ok", "none")
    if len(holes):
        found = f"{(~known).mean():.2%} of the values, in {len(holes):,} genes: {some(holes)}"
        yield Row(file, "missing values", "warn", found, "people without a value are left out, gene by gene")
    else:
        yield Row(file, "missing values", "ok", "none")


def people_rows(cohort: Cohort) -> Iterator[Row]:
    """People of the study whom the samples file lacks."""
    file = cohort.path_of("samples").name
    lacking = cohort.samples.index.difference(cohort.people.index, sort=False)
    if len(lacking):
        yield Row(file, "samples", "warn", f"no row for {some(lacking)}", "add them, with their population")
    else:
        yield Row(file, "samples", "ok", f"a row for each of the {len(cohort.samples):,} people")


def covariates(cohort: Cohort) -> Iterator[Row]:
    """Read the covariates of the study's people."""
    file, table = cohort.path_of("covariates").name, cohort.covariates
    assert table is not None
    found = f"{table.shape[1]:,} covariates for all {len(table):,} people"
    constant = table.columns[table.nunique() <= 1]
    if table.shape[1] >= len(table) - 2:
        yield Row(file, "covariates", "error", f"{found}: nothing is left of the expression", "use fewer")
    elif len(constant):
        yield Row(file, "covariates", "warn", f"{found}; constant: {some(constant)}", "drop them")
    else:
        yield Row(file, "covariates", "ok", found)


def calls(cohort: Cohort, usable: Collection[str]) -> Iterator[Row]:
    """REF alleles of sampled sites against the reference; phasing; missing calls."""
    file = some([p.name for p in cohort.genotype_paths], 3)
    if {"placed", "people"} <= set(usable):
        found = cohort.alleles
    else:
        found = check_alleles(cohort.genotypes, cohort.reference, None)
    yield _ref_alleles(file, found)
    if found.sites:
        yield _phasing(file, found, cohort.config.cohort.unphased)
        yield _missing(file, found, cohort.config.cohort.missing)
    if found.unusable:
        text = f"{found.unusable:,} of {found.sites:,} sampled sites have only symbolic alleles or *"
        yield Row(file, "allele kinds", "ok", f"{text}; they are skipped and counted")


def _ref_alleles(file: str, found: AlleleCheck) -> Row:
    if not found.compared:
        text = "no sampled site lies where the reference has sequence"
        todo = "see that genotypes, genes and reference are of one build and name the same contigs"
        return Row(file, "REF alleles", "error", text, todo)
    text = f"{found.mismatched:,} of {found.compared:,} sampled sites differ from the reference ({found.share:.2%})"
    if not found.mismatched:
        return Row(file, "REF alleles", "ok", text)
    text = f"{text}: {'; '.join(found.examples)}. Probably {found.cause}"
    return Row(file, "REF alleles", "error" if found.share > LIMIT else "warn", text, found.remedy)


def _phasing(file: str, found: AlleleCheck, policy: str) -> Row:
    share = found.phased / found.heterozygous if found.heterozygous else 1.0
    text = f"{share:.1%} of {found.heterozygous:,} sampled heterozygous calls are phased"
    if share > 0.99:
        return Row(file, "phasing", "ok", text)
    taken = "are taken in the order written" if policy == "as_written" else "become the reference allele"
    return Row(file, "phasing", "warn", text, f"phase them (SHAPEIT, Beagle); unphased calls {taken}")


def _missing(file: str, found: AlleleCheck, policy: str) -> Row:
    share = found.missing / found.calls if found.calls else 0.0
    text = f"{share:.2%} of {found.calls:,} sampled calls"
    text += f"; {found.haploid:,} are haploid" if found.haploid else ""
    if share <= 0.01:
        return Row(file, "missing calls", "ok", text)
    taken = "the reference allele" if policy == "reference" else "N"
    return Row(file, "missing calls", "warn", text, f"impute them; in haplotypes they become {taken}")


def gene_ids(cohort: Cohort) -> Iterator[Row]:
    """Expressed genes that the annotation lacks."""
    placed, file = cohort.placed, _expression_and_genes(cohort)
    unknown = placed.annotated[placed.annotated.isna()].index
    rescued = unknown.intersection(placed.table.index, sort=False)
    lost = unknown.difference(placed.table.index, sort=False)
    total = len(placed.annotated)
    texts = [f"{total - len(unknown):,} of {total:,} expressed genes are in the annotation"]
    if len(rescued):
        texts.append(f"placed where the expression file says: {some(rescued)}")
    if len(lost):
        texts.append(f"left out, as their place is unknown: {some(lost)}")
    status: Status = "warn" if len(unknown) else "ok"
    todo = "use the annotation release that the expression was measured with" if len(unknown) else ""
    yield Row(file, "gene ids", status, "; ".join(texts), todo)


def tss(cohort: Cohort) -> Iterator[Row]:
    """TSS of the expression file against the annotation's."""
    if cohort.measured.positions is None:
        return
    file = _expression_and_genes(cohort)
    differing = disagreeing_tss(cohort.measured, cohort.placed, cohort.annotation)
    total = int(cohort.placed.annotated.notna().sum())
    if differing.empty:
        yield Row(file, "TSS", "ok", f"the same in both files for all {total:,} genes")
        return
    far = int((differing["distance"] > 1_000).sum())
    first = some([f"{gene} by {int(bp):,} bp" for gene, bp in differing["distance"].items()], 3)
    found = f"differs for {len(differing):,} of {total:,} genes, by more than 1 kb for {far:,}: {first}"
    todo = "the annotation's is used; use the annotation release that the expression was measured with"
    yield Row(file, "TSS", "warn", found, todo)


def genes_on_reference(cohort: Cohort) -> Iterator[Row]:
    """Genes whose TSS the reference doesn't reach."""
    file, genes = cohort.reference.path.name, cohort.placed.table
    inside = genes["tss"] < genes["contig"].map(cohort.reference.contigs).fillna(-1)
    if inside.all():
        yield Row(file, "genes", "ok", f"the TSS of all {len(genes):,} genes lies on it")
        return
    lost = some(genes.index[~inside], 3)
    found = f"the TSS of {int((~inside).sum()):,} of {len(genes):,} genes is past its end or on no contig of it: {lost}"
    todo = "sequence models can't predict them; use a whole reference"
    yield Row(file, "genes", "warn" if inside.any() else "error", found, todo)


def _expression_and_genes(cohort: Cohort) -> str:
    return f"{cohort.path_of('expression').name}, {cohort.path_of('genes').name}"
