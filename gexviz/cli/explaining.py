"""Commands on one gene and one model: ``ism``, ``tiles``, ``attribute``, ``attention``, ``effects``, and so on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
import typer

from gexviz.cli.shared import (
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
    write_table,
)
from gexviz.explaining.tiles import Tiling
from gexviz.gene import Gene
from gexviz.lazy import lazy
from gexviz.study import load

gradients = lazy("gexviz.analysis.gradients")
writing = lazy("gexviz.cli.writing")

Region = Annotated[
    str | None, typer.Option("--region", help="contig:start-end, 1-based closed. [the model's whole window]")
]
Sample = Annotated[str | None, typer.Option("--sample", help="On this person's haplotype. [the reference]")]
Copy = Annotated[int | None, typer.Option("--copy", min=1, max=2, help="Which of the person's two. [1]")]
Plain = Annotated[bool, typer.Option("--plain", help="Predict every mutated sequence whole: slow.")]
Method = Annotated[
    Literal["input_x_gradient", "saliency", "smoothgrad", "integrated_gradients", "deeplift", "deeplift_shap"],
    typer.Option("--method", help="How predictions are attributed to bases."),
]
Baseline = Annotated[
    Literal["zero", "uniform", "shuffled"], typer.Option(help="What a method compares the sequence with, if it does.")
]
MotifFile = Annotated[Path, typer.Option("--motifs", help="Motifs in MEME format.", show_default=False)]


@app.command(epilog="Example: gexviz ism study.toml -m xpresso -g TANGO2 --region 22:20,004,000-20,005,000 --out t.npz")
@readable
def ism(
    study: StudyFile,
    model: ModelName,
    gene: OneGene,
    file: OutFile,
    region: Region = None,
    sample: Sample = None,
    copy: Copy = None,
    plain: Plain = False,  # noqa: FBT002
    results: ResultsFolder = None,
) -> None:
    """In-silico mutagenesis: the effect of every single-base substitution.

    Writes an .npz: delta (L, 4), alt - ref on the model's scale, columns A C G T of the forward strand, in genome
    order; position (L,), 1-based; ref (L,); inserted (L,).
    With .tsv: a row a base. With .bedgraph, .bw, .svg, .pdf: minus the mean of each base's three differences.
    """
    opened = load(study, results)
    with progress("mutating") as told:
        found = opened.gene(gene).ism(model, region, sample=sample, copy=_copy(copy), plain=plain, progress=told)
    if file.suffix == ".npz":
        found.save(file)
    else:
        writing.write_bases(found.bases, found.importance, file, found.labels, opened)
    out.print(f"{file}: {found!r}; {found.how}", markup=False)


@app.command(epilog="Example: gexviz tiles study.toml -m xpresso -g TANGO2 --how shuffle --width 128 --out t.tsv")
@readable
def tiles(
    study: StudyFile,
    model: ModelName,
    gene: OneGene,
    file: OutFile,
    how: Annotated[Literal["deletion", "shuffle"], typer.Option(help="What is done to each stretch.")] = "deletion",
    width: Annotated[int, typer.Option(min=1, help="bp.")] = 50,
    step: Annotated[int, typer.Option(min=1, help="bp from one stretch to the next.")] = 25,
    region: Region = None,
    sample: Sample = None,
    copy: Copy = None,
    results: ResultsFolder = None,
) -> None:
    """Mutagenesis by stretches, deleted or shuffled, for models too slow for single bases.

    Writes contig, start (1-based), end, effect, and sd over shuffles (TSV).
    """
    opened = load(study, results).gene(gene)
    tiling = Tiling(how, width, step)
    with progress("altering") as told:
        found = opened.tiles(model, region, tiling, sample=sample, copy=_copy(copy), progress=told)
    write_table(found.rows(), file)
    out.print(f"{file}: {found!r}", markup=False)


@app.command(epilog="Example: gexviz attribute study.toml -m xpresso -g TANGO2 --method deeplift_shap --out t.tsv")
@readable
def attribute(
    study: StudyFile,
    model: ModelName,
    gene: OneGene,
    file: OutFile,
    method: Method = "input_x_gradient",
    region: Region = None,
    sample: Sample = None,
    copy: Copy = None,
    baseline: Baseline = "shuffled",
    seed: Annotated[int, typer.Option(help="Of shuffles and noise.")] = 0,
    results: ResultsFolder = None,
) -> None:
    """Gradient attribution of a prediction to the bases of its sequence.

    Writes contig, position (1-based), ref, value, and the hypothetical values of all four bases (TSV); or the values as
    .bedgraph or .bw, or as letters (.svg, .pdf).
    """
    settings = gradients.GradientSettings(baseline=baseline, seed=seed)
    opened = load(study, results)
    with progress("attributing") as told:
        found = opened.gene(gene).gradients(
            model, region, method=method, sample=sample, copy=_copy(copy), settings=settings, progress=told
        )
    writing.write_bases(found.table(), found.values, file, found.labels, opened)
    if found.flagged:
        err.print(found.completeness, markup=False)
    out.print(f"{file}: {found!r}", markup=False)


@app.command(epilog="Example: gexviz attention study.toml -m nt -g TANGO2 --how rollout --out t.bedgraph")
@readable
def attention(
    study: StudyFile,
    model: ModelName,
    gene: OneGene,
    file: OutFile,
    how: Annotated[
        Literal["rollout", "relevance"], typer.Option(help="Of the weights alone, or gradient times attention.")
    ] = "relevance",
    region: Region = None,
    sample: Sample = None,
    copy: Copy = None,
    *,
    agreement: Annotated[bool, typer.Option("--agreement", help="Mutate too, and say how far the two agree.")] = False,
    results: ResultsFolder = None,
) -> None:
    """What a transformer's prediction attends to, base by base. Attention is not an explanation.

    Writes contig, position (1-based), inserted, ref, value, method (TSV); or the values as .bedgraph, .bw, .svg, .pdf.
    """
    opened = load(study, results)
    looked: dict[str, Any] = {"sample": sample, "copy": _copy(copy)}
    with progress("following attention") as told:
        found = opened.gene(gene).attention(model, region, how=how, progress=told, **looked)
    writing.write_bases(found.table(), found.values.dropna(subset="value"), file, found.labels, opened)
    out.print(f"{file}: {found!r}", markup=False)
    if agreement:
        with progress("mutating") as told:
            mutated = opened.gene(gene).ism(model, region, progress=told, **looked)
        out.print(found.agreement_words(mutated), markup=False)


@app.command(epilog="Example: gexviz effects study.toml --model xpresso --gene TANGO2 --out effects.tsv")
@readable
def effects(
    study: StudyFile,
    model: ModelName,
    gene: OneGene,
    file: OutFile,
    results: ResultsFolder = None,
) -> None:
    """What each variant does to the prediction, on the reference and across people's haplotypes.

    Writes a row a variant: variant, position (1-based), ref, alt, effect_reference, effect_mean, effect_sd, share of
    the variance of predicted expression, and the columns of drivers (TSV); FILE.additivity.tsv says how additive the
    model is. With .bed: the variants, as a browser shows them.
    """
    with progress("variants") as told:
        found = load(study, results).gene(gene).effects(model, progress=told)
    writing.write_variants(found.table, file, found.labels)
    write_table(found.additivity.reset_index(), file.with_name(f"{file.stem}.additivity.tsv"))
    out.print(f"{file}: {found!r}", markup=False)
    _tell_skipped(found.table)


@app.command(epilog="Example: gexviz drivers study.toml --model xpresso --gene TANGO2 --out drivers.tsv")
@readable
def drivers(
    study: StudyFile,
    model: ModelName,
    gene: OneGene,
    file: OutFile,
    results: ResultsFolder = None,
) -> None:
    """Driver variants (Sasse et al. 2023): which make the differences between people's predictions; a row a driver."""
    with progress("variants") as told:
        found = load(study, results).gene(gene).drivers(model, progress=told)
    writing.write_variants(found.table, file, found.effects.labels)
    out.print(f"{file}: {found!r}", markup=False)


@app.command(epilog="Example: gexviz motifs study.toml -m cnn -g GENE03 --motifs jaspar.meme --out motifs.tsv")
@readable
def motifs(
    study: StudyFile,
    model: ModelName,
    gene: OneGene,
    motif_file: MotifFile,
    file: OutFile,
    method: Annotated[
        Literal["ism", "input_x_gradient", "smoothgrad", "integrated_gradients", "deeplift", "deeplift_shap"],
        typer.Option("--method", help="Attribution that seqlets are found in."),
    ] = "ism",
    region: Region = None,
    variants: Annotated[
        list[str] | None, typer.Option("--variant", help="contig:pos:ref:alt; repeat for more. [the drivers]")
    ] = None,
    threshold: Annotated[float, typer.Option(help="Of a motif site's p-value.")] = 1e-4,
    results: ResultsFolder = None,
) -> None:
    """Motifs in what the model looks at, and motifs that variants make or break.

    Writes FILE.tsv (seqlets of the attribution with the motifs they look like, by TOMTOM) and FILE.variants.tsv
    (sites gained, lost, stronger, weaker with each variant, by FIMO). Starts are 1-based, ends closed.
    """
    opened = load(study, results).gene(gene)
    with progress("attributing") as told:
        shown = _attributed(opened, model, method, region, told)
    seqlets = opened.motifs(shown, motif_file)
    chosen = variants if variants is not None else list(opened.drivers(model).table.index)
    changes = opened.motif_changes(model, chosen, motif_file, threshold=threshold)
    write_table(seqlets.table.assign(start=seqlets.table["start"] + 1), file)
    write_table(changes.assign(start=changes["start"] + 1), beside(file, "variants"))
    number = seqlets.table["seqlet"].nunique()
    what = f"{number:,} seqlets in {method}; {len(changes):,} motif sites changed by {len(chosen):,} variants"
    out.print(f"{file}: {what}", markup=False)


def _attributed(gene: Gene, model: str, method: str, region: str | None, told: Any) -> Any:
    if method == "ism":
        return gene.ism(model, region, progress=told)
    return gene.gradients(model, region, method=method, progress=told)


def _copy(copy: int | None) -> Literal[1, 2] | None:
    return 1 if copy == 1 else 2 if copy == 2 else None


def _tell_skipped(table: pd.DataFrame) -> None:
    for reason, rows in table[table["status"] != "ok"].groupby("reason"):
        err.print(f"{len(rows):,} variants without an effect: {reason}", markup=False)
