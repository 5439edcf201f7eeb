"""Pin what gexviz needs, directly or not, at the versions of this environment.

    .venv/bin/python .ci/pins.py

Writes ``requirements.txt`` (the app) and ``requirements-test.txt`` (what the tests need beyond it), following the
dependencies in ``pyproject.toml``; other packages of the environment stay out, and so do local versions (torch's +cpu).
"""

import tomllib
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
APP = """\
# The app and everything it needs, at the versions it is tested with. Written by .ci/pins.py.
# On Linux the default build of torch brings CUDA, some 3 GB that gexviz does not need. To have the small one, install
# the CPU build of the same version into .venv first (pytorch.org says how); this file then leaves it as it is.
"""
TEST = """\
# What the tests, the checks and the rebuilding of the demo need beyond requirements.txt. Written by .ci/pins.py.
"""


def needed(requirements: list[str]) -> dict[str, str]:
    """Walk the requirements of requirements; names as written by their projects -> version."""
    found: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    waiting = [(Requirement(text), "") for text in requirements]
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        installed = distribution(requirement.name)
        found[installed.metadata["Name"]] = installed.version.split("+")[0]
        for wanted in ("", *requirement.extras):
            key = (canonicalize_name(requirement.name), wanted)
            if key not in seen:
                seen.add(key)
                waiting += [(Requirement(text), wanted) for text in installed.requires or []]
    return found


def write(name: str, heading: str, pins: dict[str, str]) -> None:
    """Write one file, in the order of names."""
    lines = [f"{package}=={version}\n" for package, version in sorted(pins.items(), key=lambda pin: pin[0].lower())]
    (ROOT / name).write_text(heading + "".join(lines))


project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
app = needed(project["dependencies"])
test = needed(project["optional-dependencies"]["test"] + project["optional-dependencies"]["demo"])
write("requirements.txt", APP, app)
write("requirements-test.txt", TEST, {name: version for name, version in test.items() if name not in app})
