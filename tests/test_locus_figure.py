"""The locus figure and what goes with it: one axis, few marks, honest titles, nothing cut off in a browser."""

from __future__ import annotations

import html
import itertools
import json
import re

import numpy as np
import pandas as pd
import plotly
import pytest
import statsmodels.api as sm
from locus_tables import BASES, UNIT, all_tracks, attribution, bases_table, variants_table
from test_figures import OUTSIDE
from test_tracks import WIDTHS, count_marks, region_of

from gexviz.figures import words
from gexviz.figures.additivity import additivity_figure
from gexviz.figures.agreement import agreement_figure
from gexviz.figures.comparison import Labels
from gexviz.figures.epistasis import epistasis_figure
from gexviz.figures.locus import fitted, locus_figure
from gexviz.figures.logos import side_by_side_logos
from gexviz.figures.tracks import AttributionTrack, IsmTrack

START = 20_004_000
MINUS = "−"


def title(figure):
    return html.unescape(re.sub("<[^>]+>", " ", figure.layout.title.text.replace("<br>", "\n")))


def headers(figure):
    return [html.unescape(re.sub("<[^>]+>", "", a.text)) for a in figure.layout.annotations if a.xref == "paper"]


def locus(width, **options):
    region = region_of(width)
    return locus_figure(all_tracks(region.start, region.end), region, title="TANGO2", **options)


@pytest.mark.parametrize("width", WIDTHS)
def test_it_sends_few_marks_and_little_text(width):
    figure = locus(width)
    assert count_marks(figure.data) <= 20_000
    assert len(figure.to_json()) < 2_000_000


def test_more_tracks_have_less_detail_and_say_so():
    region = region_of(10_500)
    tracks = [IsmTrack(bases_table(region.start, region.end, seed), UNIT, f"ISM {seed}") for seed in range(9)]
    assert sum(track.marks(region) for track in tracks) > 50_000
    lower = fitted(tracks, region)
    assert 10_000 < sum(track.marks(region) for track in lower) <= 20_000
    figure = locus_figure(tracks, region, title="nine")
    assert count_marks(figure.data) <= 20_000
    steps = [int(re.search(r"per (\d+) bp", text)[1]) for text in headers(figure)]
    assert len(set(steps)) == 1 and steps[0] > 7
    assert fitted(tracks[:2], region) == tracks[:2]


def test_all_rows_share_the_genomic_axis():
    figure = locus(1500, highlight=(START + 100, START + 103))
    layout = figure.layout
    assert {trace.xaxis for trace in figure.data} == {"x"}
    rows = [layout[name] for name in layout.to_plotly_json() if name.startswith("yaxis")]
    assert len(rows) == 9 and all(row.fixedrange for row in rows)
    domains = sorted(row.domain for row in rows)
    assert all(a[1] < b[0] for a, b in itertools.pairwise(domains))
    assert domains[0][0] == pytest.approx(0, abs=0.02) and domains[-1][1] < 1
    x = layout.xaxis
    assert x.range == (START + 0.5, START + 1500.5) and x.fixedrange is None
    assert (x.minallowed, x.maxallowed) == x.range
    assert "contig 22" in x.title.text and all("," in stop.value for stop in x.tickformatstops)
    (band,) = layout.shapes
    assert (band.x0 + band.x1) / 2 == START + 102 and band.x1 - band.x0 >= 3 and band.yref == "paper"


def test_a_title_from_outside_is_no_markup():
    region = region_of(60)
    track = AttributionTrack(attribution(bases_table(START, START + 60)), "<i>unit", "<script>", remark="5 < 6")
    figure = locus_figure([track], region, title="a <b> c", lines=["x < y"])
    assert headers(figure) == ["<script>  5 < 6"]
    text = figure.to_json()
    assert "<script>" not in json.loads(text)["layout"]["annotations"][0]["text"]
    assert "a &lt;b&gt; c" in figure.layout.title.text and "<i>unit" not in figure.layout.yaxis.title.text


def logo_letters(figure):
    """Letters by (axis, column)."""
    found = {}
    for trace in figure.data:
        if trace.type == "scatter":
            x = np.asarray(trace.x, float)
            starts = np.flatnonzero(np.isnan(x))
            parts = [p[~np.isnan(p)] for p in np.split(x, starts + 1) if np.isfinite(p).any()]
            whole = [p for p in parts if np.ptp(p) > 0.8]  # not the hole of an A
            middles = np.array([(p.min() + p.max()) / 2 for p in whole])
            np.testing.assert_allclose(middles, np.round(middles), atol=1e-6)
            found.update({(trace.yaxis, int(at)): trace.name for at in np.round(middles)})
    return found


@pytest.mark.parametrize("kind", ["SNV", "insertion", "deletion"])
def test_alleles_stand_above_each_other_base_by_base(kind):
    ref = attribution(bases_table(START, START + 30))
    ref["value"] = np.linspace(0.1, 0.3, 30)
    here, at = ref["ref"][12], START + 12
    alt = ref.assign(value=ref["value"] * 2)
    if kind == "SNV":
        new = next(base for base in BASES if base != here)
        alt.loc[12, "ref"] = new
        variant, columns, shaded = f"22:{at + 1}:{here}:{new}", 30, (11.5, 12.5)
        expected = [*ref["ref"][:12], new, *ref["ref"][13:]]
    elif kind == "insertion":
        more = pd.DataFrame({"position": at, "inserted": True, "ref": list("ACG"), "value": 0.2})
        alt = pd.concat([alt[:13], more, alt[13:]], ignore_index=True)
        variant, columns, shaded = f"22:{at + 1}:{here}:{here}ACG", 33, (11.5, 15.5)
        expected = [*ref["ref"][:13], *"ACG", *ref["ref"][13:]]
    else:
        alt = alt.drop(index=[13, 14]).reset_index(drop=True)
        variant, columns, shaded = f"22:{at + 1}:{''.join(ref['ref'][12:15])}:{here}", 30, (11.5, 14.5)
        expected = [*ref["ref"][:13], "", "", *ref["ref"][15:]]
    figure = side_by_side_logos(ref, alt, variant, unit=UNIT)
    found = logo_letters(figure)
    assert ["".join(found.get(("y2", n), "")) for n in range(columns)] == expected
    gap = [13, 14, 15] if kind == "insertion" else []
    assert [n for n in range(columns) if ("y", n) not in found] == gap
    assert "".join(found[("y", n)] for n in range(columns) if n not in gap) == "".join(ref["ref"])
    assert figure.layout.yaxis.range == figure.layout.yaxis2.range and figure.layout.yaxis.range[1] > 0.6
    (box,) = figure.layout.shapes
    assert (box.x0, box.x1) == shaded
    for tick, text in zip(figure.layout.xaxis.tickvals, figure.layout.xaxis.ticktext, strict=True):
        shift = 3 if kind == "insertion" and tick > 15 else 0
        assert text == f"{START + 1 + tick - shift:,}"
    assert words.variant_name(variant) in title(figure)


def test_epistasis_is_written_into_its_cells():
    rng = np.random.default_rng(0)
    ids = list(variants_table(START, START + 5000, 12).index)
    values = rng.normal(0, 0.01, (12, 12))
    values = values + values.T
    values[2, 7] = values[7, 2] = np.nan
    matrix = pd.DataFrame(values, ids, ids)
    reasons = pd.DataFrame("", ids, ids)
    reasons.iloc[2, 7] = reasons.iloc[7, 2] = "overlap <each other>"
    figure = epistasis_figure(matrix, unit=UNIT, reasons=reasons)
    texts = {(a.y, a.x): a.text for a in figure.layout.annotations}
    known = {(a, b) for a in range(12) for b in range(12) if a != b} - {(2, 7), (7, 2)}
    assert set(texts) == known
    for a, b in known:
        assert float(texts[a, b].replace(MINUS, "-")) == pytest.approx(values[a, b], abs=5e-4)
    heat, hatched = figure.data
    assert list(heat.customdata[3][5][:2]) == [ids[3], ids[5]]
    assert heat.zmin == -heat.zmax and np.isnan(np.diag(np.asarray(heat.z))).all()
    assert sorted(zip(hatched.x, np.asarray(hatched.base) + 0.47, strict=True)) == [(2, 7), (7, 2)]
    assert all("overlap &lt;each other&gt;" in text for text in hatched.customdata)
    with pytest.raises(ValueError, match="at most 12"):
        epistasis_figure(pd.DataFrame(0.0, range(13), range(13)), unit=UNIT)
    with pytest.raises(ValueError, match="square"):
        epistasis_figure(matrix.iloc[:3, :2], unit=UNIT)
    flat = epistasis_figure(matrix.iloc[:2, :2] * 0, unit=UNIT)
    assert {a.text for a in flat.layout.annotations} == {"0.00"}


def agreement_table(n, seed=0):
    rng = np.random.default_rng(seed)
    table = attribution(bases_table(START, START + n, insertions=[(START + 9, 2)])).rename(columns={"value": "ism"})
    return table.assign(gradient=table["ism"] * rng.normal(0.8, 0.3, len(table)) + rng.normal(0, 0.01, len(table)))


@pytest.mark.parametrize(("n", "binned"), [(400, False), (3000, False), (6000, True)])
def test_agreement_says_r_and_names_where_it_fails(n, binned):
    table = agreement_table(n)
    table.loc[5, "gradient"] = np.nan
    table.loc[11, "gradient"] = 3.0  # the second of two inserted bases
    figure = agreement_figure(table, unit=UNIT)
    known = table.dropna()
    r = np.corrcoef(known["ism"], known["gradient"])[0, 1]
    assert f"r = {words.number(r, 3)}, n = {n + 1:,} bases" in title(figure)
    worst = (known["gradient"] - known["ism"]).abs().nlargest(5).index
    named = {a.text for a in figure.layout.annotations}
    assert len(named) == 5
    assert f"2nd base inserted after {START + 10:,}: {table['ref'][11]}" in named
    plain = [i for i in worst if not table["inserted"][i]]
    assert {f"{table['position'][i] + 1:,} {table['ref'][i]}" for i in plain} <= named
    shown = figure.data[1]
    if binned:
        assert np.sum(shown.customdata) == n + 1 and "counted in bins" in title(figure)
    else:
        np.testing.assert_array_equal(shown.x, known["ism"])
        np.testing.assert_array_equal(shown.y, known["gradient"])


def test_agreement_without_r_says_why():
    table = agreement_table(50)
    assert "r undefined: one of the two is constant" in title(agreement_figure(table.assign(ism=0.0), unit=UNIT))
    assert "r undefined: fewer than 2" in title(agreement_figure(table.head(0), unit=UNIT))


def additivity_table():
    rng = np.random.default_rng(4)
    additive = 2.3 + rng.choice([0, 0.02, 0.05], (200, 2)).sum(axis=1)
    people = pd.Index([f"P{n}" for n in range(200)], name="sample")
    table = pd.DataFrame({"additive": additive, "full": 2.3 + 0.8 * (additive - 2.3)}, people)
    table["full"] += rng.normal(0, 0.005, 200)
    table["population"] = rng.choice(["CEU", "FIN"], 200)
    table.loc["P7", "full"] = np.nan
    return table


def test_additivity_has_r_slope_and_everybody():
    table = additivity_table()
    figure = additivity_figure(table, colour_by="population", selected=["P3"], labels=Labels("TANGO2", UNIT))
    known = table.dropna()
    fit = sm.OLS(known["full"], sm.add_constant(known["additive"])).fit()
    low, high = fit.conf_int().loc["additive"]
    numbers = f"slope {words.number(fit.params['additive'])} [{words.number(low)}, {words.number(high)}]"
    r = np.corrcoef(known["additive"], known["full"])[0, 1]
    text = " ".join(title(figure).split())
    assert f"r = {words.number(r, 3)}, {numbers}, n = 199 people" in text
    marked = [t for t in figure.data if t.mode == "markers"]
    points = {d[0]: (x, y) for t in marked for d, x, y in zip(t.customdata, t.x, t.y, strict=True)}
    assert points == {p: (row.additive, row.full) for p, row in known.iterrows()}
    line = figure.data[0]
    assert list(line.x) == list(line.y)
    assert "r undefined" in title(additivity_figure(table.assign(full=1.0), labels=Labels()))


@pytest.mark.browser
def test_no_text_of_them_is_cut_off_in_a_browser(browser, tmp_path):
    (tmp_path / "plotly.min.js").write_text(plotly.offline.get_plotlyjs(), encoding="utf-8")
    ids = list(variants_table(START, START + 5000, 12).index)
    matrix = pd.DataFrame(np.random.default_rng(0).normal(0, 0.01, (12, 12)), ids, ids)
    ref = attribution(bases_table(START, START + 41))
    drawn = {f"locus{width}": locus(width, lines=["of one copy"]) for width in (60, 10_500)}
    drawn |= {
        "epistasis": epistasis_figure(matrix, unit=UNIT),
        "agreement": agreement_figure(agreement_table(6000), unit=UNIT, method="gradient × input"),
        "additivity": additivity_figure(additivity_table(), labels=Labels("TANGO2", UNIT)),
        "logos": side_by_side_logos(ref, ref, f"22:{START + 21}:A:G", unit=UNIT),
    }
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
        assert page.evaluate(OUTSIDE) == [], width
    page.close()
    assert errors == []


@pytest.mark.browser
def test_zooming_goes_along_the_genome_in_all_rows(browser, tmp_path):
    page_file = tmp_path / "locus.html"
    locus(1500).write_html(page_file, include_plotlyjs=True, default_width="100%")
    page = browser.new_page(viewport={"width": 1100, "height": 1500})
    page.goto(page_file.as_uri())
    page.wait_for_selector(".gtitle")
    ranges = "() => { const l = document.querySelector('.js-plotly-plot')._fullLayout;" \
             "return [l.xaxis.range, ...['yaxis2', 'yaxis3'].map(y => l[y].range)] }"
    before = page.evaluate(ranges)
    plot = page.evaluate("() => { const g = document.querySelector('.js-plotly-plot'), r = g.getBoundingClientRect(),"
                         "p = g._fullLayout._plots.xy2; return [r.left + p.xaxis._offset, r.top + p.yaxis._offset,"
                         "p.xaxis._length, p.yaxis._length] }")
    page.mouse.move(plot[0] + plot[2] * 0.2, plot[1] + plot[3] * 0.95)
    page.mouse.down()
    page.mouse.move(plot[0] + plot[2] * 0.3, plot[1] + plot[3] * 0.9, steps=4)
    page.mouse.move(plot[0] + plot[2] * 0.6, plot[1] + plot[3] * 0.9, steps=4)
    page.mouse.up()
    page.wait_for_function(f"was => ({ranges})()[0][0] !== was", arg=before[0][0])
    after = page.evaluate(ranges)
    page.close()
    assert after[1:] == before[1:]
    low, high = before[0]
    assert after[0] == pytest.approx([low + 0.2 * (high - low), low + 0.6 * (high - low)], abs=5)
