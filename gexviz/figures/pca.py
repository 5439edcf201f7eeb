"""People on two principal components of their genotypes."""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd
import plotly.graph_objects as go

from gexviz.figures import theme, words
from gexviz.figures.points import Points, groups_of, point_trace


def genotype_components(
    scores: pd.DataFrame,
    explained: pd.Series,
    *,
    populations: pd.Series | None = None,
    components: tuple[str, str] = ("PC1", "PC2"),
    n_variants: int | None = None,
    selected: Collection[str] | None = None,
) -> go.Figure:
    """Plot people on two components, coloured and shaped by population.

    Parameters
    ----------
    scores : DataFrame
        Index sample, columns components; from :func:`gexviz.analysis.pca.genotype_pca`.
    explained : Series
        Share of variance by component.
    populations : Series, optional
        Index sample.
    components : (str, str)
        On x and on y.
    n_variants : int, optional
        Variants behind the components, for the title.
    selected : collection of str, optional
        Sample ids to show as selected.

    Returns
    -------
    Figure
        ``customdata[0]`` of each point is the sample id.
    """
    table = scores
    colour_by = None
    if populations is not None:
        colour_by = "population"
        table = scores.assign(population=populations.reindex(scores.index))
    across, up = components
    x, y = (table[component].to_numpy(dtype=float) for component in components)
    points = Points(table.index, x, y, f"{across} %{{x:.2f}}<br>{up} %{{y:.2f}}")
    figure = go.Figure()
    for group in groups_of(table, colour_by):
        figure.add_trace(point_trace(points, group, selected))
    figure.update_xaxes(title_text=f"{across} ({100 * explained[across]:.1f}% of variance)")
    figure.update_yaxes(title_text=f"{up} ({100 * explained[up]:.1f}% of variance)")
    figure.update_layout(showlegend=colour_by is not None)
    text = f"n = {len(table):,} people" + (f", {n_variants:,} variants" if n_variants is not None else "")
    return theme.finish(figure, "Principal components of genotypes", words.wrapped(text), height=420, selectable=True)
