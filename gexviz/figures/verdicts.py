"""Why the deep model fails, or succeeds: how many genes have each verdict."""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd
import plotly.graph_objects as go

from gexviz.figures import theme, words
from gexviz.figures.classes import VERDICTS, Category, categories

ROW = 34
"""Height of a bar with what is between bars, px."""

EXAMPLES = 6
"""Genes that a hover label names."""


def verdict_bars(
    genes: pd.DataFrame, *, model: str, names: pd.Series | None = None, selected: Collection[str] | None = None
) -> go.Figure:
    """Plot the number of genes of each verdict.

    Parameters
    ----------
    genes : DataFrame
        Index gene; ``verdict`` (NaN: none).
    model : str
    names : Series, optional
        Gene names, index gene.
    selected : collection of str, optional
        Verdicts to show as selected.

    Returns
    -------
    Figure
        ``customdata[0]`` of each bar is the verdict; its colour and the symbol beside it are those of
        :data:`gexviz.figures.classes.VERDICTS`. Verdicts that no gene has are shown too.
    """
    present = {category.name: category for category in categories(genes["verdict"], VERDICTS)}
    order = [*VERDICTS, *(name for name in present if name not in VERDICTS)]
    counts = [int(present[name].members.sum()) if name in present else 0 for name in order]
    looks = [present[name].look if name in present else VERDICTS[name] for name in order]
    shares = [words.percent(count / len(genes)) if len(genes) else "none" for count in counts]
    label = pd.Series(genes.index, genes.index) if names is None else names.reindex(genes.index).fillna("")
    figure = go.Figure(
        go.Bar(
            orientation="h",
            x=counts,
            y=order,
            width=0.66,
            marker={"color": [colour for colour, _ in looks]},
            text=[f"{count:,} ({share})" for count, share in zip(counts, shares, strict=True)],
            textposition="outside",
            cliponaxis=False,
            customdata=[[name, _examples(present.get(name), label)] for name in order],
            hovertemplate="<b>%{customdata[0]}</b><br>%{x:,} genes%{customdata[1]}<extra></extra>",
            selectedpoints=[n for n, name in enumerate(order) if name in selected] if selected else None,
            unselected={"marker": {"opacity": 0.25}},
            showlegend=False,
        )
    )
    most = max([*counts, 1])
    figure.add_trace(
        go.Scatter(
            x=[-0.03 * most] * len(order),
            y=order,
            mode="markers",
            marker={
                "color": [colour for colour, _ in looks],
                "symbol": [symbol for _, symbol in looks],
                "size": 12,
                "line": {"width": [2 if symbol.endswith("-open") else 0 for _, symbol in looks]},
            },
            hoverinfo="skip",
            showlegend=False,
        )
    )
    figure.update_xaxes(title_text="genes", range=[-0.06 * most, 1.3 * most], zeroline=False, fixedrange=True)
    figure.update_yaxes(
        autorange="reversed", ticktext=["<br>".join(words.wrapped(name, 20)) for name in order], tickvals=order,
        fixedrange=True, showgrid=False, ticks="", showline=False, tickfont={"color": theme.INK},
    )  # fmt: skip
    count = f"n = {len(genes):,} genes; the symbol is the gene's where points are coloured by verdict"
    heading = f"{model}: why it fails, or succeeds"
    theme.finish(figure, heading, words.wrapped(count), height=ROW * len(order) + 76)
    return figure.update_layout(clickmode="event+select")


def _examples(category: Category | None, label: pd.Series) -> str:
    if category is None:
        return ""
    members = label[category.members].astype(str)
    more = f" and {len(members) - EXAMPLES:,} more" if len(members) > EXAMPLES else ""
    lines = words.wrapped(", ".join(members.iloc[:EXAMPLES]) + more, 48)
    return "".join(f"<br>{words.safe(line)}" for line in lines)
