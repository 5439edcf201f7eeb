"""What is kept of a study between runs: nothing is lost or overwritten, whoever writes and whatever happens."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from gexviz.errors import GexvizError
from gexviz.session.contents import Anchor, Note, State, View
from gexviz.session.draft import MOST_VIEWS, Conflict, Draft


def view(title: str = "", **more: object) -> View:
    return View(page="gene", gene="G1", title=title, **more)


def note(text: str = "why?", **more: object) -> Note:
    return Note(anchor=Anchor(gene="G1"), text=text, **more)


def titles(draft: Draft) -> list[str]:
    return [v.title for v in draft.state().views]


def test_nothing_is_made_by_reading(tmp_path: Path) -> None:
    draft = Draft(tmp_path / "results")
    assert draft.state() == State() and draft.notes() == () and draft.removed() == ()
    assert not draft.folder.exists()


def test_what_is_kept_is_there_for_the_next_one(tmp_path: Path) -> None:
    kept = view("A promoter variant", variant="22:5:A:G", tracks=("genes",), filters={"class": "wrong sign"})
    said = note("=HYPERLINK(1) <b>“ü”</b>\n\tindeed")
    Draft(tmp_path).keep(kept)
    Draft(tmp_path).add_note(said)
    Draft(tmp_path).set_story(title="Promoters", findings="One.")
    assert Draft(tmp_path).state() == State(title="Promoters", findings="One.", views=(kept,))
    assert Draft(tmp_path).notes() == (said,)


@pytest.mark.parametrize("was", ["read before", None])
def test_one_part_of_the_story_leaves_the_others(tmp_path: Path, was: str | None) -> None:
    draft = Draft(tmp_path)
    read = draft.state() if was else None
    draft.set_story(title="t", was=read)
    draft.set_story(question="q", was=read)
    assert (draft.state().title, draft.state().question) == ("t", "q")


def test_a_story_that_was_changed_elsewhere_is_not_overwritten(tmp_path: Path) -> None:
    draft = Draft(tmp_path)
    read = draft.state()
    draft.set_story(findings="theirs", was=read)
    with pytest.raises(Conflict, match="theirs") as caught:
        draft.set_story(findings="mine", was=read)
    assert "mine" in str(caught.value) and draft.state().findings == "theirs"
    draft.set_story(findings="both", was=draft.state())
    assert draft.state().findings == "both"


def test_two_who_edit_different_parts_of_a_view_both_have_their_way(tmp_path: Path) -> None:
    draft, read = Draft(tmp_path), view("t")
    draft.keep(read)
    draft.edit(read.model_copy(update={"title": "new"}), read)
    edited = draft.edit(read.model_copy(update={"text": "words"}), read)
    assert (edited.title, edited.text) == ("new", "words")
    assert draft.state().views == (edited,)


def test_two_who_edit_the_same_part_are_told_and_the_first_stays(tmp_path: Path) -> None:
    draft, read = Draft(tmp_path), view("t")
    draft.keep(read)
    draft.edit(read.model_copy(update={"text": "first"}), read)
    with pytest.raises(Conflict, match="first") as caught:
        draft.edit(read.model_copy(update={"text": "second"}), read)
    assert "second" in str(caught.value)
    assert draft.state().views[0].text == "first"
    draft.edit(read.model_copy(update={"text": "first"}), read)  # the same words are no conflict


def test_an_edit_of_a_view_that_was_removed_elsewhere_is_not_lost(tmp_path: Path) -> None:
    draft, read = Draft(tmp_path), view("t")
    draft.keep(read)
    draft.remove(read.id)
    draft.edit(read.model_copy(update={"text": "words"}), read)
    assert draft.removed()[0].text == "words"


def test_a_view_that_is_kept_again_changes_nothing(tmp_path: Path) -> None:
    draft, kept = Draft(tmp_path), view("t")
    draft.keep(kept)
    draft.remove(kept.id)
    draft.keep(kept)
    assert draft.state().views == () and draft.removed() == (kept,)


def test_a_view_comes_back_to_its_place(tmp_path: Path) -> None:
    draft, views = Draft(tmp_path), [view(t) for t in "abc"]
    for v in views:
        draft.keep(v)
    draft.remove(views[1].id)
    assert titles(draft) == ["a", "c"] and draft.removed() == (views[1],)
    draft.restore(views[1].id)
    assert titles(draft) == ["a", "b", "c"] and draft.removed() == ()


@pytest.mark.parametrize("act", [Draft.remove, Draft.restore, lambda d, i: d.move(i, 0)])
def test_a_view_that_never_was_is_said(tmp_path: Path, act) -> None:
    with pytest.raises(GexvizError, match="no such view"):
        act(Draft(tmp_path), "0" * 32)


def test_no_more_views_than_a_session_holds(tmp_path: Path) -> None:
    draft, first = Draft(tmp_path), view("first")
    draft.keep(first)
    with sqlite3.connect(draft.path) as db:
        rows = [(v.id, at, 0, v.model_dump_json()) for at, v in enumerate((view() for _ in range(MOST_VIEWS - 1)), 1)]
        db.executemany("INSERT INTO views VALUES (?, ?, ?, ?)", rows)
    db.close()
    with pytest.raises(GexvizError, match="1,000 views"):
        draft.keep(view())
    draft.remove(first.id)
    draft.keep(view())
    with pytest.raises(GexvizError, match="1,000 views"):
        draft.restore(first.id)


def test_notes_are_merged_once_and_never_changed(tmp_path: Path) -> None:
    draft, old, new = Draft(tmp_path), note("old"), note("new")
    draft.add_note(old)
    assert draft.merge([old, new, new])[1:] == (1, 1)
    assert draft.merge([old, new])[1:] == (0, 2)
    third = note("third")
    with pytest.raises(GexvizError, match="differ"):
        draft.merge([third, old.model_copy(update={"text": "forged"})])
    assert {n.text for n in draft.notes()} == {"old", "new"}  # all or none


@pytest.mark.parametrize(
    ("content", "says"), [(b"garbage" * 200, "can't be read"), (None, "another version")]
)
def test_a_file_that_is_not_one_is_left_alone(tmp_path: Path, content: bytes | None, says: str) -> None:
    draft = Draft(tmp_path)
    draft.keep(view())
    if content is None:
        with sqlite3.connect(draft.path) as db:
            db.execute("PRAGMA user_version = 9")
        db.close()
    else:
        draft.path.write_bytes(content)
    before = draft.path.read_bytes()
    for act in (draft.state, lambda: draft.keep(view())):
        with pytest.raises(GexvizError, match=says):
            act()
    assert draft.path.read_bytes() == before


def test_a_folder_that_cannot_be_is_said_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file")
    with pytest.raises(GexvizError) as caught:
        Draft(tmp_path / "results").keep(view())
    assert "results" in str(caught.value.remedy)


WRITER = """
import sys
from gexviz.session.contents import Anchor, Note, View
from gexviz.session.draft import Draft
draft, name = Draft(sys.argv[1]), sys.argv[2]
for at in range(int(sys.argv[3])):
    draft.keep(View(page="gene", gene="G1", title=f"{name}{at}"))
    draft.add_note(Note(anchor=Anchor(gene="G1"), text=f"{name}{at}"))
    print(at, flush=True)
"""


def writer(folder: Path, name: str, times: int) -> subprocess.Popen:
    command = [sys.executable, "-c", WRITER, str(folder), name, str(times)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    writers = [writer(tmp_path, name, 15) for name in "ab"]
    assert [w.wait(60) for w in writers] == [0, 0]
    for w in writers:
        w.stdout.close()
    assert sorted(titles(Draft(tmp_path))) == sorted(f"{n}{i}" for n in "ab" for i in range(15))
    assert len(Draft(tmp_path).notes()) == 30


def test_a_kill_loses_nothing_that_was_kept(tmp_path: Path) -> None:
    doomed = writer(tmp_path, "a", 100_000)
    said = [doomed.stdout.readline() for _ in range(5)]
    time.sleep(0.05)
    os.kill(doomed.pid, signal.SIGKILL)
    said += doomed.stdout.readlines()
    doomed.wait(20)
    doomed.stdout.close()
    done = len([line for line in said if line.endswith("\n")])
    kept = titles(Draft(tmp_path))
    assert kept[:done] == [f"a{i}" for i in range(done)] and len(kept) - done in (0, 1)
    Draft(tmp_path).keep(view("after"))
    assert titles(Draft(tmp_path)) == [*kept, "after"]


class Tabs(RuleBasedStateMachine):
    """Two tabs do anything, each with what it last read; compared with lists in memory."""

    ids = Bundle("ids")
    tab = st.integers(0, 1)
    words = st.text(alphabet="ab", min_size=1, max_size=2)

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.order: list[str] = []
        self.gone: set[str] = set()
        self.texts: dict[str, str] = {}
        self.read: list[dict[str, View]] = [{}, {}]

    def draft(self) -> Draft:
        return Draft(self.folder)

    @rule(target=ids, words=words)
    def keep(self, words: str) -> str:
        new = view("t", text=words)
        self.draft().keep(new)
        self.order.append(new.id)
        self.texts[new.id] = words
        return new.id

    @rule(tab=tab)
    def look(self, tab: int) -> None:
        draft = self.draft()
        self.read[tab] = {v.id: v for v in (*draft.state().views, *draft.removed())}

    @rule(tab=tab, id=ids, words=words)
    def edit(self, tab: int, id: str, words: str) -> None:
        was = self.read[tab].get(id)
        if was is None:
            return
        changed_elsewhere = self.texts[id] != was.text
        try:
            edited = self.draft().edit(was.model_copy(update={"text": words}), was)
        except Conflict:
            assert changed_elsewhere and self.texts[id] != words
            return
        assert words == was.text or not changed_elsewhere or self.texts[id] == words
        if words != was.text:
            self.texts[id] = words
        assert edited.text == self.texts[id]

    @rule(id=ids, to=st.integers(-1, 6))
    def move(self, id: str, to: int) -> None:
        self.draft().move(id, to)
        self.order.remove(id)
        shown = [at for at, other in enumerate(self.order) if other not in self.gone]
        self.order.insert(([*shown, len(self.order)])[min(max(to, 0), len(shown))], id)

    @rule(id=ids)
    def remove(self, id: str) -> None:
        self.draft().remove(id)
        self.gone.add(id)

    @rule(id=ids)
    def restore(self, id: str) -> None:
        self.draft().restore(id)
        self.gone.discard(id)

    @invariant()
    def all_is_there(self) -> None:
        draft = self.draft()
        shown, gone = draft.state().views, draft.removed()
        assert [v.id for v in shown] == [i for i in self.order if i not in self.gone]
        assert {v.id for v in gone} == self.gone
        assert {v.id: v.text for v in (*shown, *gone)} == self.texts

    def teardown(self) -> None:
        shutil.rmtree(self.folder)


TestTabs = Tabs.TestCase
TestTabs.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
