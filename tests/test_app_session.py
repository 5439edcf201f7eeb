"""The session in the app, without a browser: links, kept views, filters, notes, the file."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from app_sessions import small_session, written
from app_studies import app_study
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest
from test_app_locus import net_study
from test_app_pages import opened, texts, until_quiet

import gexviz as gx
from gexviz.errors import GexvizError
from gexviz.session.contents import Anchor, Note, State, View
from gexviz.session.draft import Draft
from gexviz.session.notes import dump_notes
from gexviz.session.reading import read_session
from gexviz.ui.keeping import VIEW, link_of, typed
from gexviz.ui.links import KEYS, TRACKS, Selection, read
from gexviz.ui.search import GeneBook
from gexviz.ui.session_notes import conversations, of_gene
from gexviz.ui.session_share import Wish, make

GENE = "ENSG00000000000.1"


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A study whose predictions are stored."""
    toml = app_study(tmp_path)
    found = gx.load(toml)
    for model in found.model_names:
        found.compute(model)
    return toml


def draft(toml: Path) -> Draft:
    return Draft(gx.load(toml).results.folder)


def keep(app: AppTest, title: str = "", text: str = "") -> AppTest:
    app.text_input(key="keep_title").input(title)
    app.text_area(key="keep_text").input(text)
    next(b for b in app.button if b.label == "Keep").click()
    return app.run()


def said(app: AppTest) -> str:
    """All that a page says in words, good news too."""
    return "\n".join([texts(app), *(s.value for s in app.success)])


# -- links -------------------------------------------------------------------------------------------------------------


@given(
    st.one_of(st.text(max_size=30), st.sampled_from(["/data/HG00096.vcf", "HG00096", "22:5:A:G", "C:\\x:1:A:G"])),
    st.one_of(st.text(max_size=30), st.sampled_from(["/home/ana/x", "HG00096", "22:5-90", "5-90"])),
)
def test_a_link_passes_on_places_and_nothing_else_that_was_typed(variant: str, region: str) -> None:
    link = Selection("G", "m", "l", variant or None, region or None, "ism", "variants").link()
    assert set(link) <= set(KEYS) and link.get("gene") == "G"
    for value in link.values():
        assert "/" not in value and "\\" not in value and "HG00096" not in value and " " not in value
    assert ("variant" in link) == (variant == "22:5:A:G") or variant.count(":") == 3
    assert ("region" in link) == (region in ("22:5-90", "5-90")) or "-" in region


@given(st.sets(st.sampled_from(list(TRACKS))))
def test_tracks_in_the_url_are_read_back(tracks: set[str]) -> None:
    book = GeneBook(pd.DataFrame({"name": ["A"]}, index=pd.Index(["A"], name="gene")))
    asked = {"tracks": ",".join(tracks)} if tracks else {}
    found = read(asked, book, ["m"], ["m"])
    assert not found.unknown
    assert all(found.shows(track) == (track in tracks or not tracks) for track in TRACKS)
    assert read(found.query(), book, ["m"], ["m"]) == found


def test_a_track_that_is_none_is_said() -> None:
    book = GeneBook(pd.DataFrame({"name": ["A"]}, index=pd.Index(["A"], name="gene")))
    found = read({"tracks": "variants,magic"}, book, ["m"], ["m"])
    assert found.tracks == "variants" and "magic" in found.unknown[0].message


@given(st.text(st.characters()))
def test_what_is_typed_can_be_kept(text: str) -> None:
    View(page="gene", text=typed(text))


# -- keeping -----------------------------------------------------------------------------------------------------------


def test_a_view_is_kept_as_it_is_looked_at(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = keep(opened(study, monkeypatch, "Gene", gene="GENE0"), "One", "Because.\n=1+1")
    assert not app.exception and not app.error
    (view,) = draft(study).state().views
    assert (view.page, view.gene, view.model, view.linear) == ("gene", GENE, "deep", "linear")
    assert (view.title, view.text) == ("One", "Because.\n=1+1")
    shown = next(box.value for box in app.selectbox if box.label == "Variant")
    assert view.variant == shown, "the page's own choice of a variant is part of the view"


def test_a_view_that_a_session_cannot_hold_is_said(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = f"1:5:A:{'G' * 400}"
    app = keep(opened(study, monkeypatch, "Locus", gene="GENE0", variant=long))
    assert "this view can't be kept" in texts(app).replace("\\", "") and not app.exception
    assert draft(study).state().views == ()


def test_what_could_not_be_done_stays_said_until_it_is(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise GexvizError("the disk is full")

    app = opened(study, monkeypatch, "Gene", gene="GENE0")
    with monkeypatch.context() as broken:
        broken.setattr(Draft, "keep", full)
        broken.setattr(Draft, "add_note", full)
        keep(app, "One", "Because.")
        _write_note(app, "Test it.")
        app.run()  # drawn anew, as after any click
        assert [error.value for error in app.error] == ["**the disk is full**"] * 2 and not app.exception
        assert (app.text_input(key="keep_title").value, app.text_area(key="keep_text").value) == ("One", "Because.")
        assert app.text_area(key=f"words gene {GENE}").value == "Test it."
    next(b for b in app.button if b.label == "Keep").click().run()
    assert [(v.title, v.text) for v in draft(study).state().views] == [("One", "Because.")]
    assert len(app.error) == 1 and app.text_input(key="keep_title").value == ""
    _write_note(app, "Test it.")
    assert [n.text for n in draft(study).notes()] == ["Test it."] and not app.error and not app.exception


def _write_note(app: AppTest, text: str) -> None:
    key = f"gene {GENE}"
    app.text_area(key=f"words {key}").input(text)
    next(b for b in app.button if b.label == "Add" and b.proto.form_id == f"form {key}").click().run()


def test_what_the_study_is_made_of_is_kept_and_opened_again(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(opened(study, monkeypatch, "Data"), "Who is in it", "Mind the small groups.")
    (view,) = draft(study).state().views
    page, query = link_of(view)
    assert (page, set(query)) == ("Data", {"view"})
    assert "Who is in it" in said(opened(study, monkeypatch, page, **query))


def test_filters_are_kept_and_set_again(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(study, monkeypatch, "Overview")
    assert not app.error
    app.slider(key="size").set_value(0.3)
    app.select_slider(key="q").set_value("0.1")
    population = app.selectbox(key="population").options[1].split(" (")[0]
    app.selectbox(key="population").set_value(population)
    app.run()
    keep(app, "Some")
    (view,) = draft(study).state().views
    assert dict(view.filters) == {"People": population, "|r| from": "0.3", "q up to": "0.1"}
    page, query = link_of(view)
    again = opened(study, monkeypatch, page, **query)
    assert not again.exception and not again.error
    assert again.slider(key="size").value == 0.3 and again.select_slider(key="q").value == "0.1"
    assert again.selectbox(key="population").value == population
    assert "Some" in texts(again) and "Not as it was kept" not in texts(again)


def test_what_cannot_be_set_again_is_said(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filters = {"People": "Martians", "q up to": "0.1", "Verdict": "right"}
    view = View(page="overview", title="Old", model="deep", filters=filters)
    draft(study).keep(view)
    page, query = link_of(view)
    app = opened(study, monkeypatch, page, **query)
    assert not app.exception and not app.error
    assert "Not as it was kept: People: Martians; Verdict: right." in texts(app).replace("\\", "")
    assert app.select_slider(key="q").value == "0.1"


def test_filters_of_nonsense_break_no_page(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filters = {"Mean expression": "low to high", "|r| from": "7", "Verdict": "none; such", "People": ""}
    view = View(page="overview", filters=filters)
    draft(study).keep(view)
    page, query = link_of(view)
    app = opened(study, monkeypatch, page, **query)
    assert not app.exception and not app.error and len(app.get("plotly_chart")) == 3


def test_a_view_that_is_gone_is_said(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(study, monkeypatch, "Gene", gene="GENE0", **{VIEW: "0" * 32})
    assert "not in the study's session" in texts(app)
    assert len(app.get("plotly_chart")) == 4


def test_no_person_and_no_path_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toml = net_study(tmp_path)
    found = gx.load(toml)
    for model in found.model_names:
        found.compute(model)
    person = str(found.samples.index[0])
    app = until_quiet(opened(toml, monkeypatch, "Locus", gene="GENE0", model="net", region=person, tracks="bases"))
    app.selectbox(key="first_sequence").set_value(person)
    app.text_area(key="own_tracks").input("/data/peaks.bed")
    app = until_quiet(app.run())
    assert "Kept without" in texts(app)
    keep(app, "The promoter")
    (view,) = draft(toml).state().views
    assert person not in view.model_dump_json() and "peaks" not in view.model_dump_json()
    assert view.region is None and view.tracks == ("bases",) and view.variant is not None


# -- the page ----------------------------------------------------------------------------------------------------------


def test_the_session_page_orders_edits_and_removes(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    views = [View(page="gene", gene=GENE, title=t) for t in "ab"]
    for view in views:
        draft(study).keep(view)
    app = opened(study, monkeypatch, "Session")
    app.button(key=f"Down {views[0].id}").click().run()
    app.text_input(key=f"title {views[0].id}").input("<b>new</b>").run()
    app.text_input(key="story_title").input("The story").run()
    state = draft(study).state()
    assert [v.title for v in state.views] == ["b", "<b>new</b>"] and state.title == "The story"
    app.button(key=f"remove {views[1].id}").click().run()
    assert [v.id for v in draft(study).state().views] == [views[0].id]
    app.button(key=f"restore {views[1].id}").click().run()
    assert [v.id for v in draft(study).state().views] == [views[1].id, views[0].id]
    assert not app.exception and not app.error


def test_a_text_changed_in_another_window_is_not_overwritten(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(study, monkeypatch, "Session")
    draft(study).set_story(findings="theirs")
    app.text_area(key="story_findings").input("mine").run()
    assert draft(study).state().findings == "theirs"
    assert "Another window changed this text" in texts(app) and "theirs" in texts(app)
    assert app.text_area(key="story_findings").value == "mine"
    app.button(key="both story_findings").click().run()
    assert draft(study).state().findings == "theirs\nmine"
    assert app.text_area(key="story_findings").value == "theirs\nmine"
    assert "Another window" not in texts(app)


def test_notes_stand_beside_their_gene_as_they_were_written(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hostile = "<script>alert(1)</script> **b** =1+1"
    draft(study).add_note(Note(author="Bo", anchor=Anchor(gene=GENE), text=hostile))
    draft(study).add_note(Note(author="Bo", anchor=Anchor(gene="other"), text="of another"))
    app = opened(study, monkeypatch, "Gene", gene="GENE0")
    assert hostile in [t.value for t in app.text] and "of another" not in [t.value for t in app.text]
    key = f"gene {GENE}"
    app.text_input(key=f"author {key}").input("Ana")
    _write_note(app, "A second one")
    assert {n.text for n in draft(study).notes()} == {hostile, "of another", "A second one"}
    assert not app.exception and not app.error


def test_many_notes_come_in_pages(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    notes = [Note(anchor=Anchor(gene=GENE), text=f"note {i}", time=begin + timedelta(days=i)) for i in range(23)]
    draft(study).merge(notes)
    app = opened(study, monkeypatch, "Gene", gene="GENE0")
    assert [t.value for t in app.text if t.value.startswith("note ")] == ["note 20", "note 21", "note 22"]
    app = opened(study, monkeypatch, "Session")
    assert [t.value for t in app.text if t.value.startswith("note ")] == [f"note {i}" for i in range(20)]
    assert not app.exception and not app.error


def test_a_reply_follows_its_note_and_one_without_it_begins_a_thread() -> None:
    first = Note(anchor=Anchor(gene="G"), text="first")
    reply = Note(anchor=Anchor(variant="1:2:A:G"), text="reply", reply_to=first.id)
    lost = Note(anchor=Anchor(gene="G"), text="lost", reply_to="0" * 32)
    assert [[t.note.text for t in thread] for thread in conversations([first, reply, lost]) if len(thread) > 1] == [
        ["first", "reply"]
    ]
    assert {n.text for n in of_gene([first, reply, lost], "G", None)} == {"first", "reply", "lost"}
    assert of_gene([first], "H", None) == []


def upload(app: AppTest, label: str, name: str, content: bytes) -> AppTest:
    box = next(u for u in app.get("file_uploader") if u.label.startswith(label))
    box.upload(name, content) if hasattr(box, "upload") else box.set_value((name, content, "application/octet-stream"))
    return app.run()


def test_returned_notes_are_counted_then_merged(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = Note(anchor=Anchor(gene=GENE), text="known")
    draft(study).add_note(known)
    content = dump_notes([known, Note(author="Bo", anchor=known.anchor, text="yes", reply_to=known.id)])
    app = upload(opened(study, monkeypatch, "Session"), "Returned notes", "notes.jsonl", content)
    assert "1 new, 1 known already" in texts(app) and len(draft(study).notes()) == 1
    next(b for b in app.button if b.label == "Merge these notes").click().run()
    assert {n.text for n in draft(study).notes()} == {"known", "yes"}


@pytest.mark.parametrize("content", [b"nonsense", b'{"id": 1}', b"\xff\xfe", json.dumps([1] * 9).encode()])
def test_notes_that_are_none_are_refused(study: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    app = upload(opened(study, monkeypatch, "Session"), "Returned notes", "notes.jsonl", content)
    assert len(app.error) == 1 and not app.exception and draft(study).notes() == ()


def test_a_file_of_this_study_is_live_and_its_views_can_be_taken(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = small_session(study)
    file = written(session, tmp_path)
    app = until_quiet(upload(opened(study, monkeypatch, "Session"), "Session file", file.name, file.read_bytes()))
    assert not app.exception and not app.error
    assert "Whole: all" in said(app) and "as they are now" in texts(app)
    assert len(app.get("plotly_chart")) > 0
    next(b for b in app.button if b.label.startswith("Add its views")).click().run()
    next(b for b in app.button if b.label.startswith("Merge its notes")).click().run()
    assert draft(study).state() == session.state and draft(study).notes() == session.notes


def test_a_file_of_something_else_is_read_only_and_says_what_changed(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = small_session(study)
    other = session.manifest.model_copy(update={"inputs": {**session.manifest.inputs, "expression": "0" * 64}})
    file = written(replace(session, manifest=other), tmp_path)
    app = until_quiet(upload(opened(study, monkeypatch, "Session"), "Session file", file.name, file.read_bytes()))
    assert not app.exception and not app.error
    assert "read-only" in texts(app) and "expression" in texts(app)
    assert not any(b.label.startswith("Add its views") for b in app.button)
    assert not any(link.proto.label == "Open the live page" for link in app.get("page_link"))
    assert len(app.get("plotly_chart")) > 0, "frozen views are shown all the same"


def test_a_damaged_file_is_refused(study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = bytearray(written(small_session(study), tmp_path).read_bytes())
    content[200] ^= 0xFF
    app = upload(opened(study, monkeypatch, "Session"), "Session file", "x.gexviz.zip", bytes(content))
    assert len(app.error) == 1 and not app.exception


def test_the_file_that_is_shared_can_be_opened(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draft(study).keep(View(page="gene", gene=GENE, model="deep", linear="linear", title="Kept"))
    app = opened(study, monkeypatch, "Session")
    app.button(key="make_session").click().run()
    app = until_quiet(app)
    assert not app.exception and not app.error
    assert "No table in it has a row for each person" in said(app)
    assert {b.label.split(" (")[0] for b in app.get("download_button")} == {"Session file", "Report"}
    draft(study).keep(View(page="overview", model="deep", linear="linear"))
    assert "make it again" in texts(app.run())


def test_people_are_named_only_after_the_name_of_the_study(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draft(study).keep(View(page="gene", gene=GENE, model="deep", linear="linear"))
    app = opened(study, monkeypatch, "Session")
    app.radio(key="session_level").set_value("full").run()
    assert app.button(key="make_session").disabled
    app.text_input(key="session_confirm").input("Small").run()
    assert not app.button(key="make_session").disabled
    app.button(key="make_session").click().run()
    app = until_quiet(app)
    assert not app.exception and not app.error and "have a row for each person" in texts(app)
    app.text_input(key="session_confirm").input("").run()
    assert not app.get("download_button"), "who did not type it gets nothing"


@pytest.mark.parametrize("level", ["aggregate", "pseudonymous"])
def test_the_bytes_that_are_given_are_what_was_previewed(study: Path, level: str) -> None:
    found = gx.load(study)
    state = State(views=(View(page="gene", gene=GENE, model="deep", linear="linear"),))
    made = make(found, Wish(state, (), level, False), "of", lambda *_: None)
    session = read_session(made.content)
    assert set(session.tables) == set(made.session.tables) and session.report == made.session.report
    assert set(session.manifest.members) | {"manifest.json"} == set(made.members["member"])
