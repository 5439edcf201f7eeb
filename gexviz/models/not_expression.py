"""Published models that don't predict expression from sequence: what they predict, and how to use them all the same."""

from __future__ import annotations

from typing import NamedTuple

_OWN_OUTPUT = 'for effects of its own output, save it with that output as TorchScript and open it as family = "torch"'
_HEAD = 'fit a head on its embeddings; open both as family = "torch", or its predictions as family = "table"'
_TABLE = 'compute its predictions where its inputs are, and open them as family = "table"'


class NotExpression(NamedTuple):
    """A model that is known, and isn't a family.

    Attributes
    ----------
    predicts : str
        What it gives.
    use : str
        What can be done with it here.
    citation : str
    """

    predicts: str
    use: str
    citation: str


NOT_EXPRESSION = {
    "sei": NotExpression(
        "21,907 chromatin profiles of 4,096 bp, and from them 40 classes of regulatory activity",
        _OWN_OUTPUT,
        "Chen et al. 2022, Nature Genetics 54:940",
    ),
    "splice_ai": NotExpression(
        "the probability that a base is a splice donor or acceptor",
        _OWN_OUTPUT,
        "Jaganathan et al. 2019, Cell 176:535",
    ),
    "deepstarr": NotExpression(
        "the enhancer activity of 249 bp in Drosophila S2 cells",
        _OWN_OUTPUT,
        "de Almeida et al. 2022, Nature Genetics 54:613",
    ),
    "c_origami": NotExpression(
        "contact maps of 2 Mb, from sequence together with CTCF and ATAC tracks",
        _TABLE,
        "Tan et al. 2023, Nature Biotechnology 41:1140",
    ),
    "satori": NotExpression(
        "classes of regulatory regions, with the interactions of their motifs",
        _OWN_OUTPUT,
        "Ullah & Ben-Hur 2021, Nucleic Acids Research 49:e77",
    ),
    "get": NotExpression(
        "expression from the accessible regions around a gene and their motif scores, not from sequence",
        _TABLE,
        "Fu et al. 2025, Nature 637:965",
    ),
    "grover": NotExpression(
        "the next token of a genome; it is a language model without an expression head",
        _HEAD,
        "Sanabria et al. 2024, Nature Machine Intelligence 6:911",
    ),
    "dnagpt": NotExpression(
        "the next token of a genome; it is a language model without an expression head",
        _HEAD,
        "Zhang et al. 2023, bioRxiv 2023.07.11.548628",
    ),
    "evo": NotExpression(
        "the next base of a genome; it is a language model of prokaryotes and phages without an expression head",
        _HEAD,
        "Nguyen et al. 2024, Science 386:eado9336",
    ),
}
"""By the name that a study might write as ``family``."""
