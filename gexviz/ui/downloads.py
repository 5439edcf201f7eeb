"""Tables as files to download, safe to open in a spreadsheet."""

from __future__ import annotations

import pandas as pd

from gexviz.exporting.spreadsheets import csv_text


def csv_bytes(table: pd.DataFrame) -> bytes:
    """A table as CSV, its index first, in UTF-8; see :func:`gexviz.exporting.spreadsheets.csv_text`."""
    return csv_text(table).encode()
