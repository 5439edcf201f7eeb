"""Tables as stored parts: Parquet in bytes, no pickle."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pandas as pd

from gexviz.results import Part


def frame_part(frame: pd.DataFrame, facts: dict[str, Any] | None = None) -> Part:
    """Pack a table, its index too."""
    buffer = io.BytesIO()
    frame.to_parquet(buffer)
    return Part(np.frombuffer(buffer.getvalue(), dtype=np.uint8), facts or {})


def part_frame(part: Part) -> pd.DataFrame:
    """Unpack a table."""
    return pd.read_parquet(io.BytesIO(part.numbers.tobytes()))
