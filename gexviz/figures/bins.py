"""Too many points: their counts in boxes instead."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from gexviz.figures import words


def count_heatmap(
    x: np.ndarray, y: np.ndarray, edges: tuple[np.ndarray, np.ndarray], *, what: str, hover: str
) -> go.Heatmap:
    """Count points in boxes; colours go with the logarithm.

    Parameters
    ----------
    x, y : ndarray, shape (n,)
    edges : (ndarray, ndarray)
        Of the boxes on x and on y.
    what : str
        What the points are.
    hover : str
        Plotly's template, above the count.

    Returns
    -------
    Heatmap
        ``customdata`` has the counts; boxes without a point are empty.
    """
    across, up = edges
    counts = np.histogram2d(y, x, bins=(up, across))[0]
    ticks = [t for t in (1, 10, 100, 1000, 10_000, 100_000) if t <= counts.max()]
    return go.Heatmap(
        x=(across[:-1] + across[1:]) / 2,
        y=(up[:-1] + up[1:]) / 2,
        z=np.where(counts > 0, np.log10(np.maximum(counts, 1)), np.nan),
        customdata=counts,
        colorscale="Cividis",
        reversescale=True,
        hoverongaps=False,
        hovertemplate=f"{hover}<br>%{{customdata:,.0f}} {words.safe(what)}<extra></extra>",
        colorbar={
            "title": {"text": words.safe(what), "font": {"size": 12}}, "tickvals": np.log10(ticks), "thickness": 12,
            "ticktext": [f"{t:,}" for t in ticks], "outlinewidth": 0,
        },
    )  # fmt: skip
