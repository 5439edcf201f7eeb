"""Sequence logos for print, drawn by logomaker (Tareen & Kinney 2020, Bioinformatics 36:2272)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gexviz.errors import GexvizError
from gexviz.exporting.intervals import Exported
from gexviz.figures import theme
from gexviz.figures.letters import COLOURS
from gexviz.files import written_whole
from gexviz.lazy import lazy

logomaker = lazy("logomaker")
matplotlib_figure = lazy("matplotlib.figure")

MOST_BASES = 500
FORMATS = (".svg", ".pdf", ".png")

_LETTER = 0.14  # inches
_HEIGHT = 2.2
_TICKS = 8
_STEPS = [digit * 10**power for power in range(10) for digit in (1, 2, 5)]


def write_logo(table: pd.DataFrame, path: str | Path, contig: str, *, unit: str, title: str = "") -> Exported:
    """Draw values of bases as letters of that height.

    Parameters
    ----------
    table : DataFrame
        ``position`` (0-based), ``inserted``, ``ref`` (forward strand) and either ``value``, the height of the base
        that is there, or ``A``, ``C``, ``G``, ``T``, which are stacked. In genome order, at most 500 bases.
    path : path
        Its ending says the format: .svg, .pdf or .png.
    contig : str
        For the axis' title.
    unit : str
        Of the heights.
    title : str

    Returns
    -------
    Exported
        Bases drawn. Inserted bases have columns of their own; left out are only bases other than A, C, G, T.

    Raises
    ------
    GexvizError
        For another ending, no base or too many.
    """
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise GexvizError(
            f"a logo can't be written as {path.suffix or 'a file without an ending'}",
            file=path,
            expected=" or ".join(FORMATS),
            remedy="choose one of these endings",
        )
    if not 0 < len(table) <= MOST_BASES:
        raise GexvizError(
            f"a logo of {len(table):,} bases can't be read",
            expected=f"1 to {MOST_BASES} bases",
            remedy="choose a narrower region",
        )
    heights = _heights(table)
    figure = matplotlib_figure.Figure(figsize=(max(3.0, _LETTER * len(table) + 1.2), _HEIGHT), layout="constrained")
    axes = figure.subplots()
    logomaker.Logo(heights, ax=axes, color_scheme=COLOURS, font_name="DejaVu Sans", flip_below=True, show_spines=False)
    axes.axhline(0, color=theme.AXIS, linewidth=0.8)
    axes.spines["left"].set_visible(True)
    _label_places(axes, table, contig)
    axes.set_ylabel(_plain(unit))
    axes.set_title(_plain(title), fontsize=10)
    metadata = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(path.suffix.lower())
    with written_whole(path) as draft:
        figure.savefig(draft, format=path.suffix.lower()[1:], dpi=300, metadata=metadata)
    drawn = int(table["ref"].isin(list(COLOURS)).sum())
    return Exported(path, drawn, len(table) - drawn)


def _heights(table: pd.DataFrame) -> pd.DataFrame:
    """Heights of A, C, G, T; a row is a column of the logo."""
    if "value" in table:
        ref, value = table["ref"].to_numpy(), table["value"].to_numpy(dtype=float)
        heights = pd.DataFrame({base: np.where(ref == base, value, 0.0) for base in COLOURS})
    else:
        heights = pd.DataFrame({base: table[base].to_numpy(dtype=float) for base in COLOURS})
    return heights.fillna(0.0)


def _label_places(axes: Any, table: pd.DataFrame, contig: str) -> None:
    """Label round positions of the reference, 1-based; inserted bases have none."""
    places = table["position"].to_numpy(dtype=np.int64) + 1
    own = ~table["inserted"].to_numpy(dtype=bool) & (places > 0)
    step = next(step for step in _STEPS if np.ptp(places) / step <= _TICKS)
    columns = np.flatnonzero(own & (places % step == 0))
    axes.set_xticks(columns, [f"{place:,}" for place in places[columns]], fontsize=8)
    axes.set_xlabel(_plain(f"position on {contig} (bp)"))


def _plain(text: str) -> str:
    """Text in which matplotlib sees no formulas."""
    return text.replace("$", r"\$")
