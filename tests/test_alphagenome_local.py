"""AlphaGenome with weights that are here, against alphagenome-pytorch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("alphagenome_pytorch", reason="alphagenome-pytorch isn't installed (figures: docs/results.md)")
from alphagenome_files import SIZES, TERM, TRACKS, make_network, write_alphagenome
from alphagenome_pytorch.alphagenome import Attention, set_update_running_var

from gexviz.errors import GexvizError
from gexviz.models.base import GeneLocus
from gexviz.models.onehot import one_hot
from gexviz.models.registry import open_model
from gexviz.models.remote import SendsSequence

WINDOW, HALF = 16_384, 8_192
EXONS = ((20_000, 20_300), (21_000, 21_050), (90_000, 90_100))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("alphagenome")
    write_alphagenome(made, 0)
    return made


def opened(folder: Path, **more: Any) -> Any:
    files = {name: str(folder / file) for name, file in FILES.items()}
    return open_model("m", "alphagenome", files | {"ontology": TERM, "window": WINDOW} | more)


FILES = {"weights": "alphagenome.pt", "config": "alphagenome.json", "targets": "tracks.tsv"}


def gene(strand: str) -> GeneLocus:
    return GeneLocus("G", "G", "1", 20_000, strand, 20_000, 21_050)  # type: ignore[arg-type]


def sequences(number: int) -> np.ndarray:
    letters = np.frombuffer(b"ACGTN", np.uint8)
    return np.random.default_rng(1).choice(letters, (number, WINDOW), p=[0.24, 0.25, 0.25, 0.24, 0.02])


def by_the_library(texts: np.ndarray, output: str) -> np.ndarray:
    """Coverage on the experiments' scale, (n, window, tracks)."""
    network = make_network(0)
    set_update_running_var(network, False)
    numbers = torch.tensor(np.array([{65: 0, 67: 1, 71: 2, 84: 3}.get(x, -1) for x in range(256)])[texts])
    with torch.no_grad():
        found = network.inference(numbers, 0, requested_heads={output})["human"][output]["scaled_predictions_1bp"]
    scaled = found.double().numpy()
    assert (scaled > 10).any() and (scaled < 10).any()
    scaled = np.where(scaled > 10, (scaled + 10) ** 2 / 40, scaled)  # as predictions_scaling of alphagenome_research
    scaled = scaled ** (4 / 3) if output == "rna_seq" else scaled
    return scaled * TRACKS["nonzero_mean"].fillna(1).to_numpy()


@pytest.mark.parametrize(("strand", "tracks"), [("+", [0, 4]), ("-", [2, 4])])
def test_coverage_of_exons_is_that_of_the_library(folder: Path, strand: str, tracks: list[int]) -> None:
    texts = sequences(3)
    shift = HALF - 20_000
    exons = [slice(start + shift, end + shift) for start, end in EXONS[:2]]
    coverage = by_the_library(texts, "rna_seq")
    mean = np.concatenate([coverage[:, exon] for exon in exons], axis=1).mean(axis=1)
    expected = np.log(mean[:, tracks] + 0.001).mean(axis=1)
    values = opened(folder).for_gene(gene(strand), EXONS).predict_sequences(one_hot(texts))
    assert np.ptp(expected) > 1e-3
    np.testing.assert_allclose(values, expected, atol=1e-4, rtol=0)


def test_coverage_around_the_tss_of_one_track(folder: Path) -> None:
    texts = sequences(3)
    around = by_the_library(texts, "cage")[:, HALF - 250 : HALF + 251, 0]
    model = opened(folder, output="cage", tracks=["polyA"]).for_gene(gene("+"), EXONS)
    expected = np.log2(1 + around.sum(axis=1))
    assert np.ptp(expected) > 1e-2
    np.testing.assert_allclose(model.predict_sequences(one_hot(texts)), expected, atol=1e-4, rtol=0)


def test_a_prediction_does_not_change_the_next(folder: Path) -> None:
    """The library's norms go on learning unless told not to."""
    model, texts = opened(folder).for_gene(gene("+"), EXONS), sequences(2)
    first = model.predict_sequences(one_hot(texts))
    np.testing.assert_array_equal(model.predict_sequences(one_hot(texts)), first)
    assert not isinstance(model, SendsSequence)


class _OnGpu(torch.Tensor):
    """Takes itself for a tensor on a GPU."""

    is_cuda = True


def test_attention_is_as_precise_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library would cast it to bfloat16 there, if it were not told otherwise."""
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    network = make_network(0)
    attention = next(layer for layer in network.modules() if isinstance(layer, Attention))
    x = torch.randn(1, 16, attention.to_qkv.in_features)
    there = attention(x.as_subclass(_OnGpu)).detach().as_subclass(torch.Tensor)
    torch.testing.assert_close(there, attention(x).detach(), atol=0, rtol=0)
    monkeypatch.setattr("alphagenome_pytorch.alphagenome._ALLOW_NATIVE_BF16", True)
    assert attention(x.as_subclass(_OnGpu)).dtype == torch.bfloat16


def test_the_fingerprint_knows_the_tracks_strands(folder: Path, tmp_path: Path) -> None:
    swapped = TRACKS.assign(strand=TRACKS["strand"].replace({"+": "-", "-": "+"}))
    swapped.to_csv(tmp_path / "tracks.tsv", sep="\t", index=False)
    one = opened(folder).fingerprint()
    assert opened(folder).fingerprint() == one
    assert opened(folder, targets=str(tmp_path / "tracks.tsv")).fingerprint() != one


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda f: f.joinpath("tracks.tsv").write_text("name\tstrand\n"), "no column ontology_curie"),
        (lambda f: TRACKS[:-1].to_csv(f / "tracks.tsv", sep="\t", index=False), "5 tracks are listed"),
        (lambda f: TRACKS.assign(nonzero_mean=0).to_csv(f / "tracks.tsv", sep="\t", index=False), "no positive number"),
        (lambda f: TRACKS.assign(name="x").to_csv(f / "tracks.tsv", sep="\t", index=False), "no track gtex"),
        (lambda f: f.joinpath("alphagenome.json").write_text('{"dims": [5]}'), "configuration can't be used"),
        (lambda f: (f / "alphagenome.json").write_text(json.dumps(SIZES | {"dna_embed_width": 7})), "another network"),
        (lambda f: torch.save({}, f / "alphagenome.pt"), "has 0 tensors"),
    ],
    ids=["columns", "rows", "means", "names", "sizes", "other sizes", "no tensors"],
)
def test_wrong_files_are_told(tmp_path: Path, change: Any, problem: str) -> None:
    write_alphagenome(tmp_path, 0)
    change(tmp_path)
    with pytest.raises(GexvizError, match=problem) as raised:
        opened(tmp_path, tracks=["gtex"])
    assert raised.value.file and Path(raised.value.file).parent == tmp_path


def test_weights_without_the_head_are_told(tmp_path: Path) -> None:
    write_alphagenome(tmp_path, 0)
    tensors = {n: t for n, t in make_network(0).state_dict().items() if not n.startswith("heads.human.rna_seq")}
    torch.save(tensors, tmp_path / "alphagenome.pt")
    with pytest.raises(GexvizError, match="no head for rna_seq"):
        opened(tmp_path)
