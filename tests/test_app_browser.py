"""The app in a real browser, from a real server."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from app_studies import app_study
from playwright.sync_api import Browser, Locator, Page, expect
from served import SOON, click_row, repeat, serve, until_idle, visiting

import gexviz as gx

pytestmark = pytest.mark.browser
PAGES = ["Data", "Overview", "Gene"]
MARKED = """[...document.querySelectorAll('.js-plotly-plot')].map(
    plot => new Set(plot.data.flatMap(t => (t.customdata && t.selectedpoints || [])
        .map(i => t.customdata[i][0]))).size)"""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    toml = app_study(tmp_path_factory.mktemp("served"), people=60)
    opened = gx.load(toml)
    for model in opened.model_names:
        opened.compute(model)
    return toml


@pytest.fixture(scope="module")
def address(study: Path) -> Iterator[str]:
    with serve("--study", str(study)) as running:
        yield running


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with visiting(browser) as page:
        yield page


def visit(page: Page, url: str, charts: int) -> None:
    page.goto(url)
    expect(page.locator(".js-plotly-plot")).to_have_count(charts, timeout=120_000)
    until_idle(page)


def gene_box(page: Page) -> Locator:
    return page.get_by_role("combobox", name="Gene", exact=True)


def marked(page: Page) -> list[int]:
    """How many people each chart marks as selected."""
    return page.evaluate(MARKED)


def select_some(page: Page, chart: int) -> Locator:
    """Box the left upper half of a chart; the button that says how many people are selected."""
    clear = page.get_by_role("button", name=re.compile("selected"))

    def draw() -> None:
        area = page.locator(".js-plotly-plot").nth(chart).locator(".nsewdrag").first.bounding_box()
        assert area
        page.mouse.move(area["x"] + 4, area["y"] + 4)
        page.mouse.down()
        page.mouse.move(area["x"] + area["width"] / 2, area["y"] + area["height"] - 4, steps=6)
        page.mouse.up()

    repeat(draw, until=lambda: expect(clear).to_be_visible(timeout=SOON))
    return clear


@pytest.mark.parametrize("name", PAGES)
def test_a_deep_link_works_on_a_cold_server(study: Path, page: Page, name: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with serve("--study", str(study), log=log) as cold:
        visit(page, f"{cold}/{name}?gene=GENE2&model=linear", {"Data": 1, "Overview": 3, "Gene": 4}[name])
        expect(page.get_by_text("SIMULATED DATA")).to_be_visible()
        expect(page.get_by_role("combobox", name="Model")).to_have_value(re.compile("linear"))
        expect(gene_box(page)).to_have_value(re.compile("GENE2"))
    assert "P00" not in log.read_text()


def test_navigation_keeps_the_selection(address: str, page: Page) -> None:
    visit(page, f"{address}/Gene?gene=GENE2&model=linear", 4)
    page.get_by_role("link", name="Overview").click()
    expect(page.locator(".js-plotly-plot")).to_have_count(3, timeout=120_000)
    expect(page).to_have_url(re.compile("gene=ENSG00000000002.1.*model=linear"))
    page.get_by_role("link", name="Gene", exact=True).click()
    expect(page.get_by_role("heading", name="GENE2", exact=True)).to_be_visible()


def test_an_unknown_gene_has_links_that_work(address: str, page: Page) -> None:
    page.goto(f"{address}/Gene?gene=GENE9")
    expect(page.get_by_text("GENE9 is not a gene of this study")).to_be_visible()
    page.get_by_role("link", name="GENE1").click()
    expect(page.get_by_role("heading", name="GENE1", exact=True)).to_be_visible()
    expect(page.get_by_text("is not a gene of this study")).to_have_count(0)


def test_people_selected_in_one_chart_are_marked_in_all(address: str, page: Page) -> None:
    visit(page, f"{address}/Gene?gene=GENE0", 4)
    assert set(marked(page)) == {0}
    clear = select_some(page, 0)
    until_idle(page)
    number = int(re.search(r"\d+", clear.inner_text())[0])
    page.wait_for_function(f"() => {{const n = {MARKED}; return n.length === 4 && n.every(i => i === {number})}}")
    assert 0 < number < 60
    assert "P0" not in page.url and "select" not in page.url
    page.get_by_role("button", name="Next gene").click()
    expect(page.get_by_role("heading", name="GENE1", exact=True)).to_be_visible()
    page.wait_for_function(f"() => {{const n = {MARKED}; return n.length === 4 && n.every(i => i === {number})}}")
    clear.click()
    expect(clear).to_have_count(0)
    page.wait_for_function(f"() => {MARKED}.every(i => i === 0)")


def test_a_double_click_where_the_box_was_drawn_ends_the_selection(address: str, page: Page) -> None:
    visit(page, f"{address}/Gene?gene=GENE0", 4)
    clear = select_some(page, 1)
    until_idle(page)
    page.wait_for_timeout(300)

    def click_twice() -> None:
        area = page.locator(".js-plotly-plot").nth(1).locator(".nsewdrag").first.bounding_box()
        assert area
        page.mouse.dblclick(area["x"] + area["width"] - 20, area["y"] + area["height"] - 20)

    repeat(click_twice, until=lambda: expect(clear).to_have_count(0, timeout=SOON))
    page.wait_for_function(f"() => {MARKED}.every(i => i === 0)")


def test_a_click_on_a_point_opens_the_gene(address: str, page: Page) -> None:
    visit(page, f"{address}/Overview", 3)
    where = """() => {const plot = document.querySelector('.js-plotly-plot');
        const trace = plot.data.find(t => t.customdata?.length); const id = trace.customdata[0][0];
        const index = plot.data.indexOf(trace);
        const point = plot.querySelectorAll('.scatterlayer .trace')[index].querySelector('.point');
        const box = point.getBoundingClientRect();
        return {id, x: box.x + box.width / 2, y: box.y + box.height / 2}}"""
    gene = page.evaluate(where)["id"]

    def click() -> None:
        place = page.evaluate(where)
        page.mouse.move(place["x"], place["y"])
        page.mouse.click(place["x"], place["y"])

    opened = re.compile(f"/Gene\\?.*gene={re.escape(gene)}")
    repeat(click, until=lambda: expect(page).to_have_url(opened, timeout=SOON))
    expect(page.locator("h2")).to_have_text(f"GENE{int(gene[4:15])}")


def test_a_click_on_a_row_opens_the_gene(address: str, page: Page) -> None:
    visit(page, f"{address}/Overview", 3)
    opened = re.compile("/Gene\\?.*gene=ENSG")
    repeat(lambda: click_row(page, 1), until=lambda: expect(page).to_have_url(opened, timeout=SOON))
    expect(page.locator("h2")).to_have_text(re.compile("GENE"))


def test_the_gene_box_searches_as_one_types(address: str, page: Page) -> None:
    visit(page, f"{address}/Overview", 3)
    box = gene_box(page)
    box.click()
    expect(page.get_by_role("option")).to_have_count(6)
    box.press_sequentially("ne3")
    expect(page.get_by_role("option")).to_have_count(1)
    box.press("Enter")
    expect(page.get_by_role("heading", name="GENE3", exact=True)).to_be_visible()
    expect(page).to_have_url(re.compile("gene=ENSG00000000003.1"))
    expect(box).to_have_value(re.compile("GENE3"))


def test_the_gene_box_works_by_keys_and_takes_what_is_typed_in_haste(address: str, page: Page) -> None:
    visit(page, f"{address}/Gene?gene=GENE0&variant=1:1:A:C", 3)
    box = gene_box(page)
    box.click()
    box.press_sequentially("gene")
    expect(page.get_by_role("option")).to_have_count(6)
    box.press("ArrowDown")
    box.press("ArrowDown")
    expect(page.get_by_role("option", selected=True)).to_have_text(re.compile("GENE2"))
    box.press("Enter")
    expect(page.get_by_role("heading", name="GENE2", exact=True)).to_be_visible()
    expect(page).not_to_have_url(re.compile("variant"))
    box.click()
    box.fill("ENSG00000000004")
    box.press("Enter")  # before the server has answered
    expect(page.get_by_role("heading", name="GENE4", exact=True)).to_be_visible()
    box.click()
    page.get_by_role("option", name=re.compile("GENE1")).click()
    expect(page.get_by_role("heading", name="GENE1", exact=True)).to_be_visible()
    box.click()
    box.fill("<b>GENE</b>")
    expect(page.get_by_text("No gene like this")).to_be_visible()
    box.press("Escape")
    expect(box).to_have_value(re.compile("GENE1"))
    box.click()
    box.fill("GENE17")
    box.press("Enter")
    expect(page.get_by_text("GENE17 is not a gene of this study")).to_be_visible()


def test_the_table_downloads_as_csv(address: str, page: Page) -> None:
    visit(page, f"{address}/Overview", 3)
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download CSV").click()
    lines = saved.value.path().read_text().splitlines()
    assert lines[0].replace('"', "").startswith("gene,name,contig,mean_expression,deep r,deep low,deep high,deep q")
    assert len(lines) == 7


def test_two_visitors_see_their_own_genes(address: str, browser: Browser, page: Page) -> None:
    other = browser.new_context(viewport={"width": 1440, "height": 1600})
    second = other.new_page()
    visit(page, f"{address}/Gene?gene=GENE0", 4)
    visit(second, f"{address}/Gene?gene=GENE4", 4)
    select_some(page, 0)
    expect(page.get_by_role("heading", name="GENE0", exact=True)).to_be_visible()
    second.get_by_role("button", name="Previous gene").click()
    expect(second.get_by_role("heading", name="GENE3", exact=True)).to_be_visible()
    expect(second.get_by_role("button", name=re.compile("selected"))).to_have_count(0)
    other.close()


def test_a_job_survives_a_change_of_page(tmp_path: Path, page: Page) -> None:
    toml = app_study(tmp_path, simulated=False)
    with serve("--study", str(toml)) as running:
        page.goto(f"{running}/Overview")
        page.get_by_role("button", name="Predict 6 genes now").first.click()
        page.get_by_role("link", name="Data").click()
        expect(page.get_by_text("Checks", exact=True)).to_be_visible()
        end = time.monotonic() + 180
        while (gx.load(toml).status("deep")["state"] == "missing").any():
            assert time.monotonic() < end, "the job was lost"
            time.sleep(0.2)


def test_the_demo_s_first_page_is_its_overview(page: Page, tmp_path: Path) -> None:
    with serve("--results", str(tmp_path)) as running:
        page.goto(running)
        expect(page.get_by_text("SIMULATED DATA")).to_be_visible(timeout=120_000)
        expect(page.locator(".js-plotly-plot")).to_have_count(3, timeout=120_000)
