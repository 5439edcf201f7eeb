"""The Locus page in a real browser, from a real server."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import cohorts
import pytest
import slow_family
from playwright.sync_api import Browser, Page, expect
from served import SOON, click_row, repeat, running, serve, until_idle, visiting
from test_app_locus import net_study

import gexviz as gx
from gexviz.explaining.ism import stored_mutagenesis
from gexviz.explaining.target import target

pytestmark = pytest.mark.browser

DRAWN = """what => [...document.querySelectorAll('.js-plotly-plot')].some(
    plot => plot.layout.annotations?.some(note => note.text.includes(what)))"""
LOLLIPOPS = """() => {const plot = document.querySelector('.js-plotly-plot');
    const seen = [...plot.querySelectorAll('.scatterlayer .trace .point')].map(point => {
        const box = point.getBoundingClientRect(), data = point.__data__?.data;
        return {id: Array.isArray(data) ? String(data[0]) : '', x: box.x + box.width / 2, y: box.y + box.height / 2}});
    return seen.filter(one => /^1:[0-9]+:/.test(one.id))}"""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    toml = net_study(tmp_path_factory.mktemp("locus"))
    opened = gx.load(toml)
    for model in opened.model_names:
        opened.compute(model)
    for gene in ("GENE0", "GENE1"):
        opened.gene(gene).locus("net")
    return toml


@pytest.fixture(scope="module")
def address(study: Path) -> Iterator[str]:
    with serve("--study", str(study)) as running:
        yield running


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with visiting(browser, viewport={"width": 1440, "height": 2200}) as page:
        yield page


def visit(page: Page, url: str, track: str = "In-silico mutagenesis") -> None:
    page.goto(url)
    page.wait_for_function(DRAWN, arg=track, timeout=120_000)
    until_idle(page)


def test_a_deep_link_works_on_a_cold_server(study: Path, page: Page, tmp_path: Path) -> None:
    log = tmp_path / "log"
    variant = gx.load(study).gene("GENE1").effects("net").table["effect_reference"].abs().idxmax()
    with serve("--study", str(study), log=log) as cold:
        where = f"gene=GENE1&model=net&region=1:15801-16000&method=saliency&variant={variant}"
        visit(page, f"{cold}/Locus?{where}", "Saliency")
        expect(page.get_by_role("heading", name="GENE1", exact=True)).to_be_visible()
        expect(page.get_by_role("textbox", name="Region (1-based, both ends in it)")).to_have_value("1:15,801-16,000")
        name = f"1:{int(variant.split(':')[1]):,}"
        expect(page.get_by_role("heading", name=re.compile(name))).to_be_visible()
    assert "P0" not in log.read_text()


def test_a_click_on_a_lollipop_chooses_the_variant(address: str, page: Page) -> None:
    visit(page, f"{address}/Locus?gene=GENE0")
    expect(page.get_by_role("heading", name=re.compile("1:4,|1:5,"))).to_be_visible()

    def first() -> dict:
        page.wait_for_function(f"() => ({LOLLIPOPS})().length >= 2", timeout=SOON)
        return min(page.evaluate(LOLLIPOPS), key=lambda one: one["x"])

    chosen = first()

    def click() -> None:
        at = first()
        page.mouse.move(at["x"], at["y"])
        page.mouse.click(at["x"], at["y"])

    told = re.compile("variant=" + chosen["id"].replace(":", "%3A"))
    repeat(click, until=lambda: expect(page).to_have_url(told, timeout=SOON))
    place = f"1:{int(chosen['id'].split(':')[1]):,}"
    expect(page.get_by_role("heading", name=re.compile(place))).to_be_visible()
    grid = page.locator("[data-testid=stDataFrame]").first
    marked = grid.locator("tr[aria-selected=true]")
    expect(marked).to_contain_text(place)


def test_a_click_on_a_row_chooses_the_variant(address: str, page: Page) -> None:
    visit(page, f"{address}/Locus?gene=GENE0")
    told = re.compile("variant=1%3A")
    repeat(lambda: click_row(page, 2), until=lambda: expect(page).to_have_url(told, timeout=SOON))
    until_idle(page)
    second = page.url
    repeat(lambda: click_row(page, 1), until=lambda: expect(page).not_to_have_url(second, timeout=SOON))


def test_a_region_is_typed_and_a_bad_one_is_said(address: str, page: Page) -> None:
    visit(page, f"{address}/Locus?gene=GENE0")
    box = page.get_by_role("textbox", name="Region (1-based, both ends in it)")
    box.fill("4,901-5,000")
    box.press("Enter")
    expect(page).to_have_url(re.compile("region=1%3A4901-5000"))
    page.wait_for_function("document.querySelector('.js-plotly-plot')?.layout.xaxis.range[0] === 4900.5")
    box.fill("1:10-20")
    box.press("Enter")
    expect(page.get_by_text("is not inside the model's window")).to_be_visible()
    page.wait_for_function("document.querySelector('.js-plotly-plot')?.layout.xaxis.range[0] === 4600.5")
    page.get_by_role("button", name="Whole window").click()
    expect(page.get_by_text("is not inside the model's window")).to_have_count(0)


def test_two_haplotypes_are_compared_without_a_trace_in_the_url(address: str, study: Path, page: Page) -> None:
    index = gx.load(study).haplotypes("net", "ENSG00000000000.1").index
    one, other = next((a, b) for a in index.index for b in index.index if a != b and index.loc[a, 1] != index.loc[b, 1])
    visit(page, f"{address}/Locus?gene=GENE0")
    for label, who in (("Sequence", one), ("Second sequence", other)):
        box = page.get_by_role("combobox", name=label, exact=True)
        box.click()
        box.press_sequentially(who)
        page.get_by_role("option", name=re.compile(who)).click()
        until_idle(page)
    page.wait_for_function(DRAWN, arg="second person", timeout=120_000)
    assert one not in page.url and other not in page.url
    page.get_by_role("link", name="Overview").click()
    expect(page.locator(".js-plotly-plot").first).to_be_visible()
    assert one not in page.url
    page.get_by_role("link", name="Locus").click()
    page.wait_for_function(DRAWN, arg="second person", timeout=120_000)  # kept in the session


def test_work_is_cancelled_and_when_run_again_survives_leaving(page: Page, tmp_path: Path, slow_packages: str) -> None:
    toml = cohorts.make_study(tmp_path, people=6, models=slow_family.write_model(tmp_path))
    gx.load(toml).gene("GENE0").effects("net")
    gx.load(toml).predict("net")
    held = tmp_path / slow_family.HELD
    held.write_text("1")  # no machine is so fast that the work is done before it is cancelled
    with running("app.py", "--study", str(toml), environment={"PYTHONPATH": slow_packages}) as server:
        page.goto(f"{server.address}/Locus?gene=GENE0")
        page.get_by_role("button", name="Compute it").first.click(timeout=120_000)
        job = page.get_by_text(re.compile("Mutagenesis of GENE0 with net: "))
        line = page.locator("[class*='st-key-job']").filter(has=job)  # other work of the page has its own Cancel
        cancel = line.get_by_role("button", name="Cancel", exact=True)
        cancel.click()
        gone = page.get_by_text("Mutagenesis of GENE0 with net was cancelled")
        expect(gone).to_be_visible()
        page.wait_for_function(DRAWN, arg="Variants", timeout=120_000)  # what is there is shown
        page.get_by_role("button", name="Run again").first.click()  # and is not stopped for taking long
        expect(cancel).to_be_visible()
        expect(gone).to_have_count(0)
        page.get_by_role("link", name="Data").click()
        expect(page.get_by_text("Checks", exact=True)).to_be_visible()
        held.unlink()
        study = gx.load(toml)
        on = target(study, "net", study.locus("ENSG00000000000.1"))
        end = time.monotonic() + 300
        while stored_mutagenesis(on, (on.background.window.start, on.background.window.end)) is None:
            assert time.monotonic() < end, "the job was lost"
            time.sleep(0.3)


def test_files_are_downloaded(address: str, page: Page) -> None:
    visit(page, f"{address}/Locus?gene=GENE0&region=1:4801-5000")
    page.get_by_role("button", name="Export").click()
    begins = {"Logo SVG": b"<?xml", "Logo PDF": b"%PDF", "bedGraph": b"track type=bedGraph"}
    for label, begin in begins.items():
        with page.expect_download() as saved:
            page.get_by_role("button", name=label).click()
        assert saved.value.path().read_bytes().startswith(begin), label
        assert saved.value.suggested_filename.startswith("GENE0-net-ism")
