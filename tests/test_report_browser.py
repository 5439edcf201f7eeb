"""The offline report in a real browser: a file in another folder, the network off."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Dialog, Page, expect
from sessions import GENE, demo_session, driver
from test_report import ATTACKS, hostile

from gexviz.exporting.candidates import candidates_csv
from gexviz.session.contents import Anchor, Session
from gexviz.session.notes import merge, parse_notes
from gexviz.session.report import write_report

pytestmark = pytest.mark.browser

ONE_STYLE = "Applying inline style violates"
"""Plotly's maps want styles of their own; the page's policy refuses them, and no figure is a map."""


REFUSED = "Content Security Policy"
LOLLIPOP = """(plot, variant) => {
    const point = [...plot.querySelectorAll('.point')].find(one => one.__data__?.data?.[0] === variant);
    const box = point.getBoundingClientRect();
    return [box.x + box.width / 2, box.y + box.height / 2]}"""


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Callable[..., Page]]:
    """Open a session's report; at the end no request has been made, and nothing unexpected was said."""
    said: list[str] = []
    contexts: list[BrowserContext] = []

    def opening(session: Session, *, attacked: bool = False, **settings: object) -> Page:
        write_report(session, tmp_path / "elsewhere.html")
        context = browser.new_context(offline=True, accept_downloads=True, **settings)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda r: said.append(r.url) if not r.url.startswith(("file:", "blob:", "data:")) else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        expected = REFUSED if attacked else ONE_STYLE
        page.on("console", lambda m: said.append(m.text) if m.type == "error" and expected not in m.text else None)
        page.goto((tmp_path / "elsewhere.html").as_uri())
        page.wait_for_selector("html[data-figures=drawn]", timeout=120_000)
        return page

    yield opening
    for context in contexts:
        context.close()
    assert said == []


def test_notes_are_written_saved_and_merged(opened: Callable[..., Page], tmp_path: Path) -> None:
    session = demo_session()
    page = opened(session)
    began = datetime.now(UTC) - timedelta(seconds=1)
    page.get_by_label("Your name").fill("Bo <b>from the bench</b>")
    locus = page.locator("#view-3")
    locus.get_by_label("Your note").fill("We can clone this.\nBy Friday: “yes” \N{DNA DOUBLE HELIX}")
    locus.get_by_label("About").select_option(label=f"sim1:318,219-320,218 at {GENE}")
    locus.get_by_role("button", name="Add note").click()
    expect(locus.locator(".note-text")).to_contain_text("We can clone this.")
    expect(page.locator("#notes-status")).to_contain_text("Not saved yet")
    first = page.locator("#view-2")
    first.get_by_role("button", name="Reply").first.click()
    first.get_by_label("Your note").fill("Which cells?")
    first.get_by_role("button", name="Add note").click()
    overview = page.locator("#view-1")
    overview.get_by_label("About which gene").fill("gene07")
    overview.get_by_label("Your note").fill("And this gene?")
    overview.get_by_role("button", name="Add note").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save notes (3)").click()
    assert download.value.suggested_filename == "notes.jsonl"
    download.value.save_as(tmp_path / "notes.jsonl")
    notes = {note.text.split("\n")[0]: note for note in parse_notes((tmp_path / "notes.jsonl").read_bytes())}
    assert all(began <= note.time <= datetime.now(UTC) for note in notes.values())
    assert {note.author for note in notes.values()} == {"Bo <b>from the bench</b>"}
    view = session.state.views[2]
    assert notes["We can clone this."].anchor == Anchor(gene=GENE, region=view.region)
    assert notes["We can clone this."].text.endswith("\N{DNA DOUBLE HELIX}")
    assert notes["Which cells?"].reply_to == session.notes[0].id
    assert notes["Which cells?"].anchor == session.notes[0].anchor
    assert notes["And this gene?"].anchor == Anchor(gene="GENE07")
    assert merge(session.notes, notes.values()).added == 3
    expect(page.locator("#notes-status")).to_contain_text("Send that file back")


def test_an_unknown_gene_is_refused_and_leaving_is_warned_of(opened: Callable[..., Page]) -> None:
    page = opened(demo_session())
    overview = page.locator("#view-1")
    overview.get_by_label("About which gene").fill("GENE99")
    overview.get_by_label("Your note").fill("This one?")
    overview.get_by_role("button", name="Add note").click()
    assert overview.locator(".note").count() == 0
    _asked_to_leave(page).dismiss()
    # what was written is still there; to close the page before it says so is a crash of some Chromiums
    expect(overview.get_by_label("Your note")).to_have_value("This one?")
    with page.expect_event("close"):
        _asked_to_leave(page).accept()


def _asked_to_leave(page: Page) -> Dialog:
    with page.expect_event("dialog") as asked:
        page.close(run_before_unload=True)
    assert asked.value.type == "beforeunload"
    return asked.value


def test_tables_sort_filter_copy_and_download(opened: Callable[..., Page], tmp_path: Path) -> None:
    session = demo_session()
    page = opened(session, permissions=["clipboard-read", "clipboard-write"])
    part = page.locator("#view-4 > .shown > section").filter(has=page.get_by_role("heading", name="Candidates to test"))
    rows = part.locator("tbody tr:visible")
    everything = session.tables["candidates"]
    opposite = int((everything["class"] == "opposite").sum())
    expect(rows).to_have_count(opposite)  # the view was kept with this filter
    part.get_by_label("Class").select_option("all")
    expect(rows).to_have_count(len(everything))
    heading = part.get_by_role("button", name="eQTL slope")
    heading.focus()
    page.keyboard.press("Enter")
    texts = part.locator("tbody tr td:nth-child(5)").all_inner_texts()
    slopes = [float(text.replace("\N{MINUS SIGN}", "-")) for text in texts]
    assert slopes == sorted(slopes) and min(slopes) < 0 < max(slopes)
    expect(part.locator("th[aria-sort=ascending]")).to_have_count(1)
    page.keyboard.press("Enter")
    assert part.locator("tbody tr td:nth-child(5)").first.inner_text() == texts[-1]
    part.get_by_label("Find").fill(GENE.lower())
    expect(rows).to_have_count(int((everything["gene"] == GENE).sum()))
    part.get_by_label("Find").fill("")
    oligo = part.locator("td.sequence code").first.inner_text()
    part.get_by_role("button", name="Copy oligo with REF").first.click()
    expect(part.get_by_role("button", name="Copy oligo with REF").first).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == oligo
    with page.expect_download() as download:
        part.get_by_role("button", name="Download as CSV").click()
    download.value.save_as(tmp_path / "candidates.csv")
    assert (tmp_path / "candidates.csv").read_bytes().decode() == candidates_csv(everything)


def test_the_locus_zooms_and_hovers(opened: Callable[..., Page]) -> None:
    page = opened(demo_session(), viewport={"width": 1400, "height": 1000})
    plot = page.locator("#plot-view-3-1")
    plot.scroll_into_view_if_needed()
    before = plot.evaluate("plot => plot.layout.xaxis.range")
    place = plot.locator(".nsewdrag").first.bounding_box()
    assert place is not None
    y = place["y"] + place["height"] / 2
    page.mouse.move(place["x"] + 0.3 * place["width"], y)
    page.mouse.down()
    page.mouse.move(place["x"] + 0.6 * place["width"], y, steps=5)
    page.mouse.up()
    zoomed = "was => document.querySelector('#plot-view-3-1').layout.xaxis.range[0] !== was"
    page.wait_for_function(zoomed, arg=before[0])
    after = plot.evaluate("plot => plot.layout.xaxis.range")
    share = (after[1] - after[0]) / (before[1] - before[0])
    assert share == pytest.approx(0.3, abs=0.02)
    letters = page.locator("#plot-view-3-2")
    letters.scroll_into_view_if_needed()
    x, y = letters.evaluate(LOLLIPOP, driver())
    page.mouse.move(x - 3, y)
    page.mouse.move(x, y)
    expect(letters.locator(".hoverlayer")).to_contain_text(f"{int(driver().split(':')[1]):,}")


def test_nothing_of_a_stranger_runs(opened: Callable[..., Page]) -> None:
    page = opened(hostile("".join(ATTACKS)), attacked=True)
    assert page.evaluate("window.pwned ?? null") is None
    assert page.locator("img, iframe, svg[onload], [onerror], [onmouseover], .plot a").count() == 0
    tried = page.evaluate(
        """async () => {
            const script = document.createElement('script');
            script.textContent = 'window.pwned = 2';
            document.body.append(script);
            const holder = document.createElement('div');
            holder.innerHTML = '<img src="x" onerror="window.pwned = 3">';
            document.body.append(holder);
            let sent = 'sent';
            try { await fetch('data:text/plain,x'); } catch { sent = 'blocked'; }
            await new Promise(resolve => setTimeout(resolve, 300));
            return [window.pwned ?? null, sent];
        }"""
    )
    assert tried == [None, "blocked"]


@pytest.mark.parametrize("width", [1400, 420])
def test_it_is_fit_for_everybody(opened: Callable[..., Page], width: int) -> None:
    page = opened(demo_session(), viewport={"width": width, "height": 900}, bypass_csp=True)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


def test_paper_has_all_figures_and_part_of_long_tables(opened: Callable[..., Page], tmp_path: Path) -> None:
    page = opened(demo_session())
    widths = "[...document.querySelectorAll('.plot')].map(plot => plot.layout.width)"
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert set(page.evaluate(widths)) == {790}
    verdicts = page.locator("#view-4 table.sorted").filter(has_text="verdict").first
    assert verdicts.locator("tbody tr:not(.unprinted):not([hidden])").count() <= 40
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    page.wait_for_function("() => document.querySelector('.plot').layout.width !== 790")
    page.emulate_media(media="print")
    expect(page.locator(".saving")).to_be_hidden()
    assert re.match(rb"%PDF", page.pdf(path=tmp_path / "report.pdf"))
