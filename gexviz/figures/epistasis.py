"""Pairwise epistasis of chosen variants as a matrix."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from gexviz.figures import theme, words
from gexviz.figures.tracks.ism import SCALE

MOST = 12
"""Variants whose cells can hold a number."""

CELL = 46
"""Side of a cell, px."""

BOTTOM = 100


def epistasis_figure(
    matrix: pd.DataFrame,
    *,
    unit: str,
    reasons: pd.DataFrame | None = None,
    title: str = "",
    lines: tuple[str, ...] = (),
) -> go.Figure:
    """Draw f(ab) - f(a) - f(b) + f(0) of each pair.

    Parameters
    ----------
    matrix : DataFrame
        Variant x variant (contig:pos:ref:alt), symmetric; the diagonal is not looked at. NaN where a pair has no
        epistasis, as of two variants at one place.
    unit : str
        Of the epistasis.
    reasons : DataFrame, optional
        As `matrix`: why a pair has none.
    title : str, optional
    lines : tuple of str
        Below the title; wrapped.

    Returns
    -------
    Figure
        Values stand in the cells; pairs without one are hatched. ``customdata`` of a cell are its two variant ids.

    Raises
    ------
    ValueError
        For more than 12 variants, or rows and columns of different ones.
    """
    if len(matrix) > MOST or list(matrix.index) != list(matrix.columns):
        raise ValueError(f"needs a square matrix of at most {MOST} variants")
    ids = [str(variant) for variant in matrix.index]
    values = matrix.to_numpy(dtype=float).copy()
    np.fill_diagonal(values, np.nan)
    reach = float(np.nanmax(np.abs(values), initial=0.0)) if np.isfinite(values).any() else 0.0
    digits = _digits(reach)
    figure = go.Figure(_heatmap(values, ids, reach or 1.0, unit))
    missing = np.isnan(values) & ~np.eye(len(ids), dtype=bool)
    if missing.any():
        figure.add_trace(_hatched(missing, ids, reasons))
    figure.update_layout(annotations=_numbers(values, reach, digits), bargap=0, hovermode="closest")
    names = [words.safe(_short(variant)) for variant in ids]
    ends = [-0.5, len(ids) - 0.5]
    ticks = {"tickvals": list(range(len(ids))), "ticktext": names, "showgrid": False, "zeroline": False, "ticks": ""}
    square = {"constrain": "domain", "constraintoward": "left"}
    figure.update_xaxes(range=ends, tickangle=-45, **square, **ticks)
    figure.update_yaxes(range=ends[::-1], scaleanchor="x", constrain="domain", constraintoward="top", **ticks)
    below = ["f(ab) − f(a) − f(b) + f(0): 0 where effects add up", unit + ("; hatched: none" if missing.any() else "")]
    short = [part for line in (*below, *lines) for part in words.wrapped(line)]
    heading = title or f"Epistasis of {len(ids)} variants"
    figure = theme.finish(figure, heading, short, height=CELL * len(ids) + BOTTOM + 8, room=8)
    return figure.update_layout(margin={"b": BOTTOM})


def _digits(reach: float) -> int:
    """Decimals with which the largest value has two digits."""
    return 2 if reach == 0 else int(np.clip(1 - np.floor(np.log10(reach)), 0, 6))


def _short(variant: str) -> str:
    """Name a variant by its place and cut alleles: the contig is the same for all."""
    parts = variant.rsplit(":", 3)
    if len(parts) != 4 or not parts[1].isdigit():
        return variant
    ref, alt = (a if len(a) <= 4 else f"{a[:3]}…" for a in parts[2:])
    return f"{int(parts[1]):,} {ref}>{alt}"


def _heatmap(values: np.ndarray, ids: list[str], reach: float, unit: str) -> go.Heatmap:
    names = [words.safe(words.variant_name(variant)) for variant in ids]
    unit = words.safe(unit)
    pairs = [[[a, b, n, m] for b, m in zip(ids, names, strict=True)] for a, n in zip(ids, names, strict=True)]
    return go.Heatmap(
        x=list(range(len(ids))),
        y=list(range(len(ids))),
        z=values,
        customdata=pairs,
        colorscale=SCALE,
        zmin=-reach,
        zmax=reach,
        xgap=2,
        ygap=2,
        hoverongaps=False,
        hovertemplate=f"%{{customdata[2]}}<br>%{{customdata[3]}}<br><b>%{{z:.3g}}</b> {unit}<extra></extra>",
        showscale=False,  # the numbers say it
    )


def _numbers(values: np.ndarray, reach: float, digits: int) -> list[dict[str, object]]:
    """Write the values into their cells, white on dark ones."""
    return [
        {
            "x": int(column),
            "y": int(row),
            "text": words.number(values[row, column], digits),
            "showarrow": False,
            "font": {"size": 11, "color": "white" if abs(values[row, column]) > 0.45 * reach else theme.INK},
        }
        for row, column in np.argwhere(np.isfinite(values))
    ]


def _hatched(missing: np.ndarray, ids: list[str], reasons: pd.DataFrame | None) -> go.Bar:
    """Hatch the cells without a value."""
    rows, columns = np.nonzero(missing)
    why = np.full(missing.shape, "not computed", dtype=object) if reasons is None else reasons.to_numpy(dtype=object)
    texts = [
        f"{words.safe(words.variant_name(ids[a]))}<br>{words.safe(words.variant_name(ids[b]))}<br>"
        + words.safe(why[a, b])
        for a, b in zip(rows, columns, strict=True)
    ]
    return go.Bar(
        x=columns,
        base=rows - 0.47,
        y=np.full(len(rows), 0.94),
        width=0.94,
        marker={
            "color": "white",
            "line": {"color": theme.GRID, "width": 1},
            "pattern": {"shape": "/", "fgcolor": theme.AXIS, "bgcolor": "white", "size": 8, "solidity": 0.2},
        },
        customdata=texts,
        hovertemplate="%{customdata}<extra></extra>",
        showlegend=False,
    )
