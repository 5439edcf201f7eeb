"""All genes at once: one model's r against another's, and the distributions of r."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from gexviz.figures import theme, words
from gexviz.figures.bins import count_heatmap
from gexviz.figures.classes import VERDICTS, Category, categories
from gexviz.figures.points import Group, Points, point_trace

LIMIT = 10_000
"""Genes up to which each is a point that can be selected; more are binned."""

SIGNIFICANT = 0.05
"""q below which a point is filled."""


def model_vs_model(
    linear: pd.DataFrame,
    deep: pd.DataFrame,
    *,
    models: tuple[str, str],
    names: pd.Series | None = None,
    selected: Collection[str] | None = None,
    intervals: bool = False,
    limit: int = LIMIT,
) -> go.Figure:
    """Plot each gene's r across people: one model on y, another on x.

    Parameters
    ----------
    linear, deep : DataFrame
        On x and on y; from :func:`gexviz.analysis.evaluation.evaluate_genes` (index gene). With a column ``category``
        in `deep`, as of verdicts, genes are coloured by it.
    models : (str, str)
        Their names.
    names : Series, optional
        Gene names, index gene, for hover labels.
    selected : collection of str, optional
        Gene ids to show as selected.
    intervals : bool
        Whether to draw the 95% intervals.
    limit : int
        With more genes than this, counts in bins are drawn, and the title says so.

    Returns
    -------
    Figure
        ``customdata[0]`` of each point is the gene id. Shape and colour tell the sign of y's r, or the category; filled
        points have q < 0.05.
    """
    x_name, y_name = models
    genes = linear.index[(linear["status"] == "ok").to_numpy()]
    genes = genes.intersection(deep.index[(deep["status"] == "ok").to_numpy()], sort=False)
    across, up = linear.loc[genes], deep.loc[genes]
    x, y = across["pearson"].to_numpy(dtype=float), up["pearson"].to_numpy(dtype=float)
    binned = len(genes) > limit
    figure = go.Figure()
    if binned:
        edges = np.linspace(-_reach(x, y), _reach(x, y), 81)
        hover = f"{words.safe(x_name)} r %{{x:.2f}}<br>{words.safe(y_name)} r %{{y:.2f}}"
        figure.add_trace(count_heatmap(x, y, (edges, edges), what="genes", hover=hover))
    else:
        label = genes.astype(str) if names is None else names.reindex(genes).fillna("").astype(str)
        hover = (
            f"%{{customdata[1]}}<br>{words.safe(y_name)} r %{{y:.3f}} (q %{{customdata[2]:.2g}})"
            f"<br>{words.safe(x_name)} r %{{x:.3f}} (q %{{customdata[3]:.2g}})"
        )
        points = Points(genes, x, y, hover, (label.to_numpy(), up["q"].to_numpy(), across["q"].to_numpy()))
        for trace in _gene_points(points, across, up, selected, intervals):
            figure.add_trace(trace)
        figure.update_layout(legend={"title": {"text": f"{words.safe(y_name)} (filled: q &lt; {SIGNIFICANT})"}})
    bounds = ["pearson_low", "pearson_high"] if intervals and not binned else ["pearson"]
    reach = _reach(across[bounds].to_numpy(dtype=float), up[bounds].to_numpy(dtype=float))
    _quadrants(figure, reach, models)
    figure.update_xaxes(title_text=f"{words.safe(x_name)}: r across people")
    figure.update_yaxes(title_text=f"{words.safe(y_name)}: r across people")
    lines = words.wrapped(_negative_in_words(up, y_name)) if len(genes) else []
    dropped = len(linear.index.union(deep.index)) - len(genes)
    count = f"n = {len(genes):,} genes" + (f" ({dropped:,} without r in one of the two)" if dropped else "")
    if binned:
        count += f". Binned; up to {limit:,} genes are drawn as points, to be selected one by one."
    heading = f"{y_name} against {x_name}, {'genes in bins' if binned else 'one point a gene'}"
    return theme.finish(figure, heading, lines + words.wrapped(count), height=460, selectable=not binned)


def _negative_in_words(up: pd.DataFrame, model: str) -> str:
    negative = up["pearson"] < 0
    sure = (up["q"] < SIGNIFICANT).to_numpy()
    text = f"{model}: r below 0 at {words.percent(float(negative.mean()))} of genes"
    if sure.any():
        share = words.percent(float(negative[sure].mean()))
        below = f"q < {SIGNIFICANT}".replace(" ", "\N{NO-BREAK SPACE}")
        text += f", and at {share} of the {int(sure.sum()):,} with {below} ({up['null'].iloc[0]} null)"
    return text


def _gene_points(
    points: Points, across: pd.DataFrame, up: pd.DataFrame, selected: Collection[str] | None, intervals: bool  # noqa: FBT001
) -> list[go.Scatter]:
    """Draw a trace each for positive and negative genes, or those of each category, sure and unsure ones."""
    sure = (up["q"] < SIGNIFICANT).to_numpy()
    by_category = "category" in up
    if by_category:
        kinds = categories(up["category"], VERDICTS)
    else:
        positive = points.y >= 0
        kinds = [Category("r ≥ 0", positive, theme.POSITIVE, 1), Category("r < 0", ~positive, theme.NEGATIVE, 2)]
    traces = []
    for name, members, look, rank in kinds:
        legend: dict[str, object] = {"legendrank": rank}
        for filled in (True, False):
            part = members & (sure == filled)
            if not part.any():
                continue
            bars = {"error_x": _bars(across[part]), "error_y": _bars(up[part])} if intervals else {}
            said = name if filled or by_category else f"{name}, q ≥ {SIGNIFICANT}"
            group = Group(said, part, theme.look(look, filled=filled, size=7))
            traces.append(point_trace(points, group, selected, **bars, **legend))
            if by_category:  # one entry of the legend for both
                traces[-1].update(name=f"{words.safe(name)} ({int(members.sum()):,})", legendgroup=name)
                legend |= {"showlegend": False}
    return traces


def _bars(rows: pd.DataFrame) -> dict[str, object]:
    r = rows["pearson"].to_numpy()
    return {
        "type": "data", "symmetric": False, "width": 0, "thickness": 0.8, "color": "rgba(95,108,123,0.45)",
        "array": rows["pearson_high"].to_numpy() - r, "arrayminus": r - rows["pearson_low"].to_numpy(),
    }  # fmt: skip


def _reach(x: np.ndarray, y: np.ndarray) -> float:
    """Find how far both axes go, either way from 0."""
    largest = float(np.abs(np.concatenate([x, y])).max(initial=0.0))
    return min(1.02, max(0.3, 1.15 * largest))


def _quadrants(figure: go.Figure, reach: float, models: tuple[str, str]) -> None:
    """Draw the zero lines, the diagonal, and say what the corners mean."""
    figure.update_xaxes(range=[-reach, reach], zeroline=True)
    figure.update_yaxes(range=[-reach, reach], zeroline=True)
    line = {"color": theme.AXIS, "width": 1, "dash": "dot"}
    figure.add_shape(type="line", x0=-reach, y0=-reach, x1=reach, y1=reach, line=line, layer="below")
    short = [words.safe(m if len(m) <= 16 else m[:15] + "…") for m in models]
    corners = [
        (0.99, 0.99, "right", "top", "both the right way round"),
        (0.99, 0.01, "right", "bottom", f"{short[1]} the wrong way round"),
        (0.01, 0.99, "left", "top", f"{short[0]} the wrong way round"),
        (0.01, 0.01, "left", "bottom", "both the wrong way round"),
    ]
    for left, bottom, xanchor, yanchor, text in corners:
        figure.add_annotation(
            x=left, y=bottom, xref="paper", yref="paper", xanchor=xanchor, yanchor=yanchor, text=text, showarrow=False,
            font={"size": 11, "color": theme.QUIET}, borderpad=2,
        )  # fmt: skip


def r_distribution(tables: Mapping[str, pd.DataFrame], *, statistic: str = "pearson", bins: int = 40) -> go.Figure:
    """Plot the distribution of r over genes, a row a model, with the share of negative genes.

    Parameters
    ----------
    tables : mapping
        Model -> table from :func:`gexviz.analysis.evaluation.evaluate_genes`.
    statistic : {"pearson", "spearman"}
    bins : int
        Over the range of all models; one edge is at 0.

    Returns
    -------
    Figure
        Negative bars have another colour and are hatched; a dashed line stands at the mean.
    """
    values = {m: t.loc[t["status"] == "ok", statistic].to_numpy(dtype=float) for m, t in tables.items()}
    everything = np.concatenate([*values.values(), np.zeros(1)])
    step = max(float(np.ptp(everything)), 0.2) / bins
    edges = step * np.arange(np.floor(everything.min() / step), np.ceil(everything.max() / step + 1e-9) + 1)
    rows = max(1, len(values))
    figure = make_subplots(
        rows=rows, cols=1, shared_xaxes=True, vertical_spacing=min(0.3, 0.34 / rows),
        subplot_titles=[_distribution_title(m, v, len(tables[m])) for m, v in values.items()],
    )  # fmt: skip
    for row, (model, r) in enumerate(values.items(), start=1):
        counts = np.histogram(r, edges)[0]
        middle = (edges[:-1] + edges[1:]) / 2
        for positive, name in ((False, "r < 0"), (True, "r ≥ 0")):
            part = (middle > 0) == positive
            colour = (theme.POSITIVE if positive else theme.NEGATIVE)[0]
            hatch = {"shape": "" if positive else "/", "size": 6, "solidity": 0.2}
            hatch |= {"fgcolor": "white", "fillmode": "overlay"}
            bars = go.Bar(
                x=middle[part], y=counts[part], width=step, name=name, legendgroup=name, showlegend=row == 1,
                marker={"color": colour, "line": {"color": "white", "width": 0.5}, "pattern": hatch},
                customdata=np.stack([edges[:-1][part], edges[1:][part]], axis=1),
                hovertemplate=f"{words.safe(model)}<br>r %{{customdata[0]:.2f}} to %{{customdata[1]:.2f}}"
                "<br>%{y:,} genes<extra></extra>",
            )  # fmt: skip
            figure.add_trace(bars, row=row, col=1)
        if len(r):
            mean = float(r.mean())
            line = {"color": theme.INK, "width": 1.5, "dash": "dash"}
            figure.add_shape(type="line", x0=mean, x1=mean, y0=0, y1=1, yref="y domain", line=line, row=row, col=1)
        figure.update_yaxes(title_text="genes", rangemode="tozero", row=row, col=1)
    figure.update_annotations(font={"size": 12, "color": theme.INK}, x=0, xanchor="left", align="left", yshift=4)
    figure.update_xaxes(title_text=f"{statistic.capitalize()} r across people", row=rows, col=1)
    figure.update_layout(bargap=0, barmode="overlay", legend={"y": -0.34 / rows - 0.03})
    lines = ["dashed: mean over genes"]
    return theme.finish(figure, "r across people, by model", lines, height=96 + 180 * rows, room=2 * theme.LINE)


def _distribution_title(model: str, r: np.ndarray, genes: int) -> str:
    if not len(r):
        return f"<b>{words.safe(model)}</b><br>none of {genes:,} genes has r"
    left_out = f" ({genes - len(r):,} undefined)" if genes > len(r) else ""
    share = words.percent(float((r < 0).mean()))
    text = f"{share} below 0, mean {words.number(float(r.mean()), 3)}, n = {len(r):,} genes{left_out}"
    return f"<b>{words.safe(model)}</b><br>{text}"
