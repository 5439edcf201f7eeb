"""What several test files need: the real cohort, and a browser."""

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import settings
from playwright import sync_api

from gexviz.lazy import lazy

registry = lazy("gexviz.models.registry")  # with it comes numpy, which looks at OMP_NUM_THREADS
slow_family = lazy("slow_family")

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is loaded
settings.register_profile("unhurried", deadline=None)  # a busy machine is no failure
settings.load_profile("unhurried")
sync_api.expect.set_options(timeout=90_000)

_IN_CI = bool(os.environ.get("CI"))
_SOFTWARE_GL = ["--no-sandbox", "--enable-unsafe-swiftshader"]


def pytest_collection_modifyitems(config, items):
    """Run a test in a browser once more if it fails, and name it in the summary: a busy machine may lose a click.

    What is broken fails twice. ``-p no:rerunfailures`` shows a first failure.
    """
    if not config.pluginmanager.hasplugin("rerunfailures"):
        return
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.fixture(scope="session")
def real_cohort():
    """Folder of the shared real cohort; tests that ask for it are skipped where it is absent."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "geuvadis-chr22"
    folder = Path(os.environ.get("GEXVIZ_REAL_COHORT", beside))
    if not (folder / "genotypes.vcf.gz").is_file():
        pytest.skip(f"the real cohort is not at {folder} (GEXVIZ_REAL_COHORT names another place)")
    return folder


@pytest.fixture(scope="session")
def browsers():
    """Chromium, driven by Playwright: one on the path, else Playwright's own. In CI a missing one is a failure."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
    with sync_api.sync_playwright() as running:

        def launch():
            return running.chromium.launch(executable_path=found, args=_SOFTWARE_GL)

        try:
            launched = [launch()]
        except sync_api.Error as error:
            message = f"no Chromium to drive (`make browser` gets one): {str(error).splitlines()[0]}"
            if _IN_CI:
                pytest.fail(message)
            pytest.skip(message)
        yield launched, launch
        launched[-1].close()


@pytest.fixture
def browser(browsers):
    """A Chromium that runs; a new one if the last one crashed, so that the crash fails no test but its own."""
    launched, launch = browsers
    if not launched[-1].is_connected():
        launched.append(launch())
    return launched[-1]


@pytest.fixture
def slow_packages(tmp_path, monkeypatch):
    """A ``PYTHONPATH`` by which :mod:`slow_family` is an installed package's family; it is one here as well."""
    packages = tmp_path / "packages"
    slow_family.install(packages)
    monkeypatch.syspath_prepend(packages)
    registry._installed.cache_clear()
    yield os.pathsep.join([str(packages), str(Path(slow_family.__file__).parent)])
    registry._installed.cache_clear()
