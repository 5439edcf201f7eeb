"""The session in a real browser, from a real server."""

import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from app_sessions import small_session, written
from app_studies import app_study
from playwright.sync_api import Browser, Page, expect
from served import running, serve, until_idle, visiting
from test_app_locus import net_study

import gexviz as gx
from gexviz.session.contents import Anchor, Note
from gexviz.session.draft import Draft
from gexviz.session.notes import dump_notes
from gexviz.ui.links import KEYS

pytestmark = pytest.mark.browser
GENE = "ENSG00000000000.1"
VIEWPORT = {"width": 1400, "height": 1600}


def predicted(toml: Path) -> Path:
    study = gx.load(toml)
    for model in study.model_names:
        study.compute(model)
    return toml


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return predicted(app_study(tmp_path))


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with visiting(browser, viewport=VIEWPORT, permissions=["clipboard-read", "clipboard-write"]) as page:
        yield page


def visit(page: Page, url: str) -> None:
    page.goto(url)
    expect(page.locator(".js-plotly-plot").first).to_be_visible(timeout=120_000)
    until_idle(page)


def session_page(page: Page, address: str) -> None:
    page.goto(f"{address}/Session")
    expect(page.get_by_role("heading", name="Session", exact=True)).to_be_visible(timeout=120_000)
    until_idle(page)


def keep(page: Page, title: str, text: str = "") -> None:
    page.get_by_role("button", name="Keep this view").click()
    page.get_by_role("textbox", name="Title").fill(title)
    page.get_by_role("textbox", name="Why it matters").fill(text)
    page.get_by_role("button", name="Keep", exact=True).click()
    expect(page.get_by_text(re.compile("Kept as view"))).to_be_visible()


def kept(page: Page) -> list[str]:
    return page.get_by_role("link", name=re.compile(r"^\D*\d+\. ")).all_inner_texts()


def until_kept(study: Path, words: str) -> None:
    """Wait until the draft has these words as its question or findings."""
    draft = Draft(gx.load(study).results.folder)
    end = time.monotonic() + 90
    while words not in (draft.state().question, draft.state().findings):
        assert time.monotonic() < end, "it was not kept"
        time.sleep(0.2)


def test_what_is_kept_survives_a_reload_a_crash_and_another_window(study: Path, page: Page) -> None:
    with running("app.py", "--study", str(study)) as server:
        other = page.context.new_page()
        visit(page, f"{server.address}/Gene?gene=GENE0")
        visit(other, f"{server.address}/Gene?gene=GENE3")
        keep(page, "First", "<b>Why</b>")
        keep(other, "Second")
        for tab in (page, other):
            session_page(tab, server.address)
        findings = page.get_by_role("textbox", name="Findings")
        findings.fill("It is the promoter.")
        findings.blur()
        until_kept(study, "It is the promoter.")
        question = other.get_by_role("textbox", name="Question")
        question.fill("Which variant?")
        question.blur()
        until_kept(study, "Which variant?")
        page.reload()
        expect(page.get_by_role("textbox", name="Findings")).to_have_value("It is the promoter.")
        os.kill(server.pid, signal.SIGKILL)
    with serve("--study", str(study)) as again:
        session_page(page, again)
        expect(page.get_by_role("textbox", name="Findings")).to_have_value("It is the promoter.")
        expect(page.get_by_role("textbox", name="Question")).to_have_value("Which variant?")
        assert [re.sub(r"\s+", " ", line).split(". ")[-1] for line in kept(page)] == ["First", "Second"]
        page.get_by_role("link", name="First").click()
        expect(page.get_by_role("heading", name="GENE0", exact=True)).to_be_visible()
        expect(page.get_by_text("<b>Why</b>")).to_be_visible()


def test_two_windows_that_change_one_text_are_both_heard(study: Path, page: Page) -> None:
    with serve("--study", str(study)) as address:
        other = page.context.new_page()
        for tab in (page, other):
            session_page(tab, address)
        for tab, words in ((page, "mine"), (other, "theirs")):
            box = tab.get_by_role("textbox", name="Findings")
            box.fill(words)
            box.blur()
            if tab is page:
                until_kept(study, words)
        expect(other.get_by_text("Another window changed this text")).to_be_visible()
        other.get_by_role("button", name="Keep both").click()
        expect(other.get_by_role("textbox", name="Findings")).to_have_value("mine\ntheirs")
        page.reload()
        expect(page.get_by_role("textbox", name="Findings")).to_have_value("mine\ntheirs")


def copied(page: Page) -> dict[str, list[str]]:
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    address = urlsplit(page.evaluate("navigator.clipboard.readText()"))
    assert address.path == urlsplit(page.url).path
    return parse_qs(address.query)


def test_a_copied_link_names_nobody_and_no_path_on_any_page(tmp_path: Path, page: Page) -> None:
    toml = predicted(net_study(tmp_path))
    people = list(gx.load(toml).samples.index)
    junk = f"region=/data/{people[0]}.bed&variant={people[1]}&person={people[2]}&view={'a' * 32}"
    with serve("--study", str(toml)) as address:
        visit(page, f"{address}/Locus?gene=GENE0&model=net")
        page.get_by_role("combobox", name="Sequence", exact=True).click()
        page.get_by_role("option", name=people[3]).first.click()
        expect(page.get_by_text("Copy", exact=True).first).to_be_visible()
        until_idle(page)
        page.get_by_role("textbox", name=re.compile("^Region")).fill(people[4])
        page.get_by_role("textbox", name=re.compile("^Region")).press("Enter")
        page.wait_for_timeout(500)
        until_idle(page)
        found = [copied(page)]
        for name in ("Data", "Overview", "Gene", "Locus", "Mismatches"):
            page.goto(f"{address}/{name}?gene=GENE0&model=net&{junk}")
            expect(page.get_by_role("button", name="Copy link")).to_be_visible(timeout=120_000)
            until_idle(page)
            found.append(copied(page))
    for link in found:
        assert set(link) <= set(KEYS) and link["gene"] == [GENE] and link["model"] == ["net"]
        assert "region" not in link and "variant" not in link
        assert not any(person in str(link) for person in people)


def test_a_file_is_opened_and_returned_notes_stand_beside_their_gene(study: Path, page: Page, tmp_path: Path) -> None:
    file = written(small_session(study), tmp_path)
    said = Note(author="Bo", anchor=Anchor(gene=GENE), text="<img src=x onerror=alert(1)> We can test it.")
    returned = tmp_path / "notes.jsonl"
    returned.write_bytes(dump_notes([said]))
    page.on("dialog", lambda dialog: pytest.fail(f"something ran: {dialog.message}"))
    with serve("--study", str(study)) as address:
        session_page(page, address)
        page.get_by_role("tab", name="Open a file").click()
        page.locator("input[type=file]").last.set_input_files(file)
        expect(page.get_by_text("as they are now")).to_be_visible(timeout=120_000)
        expect(page.locator(".js-plotly-plot:visible").first).to_be_visible(timeout=120_000)
        page.get_by_role("tab", name="Notes").click()
        page.locator("input[type=file]").first.set_input_files(returned)
        expect(page.get_by_text("notes.jsonl: 1 new, 0 known already")).to_be_visible()
        page.get_by_role("button", name="Merge these notes").click()
        expect(page.get_by_text(said.text)).to_be_visible()
        visit(page, f"{address}/Gene?gene=GENE0")
        expect(page.get_by_text(said.text)).to_be_visible()
        page.get_by_role("button", name="Write a reply").click()
        page.get_by_role("textbox", name="Your name").fill("Ana")
        page.get_by_role("textbox", name="Reply").fill("Thank you!")
        page.get_by_role("button", name="Add").click()
        expect(page.get_by_text("Thank you!")).to_be_visible()
    thread = Draft(gx.load(study).results.folder).notes()
    assert {n.text: n.reply_to for n in thread} == {said.text: None, "Thank you!": said.id}


def test_the_shared_file_and_report_are_downloaded(study: Path, page: Page) -> None:
    with serve("--study", str(study)) as address:
        visit(page, f"{address}/Gene?gene=GENE0")
        keep(page, "Shared")
        session_page(page, address)
        page.get_by_role("tab", name="Share").click()
        page.get_by_role("button", name="Make the file").click()
        expect(page.get_by_text("No table in it has a row for each person")).to_be_visible(timeout=120_000)
        for name, begins in (("Session file", b"PK"), ("Report", b"<!doctype html>")):
            with page.expect_download() as saved:
                page.get_by_role("button", name=re.compile(f"^.*{name} \\(")).click()
            assert saved.value.path().read_bytes()[:15].lower().startswith(begins.lower())
