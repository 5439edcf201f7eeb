"""Commands on models: ``models`` lists them; below it ``show``, ``fetch``, ``convert-expecto``, ``consent``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

from gexviz.cli.shared import ModelName, OutFile, ResultsFolder, StudyFile, app, out, progress, readable, show
from gexviz.lazy import lazy
from gexviz.study import load

zoo = lazy("gexviz.models.zoo")
expecto_head = lazy("gexviz.models.expecto_head")
fetching = lazy("gexviz.models.fetching")

models = typer.Typer(help="Models of the literature: what each is, whether it opens here, where its weights are.")
app.add_typer(models, name="models")

Family = Annotated[str, typer.Argument(metavar="NAME", help="A family, as `gexviz models` lists it.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print all of it as JSON.")]
_BRIEF = ["family", "status", "input", "gives", "licence", "published"]


@models.callback(invoke_without_command=True, epilog="Example: gexviz models show xpresso")
@readable
def all_models(context: typer.Context, *, as_json: AsJson = False) -> None:
    """List the models of the literature, and which of them open here."""
    if context.invoked_subcommand is not None:
        return
    if as_json:
        typer.echo(json.dumps([_record(model) for model in zoo.zoo().values()], indent=1))
        return
    show(zoo.table()[_BRIEF].rename(columns=zoo.COLUMNS))


@models.command("show", epilog="Example: gexviz models show enformer")
@readable
def show_model(name: Family, *, as_json: AsJson = False) -> None:
    """Show all that is known of a model."""
    model = zoo.zoo_model(name)
    if as_json:
        typer.echo(json.dumps(_record(model), indent=1))
        return
    told = model.told()
    rows = [(label, told[column]) for column, label in zoo.COLUMNS.items()]
    for file in model.files:
        rows += [("File", file.name), ("", file.url), ("", f"SHA-256 {file.sha256 or 'not known'}")]
    show(pd.DataFrame(rows, columns=["What", "Is"]))


@models.command(epilog="Example: gexviz models fetch xpresso --to weights")
@readable
def fetch(
    name: Family,
    file: Annotated[str | None, typer.Option("--file", help="Which of its files.")] = None,
    to: Annotated[Path | None, typer.Option("--to", help="Folder. [$GEXVIZ_CACHE, or the user's cache]")] = None,
    sha256: Annotated[str | None, typer.Option("--sha256", help="Checksum, where gexviz doesn't know it.")] = None,
) -> None:
    """Download weights from their official home.

    The file is kept only if its SHA-256 is right. A download that broke off goes on where it was.
    """
    model = zoo.zoo_model(name)
    chosen = fetching.choose_file(model, file)
    with progress("fetching") as told:
        path = fetching.fetch(chosen, to or fetching.weights_folder(model.family), sha256, told)
    out.print(str(path), markup=False)
    out.print(f"licence: {model.licence}", markup=False)


@models.command("convert-expecto", epilog="Example: gexviz models convert-expecto liver.save --out liver.safetensors")
@readable
def convert_expecto(
    head: Annotated[Path, typer.Argument(metavar="FILE", help="A linear head of ExPecto, XGBoost's .save.")],
    target: OutFile,
) -> None:
    """Convert a linear head of ExPecto, which today's XGBoost can't read, to safetensors.

    The `expecto` family reads both.
    """
    made = expecto_head.convert_head(head, target)
    out.print(f"{target}: {made.weight.shape[0]} x {made.features:,} weights, bias {made.bias:g}", markup=False)


@models.command(epilog="Example: gexviz models consent study.toml --model alphagenome")
@readable
def consent(
    study: StudyFile,
    model: ModelName,
    confirm: Annotated[str | None, typer.Option("--confirm", help="The study's name, to agree. [asked for]")] = None,
    *,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Take the agreement back.")] = False,
    log: Annotated[bool, typer.Option("--log", help="Show what was sent.")] = False,
    results: ResultsFolder = None,
) -> None:
    """Agree that a model which others run may be sent people's sequence; without that, nothing is sent."""
    sending = load(study, results).sending(model)
    if log:
        show(sending.sent())
        return
    if withdraw:
        sending.withdraw()
        out.print("withdrawn: nothing more is sent")
        return
    offer = sending.offer
    for sentence in offer.told():
        out.print(sentence, markup=False)
    if sending.agreed:
        out.print("This is agreed to.")
        return
    sending.agree(typer.prompt("Type the study's name to agree") if confirm is None else confirm, offer.digest)
    out.print("agreed, and on record")


def _record(model: Any) -> dict[str, Any]:
    """A model of the zoo, for JSON."""
    return {**model.model_dump(), "status": model.status}
