"""What the collecting of a session's tables shares: the study, whether to compute, what was left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pandas as pd

from gexviz.freezing.asked import Asked
from gexviz.session.contents import TABLES

if TYPE_CHECKING:
    from gexviz.study import Study
    from gexviz.tasks import Progress


Tables = dict[str, pd.DataFrame]
"""Tables of a session, by their names."""


@dataclass(frozen=True)
class Work:
    """A session in the making.

    Attributes
    ----------
    study : Study
    asked : Asked
    compute : bool
        Whether what is not stored is computed; it is left out, and said to be, otherwise.
    progress : Progress or None
    left_out : list of str
        Added to on the way, a sentence each.
    """

    study: Study
    asked: Asked
    compute: bool
    progress: Progress | None
    left_out: list[str] = field(default_factory=list)

    def leave_out(self, sentence: str) -> None:
        """Say what is not in the session; once."""
        if sentence not in self.left_out:
            self.left_out.append(sentence)

    def told(self, done: int, total: int, label: str) -> None:
        """Tell of the progress; raises `Cancelled` to stop."""
        if self.progress is not None:
            self.progress(done, total, label)


def joined(name: str, parts: Sequence[pd.DataFrame]) -> Tables:
    """One table of a session from its parts, the columns that each session has in front; none without a row."""
    filled = [part for part in parts if len(part)]
    if not filled:
        return {}
    whole = pd.concat(filled, ignore_index=True)
    return {name: whole[[*TABLES[name], *(c for c in whole if c not in TABLES[name])]]}


def named(table: pd.DataFrame, **columns: str | None) -> pd.DataFrame:
    """A table with more columns of one text each, and its index as a column if it has a name."""
    plain = table.reset_index() if table.index.name is not None else table.reset_index(drop=True)
    texts: Mapping[str, str] = {name: text or "" for name, text in columns.items()}
    return plain.assign(**texts)
