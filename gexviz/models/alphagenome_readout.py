"""Where AlphaGenome's coverage of a gene is read, and what is made of it: as in its own scores of variants."""

from __future__ import annotations

from collections.abc import Sequence

from gexviz.errors import GexvizError
from gexviz.models.base import GeneLocus, ModelSpec
from gexviz.models.options import AlphaGenomeOptions

EXON_FLOOR = 0.001
"""Added to the mean coverage of exons."""

AROUND_TSS = 250
"""bp on each side of the TSS: 501 in all."""

Spans = tuple[tuple[int, int], ...]
"""Stretches of the window, 0-based half-open, ascending."""


def spans_of(gene: GeneLocus, exons: Sequence[tuple[int, int]], options: AlphaGenomeOptions) -> Spans:
    """Find what is read of a gene's window: its exons, or what is around its TSS.

    Parameters
    ----------
    gene : GeneLocus
    exons : sequence of (int, int)
        0-based half-open, forward strand. Where there are none, the whole gene is read.
    options : AlphaGenomeOptions

    Raises
    ------
    GexvizError
        For a gene whose exons are all outside the window.
    """
    anchor = options.window // 2
    if options.output != "rna_seq":
        return ((anchor - AROUND_TSS, anchor + AROUND_TSS + 1),)
    shift = anchor - gene.tss
    read = exons or [(gene.start, gene.end)]
    clipped = [(max(0, start + shift), min(options.window, end + shift)) for start, end in read]
    spans = tuple(span for span in clipped if span[0] < span[1])
    if not spans:
        raise GexvizError(f"no exon of {gene.name} is within {anchor:,} bp of its TSS", expected="an exon there")
    return spans


def alphagenome_spec(name: str, options: AlphaGenomeOptions, *, verified: str, licence: str) -> ModelSpec:
    """Tell what a readout of AlphaGenome is."""
    of = options.ontology + (f", {', '.join(options.tracks)}" if options.tracks else "")
    if options.output == "rna_seq":
        scale = f"ln(mean RNA-seq coverage of exons + {EXON_FLOOR}), {of}"
        where = f"mean coverage over the exons within {options.window // 2:,} bp of the TSS, ln of it and {EXON_FLOOR}"
    else:
        assay = {"cage": "CAGE", "procap": "PRO-cap"}[options.output]
        scale = f"log2(1 + {assay} coverage around the TSS), {of}"
        where = f"coverage summed over {2 * AROUND_TSS + 1} bp around the TSS, log2(1 + it)"
    return ModelSpec(
        name=name,
        family="alphagenome",
        input="remote" if options.weights is None else "sequence",
        scale=scale,
        haplotypes="output_mean",
        window=options.window,
        anchor=options.window // 2,
        strand="none",
        n_policy="zero",
        bin_size=1,
        tracks=options.tracks or (options.ontology,),
        genome="GRCh38",
        licence=licence,
        citation="Avsec et al. 2026, Nature 649:1206",
        verified=verified,
        readout=f"{where}; mean of the tracks of {options.ontology} of the gene's strand or none",
    )
