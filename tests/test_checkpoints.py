"""Checkpoints in several files."""

from __future__ import annotations

import json

import pytest
import torch
from language_files import NT_VOCABULARY, published_esm, write_folder
from safetensors.torch import save_file

from gexviz.errors import GexvizError
from gexviz.models.checkpoints import open_tensors
from gexviz.models.options import NucleotideTransformerOptions
from gexviz.models.registry import open_model

TENSORS = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(4), "c": torch.zeros(1, 2)}
PLACES = {"a": 1, "b": 2, "c": 1}


def write(folder, kind="safetensors", places=PLACES, kept=TENSORS):
    """An index and its two files, named as transformers names them; give the index."""
    stem = "model" if kind == "safetensors" else "pytorch_model"
    files = {name: f"{stem}-0000{n}-of-00002.{kind}" for name, n in places.items()}
    for file in sorted(set(files.values())):
        inside = {name: kept[name] for name in files if files[name] == file and name in kept}
        save_file(inside, folder / file) if kind == "safetensors" else torch.save(inside, folder / file)
    path = folder / f"{stem}.{kind}.index.json"
    path.write_text(json.dumps({"metadata": {"total_size": 48}, "weight_map": files}))
    return path


def complaint(path):
    with pytest.raises(GexvizError) as raised, open_tensors(path):
        pass
    assert raised.value.file == str(path) and raised.value.expected and raised.value.remedy
    return str(raised.value)


@pytest.mark.parametrize("kind", ["safetensors", "bin"])
def test_tensors_are_read_from_the_file_that_has_them(tmp_path, kind):
    with open_tensors(write(tmp_path, kind)) as file:
        assert file.shapes == {name: tuple(values.shape) for name, values in TENSORS.items()}
        assert all(torch.equal(file.read(name), values) for name, values in TENSORS.items())


def test_a_folder_of_transformers_in_several_files_is_the_same_model(tmp_path):
    network = published_esm(3)
    options = {"window": 240}
    whole = write_folder(tmp_path / "whole", network, NT_VOCABULARY)
    write_folder(tmp_path / "several", network, NT_VOCABULARY)
    (tmp_path / "several" / "model.safetensors").unlink()
    network.save_pretrained(tmp_path / "several", max_shard_size="100KB")
    index = tmp_path / "several" / "model.safetensors.index.json"
    assert len(index_files(index)) > 1
    first, second = (
        open_model("m", "nucleotide_transformer", options | {"weights": path}) for path in (whole, index)
    )
    assert first.fingerprint() == second.fingerprint()
    files = NucleotideTransformerOptions(weights=index, window=240).files()
    there = {path.name for path in (tmp_path / "several").iterdir()}
    assert {path.name for path in files} >= there & {"config.json", "vocab.txt", *map(str, index_files(index))}


def index_files(index):
    return set(json.loads(index.read_text())["weight_map"].values())


def test_a_missing_file_is_named(tmp_path):
    path = write(tmp_path)
    (tmp_path / "model-00002-of-00002.safetensors").unlink()
    assert "model-00002-of-00002.safetensors, one of 2 files of the weights, is missing" in complaint(path)


OUTSIDE = ["../outside.safetensors", "/etc/passwd", "sub/inside.safetensors", "..", "", "C:\\x", "a\0b", "x.index.json"]


@pytest.mark.parametrize("name", OUTSIDE, ids=range(len(OUTSIDE)))
def test_names_are_those_of_files_in_the_folder(tmp_path, name):
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    for file in (tmp_path / "outside.safetensors", folder / "sub" / "inside.safetensors", folder / "x.index.json"):
        save_file(TENSORS, file)
    path = write(folder)
    path.write_text(json.dumps({"weight_map": dict.fromkeys(TENSORS, name)}))
    assert "which is no file beside it" in complaint(path)


def test_each_tensor_is_where_the_index_has_it_and_nowhere_else(tmp_path):
    path = write(tmp_path)
    second = tmp_path / "model-00002-of-00002.safetensors"
    save_file({"b": TENSORS["b"], "a": TENSORS["a"]}, second)
    assert "tensor a is in model-00002-of-00002.safetensors, and in model-00001-of-00002" in complaint(path)
    save_file({"b": TENSORS["b"], "d": TENSORS["a"]}, second)
    assert "tensor d is in model-00002-of-00002.safetensors, and in no file by the index" in complaint(path)
    save_file({}, second)
    assert "tensor b is not in model-00002-of-00002.safetensors" in complaint(path)
    text = path.read_text()
    path.write_text(text.replace('"weight_map": {', '"weight_map": {"a": "model-00002-of-00002.safetensors", '))
    assert "a stands in it twice" in complaint(path)


NO_INDEX = ["", "{", "[]", "{}", '{"weight_map": {}}', '{"weight_map": {"a": 1}}', "[" * 100_000]


@pytest.mark.parametrize("content", NO_INDEX, ids=range(len(NO_INDEX)))
def test_what_is_no_index_is_refused(tmp_path, content):
    path = tmp_path / "model.safetensors.index.json"
    path.write_text(content)
    assert "can't read the index of the weights" in complaint(path)
