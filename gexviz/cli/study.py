"""Commands on a whole study: ``check``, ``train linear``, ``train head``, ``predict``, ``evaluate``, ``haplotypes``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
import rich.text
import typer

from gexviz.analysis.settings import LinearMethod, LinearSettings
from gexviz.cli.shared import (
    Genes,
    Jobs,
    ModelName,
    OneGene,
    OutFile,
    ResultsFolder,
    StudyFile,
    app,
    beside,
    err,
    out,
    progress,
    readable,
    show,
    write_table,
)
from gexviz.computing import Kind
from gexviz.errors import GexvizError
from gexviz.files import written_whole
from gexviz.lazy import lazy
from gexviz.study import Study, load
from gexviz.tasks import local_executor

heads = lazy("gexviz.heads")

train = typer.Typer(no_args_is_help=True, help="Train models on the cohort.")
app.add_typer(train, name="train")

_STATUS = {"ok": "green", "warn": "yellow", "error": "bold red"}


@app.command(epilog="Example: gexviz check study.toml --out checks.tsv")
@readable
def check(
    study: StudyFile,
    table: Annotated[Path | None, typer.Option("--out", "-o", help="Also write the table (TSV).")] = None,
) -> None:
    """Look a study over before computing: files, names, builds, people, genes. Exits with 1 if anything is an error."""
    with progress("checking") as told:
        found = load(study).check(told)
    if table is not None:
        write_table(found, table)
    for file, name, status, text, todo in found.to_numpy(str).tolist():
        out.print(rich.text.Text(f"{status:<6}", style=_STATUS[status]) + f"{file}, {name}: {text}")
        if todo and status != "ok":
            out.print(f"      to do: {todo}", markup=False)
    if (found["status"] == "error").any():
        raise typer.Exit(1)


@train.command("linear", epilog="Example: gexviz train linear study.toml --out enet.db --jobs 2")
@readable
def train_linear(
    study: StudyFile,
    weights: OutFile,
    genes: Genes = None,
    method: Annotated[LinearMethod, typer.Option(help="enet as PrediXcan, lasso, ridge, or top_eqtl.")] = "enet",
    window: Annotated[int, typer.Option(help="bp on each side of the TSS.")] = 1_000_000,
    maf: Annotated[float, typer.Option(help="Least frequency of the rarer allele.")] = 0.01,
    alpha: Annotated[float, typer.Option(help="Share of the lasso penalty in enet.")] = 0.5,
    seed: Annotated[int, typer.Option(help="Of the folds.")] = 1,
    keep: Annotated[
        Literal["significant", "all"],
        typer.Option(help="Genes that go into the file: significant (PredictDB's rule), or all."),
    ] = "significant",
    jobs: Jobs = 1,
    results: ResultsFolder = None,
) -> None:
    """Train linear models with PrediXcan's nested cross-validation; writes a PredictDB file.

    Everybody's out-of-fold predictions are written beside it.
    """
    settings = LinearSettings(method=method, window=window, maf=maf, alpha=alpha, seed=seed, keep=keep)
    opened = load(study, results)
    with progress("training") as told, local_executor(jobs) as executor:
        summary = opened.train_linear(weights, genes, settings=settings, executor=executor, progress=told)
    out.print(str(summary), markup=False)


@train.command("head", epilog="Example: gexviz train head study.toml --model nt --out nt.safetensors")
@readable
def train_head(
    study: StudyFile,
    model: ModelName,
    head: OutFile,
    genes: Genes = None,
    method: Annotated[
        Literal["ridge", "mlp", "attention"],
        typer.Option(help="ridge: linear. mlp: one hidden layer. attention: over parts of the window, then linear."),
    ] = "ridge",
    across: Annotated[
        Literal["genes", "people"],
        typer.Option(help="One head for all genes, each predicted by a fold without it; or one a gene, across people."),
    ] = "genes",
    folds: Annotated[int, typer.Option(help="Of genes, stretches of the genome; or of people, at most 12.")] = 5,
    seed: Annotated[int, typer.Option(help="Of the folds of people, and of what networks draw.")] = 1,
    segments: Annotated[int, typer.Option(help="Equal parts of the window that attention reads, 2 to 64.")] = 16,
    units: Annotated[int, typer.Option(help="Hidden units of each network of mlp.")] = 32,
    jobs: Jobs = 1,
    results: ResultsFolder = None,
) -> None:
    """Train a head on a language model's embeddings; writes a safetensors file.

    Across people, everybody's out-of-fold predictions are written beside it.
    """
    settings = heads.HeadSettings(method=method, across=across, folds=folds, seed=seed, segments=segments, units=units)
    opened = load(study, results)
    with progress("training") as told, local_executor(jobs) as executor:
        summary = opened.train_head(model, head, genes, settings=settings, executor=executor, progress=told)
    out.print(str(summary), markup=False)


@app.command(epilog="Example: gexviz predict study.toml --model xpresso --gene TANGO2 --out predictions.tsv")
@readable
def predict(
    study: StudyFile,
    model: ModelName,
    table: OutFile,
    genes: Genes = None,
    reference: Annotated[bool, typer.Option("--reference", help="Predict the reference sequence, not people.")] = False,  # noqa: FBT002
    jobs: Jobs = 1,
    results: ResultsFolder = None,
) -> None:
    """Predict expression of every person; what is stored and fresh is not computed again.

    Writes gene, sample, value (with --reference: gene, value). A model trained on the cohort is applied to the people
    it
    was trained on: `gexviz evaluate` uses its out-of-fold predictions instead.
    """
    opened = load(study, results)
    kind: Kind = "reference" if reference else "prediction"
    before = opened.status(model, genes, kind)
    stale = before[before["state"] == "stale"]
    if len(stale):
        err.print(f"{len(stale)} stored genes are stale ({stale['reason'].iat[0]}); they are computed again")
    with progress("predicting") as told, local_executor(jobs) as executor:
        found = opened.predict(model, genes, reference=reference, executor=executor, progress=told)
    columns = ["gene", "value"] if reference else ["gene", "sample", "value"]
    write_table(found[columns], table)
    after = opened.status(model, genes, kind)
    done = int((before["state"] != after["state"]).sum())
    out.print(f"{table}: {len(found):,} rows, {found['gene'].nunique():,} genes; {done:,} computed now")
    for reason, rows in after[after["state"] == "unavailable"].groupby("reason"):
        err.print(f"{len(rows):,} genes not served: {reason}", markup=False)


@app.command(epilog="Example: gexviz evaluate study.toml --model xpresso --model enet --out evaluation.tsv")
@readable
def evaluate(
    study: StudyFile,
    table: OutFile,
    models: Annotated[list[str] | None, typer.Option("--model", "-m", help="Repeat for more. [all]")] = None,
    null: Annotated[
        Literal["analytic", "permutation", "random_weights"], typer.Option(help="What p is computed against.")
    ] = "analytic",
    within: Annotated[bool, typer.Option("--within-populations", help="Also within each population.")] = False,  # noqa: FBT002
    results: ResultsFolder = None,
) -> None:
    """Compare stored predictions with observed expression, over held-out or out-of-fold people only.

    Writes FILE.tsv (a row a gene and model), FILE.individuals.tsv (across genes, a row a person) and FILE.benchmark.tsv
    (reference correlation, across genes, across individuals, with published figures beside).
    """
    opened = load(study, results)
    names = models or opened.model_names
    _require_predictions(opened, names)
    with progress("evaluating") as told:
        genes = [opened.evaluate(m, null=null, progress=told).reset_index().assign(model=m) for m in names]
        if within:
            genes += [opened.evaluate(m, null=null, population="each", progress=told).reset_index().assign(model=m)
                      for m in names]  # fmt: skip
    people = [opened.evaluate(m, by="individual").reset_index().assign(model=m) for m in names]
    benchmark = opened.benchmark(names)
    write_table(pd.concat(genes), table)
    write_table(pd.concat(people), beside(table, "individuals"))
    write_table(benchmark, beside(table, "benchmark"))
    show(benchmark[["model", "row", "value", "low", "high", "n", "unit", "published", "reason"]])


@app.command(epilog="Example: gexviz haplotypes study.toml --gene TANGO2 --model xpresso --out haplotypes.fa")
@readable
def haplotypes(
    study: StudyFile,
    gene: OneGene,
    model: ModelName,
    fasta: OutFile,
) -> None:
    """Write each person's two haplotype sequences of a model's window, as records >sample|1 and >sample|2."""
    opened = load(study)
    found = opened.gene(gene).haplotypes(model)
    with written_whole(fasta) as draft, draft.open("w") as handle:
        for sample, rows in found.index.iterrows():
            for copy, row in zip((1, 2), rows, strict=True):
                if row >= 0:
                    handle.write(f">{sample}|{copy}\n{found.sequences[row].tobytes().decode('ascii')}\n")
    out.print(f"{fasta}: window {found.window}; {int(found.copies.sum())} haplotypes, {len(found.sequences)} distinct")
    out.print(", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in found.counts.items()))


def _require_predictions(study: Study, models: list[str]) -> None:
    for model in models:
        state = study.status(model)["state"]
        if not state.isin(["ready", "unavailable"]).any():
            raise GexvizError(
                f"nothing is predicted yet with {model}",
                file=study.results.folder,
                expected=f"{len(state):,} genes predicted; found {(state == 'stale').sum():,} stale, the rest missing",
                remedy=f"gexviz predict {shlex.quote(str(study.config.path))} --model {model} --out {model}.tsv",
            )
        waiting = int(state.isin(["stale", "missing"]).sum())
        if waiting:
            err.print(f"{model}: {waiting:,} of {len(state):,} genes are missing or stale and left out")
