"""Nobody sees a page without logging in, where the server asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from app_studies import app_study
from login_provider import CLIENT, Provider, provide
from playwright.sync_api import Browser, Page, expect
from served import free_port, received, running, visiting

from gexviz.ui.login import may_enter

PAGES = ["", "Data", "Overview", "Gene?gene=GENE0", "Locus", "Mismatches", "Session", "Models"]
HIDDEN = [b"SIMULATED", b"GENE0", b"P000", b"Small"]


@pytest.mark.parametrize(
    ("people", "email", "verified", "enters"),
    [(None, "x@y.org", None, True), (["ana@lab.org"], "ana@lab.org", True, True),
     (["ana@lab.org"], " Ana@Lab.org", None, True), (["@lab.org"], "bo@lab.org", True, True),
     ("@lab.org", "bo@lab.org", True, True), ([], "ana@lab.org", True, False),
     (["@lab.org"], "bo@lab.org", False, False),
     (["ana@lab.org"], "bo@lab.org", True, False), (["@lab.org"], "x@evil-lab.org", True, False),
     (["@lab.org"], "x@lab.org.evil", True, False), (["@lab.org"], "@lab.org", True, False),
     (["@lab.org"], "", True, False), ([""], "", True, False), (["@lab.org"], None, True, False)],
)  # fmt: skip
def test_only_people_of_the_list_enter(people, email, verified, enters) -> None:
    user = {"email": email} | ({} if verified is None else {"email_verified": verified})
    assert may_enter(user, people) == enters


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return app_study(tmp_path_factory.mktemp("served"), people=20)


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with provide() as started:
        yield started


@pytest.fixture(scope="module")
def address(study: Path, provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with lab_server(study, provider, tmp_path_factory.mktemp("secrets")) as started:
        yield started


@contextmanager
def lab_server(study: Path, provider: Provider, folder: Path, path: str = "") -> Iterator[str]:
    """A server that lets in people of lab.org; its address."""
    port = free_port()
    secrets = folder / "secrets.toml"
    secrets.write_text(
        f'[auth]\nredirect_uri = "http://127.0.0.1:{port}{path}/oauth2callback"\ncookie_secret = "{"s" * 40}"\n'
        f'client_id = "{CLIENT}"\nclient_secret = "none"\n'
        f'server_metadata_url = "{provider.address}/.well-known/openid-configuration"\n'
        '[gexviz]\npeople = ["@lab.org"]\n'
    )
    options = [f"--secrets.files={secrets}", f"--server.baseUrlPath={path}"]
    with running("app.py", "--study", str(study), "--require-login", options=options, port=port) as server:
        yield server.address


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with visiting(browser) as page:
        yield page


@pytest.mark.browser
def test_without_a_login_no_page_tells_anything(address: str, page: Page) -> None:
    for name in PAGES:
        parts = received(page)
        page.goto(f"{address}/{name}")
        expect(page.get_by_role("button", name="Log in")).to_be_visible(timeout=120_000)
        page.wait_for_timeout(500)
        sent = b"".join(parts)
        assert b"Log in" in sent, name
        assert not [word for word in HIDDEN if word in sent], name


def goes_in_and_out(page: Page, address: str) -> None:
    page.goto(f"{address}/Overview")
    page.get_by_role("button", name="Log in").click(timeout=120_000)
    expect(page.get_by_text("SIMULATED DATA")).to_be_visible(timeout=120_000)
    page.goto(f"{address}/Gene?gene=GENE2")
    expect(page.get_by_role("heading", name="GENE2", exact=True)).to_be_visible(timeout=120_000)
    assert "ana@lab.org" not in page.url
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("button", name="Log in")).to_be_visible(timeout=120_000)


@pytest.mark.browser
def test_a_person_of_the_lab_logs_in_and_out(address: str, provider: Provider, page: Page) -> None:
    provider.person = {"email": "ana@lab.org", "email_verified": True}
    goes_in_and_out(page, address)


@pytest.mark.browser
def test_the_login_works_under_a_path(study: Path, provider: Provider, page: Page, tmp_path: Path) -> None:
    provider.person = {"email": "ana@lab.org"}
    with lab_server(study, provider, tmp_path, "/tools/gexviz") as address:
        goes_in_and_out(page, address)


@pytest.mark.browser
@pytest.mark.parametrize("person", [{"email": "e@else.org"}, {"email": "e@lab.org", "email_verified": False}, {}])
def test_somebody_else_logs_in_in_vain(address: str, provider: Provider, page: Page, person: dict) -> None:
    provider.person = person
    parts = received(page)
    page.goto(f"{address}/Overview")
    page.get_by_role("button", name="Log in").click(timeout=120_000)
    expect(page.get_by_text("not one of the people whom this server is for")).to_be_visible(timeout=120_000)
    assert not [word for word in HIDDEN if word in b"".join(parts)]
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("button", name="Log in")).to_be_visible(timeout=120_000)


@pytest.mark.browser
@pytest.mark.parametrize("secrets", [None, '[other]\na = "b"\n', "[auth\n"])
def test_without_settings_that_can_be_read_nobody_enters(
    study: Path, page: Page, tmp_path: Path, secrets: str | None
) -> None:
    path = tmp_path / "secrets.toml"
    if secrets is not None:
        path.write_text(secrets)
    parts = received(page)
    arguments = ["--study", str(study)] + ([] if secrets == "[auth\n" else ["--require-login"])
    with running("app.py", *arguments, options=[f"--secrets.files={path}"]) as server:
        page.goto(f"{server.address}/Data")
        expect(page.get_by_text("nobody is let in")).to_be_visible(timeout=120_000)
    assert not [word for word in HIDDEN if word in b"".join(parts)]
