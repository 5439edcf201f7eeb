"""Files that the commands on one gene write, by the ending of their name."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from gexviz.cli.shared import write_table
from gexviz.errors import GexvizError
from gexviz.explaining.target import Labels
from gexviz.exporting.bed import write_variants_bed
from gexviz.exporting.bedgraph import write_bedgraph
from gexviz.exporting.bigwig import write_bigwig
from gexviz.exporting.logo import write_logo
from gexviz.study import Study

TABLES = (".tsv", ".txt")
LOGOS = (".svg", ".pdf", ".png")
BIGWIGS = (".bw", ".bigwig")


def write_bases(table: pd.DataFrame, values: pd.DataFrame, file: Path, labels: Labels, study: Study) -> None:
    """Write values of bases: a table, a bedGraph, a bigWig or a logo.

    Parameters
    ----------
    table : DataFrame
        All columns, ``position`` 0-based; written 1-based, with the contig.
    values : DataFrame
        ``position``, ``inserted``, ``ref``, ``value``.
    file : Path
    labels : Labels
    study : Study
        Tells how long the contig is.

    Raises
    ------
    GexvizError
        For another ending.
    """
    ending, name = file.suffix.lower(), f"{labels.gene} {labels.model}"
    if ending in TABLES:
        written = table.assign(position=table["position"] + 1)
        written.insert(0, "contig", labels.contig)
        write_table(written, file)
    elif ending in (".bedgraph", ".bg"):
        write_bedgraph(values, file, labels.contig, name=name)
    elif ending in BIGWIGS:
        write_bigwig(values, file, labels.contig, study.cohort.reference.contigs[labels.contig])
    elif ending in LOGOS:
        write_logo(values, file, labels.contig, unit=labels.unit, title=labels.title())
    else:
        raise GexvizError(
            f"'{file.suffix}' is no ending that tells what to write",
            file=file,
            expected="one of " + ", ".join((*TABLES, ".bedgraph", *BIGWIGS, *LOGOS)),
            remedy="change the file's ending",
        )


def write_variants(table: pd.DataFrame, file: Path, labels: Labels) -> None:
    """Write a table of variants, ``position`` 0-based in memory and 1-based in the file; with .bed as a track."""
    if file.suffix.lower() == ".bed":
        write_variants_bed(table, file, labels.contig, name=f"{labels.gene} {labels.model}")
    else:
        write_table(table.reset_index().assign(position=table["position"].to_numpy() + 1), file)
