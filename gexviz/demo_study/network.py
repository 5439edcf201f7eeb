"""The demo's deep model: a ``cnn`` trained on other genes' reference promoters, which never sees a person."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gexviz.demo_study.grammar import ANCHOR, WINDOW, Grammar, write_promoter
from gexviz.errors import GexvizError
from gexviz.lazy import lazy
from gexviz.tasks import Progress

cnn = lazy("gexviz.models.cnn")
cnn_training = lazy("gexviz.models.cnn_training")
torch_model = lazy("gexviz.models.torch_model")
onehot = lazy("gexviz.models.onehot")
safetensors_torch = lazy("safetensors.torch")

NOISE = 0.5  # log2 units, of a training gene's measured level
LEAST_R = 0.7

CONFIG = {
    "format": "gexviz-cnn-1",
    "window": WINDOW,
    "anchor": ANCHOR,
    "blocks": [
        {"channels": 32, "width": 11, "dilation": 1, "pool": 20},
        {"channels": 32, "width": 5, "dilation": 1, "pool": 4},
    ],
    "readout": "flatten",
    "hidden": [32],
    "strand": "gene_strand",
    "haplotypes": "output_mean",
    "n_policy": "zero",
    "scale": "log2(TPM + 1)",
    "genome": "simulated",
    "licence": "MIT",
    "citation": "gexviz demo study (simulated); docs/demo.md",
    "verified": "held-out genes and the demo's truth; cnn.metrics.json",
}


class Genes(NamedTuple):
    """How many genes, none of the cohort's, the network is trained on and tested on, and for how long."""

    training: int = 10_000
    held_out: int = 1_000
    epochs: int = 10


def train_network(folder: Path, grammar: Grammar, genes: Genes, seed: int, progress: Progress | None) -> None:
    """Train the network and write ``cnn.json``, ``cnn.safetensors`` and ``cnn.metrics.json``.

    Parameters
    ----------
    folder : Path
    grammar : Grammar
        Of the tissue that the model knows.
    genes : Genes
    seed : int
    progress : Progress, optional

    Raises
    ------
    GexvizError
        If 1,000 held-out genes or more are predicted with r below 0.7.
    """
    rng = np.random.default_rng([seed, 3])
    promoters = np.stack([write_promoter(grammar, rng) for _ in range(genes.training + genes.held_out)])
    levels = grammar.expression(promoters)
    measured = levels + rng.normal(0, NOISE, len(levels))
    config = cnn.CnnConfig(**CONFIG)
    how = cnn_training.Training(epochs=genes.epochs, seed=seed)
    n = genes.training
    network = cnn_training.train_cnn(config, promoters[:n], measured[:n], how, progress)
    model = torch_model.TorchSequenceModel(cnn.cnn_spec("cnn", config), network)
    predicted = model.predict_sequences(onehot.one_hot(promoters[n:]))
    r = float(np.corrcoef(predicted, measured[n:])[0, 1])
    metrics: dict[str, int | float | str] = {
        "training_genes": n,
        "held_out_genes": genes.held_out,
        "r_held_out": round(r, 4),
        "r_held_out_without_measurement_noise": round(float(np.corrcoef(predicted, levels[n:])[0, 1]), 4),
        "epochs": genes.epochs,
        "seed": seed,
        "trained_on": "simulated reference promoters of other genes, in a tissue where SWI1 activates; no person",
    }
    if genes.held_out >= 1_000 and r < LEAST_R:
        raise GexvizError(
            f"the demo's network predicts held-out genes with r = {r:.2f} only",
            expected=f"at least {LEAST_R}",
            remedy="use another seed, or train on more genes",
        )
    (folder / "cnn.json").write_text(json.dumps(CONFIG, indent=2) + "\n")
    (folder / "cnn.metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
    safetensors_torch.save_file(network.state_dict(), folder / "cnn.safetensors")
