"""A look over a whole study before anything is computed: one table of what was found and what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from gexviz.cohort import checks, checks_models, checks_together
from gexviz.cohort.checks import Row
from gexviz.cohort.checks_models import InputWindow
from gexviz.cohort.cohort import Cohort
from gexviz.errors import Cancelled, GexvizError
from gexviz.tasks import Progress


class _Step(NamedTuple):
    """A check: what must be usable for it, what is usable after it, and the file and label of its own failure."""

    needs: frozenset[str]
    gives: str
    file: str
    label: str
    run: Callable[[], Iterator[Row]]


def preflight(
    cohort: Cohort,
    *,
    windows: Mapping[str, tuple[int, int, bool, str | None]] | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Check the files of a study, one by one and together.

    Parameters
    ----------
    cohort : Cohort
        What was read before is not read again.
    windows : mapping, optional
        For each sequence model: length (bp), index of the TSS base, whether windows are read on the gene's strand, and
        the build its weights belong to (None: any).
    progress : Progress, optional
        Told after each check; raises `Cancelled` to stop.

    Returns
    -------
    DataFrame
        ``file``, ``check``, ``status`` (ok, warn, error), ``found``, ``todo``; a row a finding, single files first.

    Notes
    -----
    Bad input never raises: a file that can't be used is an ``error`` row with its remedy, checks that need it are left
    out, and the others go on. REF alleles and calls are those of some thousand sites near the genes.
    """
    usable: set[str] = set()
    steps = _steps(cohort, windows or {}, usable)
    rows: list[Row] = []
    for done, step in enumerate(steps, start=1):
        if step.needs <= usable:
            found, whole = _guarded(step)
            rows += found
            usable |= {step.gives} if whole else set()
        if progress is not None:
            progress(done, len(steps), f"{step.file}: {step.label}")
    return pd.DataFrame(rows, columns=list(Row._fields)).drop_duplicates(ignore_index=True)


def _steps(
    cohort: Cohort, windows: Mapping[str, tuple[int, int, bool, str | None]], usable: set[str]
) -> list[_Step]:
    """All checks, in an order in which each finds what it needs; they see `usable` as it is when they run."""

    def step(needs: str, gives: str, label: str, run: Callable[..., Iterator[Row]], *args: object) -> _Step:
        file = args[1] if len(args) > 1 and isinstance(args[1], str) else gives or "study"
        return _Step(frozenset(needs.split()), gives, file, label, partial(run, *args))

    configured = cohort.config.cohort
    steps = _genotype_steps(cohort)
    steps += [
        step("", "reference", "opens", checks.reference, cohort),
        step("", "expression", "opens", checks.expression, cohort),
        step("", "genes", "opens", checks.annotation, cohort),
    ]
    if configured.samples is not None:
        steps.append(step("", "samples", "opens", checks.people, cohort))
    if configured.covariates is not None:
        steps.append(step("", "covariates", "opens", checks.covariates, cohort))
    steps += [
        step("reference", "", "contig names", checks_together.contig_names, cohort, usable),
        step("", "", "genome build", checks_together.genome_build, cohort, usable),
        step("genotypes expression" + (" samples" if configured.samples else ""), "people", "samples",
             checks_together.sample_overlap, cohort),
        step("people", "", "expression", checks_together.expression_values, cohort),
        step("reference expression genes", "placed", "gene ids", checks_together.gene_ids, cohort),
        step("placed", "", "TSS", checks_together.tss, cohort),
        step("placed", "", "genes", checks_together.genes_on_reference, cohort),
        step("genotypes reference", "", "REF alleles", checks_together.calls, cohort, usable),
    ]  # fmt: skip
    if configured.samples is not None:
        steps.append(step("people samples", "", "samples", checks_together.people_rows, cohort))
    if configured.covariates is not None:
        steps.append(step("people covariates", "", "covariates", checks_together.covariates, cohort))
    for name, parts in windows.items():
        file, window = f"model {name}", InputWindow(*parts)
        steps += [
            step("", "", "input", checks_models.model_input, cohort, file, window),
            step("reference placed", "", "windows", checks_models.model_windows, cohort, file, window),
            step("genotypes reference placed people", "", "memory", checks_models.memory, cohort, file, window),
        ]
    return steps


def _genotype_steps(cohort: Cohort) -> list[_Step]:
    """A step a genotype file, then one for all together."""
    try:
        paths = cohort.genotype_paths
    except GexvizError:
        paths = []  # told by the last step
    single = [
        _Step(frozenset(), f"genotypes {path}", path.name, "opens", partial(checks.genotype_file, path))
        for path in paths
    ]
    needs = frozenset(step.gives for step in single)
    return [*single, _Step(needs, "genotypes", "genotypes", "opens", partial(checks.genotypes, cohort))]


def _guarded(step: _Step) -> tuple[list[Row], bool]:
    """Run a check; a failure is a row too."""
    rows: list[Row] = []
    try:
        rows.extend(step.run())
    except Cancelled:
        raise
    except GexvizError as error:
        return [*rows, _failure(step, error)], False
    except Exception as error:
        found = f"gexviz stumbled over it: {type(error).__name__}: {error}"
        todo = "please report this, with the file's first lines"
        return [*rows, Row(step.file, step.label, "error", found, todo)], False
    return rows, True


def _failure(step: _Step, error: GexvizError) -> Row:
    file = Path(error.file).name if error.file else step.file
    found = error.problem + (f" ({error.place})" if error.place else "")
    if error.expected and error.remedy:
        found += f"; expected {error.expected}"
    return Row(file, step.label, "error", found, error.remedy or error.expected or "")
