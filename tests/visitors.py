"""Several readers at once, each in a browser session of its own, each with a gene of its own."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from playwright.async_api import Browser, Error, Page, Request, async_playwright, expect

FLAGS = ["--no-sandbox", "--enable-unsafe-swiftshader"]
STEPS = ("Overview", "Gene", "Locus", "Mismatches")
_IDLE = "document.querySelector('[data-testid=stApp]')?.dataset.testScriptState === 'notRunning'"
_GENES_DRAWN = """() => [...document.querySelectorAll('.js-plotly-plot')].filter(p => p.offsetParent)
    .map(p => p.layout?.meta?.gene).filter(name => name)"""
_SELECTED = re.compile(r"^\D*\d+ .*selected")


@dataclass
class Visit:
    """What a reader saw that another should have seen, or nobody; empty if all was right.

    Attributes
    ----------
    gene, name : str
        The reader's gene.
    wrong : list of str
    seconds : dict
        Step -> time from the click until the page was whole.
    """

    gene: str
    name: str
    wrong: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)


async def _walk(page: Page, address: str, visit: Visit, *, select: bool, patience: float) -> None:
    """Go from page to page by the links; select people on the Gene page if told to."""
    clock = asyncio.get_running_loop().time
    for step in STEPS:
        begin = clock()
        if step == STEPS[0]:
            await page.goto(f"{address}/{step}?gene={visit.name}", timeout=patience)
        else:
            await page.get_by_role("link", name=step, exact=True).click(timeout=patience)
        await page.wait_for_url(re.compile(f"/{step}\\?"), timeout=patience)
        await expect(page).to_have_title(f"{step} · gexviz", timeout=patience)  # the page's run has begun
        await expect(page.locator(".js-plotly-plot").first).to_be_visible(timeout=patience)
        if step in ("Gene", "Locus"):
            await expect(page.locator("h2").first).to_have_text(visit.name, timeout=patience)
        await page.wait_for_function(_IDLE, timeout=patience)
        visit.seconds[step] = clock() - begin
        await _look(page, step, visit)
        if step == "Gene":
            chosen = page.get_by_role("button", name=_SELECTED)
            if await chosen.count():
                visit.wrong.append("people are selected whom nobody selected here")
            if select:
                await _select(page, patience)
                await expect(chosen).to_be_visible(timeout=patience)


async def _select(page: Page, patience: float) -> None:
    """Draw a box in the first figure."""
    await page.locator(".js-plotly-plot .nsewdrag").first.scroll_into_view_if_needed(timeout=patience)
    area = await page.locator(".js-plotly-plot .nsewdrag").first.bounding_box()
    assert area
    await page.mouse.move(area["x"] + 4, area["y"] + 4)
    await page.mouse.down()
    await page.mouse.move(area["x"] + area["width"] - 4, area["y"] + area["height"] - 4, steps=4)
    await page.mouse.up()


async def _look(page: Page, step: str, visit: Visit) -> None:
    """Compare what the page says with whose it is."""
    shown = parse_qs(urlsplit(page.url).query).get("gene")
    if shown not in ([visit.gene], [visit.name]):
        visit.wrong.append(f"{step}: the URL has {shown}")
    box = await page.get_by_role("combobox", name="Gene", exact=True).input_value()
    if not re.search(rf"\b{re.escape(visit.name)}\b", box):
        visit.wrong.append(f"{step}: the gene box has {box!r}")
    if other := set(await page.evaluate(_GENES_DRAWN)) - {visit.name, visit.gene}:
        visit.wrong.append(f"{step}: figures are of {sorted(other)}")
    for alert in await page.locator("[data-testid=stAlert], [data-testid=stException]").all():
        if "wrong" in (text := await alert.inner_text()).lower() or "error" in text.lower():
            visit.wrong.append(f"{step}: {text[:200]}")


async def _visit(browser: Browser, address: str, visit: Visit, *, select: bool, patience: float) -> Visit:
    context = await browser.new_context(viewport={"width": 1280, "height": 900})
    page = await context.new_page()
    here = urlsplit(address).hostname

    def note(request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.hostname != here:
            visit.wrong.append(f"asked {parts.hostname}")

    page.on("request", note)
    page.on("pageerror", lambda error: visit.wrong.append(f"in the browser: {error}"))
    try:
        await _walk(page, address, visit, select=select, patience=patience)
    except (Error, AssertionError) as error:
        visit.wrong.append(f"after {' '.join(visit.seconds) or 'nothing'}: {str(error).splitlines()[0]}")
    finally:
        await context.close()
    return visit


async def _visit_all(address: str, genes: Sequence[tuple[str, str]], patience: float) -> list[Visit]:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
    async with async_playwright() as running:
        browser = await running.chromium.launch(executable_path=found, args=FLAGS)
        visits = [
            _visit(browser, address, Visit(*gene), select=number % 2 == 1, patience=patience)
            for number, gene in enumerate(genes)
        ]
        return list(await asyncio.gather(*visits))


def visit_all(address: str, genes: Sequence[tuple[str, str]], *, patience: float = 120) -> list[Visit]:
    """Have as many readers as genes walk through the app at once; every second one selects people.

    Parameters
    ----------
    address : str
    genes : sequence of (str, str)
        Id and name.
    patience : float
        Seconds that a step may take.
    """
    return asyncio.run(_visit_all(address, genes, patience * 1_000))
