"""Association and weights on the genome: heights, LD, what is left out, and how they stack with other tracks."""

from __future__ import annotations

import html
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from locus_tables import UNIT, all_tracks
from mismatch_figure_tables import REGION, TSS, WINDOW, associations_table, evidence
from test_locus_figure import headers
from test_tracks import count_marks

from gexviz.figures.association import association_figure, evidence_region
from gexviz.figures.locus import locus_figure
from gexviz.figures.tracks import Region, VariantTrack
from gexviz.figures.tracks.association import LD, AssociationTrack, ld_bins
from gexviz.figures.tracks.weights import WeightTrack

WEIGHT_UNIT = "log2(RPKM + 1) per copy"


def points(traces):
    """Id -> (x, y, trace, number) of each variant's point."""
    return {
        data[0]: (x, y, trace, n)
        for trace in traces
        if trace.customdata is not None
        for n, (data, x, y) in enumerate(zip(trace.customdata, trace.x, trace.y, strict=True))
    }


def test_height_is_minus_log_p_at_the_base_as_counted_from_one():
    table, lead = associations_table(500)
    found = points(AssociationTrack(table, lead, 1e-5).draw(REGION).traces)
    assert set(found) == set(table.index)
    for variant, (x, y, _, _) in found.items():
        assert x == int(variant.split(":")[1]) and y == pytest.approx(-np.log10(table["p"][variant]))


@given(st.lists(st.one_of(st.just(np.nan), st.floats(-1, 1)), min_size=1, max_size=60))
def test_ld_is_binned_by_r_squared(r):
    for value, number in zip(r, ld_bins(np.array(r)), strict=True):
        if np.isnan(value):
            assert number == len(LD)
        else:
            upper = LD[number - 1][0] if number else 1.01
            assert LD[number][0] <= value**2 < upper


def test_colour_and_size_tell_ld_and_shape_the_direction():
    table, lead = associations_table(500)
    table["ld_lead"] = np.linspace(-1, 1, len(table))
    table.iloc[3:9, table.columns.get_loc("ld_lead")] = np.nan
    table.iloc[20:30, table.columns.get_loc("slope")] = np.nan
    found = points(AssociationTrack(table, lead).draw(REGION).traces)
    size = {}
    for variant, row in table.drop(lead).iterrows():
        _, _, trace, n = found[variant]
        number = ld_bins(np.array([row["ld_lead"]]))[0]
        assert trace.name == ("LD unknown" if np.isnan(row["ld_lead"]) else f"r² {LD[number][1]}")
        assert number == len(LD) or trace.marker.color == LD[number][2]
        slope = row["slope"]
        assert trace.marker.symbol[n] == ("square" if np.isnan(slope) else "circle" if slope > 0 else "triangle-down")
        if slope > 0 and number < len(LD):
            size[number] = trace.marker.size[n]
    assert sorted(size) == list(range(len(LD))) and sorted(size.values(), reverse=True) == [size[n] for n in range(5)]
    _, _, trace, n = found[lead]
    assert trace.marker.symbol[n] == "diamond" and len(trace.x) == 1


@pytest.mark.parametrize("slope", [0.4, -0.4])
def test_the_lead_is_named_with_its_direction(slope):
    table, lead = associations_table(200)
    table.loc[lead, "slope"] = slope
    drawn = AssociationTrack(table, lead).draw(REGION)
    (label,) = [label for label in drawn.labels if "lead 22:" in html.unescape(label["text"])]
    assert label["text"].endswith("ALT raises" if slope > 0 else "ALT lowers")
    assert label["x"] == table["position"][lead] + 1
    outside = Region("22", REGION.start, TSS - 100_000)
    assert not any("lead 22:" in label["text"] for label in AssociationTrack(table, lead).draw(outside).labels)


def test_the_legend_is_in_words():
    table, lead = associations_table(200)
    text = html.unescape(re.sub("<[^>]+>", "", AssociationTrack(table, lead).draw(REGION).labels[0]["text"]))
    assert all(name in text for _, name, _ in LD) and "raises" in text and "unknown" not in text
    bare = AssociationTrack(table.drop(columns=["ld_lead", "slope"]), lead).draw(REGION).labels[0]["text"]
    assert bare == "r² with the lead: unknown"
    table.iloc[0, table.columns.get_loc("ld_lead")] = np.nan
    assert "unknown" in AssociationTrack(table, lead).draw(REGION).labels[0]["text"]


@pytest.mark.parametrize("threshold", [None, np.nan, 3e-6])
def test_the_threshold_is_a_line_where_there_is_one(threshold):
    table, lead = associations_table(200)
    track = AssociationTrack(table, lead, threshold)
    drawn = track.draw(REGION)
    lines = [trace for trace in drawn.traces if trace.mode == "lines"]
    assert len(lines) == (threshold == 3e-6) and ("dotted" in drawn.note) == (threshold == 3e-6)
    assert track.marks(REGION) == count_marks(drawn.traces)
    for line in lines:
        assert line.y[0] == line.y[1] == -np.log10(3e-6)


def test_a_p_of_zero_is_drawn_and_said_and_none_is_counted():
    table, lead = associations_table(100)
    table.loc[lead, "p"] = 0.0
    table.iloc[5:9, table.columns.get_loc("p")] = np.nan
    track = AssociationTrack(table, lead)
    drawn = track.draw(REGION)
    found = points(drawn.traces)
    assert len(found) == 96 and found[lead][1] == pytest.approx(323.3, abs=0.1)
    assert "p &lt; 1e−300" in found[lead][2].customdata[0][2]
    assert "4 variants without p" in drawn.note and track.marks(REGION) == count_marks(drawn.traces)
    assert drawn.axis["range"][1] > 323.4
    empty = AssociationTrack(table.assign(p=np.nan))
    assert empty.draw(REGION).note.startswith("no tested variant here; 100 variants") and empty.marks(REGION) == 0


@given(st.integers(1, 400), st.integers(1, 120), st.integers(0, 5))
def test_of_many_variants_those_with_small_p_are_drawn(n, most, seed):
    table, lead = associations_table(n, seed)
    far = table["p"].idxmax()
    track = AssociationTrack(table, lead, 1e-4, chosen=[far], most=most)
    drawn = track.draw(REGION)
    assert track.marks(REGION) == count_marks(drawn.traces)
    found = points(drawn.traces)
    if n <= most:
        assert set(found) == set(table.index) and "smallest" not in drawn.note
        return
    half = max(1, most // 2)
    smallest = table["p"].sort_values()
    assert set(smallest.index[:half]) <= set(found) and {lead, far} <= set(found)
    assert len(found) <= 2 * half + 3
    if len(found) < n:
        step = int(re.search(r"in each ([0-9,]+) bp", drawn.note)[1].replace(",", ""))
        bins = (table["position"] - REGION.start) // step
        assert set(table.groupby(bins)["p"].min()) <= {table["p"][variant] for variant in found}
        assert f"{len(found):,} of {n:,} variants" in drawn.note


def test_weights_of_zero_are_left_out_and_those_outside_the_window_counted():
    weights = evidence().weights
    track = WeightTrack(weights, WEIGHT_UNIT, WINDOW)
    drawn = track.draw(REGION)
    found = points(drawn.traces)
    some = weights[weights["weight"] != 0]
    assert {variant: y for variant, (_, y, _, _) in found.items()} == pytest.approx(some["weight"].to_dict())
    outside = int(((some["position"] < WINDOW[0]) | (some["position"] >= WINDOW[1])).sum())
    assert 0 < outside < len(some)
    assert drawn.note == f"{len(some)} other than 0, {outside} of them outside the deep model's window"
    assert track.marks(REGION) == count_marks(drawn.traces)
    assert all(trace.showlegend is False for trace in drawn.traces)
    for _, y, trace, _ in found.values():
        assert trace.marker.symbol == ("circle" if y >= 0 else "triangle-down")
    nothing = WeightTrack(weights.assign(weight=0.0), WEIGHT_UNIT)
    assert nothing.draw(REGION).note == "no weight other than 0 here" and nothing.marks(REGION) == 0
    assert WeightTrack(weights.assign(weight=np.nan), WEIGHT_UNIT).marks(REGION) == 0


def test_they_stack_on_one_axis_below_other_tracks():
    local = evidence()
    region = Region("22", TSS - 5_000, TSS + 5_000)
    tracks = [
        AssociationTrack(local.associations, local.lead, local.threshold),
        *all_tracks(region.start, region.end),
        WeightTrack(local.weights.assign(weight=0.1), WEIGHT_UNIT, WINDOW),
    ]
    figure = locus_figure(tracks, region, title="all")
    assert {trace.xaxis for trace in figure.data} == {"x"} and count_marks(figure.data) <= 20_000


@pytest.mark.parametrize("n", [10, 3_000, 12_000])
def test_the_evidence_is_three_tracks_with_few_marks(n):
    local = evidence(n)
    figure = association_figure(local, REGION, units=(UNIT, WEIGHT_UNIT), title="G", chosen=[local.lead])
    assert count_marks(figure.data) <= 20_000 and len(figure.to_json()) < 1_000_000
    names = ["Association with expression", "Effects by the deep model", "Linear weights"]
    assert [text for text in headers(figure) if any(text.startswith(name) for name in names)] == [
        text for name in names for text in headers(figure) if text.startswith(name)
    ]
    assert {trace.xaxis for trace in figure.data} == {"x"} and {t.yaxis for t in figure.data} == {"y", "y2", "y3"}
    highlight, window, start = sorted(figure.layout.shapes, key=lambda s: (s.type == "line", s.x1 - s.x0))
    assert (window.x0, window.x1) == (WINDOW[0] + 0.5, WINDOW[1] + 0.5) and start.x0 == start.x1 == TSS + 1
    at = local.associations["position"][local.lead] + 1
    assert (highlight.x0 + highlight.x1) / 2 == pytest.approx(at)
    rings = [trace for trace in figure.data if trace.name == "chosen" and trace.x != (None,)]
    assert {trace.yaxis for trace in rings} >= {"y"} and all(set(trace.x) == {at} for trace in rings)


def test_evidence_without_deep_or_linear_model():
    local = evidence(300)._replace(effects=None, weights=None, window=None, tss=None)
    figure = association_figure(local, REGION, units=("", ""), title="G")
    assert {trace.yaxis for trace in figure.data} == {"y"} and not figure.layout.shapes
    assert "shaded" not in figure.layout.title.text


def test_the_region_has_window_lead_and_weights_in_it():
    local = evidence(300)
    found = evidence_region(local, "22")
    weights = local.weights.loc[local.weights["weight"] != 0, "position"]
    must = [*WINDOW, TSS, local.associations["position"][local.lead], *weights]
    assert found.contig == "22" and found.start < min(must) and max(must) < found.end
    assert found.width < 1.2 * (max(must) - min(must))
    bare = local._replace(lead=None, weights=None, window=None, tss=None)
    positions = bare.associations["position"]
    whole = evidence_region(bare, "22")
    assert whole.start < positions.min() and whole.end > positions.max()
    near = local._replace(weights=None, window=None, tss=3, lead=None)
    assert evidence_region(near, "22").start == 0


def test_a_deletion_is_highlighted_over_all_its_bases():
    table = pd.DataFrame({"position": [TSS], "p": [1e-9]}, index=[f"22:{TSS + 1}:ACGTACGTAC:A"])
    local = evidence(50)._replace(associations=table, lead=table.index[0])
    region = Region("22", TSS - 100, TSS + 100)
    figure = association_figure(local, region, units=(UNIT, WEIGHT_UNIT), title="G", chosen=[table.index[0]])
    bands = [(s.x0, s.x1) for s in figure.layout.shapes if s.type == "rect"]
    assert (TSS + 0.5, TSS + 10.5) in bands


def test_the_deep_effects_of_the_mismatch_table_are_a_track_too():
    local = evidence(300)
    rows = local.effects.rename(columns={"effect_reference": "deep_effect"})
    drawn = VariantTrack(rows, UNIT, value="deep_effect").draw(REGION)
    assert set(points(drawn.traces)) == set(rows.index)
