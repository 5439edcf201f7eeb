"""Tracks: what is drawn is what the tables say, at its place on the genome, at any level of detail."""

from __future__ import annotations

import html
import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from locus_tables import BASES, UNIT, all_tracks, attribution, bases_table, motifs_table, variants_table

from gexviz.figures import theme
from gexviz.figures.tracks import (
    AttributionTrack,
    DifferenceTrack,
    GeneTrack,
    IsmTrack,
    LogoTrack,
    MotifTrack,
    Region,
    UserTrack,
    VariantTrack,
)
from gexviz.figures.tracks.base import PLOT_WIDTH
from gexviz.figures.tracks.binning import strongest
from gexviz.figures.tracks.difference import aligned, differences
from gexviz.figures.tracks.lanes import pack
from gexviz.figures.tracks.places import base_names, places

START = 20_004_000
WIDTHS = (60, 300, 1500, 10_500, 196_608)


def region_of(width, start=START):
    return Region("22", start, start + width)


def count_marks(traces):
    """Points, bars, cells, stems and letters, counted in the traces."""
    total = 0
    for trace in traces:
        if trace.type == "bar":
            total += len(trace.base if trace.orientation == "h" else trace.x)
        elif trace.type == "heatmap":
            total += np.asarray(trace.z).size
        elif trace.showlegend is None and trace.x is not None and list(trace.x) == [None]:
            continue  # an entry of the legend
        elif trace.mode == "lines":
            x = np.asarray(trace.x, dtype=float)
            pieces = np.isnan(x).sum()
            total += pieces // 2 if trace.fill and trace.name == "A" else pieces  # an A has a hole
        else:
            total += len(trace.x)
    return total


def bar_values(traces):
    """Bars as (left, right, value, hover), by place."""
    found = [
        (x - w / 2, x + w / 2, float(y), text)
        for trace in traces
        if trace.type == "bar"
        for x, w, y, text in zip(trace.x, trace.width, trace.y, trace.customdata, strict=True)
    ]
    return sorted(found)


@pytest.mark.parametrize("width", WIDTHS)
def test_marks_are_counted_as_they_are_drawn_and_stay_few(width):
    region = region_of(width)
    tracks = all_tracks(region.start, region.end)
    for track in tracks:
        assert track.marks(region) == count_marks(track.draw(region).traces), track.name
    assert sum(track.marks(region) for track in tracks) <= 20_000


@given(st.data())
def test_bases_stand_side_by_side_whatever_is_inserted_and_deleted(data):
    size = data.draw(st.integers(1, 30))
    counts = data.draw(st.lists(st.integers(0, 5), min_size=size, max_size=size))
    kept = data.draw(st.lists(st.booleans(), min_size=size, max_size=size))
    rows = [
        (START + p, inserted)
        for p in range(size)
        for inserted in [False] * kept[p] + [True] * counts[p]
    ]
    table = pd.DataFrame(rows, columns=["position", "inserted"])
    found = places(table)
    assert (found.width > 0.05).all()
    assert (found.left[1:] >= found.right[:-1] - 1e-6).all()
    position, inserted = table["position"].to_numpy(), table["inserted"].to_numpy(dtype=bool)
    reference = ~inserted
    assert (found.left[reference] >= position[reference] + 0.5).all()
    assert (found.right[reference] <= position[reference] + 1.5).all()
    assert (np.abs(found.middle[inserted] - (position[inserted] + 1.5)) < 0.5).all()
    alone = reference & ~np.isin(position, position[inserted]) & ~np.isin(position - 1, position[inserted])
    np.testing.assert_array_equal(found.middle[alone], position[alone] + 1)


def test_bases_are_named_from_1_with_thousands():
    table = pd.DataFrame({"position": [20_004_599] * 3, "inserted": [False, True, True], "ref": list("GAC")})
    inserted = ["1st base inserted after 20,004,600: A", "2nd base inserted after 20,004,600: C"]
    assert base_names(table) == ["20,004,600 G", *inserted]
    assert base_names(table, "T") == ["20,004,600 G>T", *(name + ">T" for name in inserted)]


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(-9, 9) | st.just(np.nan)), min_size=1, max_size=40))
def test_the_strongest_of_each_bin(rows):
    bins, values = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
    found = strongest(values, bins)
    assert bins[found].tolist() == sorted(set(bins.tolist()))
    for row in found:
        own = np.abs(values[bins == bins[row]])
        assert np.isnan(own).all() or abs(values[row]) == np.nanmax(own)


def test_narrow_attribution_is_each_base_and_wide_the_strongest_of_bins():
    region = region_of(1000)
    table = attribution(bases_table(region.start - 50, region.end + 50, insertions=[(START + 300, 3)]))
    inside = table[(table["position"] >= region.start) & (table["position"] < region.end)]
    found = bar_values(AttributionTrack(table, UNIT).draw(region).traces)
    assert len(found) == 1003
    np.testing.assert_array_equal([v for *_, v, _ in found], inside["value"])
    assert [text for *_, text in found] == base_names(inside)

    drawn = AttributionTrack(table, UNIT, most=120).draw(region)
    assert drawn.note == "largest |value| per 9 bp"
    found = bar_values(drawn.traces)
    bins = (inside["position"] - region.start) // 9
    expected = inside.groupby(bins)["value"].agg(lambda v: v.iloc[v.abs().argmax()])
    np.testing.assert_array_equal([v for *_, v, _ in found], expected)
    assert found[0][0] == START + 0.5 and found[-1][1] == region.end + 0.5
    by_name = dict(zip(base_names(inside), inside["value"], strict=True))
    assert all(by_name[text] == value for *_, value, text in found)


def test_an_insertion_is_marked_at_every_width():
    region = region_of(5000)
    table = attribution(bases_table(region.start, region.end, insertions=[(START + 300, 3), (START + 900, 40)]))
    bases = table.loc[table["inserted"] & (table["position"] == START + 300), "ref"].str.cat()
    marks = [t for t in AttributionTrack(table, UNIT).draw(region).traces if t.type == "scatter"]
    assert list(marks[0].x) == [START + 301.5, START + 901.5]
    assert marks[0].customdata[0] == f"<b>{bases}</b> inserted after {START + 301:,}"
    assert "(40 bp)" in marks[0].customdata[1]


def test_every_cell_of_the_heatmap_is_its_substitution():
    region = region_of(80)
    table = bases_table(region.start, region.end, insertions=[(START + 20, 4)], deletions=[(START + 40, START + 46)])
    drawn = IsmTrack(table, UNIT).draw(region)
    heat = drawn.traces[0]
    edges, values = np.asarray(heat.x), np.asarray(heat.z)
    assert values.shape == (4, len(edges) - 1) and (np.diff(edges) > 0).all()
    assert heat.zmin == -heat.zmax == -np.nanmax(np.abs(values))
    where = places(table)
    columns = np.searchsorted(edges, where.middle) - 1
    np.testing.assert_array_equal(values[:, columns].T, table[list(BASES)].to_numpy())
    empty = np.setdiff1d(np.arange(values.shape[1]), columns)
    assert len(empty) == 1 and np.isnan(values[:, empty]).all()  # the deletion
    assert edges[empty[0]] == START + 40.5 and edges[empty[0] + 1] == START + 46.5
    for row, base in enumerate(BASES):
        assert [heat.customdata[row][c] for c in columns] == base_names(table, base)
    dots = next(t for t in drawn.traces if t.name == "the base that is there")
    at = np.searchsorted(edges, np.asarray(dots.x)) - 1
    assert (values[np.asarray(dots.y, int), at] == 0).all()


def test_the_wide_heatmap_is_the_strongest_of_each_base():
    region = region_of(4000)
    table = bases_table(region.start, region.end, insertions=[(START + 20, 4)])
    drawn = IsmTrack(table, UNIT, most=500).draw(region)
    heat = drawn.traces[0]
    bins = (table["position"] - START) // 8
    for row, base in enumerate(BASES):
        expected = table[base].groupby(bins).agg(lambda v: v.iloc[v.abs().argmax()])
        np.testing.assert_array_equal(np.asarray(heat.z)[row], expected)
        named = dict(zip(base_names(table, base), table[base], strict=True))
        assert [named[n] for n in heat.customdata[row]] == expected.tolist()
    assert drawn.note == "largest |value| per 8 bp"


def test_a_logo_has_letters_up_to_300_bp_and_bars_above():
    table = bases_table(START, START + 2000)
    for heights in (table, attribution(table)):
        for width, letters in ((300, True), (301, False)):
            drawn = LogoTrack(heights, UNIT).draw(region_of(width))
            assert any(t.type == "scatter" for t in drawn.traces) == letters
            assert ("letters below 300 bp" in drawn.note) == (not letters)
    single = LogoTrack(attribution(table), UNIT).draw(region_of(60))
    tops = [(t.name, np.nanmax(t.y)) for t in single.traces if t.type == "scatter"]
    top = {base: max(y for name, y in tops if name == base) for base, _ in tops}
    shown = attribution(table).iloc[:60]
    for base, rows in shown[shown["value"] > 0].groupby("ref"):
        assert top[base] == pytest.approx(rows["value"].max(), rel=1e-5)
    assert single.axis["range"][1] > shown["value"].max()


def test_lollipops_have_ids_directions_sizes_and_reasons():
    region = region_of(6000)
    table = variants_table(region.start, region.end, 90, 5)
    chosen = [table.index[3], table.index[7]]
    drawn = VariantTrack(table, UNIT, chosen=chosen).draw(region)
    heads = {t.name: t for t in drawn.traces if t.customdata is not None}
    seen = {}
    for name, trace in heads.items():
        for data, x, y, size in zip(trace.customdata, trace.x, trace.y, trace.marker.size, strict=True):
            seen[data[0]] = (name, x, y, size, data[2])
    assert sorted(seen) == sorted(table.index)
    for variant, row in table.iterrows():
        name, x, y, _, text = seen[variant]
        effect = row["effect_reference"]
        expected = "no effect known" if np.isnan(effect) else "raises" if effect >= 0 else "lowers"
        assert name == expected and x == row["position"] + 1 and y == (0 if np.isnan(effect) else effect)
        assert ("driver" in text) == row["driver"] and ("symbolic allele" in text) == np.isnan(effect)
    assert (heads["raises"].marker.color, heads["raises"].marker.symbol) == theme.POSITIVE
    assert (heads["lowers"].marker.color, heads["lowers"].marker.symbol) == theme.NEGATIVE
    raised = table[table["effect_reference"] >= 0].sort_values("frequency")
    assert (np.diff([seen[v][3] for v in raised.index]) > 0).all()
    ring = next(t for t in drawn.traces if t.name == "chosen" and t.x[0] is not None)
    assert list(ring.x) == (table.loc[chosen, "position"] + 1).tolist()
    main = table[table["main_driver"]].iloc[0]
    assert [(label["x"], label["y"]) for label in drawn.labels] == [(main["position"] + 1, main["effect_reference"])]


def test_too_many_variants_leave_the_strongest_the_drivers_and_the_chosen():
    region = region_of(100_000)
    table = variants_table(region.start, region.end, 5000, 6)
    weak = table["effect_reference"].abs().idxmin()
    table.loc[table["effect_reference"].abs().nsmallest(3).index[1], "driver"] = True
    track = VariantTrack(table, UNIT, chosen=[weak])
    drawn = track.draw(region)
    shown = {d[0] for t in drawn.traces if t.customdata is not None for d in t.customdata}
    assert len(shown) < 700 and f"{len(shown):,} of 5,000 variants" in drawn.note
    assert {weak, *table.index[table["driver"]]} <= shown
    bins = (table["position"] - region.start) // -(-region.width // 300)
    known = table["effect_reference"].dropna()
    for sign in (1, -1):
        own = known[np.sign(known) == sign].abs()
        assert set(own.groupby(bins[own.index]).idxmax()) <= shown
    assert track.marks(region) <= 3 * 700


def test_genes_have_lanes_exons_and_starts():
    region = region_of(10_000)
    rows = {
        "g1": ("A<b>1", START - 500, START + 4000, "+", START - 500),
        "g2": ("B2", START + 3000, START + 8000, "-", START + 7999),
        "g3": ("C3", START + 30_000, START + 40_000, "+", START + 30_000),
    }
    genes = pd.DataFrame.from_dict(rows, orient="index", columns=["name", "start", "end", "strand", "tss"])
    exons = pd.DataFrame(
        {
            "gene": ["g1", "g1", "g2", "g3"],
            "start": [START - 500, START + 1000, START + 3000, START + 30_000],
            "end": [START + 200, START + 1500, START + 3600, START + 31_000],
        }
    )
    drawn = GeneTrack(genes, exons, focus="g2").draw(region)
    boxes = sorted(
        (b, b + w, y)
        for t in drawn.traces
        if t.type == "bar"
        for b, w, y in zip(t.base, t.x, t.y, strict=True)
    )
    assert boxes == [
        (START + 0.5, START + 200.5, 0),
        (START + 1000.5, START + 1500.5, 0),
        (START + 3000.5, START + 3600.5, 1),
    ]
    arrows = {(y, s) for t in drawn.traces if t.name == "strand" for y, s in zip(t.y, t.marker.symbol, strict=True)}
    assert arrows == {(0, "triangle-right"), (1, "triangle-left")}
    line, head = [t for t in drawn.traces if t.name == "transcription start"]
    assert line.x[0] == START + 8000 and head.x[0] < line.x[0] and head.marker.symbol == ("triangle-left",)
    assert [html.unescape(label["text"]) for label in drawn.labels] == ["<i>A<b>1</i>", "<b><i>B2</i></b>"]
    assert "A&lt;b&gt;1" in drawn.labels[0]["text"] and drawn.labels[0]["x"] == START + 0.5
    bare = GeneTrack(genes).draw(region)
    assert "exons not given" in bare.note
    assert sum(len(t.base) for t in bare.traces if t.type == "bar") == 2


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0.1, 30)), max_size=40))
def test_nothing_overlaps_in_a_lane(intervals):
    left = np.array([a for a, _ in intervals])
    right = left + np.array([w for _, w in intervals])
    lanes = pack(left, right)
    for lane in set(lanes.tolist()):
        own = np.argsort(left[lanes == lane])
        assert (right[lanes == lane][own][:-1] <= left[lanes == lane][own][1:]).all()
    for n, lane in enumerate(lanes):  # no lower lane was free
        for lower in range(lane):
            before = np.flatnonzero(lanes[:n] == lower)
            assert ((left[before] < right[n]) & (right[before] > left[n])).any()


def test_motifs_and_their_names_do_not_overlap_and_the_strongest_are_shown():
    region = region_of(10_500)
    table = motifs_table(region.start, region.end, 300)
    track = MotifTrack(table)
    drawn = track.draw(region)
    (trace,) = drawn.traces
    pixel = region.width / PLOT_WIDTH
    ends = []
    for label, base, width, lane in zip(drawn.labels, trace.base, trace.x, trace.y, strict=True):
        room = 6.2 * len(html.unescape(label["text"])) * pixel
        before = label["xanchor"] == "right"
        ends.append((lane, base - room * before, base + width + room * (not before)))
        assert before or base + width + room <= region.end + 0.5
    ends.sort()
    for (lane, _, end), (next_lane, start, _) in itertools.pairwise(ends):
        assert lane != next_lane or end <= start
    assert f"{len(ends)} of 300" in drawn.note and "+ gained" in drawn.note
    best = table.loc[table["score"].idxmax()]
    assert any(f"score {best['score']:.3g}" in text and best["motif"] in text for text in trace.customdata)
    few = MotifTrack(table.assign(change="").head(2)).draw(region)
    assert few.note == "" and all(label["text"][0] not in "+−↑↓" for label in few.labels)


def haplotype(letters, position, values):
    inserted = np.append(False, np.diff(position) == 0)
    return pd.DataFrame({"position": position, "inserted": inserted, "ref": list(letters), "value": values})


def test_haplotypes_are_compared_base_by_base():
    first = haplotype("ACGTTA", [10, 11, 11, 12, 13, 14], [1.0, 2, 3, 4, 5, 6])  # G inserted after 11
    second = haplotype("AATCC", [10, 11, 12, 15, 16], [2.0, 4, 7, 8, 9])
    first = pd.concat([first, haplotype("CC", [15, 16], [0.5, 0.5])], ignore_index=True)
    both = aligned(first, second)
    assert both["position"].tolist() == [10, 11, 11, 12, 13, 14, 15, 16]
    assert both["nth"].tolist() == [0, 0, 1, 0, 0, 0, 0, 0]
    events = differences(both, ("copy 1", "copy 2"))
    assert events[["position", "kind", "text"]].to_numpy().tolist() == [
        [11, "substituted", "12: C in copy 1, A in copy 2"],
        [11, "inserted", "G inserted after 12 in copy 1"],
        [13, "deleted", "14-15 deleted in copy 2 (2 bp)"],
    ]
    assert events["x"].tolist() == [12.0, 12.5, 14.5]
    track = DifferenceTrack(first, second, UNIT)
    region = Region("22", 10, 17)
    found = bar_values(track.draw(region).traces)
    assert [(x, v, text) for x, _, v, text in found] == [
        (10.5, 1.0, "11 A"), (11.5, 2.0, "12 C/A"), (12.5, 3.0, "13 T"), (15.5, 7.5, "16 C"), (16.5, 8.5, "17 C"),
    ]  # fmt: skip
    marks = {t.name: list(t.x) for t in track.draw(region).traces if t.type == "scatter"}
    assert marks == {"substituted": [12.0], "inserted": [12.5], "deleted": [14.5]}


def test_equal_haplotypes_have_no_difference():
    table = attribution(bases_table(START, START + 200, insertions=[(START + 20, 4)]))
    drawn = DifferenceTrack(table, table, UNIT).draw(region_of(200))
    assert all(value == 0 for *_, value, _ in bar_values(drawn.traces))
    assert [t for t in drawn.traces if t.type == "scatter"] == []


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(1, 9), st.floats(-9, 9)), min_size=12, max_size=60),
    st.sampled_from([5, 7, 9, 11, 100]),
)
def test_steps_are_the_values_or_the_strongest_of_bins(rows, most):
    gaps, widths, values = (np.array(column) for column in zip(*rows, strict=True))
    ends = np.cumsum(gaps + widths)
    table = pd.DataFrame({"start": START - 5 + ends - widths, "end": START - 5 + ends, "value": values})
    region = region_of(100)
    covered = np.full(100, np.nan)
    for row in table.itertuples():
        covered[max(row.start - START, 0) : max(row.end - START, 0)] = row.value
    track = UserTrack(table, "t", most=most)
    drawn = track.draw(region)
    found = bar_values(drawn.traces)
    if not np.isfinite(covered).any():
        assert found == []
        return
    step = int(drawn.note.split()[-2]) if drawn.note else 1
    expected = {}
    for at in range(0, 100, step):
        part = covered[at : at + step]
        if np.isfinite(part).any():
            expected[at] = np.nanmax(np.abs(part))
    per_base = {}
    for left, right, value, _ in found:
        for at in range(round(left - 0.5) - START, round(right - 0.5) - START, 1 if step == 1 else step):
            per_base[at] = value
    assert sorted(per_base) == sorted(expected)
    np.testing.assert_allclose([abs(per_base[at]) for at in expected], list(expected.values()))
    assert len(found) <= most


@given(st.lists(st.tuples(st.integers(0, 990), st.integers(1, 60)), min_size=1, max_size=60))
def test_boxes_that_do_not_fit_are_joined_to_what_they_cover(intervals):
    table = pd.DataFrame({"start": [START + a for a, _ in intervals], "end": [START + a + w for a, w in intervals]})
    region = region_of(1000)
    track = UserTrack(table.assign(name="a name that needs much room, at least as much as this"), "t")
    drawn = track.draw(region)
    (trace,) = drawn.traces
    covered = np.zeros(1100, bool)
    for a, w in intervals:
        covered[a : a + w] = True
    shown = np.zeros(1100, bool)
    for left, width in zip(trace.base, trace.x, strict=True):
        shown[round(left - 0.5) - START : max(round(left + width - 0.5), round(left + 0.5)) - START] = True
    missed = covered[:1000] & ~shown[:1000]
    extra = shown[:1000] & ~covered[:1000]
    assert not missed.any() and extra.sum() <= 2 * len(trace.base)  # at least a pixel wide
    if drawn.note:
        assert drawn.note == f"{len(intervals)} intervals" and drawn.labels == []


def test_empty_tracks_say_so():
    region = Region("22", 5_000_000, 5_001_000)
    for track in all_tracks(START, START + 500):
        drawn = track.draw(region)
        assert track.marks(region) == count_marks(drawn.traces) == 0
        if isinstance(track, GeneTrack | VariantTrack | MotifTrack | UserTrack | IsmTrack):
            assert drawn.note and drawn.height <= 100
