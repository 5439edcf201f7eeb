"""Letters: the font's own shapes, at the heights that the table says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.font_manager import FontProperties
from matplotlib.path import Path
from matplotlib.textpath import TextPath

from gexviz.figures import letters

SIZES = st.floats(-5, 5, allow_nan=False).map(lambda v: 0.0 if abs(v) < 1e-3 else v)


def split(points):
    """Polygons between rows of NaN."""
    breaks = np.flatnonzero(np.isnan(points[:, 0]))
    return [part[~np.isnan(part[:, 0])] for part in np.split(points, breaks + 1) if len(part) > 1]


def winding(polygons, points):
    """How often the polygons, as one path, go around each point: browsers fill where it is not 0."""
    turns = np.zeros(len(points))
    for polygon in polygons:
        closed = np.vstack([polygon, polygon[:1]])
        angle = np.arctan2(*(closed[None] - points[:, None]).transpose(2, 0, 1)[::-1])
        step = np.diff(angle, axis=1)
        turns += ((step + np.pi) % (2 * np.pi) - np.pi).sum(axis=1) / (2 * np.pi)
    return np.round(turns).astype(int)


@pytest.mark.parametrize("letter", "ACGT")
def test_outlines_fill_where_the_font_does(letter):
    points = np.random.default_rng(0).uniform(0, 1, (4000, 2))
    outline = letters.outline(letter)
    assert np.nanmin(outline, axis=0) == pytest.approx([0, 0]) and np.nanmax(outline, axis=0) == pytest.approx([1, 1])
    font = TextPath((0, 0), letter, size=1000, prop=FontProperties(family="DejaVu Sans", weight="bold"))
    box = font.get_extents()
    inside = sum(
        np.where(Path(part).contains_points(points * box.size + box.p0), 1, 0)
        for part in font.to_polygons(closed_only=True)
    )
    expected = inside % 2 == 1
    assert 0.2 < expected.mean() < 0.8
    assert ((winding(split(outline), points) != 0) == expected).mean() > 0.99


def test_the_letter_a_has_its_hole():
    polygons = split(letters.outline("A"))
    assert len(polygons) == 2
    middle = polygons[1].mean(axis=0, keepdims=True)
    assert winding(polygons, middle)[0] == 0


@given(st.lists(st.tuples(SIZES, SIZES, SIZES, SIZES), min_size=1, max_size=12))
def test_stacks_are_as_high_as_their_sums_and_the_largest_is_outermost(rows):
    heights = np.array(rows)
    left = np.arange(len(heights)) * 2.0
    found = letters.stacked(heights, left, left + 1)
    for place, row in enumerate(heights):
        at = np.flatnonzero(found.left == left[place])
        own = {str(found.letter[i]): (found.base[i], found.height[i]) for i in at}
        assert {b: h for b, (_, h) in own.items()} == dict(zip("ACGT", row, strict=True))
        for sign in (1, -1):
            members = sorted((abs(base), abs(h)) for base, h in own.values() if np.sign(h) == sign)
            sizes = [h for _, h in members]
            assert sizes == sorted(sizes)
            np.testing.assert_allclose([base for base, _ in members], np.cumsum([0, *sizes])[:-1], atol=1e-12)


@given(st.lists(st.tuples(st.sampled_from("ACGTN"), SIZES, st.floats(-3, 3)), min_size=1, max_size=20))
def test_each_letter_stands_where_and_as_high_as_asked(rows):
    letter = np.array([row[0] for row in rows])
    height = np.array([row[1] for row in rows])
    base = np.array([row[2] for row in rows])
    left = 20_000_000 + np.arange(len(rows)) * 1.0
    asked = letters.Letters(letter, left, left + 0.7, base, height)
    boxes = {}
    for trace in letters.letter_traces(asked):
        shape = letters.outline(trace.name)
        points = np.column_stack([trace.x, np.asarray(trace.y, float)])
        for one in np.split(points, len(points) // len(shape)):
            low, high = np.nanmin(one, axis=0), np.nanmax(one, axis=0)
            boxes[int(low[0] - 20_000_000 + 0.5)] = (trace.name, trace.fillcolor, low, high)
    drawn = [i for i in range(len(rows)) if letter[i] != "N" and height[i] != 0]
    assert sorted(boxes) == drawn and letters.count_letters(asked) == len(drawn)
    for i in drawn:
        name, colour, low, high = boxes[i]
        assert name == letter[i]
        assert (colour == letters.COLOURS[name]) == (height[i] > 0)
        np.testing.assert_allclose([low[0], high[0]], [left[i] + 0.021, left[i] + 0.679], atol=1e-6)
        np.testing.assert_allclose([low[1], high[1]], sorted([base[i], base[i] + height[i]]), atol=1e-5)


def test_negative_letters_are_upside_down():
    up, down = (
        letters.letter_traces(letters.Letters(np.array(["A"]), *(np.array([v]) for v in (0.0, 1.0, 0.0, h))))[0]
        for h in (2.0, -2.0)
    )
    np.testing.assert_allclose(np.asarray(down.y), -np.asarray(up.y))
    assert down.fillcolor != up.fillcolor
