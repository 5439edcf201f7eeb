"""The Mismatches page in a real browser."""

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from served import ROW_HEIGHT, SOON, repeat, serve, until_idle, visiting
from test_app_mismatches import compared_study

import gexviz as gx
from gexviz.mismatching import Mismatches

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def toml(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compared_study(tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="module")
def found(toml: Path) -> Mismatches:
    return gx.load(toml).mismatches("net", "enet")


@pytest.fixture(scope="module")
def address(toml: Path) -> Iterator[str]:
    with serve("--study", str(toml)) as running:
        yield running


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """A fresh visitor of a cold deep link, of whom no request may leave this machine."""
    with visiting(browser) as page:
        page.goto(f"{address}/Mismatches?linear=enet")
        expect(page.locator(".js-plotly-plot").first).to_be_visible(timeout=120_000)
        expect(page.get_by_role("heading", name="Candidates to test")).to_be_visible(timeout=120_000)
        until_idle(page)
        yield page


def test_a_click_on_a_point_opens_its_evidence(page: Page, found: Mismatches) -> None:
    drawn = found.variants.dropna(subset=["deep_effect", "slope"])
    shown = page.locator("[class*=st-key-quadrants] .js-plotly-plot")
    expect(shown).to_be_visible()
    where = """(plot, wanted) => {
        const {xaxis, yaxis} = plot._fullLayout, points = [], corner = plot.getBoundingClientRect();
        plot.calcdata.forEach(drawn => drawn[0].trace.customdata && drawn.forEach(p => points.push({
            id: drawn[0].trace.customdata[p.i][0],
            x: xaxis.l2p(p.x) + xaxis._offset, y: yaxis.l2p(p.y) + yaxis._offset,
        })));
        const far = p => Math.min(...points.filter(q => q !== p).map(q => Math.hypot(p.x - q.x, p.y - q.y)));
        const first = (plot.data.find(t => t.selectedpoints && t.selectedpoints.length) || {});
        const marked = first.customdata ? first.customdata[first.selectedpoints[0]][0] : null;
        const best = wanted ? points.find(p => p.id === wanted)
            : points.filter(p => p.id !== marked).sort((a, b) => far(b) - far(a))[0];
        return {id: best.id, x: corner.x + best.x, y: corner.y + best.y};
    }"""
    point = shown.evaluate(where)["id"]
    gene, variant = point.split(" ")

    def click() -> None:
        place = shown.evaluate(where, point)
        page.mouse.click(place["x"], place["y"])

    told = re.compile(f"{re.escape(gene)}.*{re.escape(variant).replace(':', '(:|%3A)')}")
    repeat(click, until=lambda: page.wait_for_url(told, timeout=SOON))
    until_idle(page)
    row = drawn[(drawn["gene"] == gene) & (drawn["variant"] == variant)].iloc[0]
    expect(page.get_by_text(row["sentence"])).to_be_visible(timeout=120_000)
    expect(page.get_by_text(found.genes.at[gene, "sentence"])).to_be_visible()


def test_a_click_on_a_row_opens_its_evidence_and_leads_to_the_locus_page(page: Page, found: Mismatches) -> None:
    table = page.locator("[class*=st-key-mismatches_table]")

    def click() -> None:
        table.scroll_into_view_if_needed()
        box = table.bounding_box()
        assert box
        page.mouse.click(box["x"] + 300, box["y"] + 38 + ROW_HEIGHT * 2.5)  # the third row

    repeat(click, until=lambda: page.wait_for_url(re.compile("variant="), timeout=SOON))
    until_idle(page)
    page.get_by_role("link", name="On the Locus page").click()
    page.wait_for_url(re.compile("/Locus"))
    expect(page.locator(".js-plotly-plot").first).to_be_visible(timeout=120_000)


def test_candidates_are_downloaded(page: Page, found: Mismatches) -> None:
    with page.expect_download() as waiting:
        page.get_by_role("button", name="CSV", exact=True).click()
    text = Path(waiting.value.path()).read_text()
    rows = list(csv.DictReader(io.StringIO(text)))
    chosen = found.variants[found.variants["significant"] & found.variants["class"].isin(["opposite", "concordant"])]
    assert {(r["gene"], r["variant"]) for r in rows} == set(zip(chosen["gene"], chosen["variant"], strict=True))
    assert rows
