"""ExPecto against its definition, window by window, and its heads against XGBoost."""

from __future__ import annotations

import os
import pickle
import struct

import numpy as np
import pytest
import torch
from expecto_files import CHANNELS, FEATURES, beluga_state, head_bytes, head_weights, write_beluga, write_head
from safetensors.numpy import load_file, save_file
from torch.nn import functional
from typer.testing import CliRunner

from gexviz import cli
from gexviz.analysis.ism import Mutagenesis
from gexviz.errors import GexvizError
from gexviz.models import expecto_head
from gexviz.models.base import GeneLocus
from gexviz.models.expecto import ANCHOR, WINDOW
from gexviz.models.expecto_head import read_head
from gexviz.models.registry import open_model

AGCT = {"A": 0, "G": 1, "C": 2, "T": 3}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("expecto")
    return {"beluga": write_beluga(folder / "deepsea.beluga.pth"), "head": write_head(folder / "model.Liver.save")}


@pytest.fixture(scope="module")
def model(files):
    return open_model("m", "expecto", files)


def of_strand(model, strand: str):
    return model.for_gene(GeneLocus("g", "G", "1", 30_000, strand, 30_000, 31_000), ())


def beluga(state: dict[str, torch.Tensor], windows: np.ndarray) -> np.ndarray:
    """Features of windows (n, 4, 2000) of A G C T, layer by layer, in float64."""
    s = {name: tensor.double() for name, tensor in state.items()}
    x = torch.from_numpy(windows).double()[:, :, None]
    for place in (0, 2, 6, 8, 12, 14):
        x = functional.conv2d(x, s[f"model.0.{place}.weight"], s[f"model.0.{place}.bias"]).relu()
        if place in (2, 8):
            x = functional.max_pool2d(x, (1, 4), (1, 4))
    x = functional.linear(x.flatten(1), s["model.1.2.1.weight"], s["model.1.2.1.bias"]).relu()
    return functional.linear(x, s["model.1.4.1.weight"], s["model.1.4.1.bias"]).sigmoid().numpy()


def by_definition(genome: str, tss: int, strand: str, state, weights: np.ndarray, bias: float) -> float:
    """Windows cut on the forward strand with the TSS at index 999, both strands' mean, ten sums, the booster's sum."""
    sign = 1 if strand == "+" else -1
    shifts = np.arange(-20_000, 20_000, 200)
    windows = np.zeros((200, 4, 2000))
    for row, shift in enumerate(shifts):
        start = tss + sign * shift - 999
        for column, base in enumerate(genome[start : start + 2000]):
            if base != "N":
                windows[row, AGCT[base], column] = 1
    features = (beluga(state, windows) + beluga(state, windows[:, ::-1, ::-1].copy())) / 2
    total = bias + 2.0
    for number in range(10):
        decay, upstream = [0.01, 0.02, 0.05, 0.1, 0.2][number % 5], number < 5
        for shift, values in zip(shifts, features, strict=True):
            if (shift <= 0) if upstream else (shift >= 0):
                total += np.exp(-decay * abs(shift) / 200) * float(values @ weights[number])
    return total


@pytest.mark.parametrize("strand", "+-")
def test_predictions_are_those_of_the_definition(model, strand):
    rng = np.random.default_rng(1)
    genome = "".join(rng.choice(list("ACGTN"), 50_000, p=[0.3, 0.19, 0.2, 0.3, 0.01]))
    tss = 25_003
    expected = by_definition(genome, tss, strand, beluga_state(0), head_weights(), 0.25)
    text = genome
    at = tss
    if strand == "-":
        text, at = genome[::-1].translate(str.maketrans("ACGT", "TGCA")), len(genome) - 1 - tss
    window = text[at - ANCHOR : at - ANCHOR + WINDOW]
    onehot = np.array([[base == letter for letter in window] for base in "ACGT"], np.float32)[None]
    found = of_strand(model, strand).predict_sequences(onehot)[0]
    other = of_strand(model, "-" if strand == "+" else "+").predict_sequences(onehot)[0]
    assert found == pytest.approx(expected, abs=2e-5)
    assert abs(other - expected) > 2e-4, "the two strands' windows begin at the same base"


def test_the_spec_names_the_tissue(model, files):
    assert model.spec.tracks == ("model.Liver",) and model.spec.window == 41_801
    assert open_model("m", "expecto", files | {"tissue": "Liver"}).spec.tracks == ("Liver",)


def test_weights_of_both_formats_of_torch_are_read(model, files, tmp_path):
    torch.save(beluga_state(0), tmp_path / "new.pth")
    other = open_model("m", "expecto", files | {"beluga": tmp_path / "new.pth"})
    assert other.fingerprint() == model.fingerprint()
    torch.save(beluga_state(1), tmp_path / "new.pth")
    assert open_model("m", "expecto", files | {"beluga": tmp_path / "new.pth"}).fingerprint() != model.fingerprint()


def test_the_published_numbers_of_channels_fit():
    """320, 320, 480, 480, 640, 640 channels on 2,000 bp leave 106 positions: 67,840 inputs of the dense layer."""
    assert beluga_state(0, (320, 320, 480, 480, 640, 640), 1, 1)["model.1.2.1.weight"].shape == (1, 67_840)


# Heads


def test_a_head_is_read_with_and_without_its_first_word(tmp_path):
    weights = head_weights(3)
    for magic in (b"binf", b""):
        path = tmp_path / "a.save"
        path.write_bytes(head_bytes(weights, bias=0.5, magic=magic) + b"attributes that are not read")
        head = read_head(path)
        np.testing.assert_array_equal(head.weight, weights)
        assert head.bias == 2.5


def test_the_zeros_before_the_published_features_are_left_out(tmp_path):
    weights = np.random.default_rng(0).normal(size=(10, 2003)).astype(np.float32)
    (tmp_path / "a.save").write_bytes(head_bytes(weights))
    np.testing.assert_array_equal(read_head(tmp_path / "a.save").weight, weights[:, 1:])


def test_a_head_as_safetensors_is_the_same(files, tmp_path):
    target = tmp_path / "liver.safetensors"
    done = CliRunner().invoke(cli.app, ["models", "convert-expecto", str(files["head"]), "--out", str(target)])
    assert done.exit_code == 0, done.output
    before, after = read_head(files["head"]), read_head(target)
    np.testing.assert_array_equal(before.weight, after.weight)
    assert before.bias == after.bias
    assert set(load_file(target)) == {"weight", "bias"}
    wrong = CliRunner().invoke(cli.app, ["models", "convert-expecto", str(files["head"]), "--out", "liver.npz"])
    assert wrong.exit_code == 1 and ".safetensors" in wrong.output


def test_heads_are_read_as_xgboost_reads_and_writes_them(tmp_path):
    """XGBoost 3.0 is the last that knows the format; gexviz doesn't need it."""
    xgboost = pytest.importorskip("xgboost", reason="the oracle, xgboost 3.0, is not installed")
    if tuple(map(int, xgboost.__version__.split(".")[:2])) > (3, 0):
        pytest.skip(f"xgboost {xgboost.__version__} doesn't know the format any more; 3.0 does")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 50)).astype(np.float32)
    (tmp_path / "ours.save").write_bytes(head_bytes(head_weights(2)))
    theirs = xgboost.Booster(model_file=str(tmp_path / "ours.save"))
    trained = xgboost.train(
        {"booster": "gblinear", "base_score": 2, "lambda": 1, "updater": "coord_descent"},
        xgboost.DMatrix(x, x[:, :7].sum(axis=1) + 2), 20,
    )  # fmt: skip
    trained.save_model(str(tmp_path / "theirs.deprecated"))
    for booster, file in ((theirs, "ours.save"), (trained, "theirs.deprecated")):
        head = read_head(tmp_path / file)
        ours = x.astype(float) @ head.weight.ravel() + head.bias
        expected = booster.predict(xgboost.DMatrix(x))
        assert np.ptp(expected) > 1
        np.testing.assert_allclose(ours, expected, atol=5e-6)


def damaged(**changed) -> bytes:
    return head_bytes(head_weights(), **changed)


@pytest.mark.parametrize(
    "data, told",
    [
        (b"", "it ends at byte 0"),
        (damaged()[:-1], "before its weights do"),
        (damaged()[:200], "before its weights do"),
        (damaged(booster=b"gbtree"), "booster 'gbtree'"),
        (damaged(objective=b"binary:logistic"), "objective 'binary:logistic'"),
        (damaged(features=49), "51 numbers for 49 features"),
        (damaged(numbers=2**60), "numbers for 50 features"),
        (damaged(bias=np.nan), "NaN or infinity"),
        (damaged(base_score=np.inf), "NaN or infinity"),
        (b"<!DOCTYPE html>" * 100, "names no objective"),
        (b'{"learner": {}}' + b" " * 500, "names no objective"),
    ],
)
def test_a_file_that_is_no_head_says_why(tmp_path, data, told):
    (tmp_path / "a.save").write_bytes(data)
    with pytest.raises(GexvizError, match="no head of ExPecto") as error:
        read_head(tmp_path / "a.save")
    assert told in error.value.problem and error.value.file == str(tmp_path / "a.save") and error.value.remedy


@pytest.mark.parametrize(
    "tensors, told",
    [
        ({"weight": head_weights()}, "its tensors are weight, not weight and bias"),
        ({"weight": head_weights()[:9], "bias": np.zeros(1)}, "not float32 (10, features)"),
        ({"weight": head_weights().astype(float), "bias": np.zeros(1)}, "not float32 (10, features)"),
        ({"weight": head_weights(), "bias": np.zeros(2)}, "not float32 (10, features)"),
    ],
)
def test_safetensors_of_something_else(tmp_path, tensors, told):
    save_file(tensors, tmp_path / "a.safetensors")
    with pytest.raises(GexvizError) as error:
        read_head(tmp_path / "a.safetensors")
    assert told in error.value.problem


def test_safetensors_that_are_none(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(struct.pack("<Q", 2**40) + b"{}")
    with pytest.raises(GexvizError, match="no head of ExPecto"):
        read_head(tmp_path / "a.safetensors")


def test_a_file_larger_than_any_head_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(expecto_head, "_MOST_BYTES", 100)
    with pytest.raises(GexvizError, match="larger than any head"):
        read_head(write_head(tmp_path / "a.save"))


def test_a_head_of_other_features_is_refused(files, tmp_path):
    head = write_head(tmp_path / "b.save", features=FEATURES + 1)
    with pytest.raises(GexvizError, match="the head reads 6 chromatin features, and the network gives 5"):
        open_model("m", "expecto", files | {"head": head})


# Beluga


class Runs:
    """Would run a command, if a pickle could."""

    def __init__(self, mark) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.system, (f"touch {self.mark}",)


def without(name: str) -> dict[str, torch.Tensor]:
    return {key: tensor for key, tensor in beluga_state(0).items() if key != name}


@pytest.mark.parametrize(
    "state, told",
    [
        (without("model.0.6.bias"), "tensor model.0.6.bias is missing"),
        (beluga_state(0) | {"model.2.weight": torch.zeros(1)}, "it has a tensor model.2.weight"),
        (beluga_state(0) | {"model.0.2.weight": torch.zeros(6, 5, 1, 8)}, "bias of model.0.2 are (6, 5, 1, 8)"),
        (beluga_state(0) | {"model.0.2.bias": torch.zeros(7)}, "weight and bias of model.0.2"),
        (beluga_state(0) | {"model.1.2.1.weight": torch.zeros(12, 9)}, "weight and bias of model.1.2.1 are (12, 9)"),
        (beluga_state(0) | {"model.0.0.weight": torch.full((6, 4, 1, 8), torch.nan)}, "model.0.0.weight holds NaN"),
        (beluga_state(0) | {"model.0.0.bias": "text"}, "model.0.0.bias is no tensor of floating-point numbers"),
        (beluga_state(0) | {"model.0.0.bias": torch.zeros(6, dtype=torch.int64)}, "is no tensor of floating-point"),
        (beluga_state(0) | {"model.0.0.weight": torch.tensor(1.0)}, "weight and bias of model.0.0 are ()"),
        ([torch.zeros(1)], "it holds a list"),
        ({}, "tensor model.0.0.bias is missing"),
    ],
)
def test_weights_of_another_network_say_what_differs(files, tmp_path, state, told):
    torch.save(state, tmp_path / "a.pth")
    with pytest.raises(GexvizError, match="not Beluga's weights") as error:
        open_model("m", "expecto", files | {"beluga": tmp_path / "a.pth"})
    assert told in error.value.problem and error.value.file == str(tmp_path / "a.pth")


@pytest.mark.parametrize("old", [True, False])
def test_nothing_of_a_pickle_is_run(files, tmp_path, old):
    mark = tmp_path / "ran"
    torch.save({"x": Runs(mark)}, tmp_path / "a.pth", _use_new_zipfile_serialization=not old)
    (tmp_path / "b.pth").write_bytes(pickle.dumps(Runs(mark)))
    for name in ("a.pth", "b.pth"):
        with pytest.raises(GexvizError, match="can't load tensors"):
            open_model("m", "expecto", files | {"beluga": tmp_path / name})
    assert not mark.exists()


@pytest.mark.parametrize("data", [b"", b"version https://git-lfs.github.com/spec/v1\n", b"<html>", b"PK\x03\x04" * 9])
def test_files_that_are_no_checkpoint(files, tmp_path, data):
    (tmp_path / "a.pth").write_bytes(data)
    with pytest.raises(GexvizError, match="not Beluga's weights"):
        open_model("m", "expecto", files | {"beluga": tmp_path / "a.pth"})


def test_a_part_of_a_checkpoint(files, tmp_path):
    (tmp_path / "a.pth").write_bytes(files["beluga"].read_bytes()[:-100])
    with pytest.raises(GexvizError, match="not Beluga's weights"):
        open_model("m", "expecto", files | {"beluga": tmp_path / "a.pth"})


def test_other_sizes_are_of_the_same_network(tmp_path):
    """The numbers of channels come from the file."""
    write_beluga(tmp_path / "b.pth", channels=CHANNELS[::-1], hidden=3, features=2)
    model = open_model("m", "expecto", {"beluga": tmp_path / "b.pth", "head": write_head(tmp_path / "h.save", 0, 2)})
    assert model.predict_sequences(np.zeros((2, 4, WINDOW), np.float32)).shape == (2,)


def test_mutagenesis_recomputes_only_what_a_mutation_reaches(model):
    letters = np.frombuffer(b"ACGT", np.uint8)[np.random.default_rng(0).integers(0, 4, WINDOW)]
    found = Mutagenesis(model, letters).saturation(np.array([0, 1, ANCHOR, WINDOW - 1]))
    assert (found.method, found.reason) == ("incremental", None)
    assert not found.delta[0].any(), "the first base is of minus-strand genes' windows only"
    assert found.delta[1:].any(axis=1).all()
