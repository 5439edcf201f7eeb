"""Predictions in half precision: near those in float32, and nothing else is changed by it."""

from __future__ import annotations

import families
import numpy as np
import pytest
import torch
from contract_study import PLUS, make_contract_study
from enformer_files import write_enformer

import gexviz as gx
from gexviz.explaining.target import target
from gexviz.models.devices import device_for
from gexviz.models.onehot import one_hot
from gexviz.models.precision import HalfPrecision, with_half_trunk
from gexviz.models.registry import open_model

HERE = "variformer", "rastogi", "basenji2", "borzoi"


def sequences(window, number=4):
    return one_hot(np.random.default_rng(0).choice(np.frombuffer(b"ACGT", np.uint8), (number, window)))


def opened(folder, name, precision):
    options = families.FAMILIES[name](folder, 0)
    paths = {k: str(folder / v) for k, v in options.items() if isinstance(v, str) and (folder / v).is_file()}
    keys = {k: v for k, v in (options | paths).items() if k != "family"}
    return open_model("m", options["family"], keys | {"precision": precision})


@pytest.mark.parametrize("name", ["enformer", *HERE])
def test_predictions_are_near_and_the_network_is_the_same(tmp_path, name):
    full, mixed = (opened(tmp_path, name, precision) for precision in ("full", "mixed"))
    onehot = sequences(full.spec.window)
    expected, found = full.predict_sequences(onehot), mixed.predict_sequences(onehot)
    assert found.dtype == np.float32 and not np.array_equal(found, expected)
    np.testing.assert_allclose(found, expected, rtol=0.1)
    with torch.inference_mode():
        own = mixed.network()(torch.from_numpy(onehot)).numpy()
    np.testing.assert_array_equal(own, full.network()(torch.from_numpy(onehot)).numpy())
    np.testing.assert_array_equal(mixed.in_full_precision().predict_sequences(onehot), expected)
    assert full.in_full_precision() is full
    theirs = mixed.fingerprint()
    assert theirs.pop("precision") and theirs == full.fingerprint()


def test_the_readout_is_in_float32(tmp_path):
    model, kinds = opened(tmp_path, "enformer", "mixed"), []
    run = model._run
    assert isinstance(run.trunk, HalfPrecision) and run.trunk.layer is model.network().trunk
    run.trunk.layer.final_pointwise.register_forward_hook(lambda layer, args, out: kinds.append(out.dtype))
    for layer in (run.head, run.softplus, run.readout):
        layer.register_forward_hook(lambda layer, args, out: kinds.extend([args[0].dtype, out.dtype]))
    model.predict_sequences(sequences(model.spec.window, 1))
    assert kinds == [torch.bfloat16] + [torch.float32] * 6


def test_a_network_without_a_trunk_has_no_half_precision():
    with pytest.raises(ValueError, match="no layer called trunk"):
        with_half_trunk(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(8, 1)), "cpu")


def test_the_reference_alone_is_predicted_in_half_precision(tmp_path):
    def study_of(precision):
        folder = tmp_path / precision
        folder.mkdir()
        options = families.FAMILIES["enformer"](folder, 0) | {"precision": precision}
        return gx.load(make_contract_study(folder, options, options["window"], options["window"] // 2).toml)

    full, mixed = study_of("full"), study_of("mixed")
    first, second = (study.predict("model", [PLUS], reference=True)["value"] for study in (full, mixed))
    assert not np.array_equal(first, second)
    np.testing.assert_allclose(second, first, rtol=0.1)
    np.testing.assert_array_equal(*(study.predict("model", [PLUS])["value"] for study in (full, mixed)))
    looked = [target(study, "model", study.locus(PLUS)) for study in (full, mixed)]
    sequence = one_hot(looked[0].background.sequence[None])
    values = [one.model.predict_sequences(sequence) for one in looked]
    np.testing.assert_array_equal(*values)
    assert looked[0].key() != looked[1].key()


def test_float32_on_a_gpu_is_not_tensorfloat(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device_for("auto") == device_for("cpu") == "cpu" and torch.backends.cudnn.allow_tf32
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert device_for("auto") == "cuda"
    assert not torch.backends.cudnn.allow_tf32 and not torch.backends.cuda.matmul.allow_tf32


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize(("precision", "tolerance"), [("full", 1e-4), ("mixed", 0.1)])
def test_a_gpu_gives_what_the_cpu_gives(tmp_path, precision, tolerance):
    options = write_enformer(tmp_path)
    keys = {k: tmp_path / v if isinstance(v, str) else v for k, v in options.items()} | {"tracks": [0, 2]}
    cpu = open_model("m", "enformer", keys | {"device": "cpu"})
    gpu = open_model("m", "enformer", keys | {"device": "cuda", "precision": precision})
    assert next(gpu.network().parameters()).is_cuda
    onehot = sequences(cpu.spec.window)
    np.testing.assert_allclose(gpu.predict_sequences(onehot), cpu.predict_sequences(onehot), rtol=tolerance)
