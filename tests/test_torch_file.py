"""A user's own network in a TorchScript file: run as given, and nothing that does more than compute."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest
import torch
from torch import nn

from gexviz.analysis.ism import Mutagenesis
from gexviz.errors import GexvizError
from gexviz.models.onehot import one_hot
from gexviz.models.registry import open_model

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
WINDOW = 80
KEYS = {"window": WINDOW, "anchor": 40, "scale": "log"}


class Branching(nn.Module):
    """A network with a branch, which only scripting keeps; two tracks of four bins."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv1d(4, 2, 5, padding=2), nn.ReLU(), nn.AvgPool1d(20))

    def forward(self, x):
        y = self.layers(x)
        if bool(x.sum() > 70.0):
            y = y * 3.0
        return y


def made(seed=0):
    torch.manual_seed(seed)
    return Branching().eval()


def sequences(number=6, seed=1):
    letters = np.random.default_rng(seed).choice(
        np.frombuffer(b"ACGTN", np.uint8), (number, WINDOW), p=[0.23] * 4 + [0.08]
    )
    return one_hot(letters)


def opened(path, **keys):
    return open_model("own", "torch", {"file": path, **KEYS, **keys})


def complaint(path, **keys):
    with pytest.raises(GexvizError) as raised:
        opened(path, **keys)
    assert raised.value.file == str(path) and raised.value.expected and raised.value.remedy
    return raised.value


@pytest.fixture
def scripted(tmp_path):
    path = tmp_path / "own.pt"
    torch.jit.script(made()).save(path)
    return path


def test_predictions_are_those_of_the_network_in_python(scripted):
    onehot = sequences()
    model = opened(scripted, output=[1, 2])
    with torch.inference_mode():
        expected = torch.stack([made()(torch.from_numpy(x[None]))[0, 1, 2] for x in onehot]).numpy()
    together = [model.predict_sequences(x[None])[0] for x in onehot]
    assert np.ptp(expected) > 1e-2
    np.testing.assert_allclose(together, expected, atol=1e-6)
    assert model.spec.readout == "output [1, 2]"


def test_mutagenesis_runs_the_whole_network_and_says_why(scripted):
    model = opened(scripted, output=[0, 2])
    sequence = np.frombuffer(b"ACGT" * 20, np.uint8)
    work = Mutagenesis(model, sequence)
    assert work.method == "plain" and work.reason
    effects = work.substitutions(np.array([45]), np.frombuffer(b"G", np.uint8))
    altered = sequence.copy()
    altered[45] = ord("G")
    before, after = model.predict_sequences(one_hot(np.stack([sequence, altered])))
    assert effects[0] == pytest.approx(after - before, abs=1e-6) and effects[0] != 0


def test_another_program_with_the_same_weights_has_another_fingerprint(tmp_path):
    network = made()
    torch.jit.script(network).save(tmp_path / "script.pt")
    torch.jit.trace(network, torch.zeros(1, 4, WINDOW)).save(tmp_path / "trace.pt")
    script, trace = (opened(tmp_path / f"{name}.pt", output=[0, 0]).fingerprint() for name in ("script", "trace"))
    assert script["file"] != trace["file"]
    assert opened(tmp_path / "script.pt", output=[0, 0]).fingerprint() == script


def test_outputs_that_are_not_one_number_are_told_with_their_shape(scripted):
    assert "gives (2, 2, 4) for 2 sequences" in complaint(scripted).problem
    assert "gives (2, 2, 4) for 2 sequences" in complaint(scripted, output=[1]).problem
    assert "can't be run on 80 bp" in complaint(scripted, output=[7, 0]).problem
    assert "can't be run on 10 bp" in complaint(scripted, window=10, anchor=0).problem


def test_the_anchor_is_in_the_window(scripted):
    with pytest.raises(GexvizError) as raised:
        opened(scripted, anchor=80)
    assert "anchor 80 is outside the window of 80" in raised.value.expected


# -- programs that do more than compute --------------------------------------------------------------------------------


class Saves(nn.Module):
    def forward(self, x):
        torch.save(x, "/tmp/never")
        return x.sum((1, 2))


class Prints(nn.Module):
    def forward(self, x):
        print("seen")  # noqa: T201
        return x.sum((1, 2))


class Reads(nn.Module):
    def forward(self, x):
        return x.sum((1, 2)) + torch.from_file("/etc/hostname", False, 1, dtype=torch.uint8)


@pytest.mark.parametrize(("network", "word"), [(Saves, "save"), (Prints, "print"), (Reads, "from_file")])
def test_a_program_that_does_more_is_refused_before_it_is_loaded(tmp_path, monkeypatch, network, word):
    torch.jit.script(network()).save(tmp_path / "bad.pt")
    monkeypatch.setattr(torch.jit, "load", lambda *a, **k: pytest.fail("it was loaded"))
    assert f"uses '{word}'" in complaint(tmp_path / "bad.pt").problem


def rewritten(path, change):
    """Change the texts of a program."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, change(content.decode()) if name.endswith(".py") else content)


@pytest.mark.parametrize(
    ("instead", "word"),
    [
        ("torch.relu(ops.c10d.barrier(x))", "c10d"),
        ('getattr(torch, "s\\x61ve")(x)', "getattr"),
        ("(x).save\\\n(x)", "save"),
        ("__torch__.torch.classes.mine.Thing(x)", "classes"),
        ('ops . prim . rpc_async("b", x)', "rpc_async"),
    ],
)
def test_words_that_hide_are_found(scripted, instead, word):
    rewritten(scripted, lambda text: text.replace("torch.relu(", f"{instead} + torch.relu("))
    rewritten(scripted, lambda text: text + f"\n# {instead}\n")
    assert f"uses '{word}'" in complaint(scripted, output=[0, 0]).problem


def test_a_file_of_torch_export_is_refused_with_the_way_to_convert_it(tmp_path):
    program = torch.export.export(nn.Sequential(nn.Flatten(), nn.Linear(4 * WINDOW, 1)), (torch.zeros(2, 4, WINDOW),))
    torch.export.save(program, tmp_path / "own.pt2")
    error = complaint(tmp_path / "own.pt2")
    assert "torch.export" in error.problem and "torch.jit.trace" in error.remedy


@pytest.mark.parametrize(
    ("write", "says"),
    [
        (lambda path: torch.save(made().state_dict(), path), "there is no program in it"),
        (lambda path: torch.save(made(), path), "there is no program in it"),
        (lambda path: path.write_bytes(b"not a zip"), "File is not a zip file"),
        (lambda path: path.write_bytes(b""), "File is not a zip file"),
    ],
)
def test_files_that_are_no_torchscript(tmp_path, write, says):
    write(tmp_path / "own.pt")
    error = complaint(tmp_path / "own.pt")
    assert says in error.problem and "docs/own-model.md" in error.remedy


def test_a_damaged_program(scripted):
    rewritten(scripted, lambda text: text.replace("def forward", "def farward"))
    assert "can't read it as TorchScript" in complaint(scripted, output=[0, 0]).problem
