"""The notebooks run from top to bottom in a kernel; a saved one shows its figures without a kernel or a network."""

import base64
import re
from pathlib import Path

import nbformat
import pytest
from jupyter_client.manager import start_new_kernel
from nbclient import NotebookClient
from nbconvert import HTMLExporter

from gexviz.jupyter import progress

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
SLOW = """
import gexviz as gx

gene = gx.load(gx.demo().config.path, results={results!r}).gene("GENE07")
"""
LEFT = """
left = []

def stop(done, total, label):
    left.append(total)
    raise gx.Cancelled

try:
    gene.ism("cnn", plain=True, progress=stop)
except gx.Cancelled:
    pass
assert 0 < left[0] < 2048, left
"""
WIDGET = "application/vnd.jupyter.widget-view+json"


@pytest.fixture(scope="module")
def executed():
    """Each notebook's outputs, executed once."""
    done = {}

    def run(path):
        if path not in done:
            done[path] = nbformat.read(path, as_version=4)
            NotebookClient(done[path], timeout=300, store_widget_state=False).execute()
        return done[path]

    return run


def outputs(notebook):
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_without_a_word_on_stderr(path, executed):
    told = [o.get("text", "") for o in outputs(executed(path)) if o.output_type == "stream" and o.name == "stderr"]
    assert told == []


def test_notebooks_are_kept_without_outputs():
    for path in NOTEBOOKS:
        assert outputs(nbformat.read(path, as_version=4)) == []


def test_every_view_has_a_picture_without_the_ids_of_people(executed):
    notebook = executed(next(path for path in NOTEBOOKS if path.stem.startswith("1")))
    views = [o.data for o in outputs(notebook) if WIDGET in o.get("data", {})]
    assert len(views) == 4
    for data in views:
        picture = data.get("image/png") or re.search(r"base64,([^\"]+)", data["text/html"])[1]
        assert base64.b64decode(picture).startswith(b"\x89PNG")
    assert not re.search(r"(EUR|AFR)\d{3}|customdata", str(views))


def test_a_converted_notebook_shows_its_figures_without_a_network(executed, browser, tmp_path):
    notebook = executed(next(path for path in NOTEBOOKS if path.stem.startswith("1")))
    page_file = tmp_path / "tour.html"
    page_file.write_text(HTMLExporter().from_notebook_node(notebook)[0])
    context = browser.new_context(offline=True)
    try:
        page = context.new_page()
        page.goto(page_file.as_uri(), wait_until="domcontentloaded")
        widths = page.locator(".jp-OutputArea-output img").evaluate_all("all => all.map(one => one.naturalWidth)")
    finally:
        context.close()
    assert len(widths) == 4
    assert min(widths) > 900


def test_interrupting_a_kernel_keeps_what_was_finished(tmp_path):
    manager, client = start_new_kernel(kernel_name="python3")
    seen = []

    def stop_at_200(message):
        text = message["content"].get("data", {}).get("text/plain", "")
        done, _, total = text.partition(" of ")
        if total.startswith("2,048") and int(done.replace(",", "")) >= 200 and len(seen) == 0:
            manager.interrupt_kernel()
            seen.append(text)
        elif seen:
            seen.append(text)

    def run(code):
        return client.execute_interactive(code, timeout=120, output_hook=stop_at_200)["content"]

    try:
        assert run(SLOW.format(results=str(tmp_path)))["status"] == "ok"
        assert run("gene.ism('cnn', plain=True)")["ename"] == "KeyboardInterrupt"
        assert progress.STOPPED in seen
        assert run(LEFT)["status"] == "ok"
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
