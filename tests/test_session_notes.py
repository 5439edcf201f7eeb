"""Notes that go out and come back."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gexviz.errors import GexvizError
from gexviz.session.contents import Anchor, Note
from gexviz.session.notes import dump_notes, merge, parse_notes, read_notes, threads

LINE = {"id": "a" * 32, "time": "2026-05-01T12:00:00Z", "author": "Lab", "anchor": {"gene": "G1"}, "text": "yes"}

ids = st.sampled_from([f"{i:032x}" for i in range(6)])
printable = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30)


@st.composite
def consistent(draw):
    """Several bundles of notes, in which an id always is the same note."""
    known = {}
    for id in [f"{i:032x}" for i in range(6)]:
        known[id] = Note(
            id=id,
            time=draw(st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))),
            author=draw(printable),
            anchor=Anchor(gene="G1"),
            text=draw(printable),
            reply_to=draw(st.none() | ids | st.just("f" * 32)),
        )
    bundles = st.lists(st.sampled_from(sorted(known)), max_size=8)
    return [[known[id] for id in draw(bundles)] for _ in range(3)]


@given(consistent())
def test_merging_is_idempotent_commutative_and_associative(bundles):
    one, other, third = bundles
    both = merge(one, other)
    assert both.notes == merge(other, one).notes
    assert merge(both.notes, other).notes == both.notes
    assert merge(both.notes, other).added == 0
    assert merge(both.notes, third).notes == merge(one, merge(other, third).notes).notes


@given(consistent())
def test_counts_say_what_is_new(bundles):
    existing, incoming, _ = bundles
    merged = merge(existing, incoming)
    there, came = {note.id for note in existing}, {note.id for note in incoming}
    assert (merged.added, merged.known) == (len(came - there), len(came & there))
    assert {note.id for note in merged.notes} == there | came


@given(consistent())
def test_what_is_dumped_is_parsed(bundles):
    notes = merge(*bundles[:2]).notes
    assert parse_notes(dump_notes(notes)) == notes


@given(consistent())
def test_threads_show_every_note_once_below_what_it_answers(bundles):
    notes = merge(*bundles[:2]).notes
    shown = threads(notes)
    assert sorted(t.note.id for t in shown) == sorted(note.id for note in notes)
    for at, (note, depth) in enumerate(shown):
        if depth:
            above = next(t for t in reversed(shown[:at]) if t.depth < depth)
            assert (above.note.id, above.depth) == (note.reply_to, depth - 1)


def test_an_answer_to_a_note_that_is_not_there_begins_a_thread():
    lone = Note(anchor=Anchor(gene="G1"), text="as you said", reply_to="e" * 32)
    assert [(t.note.id, t.depth) for t in threads([lone])] == [(lone.id, 0)]


def test_a_note_that_was_changed_is_refused():
    note = Note(anchor=Anchor(gene="G1"), text="one")
    with pytest.raises(GexvizError, match="differ") as caught:
        merge([note], [note.model_copy(update={"text": "two"})])
    assert note.id in caught.value.place


def test_times_of_other_zones_are_the_same_times():
    there = json.dumps(LINE | {"time": "2026-05-01T14:00:00+02:00"})
    (note,) = parse_notes(there)
    assert merge(parse_notes(json.dumps(LINE)), [note]).added == 0
    assert note.time.utcoffset() == timedelta(0)
    assert note.time == datetime(2026, 5, 1, 14, tzinfo=timezone(timedelta(hours=2)))


@pytest.mark.parametrize("text", ["\ufeff{}\n", "{}\r\n\r\n", "\n{}\n\n"])
def test_marks_and_empty_lines_of_editors_are_no_fault(text):
    assert len(parse_notes(text.replace("{}", json.dumps(LINE)))) == 1


def test_line_ends_inside_a_text_end_no_line():
    text = "one\u2028two"
    assert parse_notes(json.dumps(LINE | {"text": text}, ensure_ascii=False))[0].text == text


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "not valid JSON"),
        (json.dumps(LINE | {"sample": "HG1"}), "sample isn't right"),
        (json.dumps(LINE | {"id": "../../etc"}), "id isn't right"),
        (json.dumps(LINE | {"time": "2026-05-01T12:00:00"}), "time isn't right"),
        (json.dumps(LINE | {"text": "\x1b[2J"}), "control characters"),
        (json.dumps(LINE | {"text": "x" * 30_000}), "at most 20000"),
        ('{"text": "\ud800"}', "not valid JSON"),
    ],
)
def test_what_is_no_note_is_refused_with_its_line(line, said):
    with pytest.raises(GexvizError, match=said) as caught:
        parse_notes(json.dumps(LINE) + "\n" + line, "notes.jsonl")
    assert caught.value.place == "notes.jsonl, line 2"
    assert caught.value.file == "notes.jsonl"


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(GexvizError, match="No such file"):
        read_notes(tmp_path / "notes.jsonl")


def test_too_many_notes_are_refused():
    notes = [Note(anchor=Anchor(gene="G1"), text="x") for _ in range(10_001)]
    with pytest.raises(GexvizError, match="10,001 notes"):
        dump_notes(notes)
