"""Predictions in HDF5 and AnnData files: what was written comes back, and what doesn't fit is told."""

from __future__ import annotations

import h5py
import numpy as np
import pandas as pd
import pytest

from gexviz.errors import GexvizError
from gexviz.models.base import GeneLocus
from gexviz.models.registry import open_model

GENES, SAMPLES = ["ENSG1.2", "ENSG2", "TANGO2"], ["s1", "s2", "s3", "s4"]
SCALE = "log2(CAGE + 1)"


def locus(gene, name="SYMBOL"):
    return GeneLocus(gene, name, "1", 10, "+", 10, 20)


def opened(path, **options):
    return open_model("t", "table", {"predictions": path, "scale": SCALE, **options})


def numbers(width=1, seed=0):
    values = np.random.default_rng(seed).normal(size=(len(GENES), len(SAMPLES), width))
    values[1, 2, 0] = np.nan
    return values


def write_hdf5(path, values, reference=None, genes=GENES, samples=SAMPLES, **attributes):
    with h5py.File(path, "w") as file:
        file["genes"], file["samples"] = genes, samples
        file["predictions"] = values if values.shape[-1] == 2 else values[..., 0]
        if reference is not None:
            file["reference"] = reference
        file.attrs.update(attributes)
    return path


def write_anndata(path, values, reference=None, scale=None, genes=GENES, samples=SAMPLES):
    """As anndata writes a dense AnnData (encoding 0.1.0), with h5py: X and layers are sample x gene."""
    with h5py.File(path, "w") as file:
        file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        for part, key, names in (("obs", "individual", samples), ("var", "_index", genes)):
            frame = file.create_group(part)
            frame.attrs.update({"encoding-type": "dataframe", "_index": key})
            frame.attrs["column-order"] = np.array([], dtype=h5py.string_dtype())
            frame.create_dataset(key, data=names, dtype=h5py.string_dtype())
        if reference is not None:
            file["var/reference"] = reference
        file["X"] = (
            np.nan_to_num(values).mean(axis=2).T.astype(np.float32) if values.shape[-1] == 2 else values[..., 0].T
        )
        for copy in range(values.shape[-1] if values.shape[-1] == 2 else 0):
            file[f"layers/haplotype_{copy + 1}"] = values[..., copy].T
        if scale is not None:
            file.create_dataset("uns/scale", data=scale, dtype=h5py.string_dtype())
    return path


WRITERS = {"hdf5": write_hdf5, "anndata": write_anndata}


def as_expected(model, values, reference=None):
    assert list(model.genes) == GENES and list(model.samples) == SAMPLES
    for row, gene in enumerate(GENES):
        found = model.known_predictions(locus(gene))
        assert list(found.index) == SAMPLES
        there = ~np.isnan(values[row])
        mean = np.where(there, values[row], 0).sum(axis=1) / np.maximum(there.sum(axis=1), 1)
        np.testing.assert_allclose(found["value"], np.where(there.any(axis=1), mean, np.nan))
        if values.shape[2] == 2:
            np.testing.assert_array_equal(found[["haplotype_1", "haplotype_2"]], values[row])
        assert model.known_reference(locus(gene)) == (None if reference is None else reference[row])


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("width", [1, 2])
@pytest.mark.parametrize("with_reference", [False, True])
def test_what_was_written_comes_back(tmp_path, kind, width, with_reference):
    values = numbers(width)
    reference = np.array([0.5, 1.5, 2.5]) if with_reference else None
    path = WRITERS[kind](tmp_path / "p.h5", values, reference)
    as_expected(opened(path), values, reference)
    assert opened(path).unavailable(locus("ENSG9")) == "not in the table of predictions"
    assert opened(path).unavailable(locus("ENSG1.7", "other")) is None


def test_what_anndata_itself_writes(tmp_path):
    anndata = pytest.importorskip("anndata", reason="anndata is not installed")
    values = numbers()
    with pd.option_context("future.infer_string", False):  # anndata 0.12.6 can't write text of pandas 3
        obs, var = pd.DataFrame(index=SAMPLES), pd.DataFrame({"reference": [0.5, 1.5, 2.5]}, index=GENES)
        anndata.AnnData(values[..., 0].T, obs=obs, var=var, uns={"scale": SCALE}).write_h5ad(tmp_path / "p.h5ad")
    as_expected(opened(tmp_path / "p.h5ad"), values, [0.5, 1.5, 2.5])


@pytest.mark.parametrize("kind", WRITERS)
def test_a_sample_called_reference_is_the_reference(tmp_path, kind):
    values = numbers()
    path = WRITERS[kind](tmp_path / "p.h5", values, samples=["s1", "reference", "s3", "s4"])
    model = opened(path)
    assert list(model.samples) == ["s1", "s3", "s4"]
    assert model.known_reference(locus("ENSG2")) == values[1, 1, 0]


@pytest.mark.parametrize("kind", WRITERS)
def test_the_unit_of_the_file_and_of_the_study_are_one(tmp_path, kind):
    path = WRITERS[kind](tmp_path / "p.h5", numbers(), scale=SCALE)
    assert opened(path).spec.scale == SCALE
    with pytest.raises(GexvizError, match=r"the file's predictions are log2.*, the study calls them TPM") as raised:
        opened(path, scale="TPM")
    assert SCALE in raised.value.remedy


def changed(path, change):
    with h5py.File(path, "a") as file:
        change(file)
    return path


def replaced(name, *, link=None, **dataset):
    def change(file):
        del file[name]
        if link is not None:
            file[name] = link
        else:
            file.create_dataset(name, **dataset)

    return change


@pytest.mark.parametrize(
    ("kind", "change", "says"),
    [
        ("hdf5", lambda f: f.pop("samples"), "there is no array samples"),
        ("hdf5", replaced("predictions", data=np.zeros((4, 3))), "predictions is (4, 3), for 3 genes and 4 samples"),
        ("hdf5", replaced("predictions", data=np.zeros((3, 4, 3))), "predictions is (3, 4, 3)"),
        ("hdf5", replaced("predictions", shape=(10**7, 10**7), dtype="f4", chunks=(1, 10)), "is (10000000, 10000000)"),
        ("hdf5", replaced("predictions", data=np.full((3, 4), b"x")), "holds |S1, not numbers"),
        ("hdf5", replaced("predictions", data=np.full((3, 4), np.inf)), "predictions of ENSG1.2 are infinite"),
        ("hdf5", replaced("genes", data=["A", "A", "B"]), "A stands twice in genes"),
        ("hdf5", replaced("genes", data=["A", "", "B"]), "genes has an empty name"),
        ("hdf5", replaced("genes", data=np.arange(3)), "genes holds int64 (3,), not names"),
        ("hdf5", replaced("predictions", link=h5py.ExternalLink("b.h5", "/x")), "there is no array predictions"),
        ("hdf5", replaced("predictions", link=h5py.SoftLink("/genes")), "there is no array predictions"),
        ("hdf5", replaced("predictions", shape=(3, 4), dtype="f8", external=[("/etc/passwd", 0, 96)]), "other files"),
        ("hdf5", lambda f: f.create_dataset("reference", data=np.zeros(2)), "reference is (2,)"),
        ("anndata", lambda f: f.pop("obs"), "there is no array obs/_index"),
        ("anndata", lambda f: f.pop("X"), "there is no array X"),
        ("anndata", lambda f: (f.pop("X"), f.create_group("X")), "X is sparse"),
        ("anndata", lambda f: f.create_dataset("layers/haplotype_1", data=np.zeros((4, 3))), "layer is missing"),
        ("anndata", replaced("X", data=np.zeros((3, 4))), "X is (3, 4), for 3 genes and 4 samples"),
    ],
)
def test_a_file_that_does_not_fit(tmp_path, kind, change, says):
    path = changed(WRITERS[kind](tmp_path / "p.h5", numbers()), change)
    with pytest.raises(GexvizError) as raised:
        opened(path).known_predictions(locus("ENSG2"))
    assert says in raised.value.problem
    assert raised.value.file == str(path) and raised.value.expected and raised.value.remedy


def test_a_truncated_file(tmp_path):
    path = write_hdf5(tmp_path / "p.h5", numbers())
    path.write_bytes(path.read_bytes()[:1_000])
    with pytest.raises(GexvizError, match="can't read the predictions"):
        opened(path)
