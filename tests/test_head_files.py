"""Files of heads: what is written is read, those of format 1 too, and others are refused."""

from __future__ import annotations

import json

import character_files
import language_files
import numpy as np
import pandas as pd
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_tensors

from gexviz.errors import GexvizError
from gexviz.models.language.head import AboutHead, Heads, read_heads, write_heads
from gexviz.models.onehot import reverse_complement_one_hot
from gexviz.models.out_of_fold import DIGEST, sidecar_of, write_out_of_fold
from gexviz.models.registry import open_model

DIM, ROWS = 5, 3
SHAPES = {
    "ridge": {"coefficients": (DIM,), "intercepts": ()},
    "mlp": {
        "centre": (DIM,), "precision": (DIM,), "inner": (2, 4, DIM), "inner_bias": (2, 4), "outer": (2, 4),
        "bias": (2,),
    },
    "attention": {
        "centre": (6, DIM), "precision": (6, DIM), "query": (2, DIM), "place": (2, 6), "value": (2, DIM), "bias": (2,),
    },
}  # fmt: skip


def heads_of(kind):
    rng = np.random.default_rng(0)
    about = AboutHead(
        kind=kind, segments=6 if kind == "attention" else None, embedding="e", across="genes",
        rows={"ENSG00000000001.4": 0, "G2": 1}, others=2, scale="log2 expression", method="random weights",
    )  # fmt: skip
    return Heads(about, {name: rng.normal(size=(ROWS, *shape)) for name, shape in SHAPES[kind].items()})


@pytest.mark.parametrize("kind", list(SHAPES))
def test_what_is_written_is_read(tmp_path, kind):
    made = heads_of(kind)
    write_heads(tmp_path / "head.safetensors", made)
    read = read_heads(tmp_path / "head.safetensors")
    assert read.about == made.about
    for gene, row in {"ENSG00000000001.4": 0, "ENSG00000000001": 0, "ENSG00000000001.9": 0, "G2": 1, "G3": 2}.items():
        found = read.of(gene)
        assert set(found) == set(SHAPES[kind])
        assert all(np.array_equal(found[name], made.arrays[name][row]) for name in found)


def test_a_file_of_format_1_is_read(tmp_path):
    """As it was written before there were other heads than ridge."""
    about = {
        "format": "gexviz-head-1", "embedding": "e", "across": "people", "rows": {"G1": 0}, "others": None,
        "scale": "expression", "method": "ridge", "settings": {"folds": 5},
    }  # fmt: skip
    arrays = {"coefficients": np.arange(5.0)[None], "intercepts": np.array([2.5])}
    save_file(arrays, tmp_path / "head.safetensors", metadata={"gexviz": json.dumps(about)})
    read = read_heads(tmp_path / "head.safetensors")
    assert read.about.kind == "ridge" and read.of("G2") is None
    np.testing.assert_array_equal(read.of("G1")["coefficients"], np.arange(5))
    assert read.of("G1")["intercepts"] == 2.5


@pytest.mark.parametrize(
    ("kind", "name", "change", "told"),
    [
        ("mlp", "inner", lambda x: x[..., :-1], "does not go with"),
        ("mlp", "outer", lambda x: x[:, :1], "does not go with"),
        ("mlp", "bias", lambda x: x[:1], "does not go with"),
        ("mlp", "inner", lambda x: x.reshape(ROWS, -1), "does not go with"),
        ("mlp", "precision", lambda x: x * np.inf, "NaN or infinity"),
        ("attention", "place", lambda x: x[..., :3], "does not go with"),
        ("attention", "query", lambda x: x.astype(int), "no numbers"),
        ("attention", "value", None, "value"),
    ],
)
def test_tensors_that_do_not_go_together_are_refused(tmp_path, kind, name, change, told):
    made, path = heads_of(kind), tmp_path / "head.safetensors"
    if change is None:
        del made.arrays[name]
    else:
        made.arrays[name] = change(made.arrays[name])
    write_heads(path, made)
    with pytest.raises(GexvizError, match=told) as error:
        read_heads(path)
    assert str(path) in str(error.value)


def test_numbers_that_numpy_does_not_have_are_refused(tmp_path):
    path = tmp_path / "head.safetensors"
    write_heads(path, heads_of("ridge"))
    with safe_open(path, framework="pt") as file:
        about, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_tensors({name: tensor.to(torch.bfloat16) for name, tensor in tensors.items()}, path, metadata=about)
    with pytest.raises(GexvizError, match="no file of heads"):
        read_heads(path)


def test_a_head_of_another_width_is_refused(tmp_path):
    keys = language_files.gpn(tmp_path, 0)
    options = keys | {name: tmp_path / keys[name] for name in ("weights", "head")}
    del options["family"]
    heads = read_heads(options["head"])
    heads.arrays["coefficients"] = heads.arrays["coefficients"][:, :-1]
    write_heads(options["head"], heads)
    model = open_model("m", "gpn", options)
    with pytest.raises(GexvizError, match="embeddings of 15 numbers"):
        model.predict_sequences(np.zeros((1, 4, model.spec.window), np.float32))


@pytest.mark.parametrize("damage", ["other digest", "no parquet"])
def test_what_to_do_about_a_heads_out_of_fold_predictions_is_to_train_a_head(tmp_path, damage):
    keys = language_files.gpn(tmp_path, 0)
    options = keys | {name: tmp_path / keys[name] for name in ("weights", "head")}
    del options["family"]
    heads = read_heads(options["head"])
    about = heads.about.model_copy(update={"across": "people"})
    write_heads(options["head"], Heads(about, heads.arrays))
    if damage == "no parquet":
        sidecar_of(options["head"]).write_text("no parquet")
    else:
        write_out_of_fold(sidecar_of(options["head"]), pd.DataFrame({"P1": [0.5]}, index=["G1"]), {DIGEST: "other"})
    with pytest.raises(GexvizError, match="gexviz train head"):
        open_model("m", "gpn", options)


@pytest.mark.parametrize(("kind", "segments"), [("attention", None), ("attention", 65), ("mlp", 4)])
def test_segments_are_those_of_attention(kind, segments):
    with pytest.raises(ValueError, match="segments"):
        AboutHead(kind=kind, segments=segments, embedding="e", across="genes", rows={}, scale="s", method="m")


@pytest.mark.parametrize(("kind", "strand"), [("ridge", "equivariant"), ("attention", "none")])
def test_parts_in_order_are_not_the_same_on_both_strands(tmp_path, kind, strand):
    keys = character_files.caduceus(tmp_path, 0, both_strands=True)
    options = {key: value for key, value in keys.items() if key not in ("family", "head")}
    options |= {"weights": tmp_path / keys["weights"]}
    head = language_files.write_head(tmp_path / "kind.safetensors", "caduceus", options, 0, kind=kind)
    model = open_model("m", "caduceus", options | {"head": head})
    assert model.spec.strand == strand
    assert model.embedding_digest == read_heads(head).about.embedding  # so that a head trained from it can be opened
    letters = np.random.default_rng(1).integers(4, size=model.spec.window)
    x = np.eye(4, dtype=np.float32)[letters].T[None]
    here, there = model.predict_sequences(x)[0], model.predict_sequences(reverse_complement_one_hot(x))[0]
    assert (abs(here - there) < 1e-4) == (strand == "equivariant")
