"""Exactly what a session's file will hold, to be looked at before it is given away."""

from __future__ import annotations

import pandas as pd

from gexviz.session.container import array_member, table_member
from gexviz.session.contents import OF_PEOPLE, Session
from gexviz.session.writing import session_members

_HOLDS = {
    "manifest.json": "what the file is: study, level, versions, SHA-256 digests, models, what was left out",
    "state.json": "the story and the kept views",
    "notes.jsonl": "notes, with authors as given",
    "report.html": "the offline report, of the same tables",
}
_TABLES = {
    "genes": "places of genes",
    "exons": "exons",
    "populations": "numbers of people by population",
    "coverage": "numbers of genes by the state of their predictions",
    "evaluation": "each gene's correlation, by model",
    "benchmark": "mean correlations, beside published ones",
    "density": "predicted against observed: numbers of people in bins",
    "groups": "values by genotype: quantiles of groups of people",
    "people": "a row a person: name in this session, population",
    "values": "a row a person and gene: observed and predicted",
    "dosages": "a row a person: copies of the chosen variants",
    "effects": "what variants do to predictions",
    "tracks": "what the arrays are",
    "associations": "eQTLs of the genes that are shown",
    "weights": "weights of linear models",
    "mismatch_variants": "variants, deep model against eQTLs",
    "mismatch_genes": "verdicts on genes",
    "mismatch_summary": "the comparison in numbers",
    "candidates": "variants to test, with oligos",
}


def preview(session: Session) -> pd.DataFrame:
    """List what will be in a session's file, byte for byte.

    Returns
    -------
    DataFrame
        A row a member: ``member``, ``holds`` (in words), ``people`` (whether it has a row a person), ``rows``,
        ``columns`` (their names), ``bytes`` (before packing).

    Raises
    ------
    GexvizError
        For what a session file can't hold.
    """
    tables = {table_member(name): name for name in session.tables}
    arrays = {array_member(name): name for name in session.arrays}
    rows = []
    for member, content in session_members(session).items():
        table, array = tables.get(member), arrays.get(member)
        count, columns = None, ""
        if table is not None:
            count, columns = len(session.tables[table]), ", ".join(session.tables[table].columns)
        elif array is not None:
            count, columns = len(session.arrays[array]["position"]), ", ".join(session.arrays[array])
        holds = _TABLES[table] if table is not None else "attribution, base by base, on the reference"
        rows.append((member, _HOLDS.get(member, holds), table in OF_PEOPLE, count, columns, len(content)))
    found = pd.DataFrame(rows, columns=["member", "holds", "people", "rows", "columns", "bytes"])
    return found.astype({"rows": "Int64"})
