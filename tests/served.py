"""The app as people run it: a real server in its own process."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Error, Page, Request

ROOT = Path(__file__).resolve().parents[1]
SOON = 20_000
"""Milliseconds in which a page answers, even on a busy machine."""

ROW_HEIGHT = 35
"""Pixels of a table's row, and of its heading."""

_HERE = {"127.0.0.1", "localhost", "", None}


class Server(NamedTuple):
    """A running server.

    Attributes
    ----------
    address : str
        Where a browser finds it.
    pid : int
        Of its process.
    """

    address: str
    pid: int


@contextmanager
def serve(*arguments: str, log: Path | None = None) -> Iterator[str]:
    """Start the app on a free port, and give its address; stop it at the end.

    Parameters
    ----------
    *arguments : str
        For the app: ``--study``, a path, ``--results``, a folder.
    log : Path, optional
        File for what the server prints.
    """
    with running("app.py", *arguments, log=log) as server:
        yield server.address


@contextmanager
def running(
    script: str | Path,
    *arguments: str,
    options: Sequence[str] = (),
    log: Path | None = None,
    environment: Mapping[str, str] | None = None,
    folder: Path = ROOT,
    port: int | None = None,
) -> Iterator[Server]:
    """Start any script as the app is started; stop it at the end.

    Parameters
    ----------
    script : path
        ``app.py``, or another that uses its settings.
    *arguments : str
        For the script.
    options : sequence of str
        For Streamlit.
    log : Path, optional
        File for what the server prints.
    environment : mapping, optional
        Added to this process's.
    folder : Path
        Where it is started.
    port : int, optional
        Any free one if not given.
    """
    port = port or free_port()
    command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.port", str(port),
               "--server.headless", "true", *options, "--", *arguments]  # fmt: skip
    path = next((word.split("=", 1)[1].strip("/") for word in options if word.startswith("--server.baseUrlPath=")), "")
    with Path(log or os.devnull).open("ab") as out:
        server = subprocess.Popen(
            command, cwd=folder, stdout=out, stderr=subprocess.STDOUT, env=os.environ | dict(environment or {})
        )
        try:
            address = f"http://127.0.0.1:{port}/{path}".rstrip("/")
            _until_healthy(server, address)
            yield Server(address, server.pid)
        finally:
            server.terminate()
            server.wait(timeout=90)


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _until_healthy(server: subprocess.Popen, address: str) -> None:
    end = time.monotonic() + 180
    while time.monotonic() < end:
        if server.poll() is not None:
            raise RuntimeError(f"the server stopped with {server.returncode}")
        try:
            with urllib.request.urlopen(address + "/_stcore/health", timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the server did not start in three minutes")


def watch(page: Page) -> list[str]:
    """Collect the addresses of all requests of a page that leave this machine."""
    leaving: list[str] = []

    def note(request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.hostname not in _HERE:
            leaving.append(request.url)

    page.on("request", note)
    return leaving


@contextmanager
def visiting(browser: Browser, **settings: Any) -> Iterator[Page]:
    """Give the page of a fresh visitor, of whom no request may leave this machine.

    Parameters
    ----------
    browser : Browser
    **settings
        Of the browser's context; a viewport of 1440 x 1600 if not told otherwise.
    """
    context = browser.new_context(**{"viewport": {"width": 1440, "height": 1600}} | settings)
    page = context.new_page()
    page.set_default_timeout(90_000)  # a busy machine is no failure
    leaving = watch(page)
    yield page
    context.close()
    assert leaving == []


def received(page: Page) -> list[bytes]:
    """Collect the messages that a page is sent."""
    parts: list[bytes] = []

    def note(payload: str | bytes) -> None:
        parts.append(payload if isinstance(payload, bytes) else payload.encode())

    page.on("websocket", lambda socket: socket.on("framereceived", note))
    return parts


def repeat(act: Callable[[], object], until: Callable[[], object], times: int = 4) -> None:
    """Do something with the mouse until it is seen to have worked.

    A page that is drawn anew while the mouse is on its way loses a click; a person clicks again.

    Parameters
    ----------
    act : callable
        Looks where the thing is now, and clicks or drags there; fails if it isn't there.
    until : callable
        Fails, after :data:`SOON`, as long as nothing has come of it.
    times : int
        That it may take.
    """
    for _ in range(times - 1):
        with suppress(AssertionError, Error):
            act()
            until()
            return
    act()
    until()


def click_row(page: Page, row: int, x: float = 120) -> None:
    """Click on a row, counted from 1, of a page's first table, so many pixels from its left."""
    grid = page.locator("[data-testid=stDataFrame]").first
    grid.scroll_into_view_if_needed()
    area = grid.bounding_box()
    assert area
    page.mouse.click(area["x"] + x, area["y"] + ROW_HEIGHT * (row + 0.5))


def until_idle(page: Page) -> None:
    """Wait until the server has nothing more to run for a page."""
    page.wait_for_function("document.querySelector('[data-testid=stApp]')?.dataset.testScriptState === 'notRunning'")
