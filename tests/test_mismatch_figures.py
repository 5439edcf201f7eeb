"""Figures of where a model and genetics disagree: what is drawn and counted is what the tables say."""

from __future__ import annotations

import html
import json
import re

import numpy as np
import pandas as pd
import plotly
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mismatch_figure_tables import (
    LABELS,
    MODEL,
    UNIT,
    evaluations,
    figures,
    genes_table,
    pairs_table,
    people_table,
    published_table,
    strata_table,
)
from test_figures import OUTSIDE, marked

from gexviz.analysis import mismatch_rules
from gexviz.figures import classes, dosage, overview, theme, words
from gexviz.figures.direction_strip import direction_strip
from gexviz.figures.quadrant import BARS, MARGIN, pair_id, quadrants, split_pair
from gexviz.figures.two_sides import two_sides
from gexviz.figures.verdicts import verdict_bars

VARIANT = "22:20004537:GTTA:G"


def text_of(figure):
    """The title in one line."""
    return " ".join(html.unescape(re.sub("<[^>]+>", " ", figure.layout.title.text)).split())


def corners(figure):
    """Count of each quadrant, by the signs of x and y."""
    found = {}
    for note in figure.layout.annotations:
        signs = (1 if note.x > 0.5 else -1), (1 if note.y > 0.5 else -1)
        found[signs] = int(re.search("<b>([0-9,]+)</b>", note.text)[1].replace(",", ""))
    return found


def legend_of(figure):
    """Names of legend entries with their counts, in the legend's order."""
    shown = sorted((t for t in figure.data if t.showlegend is not False and t.name), key=lambda t: t.legendrank or 0)
    parts = [re.fullmatch(r"(.*) \(([0-9,]+)\)", trace.name).groups() for trace in shown]
    found = {html.unescape(name): int(count.replace(",", "")) for name, count in parts}
    assert len(found) == len(parts)
    return found


def test_the_looks_are_of_the_classes_and_verdicts_that_there_are_and_all_differ():
    assert set(classes.CLASSES) == set(mismatch_rules.CLASSES)
    assert set(classes.VERDICTS) == set(mismatch_rules.VERDICTS)
    for looks in (classes.CLASSES, classes.VERDICTS):
        colours, symbols = zip(*looks.values(), strict=True)
        assert len(set(colours)) == len(set(symbols)) == len(looks)


@given(st.lists(st.sampled_from([*classes.CLASSES, "something else", "<b>", None]), max_size=40))
def test_every_row_has_one_category_and_no_two_look_alike(labels):
    found = classes.categories(pd.Series(labels, dtype=object), classes.CLASSES)
    assert np.array_equal(sum([c.members.astype(int) for c in found], np.zeros(len(labels), int)), np.ones(len(labels)))
    for category in found:
        name = None if category.name == "none" else category.name
        assert [labels[n] for n in np.flatnonzero(category.members)] == [name] * category.members.sum()
    assert len({c.look for c in found}) == len({c.rank for c in found}) == len(found)
    known = {name: rank for rank, name in enumerate(classes.CLASSES, start=1)}
    assert all(c.rank == known[c.name] if c.name in known else c.rank > len(known) for c in found)
    sizes = [c.members.sum() for c in found]
    assert sizes == sorted(sizes, reverse=True)


def test_each_pair_stands_at_its_effect_and_slope():
    table = pairs_table(900)
    figure = quadrants(table, labels=LABELS)
    known = table.dropna(subset=["deep_effect", "slope"])
    ids = [pair_id(g, v) for g, v in zip(known["gene"], known["variant"], strict=True)]
    assert [split_pair(i) for i in ids[:5]] == list(known[["gene", "variant"]].itertuples(index=False, name=None))[:5]
    drawn = marked(figure)
    assert set(drawn) == set(ids)
    (low, high), (bottom, top) = figure.layout.xaxis.range, figure.layout.yaxis.range
    assert low == -high and bottom == -top
    edge = top / MARGIN
    far = 0
    for name, x, y in zip(ids, known["deep_effect"], known["slope"], strict=True):
        at = drawn[name]
        assert np.sign(at) == pytest.approx(np.sign((x, y)))
        if abs(x) <= 0.985 * high and abs(y) <= 0.985 * edge:
            assert at == pytest.approx((x, y))
        else:
            far += abs(x) > high or abs(y) > edge
            assert max(abs(at[0]) / high, abs(at[1]) / edge) == pytest.approx(0.985)
    assert 0 < far <= 0.04 * len(known) and f"{far} pairs are further out than the edge" in text_of(figure)
    assert UNIT.split(",")[0] in html.unescape(figure.layout.xaxis.title.text.replace("<br>", " "))
    assert "per copy of ALT (log2(RPKM + 1)" in figure.layout.yaxis.title.text


def test_colour_and_shape_tell_the_class_and_the_rarest_is_on_top():
    table = pairs_table(900)
    figure = quadrants(table, labels=LABELS)
    by_id = table.set_axis([pair_id(g, v) for g, v in zip(table["gene"], table["variant"], strict=True)])
    for trace in figure.data:
        assert set(by_id.loc[[d[0] for d in trace.customdata], "class"]) == {trace.name.rsplit(" (", 1)[0]}
        colour, symbol = classes.CLASSES[trace.name.rsplit(" (", 1)[0]]
        assert (trace.marker.color, trace.marker.symbol) == (colour, symbol)
    sizes = [len(trace.x) for trace in figure.data]
    assert sizes == sorted(sizes, reverse=True)
    known = table.dropna(subset=["deep_effect", "slope"])["class"].value_counts()
    assert legend_of(figure) == known.to_dict()
    assert list(legend_of(figure)) == [name for name in classes.CLASSES if name in known]


@given(st.lists(st.tuples(*[st.sampled_from([-2.0, -1e-9, 0.0, 3.0, np.nan])] * 2), min_size=1, max_size=40))
def test_quadrants_are_counted(values):
    table = pairs_table(len(values)).assign(deep_effect=[v[0] for v in values], slope=[v[1] for v in values])
    table["variant"] = [f"22:{n}:A:C" for n in range(1, len(values) + 1)]
    figure = quadrants(table)
    known = [v for v in values if np.isfinite(v).all()]
    expected = {(x, y): sum(tuple(np.sign(v)) == (x, y) for v in known) for x in (-1, 1) for y in (-1, 1)}
    assert corners(figure) == expected
    on_lines, text = len(known) - sum(expected.values()), text_of(figure)
    assert f"n = {len(known)} pairs" in text and ("in no quadrant" in text) == (on_lines > 0)
    no_effect = sum(np.isnan(x) for x, _ in values)
    no_slope = sum(np.isnan(y) and np.isfinite(x) for x, y in values)
    assert (f"{no_effect} without a predicted effect" in text) == (no_effect > 0)
    assert (f"{no_slope} without an eQTL slope" in text) == (no_slope > 0)


def test_shaded_quadrants_are_those_of_disagreement():
    shapes = quadrants(pairs_table(300)).layout.shapes
    shaded = [shape for shape in shapes if shape.type == "rect"]
    assert len(shaded) == 2 and all(s.x0 == s.y0 == 0 and s.x1 * s.y1 < 0 for s in shaded)
    edges = sorted(shape.y0 for shape in shapes if shape.type == "line")
    assert edges == sorted(shape.y1 for shape in shaded)


def test_selected_pairs_have_error_bars_and_all_others_none():
    table = pairs_table(600)
    known = table.dropna(subset=["deep_effect", "slope"]).sort_values("deep_effect", key=np.abs)[:400]
    chosen = [pair_id(r.gene, r.variant) for r in known.sample(9, random_state=1).itertuples()]
    figure = quadrants(table, selected=[*chosen, "NONE 22:1:A:C"])
    by_id = table.set_axis([pair_id(g, v) for g, v in zip(table["gene"], table["variant"], strict=True)])
    found = []
    for trace in figure.data:
        names = [d[0] for d in trace.customdata]
        assert [names[n] for n in trace.selectedpoints] == [name for name in names if name in chosen]
        for name, across, up in zip(names, trace.error_x.array, trace.error_y.array, strict=True):
            if name not in chosen:
                assert np.isnan(across) and np.isnan(up)
                continue
            found.append(name)
            assert across == by_id["deep_noise"][name]
            assert up == pytest.approx(1.96 * by_id["se"][name], rel=1e-4)
    assert sorted(found) == sorted(chosen) and "bars: 95% interval of the slope" in text_of(figure)
    assert "bars:" not in text_of(quadrants(table))
    table.loc[known.index[0], ["deep_effect", "slope"]] = [9.0, 0.1]  # far beyond the axis: no bar on its border
    far = pair_id(*table.loc[known.index[0], ["gene", "variant"]])
    for trace in quadrants(table, selected=[far]).data:
        assert np.isnan(trace.error_x.array).all() and np.isnan(trace.error_y.array).all()


def test_all_pairs_can_have_error_bars_but_not_too_many():
    table = pairs_table(200)
    bars = [bar for trace in quadrants(table, bars=True).data for bar in trace.error_y.array]
    known = table.dropna(subset=["deep_effect", "slope"])
    assert len(bars) == len(known) and np.isfinite(bars).mean() > 0.95
    assert all(trace.error_y.array is None for trace in quadrants(pairs_table(BARS * 2), bars=True).data)


def test_hover_labels_have_the_interval_and_are_no_markup():
    table = pairs_table(50).assign(gene="<b>G</b>", deep_effect=0.031, deep_noise=0.0042, slope=-0.25, se=0.01)
    table.loc[0, ["distance", "deep_noise"]] = np.nan
    table["variant"] = [f"22:{n}:A:C" for n in range(1, 51)]
    rows = {d[0]: d for trace in quadrants(table, names=pd.Series({"<b>G</b>": "<i>"})).data for d in trace.customdata}
    first, second = (rows[f"<b>G</b> 22:{n}:A:C"] for n in (1, 2))
    assert second[1] == "&lt;i&gt;" and second[2] == "22:2 A&gt;C"
    assert second[3] == "0.031 ± 0.0042" and second[4] == "−0.25 [−0.27, −0.23]"
    assert first[3] == "0.031 ± unknown" and first[6] == ""
    assert second[6] == f"{int(table['distance'][1]):+,} bp from the TSS".replace("-", "−")


def test_more_pairs_are_binned_and_it_says_so():
    table = pairs_table(3_000)
    known = table.dropna(subset=["deep_effect", "slope"])
    some = [pair_id(r.gene, r.variant) for r in known.sample(3, random_state=0).itertuples()]
    figure = quadrants(table, limit=1_000, selected=some)
    heatmap, *points = figure.data
    assert heatmap.type == "heatmap" and np.sum(heatmap.customdata) == len(known)
    assert sorted(d[0] for trace in points for d in trace.customdata) == sorted(some)
    assert "Binned; up to 1,000 pairs" in text_of(figure) and figure.layout.dragmode is None
    assert corners(figure) == corners(quadrants(table))
    half = np.asarray(heatmap.x) > 0
    right = np.sum(np.asarray(heatmap.customdata)[:, half])
    assert right == (known["deep_effect"] >= 0).sum()  # an edge of the bins is at 0


def test_ten_thousand_pairs_are_points():
    figure = quadrants(pairs_table(11_200))
    assert {trace.type for trace in figure.data} == {"scattergl"}
    assert 9_500 < sum(len(trace.x) for trace in figure.data) <= 10_000 and figure.layout.dragmode == "select"
    assert len(figure.to_json()) < 2_500_000


def test_nothing_to_draw_says_why():
    table = pairs_table(20)
    text = text_of(quadrants(table.assign(slope=np.nan)))
    assert "n = 0 pairs" in text and "without an eQTL slope" in text
    assert set(corners(quadrants(table[:0])).values()) == {0}


def test_the_strip_has_each_stratum_with_its_interval():
    strata = strata_table()
    figure = direction_strip(strata, model=MODEL, published=published_table(), unit=UNIT)
    points = [trace for trace in figure.data if trace.name != "published"]
    found = {y: (x, x - minus, x + plus) for t in points
             for x, y, minus, plus in zip(t.x, t.y, t.error_x.arrayminus, t.error_x.array, strict=True)}  # fmt: skip
    known = strata[strata["n"] > 0]
    np.testing.assert_allclose([found[y] for y in sorted(found)], known[["accuracy", "low", "high"]])
    for trace in points:
        low, high = np.array(trace.x) - trace.error_x.arrayminus, np.array(trace.x) + trace.error_x.array
        side = {"above 50%": low > 0.5, "below 50%": high < 0.5, "interval has 50% in it": (low <= 0.5) & (high >= 0.5)}
        assert side[trace.name].all()
    notes = {note.y: note.text for note in figure.layout.annotations if note.xanchor == "right"}
    names = {note.y: note.text for note in figure.layout.annotations if note.xanchor == "left"}
    rows = sorted(at for at, text in names.items() if not text.startswith("<b>"))
    assert [names[at] for at in rows[:3]] == ["all", "0 bp to 200 bp", "200 bp to 1 kb"]
    assert sorted(notes) == rows and len(rows) == len(strata) + 3
    for at, row in zip(rows, strata.to_dict("records"), strict=False):
        expected = f"{100 * row['accuracy']:.0f}% [{100 * row['low']:.0f}, {100 * row['high']:.0f}], n = {row['n']:,}"
        assert notes[at] == (expected if row["n"] else "no pair")
        assert (at in found) == (row["n"] > 0)


def test_the_strip_has_lines_at_one_half_and_at_published_figures():
    published = published_table()
    figure = direction_strip(strata_table(), model=MODEL, published=published)
    lines = [(shape.x0, shape.line.dash) for shape in figure.layout.shapes]
    assert lines == [*((value, "dot") for value in published["value"]), (0.5, "dash")]
    said = [note.text for note in figure.layout.annotations if note.xanchor == "right"]
    assert said[-3:] == ["53%", "68%", "more than 70%"]
    alone = direction_strip(strata_table(), model=MODEL)
    assert len(alone.layout.shapes) == 1 and "published" not in text_of(alone)
    empty = direction_strip(strata_table(0), model=MODEL)
    assert {note.text for note in empty.layout.annotations if note.xanchor == "right"} == {"no pair"}
    assert not empty.data


def test_bars_count_the_verdicts():
    genes = genes_table()
    bars, symbols = verdict_bars(genes, model=MODEL, selected=["wrong direction"]).data
    counts = genes["verdict"].fillna("none").value_counts()
    assert dict(zip(bars.y, bars.x, strict=True)) == {name: counts.get(name, 0) for name in [*classes.VERDICTS, "none"]}
    assert [data[0] for data in bars.customdata] == list(bars.y)
    assert [bars.y[n] for n in bars.selectedpoints] == ["wrong direction"]
    at = dict(zip(bars.y, zip(bars.marker.color, symbols.marker.symbol, strict=True), strict=True))
    assert {name: at[name] for name in classes.VERDICTS} == classes.VERDICTS
    assert f"{counts['predicts']:,} ({words.percent(counts['predicts'] / len(genes))})" in bars.text
    names = pd.Series([f"NAME{n}" for n in range(len(genes))], genes.index)
    hover = verdict_bars(genes, model=MODEL, names=names).data[0].customdata[0][1]
    first = names[genes["verdict"] == "predicts"]
    assert hover[4:].replace("<br>", " ") == f"{', '.join(first[:6])} and {len(first) - 6} more"


def test_the_overview_is_coloured_by_verdict():
    genes = genes_table()
    linear, deep = evaluations(genes)
    figure = overview.model_vs_model(
        linear, deep.assign(category=genes["verdict"]), models=("enet", "xpresso"), selected=["ENSG00003.1"]
    )
    assert marked(figure) == {g: (linear["pearson"][g], deep["pearson"][g]) for g in genes.index}
    looks = classes.VERDICTS | {"none": theme.MISSING}
    for trace in figure.data:
        members = [data[0] for data in trace.customdata]
        (name,) = set(genes["verdict"].fillna("none")[members])
        (sure,) = set(deep["q"][members] < 0.05)
        assert trace.legendgroup == name and trace.marker.color == looks[name][0]
        symbol = looks[name][1]
        assert trace.marker.symbol == (symbol if sure or symbol.endswith("-open") else f"{symbol}-open")
    assert legend_of(figure) == genes["verdict"].fillna("none").value_counts().to_dict()
    assert [t.customdata[n][0] for t in figure.data for n in t.selectedpoints] == ["ENSG00003.1"]
    with_bars = overview.model_vs_model(
        linear, deep.assign(category=genes["verdict"]), models=("enet", "xpresso"), intervals=True
    )
    for trace in with_bars.data:
        members = [data[0] for data in trace.customdata]
        np.testing.assert_allclose(trace.y + trace.error_y.array, deep.loc[members, "pearson_high"])


def test_both_sides_of_a_variant_are_of_the_same_people():
    table = people_table(VARIANT)
    figure = two_sides(table, VARIANT, "xpresso", colour_by="population", selected=["P010"], labels=LABELS)
    sides = {"x": "observed", "x2": "xpresso"}
    for axis, column in sides.items():
        points = [t for t in figure.data if t.customdata is not None and t.xaxis == axis]
        drawn = {d[0]: (x, y) for t in points for d, x, y in zip(t.customdata, t.x, t.y, strict=True)}
        known = table[table[VARIANT].notna()]
        assert set(drawn) == set(known.index)
        for person, (x, y) in drawn.items():
            assert round(x) == known[VARIANT][person] and y == known[column][person]
        assert [t.customdata[n][0] for t in points for n in t.selectedpoints] == ["P010"]
        assert sum(trace.type == "box" for trace in figure.data if trace.xaxis == axis) == 3
    assert sum(t.showlegend is not False and t.customdata is not None for t in figure.data) == 4
    titles = [html.unescape(note.text) for note in figure.layout.annotations]
    for title, column in zip(titles, sides.values(), strict=True):
        found = dosage.slope(table[VARIANT].to_numpy(), table[column].to_numpy())
        digits = 2 if abs(found.value) >= 0.1 else 4
        assert words.number(found.value, digits) in title and "n = 329 people" in title
    assert "<b>observed</b>" in titles[0] and MODEL in titles[1]
    flat = two_sides(table.assign(xpresso=1.0), VARIANT, "xpresso")
    assert "no slope" in flat.layout.annotations[1].text and "no slope" not in flat.layout.annotations[0].text


def test_titles_fit_and_figures_are_small_plain_json():
    for name, make in figures().items():
        figure = make()
        lines = html.unescape(re.sub("<[^>]+>", "", figure.layout.title.text.replace("<br>", "\n"))).split("\n")
        assert max(map(len, lines)) <= words.WIDTH, name
        text = figure.to_json()
        assert json.loads(text)["layout"]["title"]["text"] and len(text) < 2_000_000, name
        assert figure.layout.template.layout.font.family == theme.FONT, name


@pytest.mark.browser
def test_no_text_is_cut_off_in_a_browser(browser, tmp_path):
    (tmp_path / "plotly.min.js").write_text(plotly.offline.get_plotlyjs(), encoding="utf-8")
    drawn = {name: make() for name, make in figures().items() if name not in ("quadrant_9000", "association_wide")}
    options = {"full_html": False, "include_plotlyjs": False, "config": {"responsive": True, "displayModeBar": False}}
    divs = "".join(f"<div id='{name}'>{figure.to_html(**options)}</div>" for name, figure in drawn.items())
    page_file = tmp_path / "figures.html"
    page_file.write_text(f"<script src='plotly.min.js'></script><body style='margin:0'>{divs}", encoding="utf-8")
    page = browser.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    for width in (700, 1100):
        page.set_viewport_size({"width": width, "height": 900})
        page.goto(page_file.as_uri())
        page.wait_for_function(f"document.querySelectorAll('.gtitle').length == {len(drawn)}")
        outside = [text for text in page.evaluate(OUTSIDE) if not text.endswith(" 0..0")]  # ticks that are not shown
        assert outside == [], width
    page.close()
    assert errors == []
