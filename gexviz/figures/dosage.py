"""Expression, or a prediction, by the number of ALT copies at one variant."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from gexviz.figures import theme, words
from gexviz.figures.comparison import Labels
from gexviz.figures.points import Points, groups_of, point_trace, spread
from gexviz.lazy import lazy

scipy = lazy("scipy")


class Slope(NamedTuple):
    """Least-squares slope of a value on dosage; NaN where dosage or value does not vary."""

    value: float
    low: float
    high: float
    p: float
    n: int


def slope(dosage: np.ndarray, values: np.ndarray, *, level: float = 0.95) -> Slope:
    """Regress a value on dosage.

    Parameters
    ----------
    dosage, values : ndarray, shape (n,)
        Pairs with a NaN are left out.
    level : float
        Of the interval.

    Returns
    -------
    Slope
        A copy of ALT more, with Student's t interval.
    """
    both = np.isfinite(dosage) & np.isfinite(values)
    x, y = dosage[both], values[both]
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return Slope(np.nan, np.nan, np.nan, np.nan, len(x))
    fit = scipy.stats.linregress(x, y)
    half = scipy.special.stdtrit(len(x) - 2, (1 + level) / 2) * fit.stderr
    return Slope(float(fit.slope), float(fit.slope - half), float(fit.slope + half), float(fit.pvalue), len(x))


def by_dosage(
    table: pd.DataFrame,
    variant: str,
    *,
    value: str = "observed",
    colour_by: str | None = None,
    selected: Collection[str] | None = None,
    labels: Labels | None = None,
) -> go.Figure:
    """Plot a value by dosage: a box and all its people for each genotype.

    Parameters
    ----------
    table : DataFrame
        Index sample; a column `value` and a column named after the variant with copies of ALT (NaN: no call).
    variant : str
        contig:pos:ref:alt, 1-based.
    value : str
        ``observed``, or a model's column.
    colour_by : str, optional
        Column of labels to colour the people by.
    selected : collection of str, optional
        Sample ids to show as selected.
    labels : Labels, optional

    Returns
    -------
    Figure
        ``customdata[0]`` of each point is the sample id. The title has the slope with its 95% interval.
    """
    labels = labels or Labels()
    dosage, values = table[variant].to_numpy(dtype=float), table[value].to_numpy(dtype=float)
    copies = np.where(np.isfinite(values), np.round(dosage), np.nan)
    figure = go.Figure()
    jitter = np.zeros(len(table))
    ticks = []
    for number, name in enumerate(words.alleles(variant)):
        members = copies == number
        jitter[members] = spread(int(members.sum()), width=0.26)
        ticks.append(f"{number} · {words.safe(name)}<br>n = {int(members.sum()):,}")
        if members.any():
            figure.add_trace(_box(number, values[members]))
    points = Points(table.index, copies + jitter, values, "%{y:.4g}<br>%{customdata[1]:.3g} copies of ALT", (dosage,))
    for group in groups_of(table, colour_by):
        marker = group.marker | {"size": 0.75 * group.marker["size"], "opacity": 0.65}
        figure.add_trace(point_trace(points, group._replace(marker=marker), selected))
    found = slope(dosage, values)
    if np.isfinite(found.value):
        figure.add_trace(_line(dosage, values, found))
    figure.update_xaxes(tickvals=[0, 1, 2], ticktext=ticks, range=[-0.6, 2.6], showgrid=False)
    figure.update_xaxes(title_text="copies of ALT")
    observed = value == "observed"
    scale = labels.observed if observed else labels.predicted
    what = "observed" if observed else f"predicted by {labels.model or value}"
    axis = words.wrapped(f"{what} ({scale})", 44)
    figure.update_yaxes(title_text="<br>".join(words.safe(line) for line in axis))
    legend = {"title": {"text": words.safe(colour_by or "")}, "y": -0.26}
    figure.update_layout(showlegend=colour_by is not None, legend=legend)
    heading = " · ".join(p for p in (labels.gene, what, words.variant_name(variant)) if p)
    return theme.finish(figure, heading, _lines(found, int(np.isnan(dosage).sum())), height=400, selectable=True)


def _lines(found: Slope, missing: int) -> list[str]:
    count = f"n = {found.n:,} people" + (f" ({missing:,} without a call)" if missing else "")
    if np.isnan(found.value):
        return words.wrapped(f"no slope: genotype or value does not vary; {count}")
    digits = 2 if abs(found.value) >= 0.1 else 4
    bounds = ", ".join(words.number(bound, digits) for bound in (found.low, found.high))
    lines = words.wrapped(f"slope {words.number(found.value, digits)} a copy [{bounds}]")
    return lines + words.wrapped(f"{count}, {words.p_value(found.p)} (analytic null)")


def _box(number: int, values: np.ndarray) -> go.Box:
    """Draw quartiles behind the points; with fewer than 5 people the points say it all."""
    options: dict[str, Any] = {"visible": len(values) >= 5}
    return go.Box(
        x0=number,
        y=values,
        width=0.62,
        boxpoints=False,
        line={"color": theme.QUIET, "width": 1.4},
        fillcolor="rgba(154,165,177,0.18)",
        hoverinfo="skip",
        showlegend=False,
        name=str(number),
        **options,
    )


def _line(dosage: np.ndarray, values: np.ndarray, found: Slope) -> go.Scatter:
    both = np.isfinite(dosage) & np.isfinite(values)
    ends = np.array([dosage[both].min(), dosage[both].max()])
    return go.Scatter(
        x=ends,
        y=values[both].mean() + found.value * (ends - dosage[both].mean()),
        mode="lines",
        line={"color": theme.INK, "width": 1.5, "dash": "dash"},
        hoverinfo="skip",
        showlegend=False,
        name="regression",
    )
