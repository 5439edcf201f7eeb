import json
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from numpy.lib.stride_tricks import sliding_window_view

from gexviz.errors import GexvizError
from gexviz.models.base import DependsOnGene, Differentiable, GeneLocus, PredictsSequences
from gexviz.models.onehot import one_hot, reverse_complement
from gexviz.models.registry import open_model
from gexviz.models.xpresso import read_checkpoint

WEIGHTED = {
    "conv1d_1": (6, 4, 128),
    "conv1d_2": (9, 128, 32),
    "dense_1": (1126, 64),
    "dense_2": (64, 2),
    "dense_3": (2, 1),
}
CONV = {"padding": "same", "strides": [1], "dilation_rate": [1], "activation": "relu", "use_bias": True}
DENSE = {"activation": "linear", "use_bias": True}
# name, kind, settings, inputs: as Keras 2.0.5 describes the published networks
LAYERS = [
    ("promoter", "InputLayer", {"batch_input_shape": [None, 10500, 4], "dtype": "float32", "sparse": False}, []),
    ("conv1d_1", "Conv1D", {"filters": 128, "kernel_size": [6], "trainable": True, **CONV}, ["promoter"]),
    ("max_pooling1d_1", "MaxPooling1D", {"pool_size": [30], "strides": [30], "padding": "valid"}, ["conv1d_1"]),
    ("conv1d_2", "Conv1D", {"filters": 32, "kernel_size": [9], "trainable": True, **CONV}, ["max_pooling1d_1"]),
    ("max_pooling1d_2", "MaxPooling1D", {"pool_size": [10], "strides": [10], "padding": "valid"}, ["conv1d_2"]),
    ("flatten_1", "Flatten", {"trainable": True}, ["max_pooling1d_2"]),
    ("halflife", "InputLayer", {"batch_input_shape": [None, 6], "dtype": "float32", "sparse": False}, []),
    ("concatenate_1", "Concatenate", {"axis": -1}, ["flatten_1", "halflife"]),
    ("dense_1", "Dense", {"units": 64, **DENSE}, ["concatenate_1"]),
    ("activation_1", "Activation", {"activation": "relu"}, ["dense_1"]),
    ("dropout_1", "Dropout", {"rate": 0.001}, ["activation_1"]),
    ("dense_2", "Dense", {"units": 2, **DENSE}, ["dropout_1"]),
    ("activation_2", "Activation", {"activation": "relu"}, ["dense_2"]),
    ("dropout_2", "Dropout", {"rate": 0.015}, ["activation_2"]),
    ("dense_3", "Dense", {"units": 1, **DENSE}, ["dropout_2"]),
]


def keras_json(layers=LAYERS):
    described = [
        {
            "name": name,
            "class_name": kind,
            "config": {"name": name, **settings},
            "inbound_nodes": [[[other, 0, 0, {}] for other in inputs]] if inputs else [],
        }
        for name, kind, settings, inputs in layers
    ]
    config = {"name": "model_1", "layers": described, "output_layers": [["dense_3", 0, 0]]}
    return json.dumps({"class_name": "Model", "config": config})


def write_checkpoint(path, seed=0):
    """Write an HDF5 as Keras 2.0 does, with random weights that leave the ReLUs open; give the weights."""
    rng = np.random.default_rng(seed)
    weights = {
        name: (
            rng.normal(0, 1 / np.sqrt(np.prod(shape[:-1])), shape).astype(np.float32),
            rng.normal(0.2, 0.1, shape[-1]).astype(np.float32),
        )
        for name, shape in WEIGHTED.items()
    }
    weights["dense_2"] = (np.abs(weights["dense_2"][0]), weights["dense_2"][1])
    with h5py.File(path, "w") as file:
        file.attrs.update(keras_version="2.0.5", backend="tensorflow", model_config=keras_json())
        group = file.create_group("model_weights")
        for name, *_ in LAYERS:
            layer = group.create_group(name)
            if name in weights:
                for kind, values in zip(("kernel", "bias"), weights[name], strict=True):
                    layer.create_dataset(f"{name}/{kind}:0", data=values)
    return weights


def run_in_numpy(weights, onehot, half_life=(0.0,) * 6):
    """Xpresso in float64, straight from Keras' definitions: convolution as a matrix product over windows."""

    def same_convolution(x, kernel, bias):
        width = len(kernel)
        left = (width - 1) // 2
        padded = np.pad(x, ((0, 0), (left, width - 1 - left), (0, 0)))
        windows = sliding_window_view(padded, width, axis=1)  # (batch, length, channel, width)
        return np.maximum(np.einsum("blcw,wco->blo", windows, kernel, optimize=True) + bias, 0)

    def pooled(x, size):
        length = x.shape[1] // size
        return x[:, : length * size].reshape(len(x), length, size, -1).max(axis=2)

    w = {name: [a.astype(np.float64) for a in both] for name, both in weights.items()}
    x = onehot.astype(np.float64).transpose(0, 2, 1)
    x = pooled(same_convolution(x, *w["conv1d_1"]), 30)
    x = pooled(same_convolution(x, *w["conv1d_2"]), 10)
    x = np.concatenate([x.reshape(len(x), -1), np.tile(half_life, (len(x), 1))], axis=1)
    x = np.maximum(x @ w["dense_1"][0] + w["dense_1"][1], 0)
    x = np.maximum(x @ w["dense_2"][0] + w["dense_2"][1], 0)
    return (x @ w["dense_3"][0] + w["dense_3"][1])[:, 0]


def random_sequences(number, seed=1):
    rng = np.random.default_rng(seed)
    letters = np.frombuffer(b"ACGTN", dtype=np.uint8)
    return rng.choice(letters, size=(number, 10_500), p=[0.27, 0.22, 0.22, 0.27, 0.02])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    path = tmp_path_factory.mktemp("xpresso") / "made.h5"
    return path, write_checkpoint(path)


def complaint(path):
    with pytest.raises(GexvizError) as raised:
        open_model("x", "xpresso", {"checkpoint": path})
    assert raised.value.file == str(path)
    assert raised.value.expected
    assert raised.value.remedy
    return raised.value.problem


def test_predictions_are_those_of_the_definition_in_numpy(made):
    path, weights = made
    onehot = one_hot(random_sequences(5))
    predicted = open_model("x", "xpresso", {"checkpoint": path}).predict_sequences(onehot)
    expected = run_in_numpy(weights, onehot)
    assert np.std(expected) > 1e-3  # the oracle is not flat, so the comparison can fail
    np.testing.assert_allclose(predicted, expected, atol=1e-5, rtol=0)


def test_the_spec_and_the_capabilities(made):
    model = open_model("deep", "xpresso", {"checkpoint": made[0]})
    assert isinstance(model, PredictsSequences)
    assert isinstance(model, Differentiable)
    spec = model.spec
    assert (spec.name, spec.window, spec.anchor, spec.strand) == ("deep", 10_500, 6_999, "gene_strand")
    assert (spec.haplotypes, spec.n_policy, spec.licence) == ("output_mean", "zero", "MIT")


def test_a_prediction_does_not_depend_on_its_batch(made):
    model = open_model("x", "xpresso", {"checkpoint": made[0]})
    onehot = one_hot(random_sequences(18))
    together = model.predict_sequences(onehot)
    np.testing.assert_allclose(together[[0, 17]], model.predict_sequences(onehot[[0, 17]]), atol=1e-6, rtol=0)


def test_gradients_are_those_of_finite_differences(made):
    network = open_model("x", "xpresso", {"checkpoint": made[0]}).network().double()
    onehot = torch.from_numpy(one_hot(random_sequences(1))).double().requires_grad_()
    network(onehot).sum().backward()
    gradient = onehot.grad[0].numpy()
    strongest = np.unravel_index(np.argsort(np.abs(gradient), axis=None)[-3:], gradient.shape)
    for channel, position in zip(*strongest, strict=True):
        step = torch.zeros_like(onehot)
        step[0, channel, position] = 1e-6
        with torch.no_grad():
            slope = (network(onehot + step) - network(onehot - step)).item() / 2e-6
        assert slope == pytest.approx(gradient[channel, position], rel=1e-4)
    assert [type(m).__name__ for m in network.modules()].count("ReLU") == 4


def test_other_weights_have_another_fingerprint(made, tmp_path):
    write_checkpoint(tmp_path / "other.h5", seed=9)
    write_checkpoint(tmp_path / "same.h5", seed=0)
    first, same, other = (
        open_model("x", "xpresso", {"checkpoint": path}).fingerprint()
        for path in (made[0], tmp_path / "same.h5", tmp_path / "other.h5")
    )
    assert first == same != other


# -- half-life features ------------------------------------------------------------------------------------------------

GENES = [GeneLocus(f"ENSG{i}.2", f"GENE{i}", "1", 10_000, "+", 10_000, 11_000) for i in range(4)]


def write_features(path, names, seed=0):
    values = np.random.default_rng(seed).normal(size=(len(names), 6)).round(3)
    columns = [f"feature{i}" for i in range(6)]
    pd.DataFrame(values, index=pd.Index(names, name="gene"), columns=columns).to_csv(path, sep="\t")
    return values


def test_each_gene_is_predicted_with_its_own_half_life_features(made, tmp_path):
    """Genes go by id, id without version, or symbol; one that has no row is refused, not given zeros."""
    path, weights = made
    features = write_features(tmp_path / "f.tsv", ["ENSG0.2", "ENSG1.7", "GENE2"])
    model = open_model("x", "xpresso", {"checkpoint": path, "half_life": tmp_path / "f.tsv"})
    assert isinstance(model, DependsOnGene)
    onehot = one_hot(random_sequences(3))
    expected = [run_in_numpy(weights, onehot, row) for row in features]
    assert np.ptp(expected, axis=0).min() > 1e-2
    for gene, values in zip(GENES, expected, strict=False):
        assert model.unavailable(gene) is None
        np.testing.assert_allclose(model.for_gene(gene, ()).predict_sequences(onehot), values, atol=1e-5, rtol=0)
    assert model.unavailable(GENES[3]) == "no half-life features in f.tsv"
    assert "f.tsv" in model.spec.readout


def test_other_features_have_another_fingerprint(made, tmp_path):
    prints = []
    for seed in (0, 0, 1):
        write_features(tmp_path / "f.tsv", ["A"], seed)
        prints.append(
            open_model("x", "xpresso", {"checkpoint": made[0], "half_life": tmp_path / "f.tsv"}).fingerprint()
        )
    assert prints[0] == prints[1] != prints[2]


@pytest.mark.parametrize(
    ("text", "problem", "place"),
    [
        ("gene\ta\tb\nA\t1\t2\n", "2 columns of features", "line 1"),
        ("gene\ta\tb\tc\td\te\tf\nA\t1\t1\t1\t1\t1\t1\nA\t1\t1\t1\t1\t1\t1\n", "gene A stands twice", "rows 2 and 3"),
        ("gene\ta\tb\tc\td\te\tf\nA\t1\t1\t1520\t1\t1\t1\n", "1520 is no standardised", "row 2 (gene A), column c"),
        ("gene\ta\tb\tc\td\te\tf\nA\t1\t1\t\t1\t1\t1\n", "a feature is missing", "row 2 (gene A), column c"),
        ("gene\ta\tb\tc\td\te\tf\nA\t1\t1\tx\t1\t1\t1\n", "'x' is not a number", "column c"),
    ],
)
def test_a_table_of_features_that_cannot_be_used(made, tmp_path, text, problem, place):
    path = tmp_path / "f.tsv"
    path.write_text(text)
    with pytest.raises(GexvizError) as raised:
        open_model("x", "xpresso", {"checkpoint": made[0], "half_life": path})
    assert problem in raised.value.problem and place in raised.value.place
    assert raised.value.file == str(path)


# -- files that are no Xpresso -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"\x89HDF\r\n\x1a\n" + b"\0" * 200])
def test_a_file_that_is_no_hdf5(tmp_path, content):
    path = tmp_path / "a.h5"
    path.write_bytes(content)
    assert "can't read it as an HDF5 file" in complaint(path)


def test_a_truncated_checkpoint(made, tmp_path):
    path = tmp_path / "a.h5"
    path.write_bytes(made[0].read_bytes()[:300_000])
    assert "can't read it as an HDF5 file" in complaint(path)


def test_an_hdf5_of_something_else(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["numbers"] = np.zeros(3)
    assert "no readable attribute model_config" in complaint(path)


def changed(layers, name, **settings):
    return [(n, k, s | settings if n == name else s, i) for n, k, s, i in layers]


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ("{", "does not list layers"),
        ("[" * 100_000, "does not list layers"),
        ('{"config": {"layers": 3}}', "does not list layers"),
        ('{"config": {"layers": [{"name": "a"}]}}', "does not list layers"),
        (keras_json(LAYERS[:-1]), "its layers are InputLayer, Conv1D"),
        (keras_json(changed(LAYERS, "conv1d_2", kernel_size=[7])), "conv1d_2 has kernel_size = [7], not [9]"),
        (keras_json(changed(LAYERS, "dense_1", activation="relu")), "dense_1 has activation = 'relu', not 'linear'"),
        (keras_json(changed(LAYERS, "promoter", batch_input_shape=[None, 9000, 4])), "[None, 9000, 4]"),
        (keras_json([*LAYERS[:9], (*LAYERS[9][:3], ["halflife"]), *LAYERS[10:]]), "activation_1 reads ['halflife']"),
    ],
)
def test_another_network(tmp_path, config, says):
    path = tmp_path / "a.h5"
    write_checkpoint(path)
    with h5py.File(path, "a") as file:
        if len(config) < 60_000:
            file.attrs["model_config"] = config
        else:
            del file.attrs["model_config"]
            file.attrs.create("model_config", config, dtype=h5py.string_dtype())
    assert says in complaint(path)


KERNEL = "model_weights/dense_2/dense_2/kernel:0"


def replaced(file, link=None, **dataset):
    """Put something else in the place of one kernel."""
    del file[KERNEL]
    if link is not None:
        file[KERNEL] = link
    else:
        file.create_dataset(KERNEL, **dataset)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda f: f.pop(KERNEL), f"it has no {KERNEL}"),
        (lambda f: replaced(f, data=np.zeros((64, 3), "f4")), "(64, 3), not float32 (64, 2)"),
        (lambda f: replaced(f, data=np.zeros((64, 2), "f8")), "is float64"),
        (lambda f: replaced(f, shape=(10**12,), dtype="f4", chunks=(10**6,)), "float32 (1000"),
        (lambda f: f[KERNEL].write_direct(np.full((64, 2), np.nan, "f4")), "holds NaN or infinity"),
        (lambda f: (f.pop(KERNEL), f.create_group(KERNEL)), f"it has no {KERNEL}"),
        (lambda f: replaced(f, link=h5py.SoftLink("/elsewhere")), f"it has no {KERNEL}"),
        (lambda f: replaced(f, link=h5py.ExternalLink("b.h5", "/x")), f"it has no {KERNEL}"),
        (lambda f: replaced(f, shape=(64, 2), dtype="f4", external=[("/etc/passwd", 0, 512)]), "in other files"),
    ],
)
def test_weights_that_are_missing_or_of_another_shape_or_elsewhere(tmp_path, change, says):
    path = tmp_path / "a.h5"
    write_checkpoint(path)
    with h5py.File(path, "a") as file:
        change(file)
    assert says in complaint(path)


# -- the published checkpoints -----------------------------------------------------------------------------------------


@pytest.mark.real
@pytest.mark.parametrize("name", ["GM12878", "humanMedian"])
def test_published_checkpoints_in_torch_and_numpy(real_cohort, name):
    path = real_cohort / f"models/xpresso-{name}.h5"
    weights = dict(zip(WEIGHTED, read_checkpoint(path), strict=True))
    onehot = one_hot(random_sequences(4))
    predicted = open_model("x", "xpresso", {"checkpoint": path}).predict_sequences(onehot)
    np.testing.assert_allclose(predicted, run_in_numpy(weights, onehot), atol=1e-5, rtol=0)


@pytest.mark.real
def test_published_reference_predictions_are_reproduced(real_cohort):
    """TSS (1-based) and prediction of the GM12878 model on hg19, as Huang et al. 2023 published them."""
    pyfaidx = pytest.importorskip("pyfaidx")
    published = [
        ("CLTCL1", 19_279_239, "-", 0.4064109921455383),
        ("COMT", 19_929_130, "+", -0.2613355815410614),
        ("SLC25A1", 19_166_343, "-", 0.24796150624752045),
        ("SNAP29", 21_213_271, "+", 0.8217717409133911),
    ]
    model = open_model("x", "xpresso", {"checkpoint": Path(real_cohort) / "models/xpresso-GM12878.h5"})
    with pyfaidx.Fasta(str(real_cohort / "reference.fa.gz"), sequence_always_upper=True, rebuild=False) as reference:
        for gene, tss, strand, value in published:
            start = tss - 1 - (6_999 if strand == "+" else 10_500 - 1 - 6_999)
            sequence = np.frombuffer(str(reference["22"][start : start + 10_500]).encode(), dtype=np.uint8)
            sequence = sequence if strand == "+" else reverse_complement(sequence)
            assert model.predict_sequences(one_hot(sequence[None]))[0] == pytest.approx(value, abs=1e-5), gene
