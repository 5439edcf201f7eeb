"""Tables as CSV, safe to open in a spreadsheet."""

from __future__ import annotations

import csv

import pandas as pd


def csv_text(table: pd.DataFrame) -> str:
    """A table as CSV, its index first if it has a name.

    Text that a spreadsheet would take for a formula (it begins with = + - @, a tab or a line end) gets a leading
    apostrophe, as OWASP advises, and all text is quoted. Numbers stay as they are.

    Parameters
    ----------
    table : DataFrame

    Returns
    -------
    str
    """
    flat = table.reset_index() if table.index.name else table
    flat = flat.rename(columns=lambda name: _harmless(str(name)))
    text = [c for c in flat.columns if not pd.api.types.is_numeric_dtype(flat[c])]
    flat = flat.assign(**{c: flat[c].map(_harmless) for c in text})
    return flat.to_csv(index=False, quoting=csv.QUOTE_NONNUMERIC)


def _harmless(value: object) -> object:
    return "'" + value if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else value
