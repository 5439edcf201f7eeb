"""The command line: ``gexviz check | train linear | predict | evaluate | haplotypes | demo``."""

from __future__ import annotations

import functools
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
import rich.console
import rich.progress
import rich.table
import rich.text
import typer

from gexviz.analysis.settings import LinearSettings
from gexviz.computing import Kind
from gexviz.errors import Cancelled, GexvizError
from gexviz.files import written_whole
from gexviz.lazy import lazy
from gexviz.study import Study, load
from gexviz.tasks import Progress, local_executor

build = lazy("gexviz.demo_study.build")
demo_study = lazy("gexviz.demo_study")

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Why does a sequence model fail across people, at which genes, through which variants?",
)
train = typer.Typer(no_args_is_help=True, help="Train models on the cohort.")
demo = typer.Typer(no_args_is_help=True, help="The simulated demo study.")
app.add_typer(train, name="train")
app.add_typer(demo, name="demo")

out = rich.console.Console(soft_wrap=True, width=None if sys.stdout.isatty() else 160)
err = rich.console.Console(stderr=True, soft_wrap=True, highlight=False)

StudyFile = Annotated[Path, typer.Argument(metavar="STUDY", help="The study's TOML.", show_default=False)]
ModelName = Annotated[str, typer.Option("--model", "-m", help="A model of the study.", show_default=False)]
OutFile = Annotated[Path, typer.Option("--out", "-o", help="File to write.", show_default=False)]
Genes = Annotated[list[str] | None, typer.Option("--gene", "-g", help="Gene id or symbol; repeat for more. [all]")]
ResultsFolder = Annotated[Path | None, typer.Option("--results", help="Results folder, in place of the study's.")]
Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes to use.")]


@app.callback()
def options(*, debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False) -> None:
    """Options of every command."""
    _debug.append(debug)


_debug: list[bool] = []
_STATUS = {"ok": "green", "warn": "yellow", "error": "bold red"}


def _readable(command: Callable[..., None]) -> Callable[..., None]:
    """Show what people can act on as one block on stderr, and exit with 1; tracebacks only with --debug."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except (Cancelled, KeyboardInterrupt):
            err.print("stopped; what was finished is kept, and the same command goes on from there")
            raise typer.Exit(130) from None
        except typer.Exit:
            raise
        except Exception as error:
            if any(_debug):
                raise
            err.print("error: ", style="bold red", end="")
            err.print(str(_told(error)), markup=False)
            raise typer.Exit(1) from None

    return wrapped


def _told(error: Exception) -> GexvizError:
    """Any exception as one that people can act on."""
    if isinstance(error, GexvizError):
        return error
    if isinstance(error, OSError) and error.filename is not None:
        return GexvizError(
            f"the file can't be read: {error.strerror}",
            file=error.filename,
            expected="a file that this user may read",
            remedy="correct the path or its permissions",
        )
    return GexvizError(
        f"gexviz failed: {type(error).__name__}: {error}",
        expected="a message that says what to do; this is a fault of gexviz",
        remedy="run the same with `gexviz --debug ...`, and report what it prints",
    )


@app.command(epilog="Example: gexviz check study.toml --out checks.tsv")
@_readable
def check(
    study: StudyFile,
    table: Annotated[Path | None, typer.Option("--out", "-o", help="Also write the table (TSV).")] = None,
) -> None:
    """Look a study over before computing: files, names, builds, people, genes. Exits with 1 if anything is an error."""
    with _progress("checking") as progress:
        found = load(study).check(progress)
    if table is not None:
        _write_table(found, table)
    for file, name, status, text, todo in found.to_numpy(str).tolist():
        out.print(rich.text.Text(f"{status:<6}", style=_STATUS[status]) + f"{file}, {name}: {text}")
        if todo and status != "ok":
            out.print(f"      to do: {todo}", markup=False)
    if (found["status"] == "error").any():
        raise typer.Exit(1)


@train.command("linear", epilog="Example: gexviz train linear study.toml --out enet.db --jobs 2")
@_readable
def train_linear(
    study: StudyFile,
    weights: OutFile,
    genes: Genes = None,
    window: Annotated[int, typer.Option(help="bp on each side of the TSS.")] = 1_000_000,
    maf: Annotated[float, typer.Option(help="Least frequency of the rarer allele.")] = 0.01,
    alpha: Annotated[float, typer.Option(help="Elastic-net mixing: 1 lasso, 0 ridge.")] = 0.5,
    seed: Annotated[int, typer.Option(help="Of the folds.")] = 1,
    keep: Annotated[
        Literal["significant", "all"],
        typer.Option(help="Genes that go into the file: significant (PredictDB's rule), or all."),
    ] = "significant",
    jobs: Jobs = 1,
    results: ResultsFolder = None,
) -> None:
    """Train elastic nets as PrediXcan does; writes a PredictDB file and out-of-fold predictions beside it."""
    settings = LinearSettings(window=window, maf=maf, alpha=alpha, seed=seed, keep=keep)
    opened = load(study, results)
    with _progress("training") as progress, local_executor(jobs) as executor:
        summary = opened.train_linear(weights, genes, settings=settings, executor=executor, progress=progress)
    out.print(str(summary), markup=False)


@app.command(epilog="Example: gexviz predict study.toml --model xpresso --gene TANGO2 --out predictions.tsv")
@_readable
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
    with _progress("predicting") as progress, local_executor(jobs) as executor:
        found = opened.predict(model, genes, reference=reference, executor=executor, progress=progress)
    columns = ["gene", "value"] if reference else ["gene", "sample", "value"]
    _write_table(found[columns], table)
    after = opened.status(model, genes, kind)
    done = int((before["state"] != after["state"]).sum())
    out.print(f"{table}: {len(found):,} rows, {found['gene'].nunique():,} genes; {done:,} computed now")
    for reason, rows in after[after["state"] == "unavailable"].groupby("reason"):
        err.print(f"{len(rows):,} genes not served: {reason}", markup=False)


@app.command(epilog="Example: gexviz evaluate study.toml --model xpresso --model enet --out evaluation.tsv")
@_readable
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
    with _progress("evaluating") as progress:
        genes = [opened.evaluate(m, null=null, progress=progress).reset_index().assign(model=m) for m in names]
        if within:
            genes += [opened.evaluate(m, null=null, population="each", progress=progress).reset_index().assign(model=m)
                      for m in names]  # fmt: skip
    people = [opened.evaluate(m, by="individual").reset_index().assign(model=m) for m in names]
    benchmark = opened.benchmark(names)
    _write_table(pd.concat(genes), table)
    _write_table(pd.concat(people), _beside(table, "individuals"))
    _write_table(benchmark, _beside(table, "benchmark"))
    _show(benchmark[["model", "row", "value", "low", "high", "n", "unit", "published", "reason"]])


@app.command(epilog="Example: gexviz haplotypes study.toml --gene TANGO2 --model xpresso --out haplotypes.fa")
@_readable
def haplotypes(
    study: StudyFile,
    gene: Annotated[str, typer.Option("--gene", "-g", help="Gene id or symbol.", show_default=False)],
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


@demo.command("build", epilog="Example: gexviz demo build --seed 7")
@_readable
def demo_build(
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 7,
    folder: Annotated[Path | None, typer.Option("--out", help="Folder to write. [data/demo of the checkout]")] = None,
) -> None:
    """Simulate the demo study anew, and train its models."""
    target = folder or demo_study.demo_folder()
    with _progress("building") as progress:
        build.build_demo(target, seed=seed, progress=progress)
    out.print(f"{target}: built with seed {seed}")


@demo.command("path")
@_readable
def demo_path() -> None:
    """Print where the demo's study.toml is."""
    out.print(str(demo_study.demo_study_path()), markup=False)


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


@contextmanager
def _progress(verb: str) -> Iterator[Progress]:
    """A bar with the time left on a terminal; nothing where stderr is a file."""
    columns = (
        rich.progress.TextColumn("{task.description}"),
        rich.progress.BarColumn(),
        rich.progress.MofNCompleteColumn(),
        rich.progress.TimeRemainingColumn(),
    )
    with rich.progress.Progress(*columns, console=err, transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(verb, total=None)
        yield lambda done, total, label: bar.update(task, completed=done, total=total, description=f"{verb} {label}")


def _write_table(table: pd.DataFrame, path: Path) -> None:
    with written_whole(path) as draft:
        table.to_csv(draft, sep="\t", index=False, na_rep="NA")


def _beside(path: Path, name: str) -> Path:
    """``F.tsv`` -> ``F.name.tsv``."""
    return path.with_name(f"{path.stem}.{name}{path.suffix}")


def _show(table: pd.DataFrame) -> None:
    """Print a table for people."""
    drawn = rich.table.Table(*map(str, table.columns), box=None, pad_edge=False)
    for row in table.itertuples(index=False):
        cells = ["" if pd.isna(c) else f"{c:.3g}" if isinstance(c, float) else str(c) for c in row]
        drawn.add_row(*(rich.text.Text(c) for c in cells))
    out.print(drawn)


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
