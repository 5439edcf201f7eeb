"""The server as it is shipped: where it listens, what it refuses, what it keeps to itself."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from app_studies import app_study
from playwright.sync_api import Browser, Page, expect
from served import ROOT, Server, received, running, until_idle, visiting

import gexviz as gx

pytestmark = pytest.mark.browser

SECRET = "HG00096-at-/home/ana/private"
FAILING = f"""
from gexviz.ui import frame
def body(view):
    raise RuntimeError("{SECRET}")
frame.show("Overview", body)
"""
BARE = f"raise RuntimeError('{SECRET}')"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    toml = app_study(tmp_path_factory.mktemp("served"), people=20)
    opened = gx.load(toml)
    for model in opened.model_names:
        opened.compute(model)
    return toml


@pytest.fixture(scope="module")
def server(study: Path) -> Iterator[Server]:
    with running("app.py", "--study", str(study)) as started:
        yield started


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with visiting(browser) as page:
        yield page


def upgrade(server: Server, *, host: str | None = None, origin: str | None = None) -> int:
    """Ask for a WebSocket as a browser does, with any Host and Origin; give the status of the answer."""
    place = urlsplit(server.address)
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=20)
    connection.putrequest("GET", "/_stcore/stream", skip_host=True)
    headers = {"Host": host or place.netloc, "Upgrade": "websocket", "Connection": "Upgrade",
               "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version": "13"}  # fmt: skip
    for name, value in (headers | ({"Origin": origin} if origin else {})).items():
        connection.putheader(name, value)
    connection.endheaders()
    status = connection.getresponse().status
    connection.close()
    return status


def listening(server: Server) -> set[str]:
    found = psutil.Process(server.pid).net_connections(kind="inet")
    return {c.laddr.ip for c in found if c.status == psutil.CONN_LISTEN}


def test_it_listens_on_this_machine_only(server: Server) -> None:
    assert listening(server) == {"127.0.0.1"}


def test_its_settings_hold_wherever_it_is_started(study: Path, tmp_path: Path) -> None:
    with running(ROOT / "app.py", "--study", str(study), folder=tmp_path) as elsewhere:
        assert listening(elsewhere) == {"127.0.0.1"}
        assert upgrade(elsewhere, host="evil.example") == 403


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [(None, None, 101), (None, "same", 101), ("localhost", "http://localhost", 101), (None, "http://evil.example", 403),
     ("evil.example", "http://evil.example", 403), ("127.0.0.1.evil.example", None, 403), (None, "null", 403)],
)  # fmt: skip
def test_pages_of_others_get_no_session(server: Server, host: str | None, origin: str | None, status: int) -> None:
    assert upgrade(server, host=host, origin=server.address if origin == "same" else origin) == status


def test_answers_are_not_for_pages_of_others(server: Server) -> None:
    for path in ("/_stcore/health", "/_stcore/host-config", "/", "/_stcore/upload_file/a/b"):
        method = "OPTIONS" if "upload" in path else "GET"
        asked = urllib.request.Request(server.address + path, headers={"Origin": "http://evil.example"}, method=method)
        with urllib.request.urlopen(asked, timeout=20) as answer:
            assert answer.headers.get("Access-Control-Allow-Origin") not in ("*", "http://evil.example")


def test_an_upload_needs_its_token(server: Server) -> None:
    place = urlsplit(server.address)
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=20)
    body = b'--x\r\nContent-Disposition: form-data; name="a"; filename="a"\r\n\r\na\r\n--x--\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    connection.request("PUT", "/_stcore/upload_file/session/file", body, headers)
    assert connection.getresponse().status == 403


@pytest.mark.parametrize(("code", "said"), [(FAILING, "this page can't be shown"), (BARE, "error")])
def test_an_unexpected_error_tells_the_browser_nothing(
    study: Path, tmp_path: Path, page: Page, code: str, said: str
) -> None:
    script = tmp_path / "failing.py"
    script.write_text(code)
    (tmp_path / "pages").symlink_to(ROOT / "pages")
    parts = received(page)
    log = tmp_path / "log"
    with running(script, "--study", str(study), log=log) as failing:
        page.goto(failing.address)
        expect(page.get_by_text(said).first).to_be_visible(timeout=120_000)
        until_idle(page)
        sent = b"".join(parts) + page.content().encode()
    assert any(said.encode() in part for part in parts), "what was sent was not looked at"
    for hidden in (SECRET, "RuntimeError", "Traceback", str(ROOT), "site-packages"):
        assert hidden.encode() not in sent, hidden
    if code == FAILING:
        assert SECRET not in log.read_text() and "RuntimeError" in log.read_text()


def test_the_server_itself_asks_nobody_elsewhere(study: Path, page: Page, tmp_path: Path) -> None:
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        proxy.settimeout(0.2)
        over = threading.Event()

        def listen() -> None:
            while not over.is_set():
                try:
                    caller, _ = proxy.accept()
                except TimeoutError:
                    continue
                caller.settimeout(1)
                asked.append(caller.recv(200))
                caller.close()

        thread = threading.Thread(target=listen)
        thread.start()
        through = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        names = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")
        environment = dict.fromkeys(names, through) | {"HOME": str(tmp_path), "no_proxy": "", "NO_PROXY": ""}
        with running("app.py", "--study", str(study), environment=environment) as watched:
            for name in ("Data", "Overview", "Gene"):
                page.goto(f"{watched.address}/{name}")
                expect(page.locator(".js-plotly-plot").first).to_be_visible(timeout=120_000)
                until_idle(page)
            assert upgrade(watched, origin="http://evil.example") == 403
        over.set()
        thread.join()
    assert asked == []


def test_a_study_outside_the_allowed_folders_is_not_shown(study: Path, page: Page, tmp_path: Path) -> None:
    parts = received(page)
    with running("app.py", "--study", str(study), "--allow-root", str(tmp_path)) as server:
        for name in ("Overview", "Data", "Locus"):
            page.goto(f"{server.address}/{name}")
            expect(page.get_by_text("not in a folder that may be read here")).to_be_visible(timeout=120_000)
    assert b"GENE0" not in b"".join(parts) and b"P000" not in b"".join(parts)


def test_it_works_under_a_path(study: Path, page: Page) -> None:
    with running("app.py", "--study", str(study), options=["--server.baseUrlPath=/tools/gexviz"]) as server:
        page.goto(f"{server.address}/Gene?gene=GENE2")
        expect(page.get_by_role("heading", name="GENE2", exact=True)).to_be_visible(timeout=120_000)
        page.get_by_role("link", name="Overview").click()
        expect(page.locator(".js-plotly-plot")).to_have_count(3, timeout=120_000)
        assert page.url.startswith(f"{server.address}/Overview?") and "gene=ENSG00000000002.1" in page.url


def test_what_is_shipped_is_what_streamlit_reads() -> None:
    wanted = {"server.maxUploadSize": 100, "server.maxMessageSize": 50, "browser.gatherUsageStats": False,
              "server.enableXsrfProtection": True, "server.enableCORS": True, "client.showErrorDetails": "none",
              "server.enableAgentApi": False, "server.enableStaticServing": False}  # fmt: skip
    code = f"import json; from streamlit import config; print(json.dumps([config.get_option(o) for o in {[*wanted]}]))"
    asked = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(asked.stdout) == list(wanted.values())
