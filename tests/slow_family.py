"""A family of models of another package, for tests: it is as slow as long as they like."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from gexviz.digests import sha256_of
from gexviz.models.base import GeneLocus, ModelSpec
from gexviz.models.options import ModelOptions

WINDOW, ANCHOR = 600, 400
HELD = "held"
"""A file beside the weights; while it is there, every prediction takes as many seconds as it says."""

WAITING = "waiting"
"""A file that a prediction makes when it begins to take so long."""


class Options(ModelOptions):
    """Of ``[models.NAME]``."""

    weights: Path
    """An array (4, window)."""


class Slow:
    """A linear model of the sequence."""

    def __init__(self, name: str, options: Options) -> None:
        self.spec = ModelSpec(
            name, "slow", "sequence", scale="log2 expression", haplotypes="output_mean", window=WINDOW, anchor=ANCHOR,
            strand="gene_strand",
        )  # fmt: skip
        self._options = options
        self._weights = np.load(options.weights, allow_pickle=False)

    def unavailable(self, gene: GeneLocus) -> str | None:
        return None

    def fingerprint(self) -> dict[str, str]:
        return {"weights": sha256_of(self._options.weights)}

    def predict_sequences(self, onehot: np.ndarray) -> np.ndarray:
        folder = self._options.weights.parent
        if (folder / HELD).exists():
            (folder / WAITING).touch()
            time.sleep(float((folder / HELD).read_text()))
        return np.asarray((onehot * self._weights).sum(axis=(1, 2)))


open_model = Slow


def write_model(folder: Path) -> str:
    """Write random weights, and give the lines of a study that opens them as ``net``."""
    np.save(folder / "weights.npy", np.random.default_rng(0).normal(0, 0.1, (4, WINDOW)))
    return '\n[models.net]\nfamily = "slow"\nweights = "weights.npy"\n'


def install(folder: Path) -> None:
    """Make the folder one that holds this package's entry point, for ``PYTHONPATH``."""
    info = folder / "slow_family-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: slow-family\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[gexviz.models]\nslow = slow_family\n")
