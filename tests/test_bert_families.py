"""Nucleotide Transformer v2, DNABERT-2, GENA-LM: tokens and their bases, layers by their definition, wrong files."""

from __future__ import annotations

import itertools
import json
import math

import bert_files
import numpy as np
import pytest
import torch
from bert_files import LONG_N, MERGES, write_dnabert2, write_gena, write_nt2
from contract_study import MINUS, PLUS, make_contract_study
from safetensors.torch import save_file
from test_language import encoded, random_texts
from torch.nn import functional

import gexviz as gx
from gexviz.analysis.attention import of_tokens, per_base
from gexviz.errors import GexvizError
from gexviz.models.language.bpe import BytePairs
from gexviz.models.language.tokens import codes_of
from gexviz.models.onehot import reverse_complement_one_hot
from gexviz.models.registry import open_model

TEXTS = ["ACGTACGTTTGACCA", "NACGTACGTANNCGT", "NNNNNNNNNNNNNNN", "ACGTANNNNNNNNNNCCA", "TATATACCACGTGT"]
SLOPES = {2: [1 / 16, 1 / 256], 3: [1 / 16, 1 / 256, 1 / 4]}  # of ALiBi's paper; 3 heads: those of 2, and one of 4
FAMILIES = {
    "nucleotide_transformer": (write_nt2, bert_files.NT2_CONFIG, bert_files.nt2_tensors),
    "dnabert2": (write_dnabert2, bert_files.DNABERT2_CONFIG, bert_files.dnabert2_tensors),
    "gena_lm": (write_gena, bert_files.GENA_CONFIG, bert_files.gena_tensors),
}


# -- tokens ------------------------------------------------------------------------------------------------------------


def merged(text):
    """Byte pairs by their definition: of all neighbours, those of the first rule are put together, from the left."""
    words = list(text)
    while ranks := [MERGES.index(pair) for pair in itertools.pairwise(words) if pair in MERGES]:
        pair, joined = MERGES[min(ranks)], []
        for word in words:
            if joined and (joined[-1], word) == pair:
                joined[-1] += word
            else:
                joined.append(word)
        words = joined
    return words


def tokens_of(folder, written, text, most=None):
    path = folder / "tokenizer.json"
    path.write_text(written)
    return BytePairs(path, most)(codes_of(encoded([text])))


@pytest.mark.parametrize("text", [text for text in TEXTS if "N" not in text])
@pytest.mark.parametrize("how", [bert_files.byte_pairs, bert_files.byte_pairs_and_long_n])
def test_byte_pairs_and_their_bases(tmp_path, how, text):
    tokens = tokens_of(tmp_path, how(), text)
    words = merged(text)
    numbers = [bert_files.BYTE_PAIRS, LONG_N][how is bert_files.byte_pairs_and_long_n].index
    assert tokens.ids[0].tolist() == [numbers(word) for word in ["[CLS]", *words, "[SEP]"]]
    ends = np.cumsum([len(word) for word in words])
    assert tokens.ends[0].tolist() == [-1, *ends, -1]
    assert tokens.starts[0].tolist() == [-1, 0, *ends[:-1], -1]


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_not_known_has_its_bases_too(tmp_path, text):
    tokens = tokens_of(tmp_path, bert_files.byte_pairs(), text)
    spans = list(zip(tokens.starts[0, 1:-1], tokens.ends[0, 1:-1], strict=True))
    assert "".join(text[a:b] for a, b in spans) == text
    unknown = [text[a:b] for (a, b), number in zip(spans, tokens.ids[0, 1:-1], strict=True) if number == 0]
    assert "".join(unknown) == "N" * text.count("N")


def test_ten_n_are_one_token_for_gena_lm(tmp_path):
    tokens = tokens_of(tmp_path, bert_files.byte_pairs_and_long_n(), "ACGTANNNNNNNNNNCCANN")
    told = [LONG_N[number] for number in tokens.ids[0]]
    assert told == ["[CLS]", *merged("ACGTA"), "-", "CCA", "N", "N", "[SEP]"]
    assert (tokens.starts[0][told.index("-")], tokens.ends[0][told.index("-")]) == (5, 15)


def test_more_words_than_the_network_reads_are_left_out_at_the_end(tmp_path):
    text = random_texts(0, 1, unknown=0)[0]
    short, whole = (tokens_of(tmp_path, bert_files.byte_pairs(), text, most) for most in (12, None))
    assert short.ids.shape == (1, 12)
    assert short.ids[0, :11].tolist() == whole.ids[0, :11].tolist()
    assert short.ids[0, 11] == whole.ids[0, -1] and short.starts[0, 11] == -1


def test_shorter_rows_are_padded(tmp_path):
    (tmp_path / "tokenizer.json").write_text(bert_files.byte_pairs())
    tokens = BytePairs(tmp_path / "tokenizer.json")(codes_of(encoded(["TATATATA", "TTTTTTTT"])))
    assert tokens.padding.sum(axis=1).tolist() == [6, 0]
    assert (tokens.starts[0][tokens.padding[0]] == -1).all()


# -- the networks ------------------------------------------------------------------------------------------------------


def normed(x, tensors, name):
    centred = x - x.mean(dim=1, keepdim=True)
    scaled = centred / torch.sqrt(centred.square().mean(dim=1, keepdim=True) + 1e-12)
    return scaled * tensors[f"{name}.weight"] + tensors[f"{name}.bias"]


def projected(x, tensors, name):
    return x @ tensors[f"{name}.weight"].T + tensors.get(f"{name}.bias", 0)


def attended(query, key, value, logits):
    """One head after the other; `logits` of head, query and key makes the logits."""
    width = query.shape[1] // logits.heads
    mixed = []
    for head in range(logits.heads):
        part = slice(head * width, (head + 1) * width)
        mixed.append(torch.softmax(logits(head, query[:, part], key[:, part]), dim=1) @ value[:, part])
    return torch.cat(mixed, dim=1)


class Logits:
    """Products of queries and keys by the root of their width; less by distance, or rotated by position."""

    def __init__(self, heads, slopes=None, *, rotary=False):
        self.heads, self.slopes, self.rotary = heads, slopes, rotary

    def __call__(self, head, query, key):
        if self.rotary:
            query, key = rotated(query), rotated(key)
        logits = query @ key.T / math.sqrt(query.shape[1])
        if self.slopes is None:
            return logits
        place = torch.arange(len(query))
        return logits - self.slopes[head] * (place[:, None] - place[None]).abs()


def rotated(x):
    """Each pair of dimensions as a complex number, turned by its frequency times the position."""
    half = x.shape[1] // 2
    turn = torch.outer(torch.arange(len(x)).double(), 10_000.0 ** (-torch.arange(half).double() / half))
    turned = torch.complex(x[:, :half], x[:, half:]) * torch.polar(torch.ones_like(turn), turn)
    return torch.cat([turned.real, turned.imag], dim=1)


def nucleotide_transformer_by_definition(ids, config, t):
    x = t["esm.embeddings.word_embeddings.weight"][ids]
    for i in range(config["num_hidden_layers"]):
        layer = f"esm.encoder.layer.{i}"
        y = normed(x, t, f"{layer}.attention.LayerNorm")
        parts = (projected(y, t, f"{layer}.attention.self.{part}") for part in ("query", "key", "value"))
        mixed = attended(*parts, Logits(config["num_attention_heads"], rotary=True))
        x = x + projected(mixed, t, f"{layer}.attention.output.dense")
        y = projected(normed(x, t, f"{layer}.LayerNorm"), t, f"{layer}.intermediate.dense")
        inner = config["intermediate_size"]
        x = x + projected(y[:, :inner] * torch.sigmoid(y[:, :inner]) * y[:, inner:], t, f"{layer}.output.dense")
    return normed(x, t, "esm.encoder.emb_layer_norm_after")


def dnabert2_by_definition(ids, config, t):
    x = t["bert.embeddings.word_embeddings.weight"][ids] + t["bert.embeddings.token_type_embeddings.weight"][0]
    x = normed(x, t, "bert.embeddings.LayerNorm")
    heads, inner = config["num_attention_heads"], config["intermediate_size"]
    for i in range(config["num_hidden_layers"]):
        layer = f"bert.encoder.layer.{i}"
        parts = projected(x, t, f"{layer}.attention.self.Wqkv").split(config["hidden_size"], dim=1)
        mixed = projected(attended(*parts, Logits(heads, SLOPES[heads])), t, f"{layer}.attention.output.dense")
        x = normed(mixed + x, t, f"{layer}.attention.output.LayerNorm")
        y = projected(x, t, f"{layer}.mlp.gated_layers")
        fed = projected(functional.gelu(y[:, :inner]) * y[:, inner:], t, f"{layer}.mlp.wo")
        x = normed(fed + x, t, f"{layer}.mlp.layernorm")
    return x


def gena_lm_by_definition(ids, config, t):
    x = t["bert.embeddings.word_embeddings.weight"][ids] + t["bert.embeddings.token_type_embeddings.weight"][0]
    x = normed(x + t["bert.embeddings.position_embeddings.weight"][: len(ids)], t, "bert.embeddings.LayerNorm")
    for i in range(config["num_hidden_layers"]):
        layer = f"bert.encoder.layer.{i}"
        y = normed(x, t, f"{layer}.pre_attention_ln")
        parts = (projected(y, t, f"{layer}.attention.self.{part}") for part in ("query", "key", "value"))
        x = x + projected(attended(*parts, Logits(config["num_attention_heads"])), t, f"{layer}.attention.output.dense")
        y = functional.gelu(projected(normed(x, t, f"{layer}.post_attention_ln"), t, f"{layer}.intermediate.dense"))
        x = x + projected(y, t, f"{layer}.output.dense")
    return normed(x, t, "bert.encoder.last_layer_ln") if config["last_layer_norm"] else x


DEFINITIONS = {
    "nucleotide_transformer": nucleotide_transformer_by_definition,
    "dnabert2": dnabert2_by_definition,
    "gena_lm": gena_lm_by_definition,
}


@pytest.mark.parametrize(
    ("family", "changes"),
    [
        ("nucleotide_transformer", {}),
        ("dnabert2", {}),
        ("dnabert2", {"num_attention_heads": 3, "hidden_size": 12}),
        ("gena_lm", {}),
        ("gena_lm", {"last_layer_norm": True}),
    ],
)
def test_embeddings_are_means_of_the_last_layer(tmp_path, family, changes):
    write, config, tensors = FAMILIES[family]
    model = open_model("m", family, {"weights": write(tmp_path, 3, **changes), "window": 97})
    config = config | changes
    exact = {name: tensor.double() for name, tensor in tensors(config, 3).items()}
    x = encoded(random_texts(2))  # of several lengths in tokens: padding has no say
    tokens = model.embedder.tokenizer(codes_of(x))
    assert tokens.padding.any()
    expected = []
    for ids, padding, of_bases in zip(tokens.ids, tokens.padding, tokens.of_bases, strict=True):
        hidden = DEFINITIONS[family](torch.from_numpy(ids[~padding]), config, exact)
        expected.append(hidden[torch.from_numpy(of_bases[~padding])].mean(dim=0).numpy())
    np.testing.assert_allclose(model.embed(x), expected, atol=1e-4)
    assert np.ptp(expected, axis=0).min() > 0.05


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_followed_is_what_predicts(tmp_path, family):
    write, config, _ = FAMILIES[family]
    network = open_model("m", family, {"weights": write(tmp_path, 0), "window": 97}).embedder._network
    ids = torch.from_numpy(np.random.default_rng(0).integers(5, 13, size=(2, 20)))
    mask = torch.ones_like(ids)
    mask[1, 15:] = 0
    hidden, attention = network.attending(ids, mask)
    there = mask.bool()
    np.testing.assert_allclose(hidden[there].detach(), network(ids, mask)[there], atol=1e-5)
    assert len(attention) == 2 and attention[0].shape == (2, config["num_attention_heads"], 20, 20)
    for layer in attention:
        torch.testing.assert_close(layer.sum(dim=3)[there[:, None].expand(-1, 2, -1)], torch.ones(70))
        assert not layer[1, :, :15, 15:].any()
    assert all(slope.abs().sum() > 0 for slope in torch.autograd.grad(hidden[:, 3].sum(), attention))


@pytest.mark.parametrize("how", [bert_files.nucleotide_transformer_2, bert_files.dnabert2, bert_files.gena_lm])
def test_attention_lies_on_the_genome(tmp_path, how):
    study = gx.load(make_contract_study(tmp_path, how(tmp_path, 0), 240, 120).toml)
    shown = study.gene(MINUS).attention("model")
    assert len(shown.values) == 240 and (shown.values["value"] >= 0).all() and np.ptp(shown.values["value"]) > 0


@pytest.mark.parametrize("segments", [None, 4])
@pytest.mark.parametrize("pool", ["mean", "centre"])
def test_sequence_whose_tss_is_beyond_what_the_network_reads_is_refused(tmp_path, pool, segments):
    weights = write_gena(tmp_path, 0, max_position_embeddings=40)
    model = open_model("m", "gena_lm", {"weights": weights, "window": 240, "pool": pool})
    x = encoded(random_texts(0, 1, length=240))
    model.embedder.embed(x, 20, segments)
    with pytest.raises(GexvizError, match="over the TSS are beyond"):
        model.embed_strands(x, segments)


def test_attention_to_a_base_that_one_strand_alone_reads_counts_half(tmp_path):
    keys = bert_files.gena_lm(tmp_path, 0, strand="rc_mean", positions=120)
    study = gx.load(make_contract_study(tmp_path, keys, 240, 120).toml)
    shown, model = study.gene(PLUS).attention("model", how="rollout").values, study.model("model")
    x, each = encoded(["".join(shown["ref"])]), []
    for strand in (x, reverse_complement_one_hot(x)):
        found = model.attended(strand)
        tokens = of_tokens(found.attention, found.gradient, found.taken, "rollout")
        each.append(per_base(tokens, found.starts, found.ends, 240))
    forward, backward = each[0], each[1][::-1]
    assert np.isnan(forward[-20:]).all() and np.isnan(backward[:20]).all()
    expected = (np.nan_to_num(forward) + np.nan_to_num(backward)) / 2
    np.testing.assert_allclose(shown["value"], expected, rtol=1e-4)


# -- files as they come ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["dnabert2", "gena_lm"])
def test_weights_saved_without_the_language_models_head_are_read(tmp_path, family):
    """As DNABERT-S's: names without ``bert``, a pooler."""
    write, config, tensors = FAMILIES[family]
    weights = write(tmp_path, 1)
    whole = open_model("m", family, {"weights": weights, "window": 97})
    bare = {k.removeprefix("bert."): v for k, v in tensors(config, 1).items() if k.startswith("bert.")}
    save_file(bare | {"pooler.dense.weight": torch.zeros(16, 16)}, tmp_path / "model.safetensors")
    other = open_model("m", family, {"weights": tmp_path / "model.safetensors", "window": 97})
    assert other.embedding_digest == whole.embedding_digest


def test_a_config_without_the_kind_of_model_is_that_of_nucleotide_transformer_2(tmp_path):
    """The published ones name code in its place."""
    assert "model_type" not in bert_files.NT2_CONFIG
    model = open_model("nt", "nucleotide_transformer", {"weights": write_nt2(tmp_path, 0)})
    assert "version 2" in model.spec.verified


@pytest.mark.parametrize(
    ("family", "change", "told"),
    [
        ("nucleotide_transformer", {"add_bias_fnn": True}, "versions 1 and 2"),
        ("nucleotide_transformer", {"position_embedding_type": "absolute"}, "versions 1 and 2"),
        ("nucleotide_transformer", {"num_attention_heads": 16}, "even width"),
        ("nucleotide_transformer", {"num_attention_heads": 3}, "not for 3 heads"),
        ("nucleotide_transformer", {"intermediate_size": 12}, r"intermediate\.dense\.weight"),
        ("dnabert2", {"model_type": "esm"}, "model_type"),
        ("dnabert2", {"num_hidden_layers": 3}, r"layer\.2\.attention\.self\.Wqkv\.weight: missing"),
        ("dnabert2", {"vocab_size": 9}, "17 tokens"),
        ("gena_lm", {"sparse_config_cls": "deepspeed.ops.sparse_attention:BigBirdSparsityConfig"}, "sparse attention"),
        ("gena_lm", {"model_type": "big_bird"}, "sparse attention"),
        ("gena_lm", {"model_type": "modernbert"}, "model_type"),
        ("gena_lm", {"pre_layer_norm": False}, "pre_layer_norm"),
        ("gena_lm", {"position_embedding_type": "rotary"}, "position_embedding_type"),
        ("gena_lm", {"last_layer_norm": True}, r"last_layer_ln\.weight: missing"),
    ],
)
def test_another_configuration_is_refused_by_name(tmp_path, family, change, told):
    weights = FAMILIES[family][0](tmp_path, 0)
    config = tmp_path / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | change))
    with pytest.raises(GexvizError, match=told):
        open_model("m", family, {"weights": weights})


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("<html>", "makes no tokens of bases"),
        ("{}", "makes no tokens of bases"),
        (bert_files.WORDS, "makes no tokens of bases"),
        ("lower case", "makes no tokens of bases: of ACGTTGCA it makes"),
    ],
    ids=["text", "empty", "list", "lower"],
)
def test_a_tokenizer_of_something_else_is_refused(tmp_path, content, told):
    weights, path = write_dnabert2(tmp_path, 0), tmp_path / "tokenizer.json"
    if content == "lower case":
        content = json.dumps(json.loads(path.read_text()) | {"normalizer": {"type": "Lowercase"}})
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(GexvizError, match=told) as error:
        open_model("m", "dnabert2", {"weights": weights})
    assert str(path) in str(error.value)
