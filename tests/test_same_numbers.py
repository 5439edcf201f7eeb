"""One gene's r, its interval and its n: the same in the app, in a widget and in the report of a session."""

import html
import json
import re

import pytest
from test_app_pages import opened, until_quiet
from test_report import Page

import gexviz as gx
from gexviz.freezing import freeze
from gexviz.session.contents import State, View
from gexviz.session.report import report_html

GENE, MODELS = "GENE03", ("cnn", "enet")
_SAID = re.compile(rf"\s*{GENE} · \w+ .*?r = (\S+) \[(\S+), (\S+)\].*?n = (\S+) people")


@pytest.fixture(scope="module")
def study():
    return gx.demo()


@pytest.fixture(scope="module")
def evaluated(study):
    """What the titles have to say, from the evaluation itself."""
    numbers = {}
    for model in MODELS:
        row = study.evaluate(model).loc[GENE]
        shown = (f"{row[name]:.2f}".replace("-", "−") for name in ("pearson", "pearson_low", "pearson_high"))
        numbers[model] = (*shown, f"{row['n']:,}")
    return numbers


def said(titles):
    """The numbers in the titles of comparisons, by model."""
    plain = [html.unescape(re.sub(r"<[^>]+>", " ", title)) for title in titles]
    matches = ((model, _SAID.match(title)) for title in plain for model in MODELS if f"{GENE} · {model} " in title)
    return {model: found.groups() for model, found in matches if found}


def test_in_the_app(study, evaluated, monkeypatch):
    app = until_quiet(opened(study.config.path, monkeypatch, "Gene", gene=GENE))
    figures = [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]
    assert said(figure["layout"]["title"]["text"] for figure in figures) == evaluated


def test_in_a_widget(study, evaluated):
    assert said(chart.widget.layout.title.text for chart in study.gene(GENE).view().charts) == evaluated


@pytest.mark.parametrize("level", ["aggregate", "full"])
def test_in_the_report(study, evaluated, level):
    state = State(views=(View(page="gene", gene=GENE, model=MODELS[0], linear=MODELS[1]),))
    page = Page(report_html(freeze(study, state, level=level, confirm=study.name)))
    figures = json.loads(next(text for a, text in page.scripts if a.get("id") == "figures"))
    assert said(figure["layout"]["title"]["text"] for figure in figures.values()) == evaluated
