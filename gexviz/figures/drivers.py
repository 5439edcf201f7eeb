"""How few variants make a prediction's differences: the correlation as variants are added, the largest effect first."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from gexviz.figures import theme, words


def running_figure(table: pd.DataFrame, *, title: str = "", lines: tuple[str, ...] = ()) -> go.Figure:
    """Plot the correlation of the running sum with the full prediction.

    Parameters
    ----------
    table : DataFrame
        Index variant (contig:pos:ref:alt, 1-based); ``rank``, ``running_r``, ``effect_reference``, ``driver``,
        ``main_driver``.
    title : str
    lines : tuple of str
        Below the title; wrapped.

    Returns
    -------
    Figure
        A point a variant; drivers are triangles that point where ALT moves the prediction, the main driver is named.
        ``customdata[0]`` is the variant's id.
    """
    known = table[table["rank"].notna()].sort_values("rank")
    rank, r = known["rank"].to_numpy(dtype=float), known["running_r"].to_numpy(dtype=float)
    figure = go.Figure(
        go.Scatter(
            x=rank, y=r, mode="lines", line={"color": theme.AXIS, "shape": "hv"}, hoverinfo="skip", showlegend=False
        )
    )
    driver, up = known["driver"].to_numpy(bool), known["effect_reference"].to_numpy(dtype=float) > 0
    looks = (
        ("no driver", ~driver, theme.look((theme.AXIS, "circle"), size=6)),
        ("driver, ALT raises", driver & up, theme.look((theme.BLUE, "triangle-up"), size=11)),
        ("driver, ALT lowers", driver & ~up, theme.look((theme.VERMILLION, "triangle-down"), size=11)),
    )
    for name, members, marker in looks:
        rows = np.flatnonzero(members)
        if not len(rows):
            continue
        figure.add_trace(
            go.Scatter(
                x=rank[rows],
                y=r[rows],
                mode="markers",
                marker=marker,
                name=f"{name} ({len(rows):,})",
                customdata=list(zip(known.index[rows], known["effect_reference"].iloc[rows], strict=True)),
                hovertemplate="<b>%{customdata[0]}</b><br>effect %{customdata[1]:+.3g}<br>r so far %{y:.3f}"
                "<extra></extra>",
            )
        )
    for variant, row in known[known["main_driver"].astype(bool)].iterrows():
        text = words.safe(f"main driver {words.variant_name(str(variant))}")
        figure.add_annotation(x=int(row["rank"]), y=row["running_r"], text=text, ax=40, ay=30, xanchor="left")
    lowest = min(0.0, r.min(initial=0.0)) - 0.05
    figure.update_xaxes(title_text="variants added, largest |effect| first")
    figure.update_yaxes(title_text="r of the running sum<br>with the full prediction", range=[lowest, 1.05])
    short = [part for line in lines for part in words.wrapped(line)]
    return theme.finish(figure, title, short, height=400)
