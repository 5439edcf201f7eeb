"""Which study the server opens, and which folders it may read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from app_studies import app_study
from streamlit.testing.v1 import AppTest
from test_app_locus import net_study
from test_app_pages import opened, texts, until_quiet

import gexviz as gx
from gexviz.errors import GexvizError
from gexviz.ui.opening import asked_for


def test_folders_are_allowed_by_argument_then_by_environment(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in "abc"]
    for folder in folders:
        folder.mkdir()
    listed = {"GEXVIZ_ALLOW_ROOT": os.pathsep.join(map(str, folders[1:]))}
    study = ["--study", str(tmp_path / "a" / "study.toml")]
    assert asked_for([*study, "--allow-root", str(folders[0])], listed).roots == (folders[0],)
    assert asked_for(study, listed).roots == tuple(folders[1:])
    twice = asked_for([*study, *(word for f in folders for word in ("--allow-root", str(f)))], {})
    assert twice.roots == tuple(folders)


def test_without_folders_readers_have_the_studys_own_and_the_study_has_all(tmp_path: Path) -> None:
    asked = asked_for(["--study", str(tmp_path / "study.toml")], {})
    assert asked.for_study is None
    assert asked.for_readers.roots == (tmp_path,)


def test_the_demo_is_always_allowed(tmp_path: Path) -> None:
    asked = asked_for(["--allow-root", str(tmp_path)], {})
    assert asked.for_study is not None and asked.for_study == asked.for_readers
    assert asked.for_study.path(asked.study) == asked.study.resolve()


@pytest.mark.parametrize(
    "arguments", [["--allow-roots", "/data"], ["--allow-root"], ["--allow-root", "/no/such/folder"],
                  ["--allow-root", ""], ["study.toml"]],
)  # fmt: skip
def test_a_wrong_option_stops_the_app(arguments: list[str]) -> None:
    with pytest.raises(GexvizError, match=r"wrong option|no folder"):
        asked_for(arguments, {})


@pytest.mark.parametrize("page", ["Data", "Overview", "Gene", "Locus", "Mismatches"])
def test_no_page_shows_a_file_of_a_study_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str) -> None:
    toml = app_study(tmp_path / "lab", people=12)
    (tmp_path / "elsewhere").mkdir()
    (toml.parent / "genotypes.vcf.gz").rename(tmp_path / "elsewhere" / "genotypes.vcf.gz")
    text = toml.read_text().replace("genotypes.vcf.gz", "../elsewhere/genotypes.vcf.gz")
    toml.write_text(text)
    monkeypatch.setenv("GEXVIZ_ALLOW_ROOT", str(toml.parent))
    app = opened(toml, monkeypatch, page)
    assert not app.exception
    assert "not in a folder that may be read" in texts(app)
    assert "P000" not in texts(app)


@pytest.fixture
def locus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """The Locus page of a study, started without folders."""
    toml = net_study(tmp_path / "lab")
    study = gx.load(toml)
    for model in study.model_names:
        study.compute(model)
    for folder in ("lab", "elsewhere"):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "peaks.bed").write_text("chr1\t4700\t4800\tmine\n")
    (tmp_path / "lab" / "link.bed").symlink_to(tmp_path / "elsewhere" / "peaks.bed")
    return until_quiet(opened(toml, monkeypatch, "Locus", gene="GENE0"))


def test_a_track_of_the_studys_folder_is_shown(locus: AppTest) -> None:
    locus.text_area(key="own_tracks").set_value("peaks.bed").run()
    assert not locus.error
    assert any("own" in chart.proto.spec or "peaks" in chart.proto.spec for chart in locus.get("plotly_chart"))


@pytest.mark.parametrize("path", ["../elsewhere/peaks.bed", "link.bed", "{}/elsewhere/peaks.bed", "/etc/passwd",
                                  "../elsewhere/absent.bed", "../lab/../elsewhere/peaks.bed"])  # fmt: skip
def test_a_typed_path_outside_is_not_opened(locus: AppTest, tmp_path: Path, path: str) -> None:
    for key, box in (("own_tracks", locus.text_area), ("own_motifs", locus.text_input)):
        box(key=key).set_value(path.format(tmp_path)).run()
        assert not locus.exception
        (error,) = locus.error
        assert "not in a folder that may be read" in error.value and "allow" in error.value
        assert not any("peaks" in chart.proto.spec for chart in locus.get("plotly_chart"))
        box(key=key).set_value("").run()
