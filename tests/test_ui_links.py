"""Selections in the URL, gene search, downloads."""

import csv
import io

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gexviz.errors import GexvizError
from gexviz.explaining.attributions import METHODS
from gexviz.ui.downloads import csv_bytes
from gexviz.ui.links import Selection, read
from gexviz.ui.opening import asked_for, default_pair
from gexviz.ui.search import GeneBook

IDS = ["ENSG00000183597.11", "ENSG00000128191.10", "ENSG00000099889.9", "ENSG00000100001.1", "ENSG00000100002.1"]
NAMES = ["TANGO2", "DGCR8", "ARVCF", "TWIN", "TWIN"]
ABSENT = ["ENSG00000099901.12"]


@pytest.fixture(scope="module")
def book() -> GeneBook:
    genes = pd.DataFrame({"name": NAMES}, index=pd.Index(IDS, name="gene"))
    annotation = pd.DataFrame({"name": [*NAMES, "RANBP1"]}, index=pd.Index(IDS + ABSENT, name="gene"))
    return GeneBook(genes, annotation)


MODELS = ["xpresso", "enet", "other"]
DEFAULTS = ["xpresso", "enet"]


@pytest.mark.parametrize("query", ["TANGO2", "tango2", " TANGO2 ", IDS[0], "ENSG00000183597", "ENSG00000183597.3"])
def test_a_gene_is_found_by_symbol_and_by_id(book: GeneBook, query: str) -> None:
    found = read({"gene": query}, book, MODELS, DEFAULTS)
    assert found.gene == IDS[0]
    assert (found.model, found.linear, found.unknown) == ("xpresso", "enet", ())


def test_an_unknown_gene_is_said_and_the_nearest_are_offered(book: GeneBook) -> None:
    found = read({"gene": "TANGO3", "model": "enet"}, book, MODELS, DEFAULTS)
    assert found.gene is None
    (unknown,) = found.unknown
    assert "TANGO3 is not a gene of this study" in unknown.message
    assert unknown.suggestions[0] == IDS[0]
    assert (found.model, found.linear) == ("enet", "xpresso")


def test_a_gene_without_expression_is_told_from_one_that_does_not_exist(book: GeneBook) -> None:
    (unknown,) = read({"gene": "RANBP1"}, book, MODELS, DEFAULTS).unknown
    assert "in the annotation" in unknown.message and "no expression" in unknown.message


def test_a_symbol_of_two_genes_offers_both(book: GeneBook) -> None:
    (unknown,) = read({"gene": "TWIN"}, book, MODELS, DEFAULTS).unknown
    assert set(unknown.suggestions) == set(IDS[3:])


def test_an_unknown_model_is_said_and_the_default_is_shown(book: GeneBook) -> None:
    found = read({"model": "enformer"}, book, MODELS, DEFAULTS)
    assert found.model == "xpresso"
    (unknown,) = found.unknown
    assert "enformer" in unknown.message and unknown.suggestions == tuple(MODELS)


@pytest.mark.parametrize(
    ("params", "pair"),
    [
        ({"model": "enet"}, ("enet", "xpresso")),
        ({"model": "enet", "linear": "enet"}, ("enet", "xpresso")),
        ({"linear": "xpresso"}, ("enet", "xpresso")),
        ({"model": "other", "linear": "xpresso"}, ("other", "xpresso")),
    ],
)
def test_the_two_models_are_never_the_same(book: GeneBook, params: dict, pair: tuple) -> None:
    found = read(params, book, MODELS, DEFAULTS)
    assert (found.model, found.linear) == pair


def test_a_study_with_one_model_or_none(book: GeneBook) -> None:
    assert read({}, book, ["only"], ["only"])[1:3] == ("only", None)
    assert read({"linear": "only"}, book, ["only"], ["only"]).models == ["only"]
    assert read({}, book, [], []).models == []


@given(
    st.sampled_from([None, *IDS]),
    st.permutations(MODELS),
    st.sampled_from([None, "22:20004537:A:G"]),
    st.sampled_from([None, "22:20,004,400-20,004,532", "nonsense"]),
    st.sampled_from([None, *METHODS]),
)
def test_what_is_written_into_a_url_is_read_back(
    gene: str | None, models: list[str], variant: str | None, region: str | None, method: str | None
) -> None:
    genes = pd.DataFrame({"name": NAMES}, index=pd.Index(IDS, name="gene"))
    selection = Selection(gene, models[0], models[1], variant, region, method)
    assert read(selection.query(), GeneBook(genes), MODELS, DEFAULTS) == selection


def test_another_gene_drops_the_variant_and_the_region() -> None:
    selection = Selection("a", "m", None, "22:1:A:G", "22:1-9", "saliency")
    assert selection.query(gene="b") == {"gene": "b", "model": "m", "method": "saliency"}
    assert selection.query(model="n")["variant"] == "22:1:A:G" and selection.query(model="n")["region"] == "22:1-9"


def test_an_unknown_method_is_said_and_mutagenesis_is_shown(book: GeneBook) -> None:
    found = read({"method": "magic"}, book, MODELS, DEFAULTS)
    assert found.method is None
    (unknown,) = found.unknown
    assert "magic" in unknown.message and set(unknown.suggestions) == set(METHODS)


@given(st.text(alphabet="TANGO2DCRE.SVF0189", max_size=6))
def test_a_search_finds_all_genes_with_the_text_and_those_that_begin_with_it_first(text: str) -> None:
    names = dict(zip(IDS, NAMES, strict=True))
    found = GeneBook(pd.DataFrame({"name": NAMES}, index=pd.Index(IDS, name="gene"))).search(text, 10)
    assert set(found) == {g for g, n in names.items() if text in n or text in g}
    begins = [names[g].startswith(text) or g.startswith(text) for g in found]
    assert begins == sorted(begins, reverse=True) or text == ""


def test_suggestions_put_what_begins_alike_first(book: GeneBook) -> None:
    assert book.suggestions("dgc") == [IDS[1]]
    assert book.suggestions("ENSG000001000")[:2] == IDS[3:]
    assert book.suggestions("ARVC1")[0] == IDS[2]
    assert book.suggestions("") == []


def test_an_ambiguous_symbol_is_an_error_with_both_ids(book: GeneBook) -> None:
    with pytest.raises(GexvizError, match="2 genes"):
        book.resolve("TWIN")


def test_the_study_is_asked_for_by_argument_then_by_environment(tmp_path) -> None:
    given = ["--study", str(tmp_path / "s.toml"), "--results", str(tmp_path)]
    path, results, *_ = asked_for(given, {"GEXVIZ_STUDY": "/no"})
    assert (path, results) == (tmp_path / "s.toml", tmp_path)
    path, results, *_ = asked_for([], {"GEXVIZ_STUDY": "/some/study.toml"})
    assert (str(path), results) == ("/some/study.toml", None)
    assert asked_for([], {}).study.name == "study.toml"


@pytest.mark.parametrize(
    ("inputs", "pair"),
    [
        ({"enet": "dosage", "cnn": "sequence"}, ("cnn", "enet")),
        ({"a": "table", "b": "sequence"}, ("a", "b")),
        ({"a": "dosage", "b": "dosage"}, ("a", "b")),
        ({"a": "dosage"}, ("a", None)),
        ({}, (None, None)),
    ],
)
def test_a_deep_model_is_compared_with_a_linear_one(inputs: dict, pair: tuple) -> None:
    assert default_pair(inputs) == pair


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=6), min_size=1, max_size=8))
def test_no_cell_of_a_download_is_a_formula(texts: list[str]) -> None:
    table = pd.DataFrame({"=name": texts, "r": [-0.5] * len(texts)}, index=pd.Index(texts, name="gene"))
    rows = list(csv.reader(io.StringIO(csv_bytes(table).decode(), newline="")))
    assert rows[0] == ["gene", "'=name", "r"]
    assert len(rows) == len(texts) + 1
    for row, text in zip(rows[1:], texts, strict=True):
        assert not row[0].startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
        assert row[0].removeprefix("'") == text.removeprefix("'")
        assert row[2] == "-0.5"
