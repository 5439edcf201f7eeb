"""A notebook in real JupyterLab and Notebook 7: people boxed in one widget are marked in another."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request

import nbformat
import pytest
from playwright.sync_api import TimeoutError as NotInTime
from served import watch

CELLS = [
    "import gexviz as gx\nfrom gexviz.jupyter import static\nstatic._can_draw = lambda: False\nstudy = gx.demo()",
    'one, other = study.gene("GENE07").view(["cnn"]), study.gene("GENE15").view(["enet"])\ntied = gx.link(one, other)',
    "one",
    "other",
]
MARKED = """[...document.querySelectorAll('.js-plotly-plot')].map(plot => plot.data
    .filter(trace => trace.customdata && trace.selectedpoints)
    .flatMap(trace => Array.from(trace.selectedpoints, n => trace.customdata[n][0])).sort())"""
STUCK = """(prompts => prompts.every(text => !text.includes('*')) && prompts.some(text => !/[0-9]/.test(text)))(
    [...document.querySelectorAll('.jp-InputPrompt')].map(prompt => prompt.textContent))"""
BOXED = "document.querySelector('.selectionlayer path') !== null"
DRAWN = "document.querySelectorAll('.js-plotly-plot .scatterlayer .point').length >= 700"
IDLE = ".jp-Notebook-ExecutionIndicator[data-status=idle]"


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory):
    """A server with both front-ends; its address and its folder."""
    folder = tmp_path_factory.mktemp("jupyter")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    places = {name: str(folder / name) for name in ("HOME", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR")}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root",
               "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", f"--ServerApp.root_dir={folder}",
               "--IdentityProvider.token=", "--ServerApp.disable_check_xsrf=True", "--LabApp.news_url=None",
               "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]  # fmt: skip
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, cwd=folder, env=os.environ | places, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        _until_up(server, address)
        yield address, folder
    finally:
        server.terminate()
        server.wait(timeout=20)


def _until_up(server, address):
    end = time.monotonic() + 180
    while time.monotonic() < end:
        if server.poll() is not None:
            raise RuntimeError(f"the server stopped with {server.returncode}")
        try:
            with urllib.request.urlopen(address + "/api", timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the server did not start in three minutes")


@pytest.fixture
def notebook(jupyter):
    """A notebook that nobody has run; its kernel is begun here, so that no front-end has to ask which one."""
    address, folder = jupyter
    cells = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code) for code in CELLS])
    cells.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    name = f"linked{len(list(folder.glob('*.ipynb')))}"
    nbformat.write(cells, folder / f"{name}.ipynb")
    wanted = {"path": f"{name}.ipynb", "name": name, "type": "notebook", "kernel": {"name": "python3"}}
    asked = urllib.request.Request(address + "/api/sessions", json.dumps(wanted).encode(), method="POST")
    with urllib.request.urlopen(asked, timeout=180) as answer:
        assert answer.status == 201
    return name


def _answer(dialog):
    """Close a dialog of a slow start: keep waiting where that is offered, else accept what it proposes.

    A dialog may take the place of another, or close by itself before it is clicked: one is answered at a time, and
    the next time anything is clicked, what is there then.
    """
    waiting = dialog.get_by_role("button", name="Keep Waiting")
    with contextlib.suppress(NotInTime):
        (waiting if waiting.count() else dialog.locator(".jp-mod-accept")).first.click(timeout=3_000)


def _until(page, expression, lost):
    """Whether something comes true in three minutes, while dialogs are answered, or it is lost: nothing will make it.

    Two looks in a row have to find it lost, as what makes it may begin between them.
    """
    before = False
    for _ in range(60):
        with contextlib.suppress(NotInTime):
            page.wait_for_function(expression, timeout=3_000)
            return True
        dialog = page.locator(".jp-Dialog")
        if dialog.count():  # neither waiting nor the mouse has Playwright answer it
            _answer(dialog.first)
            continue
        now = page.evaluate(lost)
        if now and before:
            return False
        before = now
    return False


def _run_all(page):
    """Run all cells until the figures are drawn.

    A front-end that is still busy with its start asks for a kernel that it has, and loses what it was told to run, or
    all after the first cell: it is told again, but never while cells wait, as they would draw their figures anew later.
    """
    for _ in range(10):
        page.locator(".lm-MenuBar-itemLabel").get_by_text("Run", exact=True).click()
        page.locator(".lm-Menu-itemLabel").get_by_text("Run All Cells", exact=True).click()
        if _until(page, DRAWN, lost=STUCK):
            page.wait_for_selector(IDLE)
            return
    raise AssertionError("no figures were drawn")


def _select_some(page):
    """Draw a box in the first figure; again where no box is left: a figure that is drawn anew ends one begun.

    A box is never drawn over one whose people aren't marked yet: the second would end after what is clicked next.
    """
    area = page.locator(".js-plotly-plot .nsewdrag").first
    for _ in range(10):
        area.hover(position={"x": 5, "y": 5})  # waits until it is there and keeps still, and answers dialogs
        place = area.bounding_box()
        if place is None:  # drawn anew since
            continue
        page.mouse.move(place["x"] + 5, place["y"] + 5)
        page.mouse.down()
        page.mouse.move(place["x"] + 0.5 * place["width"], place["y"] + 0.6 * place["height"], steps=5)
        page.mouse.up()
        marked = f"(([one, other]) => other.length > 3 && '' + one === '' + other)({MARKED})"
        if _until(page, marked, lost=f"!({BOXED})"):
            return
    raise AssertionError("nobody is marked in the other figure")


@pytest.mark.browser
@pytest.mark.parametrize(
    "path",
    [
        pytest.param("lab/workspaces/{0}/tree/{0}.ipynb", id="lab"),  # one that no earlier notebook was left open in
        pytest.param("notebooks/{0}.ipynb", id="notebook"),
    ],
)
def test_people_boxed_in_one_widget_are_marked_in_another(jupyter, notebook, browser, path):
    context = browser.new_context(viewport={"width": 1300, "height": 1500})
    page = context.new_page()
    page.set_default_timeout(90_000)
    page.add_locator_handler(page.locator(".jp-Dialog"), _answer, no_wait_after=True)
    leaving = watch(page)
    try:
        page.goto(f"{jupyter[0]}/{path.format(notebook)}")
        page.wait_for_selector(".jp-Notebook .jp-Cell")
        page.wait_for_selector(IDLE)
        _run_all(page)
        _select_some(page)
        said = page.get_by_text("of 360 samples selected")
        assert said.all_inner_texts() == [f"{len(page.evaluate(MARKED)[0])} of 360 samples selected"] * 2
        page.get_by_role("button", name="Clear").last.click()
        page.wait_for_function(f"{MARKED}.every(ids => ids.length === 0) && !({BOXED})")
        assert leaving == []
    finally:
        context.close()
