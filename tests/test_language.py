"""Genomic language models: tokens and their bases, networks against transformers, embeddings, wrong files."""

from __future__ import annotations

import importlib
import json
import re
import sys

import language_files
import numpy as np
import pytest
import torch
from language_files import BERT_VOCABULARY, NT_VOCABULARY, as_in_2023, published_bert, published_esm, write_folder
from safetensors.torch import load_file, save_file

from gexviz.errors import GexvizError
from gexviz.models.base import Differentiable, GeneLocus
from gexviz.models.language.files import fill_from
from gexviz.models.language.kmers import Overlapping, SideBySide
from gexviz.models.language.tokens import codes_of
from gexviz.models.onehot import one_hot, reverse_complement_one_hot
from gexviz.models.registry import open_model

GENE = GeneLocus("G1", "G1", "1", 500, "+", 500, 600)
PUBLISHED = {"nucleotide_transformer": (published_esm, NT_VOCABULARY), "dnabert": (published_bert, BERT_VOCABULARY)}
SEQUENCES = ["ACGTACGTTTGACCA", "NACGTACGTANNCGT", "ACGTNACGTACGTAC", "NNNNNNNNNNNNNNN", "GGGGGGGGGGGGGGG"]


def encoded(texts):
    return one_hot(np.array([list(text.encode()) for text in texts], np.uint8))


def random_texts(seed, count=24, length=97, unknown=0.04):
    rng = np.random.default_rng(seed)
    share = (1 - unknown) / 4
    return ["".join(rng.choice(list("ACGTN"), length, p=[share] * 4 + [unknown])) for _ in range(count)]


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory):
    path = tmp_path_factory.mktemp("vocabulary") / "vocab.txt"
    path.write_text("\n".join(NT_VOCABULARY) + "\n")
    return path


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A checkpoint and the network of transformers that it was saved from."""
    network = published_esm(3)
    return write_folder(tmp_path_factory.mktemp("published"), network, NT_VOCABULARY), network


# -- tokens ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", SEQUENCES + random_texts(0))
def test_six_mers_from_left_to_right_and_what_is_left_singly(vocabulary, text):
    words = re.findall("[ACGT]{6}|.", text)  # 6-mers begin anew behind each N
    tokens = SideBySide(vocabulary, 6, 1_000)(codes_of(encoded([text])))
    assert [NT_VOCABULARY[i] for i in tokens.ids[0]] == ["<cls>", *words]
    assert [text[a:b] for a, b in zip(tokens.starts[0, 1:], tokens.ends[0, 1:], strict=True)] == words
    assert (tokens.starts[0, 0], tokens.ends[0, 0]) == (-1, -1)
    assert not tokens.padding.any()


def test_tokens_are_those_of_the_published_tokenizer(vocabulary):
    library = language_files.transformers()
    theirs = library.EsmTokenizer(str(vocabulary), eos_token=None, bos_token=None)
    texts = random_texts(1)
    tokens = SideBySide(vocabulary, 6, 1_000)(codes_of(encoded(texts)))
    for row, text in enumerate(texts):
        assert tokens.ids[row][~tokens.padding[row]].tolist() == theirs(text)["input_ids"]


def test_tokens_beyond_what_the_network_reads_are_left_out(vocabulary):
    tokens = SideBySide(vocabulary, 6, 4)(codes_of(encoded(["ACGTAC" * 5, "N" + "ACGTAC" * 4 + "ACGTA"])))
    assert tokens.ends.max(axis=1).tolist() == [18, 13]


@pytest.mark.parametrize("text", SEQUENCES + random_texts(6))
def test_a_k_mer_begins_at_every_base(tmp_path, text):
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(BERT_VOCABULARY) + "\n")
    words = [text[i : i + 3] for i in range(len(text) - 2)]
    tokens = Overlapping(path, 512)(codes_of(encoded([text])))
    told = [BERT_VOCABULARY[i] for i in tokens.ids[0]]
    assert told == ["[CLS]", *("[UNK]" if "N" in word else word for word in words), "[SEP]"]
    bases = zip(tokens.starts[0, 1:-1], tokens.ends[0, 1:-1], strict=True)
    assert [text[a:b] for a, b in bases] == words
    assert tokens.of_bases[0].tolist() == [False, *[True] * len(words), False]
    theirs = language_files.transformers().BertTokenizer(str(path), do_lower_case=False)
    assert tokens.ids[0].tolist() == theirs(" ".join(words))["input_ids"]


# -- the network -------------------------------------------------------------------------------------------------------


def theirs_pooled(network, vocabulary, text):
    """The mean over tokens of bases of the last layer, as transformers alone gives it."""
    tokenizer = language_files.transformers().EsmTokenizer(str(vocabulary), eos_token=None, bos_token=None)
    with torch.no_grad():
        hidden = network(**tokenizer(text, return_tensors="pt"), output_hidden_states=True).hidden_states[-1]
    return hidden[0, 1:].mean(dim=0).numpy()


@pytest.mark.parametrize("release", ["now", "2023"])
def test_embeddings_equal_those_of_transformers(published, vocabulary, release, tmp_path):
    weights, network = published
    if release == "2023":
        weights = as_in_2023(write_folder(tmp_path, network, NT_VOCABULARY), network)
    model = open_model("nt", "nucleotide_transformer", {"weights": weights, "window": 97})
    texts = random_texts(2)  # of several lengths in tokens: padding has no say
    expected = np.stack([theirs_pooled(network, vocabulary, text) for text in texts])
    np.testing.assert_allclose(model.embed(encoded(texts)), expected, atol=1e-4)
    assert np.ptp(expected, axis=0).min() > 0.1


@pytest.mark.parametrize("release", ["now", "2023"])
@pytest.mark.parametrize("pool", ["mean", "centre"])
def test_embeddings_equal_those_of_transformers_bert(release, pool, tmp_path):
    network = published_bert(4)
    weights = write_folder(tmp_path, network, BERT_VOCABULARY)
    weights = as_in_2023(weights, network) if release == "2023" else weights
    model = open_model("bert", "dnabert", {"weights": weights, "window": 97, "pool": pool})
    tokenizer = language_files.transformers().BertTokenizer(str(tmp_path / "vocab.txt"), do_lower_case=False)
    texts = random_texts(7)
    read = tokenizer([" ".join(t[i : i + 3] for i in range(95)) for t in texts], return_tensors="pt")
    with torch.no_grad():
        hidden = network(**read, output_hidden_states=True).hidden_states[-1]
    bases = hidden[:, 1:-1] if pool == "mean" else hidden[:, 1 + 46 : 1 + 49]  # 3-mers over base 48
    np.testing.assert_allclose(model.embed(encoded(texts)), bases.mean(dim=1).numpy(), atol=1e-4)
    assert bases.mean(dim=1).numpy().std() > 0.1


def test_a_window_of_more_k_mers_than_positions_is_refused(tmp_path):
    weights = write_folder(tmp_path, published_bert(4), BERT_VOCABULARY)
    open_model("bert", "dnabert", {"weights": weights, "window": 260})
    with pytest.raises(GexvizError, match="3 to 260 bp"):
        open_model("bert", "dnabert", {"weights": weights, "window": 261})


def test_a_window_of_more_tokens_than_the_network_reads_is_refused(published):
    options = {"weights": published[0], "pool": "centre"}
    open_model("nt", "nucleotide_transformer", options | {"window": 5_994})
    with pytest.raises(GexvizError, match="5,994 bp at most"):
        open_model("nt", "nucleotide_transformer", options | {"window": 5_995})


def test_sequence_whose_tss_is_beyond_what_the_network_reads_is_refused(published):
    """Each N is a token."""
    model = open_model("nt", "nucleotide_transformer", {"weights": published[0], "window": 2_400})
    x = encoded(["N" * 999 + "ACG" * 467])
    model.embedder.embed(x, 998)
    with pytest.raises(GexvizError, match="over the TSS are beyond"):
        model.embed(x)


def test_the_centre_is_the_token_over_the_tss(published, vocabulary):
    weights, network = published
    model = open_model("nt", "nucleotide_transformer", {"weights": weights, "window": 97, "pool": "centre"})
    (text,) = random_texts(3, count=1, unknown=0)
    tokenizer = language_files.transformers().EsmTokenizer(str(vocabulary), eos_token=None, bos_token=None)
    with torch.no_grad():
        hidden = network.esm(**tokenizer(text, return_tensors="pt")).last_hidden_state
    np.testing.assert_allclose(model.embed(encoded([text]))[0], hidden[0, 1 + 48 // 6].numpy(), atol=1e-4)


def test_both_strands_are_averaged(published):
    weights, _ = published
    one = open_model("nt", "nucleotide_transformer", {"weights": weights, "window": 97, "strand": "none"})
    both = open_model("nt", "nucleotide_transformer", {"weights": weights, "window": 97, "strand": "rc_mean"})
    x = encoded(random_texts(4, count=3))
    expected = (one.embed(x) + one.embed(reverse_complement_one_hot(x))) / 2
    np.testing.assert_allclose(both.embed(x), expected, atol=1e-6)
    assert one.embedding_digest != both.embedding_digest


def test_there_are_no_gradients_through_tokens(published):
    assert not isinstance(open_model("nt", "nucleotide_transformer", {"weights": published[0]}), Differentiable)


@pytest.mark.parametrize(
    ("family", "change"),
    [
        ("nucleotide_transformer", {"num_attention_heads": 4}),
        ("nucleotide_transformer", {"token_dropout": True}),
        ("dnabert", {"num_attention_heads": 4}),
    ],
)
def test_the_fingerprint_has_what_layers_do_not_tell(tmp_path, family, change):
    """The same weights, read by other settings, make other embeddings."""
    published, words = PUBLISHED[family]
    options = {"weights": write_folder(tmp_path, published(3), words), "window": 97}
    before, config = open_model("m", family, options), tmp_path / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | change))
    after, x = open_model("m", family, options), encoded(random_texts(8, count=2))
    assert np.abs(before.embed(x) - after.embed(x)).max() > 0.01
    assert before.embedding_digest != after.embedding_digest
    assert before.fingerprint()["embedding"] != after.fingerprint()["embedding"]


# -- without a head, and with a wrong one ------------------------------------------------------------------------------


def test_a_model_without_a_head_says_what_makes_one(published):
    model = open_model("nt", "nucleotide_transformer", {"weights": published[0], "window": 97})
    assert model.unavailable(GENE) == "the model has no head yet"
    with pytest.raises(GexvizError, match="has no head") as error:
        model.predict_sequences(encoded(random_texts(5, count=1)))
    assert error.value.remedy == "gexviz train head STUDY --model nt --out nt.safetensors"


def test_a_head_of_other_embeddings_is_refused(tmp_path):
    keys = language_files.nucleotide_transformer(tmp_path, 0)
    options = {"weights": tmp_path / keys["weights"], "head": tmp_path / keys["head"]}
    open_model("nt", "nucleotide_transformer", options | {"window": 240})
    for change in ({"window": 246}, {"pool": "centre"}, {"strand": "none"}):
        with pytest.raises(GexvizError, match="other embeddings"):
            open_model("nt", "nucleotide_transformer", options | {"window": 240} | change)
    write_folder(tmp_path / "nt", published_esm(1), NT_VOCABULARY)
    with pytest.raises(GexvizError, match="other embeddings"):
        open_model("nt", "nucleotide_transformer", options | {"window": 240})


@pytest.mark.parametrize("how", ["text", "other tensors", "no rows", "NaN"])
def test_a_file_that_is_no_head_is_refused(tmp_path, how):
    keys = language_files.nucleotide_transformer(tmp_path, 0)
    path = tmp_path / keys["head"]
    if how == "text":
        path.write_text("<html>")
    else:
        tensors = load_file(path)
        about = {"other tensors": None, "no rows": _metadata(path), "NaN": _metadata(path)}[how]
        tensors["coefficients"] = tensors["coefficients"][:0] if how == "no rows" else tensors["coefficients"] * np.nan
        tensors["intercepts"] = tensors["intercepts"][:0] if how == "no rows" else tensors["intercepts"]
        save_file(tensors, path, metadata=about)
    with pytest.raises(GexvizError, match="no file of heads") as error:
        open_model("nt", "nucleotide_transformer", {"weights": tmp_path / keys["weights"], "head": path, "window": 240})
    assert str(path) in str(error.value)


def _metadata(path):
    size = int.from_bytes(path.read_bytes()[:8], "little")
    return json.loads(path.read_bytes()[8 : 8 + size])["__metadata__"]


# -- wrong files -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"position_embedding_type": "rotary", "add_bias_fnn": False}, "inv_freq: missing"),  # version 2's
        ({"model_type": "bert"}, "model_type"),
        ({"hidden_size": "many"}, "hidden_size"),
        ({"intermediate_size": 25}, "intermediate.dense"),
        ({"vocab_size": 9}, "tokens"),
    ],
)
def test_another_configuration_is_refused_by_name(published, tmp_path, change, told):
    weights = write_folder(tmp_path, published[1], NT_VOCABULARY)
    config = tmp_path / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | change))
    with pytest.raises(GexvizError, match=told):
        open_model("nt", "nucleotide_transformer", {"weights": weights})


def test_code_that_a_configuration_names_is_not_run(published, tmp_path):
    weights = write_folder(tmp_path, published[1], NT_VOCABULARY)
    marker, config = tmp_path / "ran", tmp_path / "config.json"
    (tmp_path / "modeling_own.py").write_text(f"open({str(marker)!r}, 'w')\nclass Own: pass\n")
    remote = {"auto_map": {"AutoModel": "modeling_own.Own"}, "_attn_implementation": "stranger/kernel"}
    config.write_text(json.dumps(json.loads(config.read_text()) | remote))
    open_model("nt", "nucleotide_transformer", {"weights": weights})
    assert not marker.exists()


@pytest.mark.parametrize("name", ["config.json", "vocab.txt"])
def test_a_folder_that_is_not_whole_is_refused(published, tmp_path, name):
    weights = write_folder(tmp_path, published[1], NT_VOCABULARY)
    (tmp_path / name).unlink()
    with pytest.raises(GexvizError, match=f"no {name} beside the weights"):
        open_model("nt", "nucleotide_transformer", {"weights": weights})


def test_a_vocabulary_without_a_word_is_refused(published, tmp_path):
    weights = write_folder(tmp_path, published[1], [word for word in NT_VOCABULARY if word != "ACGTAC"])
    with pytest.raises(GexvizError, match="no ACGTAC"):
        open_model("nt", "nucleotide_transformer", {"weights": weights})


@pytest.mark.parametrize("family", PUBLISHED)
@pytest.mark.parametrize("release", ["now", "2023"])
def test_a_network_that_was_saved_without_heads_opens(tmp_path, family, release):
    """By an ``EsmModel`` or a ``BertModel``: names without the first part, a pooler; older releases' names too."""
    published, words = PUBLISHED[family]
    network = published(5)
    whole = open_model("m", family, {"weights": write_folder(tmp_path / "whole", network, words), "window": 97})
    library = language_files.transformers()
    bare = {"nucleotide_transformer": library.EsmModel, "dnabert": library.BertModel}[family](network.config)
    lacking = bare.load_state_dict(network.base_model.state_dict(), strict=False).missing_keys
    assert lacking and all(name.startswith(("pooler.", "contact_head.")) for name in lacking)
    weights = write_folder(tmp_path / "bare", bare, words)
    if release == "2023":
        older = ("LayerNorm.weight", "LayerNorm.gamma"), ("LayerNorm.bias", "LayerNorm.beta")
        tensors = bare.state_dict()
        for now, then in older:
            tensors = {name.replace(now, then): tensor for name, tensor in tensors.items()}
        positions = torch.arange(network.config.max_position_embeddings)[None]
        weights = weights.with_name("pytorch_model.bin")
        torch.save(tensors | {"embeddings.position_ids": positions}, weights)
    opened = open_model("m", family, {"weights": weights, "window": 97})
    assert opened.embedding_digest == whole.embedding_digest


@pytest.mark.parametrize("family", PUBLISHED)
def test_a_configuration_takes_no_memory_before_the_file_is_known_to_be_of_it(tmp_path, monkeypatch, family):
    published, words = PUBLISHED[family]
    weights, seen = write_folder(tmp_path, published(3), words), []
    module = importlib.import_module(f"gexviz.models.{family}")

    def fill(network, *args, **kwargs):
        seen.extend(parameter.device.type for parameter in network.parameters())
        fill_from(network, *args, **kwargs)

    monkeypatch.setattr(module, "fill_from", fill)
    open_model("m", family, {"weights": weights, "window": 97})
    assert set(seen) == {"meta"}


def test_a_missing_tensor_is_named(published, tmp_path):
    weights = write_folder(tmp_path, published[1], NT_VOCABULARY)
    tensors = load_file(weights)
    del tensors["esm.encoder.layer.1.output.dense.weight"]
    save_file(tensors, weights)
    with pytest.raises(GexvizError, match=r"layer\.1\.output\.dense\.weight: missing"):
        open_model("nt", "nucleotide_transformer", {"weights": weights})


def test_without_transformers_the_line_that_installs_it_is_told(published, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(GexvizError, match=r'pip install "gexviz\[language\]"'):
        open_model("nt", "nucleotide_transformer", {"weights": published[0]})
