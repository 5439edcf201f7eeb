"""The simulated demo study and its known truth. Opening it needs none of what building it needs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gexviz.errors import GexvizError
from gexviz.lazy import lazy

if TYPE_CHECKING:
    from gexviz.study import Study

opening = lazy("gexviz.study")

_HERE = Path(__file__).resolve().parent
CHECKOUT = _HERE.parents[1] / "data" / "demo"
INSTALLED = _HERE / "study"


def demo_study_path() -> Path:
    """Find the demo's ``study.toml``: in a checkout, else in the installed package.

    Raises
    ------
    GexvizError
        If neither has it.
    """
    for folder in (CHECKOUT, INSTALLED):
        if (folder / "study.toml").is_file():
            return folder / "study.toml"
    raise GexvizError(
        "the demo study is not here",
        file=CHECKOUT / "study.toml",
        remedy='build it: pip install "gexviz[demo]" and gexviz demo build --seed 7 --out FOLDER',
    )


def demo_folder() -> Path:
    """Where ``gexviz demo build`` writes if not told: ``data/demo`` of a checkout.

    Raises
    ------
    GexvizError
        If gexviz is installed without a checkout.
    """
    if not (CHECKOUT.parents[1] / "pyproject.toml").is_file():
        raise GexvizError("gexviz runs from an installed package, without data/demo", remedy="give a folder with --out")
    return CHECKOUT


def demo(results: str | Path | None = None) -> Study:
    """Open the demo study.

    Parameters
    ----------
    results : path, optional
        Results folder; the study's own if not given.
    """
    study: Study = opening.load(demo_study_path(), results)
    return study
