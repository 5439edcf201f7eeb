"""Figures: what is drawn is what the tables say, ids travel with the points, and nothing is cut off in a browser."""

from __future__ import annotations

import html
import json
import re

import numpy as np
import pandas as pd
import plotly
import plotly.graph_objects as go
import pytest
import statsmodels.api as sm

from gexviz.analysis.benchmark import benchmark_rows
from gexviz.analysis.evaluation import evaluate_genes
from gexviz.figures import benchmark, comparison, dosage, haplotypes, overview, pca, points, theme, words
from gexviz.figures.comparison import Labels

VARIANT = "22:20004537:GTTA:G"
LABELS = Labels("TANGO2", "log10 expression, Xpresso GM12878", "log2(RPKM + 1)")


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(1)
    n = 240
    people = pd.Index([f"P{i:03d}" for i in range(n)], name="sample")
    copies = rng.binomial(2, 0.3, n).astype(float)
    values = np.array([2.31, 2.35, 2.352, 2.5])[rng.choice(4, (n, 2), p=[0.6, 0.2, 0.15, 0.05])]
    table = pd.DataFrame({"population": rng.choice(["CEU", "FIN", "GBR", "TSI"], n)}, index=people)
    table["observed"] = 3 + 0.4 * copies + rng.normal(0, 0.6, n)
    table["deep_haplotype_1"], table["deep_haplotype_2"] = values.T
    table["deep"] = values.mean(axis=1)
    table["linear"] = 0.35 * copies + rng.normal(0, 0.1, n)
    table["flat"] = 2.0
    table[VARIANT] = copies
    table.loc["P003", VARIANT] = np.nan
    table.loc["P005", "observed"] = np.nan
    table.loc["P006", "population"] = None
    return table


@pytest.fixture(scope="module")
def evaluations():
    rng = np.random.default_rng(2)
    observed = pd.DataFrame(rng.normal(size=(150, 80)), [f"ENSG{i:05d}.1" for i in range(150)])
    linear = observed * rng.uniform(0, 0.6, (150, 1)) + rng.normal(size=observed.shape)
    deep = observed * rng.normal(0, 0.3, (150, 1)) + rng.normal(size=observed.shape)
    deep.iloc[:7] = 1.0
    return evaluate_genes(linear, observed), evaluate_genes(deep, observed)


@pytest.fixture(scope="module")
def benchmark_table(evaluations):
    linear, deep = evaluations
    rows = [benchmark_rows("xpresso", "xpresso", genes=deep), benchmark_rows("enet", "predictdb", genes=linear)]
    return pd.concat(rows, ignore_index=True)


def marked(figure):
    """Traces of points, as id -> (x, y)."""
    found = {}
    for trace in figure.data:
        if getattr(trace, "mode", None) == "markers":
            for data, x, y in zip(trace.customdata, trace.x, trace.y, strict=True):
                assert data[0] not in found
                found[data[0]] = (x, y)
    return found


def title(figure):
    return html.unescape(re.sub("<[^>]+>", " ", figure.layout.title.text.replace("<br>", "\n")))


def figures(table, evaluations, benchmark_table):
    """One of each."""
    linear, deep = evaluations
    scores = pd.DataFrame(np.random.default_rng(3).normal(size=(len(table), 2)), table.index, ["PC1", "PC2"])
    share = pd.Series([0.123, 0.04], ["PC1", "PC2"])
    return {
        "population": comparison.predicted_vs_observed(table, "deep", colour_by="population", labels=LABELS),
        "genotype": comparison.predicted_vs_observed(table, "linear", colour_by=VARIANT, labels=LABELS),
        "flat": comparison.predicted_vs_observed(table, "flat", labels=LABELS),
        "side": comparison.side_by_side(table, ["deep", "linear", "flat"], colour_by="population", gene="TANGO2"),
        "copies": haplotypes.copy_against_copy(table, "deep", colour_by="population", labels=LABELS),
        "distinct": haplotypes.distinct_predictions(table, "deep", labels=LABELS),
        "dosage": dosage.by_dosage(table, VARIANT, colour_by="population", labels=LABELS),
        "models": overview.model_vs_model(linear, deep, models=("enet", "xpresso"), intervals=True),
        "bins": overview.model_vs_model(linear, deep, models=("enet", "xpresso"), limit=100),
        "distribution": overview.r_distribution({"enet": linear, "xpresso": deep}),
        "benchmark": benchmark.benchmark_figure(benchmark_table),
        "pca": pca.genotype_components(scores, share, populations=table["population"], n_variants=1000),
    }


def test_every_person_is_a_point_with_its_id(table):
    figure = comparison.predicted_vs_observed(table.sample(frac=1, random_state=0), "deep", colour_by="population")
    shown = table.dropna(subset="observed")
    assert marked(figure) == {p: (shown.deep[p], shown.observed[p]) for p in shown.index}


@pytest.mark.parametrize("model", ["deep", "linear"])
def test_the_title_says_r_interval_n_p_and_null(table, model):
    row = evaluate_genes(table[[model]].T, table[["observed"]].T.set_axis([model])).iloc[0]
    text = title(comparison.predicted_vs_observed(table, model, labels=LABELS))
    assert "TANGO2" in text and model in text
    for expected in ("pearson", "pearson_low", "pearson_high"):
        assert words.number(row[expected]) in text
    assert "n = 239 people" in text and "(analytic null)" in text
    given = row.copy()
    given["null"], given["p"] = "random_weights", 0.25
    text = title(comparison.predicted_vs_observed(table, model, evaluation=given))
    assert "p = 0.25 (random weights null)" in text


def test_a_constant_prediction_is_said_to_be_one(table):
    figure = comparison.predicted_vs_observed(table, "flat")
    assert "r undefined: constant prediction" in title(figure)
    low, high = figure.layout.xaxis.range
    assert low < 1.9 and high > 2.1
    assert all(trace.mode == "markers" for trace in figure.data)


def test_the_line_is_the_regression(table):
    line = comparison.predicted_vs_observed(table, "linear").data[-1]
    known = table.dropna(subset="observed")
    slope, intercept = np.polyfit(known["linear"], known["observed"], 1)
    np.testing.assert_allclose(line.y, intercept + slope * np.array(line.x))


def test_selected_people_are_selected_by_id(table):
    chosen = ["P001", "P100", "P239", "NOBODY"]
    figure = comparison.predicted_vs_observed(table, "deep", colour_by="population", selected=chosen)
    got = {t.customdata[i][0] for t in figure.data if t.mode == "markers" for i in t.selectedpoints}
    assert got == set(chosen) - {"NOBODY"}
    plain = comparison.predicted_vs_observed(table, "deep", selected=[])
    assert plain.data[0].selectedpoints is None


def test_genotypes_have_a_colour_a_symbol_and_their_alleles(table):
    figure = comparison.predicted_vs_observed(table, "deep", colour_by=VARIANT)
    groups = {t.name.rsplit(" ", 1)[0]: t for t in figure.data if t.mode == "markers"}
    assert list(groups) == ["GTTA/GTTA", "GTTA/G", "G/G", "no call"]
    people = {d[0] for d in groups["G/G"].customdata}
    assert people == set(table.index[(table[VARIANT] == 2) & table["observed"].notna()])
    assert len({t.marker.symbol for t in groups.values()}) == len({t.marker.color for t in groups.values()}) == 4
    assert "22:20,004,537 GTTA>G" in html.unescape(figure.layout.legend.title.text)


def test_no_two_of_63_groups_look_alike():
    looks = [theme.group_look(n) for n in range(63)]
    assert len(set(looks)) == 63
    assert len({symbol for _, symbol in looks[:7]}) == len({colour for colour, _ in looks[:7]}) == 7


def test_people_without_a_population_are_shown(table):
    names = [t.name for t in comparison.predicted_vs_observed(table, "deep", colour_by="population").data]
    assert "no population (1)" in names


def test_names_from_files_are_not_markup(table):
    odd = table.assign(population="<a href='x'>CEU</a>")
    figure = comparison.predicted_vs_observed(odd, "deep", colour_by="population", labels=Labels(gene="<i>G"))
    assert "<a" not in figure.data[0].name and "<i>" not in figure.layout.title.text
    assert "&lt;i&gt;G" in figure.layout.title.text


def test_models_side_by_side_share_expression_and_the_legend(table):
    figure = comparison.side_by_side(table, ["deep", "linear"], colour_by="population", scales={"deep": "log10"})
    assert figure.layout.yaxis2.matches == "y"
    names = [t.name for t in figure.data if t.mode == "markers" and t.showlegend is not False]
    assert len(names) == len(set(names)) == 5
    panels = [a.text for a in figure.layout.annotations]
    assert ["deep" in panels[0], "linear" in panels[1]] == [True, True]
    assert all("r = " in text and "p = " in text for text in panels)
    assert "log10" in figure.layout.xaxis.title.text


def test_webgl_only_for_many_points(table):
    many = pd.concat([table.add_suffix(f"_{i}", axis=0) for i in range(10)])
    assert isinstance(comparison.predicted_vs_observed(table, "deep").data[0], go.Scatter)
    assert isinstance(comparison.predicted_vs_observed(many, "deep").data[0], go.Scattergl)


def test_copies_hover_with_their_true_values_and_are_spread(table):
    figure = haplotypes.copy_against_copy(table, "deep", colour_by="population")
    spots = []
    for trace in figure.data:
        for (person, first, second), x, y in zip(trace.customdata, trace.x, trace.y, strict=True):
            assert (first, second) == tuple(table.loc[person, ["deep_haplotype_1", "deep_haplotype_2"]])
            assert np.hypot(x - first, y - second) < 0.03
            spots.append((x, y))
    assert len(spots) == len(set(spots)) == len(table)
    differ = (table["deep_haplotype_1"] != table["deep_haplotype_2"]).sum()
    assert f"{differ} with different predictions" in " ".join(title(figure).split())
    assert "4 distinct predictions" in " ".join(title(figure).split())


def test_distinct_predictions_count_every_copy(table):
    noisy = table.copy()
    noisy["deep_haplotype_1"] *= 1 + 1e-8  # less than the digits that are told apart
    figure = haplotypes.distinct_predictions(noisy, "deep")
    stems = figure.data[1]
    both = pd.concat([table["deep_haplotype_1"], table["deep_haplotype_2"]])
    assert dict(zip(np.round(stems.x, 6), stems.y, strict=True)) == both.value_counts().to_dict()
    missing = table.assign(deep_haplotype_1=np.nan, deep_haplotype_2=np.nan)
    assert "n = 0 copies" in title(haplotypes.distinct_predictions(missing, "deep"))
    assert "n = 0 people" in title(haplotypes.copy_against_copy(missing, "deep"))


def test_slope_as_statsmodels(table):
    known = table.dropna(subset=["observed", VARIANT])
    fit = sm.OLS(known["observed"], sm.add_constant(known[VARIANT])).fit()
    got = dosage.slope(table[VARIANT].to_numpy(), table["observed"].to_numpy())
    low, high = fit.conf_int().loc[VARIANT]
    assert got[:4] == pytest.approx((fit.params[VARIANT], low, high, fit.pvalues[VARIANT]))
    assert got.n == len(known)
    assert np.isnan(dosage.slope(np.ones(9), np.arange(9.0)).value)


def test_dosage_groups_and_their_people(table):
    figure = dosage.by_dosage(table, VARIANT, colour_by="population", labels=LABELS)
    spots = marked(figure)
    known = table.dropna(subset=["observed", VARIANT])
    assert set(spots) == set(known.index)
    assert all(round(x) == known.loc[p, VARIANT] and y == known.loc[p, "observed"] for p, (x, y) in spots.items())
    counts = known[VARIANT].value_counts()
    assert [f"n = {counts[k]}" in text for k, text in enumerate(figure.layout.xaxis.ticktext)] == [True] * 3
    for box in (t for t in figure.data if t.type == "box"):
        assert sorted(box.y) == sorted(known.loc[known[VARIANT] == box.x0, "observed"])
    assert "slope" in title(figure) and "(1 without a call)" in title(figure)
    none = dosage.by_dosage(table.assign(**{VARIANT: 0.0}), VARIANT)
    assert "no slope" in title(none)


def test_model_against_model_by_gene_sign_and_q(evaluations):
    linear, deep = evaluations
    names = pd.Series("SYMBOL", linear.index)
    figure = overview.model_vs_model(linear, deep, models=("enet", "xpresso"), names=names, selected=["ENSG00010.1"])
    ok = deep[deep["status"] == "ok"]
    assert marked(figure) == {g: (linear.pearson[g], deep.pearson[g]) for g in ok.index}
    for trace in figure.data:
        genes = deep.loc[[d[0] for d in trace.customdata]]
        assert (genes["pearson"] < 0).nunique() == (genes["q"] < 0.05).nunique() == 1
        down, sure = (genes["pearson"] < 0).iloc[0], (genes["q"] < 0.05).iloc[0]
        assert trace.marker.symbol == ("triangle-down" if down else "circle") + ("" if sure else "-open")
        assert trace.customdata[0][1] == "SYMBOL"
    text = " ".join(title(figure).split())
    assert f"below 0 at {words.percent((ok.pearson < 0).mean())}" in text
    assert "n = 143 genes (7 without r" in text
    selected = [t.customdata[i][0] for t in figure.data for i in t.selectedpoints]
    assert selected == ["ENSG00010.1"]


def test_intervals_are_drawn_where_they_are(evaluations):
    linear, deep = evaluations
    for trace in overview.model_vs_model(linear, deep, models=("enet", "xpresso"), intervals=True).data:
        genes = [d[0] for d in trace.customdata]
        np.testing.assert_allclose(trace.y + trace.error_y.array, deep.loc[genes, "pearson_high"])
        np.testing.assert_allclose(trace.x - trace.error_x.arrayminus, linear.loc[genes, "pearson_low"])


def test_too_many_genes_are_binned_and_it_says_so(evaluations):
    figure = overview.model_vs_model(*evaluations, models=("enet", "xpresso"), limit=100)
    assert np.sum(figure.data[0].customdata) == 143
    assert "Binned; up to 100 genes are drawn as points" in " ".join(title(figure).split())
    assert figure.layout.dragmode is None


def test_no_gene_in_common(evaluations):
    linear, deep = evaluations
    figure = overview.model_vs_model(linear.iloc[:5], deep.iloc[:5], models=("enet", "xpresso"))
    assert "n = 0 genes" in title(figure)


def test_distribution_counts_every_gene_on_its_side_of_zero(evaluations):
    linear, deep = evaluations
    figure = overview.r_distribution({"enet": linear, "xpresso": deep})
    for table, (negative, positive) in zip(evaluations, (figure.data[:2], figure.data[2:]), strict=True):
        r = table["pearson"].dropna()
        assert (sum(negative.y), sum(positive.y)) == ((r < 0).sum(), (r >= 0).sum())
        assert negative.marker.pattern.shape == "/"
    assert "(7 undefined)" in figure.layout.annotations[1].text
    empty = overview.r_distribution({"none": deep.iloc[:7]})
    assert "none of 7 genes has r" in empty.layout.annotations[0].text


def test_benchmark_shows_ours_published_and_what_is_missing(benchmark_table):
    figure = benchmark.benchmark_figure(benchmark_table)
    ours = [t for t in figure.data if t.name == "this study"][2]
    rows = benchmark_table[benchmark_table["row"] == "across individuals"].set_index("model")
    assert dict(zip(ours.y, ours.x, strict=True)) == rows["value"].to_dict()
    np.testing.assert_allclose(ours.x + ours.error_x.array, rows["high"])
    published = [t for t in figure.data if t.name.startswith("published")][2]
    assert dict(zip(published.y, published.x, strict=True)) == {"xpresso": 0.007, "enet": 0.25}
    assert sum("no value" in a.text for a in figure.layout.annotations) == benchmark_table["value"].isna().sum() == 4


def test_components_on_the_axes(table):
    scores = pd.DataFrame({"PC1": np.arange(len(table)), "PC3": 1.0}, table.index)
    share = pd.Series([0.123, 0.04], ["PC1", "PC3"])
    figure = pca.genotype_components(scores, share, populations=table["population"], components=("PC1", "PC3"))
    assert figure.layout.xaxis.title.text == "PC1 (12.3% of variance)"
    assert figure.layout.yaxis.title.text == "PC3 (4.0% of variance)"
    assert marked(figure) == {p: (i, 1.0) for i, p in enumerate(table.index)}


def test_words():
    assert words.number(-0.001) == "0.00" and words.number(-0.126) == "−0.13"
    assert [words.p_value(p) for p in (0, 2.1e-8, 0.03)] == ["p < 1e−300", "p = 2.1e−08", "p = 0.03"]
    assert words.percent(0.004) == "0.4%" and words.percent(0.414) == "41%" and words.percent(float("nan")) == "none"
    assert words.alleles("1:5:A:" + "ACGT" * 5)[1] == "A/ACGT…(20)"
    assert words.variant_name("odd") == "odd" and words.alleles("odd") == ("0 copies", "1 copy", "2 copies")
    assert all(len(line) <= 20 for line in words.wrapped("a" * 50 + " and more words follow", 20))


def test_spread_is_even_and_the_same_each_time():
    offsets = points.spread(200, width=0.3)
    assert np.abs(offsets).max() <= 0.3 and len(set(offsets)) == 200
    assert np.histogram(offsets, 10, (-0.3, 0.3))[0].min() >= 18
    np.testing.assert_array_equal(offsets, points.spread(200, width=0.3))


def test_titles_fit_and_figures_are_plain_json(table, evaluations, benchmark_table):
    for name, figure in figures(table, evaluations, benchmark_table).items():
        assert max(len(line) for line in title(figure).split("\n")) <= words.WIDTH + 2, name
        assert json.loads(figure.to_json())["layout"]["title"]["text"], name
        assert figure.layout.template.layout.font.family == theme.FONT, name
        selectable = [t for t in figure.data if t.customdata is not None and t.type.startswith("scatter")]
        assert all(isinstance(d[0], str) for t in selectable for d in t.customdata), name


OUTSIDE = """() => [...document.querySelectorAll('.js-plotly-plot')].flatMap(figure => {
  const titles = '.gtitle, .annotation-text, .xtitle, .ytitle, .xtick text, .ytick text';
  const within = (texts, box) => [...texts].filter(t => t.textContent.trim())
    .map(t => [t.textContent, t.getBoundingClientRect()])
    .filter(([, b]) => b.left < box.left - 1 || b.right > box.right + 1 ||
                       b.top < box.top - 1 || b.bottom > box.bottom + 1)
    .map(([text, b]) => `${figure.parentElement.parentElement.id}: ${text} ${b.left.toFixed()}..${b.right.toFixed()}`);
  const legend = figure.querySelector('.legend .bg');
  const frame = figure.getBoundingClientRect();
  return [...within(figure.querySelectorAll(titles), frame),
    ...(legend ? within(figure.querySelectorAll('.legendtext, .legendtitletext'), legend.getBoundingClientRect()) : []),
    ...(legend ? within([legend], frame) : [])];
})"""


@pytest.mark.browser
def test_no_text_is_cut_off_in_a_browser(browser, tmp_path, table, evaluations, benchmark_table):
    (tmp_path / "plotly.min.js").write_text(plotly.offline.get_plotlyjs(), encoding="utf-8")
    drawn = figures(table, evaluations, benchmark_table)
    options = {"full_html": False, "include_plotlyjs": False, "config": {"responsive": True, "displayModeBar": False}}
    divs = "".join(f"<div id='{name}'>{figure.to_html(**options)}</div>" for name, figure in drawn.items())
    page_file = tmp_path / "figures.html"
    page_file.write_text(f"<script src='plotly.min.js'></script><body style='margin:0'>{divs}", encoding="utf-8")
    page = browser.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    for width in (500, 1100):
        page.set_viewport_size({"width": width, "height": 900})
        page.goto(page_file.as_uri())
        page.wait_for_function(f"document.querySelectorAll('.gtitle').length == {len(drawn)}")
        assert page.evaluate(OUTSIDE) == [], width
    page.close()
    assert errors == []
