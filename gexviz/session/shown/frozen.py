"""Frozen tables as the figures take them."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

from gexviz.figures import words
from gexviz.figures.comparison import Labels
from gexviz.figures.tracks.base import Region
from gexviz.session.contents import TABLES, Session, View

_REGION = re.compile(r"(.+):([0-9][0-9,]*)-([0-9][0-9,]*)")


def rows_of(session: Session, name: str, **equal: str | None) -> pd.DataFrame:
    """Rows of a frozen table whose columns have these values; none if the session lacks the table.

    Parameters
    ----------
    session : Session
    name : str
        A key of :data:`gexviz.session.contents.TABLES`.
    **equal
        Column and value; None: any.
    """
    table = session.tables.get(name)
    if table is None:
        return pd.DataFrame(columns=list(TABLES[name]))
    keep = np.ones(len(table), dtype=bool)
    for column, value in equal.items():
        if value is not None:
            keep &= (table[column] == value).fillna(False).to_numpy(dtype=bool)
    return table[keep].reset_index(drop=True)


def by_variant(rows: pd.DataFrame) -> pd.DataFrame:
    """The same with the variants as index, each once."""
    return rows.drop_duplicates("variant").set_index("variant")


def evaluation_of(session: Session, model: str) -> pd.DataFrame:
    """A model's evaluation, index gene, with what :func:`gexviz.analysis.evaluation.evaluate_genes` names."""
    rows = rows_of(session, "evaluation", model=model).drop_duplicates("gene").set_index("gene")
    absent = {"null": "analytic", "reason": "not told"}
    return rows.assign(**{name: text for name, text in absent.items() if name not in rows})


def evaluated(session: Session, gene: str, model: str) -> pd.Series | None:
    """One gene's row of it, if there is one."""
    table = evaluation_of(session, model)
    return table.loc[[gene]].iloc[0] if gene in table.index else None


def gene_names(session: Session) -> pd.Series:
    """Names of genes, index gene."""
    genes = rows_of(session, "genes").drop_duplicates("gene").set_index("gene")
    names: pd.Series = genes["name"].where(genes["name"].notna() & (genes["name"] != ""), genes.index.to_series())
    return names


def gene_name(session: Session, gene: str | None) -> str:
    """A gene's name, or its id if it has none."""
    return str(gene_names(session).get(gene, gene)) if gene else ""


def models_of(view: View, among: list[str]) -> list[str]:
    """The view's models, the one in question first; all, if it names none."""
    named = [model for model in (view.model, view.linear) if model in among]
    return list(dict.fromkeys(named)) or among


def labels_of(session: Session, gene: str | None, model: str = "") -> Labels:
    """Names for a figure."""
    facts = session.manifest.models.get(model)
    plain = Labels()
    return Labels(
        gene_name(session, gene),
        facts.scale if facts else plain.predicted,
        session.manifest.observed_scale or plain.observed,
        model,
    )


def region_of(text: str | None) -> Region | None:
    """A region as people write it, contig:start-end, 1-based closed; None if it isn't one."""
    found = _REGION.fullmatch(text or "")
    if found is None:
        return None
    start, end = (int(number.replace(",", "")) for number in found.groups()[1:])
    return Region(found[1], start - 1, end) if 0 < start <= end else None


def place_of(variant: str) -> tuple[int, int] | None:
    """Where the reference allele of a variant stands, 0-based half-open; None if its id tells no place."""
    parts = variant.rsplit(":", 3)
    if len(parts) != 4 or not parts[1].isdigit():
        return None
    return int(parts[1]) - 1, int(parts[1]) - 1 + len(parts[2])


def for_people(table: pd.DataFrame, names: dict[str, str]) -> pd.DataFrame:
    """Columns of a table, those that there are, as people read them: places count from 1, variants have their commas.

    Parameters
    ----------
    table : DataFrame
    names : dict
        Column -> heading, in the order of the headings.
    """
    kept: dict[str, Any] = {}
    for column, heading in names.items():
        if column not in table:
            continue
        values = table[column]
        if column in ("position", "start"):
            values = values + 1
        elif column in ("variant", "lead", "main_driver"):
            values = values.map(lambda v: words.variant_name(v) if isinstance(v, str) else "")
        kept[heading] = values
    return pd.DataFrame(kept).reset_index(drop=True)
