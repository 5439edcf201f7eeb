"""Small networks in the published layouts of Nucleotide Transformer v2, DNABERT-2 and GENA-LM, with random weights.

Names and shapes are those of the authors' code (``modeling_esm.py``, ``bert_layers.py``, ``modeling_bert.py``).
"""

from __future__ import annotations

import json
from pathlib import Path

import language_files
import pytest
import torch
from language_files import DIM, NT_VOCABULARY, section

SPECIAL = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"]
MERGES = [("A", "C"), ("G", "T"), ("T", "A"), ("AC", "G"), ("C", "C"), ("AC", "GT"), ("TA", "TA"), ("CC", "A")]
WORDS = ["A", "C", "G", "T", *("".join(pair) for pair in MERGES)]
BYTE_PAIRS = [*SPECIAL, *WORDS]
LONG_N = [*SPECIAL, "-", "N", *WORDS]

NT2_CONFIG = {
    "architectures": ["EsmForMaskedLM"], "auto_map": {"AutoModelForMaskedLM": "modeling_esm.EsmForMaskedLM"},
    "add_bias_fnn": False, "emb_layer_norm_before": False, "esmfold_config": None, "hidden_size": DIM,
    "intermediate_size": 24, "is_folding_model": False, "layer_norm_eps": 1e-12, "mask_token_id": 2,
    "max_position_embeddings": 2_050, "num_attention_heads": 2, "num_hidden_layers": 2, "pad_token_id": 1,
    "position_embedding_type": "rotary", "tie_word_embeddings": False, "token_dropout": False,
    "vocab_size": len(NT_VOCABULARY),
}  # fmt: skip
DNABERT2_CONFIG = {
    "architectures": ["BertForMaskedLM"], "alibi_starting_size": 512, "attention_probs_dropout_prob": 0.0,
    "hidden_act": "gelu", "hidden_size": DIM, "intermediate_size": 24, "layer_norm_eps": 1e-12,
    "max_position_embeddings": 512, "num_attention_heads": 2, "num_hidden_layers": 2, "type_vocab_size": 2,
    "vocab_size": len(BYTE_PAIRS),
}  # fmt: skip
GENA_CONFIG = {
    "architectures": ["BertForMaskedLM"], "auto_map": {"AutoModel": "modeling_bert.BertForMaskedLM"},
    "hidden_act": "gelu", "hidden_size": DIM, "intermediate_size": 24, "last_layer_norm": False,
    "layer_norm_eps": 1e-12, "max_position_embeddings": 260, "model_type": "bert", "num_attention_heads": 2,
    "num_hidden_layers": 2, "pad_token_id": 3, "position_embedding_type": "absolute", "pre_layer_norm": True,
    "type_vocab_size": 2, "vocab_size": len(LONG_N),
}  # fmt: skip

Shapes = dict[str, tuple[int, ...]]


def random_tensors(shapes: Shapes, seed: int) -> dict[str, torch.Tensor]:
    """Around 1 for the scales of layer norms, else around 0."""
    made = torch.Generator().manual_seed(seed)
    scales = {name for name, shape in shapes.items() if name.endswith(".weight") and len(shape) == 1}
    return {name: torch.randn(shape, generator=made) * 0.5 + (name in scales) for name, shape in shapes.items()}


def _linear(name: str, out: int, read: int, *, bias: bool = True) -> Shapes:
    return {f"{name}.weight": (out, read)} | ({f"{name}.bias": (out,)} if bias else {})


def _norm(name: str, width: int) -> Shapes:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def nt2_tensors(config: dict, seed: int) -> dict[str, torch.Tensor]:
    width, inner, words = config["hidden_size"], config["intermediate_size"], config["vocab_size"]
    layers, heads = config["num_hidden_layers"], config["num_attention_heads"]
    shapes = {"esm.embeddings.word_embeddings.weight": (words, width)}
    shapes |= {"esm.embeddings.position_embeddings.weight": (config["max_position_embeddings"], width)}
    for i in range(layers):
        layer = f"esm.encoder.layer.{i}"
        for part in ("query", "key", "value"):
            shapes |= _linear(f"{layer}.attention.self.{part}", width, width)
        shapes |= _linear(f"{layer}.attention.output.dense", width, width)
        shapes |= _norm(f"{layer}.attention.LayerNorm", width)
        shapes |= _linear(f"{layer}.intermediate.dense", 2 * inner, width, bias=False)
        shapes |= _linear(f"{layer}.output.dense", width, inner, bias=False) | _norm(f"{layer}.LayerNorm", width)
    shapes |= _norm("esm.encoder.emb_layer_norm_after", width)
    shapes |= _linear("esm.contact_head.regression", 1, layers * heads) | _linear("lm_head.dense", width, width)
    shapes |= _norm("lm_head.layer_norm", width) | _linear("lm_head.decoder", words, width, bias=False)
    tensors = random_tensors(shapes | {"lm_head.bias": (words,)}, seed)
    head = width // heads
    frequencies = 1 / 10_000 ** (torch.arange(0, head, 2).float() / head)
    name = "esm.encoder.layer.{}.attention.self.rotary_embeddings.inv_freq"
    return tensors | {name.format(i): frequencies for i in range(layers)}


def _bert_shapes(config: dict) -> Shapes:
    width, words = config["hidden_size"], config["vocab_size"]
    shapes = {"bert.embeddings.word_embeddings.weight": (words, width)}
    shapes |= {"bert.embeddings.token_type_embeddings.weight": (config["type_vocab_size"], width)}
    shapes |= _norm("bert.embeddings.LayerNorm", width) | _linear("cls.predictions.transform.dense", width, width)
    shapes |= _norm("cls.predictions.transform.LayerNorm", width)
    return shapes | _linear("cls.predictions.decoder", words, width)


def dnabert2_tensors(config: dict, seed: int) -> dict[str, torch.Tensor]:
    width, inner = config["hidden_size"], config["intermediate_size"]
    shapes = _bert_shapes(config)
    for i in range(config["num_hidden_layers"]):
        layer = f"bert.encoder.layer.{i}"
        shapes |= _linear(f"{layer}.attention.self.Wqkv", 3 * width, width)
        shapes |= _linear(f"{layer}.attention.output.dense", width, width)
        shapes |= _norm(f"{layer}.attention.output.LayerNorm", width)
        shapes |= _linear(f"{layer}.mlp.gated_layers", 2 * inner, width, bias=False)
        shapes |= _linear(f"{layer}.mlp.wo", width, inner) | _norm(f"{layer}.mlp.layernorm", width)
    return random_tensors(shapes, seed)


def gena_tensors(config: dict, seed: int) -> dict[str, torch.Tensor]:
    width, inner, most = config["hidden_size"], config["intermediate_size"], config["max_position_embeddings"]
    shapes = _bert_shapes(config) | {"cls.predictions.bias": (config["vocab_size"],)}
    shapes |= {"bert.embeddings.position_embeddings.weight": (most, width)}
    for i in range(config["num_hidden_layers"]):
        layer = f"bert.encoder.layer.{i}"
        shapes |= _norm(f"{layer}.pre_attention_ln", width) | _norm(f"{layer}.post_attention_ln", width)
        for part in ("query", "key", "value"):
            shapes |= _linear(f"{layer}.attention.self.{part}", width, width)
        shapes |= _linear(f"{layer}.attention.output.dense", width, width)
        shapes |= _linear(f"{layer}.intermediate.dense", inner, width) | _linear(f"{layer}.output.dense", width, inner)
    if config["last_layer_norm"]:
        shapes |= _norm("bert.encoder.last_layer_ln", width)
    return random_tensors(shapes, seed) | {"bert.embeddings.position_ids": torch.arange(most)[None]}


def _numbered(words: list[str]) -> dict[str, int]:
    return {word: i for i, word in enumerate(words)}


def _tokenizer(words: list[str], added: list[str], **parts) -> str:
    pytest.importorskip("tokenizers", reason="tokenizers is not installed: gexviz[language]")
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    known = _numbered(words)
    model = {
        "type": "BPE", "dropout": None, "unk_token": "[UNK]", "continuing_subword_prefix": None,
        "end_of_word_suffix": None, "fuse_unk": False, "vocab": known, "merges": [list(pair) for pair in MERGES],
    }  # fmt: skip
    about = {
        "version": "1.0", "truncation": None, "padding": None, "decoder": None, "normalizer": None, "model": model,
        "added_tokens": [{"id": known[word], "content": word, **flags} for word in added],
    }  # fmt: skip
    return json.dumps(about | parts)


def byte_pairs() -> str:
    """``tokenizer.json`` of few words, as DNABERT-2's."""
    ends = {"[CLS]": 1, "[SEP]": 2}
    single = [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
    single += [{"SpecialToken": {"id": "[SEP]", "type_id": 0}}]
    tokens = {word: {"id": word, "ids": [number], "tokens": [word]} for word, number in ends.items()}
    ending = {"type": "TemplateProcessing", "single": single, "pair": single, "special_tokens": tokens}
    return _tokenizer(BYTE_PAIRS, SPECIAL, pre_tokenizer={"type": "Whitespace"}, post_processor=ending)


def byte_pairs_and_long_n() -> str:
    """``tokenizer.json`` of few words, as GENA-LM's: ten N or more are one token."""
    strip = {"type": "Strip", "strip_left": True, "strip_right": True}
    replace = {"type": "Replace", "pattern": {"Regex": "N{10,}"}, "content": "-"}
    split = {"type": "Split", "pattern": {"String": "-"}, "behavior": "Isolated", "invert": False}
    return _tokenizer(
        LONG_N,
        [*SPECIAL, "-"],
        normalizer={"type": "Sequence", "normalizers": [strip, replace]},
        pre_tokenizer=split,
        post_processor={"type": "BertProcessing", "sep": ["[SEP]", 2], "cls": ["[CLS]", 1]},
    )


def write(folder: Path, config: dict, tensors: dict[str, torch.Tensor], **files: str) -> Path:
    """Weights, configuration and vocabulary; give the weights' path."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)
    torch.save(tensors, folder / "pytorch_model.bin")
    return folder / "pytorch_model.bin"


def write_nt2(folder: Path, seed: int, **changes) -> Path:
    language_files.transformers()
    config = NT2_CONFIG | changes
    return write(folder, config, nt2_tensors(config, seed), vocab_txt="\n".join(NT_VOCABULARY) + "\n")


def write_dnabert2(folder: Path, seed: int, **changes) -> Path:
    config = DNABERT2_CONFIG | changes
    return write(folder, config, dnabert2_tensors(config, seed), tokenizer_json=byte_pairs())


def write_gena(folder: Path, seed: int, **changes) -> Path:
    config = GENA_CONFIG | changes
    return write(folder, config, gena_tensors(config, seed), tokenizer_json=byte_pairs_and_long_n())


def nucleotide_transformer_2(folder: Path, seed: int, genes=(), **options) -> dict[str, object]:
    """A folder ``nt2`` with a head; the keys of the model's section, paths relative to `folder`."""
    weights = write_nt2(folder / "nt2", seed).name
    options = {"window": 240, **options}
    return section(folder, "nt2", "nucleotide_transformer", options, seed, genes, weights)


def dnabert2(folder: Path, seed: int, genes=(), **options) -> dict[str, object]:
    """A folder ``dnabert2`` with a head; the keys of the model's section, paths relative to `folder`."""
    weights = write_dnabert2(folder / "dnabert2", seed).name
    return section(folder, "dnabert2", "dnabert2", {"window": 240, **options}, seed, genes, weights)


def gena_lm(folder: Path, seed: int, genes=(), positions=260, **options) -> dict[str, object]:
    """A folder ``gena`` with a head; the keys of the model's section, paths relative to `folder`."""
    weights = write_gena(folder / "gena", seed, max_position_embeddings=positions).name
    return section(folder, "gena", "gena_lm", {"window": 240, **options}, seed, genes, weights)
