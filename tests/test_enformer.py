import json

import numpy as np
import pytest
import torch
from enformer_files import CONFIG, WINDOW, enformer_tensors, write_enformer
from safetensors.torch import save_file

from gexviz.errors import GexvizError
from gexviz.models.enformer_network import relative_positions
from gexviz.models.onehot import one_hot
from gexviz.models.registry import open_model


@pytest.fixture
def made(tmp_path):
    options = write_enformer(tmp_path)
    return {k: tmp_path / v if isinstance(v, str) else v for k, v in options.items()}


def sequences(number=2, window=WINDOW, seed=3):
    letters = np.frombuffer(b"ACGTN", np.uint8)
    drawn = np.random.default_rng(seed).choice(letters, (number, window), p=[0.27, 0.22, 0.22, 0.27, 0.02])
    return one_hot(drawn)


def reference(made, **config):
    enformer_pytorch = pytest.importorskip("enformer_pytorch", reason="enformer-pytorch is not installed")
    network = enformer_pytorch.Enformer.from_hparams(**(CONFIG | config)).eval()
    network.load_state_dict(torch.load(made["weights"], weights_only=True))
    return network


def all_tracks(network, onehot, head="human", target_length=-1):
    with torch.inference_mode():
        x = torch.from_numpy(onehot).transpose(1, 2)
        return network(x, head=head, target_length=target_length).numpy()


def complaint(**options):
    with pytest.raises(GexvizError) as raised:
        open_model("e", "enformer", options)
    assert raised.value.expected
    return raised.value


# -- against enformer-pytorch ------------------------------------------------------------------------------------------


def test_names_and_shapes_are_those_of_enformer_pytorch(made):
    theirs = reference(made).state_dict()
    ours = enformer_tensors()
    assert {name: tuple(values.shape) for name, values in theirs.items()} == {
        name: tuple(values.shape) for name, values in ours.items()
    }


@pytest.mark.parametrize(("bins", "first"), [(3, 7), (1, 8), (4, 6), (10, 3)])
@pytest.mark.parametrize("how", ["sum", "mean"])
def test_predictions_are_those_of_enformer_pytorch(made, bins, first, how):
    """16 bins: the TSS is the first base of the ninth."""
    onehot = sequences(8)
    model = open_model("e", "enformer", made | {"tracks": [1, 3], "bins": bins, "over_bins": how})
    read = all_tracks(reference(made), onehot)[:, first : first + bins, [1, 3]]
    expected = getattr(read, how)(axis=1).mean(axis=1)
    np.testing.assert_allclose(model.predict_sequences(onehot), expected, atol=1e-4 * np.abs(expected).max(), rtol=0)
    assert np.ptp(expected) > 1e-2


def test_the_published_window_and_bins(tmp_path):
    """Bins 447 to 449 of the 896, on the published gamma basis; the rest of the network is small."""
    options = write_enformer(tmp_path)
    made = {k: tmp_path / v if isinstance(v, str) else v for k, v in options.items()} | {"window": 196_608}
    network = reference(made)
    positions = pytest.importorskip("enformer_pytorch.modeling_enformer")
    table = positions.TF_GAMMAS  # 32 densities; those of 2 can be computed
    assert (relative_positions(1536, 192, "tensorflow")[:, 64:96] - table).abs().max() < 0.003
    onehot = sequences(1, 196_608)
    model = open_model("e", "enformer", made | {"tracks": [0], "gamma": "pytorch"})
    expected = all_tracks(network, onehot, target_length=896)[:, 447:450, 0].sum(axis=1)
    np.testing.assert_allclose(model.predict_sequences(onehot), expected, rtol=1e-4)


# -- without it --------------------------------------------------------------------------------------------------------


def test_tracks_are_averaged_and_named_by_the_table(made, tmp_path):
    (tmp_path / "targets.txt").write_text(
        "index\tidentifier\tdescription\n0\tA\tDNASE:x\n1\tCNhs1\tCAGE:b cell\n2\tC\tCHIP:y\n3\tCNhs2\tCAGE:b cell\n"
    )
    made |= {"targets": tmp_path / "targets.txt"}
    onehot = sequences()

    def predict(*tracks):
        return open_model("e", "enformer", made | {"tracks": tracks})

    each = [predict(i).predict_sequences(onehot) for i in range(4)]
    both = predict("cage:B cell")
    assert both.spec.tracks == ("CAGE:b cell", "CAGE:b cell") and "CAGE:b cell" in both.spec.readout
    np.testing.assert_allclose(both.predict_sequences(onehot), (each[1] + each[3]) / 2, rtol=1e-5)
    np.testing.assert_allclose(predict("CNhs2").predict_sequences(onehot), each[3], rtol=1e-5)
    assert not np.allclose(each[0], each[1])
    told = complaint(**made, tracks=["CAGE:b sell"])
    assert "did you mean 'CAGE:b cell'" in told.remedy and told.file == str(tmp_path / "targets.txt")


def test_safetensors_give_the_same(made, tmp_path):
    """enformer-pytorch can't save its shared tensors so; others do, without the second names."""
    tensors = {k: v for k, v in enformer_tensors().items() if not k.startswith("_trunk")}
    save_file(tensors, tmp_path / "model.safetensors")
    first, second = (
        open_model("e", "enformer", made | {"tracks": [0], "weights": path})
        for path in (made["weights"], tmp_path / "model.safetensors")
    )
    assert first.fingerprint() == second.fingerprint()


def test_the_basis_of_relative_positions_by_its_definition():
    """Gamma densities with means at quarters of the length; float64, by scipy."""
    stats = pytest.importorskip("scipy.stats")
    basis = relative_positions(64, 24, "tensorflow").numpy()
    away = np.abs(np.arange(-63, 64))
    half_lives = 2 ** np.linspace(3, 6, 4)
    np.testing.assert_allclose(basis[:, :4], 0.5 ** (away[:, None] / half_lives), rtol=1e-5)
    np.testing.assert_array_equal(basis[:, 4:8], away[:, None] < 2 ** np.arange(1, 5) - 1)
    mean, deviation = np.linspace(16, 64, 4), 8
    density = stats.gamma.pdf(away[:, None], (mean / deviation) ** 2, scale=deviation**2 / mean) + 1e-8
    np.testing.assert_allclose(basis[:, 8:12], density / density.max(axis=0), atol=1e-4)
    trained = relative_positions(64, 24, "pytorch").numpy()
    np.testing.assert_allclose(trained[:, 8:12], density / density.max(axis=1, keepdims=True), atol=1e-4)
    np.testing.assert_array_equal(basis[:, 12:], basis[:, :12] * np.sign(np.arange(-63, 64))[:, None])


def test_the_version_of_the_basis_is_part_of_the_fingerprint(made):
    first, second = (
        open_model("e", "enformer", made | {"tracks": [0], "gamma": gamma}) for gamma in ("pytorch", "tensorflow")
    )
    assert first.fingerprint() != second.fingerprint()
    onehot = sequences()
    assert not np.allclose(first.predict_sequences(onehot), second.predict_sequences(onehot), rtol=1e-4)


# -- files and options that don't go together --------------------------------------------------------------------------


def test_weights_of_another_network_are_refused_by_tensor(made, tmp_path):
    config = json.loads(made["config"].read_text())
    for changed, place in [
        ({"depth": 2}, "tensor transformer.1."),
        ({"attn_dim_key": 8}, "tensor transformer.0.0.fn.1."),
        ({"output_heads": {"human": 5}}, None),
    ]:
        made["config"].write_text(json.dumps(config | changed))
        if place is None:
            assert open_model("e", "enformer", made | {"tracks": [3]})  # a row that is there
            place = "tensor _heads.human.0.weight"
            told = complaint(**made, tracks=[4])
        else:
            told = complaint(**made, tracks=[0])
        assert told.place.startswith(place) and told.file == str(made["weights"]) and told.remedy


def test_layers_that_the_configuration_does_not_have_are_refused(made):
    tensors = enformer_tensors() | {"transformer.1.0.fn.0.weight": torch.zeros(96)}
    torch.save(tensors, made["weights"])
    assert complaint(**made, tracks=[0]).expected == "no such tensor"


def test_weights_with_nan_are_refused(made):
    tensors = enformer_tensors()
    tensors["stem.0.bias"][3] = torch.nan
    torch.save(tensors, made["weights"])
    assert complaint(**made, tracks=[0]).place == "tensor stem.0.bias"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"tracks": [4]}, "there is no track 4"),
        ({"tracks": ["CAGE"]}, "no table of tracks"),
        ({"tracks": [0], "head": "yeast"}, "no head 'yeast'"),
        ({"tracks": [0], "window": 2_176}, "a window of 2,176 bp"),
        ({"tracks": []}, "wrong value"),
    ],
)
def test_options_that_the_network_does_not_have(made, options, says):
    assert says in complaint(**(made | options)).problem


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_said(made):
    told = complaint(**made, tracks=[0], device="cuda")
    assert told.problem == "torch finds no GPU" and 'device = "cpu"' in told.remedy


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"dim": 100}', '{"dim": 96, "dim_divisible_by": 64}', '{"depth": "deep"}']
)
def test_a_configuration_of_something_else(made, text):
    made["config"].write_text(text)
    told = complaint(**made, tracks=[0])
    assert "not a configuration of Enformer" in told.problem and told.file == str(made["config"])
