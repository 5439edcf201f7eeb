"""Figures from the literature, to stand beside ours. Context, not a target: cohorts, genes and tissues differ."""

from __future__ import annotations

import pandas as pd

REVIEW = "Dubey and Shen, Briefings in Bioinformatics 2026 (bbag022), Table 2"
HUANG = "models as run by Huang et al., Nature Genetics 55, 2056 (2023)"
SASSE = "Sasse et al., Nature Genetics 55, 2060 (2023)"

_GEUVADIS = "Geuvadis LCL"
_ROSMAP = "ROSMAP brain"

_ROWS = [
    ("enformer", "reference", 0.57, _GEUVADIS, REVIEW, HUANG),
    ("basenji2", "reference", 0.52, _GEUVADIS, REVIEW, HUANG),
    ("expecto", "reference", 0.53, _GEUVADIS, REVIEW, HUANG),
    ("xpresso", "reference", 0.33, _GEUVADIS, REVIEW, HUANG),
    ("enformer", "across genes", 0.55, _GEUVADIS, REVIEW, HUANG),
    ("basenji2", "across genes", 0.51, _GEUVADIS, REVIEW, HUANG),
    ("expecto", "across genes", 0.52, _GEUVADIS, REVIEW, HUANG),
    ("xpresso", "across genes", 0.32, _GEUVADIS, REVIEW, HUANG),
    ("enformer", "across individuals", 0.045, _GEUVADIS, REVIEW, HUANG),
    ("basenji2", "across individuals", 0.037, _GEUVADIS, REVIEW, HUANG),
    ("expecto", "across individuals", 0.034, _GEUVADIS, REVIEW, HUANG),
    ("xpresso", "across individuals", 0.007, _GEUVADIS, REVIEW, HUANG),
    ("predictdb", "across individuals", 0.25, _GEUVADIS, REVIEW, "PrediXcan"),
    ("predictdb", "across individuals", 0.26, _ROSMAP, SASSE, "PrediXcan; mean over 921 of 13,397 genes"),
    ("enformer", "across individuals", 0.02, _ROSMAP, SASSE, "162 genes"),
]

UKBIOFORMER = "UKBioFormer's authors"

_DIRECTIONS = [
    ("Enformer", "eQTL direction", 0.53, None, None, UKBIOFORMER, ""),
    ("Performer (Variformer)", "eQTL direction", 0.68, None, None, UKBIOFORMER, ""),
    ("UKBioFormer", "eQTL direction", 0.70, None, None, UKBIOFORMER, "more than"),
    ("Enformer", "drivers supported", 0.63, None, None, SASSE, _ROSMAP),
    ("Enformer", "main driver supported, r > 0", 157 / 164, 157, 164, SASSE, _ROSMAP),
    ("Enformer", "main driver supported, r < 0", 0 / 87, 0, 87, SASSE, _ROSMAP),
    ("Enformer", "main driver's sign predicts r's", (157 + 87) / (164 + 87), 157 + 87, 164 + 87, SASSE, _ROSMAP),
]


def published_directions() -> pd.DataFrame:
    """Tabulate how often published models have the direction of genetic effects right.

    Returns
    -------
    DataFrame
        ``name`` (of the model), ``figure`` (``eQTL direction``: share of eQTLs whose sign the model has; ``drivers
        supported``: share of driver variants whose effect has the sign of their eQTL slope; ``main driver supported,
        r > 0`` and ``r < 0``: the same of main drivers, in genes predicted the right and the wrong way round; ``main
        driver's sign predicts r's``: both together), ``value`` (a share), ``count``, ``n`` (behind it; missing where
        not told), ``source``, ``note``.
    """
    table = pd.DataFrame(_DIRECTIONS, columns=["name", "figure", "value", "count", "n", "source", "note"])
    return table.astype({"count": "Int64", "n": "Int64"})


def published_figures() -> pd.DataFrame:
    """Tabulate published correlations of model families on people.

    Returns
    -------
    DataFrame
        ``family`` (as in ``study.toml``; also families that gexviz has no adapter for), ``row`` (``reference``:
        reference sequence against mean expression; ``across genes``: mean over people; ``across individuals``: mean
        over genes), ``value`` (a correlation), ``cohort``, ``source`` (where the figure stands), ``note`` (what was
        run).
    """
    return pd.DataFrame(_ROWS, columns=["family", "row", "value", "cohort", "source", "note"])


def published_figure(family: str, row: str) -> pd.Series | None:
    """Look up the first figure of a family in a row of the benchmark; None if there is none.

    Parameters
    ----------
    family : str
    row : {"reference", "across genes", "across individuals"}

    Returns
    -------
    Series or None
        A row of :func:`published_figures`.
    """
    table = published_figures()
    found = table[(table["family"] == family) & (table["row"] == row)]
    return None if found.empty else found.iloc[0]
