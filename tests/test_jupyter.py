"""Views in notebooks, without a browser: selections, tables, links, numbers, static output, bars."""

import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from app_studies import app_study
from plotly.callbacks import Points

import gexviz as gx
from gexviz.explaining.regions import parse_region
from gexviz.jupyter import progress, static
from gexviz.jupyter.charts import Chart


@pytest.fixture(scope="module")
def study():
    return gx.demo()


@pytest.fixture(scope="module")
def found(study):
    return study.mismatches("cnn", "enet")


def brush(chart: Chart, ids):
    """Select points as a browser tells of it: trace by trace, those without any, too."""
    for number, trace in enumerate(chart.widget.data):
        known = [] if trace.customdata is None else [str(row[0]) for row in trace.customdata]
        inside = [n for n, name in enumerate(known) if name in ids]
        trace._dispatch_on_selection(Points(point_inds=inside, trace_name=trace.name, trace_index=number), None)


def marked(chart: Chart):
    """Ids shown as selected; None if nothing is."""
    traces = [t for t in chart.widget.data if t.customdata is not None]
    if all(t.selectedpoints is None for t in traces):
        return None
    return {str(t.customdata[n][0]) for t in traces for n in t.selectedpoints}


def test_a_box_in_one_figure_marks_the_same_people_in_all(study):
    view = study.gene("GENE07").view()
    chosen = list(view.rows.index[[3, 50, 200]])
    brush(view.charts[0], chosen)
    assert view.selection == chosen
    assert [marked(chart) for chart in view.charts] == [set(chosen), set(chosen)]
    pd.testing.assert_frame_equal(view.table, study.gene("GENE07").table.loc[chosen])
    brush(view.charts[1], [])
    assert view.selection == []
    assert [marked(chart) for chart in view.charts] == [None, None]


def test_selection_is_set_in_the_order_of_the_table_and_refuses_strangers(study):
    view = study.gene("GENE07").view()
    ids = list(view.rows.index[:3])
    view.selection = pd.Index([ids[2], ids[0], ids[2]])
    assert view.selection == [ids[0], ids[2]]
    with pytest.raises(gx.GexvizError, match="1 of 2 ids are not samples"):
        view.selection = [ids[0], "nobody"]
    assert view.selection == [ids[0], ids[2]]
    view.selection = ids[1]
    assert view.selection == [ids[1]]


def test_numbers_are_those_of_the_table_and_of_the_evaluation(study):
    gene = study.gene("GENE07")
    view = gene.view()
    pd.testing.assert_frame_equal(view.table, gene.table)
    for model, chart in zip(["cnn", "enet"], view.charts, strict=True):
        points = {str(row[0]): (x, y) for t in chart.widget.data if t.customdata is not None
                  for row, x, y in zip(t.customdata, t.x, t.y, strict=True)}  # fmt: skip
        drawn = pd.DataFrame.from_dict(points, orient="index", columns=[model, "observed"]).loc[gene.table.index]
        np.testing.assert_array_equal(drawn, gene.table[[model, "observed"]])
        r = study.evaluate(model).loc[gene.id, "pearson"]
        assert f"r = {r:.2f}".replace("-", "−") in chart.widget.layout.title.text


def test_a_variant_adds_expression_by_genotype(study):
    gene = study.gene("GENE07")
    variant = gene.effects("cnn").facts["main"]
    view = gene.view(["cnn"], variant=variant)
    assert len(view.charts) == 2
    np.testing.assert_array_equal(view.table[variant], gene.dosages([variant])[variant])


def test_a_model_that_cannot_serve_the_gene_is_named(tmp_path):
    view = gx.load(app_study(tmp_path)).gene("GENE5").view()
    assert [chart.widget.layout.title.text.partition("</b>")[0] for chart in view.charts] == ["<b>GENE5 · linear"]
    assert "deep has no prediction of this gene" in view.children[1].children[0].value


def test_links_carry_selections_both_ways_until_they_are_undone(study):
    one, other = study.gene("GENE07").view(), study.gene("GENE15").view()
    ids = list(one.rows.index[:4])
    one.selection = ids
    tied = gx.link(one, other)
    assert other.selection == ids
    other.selection = ids[:2]
    assert one.selection == ids[:2]
    tied.unlink()
    one.selection = []
    assert other.selection == ids[:2]


def test_a_link_drops_what_the_other_does_not_know_and_keeps_it_here(study):
    whole = study.gene("GENE07").locus("cnn")
    start = whole.region.start
    part = whole.zoomed(start, start + 400).view()
    view = whole.view()
    gx.link(view, part)
    view.selection = list(view.rows.index)
    assert part.selection == list(part.rows.index)
    assert len(view.selection) == len(view.rows) > len(part.rows) > 0


def test_links_between_kinds_and_with_no_view_are_refused(study):
    gene = study.gene("GENE07")
    people, variants = gene.view(), gene.locus("cnn").view()
    with pytest.raises(gx.GexvizError, match="selection of samples can't travel to a view of variants"):
        gx.link(people, variants)
    with pytest.raises(gx.GexvizError, match="a Gene has no selection"):
        gx.link(gene, people)


def test_locus_zooms_to_letters_and_keeps_what_is_selected(study):
    locus = study.gene("GENE07").locus("cnn")
    view = locus.view()
    main = study.gene("GENE07").effects("cnn").facts["main"]
    brush(view.charts[0], [main])
    assert view.selection == [main]
    place = int(view.table["position"].iloc[0])
    view.charts[0].widget.layout.xaxis.range = [place - 59.5, place + 60.5]
    assert (view.region.start, view.region.end) == (place - 60, place + 60)
    drawn = locus.zoomed(place - 60, place + 60).adding(chosen=[main]).figure()
    assert len(view.charts[0].widget.data) == len(drawn.data)
    assert {t.name for t in view.charts[0].widget.data} >= {"chosen"}
    assert view.selection == [main]


def test_typed_regions_are_read_and_wrong_ones_answered(study):
    locus = study.gene("GENE07").locus("cnn")
    view = locus.view()
    text = f"{locus.region.contig}:{locus.region.start + 101:,}-{locus.region.start + 200:,}"
    typed = view.children[0].children[0]
    typed.value = text
    assert str(view.region) == text
    typed.value = "<b>here</b>"
    assert str(view.region) == text
    assert "&#x27;&lt;b&gt;here" in view._said.value


def test_buttons_move_within_the_whole(study):
    view = study.gene("GENE07").locus("cnn").view()
    whole = view.region
    left, right, inside, out, everything = view.children[0].children[1:]
    inside.click()
    assert view.region.width == whole.width // 2
    for _ in range(4):
        right.click()
    assert view.region.end == whole.end
    for _ in range(8):
        inside.click()
    assert view.region.width == 20
    left.click()
    out.click()
    assert whole.start <= view.region.start < view.region.end <= whole.end
    everything.click()
    assert view.region == whole


def test_a_row_or_a_point_shows_its_gene_and_the_people_stay_marked(found):
    view = found.view()
    view._list.selected_rows = [list(view.rows.index).index("GENE15")]
    assert view.selection == ["GENE15"]
    assert list(view.table.index) == ["GENE15"]
    assert [marked(chart) is None for chart in view.people.charts] == [True, True]
    people = list(view.people.rows.index[:5])
    view.people.selection = people
    pair = next(name for name in view.charts[0].ids if name.startswith("GENE07 "))
    brush(view.charts[0], [pair])
    assert view.selection == ["GENE07"]
    assert view._list.selected_rows == [list(view.rows.index).index("GENE07")]
    assert view.people.selection == people
    assert "wrong direction" in view._below.children[0].value
    view.selection = []
    assert view.people is None


def test_text_of_a_study_is_never_markup(found):
    genes = found.genes.copy()
    genes.loc["GENE07", ["name", "sentence"]] = "<img src=x onerror=alert(1)>"
    view = replace(found, genes=genes).view()
    view.selection = ["GENE07"]
    assert "<img" not in view._below.children[0].value
    assert "<img src=x" not in static.table_html(view._shown())


def test_without_a_browser_static_output_is_json_without_ids_and_a_table(found, study, monkeypatch):
    monkeypatch.setattr(static, "_can_draw", lambda: False)
    sample = study.samples.index[0]
    bundle = study.gene("GENE07").view()._repr_mimebundle_()
    assert {"text/html", "text/plain", static.PLOTLY, "application/vnd.jupyter.widget-view+json"} == set(bundle)
    text = go.Figure(bundle[static.PLOTLY]).to_json()
    assert sample not in text
    assert sum(len(t["x"]) if isinstance(t["x"], list) else 1 for t in json.loads(text)["data"]) > 0
    table = found.view()._repr_mimebundle_()["text/html"]
    assert len(re.findall("<th>GENE", table)) == 30 and "wrong direction" in table


def test_outside_a_kernel_nothing_is_drawn_or_computed(study):
    gene = study.gene("GENE07")
    assert gene._repr_mimebundle_() == {"text/plain": repr(gene)}


def test_a_bar_is_shown_for_long_work_alone_and_says_when_it_was_stopped(monkeypatch):
    shown = []

    class Handle:
        def update(self, bundle, raw):
            shown.append(bundle)

    class Display:
        @staticmethod
        def display(bundle, raw, display_id):
            shown.append(bundle)
            return Handle()

    monkeypatch.setattr(progress, "display", Display)
    monkeypatch.setattr(progress, "in_kernel", lambda: True)
    clock = iter(np.arange(0, 100, 0.3).tolist())
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))

    @progress.shows_progress
    def inner(progress=None):
        assert progress is None

    @progress.shows_progress
    def work(stop, progress=None):
        inner()
        for done in range(1, 5):
            progress(done, 4, "<gene>")
            if done == stop:
                raise KeyboardInterrupt

    work(0)
    assert "1 of 4" not in str(shown)
    assert "4 of 4 · &lt;gene&gt;" in shown[-2]["text/html"]
    assert shown[-1] == {"text/plain": ""}
    with pytest.raises(KeyboardInterrupt):
        work(1)
    assert shown[-1] == {"text/plain": progress.STOPPED}


def test_regions_shown_are_regions_that_can_be_typed(study):
    gene = study.gene("GENE07")
    view = gene.locus("cnn").view()
    assert parse_region(str(view.region), study.window("cnn", gene.place)) == (view.region.start, view.region.end)
