"""Commands that compare with genetics: ``eqtl``, ``mismatches``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from gexviz.cli.shared import (
    Genes,
    ModelName,
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
from gexviz.lazy import lazy
from gexviz.study import load

direction = lazy("gexviz.analysis.direction")
eqtl_settings = lazy("gexviz.analysis.eqtl_settings")
mapping = lazy("gexviz.mapping")
mismatching = lazy("gexviz.mismatching")

Independent = Annotated[bool, typer.Option("--independent", help="Also independent signals, FILE.independent.tsv.")]
MotifFile = Annotated[
    Path | None, typer.Option("--motifs", help="Motifs in MEME format: also which sites each variant changes.")
]
CandidateFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--candidates",
        help="Also the variants to test (significant, opposite or concordant): .csv with oligos and guides, .fa, .vcf "
        "or .bed; repeat for more.",
    ),
]
OtherEqtls = Annotated[
    Path | None, typer.Option("--eqtls", help="eQTLs of other people: GTEx, eQTL Catalogue, plain. [the cohort's]")
]


@app.command(epilog="Example: gexviz eqtl study.toml --permutations 1000 --out eqtls.tsv")
@readable
def eqtl(
    study: StudyFile,
    table: OutFile,
    permutations: Annotated[
        int, typer.Option(min=0, help="For each gene, 1,000 or more for q values; 0 for the nominal pass alone.")
    ] = 0,
    genes: Genes = None,
    window: Annotated[int, typer.Option(help="bp on each side of the TSS.")] = 1_000_000,
    maf: Annotated[float, typer.Option(help="Least frequency of the rarer allele.")] = 0.01,
    seed: Annotated[int, typer.Option(help="Of the permutations.")] = 1,
    independent: Independent = False,  # noqa: FBT002
    results: ResultsFolder = None,
) -> None:
    """Marginal cis-eQTLs of the cohort, covariates taken out of expression and dosages.

    Writes a row a gene and variant: gene, variant, position (1-based), ref, alt, distance, n, maf, slope per ALT
    allele, se, t, df, p, ld_lead. With permutations also FILE.genes.tsv: each gene's lead variant, p_beta, q and
    threshold.
    """
    settings = eqtl_settings.EqtlSettings(window=window, maf=maf, seed=seed)
    opened = load(study, results)
    with progress("testing") as told:
        found = opened.eqtls(genes, permutations=permutations, settings=settings, progress=told)
        if independent:
            signals = mapping.independent_signals(opened, found, opened.loci(genes), progress=told)
            write_table(_one_based(signals), beside(table, "independent"))
    write_table(_one_based(found.table), table)
    if found.permuted:
        write_table(_one_based(found.genes.reset_index()), beside(table, "genes"))
    out.print(f"{table}: {found!r}", markup=False)
    for note in found.notes:
        err.print(note, markup=False)


@app.command(epilog="Example: gexviz mismatches study.toml --model xpresso --linear enet --out mismatches.tsv")
@readable
def mismatches(
    study: StudyFile,
    model: ModelName,
    table: OutFile,
    linear: Annotated[str | None, typer.Option("--linear", "-l", help="A linear model of the study.")] = None,
    genes: Genes = None,
    permutations: Annotated[int, typer.Option(min=10, help="For the eQTLs of each gene.")] = 1_000,
    eqtls: OtherEqtls = None,
    people: Annotated[int, typer.Option("--eqtl-people", help="How many people --eqtls were found in.")] = 0,
    build: Annotated[str | None, typer.Option("--eqtl-build", help="Build of --eqtls, if it doesn't tell.")] = None,
    motifs: MotifFile = None,
    candidates: CandidateFiles = None,
    results: ResultsFolder = None,
) -> None:
    """Where a deep model and genetics disagree in direction, and why the model fails or succeeds at each gene.

    Writes FILE.tsv (a row a variant that matters to anyone, with a class and a sentence), FILE.genes.tsv (a verdict and
    its evidence for each gene), FILE.summary.tsv (direction accuracy and negative genes with intervals, published
    figures beside) and FILE.accuracy.tsv (direction accuracy by distance, frequency, effect size and population).
    """
    elsewhere = None if eqtls is None else mapping.FromElsewhere(eqtls, people, build)
    with progress("comparing") as told:
        opened = load(study, results)
        found = opened.mismatches(
            model, linear, genes, permutations=permutations, elsewhere=elsewhere, progress=told
        )
        if motifs is not None:
            found = mismatching.with_motifs(opened, found, motifs, progress=told)
    write_table(_one_based(found.variants), table)
    write_table(found.genes.reset_index(), beside(table, "genes"))
    write_table(found.summary, beside(table, "summary"))
    write_table(pd.concat([found.accuracy(name) for name in direction.SETS]), beside(table, "accuracy"))
    if candidates:
        chosen = found.candidates()
        for file in candidates:
            written = chosen.write(file)
            out.print(f"{file}: {written.written:,} candidates, {written.left_out:,} left out", markup=False)
    out.print(f"{table}: {found!r}", markup=False)
    show(found.summary[["part", "figure", "count", "n", "value", "low", "high", "published"]])
    for note in found.notes:
        err.print(note, markup=False)
    for reason, rows in found.unserved.groupby(found.unserved):
        err.print(f"{len(rows):,} genes not served by {model}: {reason}", markup=False)


def _one_based(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(position=table["position"] + 1)
