"""Commands on the demo study: ``demo build``, ``demo path``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gexviz.cli.shared import app, out, progress, readable
from gexviz.lazy import lazy

build = lazy("gexviz.demo_study.build")
demo_study = lazy("gexviz.demo_study")

demo = typer.Typer(no_args_is_help=True, help="The simulated demo study.")
app.add_typer(demo, name="demo")


@demo.command("build", epilog="Example: gexviz demo build --seed 7")
@readable
def demo_build(
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 7,
    folder: Annotated[Path | None, typer.Option("--out", help="Folder to write. [data/demo of the checkout]")] = None,
) -> None:
    """Simulate the demo study anew, and train its models."""
    target = folder or demo_study.demo_folder()
    with progress("building") as told:
        build.build_demo(target, seed=seed, progress=told)
    out.print(f"{target}: built with seed {seed}")


@demo.command("path")
@readable
def demo_path() -> None:
    """Print where the demo's study.toml is."""
    out.print(str(demo_study.demo_study_path()), markup=False)
