"""How the numbers came about, in words, from the session's manifest and from what it holds."""

from __future__ import annotations

from collections.abc import Iterator

from gexviz.session.contents import ModelFacts, Session

LEVELS = {
    "aggregate": "Aggregate: nothing in this file is of a single person. Points are counted in boxes, groups of fewer "
    "than {k} people are joined with others or left out, and statistics and numbers of people are rounded.",
    "pseudonymous": "Pseudonymous: people have random names that mean nothing outside this file. Their values are "
    "theirs: treat the file as personal data.",
    "full": "Full: the file holds people's own identifiers and values. Treat it as personal data, and pass it on to "
    "nobody who may not see them.",
}

_STRANDS = {
    "none": "reads the forward strand",
    "rc_mean": "takes the mean of both strands",
    "gene_strand": "reads in the gene's own direction",
    "equivariant": "treats both strands alike by construction",
}
_STATISTICS = {
    "evaluation": "r is Pearson's correlation across people, of predicted and observed expression of one gene; "
    "brackets are 95% intervals (Fisher's z), p is against no correlation, q is the false discovery rate over genes "
    "(Benjamini-Hochberg). People whom a model was trained on are predicted out of fold, or left out.",
    "groups": "Boxes by genotype show the 10th, 25th, 50th, 75th and 90th percentile.",
    "tracks": "In-silico mutagenesis changes each base to the three others, and takes the model's prediction with the "
    "change minus the prediction without. The importance of a base is minus the mean of its three changes. Gradient "
    "methods are named on their tracks.",
    "effects": "The effect of a variant is the model's prediction with ALT minus the prediction with REF, on the "
    "reference sequence. Drivers are the variants that make the differences between people's predictions "
    "(Sasse et al. 2023).",
    "associations": "An eQTL's slope is the change of expression per copy of ALT, by least squares, covariates taken "
    "out; p is nominal, q is over genes, from permutations.",
    "mismatch_variants": "A variant is concordant or opposite if it is a significant eQTL inside the model's window, "
    "its effect is beyond noise, and no equally good variant has the other direction. Shares have Wilson's "
    "95% interval.",
    "mismatch_genes": "A gene's verdict is the first rule that holds, of those in gexviz's documentation; its sentence "
    "names the numbers that decided.",
}
"""Statistics in words, by the table that holds them."""


def privacy_text(session: Session) -> str:
    """What the level of privacy means, in words."""
    return LEVELS[session.manifest.level].format(k=session.manifest.k)


def statistics_text(session: Session) -> list[str]:
    """How the statistics that the session holds were made, a paragraph each."""
    return [text for table, text in _STATISTICS.items() if len(session.tables.get(table, ()))]


def models_text(session: Session) -> dict[str, str]:
    """Each model in words."""
    return {name: " ".join(_model(facts)) for name, facts in session.manifest.models.items()}


def _model(facts: ModelFacts) -> Iterator[str]:
    reads = f", from {facts.window:,} bp of sequence" if facts.window else ""
    yield f"Family {facts.family}; predicts {facts.scale}{reads}."
    if facts.window and facts.strand:
        yield f"It {_STRANDS.get(facts.strand, facts.strand)}."
    parts = {"Trained on": facts.trained_on, "Checked": facts.verified, "Licence": facts.licence}
    for what, text in (parts | {"Citation": facts.citation}).items():
        if text:
            yield f"{what}: {text.rstrip('.')}."
