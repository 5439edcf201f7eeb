"""Small AlphaGenomes with random weights, made and saved by alphagenome-pytorch, with the table of their tracks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from alphagenome_pytorch.alphagenome import AlphaGenome

TERM = "EFO:0002784"
SIZES = {
    "dims": [8, 9, 10, 12, 13, 14, 16],
    "transformer_kwargs": {
        "depth": 2,
        "heads": 2,
        "dim_head_qk": 16,
        "dim_head_v": 16,
        "dim_pairwise": 16,
        "single_to_pairwise_heads": 4,
    },
}
TRACKS = pd.DataFrame(
    {
        "name": ["polyA", "liver", "polyA", "liver", "gtex", "padding"],
        "strand": ["+", "+", "-", "-", ".", "."],
        "ontology_curie": [TERM, "UBERON:0002107", TERM, "UBERON:0002107", TERM, ""],
        "nonzero_mean": [0.3, 0.5, 0.4, 0.6, 2.0, None],
    }
)


def make_network(seed: int) -> Any:
    """The library's network, of any parameters, with heads for RNA-seq and CAGE."""
    torch.manual_seed(seed)
    network = AlphaGenome(dims=tuple(SIZES["dims"]), transformer_kwargs=dict(SIZES["transformer_kwargs"]))
    heads = {name: {"num_tracks": len(TRACKS), "resolutions": (1, 128)} for name in ("rna_seq", "cage")}
    network.add_reference_heads("human", genome_track_heads=heads)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 1.5)
            elif name.endswith("to_pred.weight"):
                tensor.mul_(40)  # beyond what is clipped, at some bases
            elif name.endswith("to_pred.bias"):
                tensor.fill_(3)
    return network.eval()


def write_alphagenome(folder: Path, seed: int) -> dict[str, Any]:
    """Write weights, sizes and tracks; give the options."""
    torch.save(make_network(seed).state_dict(), folder / "alphagenome.pt")
    (folder / "alphagenome.json").write_text(json.dumps(SIZES))
    TRACKS.to_csv(folder / "tracks.tsv", sep="\t", index=False)
    files = {"weights": "alphagenome.pt", "config": "alphagenome.json", "targets": "tracks.tsv"}
    return files | {"ontology": TERM, "window": 16_384}
