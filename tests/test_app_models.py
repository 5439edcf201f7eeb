"""The Models page."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from app_studies import app_study
from playwright.sync_api import Browser, expect
from served import SOON, click_row, repeat, serve, visiting
from streamlit.testing.v1 import AppTest

from gexviz.models.zoo import zoo

APP = str(Path(__file__).resolve().parents[1] / "app.py")


@pytest.fixture(scope="module")
def toml(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return app_study(tmp_path_factory.mktemp("models"), people=20)


def shown(toml: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setattr("sys.argv", ["app.py", "--study", str(toml)])
    return AppTest.from_file(APP, default_timeout=180).switch_page("pages/Models.py").run()


def test_all_models_are_listed_with_what_opens_first(toml: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = shown(toml, monkeypatch)
    assert not app.exception and not app.error
    table = app.dataframe[0].value.set_index("Family")
    assert set(table.index) == set(zoo())
    assert table["Here"].map({"● opens": 0, "○ not yet": 1, "▲ other output": 2}).is_monotonic_increasing
    for family, mark in table["Here"].items():
        assert mark.endswith(zoo()[family].status)
    assert table["In this study"][table["In this study"] != ""].to_dict() == {"table": "deep, linear"}


def test_kinds_can_be_left_out(toml: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = shown(toml, monkeypatch)
    app.pills(key="models_kinds").set_value(["opens"]).run()
    assert set(app.dataframe[0].value["Here"]) == {"● opens"}


@pytest.fixture(scope="module")
def address(toml: Path) -> Iterator[str]:
    with serve("--study", str(toml)) as running:
        yield running


@pytest.mark.browser
def test_a_click_on_a_row_tells_all_of_a_model(address: str, browser: Browser) -> None:
    """By a link, on a server that has just been started."""
    with visiting(browser, viewport={"width": 1440, "height": 1200}) as page:
        page.goto(f"{address}/Models")
        grid = page.locator("[data-testid=stDataFrame]")
        expect(grid).to_be_visible(timeout=120_000)
        xpresso = [family for family, model in zoo().items() if model.status == "opens"].index("xpresso")
        told = page.locator("h3")
        repeat(
            lambda: click_row(page, xpresso + 1, x=17),
            until=lambda: expect(told).to_have_text("xpresso", timeout=SOON),
        )
        expect(page.get_by_text("Agarwal & Shendure 2020")).to_be_visible()
        expect(page.get_by_text("gexviz models fetch xpresso")).to_be_visible()
        expect(page.locator("[data-testid=stTable]")).to_contain_text("0.007")
