"""Small language models in the folders that transformers saves, with random weights; and heads for them."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from gexviz.models.language.head import AboutHead, Heads, write_heads
from gexviz.models.registry import open_model

DIM = 16
NT_VOCABULARY = ["<unk>", "<pad>", "<mask>", "<cls>", "<eos>", "<bos>"]
NT_VOCABULARY += ["".join(letters) for letters in itertools.product("ATCG", repeat=6)] + list("ATCGN")


BERT_VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
BERT_VOCABULARY += ["".join(letters) for letters in itertools.product("ATCG", repeat=3)]


def transformers():
    return pytest.importorskip("transformers", reason="transformers is not installed: gexviz[language]")


def published_esm(seed: int, **changes):
    """An ``EsmForMaskedLM`` with the settings of Nucleotide Transformer v1, smaller."""
    library = transformers()
    torch.manual_seed(seed)
    settings = {
        "vocab_size": len(NT_VOCABULARY), "hidden_size": DIM, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 24, "max_position_embeddings": 1_002, "pad_token_id": 1, "mask_token_id": 2,
        "position_embedding_type": "absolute", "token_dropout": False, "emb_layer_norm_before": False,
        "initializer_range": 0.3, "layer_norm_eps": 1e-12,
    }  # fmt: skip
    return library.EsmForMaskedLM(library.EsmConfig(**settings | changes)).eval()


def published_bert(seed: int, **changes):
    """A ``BertForMaskedLM`` with the settings of DNABERT, smaller, of 3-mers."""
    library = transformers()
    torch.manual_seed(seed)
    settings = {
        "vocab_size": len(BERT_VOCABULARY), "hidden_size": DIM, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 24, "max_position_embeddings": 260, "initializer_range": 0.3,
    }  # fmt: skip
    return library.BertForMaskedLM(library.BertConfig(**settings | changes)).eval()


def write_folder(folder: Path, model, vocabulary: list[str]) -> Path:
    """Save as transformers does, with ``vocab.txt``; give the weights' path."""
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
    return folder / "model.safetensors"


def as_in_2023(weights: Path, model) -> Path:
    """The same in ``pytorch_model.bin`` with the names of earlier releases; the configuration too."""
    path = weights.with_name("pytorch_model.bin")
    positions = torch.arange(model.config.max_position_embeddings)[None]
    torch.save({**model.state_dict(), f"{model.base_model_prefix}.embeddings.position_ids": positions}, path)
    config = json.loads(weights.with_name("config.json").read_text())
    weights.with_name("config.json").write_text(json.dumps(config | {"transformers_version": "4.32.0.dev0"}))
    return path


SEGMENTS = 6
HEADS = {
    "ridge": {"coefficients": (DIM,), "intercepts": ()},
    "mlp": {
        "centre": (DIM,), "precision": (DIM,), "inner": (2, 8, DIM), "inner_bias": (2, 8), "outer": (2, 8),
        "bias": (2,),
    },
    "attention": {
        "centre": (SEGMENTS, DIM), "precision": (SEGMENTS, DIM), "query": (2, DIM), "place": (2, SEGMENTS),
        "value": (2, DIM), "bias": (2,),
    },
}  # fmt: skip
"""Tensors of one head of each kind."""


def write_head(path: Path, family: str, options: dict[str, object], seed: int, genes=(), kind="ridge") -> Path:
    """A head with random weights: for each of the genes its own, and one for all others."""
    model = open_model("model", family, options)
    rng = np.random.default_rng(seed)
    about = AboutHead(
        kind=kind,
        segments=SEGMENTS if kind == "attention" else None,
        embedding=model.embedding_digest,
        across="genes",
        rows={gene: row for row, gene in enumerate(genes)},
        others=len(genes),
        scale="log2 expression",
        method="random weights",
    )
    arrays = {name: rng.normal(size=(len(genes) + 1, *shape)) for name, shape in HEADS[kind].items()}
    write_heads(path, Heads(about, arrays))
    return path


def nucleotide_transformer(folder: Path, seed: int, genes=(), kind="ridge", **options) -> dict[str, object]:
    """A folder ``nt`` with a head; the keys of the model's section, paths relative to `folder`."""
    write_folder(folder / "nt", published_esm(seed), NT_VOCABULARY)
    return section(folder, "nt", "nucleotide_transformer", {"window": 240, **options}, seed, genes, kind=kind)


def dnabert(folder: Path, seed: int, genes=(), **options) -> dict[str, object]:
    """A folder ``dnabert`` with a head; the keys of the model's section, paths relative to `folder`."""
    write_folder(folder / "dnabert", published_bert(seed), BERT_VOCABULARY)
    return section(folder, "dnabert", "dnabert", {"window": 240, **options}, seed, genes)


GPN_LETTERS = {"[PAD]": 0, "[MASK]": 1, "[UNK]": 2, "a": 3, "c": 4, "g": 5, "t": 6}
GPN_CONFIG = {
    "model_type": "ConvNet", "architectures": ["ConvNetForMaskedLM"], "vocab_size": 7, "hidden_size": DIM,
    "n_layers": 4, "kernel_size": 9, "dilation_double_every": 1, "dilation_max": 32, "dilation_cycle": 3,
}  # fmt: skip


def gpn_tensors(seed: int) -> dict[str, torch.Tensor]:
    """Random weights, named as GPN's authors' ``ConvNetForMaskedLM`` saves them."""
    shapes = {"cls.decoder.0.weight": (DIM, DIM), "cls.decoder.3.weight": (7, DIM), "cls.decoder.3.bias": (7,)}
    for layer in range(GPN_CONFIG["n_layers"]):
        within = f"model.encoder.{layer}"
        shapes |= {f"{within}.conv.1.weight": (DIM, DIM, 9), f"{within}.ffn.0.weight": (DIM, DIM)}
        vectors = [f"{part}.{what}" for part in ("conv.4", "ffn.2") for what in ("weight", "bias")]
        shapes |= {f"{within}.{name}": (DIM,) for name in ["conv.1.bias", "ffn.0.bias", *vectors]}
    made = torch.Generator().manual_seed(seed)
    return {name: torch.randn(shape, generator=made) * 0.5 for name, shape in shapes.items()}


def write_gpn(folder: Path, seed: int) -> Path:
    """Weights, configuration and tokenizer; give the weights' path."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(GPN_CONFIG))
    tokenizer = {"version": "1.0", "normalizer": {"type": "Lowercase"}, "model": {"type": "BPE", "vocab": GPN_LETTERS}}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    torch.save(gpn_tensors(seed), folder / "pytorch_model.bin")
    return folder / "pytorch_model.bin"


def gpn(folder: Path, seed: int, genes=(), kind="ridge", **options) -> dict[str, object]:
    """A folder ``gpn`` with a head; the keys of the model's section, paths relative to `folder`."""
    weights = write_gpn(folder / "gpn", seed).name
    return section(folder, "gpn", "gpn", {"window": 240, **options}, seed, genes, weights, kind)


def section(
    folder: Path, within: str, family: str, options: dict, seed: int, genes, file="model.safetensors", kind="ridge"
):
    weights = f"{within}/{file}"
    write_head(folder / "head.safetensors", family, options | {"weights": folder / weights}, seed, genes, kind)
    return {"family": family, "weights": weights, "head": "head.safetensors", **options}
