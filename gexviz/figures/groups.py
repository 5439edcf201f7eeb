"""Expression, or a prediction, by the number of ALT copies, from the quantiles of each group: no point is a person."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from gexviz.figures import theme, words
from gexviz.figures.comparison import Labels

QUANTILES = ("q10", "q25", "q50", "q75", "q90")


def boxes_by_dosage(
    groups: pd.DataFrame,
    variant: str,
    *,
    value: str = "observed",
    labels: Labels | None = None,
    lines: Sequence[str] = (),
    rounded: bool = False,
) -> go.Figure:
    """Plot a value by dosage: a box for each genotype, or for genotypes taken together.

    Parameters
    ----------
    groups : DataFrame
        ``copies`` (``0``, ``1``, ``2``, ``1 or 2``, ...), ``people``, and the quantiles ``q10`` to ``q90``.
    variant : str
        contig:pos:ref:alt, 1-based.
    value : str
        ``observed``, or a model's name.
    labels : Labels, optional
    lines : sequence of str
        Below the title; wrapped.
    rounded : bool
        Whether numbers of people are.

    Returns
    -------
    Figure
        Boxes are quartiles, whiskers end at the 10th and the 90th percentile: their ends are nobody's value.
    """
    labels = labels or Labels()
    rows = groups.sort_values("copies", key=lambda column: column.astype(str), kind="stable")
    about = "about " if rounded else ""
    ticks = [_tick(str(row["copies"]), variant, f"{about}{int(row['people']):,}") for row in rows.to_dict("records")]
    at = np.arange(len(rows))
    quantiles = {name: rows[name].to_numpy(dtype=float) for name in QUANTILES}
    low, high = (  # of a small group the outer percentiles are not told
        np.where(np.isnan(quantiles[end]), quantiles[box], quantiles[end])
        for end, box in (("q10", "q25"), ("q90", "q75"))
    )
    figure = go.Figure(
        go.Box(
            x=at,
            q1=quantiles["q25"],
            median=quantiles["q50"],
            q3=quantiles["q75"],
            lowerfence=low,
            upperfence=high,
            width=0.5,
            line={"color": theme.INK, "width": 1.6},
            fillcolor="rgba(86,180,233,0.35)",
            hoverinfo="skip",
            showlegend=False,
            name=words.safe(value),
        )
    )
    figure.add_trace(_hover(at, quantiles, [tick.replace("<br>", ", ") for tick in ticks]))
    figure.update_xaxes(tickvals=at, ticktext=ticks, range=[-0.6, len(rows) - 0.4], showgrid=False, zeroline=False)
    figure.update_xaxes(title_text="copies of ALT")
    observed = value == "observed"
    what = "observed" if observed else f"predicted by {labels.model or value}"
    axis = words.wrapped(f"{what} ({labels.observed if observed else labels.predicted})", 44)
    figure.update_yaxes(title_text="<br>".join(words.safe(line) for line in axis), zeroline=False)
    heading = " · ".join(part for part in (labels.gene, what, words.variant_name(variant)) if part)
    said = [*lines, "box: quartiles; whiskers: 10th and 90th percentile"]
    return theme.finish(figure, heading, [part for line in said for part in words.wrapped(line)], height=380)


def _tick(copies: str, variant: str, people: str) -> str:
    names = dict(zip("012", words.alleles(variant), strict=True))
    alleles = " or ".join(names[copy] for copy in copies.split(" or ") if copy in names)
    return f"{words.safe(copies)} · {words.safe(alleles)}<br>n = {people}"


def _hover(at: np.ndarray, quantiles: dict[str, np.ndarray], names: list[str]) -> go.Scatter:
    """Say the quantiles of a box where its median is."""
    texts = []
    for name, q10, q25, q50, q75, q90 in zip(names, *quantiles.values(), strict=True):
        told = {"median": (q50,), "half of them": (q25, q75), "80% of them": (q10, q90)}
        known = {what: ends for what, ends in told.items() if not np.isnan(ends).any()}
        parts = [f"{what} {' to '.join(f'{value:.4g}' for value in ends)}" for what, ends in known.items()]
        texts.append("<br>".join([f"<b>{name}</b>", *parts]))
    return go.Scatter(
        x=at,
        y=quantiles["q50"],
        mode="markers",
        marker={"size": 30, "color": theme.INK, "opacity": 0},
        customdata=[text.replace("-", "−") for text in texts],
        hovertemplate="%{customdata}<extra></extra>",
        showlegend=False,
        name="quantiles",
    )
