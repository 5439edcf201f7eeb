"""``gexviz session verify``, ``show``, ``merge``."""

import json

import cohorts
import pytest
from session_files import a_session, forged, members
from typer.testing import CliRunner

import gexviz as gx
from gexviz import cli
from gexviz.fingerprints import input_digests
from gexviz.session.contents import Anchor, Note
from gexviz.session.notes import dump_notes
from gexviz.session.reading import read_session
from gexviz.session.writing import write_session

ANSWER = Note(id="2" * 32, anchor=Anchor(gene="G1"), author="Lab", text="we see it too", reply_to="1" * 32)


@pytest.fixture
def file(tmp_path):
    write_session(a_session(), tmp_path / "x.gexviz.zip")
    return tmp_path / "x.gexviz.zip"


def session(*arguments):
    return CliRunner().invoke(cli.app, ["session", *map(str, arguments)])


def test_a_whole_file_is_verified(file):
    done = session("verify", file)
    assert done.exit_code == 0, done.output
    assert f"{len(members())} members" in done.stdout


def test_a_file_that_is_not_whole_exits_with_1(file):
    file.write_bytes(forged(evaluation=b"PAR1"))
    done = session("verify", file)
    assert done.exit_code == 1
    assert "tables/evaluation.parquet" in done.stderr
    assert str(file) in done.stderr


def test_verify_compares_with_a_study(file, tmp_path):
    toml = cohorts.make_study(tmp_path / "study")
    manifest = a_session().manifest.model_copy(update={"inputs": input_digests(gx.load(toml)), "models": {}})
    write_session(a_session(manifest=manifest), file)
    assert session("verify", file, "--study", toml).exit_code == 0
    toml.write_text(toml.read_text().replace("[cohort]", '[cohort]\nmissing = "N"', 1))
    done = session("verify", file, "--study", toml)
    assert done.exit_code == 1
    assert "settings of the cohort" in done.stderr


def test_show_tells_what_is_in_it(file):
    done = session("show", file)
    assert done.exit_code == 0, done.output
    for text in ("A study (simulated)", "aggregate", "Two genes", "look here", "evaluation", "arrays G1-cnn-ism"):
        assert text in done.stdout


def test_markup_in_a_stranger_s_text_is_text(file):
    note = Note(anchor=Anchor(gene="G1"), text="[red]not red[/red] [link=http://x]click[/link]")
    write_session(a_session(notes=(note,)), file)
    assert "[red]not red[/red] [link=http://x]click[/link]" in session("show", file).stdout


def test_merge_adds_notes_and_counts_them(file, tmp_path):
    notes, target = tmp_path / "notes.jsonl", tmp_path / "answered.gexviz.zip"
    notes.write_bytes(dump_notes([*a_session().notes, ANSWER]))
    done = session("merge", file, notes, "--out", target)
    assert done.exit_code == 0, done.output
    assert "notes added: 1; there already: 1" in done.stdout
    assert ANSWER in read_session(target).notes
    assert ANSWER not in read_session(file).notes
    assert read_session(target).report is None  # it lacked the answer


def test_merging_again_changes_nothing(file, tmp_path):
    notes = tmp_path / "notes.jsonl"
    notes.write_bytes(dump_notes([ANSWER]))
    session("merge", file, notes)
    before = file.read_bytes()
    done = session("merge", file, notes, notes)
    assert "notes added: 0; there already: 1" in done.stdout
    assert file.read_bytes() == before


def test_a_note_that_was_changed_is_refused_and_the_file_stays(file, tmp_path):
    notes, before = tmp_path / "notes.jsonl", file.read_bytes()
    changed = json.loads(dump_notes(a_session().notes)) | {"text": "another"}
    notes.write_text(json.dumps(changed))
    done = session("merge", file, notes)
    assert done.exit_code == 1
    assert "differ" in done.stderr
    assert file.read_bytes() == before
