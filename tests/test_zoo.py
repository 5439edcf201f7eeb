"""The table of the models of the literature, and the commands that show it."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import families
import pytest
from typer.testing import CliRunner

from gexviz import cli
from gexviz.analysis.published import published_directions, published_figure
from gexviz.errors import GexvizError
from gexviz.models import registry, zoo
from gexviz.models.not_expression import NOT_EXPRESSION

DOCS = Path(__file__).parents[1] / "docs/models.md"


def run(*arguments: str):
    return CliRunner().invoke(cli.app, ["models", *arguments])


def test_every_family_that_opens_and_every_known_model_has_a_row():
    assert set(zoo.zoo()) >= set(registry._BUILT_IN) | set(NOT_EXPRESSION)


@pytest.mark.parametrize("family", zoo.zoo())
def test_only_what_opens_is_said_to_open_and_to_be_checked(family):
    model = zoo.zoo()[family]
    assert (model.status == "opens") == (family in registry._BUILT_IN)
    assert bool(model.verified) == (model.status == "opens"), "zoo.toml: `verified` is of families that open"


def test_rows_say_what_the_models_say(tmp_path):
    """Of families whose licence, citation and figures don't come from the user's file or the study."""
    checked = 0
    for name in ("predictdb", "fusion", "xpresso", "expecto"):
        options = families.FAMILIES[name](tmp_path, 0)
        given = {k: str(tmp_path / v) if (tmp_path / str(v)).is_file() else v for k, v in options.items()}
        spec = registry.open_model("m", given.pop("family"), given).spec
        row = zoo.zoo()[name]
        assert (row.licence, row.citation) == (spec.licence, spec.citation)
        assert row.published.items() >= spec.published.items()
        checked += bool(spec.published)
    assert checked


def test_published_figures_are_those_of_the_benchmark():
    for family, row in zoo.zoo().items():
        for name, r in row.published.items():
            assert published_figure(family, name)["value"] == r
    directions = published_directions().set_index(["name", "figure"])["value"]
    assert f"{directions['Enformer', 'eQTL direction']:.0%} (UKB" in zoo.zoo()["enformer"].also
    assert f"{directions['Enformer', 'drivers supported']:.1%} of drivers" in zoo.zoo()["enformer"].also
    assert f"{directions['Performer (Variformer)', 'eQTL direction']:.0%} (UKB" in zoo.zoo()["variformer"].also


def test_built_in_families_are_modules_that_are_there():
    for family in registry._BUILT_IN.values():
        assert importlib.util.find_spec(family.opener) is not None


def test_figures_that_are_not_reported_are_named_as_such():
    assert zoo.zoo()["xpresso"].figures == "0.33, 0.32, 0.007"
    assert zoo.zoo()["predictdb"].figures == "not reported, not reported, 0.25"
    assert zoo.zoo()["hyenadna"].figures == "not reported"


def test_the_docs_have_the_table():
    text = DOCS.read_text("utf-8")
    block = text.partition("<!-- zoo -->\n")[2].partition("\n<!-- /zoo -->")[0]
    assert block == zoo.markdown(), "run `make docs`"


def test_no_cell_breaks_the_table():
    rows = zoo.markdown().splitlines()
    assert len(rows) == len(zoo.zoo()) + 2
    assert {row.count("|") for row in rows} == {len(zoo.COLUMNS) + 1}


def test_models_lists_all_and_says_which_open():
    shown = run()
    assert shown.exit_code == 0, shown.output
    for family, model in zoo.zoo().items():
        assert any(line.startswith(family) and model.status in line for line in shown.output.splitlines())


def test_models_as_json():
    told = json.loads(run("--json").stdout)
    assert [row["family"] for row in told] == list(zoo.zoo())
    one = json.loads(run("show", "xpresso", "--json").stdout)
    assert one == next(row for row in told if row["family"] == "xpresso")
    assert one["status"] == "opens" and one["published"]["across individuals"] == 0.007


def test_show_tells_all_of_one():
    shown = run("show", "Sei")
    assert shown.exit_code == 0
    assert "other output" in shown.output and "21,907 chromatin profiles" in shown.output


def test_an_unknown_model_is_told_the_nearest():
    with pytest.raises(GexvizError) as error:
        zoo.zoo_model("enformr")
    assert error.value.remedy == "did you mean 'enformer'?"
    assert run("show", "enformr").exit_code == 1
