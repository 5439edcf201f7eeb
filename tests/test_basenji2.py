import json

import h5py
import numpy as np
import pytest
from basenji_files import PARAMS, WINDOW, all_tracks, write_basenji2, write_keras
from test_enformer import sequences

from gexviz.errors import GexvizError
from gexviz.models.basenji_network import PUBLISHED, build_trunk, dilations
from gexviz.models.onehot import reverse_complement_one_hot
from gexviz.models.registry import open_model


@pytest.fixture
def made(tmp_path):
    return {k: tmp_path / v for k, v in write_basenji2(tmp_path).items()}


def opened(made, **options):
    return open_model("b", "basenji2", made | {"tracks": [1], "bins": 4} | options)


def complaint(made, **options):
    with pytest.raises(GexvizError) as raised:
        opened(made, **options)
    assert raised.value.expected
    return raised.value


@pytest.mark.parametrize(("bins", "first"), [(4, 4), (10, 1), (1, 6)])
def test_predictions_are_those_of_the_definition_in_numpy(made, bins, first):
    """12 bins are left after cropping."""
    onehot = sequences(4, WINDOW)
    model = opened(made, tracks=[0, 2], bins=bins, shifts=[0])
    expected = all_tracks(write_keras(made["checkpoint"]), onehot)[:, first : first + bins, [0, 2]].mean(axis=(1, 2))
    assert np.ptp(expected) > 1e-2
    np.testing.assert_allclose(model.predict_sequences(onehot), expected, atol=1e-5, rtol=0)


def test_shifts_are_averaged_with_a_quarter_of_each_base_at_the_ends(made):
    onehot = sequences(3, WINDOW)
    right, left = (np.roll(onehot, shift, axis=2) for shift in (1, -1))
    right[:, :, 0] = left[:, :, -1] = 0.25
    alone = opened(made, shifts=[0])
    expected = np.mean([alone.predict_sequences(one) for one in (right, onehot, left)], axis=0)
    model = opened(made)
    np.testing.assert_allclose(model.predict_sequences(onehot), expected, atol=1e-6)
    assert not np.allclose(alone.predict_sequences(onehot), expected, atol=1e-5)
    assert model.spec.strand == "rc_mean" and "shifts by 1, 0, -1 bp" in model.spec.readout
    mirrored = opened(made, shifts=[0, 1]).predict_sequences(reverse_complement_one_hot(onehot))
    assert not np.allclose(mirrored, expected)


def test_the_published_layers():
    """As params_human.json of calico/basenji has them; 131,072 bp become 896 bins."""
    blocks = {block.name: block for block in PUBLISHED.trunk}
    assert dilations(blocks["dilated_residual"]) == [1, 2, 3, 4, 6, 9, 14, 21, 32, 48, 72]
    trunk, channels = build_trunk(PUBLISHED)
    kernels = [m for m in trunk.modules() if type(m).__name__ == "Conv1d"]
    assert [kernel.out_channels for kernel in kernels[:8]] == [288, 339, 399, 470, 554, 652, 768, 384]
    assert len(kernels) == 30 and channels == 1536
    statistics = sum(values.numel() for values in trunk.buffers() if values.ndim)
    parameters = sum(values.numel() for values in trunk.parameters()) + (channels + 1) * 5_313
    assert parameters + statistics == 30_123_584  # as basenji2-pytorch counts the published network's


@pytest.mark.parametrize(("first", "whole"), [(0, False), (31, True)])
def test_other_ways_of_saving(made, first, whole):
    """Weights alone; and a model that was not the first of its session."""
    before = opened(made).fingerprint()
    write_keras(made["checkpoint"], first=first, whole=whole)
    assert opened(made).fingerprint() == before
    write_keras(made["checkpoint"], seed=1)
    assert opened(made).fingerprint() != before


# -- files that don't go together --------------------------------------------------------------------------------------

KERNEL = "model_weights/conv1d_3/conv1d_3/kernel:0"


def replaced(file, link=None, **dataset):
    del file[KERNEL]
    if link is not None:
        file[KERNEL] = link
    else:
        file.create_dataset(KERNEL, **dataset)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda f: f.pop(KERNEL), "it has no conv1d_3/conv1d_3/kernel:0"),
        (lambda f: f["model_weights"].pop("conv1d_3"), "12 layers conv1d, not 13"),
        (lambda f: f["model_weights"].pop("dense"), "0 layers dense, not 1"),
        (lambda f: replaced(f, data=np.zeros((5, 13, 16), "f4")), "(5, 13, 16), not float32 (5, 13, 15)"),
        (lambda f: replaced(f, data=np.zeros((5, 13, 15), "f8")), "is float64"),
        (lambda f: replaced(f, data=np.full((5, 13, 15), np.nan, "f4")), "NaN or infinity"),
        (lambda f: replaced(f, link=h5py.ExternalLink("b.h5", "/x")), "it has no conv1d_3"),
        (lambda f: replaced(f, shape=(5, 13, 15), dtype="f4", external=[("/etc/passwd", 0, 3900)]), "in other files"),
        (lambda f: f.create_dataset(KERNEL.replace("kernel", "bias"), data=np.zeros(15, "f4")), "has a bias"),
    ],
)
def test_checkpoints_of_other_layers(made, change, says):
    with h5py.File(made["checkpoint"], "a") as file:
        change(file)
    told = complaint(made)
    assert says in told.problem and told.file == str(made["checkpoint"])


@pytest.mark.parametrize("content", [b"", b"<html>", b"\x89HDF\r\n\x1a\n" + b"\0" * 200])
def test_a_checkpoint_that_is_no_hdf5(made, content):
    made["checkpoint"].write_bytes(content)
    assert "can't read it as an HDF5 file" in complaint(made).problem


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"activation": "relu"}, "model.activation"),
        ({"trunk": [{"name": "transformer"}]}, "model.trunk.0"),
        ({"seq_length": 1_000}, "model"),
        ({"head_human": {"units": 4, "activation": "linear"}}, "model.head_human.activation"),
    ],
)
def test_layers_that_are_no_basenji2(made, change, place):
    made["params"].write_text(json.dumps({"model": PARAMS["model"] | change}))
    told = complaint(made)
    assert told.place == place and told.file == str(made["params"])


def test_options_that_the_network_does_not_have(made):
    assert complaint(made, bins=13).problem == "13 bins of 12"
    assert complaint(made, tracks=[4]).problem == "there is no track 4"
    assert "wrong value" in complaint(made, shifts=[]).problem
