import subprocess
import sys
import types
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest

from gexviz.config import read_config
from gexviz.digests import file_digest
from gexviz.errors import GexvizError
from gexviz.models import registry
from gexviz.models.base import ModelSpec
from gexviz.models.not_expression import NOT_EXPRESSION
from gexviz.models.options import ModelOptions, PredictDBOptions, TableOptions, XpressoOptions

STUDY = """\
[study]
name = "a study"
genome = "GRCh37"

[cohort]
genotypes = "g.vcf.gz"
reference = "r.fa"
expression = "e.bed.gz"
genes = "g.gtf"

[models.mine]
"""


@pytest.fixture
def study(tmp_path):
    """Write a study with one model from the lines of its section, and read it."""

    def written(lines):
        path = tmp_path / "study.toml"
        path.write_text(STUDY + lines)
        return read_config(path)

    return written


@pytest.fixture(autouse=True)
def families_as_before():
    registered = dict(registry._registered)
    yield
    registry._registered.clear()
    registry._registered.update(registered)
    registry._installed.cache_clear()


def complaint(call, *args):
    with pytest.raises(GexvizError) as raised:
        call(*args)
    return raised.value


def test_good_options_are_typed_and_their_paths_start_from_the_study(study, tmp_path):
    options = registry.check_options(study('family = "predictdb"\nweights = "models/enet.db"\nwindow = 500\n'), "mine")
    assert options == PredictDBOptions(weights=tmp_path / "models/enet.db", out_of_fold=None, window=500)
    assert options.weights.is_absolute()


def test_a_file_that_is_not_there_yet_stops_no_study_from_opening(study):
    assert registry.check_options(study('family = "xpresso"\ncheckpoint = "no.h5"\n'), "mine")


@pytest.mark.parametrize(
    ("lines", "problem", "line", "remedy"),
    [
        ('family = "xpreso"\n', "unknown family 'xpreso'", 12, "did you mean 'xpresso'?"),
        ('family = "Table"\n', "unknown family 'Table'", 12, "did you mean 'table'?"),
        ('family = "xpresso"\ncheckpont = "a.h5"\n', "unknown key 'checkpont'", 13, "did you mean 'checkpoint'?"),
        ('family = "predictdb"\nweights = "a"\nqqq = 1\n', "unknown key 'qqq'", 14, "remove it"),
        ('family = "xpresso"\n', "'checkpoint' is missing", 11, "add it"),
        ('family = "xpresso"\ncheckpoint = 3\n', "'checkpoint' has a wrong value: 3", 13, "correct the value"),
        ('family = "predictdb"\nweights = "a"\nwindow = -1\n', "'window' has a wrong value: -1", 14, "correct"),
        ('family = "table"\npredictions = "a"\nscale = "x"\nlayout = "tall"\n', "'layout' has a wrong", 15, "correct"),
        ('family = "table"\npredictions = "a"\n', "'scale' is missing", 11, "add it"),
    ],
)
def test_wrong_sections_are_told_with_line_and_remedy(study, lines, problem, line, remedy):
    config = study(lines)
    error = complaint(registry.check_options, config, "mine")
    assert problem in error.problem
    assert error.file == str(config.path)
    assert error.place.endswith(f"line {line}")
    assert error.place.startswith("[models.mine]")
    assert error.expected
    assert remedy in error.remedy


@pytest.mark.parametrize("name", NOT_EXPRESSION)
def test_a_known_model_that_is_no_expression_predictor_says_what_it_predicts(study, name):
    config = study(f'family = "{name}"\n')
    error = complaint(registry.check_options, config, "mine")
    assert error.problem.startswith(f"{name} does not predict expression")
    assert NOT_EXPRESSION[name].predicts in error.problem
    assert error.place.endswith("line 12") and "xpresso" in error.expected
    assert 'family = "torch"' in error.remedy or 'family = "table"' in error.remedy
    assert name not in registry.family_names()


def test_an_unknown_family_is_answered_with_all_that_are_known(study):
    error = complaint(registry.check_options, study('family = "qqqqqq"\n'), "mine")
    for name in ("predictdb", "xpresso", "cnn", "table"):
        assert name in error.expected
    assert "docs/models.md" in error.remedy


def test_a_missing_file_is_told_with_the_line_of_its_key(study, tmp_path):
    (tmp_path / "enets.db").write_bytes(b"")
    config = study('family = "predictdb"\nweights = "enet.db"\n')
    options = registry.check_options(config, "mine")
    error = complaint(registry.open_model, "mine", "predictdb", options, config)
    assert "enet.db does not exist" in error.problem
    assert error.place == "[models.mine] weights, line 13"
    assert error.remedy == "did you mean enets.db?"
    without_study = complaint(registry.open_model, "mine", "predictdb", options)
    assert without_study.place == "[models.mine] weights"


class Mean:
    """A model of a user's own family."""

    def __init__(self, name, options):
        self.options = options
        self.spec = ModelSpec(name, "mean", "sequence", scale="none", haplotypes="output_mean", window=4)

    def unavailable(self, gene):
        return None

    def fingerprint(self):
        return {}

    def predict_sequences(self, onehot):
        return onehot.mean(axis=(1, 2))


class MeanOptions(ModelOptions):
    numbers: Path
    shift: float = 0.0


def test_a_registered_family_is_opened_with_its_own_checked_options(study, tmp_path):
    (tmp_path / "n.txt").write_text("1")
    registry.register_family("mean", Mean, MeanOptions)
    config = study('family = "mean"\nnumbers = "n.txt"\nshift = 2\n')
    options = registry.check_options(config, "mine")
    model = registry.open_model("mine", "mean", options, config)
    assert model.spec.name == "mine"
    assert model.options == MeanOptions(numbers=tmp_path / "n.txt", shift=2.0)
    assert model.predict_sequences(np.ones((3, 4, 4), np.float32)).shape == (3,)
    assert "mean" in registry.family_names()
    assert "'shft'" in complaint(registry.check_options, study('family = "mean"\nshft = 2\n'), "mine").problem


def test_a_built_in_name_cannot_be_taken():
    with pytest.raises(ValueError, match="built-in"):
        registry.register_family("xpresso", Mean, MeanOptions)


def test_a_family_of_another_package_is_found_by_its_entry_point(monkeypatch, tmp_path):
    module = types.ModuleType("their_package")
    module.Options, module.open_model = MeanOptions, Mean
    monkeypatch.setitem(sys.modules, "their_package", module)
    broken = types.ModuleType("their_broken_package")
    monkeypatch.setitem(sys.modules, "their_broken_package", broken)
    points = [
        EntryPoint("theirs", "their_package", registry.ENTRY_POINTS),
        EntryPoint("broken", "their_broken_package", registry.ENTRY_POINTS),
        EntryPoint("gone", "their_package_that_is_gone", registry.ENTRY_POINTS),
    ]
    monkeypatch.setattr(registry, "entry_points", lambda group: [p for p in points if p.group == group])
    registry._installed.cache_clear()
    (tmp_path / "n.txt").write_text("1")
    model = registry.open_model("mine", "theirs", {"numbers": tmp_path / "n.txt"})
    assert isinstance(model, Mean)
    assert "not complete" in complaint(registry.open_model, "mine", "broken", {}).problem
    assert "can't load" in complaint(registry.open_model, "mine", "gone", {}).problem


def test_torch_is_loaded_only_for_a_deep_model(tmp_path):
    """In a process of its own: names, checks and a table need no torch, Xpresso does."""
    (tmp_path / "t.tsv").write_text("gene\ts1\nA\t1\n")
    code = (
        "import sys\n"
        "from gexviz.models import registry\n"
        f"registry.open_model('t', 'table', dict(predictions={str(tmp_path / 't.tsv')!r}, scale='x'))\n"
        "print('torch' in sys.modules, 'h5py' in sys.modules)\n"
        "import gexviz.models.xpresso\n"
        "print('torch' in sys.modules)\n"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert shown.stdout.split() == ["False", "False", "True"]


def test_options_do_not_change():
    options = XpressoOptions(checkpoint=Path("a.h5"))
    with pytest.raises(ValueError, match="frozen"):
        options.checkpoint = Path("b.h5")
    assert TableOptions(predictions=Path("a"), scale="x").layout == "auto"


def test_digest_tells_contents_apart(tmp_path):
    one, same, other = (tmp_path / name for name in "abc")
    one.write_bytes(b"x" * 3_000_000)
    same.write_bytes(b"x" * 3_000_000)
    other.write_bytes(b"x" * 2_999_999 + b"y")
    assert file_digest(one) == file_digest(same) != file_digest(other)
    assert len(file_digest(one)) == 32
