"""Tables as files for genome browsers and for print: bedGraph, BED, bigWig, sequence logos; variants to test."""

from gexviz.exporting.bed import write_sites_bed, write_variants_bed
from gexviz.exporting.bedgraph import write_bedgraph
from gexviz.exporting.bigwig import write_bigwig
from gexviz.exporting.candidates import (
    write_candidates,
    write_candidates_bed,
    write_candidates_csv,
    write_candidates_fasta,
    write_candidates_vcf,
)
from gexviz.exporting.intervals import Exported
from gexviz.exporting.logo import write_logo

__all__ = [
    "Exported",
    "write_bedgraph",
    "write_bigwig",
    "write_candidates",
    "write_candidates_bed",
    "write_candidates_csv",
    "write_candidates_fasta",
    "write_candidates_vcf",
    "write_logo",
    "write_sites_bed",
    "write_variants_bed",
]
