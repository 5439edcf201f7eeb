"""A session written and read again."""

import errno
import subprocess
import sys
import zipfile

import numpy as np
import pandas as pd
import pytest
from session_files import a_session

from gexviz.errors import GexvizError
from gexviz.session import writing
from gexviz.session.contents import TABLES, State, View
from gexviz.session.reading import read_session
from gexviz.session.writing import write_session


@pytest.fixture
def file(tmp_path):
    return tmp_path / "x.gexviz.zip"


def test_what_was_written_is_read(file):
    session = a_session()
    manifest = write_session(session, file)
    found = read_session(file)
    assert found.manifest == manifest
    assert manifest.model_copy(update={"members": {}}) == session.manifest
    assert (found.state, found.notes, found.report) == (session.state, session.notes, session.report)
    assert found.tables.keys() == session.tables.keys()
    for name, table in session.tables.items():
        pd.testing.assert_frame_equal(found.tables[name], table.astype({"note": "str"} if "note" in table else {}))
    for name, array in session.arrays["G1-cnn-ism"].items():
        np.testing.assert_array_equal(found.arrays["G1-cnn-ism"][name], array)


def test_it_is_read_from_bytes(file):
    write_session(a_session(), file)
    assert read_session(file.read_bytes()).state == a_session().state


def test_the_manifest_knows_every_other_member(file):
    manifest = write_session(a_session(), file)
    with zipfile.ZipFile(file) as archive:
        assert {"manifest.json", *manifest.members} == set(archive.namelist())


def test_equal_sessions_make_equal_files(tmp_path):
    for name in "ab":
        write_session(a_session(), tmp_path / f"{name}.gexviz.zip")
    assert (tmp_path / "a.gexviz.zip").read_bytes() == (tmp_path / "b.gexviz.zip").read_bytes()


def test_columns_of_every_kind_come_back(file):
    columns = {
        "gene": ["G1", None, ""],
        "variant": pd.Categorical(["22:1:A:G", "22:1:A:G", None]),
        "position": np.array([1, 2, 3], np.int16),
        "weight": [0.1, np.nan, -np.inf],
        "model": None,
        "kept": [True, False, True],
        "count": np.array([0, 1, 2**63], np.uint64),
    }
    table = pd.DataFrame(columns, index=[7, 8, 9])
    write_session(a_session(tables=a_session().tables | {"weights": table}), file)
    found = read_session(file).tables["weights"]
    assert list(found.index) == [0, 1, 2]
    assert found["gene"].isna().tolist() == [False, True, False]
    assert found["gene"].dropna().tolist() == ["G1", ""]
    assert found["variant"].tolist()[:2] == ["22:1:A:G"] * 2
    assert found["model"].isna().all()
    for name in ("position", "weight", "kept", "count"):
        np.testing.assert_array_equal(found[name], table[name])


def test_tables_without_rows_come_back(file):
    empty = pd.DataFrame(columns=list(TABLES["genes"]))
    write_session(a_session(tables=a_session().tables | {"genes": empty}), file)
    found = read_session(file).tables["genes"]
    assert (len(found), tuple(found.columns)) == (0, TABLES["genes"])


def test_a_large_table_comes_back(file):
    """Dictionaries that overflow, several pages."""
    rows = 150_000
    contigs = [f"contig {i}" for i in range(rows)]
    table = pd.DataFrame({"gene": "G1", "contig": contigs, "start": range(rows), "end": 0.1})
    write_session(a_session(tables=a_session().tables | {"exons": table}), file)
    pd.testing.assert_frame_equal(read_session(file).tables["exons"], table)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (pd.DataFrame({"gene": ["G1"]}), "lacks contig"),
        (pd.DataFrame({"gene": ["G1"], "contig": "22", "start": pd.Timestamp(0), "end": 1}), "fields"),
        (pd.DataFrame({"gene": ["G1"], "contig": "22", "start": "=1", "end": 1}), "wrong kind"),
        (pd.DataFrame({"gene": ["G1"], "contig": "22", "start": 0, "end": 1, "more": [{"a": 1}]}), "nested"),
        (pd.DataFrame({"gene": ["G\x1b"], "contig": "22", "start": 0, "end": 1}), "control characters"),
    ],
)
def test_what_could_not_be_read_again_is_not_written(file, table, said):
    with pytest.raises(GexvizError, match=said) as caught:
        write_session(a_session(tables=a_session().tables | {"exons": table}), file)
    assert caught.value.place == "tables/exons.parquet"
    assert not list(file.parent.iterdir())


def test_an_unknown_table_is_not_left_out_silently(file):
    with pytest.raises(GexvizError, match="no session has"):
        write_session(a_session(tables=a_session().tables | {"genotypes": pd.DataFrame({"gene": ["G1"]})}), file)


def test_a_story_that_is_too_long_to_be_read_is_not_written(file):
    views = tuple(View(page="gene", gene="G1", text="x" * 20_000) for _ in range(900))
    with pytest.raises(GexvizError, match="too large") as caught:
        write_session(a_session(state=State(views=views)), file)
    assert caught.value.place == "state.json"


def test_people_are_not_written_at_level_aggregate(file):
    people = pd.DataFrame({"person": ["p1"], "population": ["x"]})
    with pytest.raises(GexvizError, match="aggregate"):
        write_session(a_session(tables=a_session().tables | {"people": people}), file)
    manifest = a_session().manifest.model_copy(update={"level": "pseudonymous"})
    write_session(a_session(manifest=manifest, tables=a_session().tables | {"people": people}), file)
    assert read_session(file).tables["people"]["person"].tolist() == ["p1"]


def test_the_old_file_stays_when_the_new_one_fails(file, monkeypatch):
    write_session(a_session(), file)
    before = file.read_bytes()

    def full(members, path):
        path.write_bytes(b"PK")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(writing, "packed", full)
    with pytest.raises(GexvizError, match="the disk is full"):
        write_session(a_session(report="new"), file)
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_a_missing_file_is_said(file):
    with pytest.raises(GexvizError, match="No such file") as caught:
        read_session(file)
    assert caught.value.file == str(file)


def test_nothing_of_the_cohort_is_needed_to_read(file):
    """No torch, no reader of genotypes: a session opens where gexviz alone can be imported."""
    write_session(a_session(), file)
    heavy = ("torch", "cyvcf2", "captum", "tangermeme", "pyfaidx", "streamlit", "gexviz.cohort", "gexviz.models")
    code = (
        "import sys\nfrom gexviz.session.reading import read_session\n"
        f"assert read_session({str(file)!r}).manifest.people == 100\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
