"""Folders that paths of others must stay in."""

from __future__ import annotations

import os
import pickle
import shutil
from pathlib import Path

import cohorts
import pytest
from app_studies import app_study
from hypothesis import example, given
from hypothesis import strategies as st

import gexviz as gx
from gexviz.allowed import Allowed, allowed_roots
from gexviz.cohort.cohort import Cohort
from gexviz.config import read_config
from gexviz.errors import GexvizError
from gexviz.study import load


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folders whose names begin alike; links from the first into the second, to itself and back."""
    top = tmp_path_factory.mktemp("disk").resolve()
    inside, outside = top / "data", top / "database"
    (inside / "sub").mkdir(parents=True)
    (outside / "sub").mkdir(parents=True)
    for folder in (inside, inside / "sub", outside, outside / "sub"):
        (folder / "file").write_text("text")
    (inside / "out").symlink_to(outside)
    (inside / "out_file").symlink_to(outside / "file")
    (inside / "dangling").symlink_to(outside / "absent")
    (inside / "near").symlink_to("sub")
    (inside / "loop").symlink_to("loop")
    (inside / "there_and_back").symlink_to("../database/back/file")
    (outside / "back").symlink_to(inside)
    (top / "alias").symlink_to(inside)
    return top


def allowed(disk: Path) -> Allowed:
    return Allowed(allowed_roots([disk / "data"]), disk / "data")


@pytest.mark.parametrize(
    ("asked", "found"),
    [("file", "data/file"), ("./sub/../file", "data/file"), ("near/file", "data/sub/file"), ("absent", "data/absent"),
     ("out/../file", "data/file"), ("../data/file", "data/file"), ("there_and_back", "data/file"), ("", "data"),
     ("~nobody/x", "data/~nobody/x"), ("http://elsewhere/x", "data/http:/elsewhere/x")],
)  # fmt: skip
def test_what_leads_inside_is_given_without_links(disk: Path, asked: str, found: str) -> None:
    assert allowed(disk).path(asked) == disk / found


@pytest.mark.parametrize(
    "asked",
    ["../database/file", "../file", "..", "out", "out/file", "out_file", "out/absent", "dangling", "loop", "loop/file",
     "near/../../database/file", "../database/back/file", "../alias/file", "/", "/etc/passwd", "//etc/passwd",
     "~/x", "file\0", "\0", "a/" * 5_000, "x" * 5_000, "../DATA/file", "sub/" * 50 + "../" * 52 + "etc/passwd"],
)  # fmt: skip
def test_what_leads_outside_is_refused(disk: Path, asked: str) -> None:
    with pytest.raises(GexvizError, match="not in a folder that may be read"):
        allowed(disk).path(asked)


@pytest.mark.parametrize("asked", ["{}/database/{}", "../database/{1}", "out/{1}", "../../../..{}/database/{}"])
def test_a_refusal_does_not_tell_what_is_there(disk: Path, asked: str) -> None:
    said = []
    for name in ("file", "absent"):
        with pytest.raises(GexvizError) as refused:
            allowed(disk).path(asked.format(disk, name))
        said.append(str(refused.value).replace(f"/{name}", "/NAME"))
    assert said[0] == said[1]


def test_a_root_that_is_a_link_serves_under_both_of_its_names(disk: Path) -> None:
    linked = Allowed(allowed_roots([disk / "alias"]), disk)
    for name in ("alias", "data"):
        assert linked.path(disk / name / "sub" / "file") == disk / "data" / "sub" / "file"
    with pytest.raises(GexvizError):
        linked.path(disk / "alias" / "out_file")


def test_a_long_or_unprintable_path_is_quoted_shortly(disk: Path) -> None:
    for asked in ("/x" * 1_000, "/\x1b[31m\0"):
        with pytest.raises(GexvizError) as refused:
            allowed(disk).path(asked)
        assert len(refused.value.file) < 250 and refused.value.file.isprintable()


@pytest.mark.parametrize("folder", ["", "file", "absent"])
def test_only_folders_that_are_there_can_be_allowed(disk: Path, folder: str) -> None:
    with pytest.raises(GexvizError, match="there is no folder"):
        allowed_roots([disk / "data" / folder if folder else ""])


PARTS = st.sampled_from(
    ["..", ".", "", "file", "sub", "out", "out_file", "near", "loop", "back", "dangling", "data", "database", "alias",
     "there_and_back", "absent", "DATA", "~", "\0", " ", "x" * 300]
)  # fmt: skip


@given(parts=st.lists(PARTS, max_size=12), start=st.sampled_from(["", "/", "TOP/", "TOP/data/", "TOP/database/"]))
@example(parts=["out", "..", "..", "data", "file"], start="")
@example(parts=["..", "database", "file"], start="TOP/data/")
def test_no_path_gets_out(disk: Path, parts: list[str], start: str) -> None:
    asked = start.replace("TOP", str(disk)) + "/".join(parts)
    try:
        found = allowed(disk).path(asked)
    except GexvizError:
        return
    inside = disk / "data"
    assert Path(os.path.realpath(found)) == found, "what is opened has no link left to follow"
    assert os.path.commonpath([found, inside]) == str(inside)


@given(asked=st.text(max_size=60))
@example(asked="\ud800")
def test_any_text_is_a_path_inside_or_refused(disk: Path, asked: str) -> None:
    try:
        assert allowed(disk).path(asked).is_relative_to(disk / "data")
    except GexvizError as error:
        assert "not in a folder" in error.problem


# -- what a study's file names -----------------------------------------------------------------------------------------


KEYS = ["genotypes", "reference", "expression", "genes", "samples"]
SECRET = "root:x:0:0"


@pytest.fixture
def study(tmp_path: Path) -> Path:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "passwd").write_text(SECRET)
    return app_study(tmp_path / "lab", people=12)


def within(toml: Path) -> Allowed:
    return Allowed(allowed_roots([toml.parent]), toml.parent)


def pointing(toml: Path, key: str, value: str) -> None:
    lines = [line for line in toml.read_text().splitlines() if not line.startswith(f"{key} =")]
    lines.insert(lines.index("[cohort]") + 1, f'{key} = "{value}"')
    toml.write_text("\n".join(lines))


def test_a_study_inside_opens_as_without_folders(study: Path) -> None:
    opened = load(study, allowed=within(study))
    assert opened.genes.equals(gx.load(study).genes)
    assert opened.spec("deep").input == "table" and opened.check().status.ne("error").all()
    assert opened.config.allowed == pickle.loads(pickle.dumps(opened)).config.allowed


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("link", [True, False])
def test_a_file_of_the_cohort_outside_is_not_opened(study: Path, key: str, link: bool) -> None:
    outside = study.parents[1] / "secret" / "passwd"
    if link:
        (study.parent / "link").symlink_to(outside)
    pointing(study, key, "link" if link else "../secret/passwd")
    cohort = Cohort(read_config(study, within(study)))
    with pytest.raises(GexvizError, match="not in a folder") as refused:
        _ = cohort.files
    assert f"[cohort] {key}, line" in refused.value.place and SECRET not in str(refused.value)
    outside.unlink()
    with pytest.raises(GexvizError) as absent:
        _ = Cohort(read_config(study, within(study))).files
    assert str(absent.value) == str(refused.value)
    shown = load(study, allowed=within(study)).check()
    assert (shown["status"] == "error").any()


def test_files_of_a_pattern_are_checked_one_by_one(study: Path) -> None:
    outside = study.parents[1] / "secret"
    for ending in ("", ".tbi"):
        shutil.copy(study.parent / f"genotypes.vcf.gz{ending}", outside / f"chr2.vcf.gz{ending}")
    (study.parent / "chr2.vcf.gz").symlink_to(outside / "chr2.vcf.gz")
    for pattern in ("chr{contig}.vcf.gz", "../secret/chr{contig}.vcf.gz", "../secret/none{contig}"):
        pointing(study, "genotypes", pattern)
        with pytest.raises(GexvizError, match="not in a folder"):
            _ = Cohort(read_config(study, within(study))).genotype_paths


def test_an_index_that_is_a_link_to_outside_is_not_opened(study: Path) -> None:
    index = study.parent / "genotypes.vcf.gz.tbi"
    index.rename(study.parents[1] / "secret" / "index")
    index.symlink_to(study.parents[1] / "secret" / "index")
    with pytest.raises(GexvizError, match="not in a folder"):
        _ = Cohort(read_config(study, within(study))).genotypes


def test_a_models_file_outside_is_not_opened(study: Path) -> None:
    (study.parent / "deep.tsv").rename(study.parents[1] / "secret" / "deep.tsv")
    study.write_text(study.read_text().replace('"deep.tsv"', '"../secret/deep.tsv"'))
    with pytest.raises(GexvizError, match="not in a folder") as refused:
        load(study, allowed=within(study)).spec("deep")
    assert "[models.deep] predictions, line" in refused.value.place
    assert gx.load(study).spec("deep").input == "table"


def test_results_outside_are_not_written(study: Path) -> None:
    study.write_text(study.read_text().replace("[study]", '[study]\nresults = "../secret/r"'))
    with pytest.raises(GexvizError, match="not in a folder"):
        load(study, allowed=within(study))
    assert not (study.parents[1] / "secret" / "r").exists()


def test_a_study_outside_is_not_opened(study: Path, tmp_path: Path) -> None:
    other = cohorts.make_study(tmp_path / "other", people=8)
    (study.parent / "other.toml").symlink_to(other)
    for path in (other, study.parent / "other.toml", tmp_path / "absent.toml"):
        with pytest.raises(GexvizError, match="not in a folder"):
            load(path, allowed=within(study))
