"""What all commands share: their options, readable errors, progress, tables."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import rich.console
import rich.progress
import rich.table
import rich.text
import typer

from gexviz.errors import Cancelled, GexvizError
from gexviz.files import written_whole
from gexviz.tasks import Progress

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Why does a sequence model fail across people, at which genes, through which variants?",
)

out = rich.console.Console(soft_wrap=True, width=None if sys.stdout.isatty() else 160)
err = rich.console.Console(stderr=True, soft_wrap=True, highlight=False)

StudyFile = Annotated[Path, typer.Argument(metavar="STUDY", help="The study's TOML.", show_default=False)]
ModelName = Annotated[str, typer.Option("--model", "-m", help="A model of the study.", show_default=False)]
OutFile = Annotated[Path, typer.Option("--out", "-o", help="File to write.", show_default=False)]
Genes = Annotated[list[str] | None, typer.Option("--gene", "-g", help="Gene id or symbol; repeat for more. [all]")]
OneGene = Annotated[str, typer.Option("--gene", "-g", help="Gene id or symbol.", show_default=False)]
ResultsFolder = Annotated[Path | None, typer.Option("--results", help="Results folder, in place of the study's.")]
Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes to use.")]


@app.callback()
def options(*, debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False) -> None:
    """Options of every command."""
    _debug.append(debug)


_debug: list[bool] = []


def readable(command: Callable[..., None]) -> Callable[..., None]:
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


@contextmanager
def progress(verb: str) -> Iterator[Progress]:
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


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a TSV, whole or not at all; what is missing is NA."""
    with written_whole(path) as draft:
        table.to_csv(draft, sep="\t", index=False, na_rep="NA")


def beside(path: Path, name: str) -> Path:
    """``F.tsv`` -> ``F.name.tsv``."""
    return path.with_name(f"{path.stem}.{name}{path.suffix}")


def show(table: pd.DataFrame) -> None:
    """Print a table for people."""
    drawn = rich.table.Table(*map(str, table.columns), box=None, pad_edge=False)
    for row in table.itertuples(index=False):
        cells = ["" if pd.isna(c) else f"{c:.3g}" if isinstance(c, float) else str(c) for c in row]
        drawn.add_row(*(rich.text.Text(c) for c in cells))
    out.print(drawn)
