"""A session beside the study that it was made from, or another."""

import hashlib

import cohorts
import pytest
from session_files import a_session
from test_study import MODELS, write_net

import gexviz as gx
from gexviz.fingerprints import compare, input_digests, model_digests
from gexviz.session.contents import ModelFacts


@pytest.fixture
def study(tmp_path):
    path = cohorts.make_study(tmp_path, models=MODELS, people=20)
    write_net(path.parent)
    return gx.load(path)


def frozen(study):
    """A session that was made from a study as it is."""
    models = {"net": ModelFacts(family="cnn", scale="log2", files=model_digests(study, "net"))}
    update = {"inputs": input_digests(study), "models": models}
    return a_session(manifest=a_session().manifest.model_copy(update=update))


def test_digests_are_those_of_other_tools(study):
    folder = study.config.path.parent
    digests = input_digests(study)
    for kind, (path, *_) in study.cohort.files.items():
        assert digests[kind] == hashlib.sha256(path.read_bytes()).hexdigest()
    weights = hashlib.sha256((folder / "net.safetensors").read_bytes()).hexdigest()
    assert model_digests(study, "net")["weights"] == weights


def test_no_digest_names_a_file(study):
    assert set(input_digests(study)) == {*study.cohort.files, "settings"}
    assert set(model_digests(study, "net")) == {"config", "weights", "settings"}


def test_files_are_hashed_once(study, monkeypatch):
    before = input_digests(study)
    monkeypatch.setattr("gexviz.fingerprints.sha256_of", lambda path: pytest.fail(f"{path} was read again"))
    assert input_digests(gx.load(study.config.path)) == before


def test_a_results_folder_that_cannot_be_written_is_no_fault(study, monkeypatch):
    before = input_digests(study)
    elsewhere = study.config.path.parent / "a file"
    elsewhere.write_text("")
    assert input_digests(gx.load(study.config.path, elsewhere / "results")) == before


def test_an_unchanged_study_is_live(study):
    compared = compare(frozen(study), gx.load(study.config.path))
    assert compared.live
    assert compared.changed == ()


def test_what_changed_is_said(study):
    session = frozen(study)
    folder = study.config.path.parent
    samples = study.cohort.path_of("samples") if study.cohort.path("samples") else study.cohort.path_of("genes")
    samples.write_bytes(samples.read_bytes() + b"\n")
    write_net(folder, seed=1)
    toml = study.config.path
    toml.write_text(toml.read_text().replace("[cohort]", '[cohort]\nmissing = "N"', 1))
    compared = compare(session, gx.load(toml))
    assert not compared.live
    said = "\n".join(compared.changed)
    assert "settings of the cohort" in said
    assert "The model net is another now: settings, weights changed." in said
    assert len(compared.changed) == 3


def test_a_model_that_is_gone_is_said(study):
    session = frozen(study)
    toml = study.config.path
    toml.write_text(toml.read_text().replace("[models.net]", "[models.other]"))
    assert "The study has no model net." in compare(session, gx.load(toml)).changed


def test_a_model_that_cannot_be_opened_is_said(study):
    session = frozen(study)
    (study.config.path.parent / "net.safetensors").unlink()
    assert compare(session, gx.load(study.config.path)).changed == ("The model net can't be opened.",)


def test_a_session_without_digests_is_not_live(study):
    manifest = a_session().manifest.model_copy(update={"inputs": {}, "models": {}})
    assert not compare(a_session(manifest=manifest), study).live
