"""A small model of every family, in its genuine format, for the contract that all families pass.

A builder writes the files of a model into a folder and gives the keys of its section, ``family`` among them, paths
relative to the folder. Another `seed` gives other weights in the same files. Where a library is missing that the format
needs, it skips with the reason. Genes and people are those of ``contract_study``; files that name variants name them by
``variant_id``. Windows are 200 bp or more, and as short as the family allows.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import bert_files
import character_files
import language_files
import numpy as np
import pandas as pd
import pytest
import torch
from basenji_files import write_basenji2
from borzoi_files import write_borzoi
from contract_study import MINUS, PEOPLE, PLUS, VARIANTS, variant_id
from enformer_files import rastogi_tensors, variformer_tensors, write_enformer
from enformer_files import write_checkpoint as write_lightning
from expecto_files import write_beluga, write_head
from fusion_files import objects_of, write_list, write_objects
from safetensors.torch import save_file
from test_xpresso import write_checkpoint

from gexviz.models.cnn import CnnConfig, build_network
from gexviz.models.predictdb_file import fill_predictdb

Builder = Callable[[Path, int], dict[str, Any]]

GENES = (PLUS, MINUS)


def predictdb(folder: Path, seed: int) -> dict[str, Any]:
    """Weights by rs number; those of one variant are for the cohort's REF allele."""
    rng = np.random.default_rng(seed)
    rows = []
    for gene in GENES:
        for name in ("snv", "other"):
            alleles = VARIANTS[name][1:] if name == "snv" else VARIANTS[name][:0:-1]
            rows.append((gene, variant_id(gene, name), *alleles, float(rng.normal())))
    weights = pd.DataFrame(rows, columns=["gene", "rsid", "ref_allele", "eff_allele", "weight"])
    path = folder / "weights.db"
    path.unlink(missing_ok=True)
    fill_predictdb(path, {"weights": weights, "extra": pd.DataFrame({"gene": GENES, "genename": ["A", "B"]})})
    return {"family": "predictdb", "weights": path.name}


def fusion(folder: Path, seed: int) -> dict[str, Any]:
    """Five models a gene, of which the elastic net has the least p; A1 is REF of one variant."""
    rng = np.random.default_rng(seed)
    files = {}
    for gene in GENES:
        snps = pd.DataFrame(
            {
                "contig": 1,
                "id": [variant_id(gene, name) for name in ("snv", "other")],
                "position": [1, 2],
                "a1": [VARIANTS["snv"][2], VARIANTS["other"][1]],
                "a2": [VARIANTS["snv"][1], VARIANTS["other"][2]],
            }
        )
        weights = pd.DataFrame(rng.normal(size=(2, 5)), columns=["lasso", "enet", "blup", "bslmm", "top1"])
        p = {"lasso": 0.1, "enet": 1e-4, "blup": 0.5, "bslmm": np.nan, "top1": 0.01}
        files[gene] = f"weights/{gene}.wgt.RDat"
        write_objects(folder / files[gene], objects_of(snps, weights, p))
    return {"family": "fusion", "weights": write_list(folder / "panel.pos", files).name}


def xpresso(folder: Path, seed: int) -> dict[str, Any]:
    """Keras HDF5 with random weights."""
    write_checkpoint(folder / "xpresso.h5", seed)
    return {"family": "xpresso", "checkpoint": "xpresso.h5"}


def xpresso_with_half_lives(folder: Path, seed: int) -> dict[str, Any]:
    """With each gene's own half-life features."""
    features = pd.DataFrame(np.random.default_rng(seed).normal(size=(2, 6)), index=pd.Index(GENES, name="gene"))
    features.to_csv(folder / "half_life.tsv", sep="\t")
    return xpresso(folder, seed) | {"half_life": "half_life.tsv"}


def expecto(folder: Path, seed: int) -> dict[str, Any]:
    """Few channels; all of its 200 windows."""
    write_beluga(folder / "beluga.pth", seed)
    write_head(folder / "tissue.save", seed)
    return {"family": "expecto", "beluga": "beluga.pth", "head": "tissue.save"}


def cnn(folder: Path, seed: int) -> dict[str, Any]:
    """On the gene's strand, the mean of both copies."""
    return _cnn(folder, seed, strand="gene_strand")


def cnn_of_both_strands(folder: Path, seed: int) -> dict[str, Any]:
    """The mean of both strands, the sum of both copies, N as a quarter of each base."""
    return _cnn(folder, seed, strand="rc_mean", haplotypes="output_sum", n_policy="quarter")


def _cnn(folder: Path, seed: int, **policies: Any) -> dict[str, Any]:
    config = CnnConfig(
        format="gexviz-cnn-1", window=600, anchor=400, blocks=[{"channels": 8, "width": 7, "pool": 10}], hidden=[4],
        scale="log2 expression", **policies,
    )  # fmt: skip
    torch.manual_seed(seed)
    (folder / "net.json").write_text(config.model_dump_json())
    save_file(build_network(config).state_dict(), folder / "net.safetensors")
    return {"family": "cnn", "config": "net.json", "weights": "net.safetensors"}


def torch_file(folder: Path, seed: int) -> dict[str, Any]:
    """TorchScript with three outputs, of which one is read; both strands, the mean of the copies' sequences."""
    torch.manual_seed(seed)
    layers = (
        torch.nn.Conv1d(4, 8, 9),
        torch.nn.ReLU(),
        torch.nn.MaxPool1d(20),
        torch.nn.Flatten(),
        torch.nn.Linear(112, 3),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.trace(torch.nn.Sequential(*layers).eval(), torch.zeros(2, 4, 300)).save(folder / "own.pt")
    policies = {"strand": "rc_mean", "haplotypes": "input_mean"}
    return {
        "family": "torch",
        "file": "own.pt",
        "window": 300,
        "anchor": 150,
        "scale": "log",
        "output": [1],
        **policies,
    }


def enformer(folder: Path, seed: int) -> dict[str, Any]:
    """Small layers, sixteen bins, two of the four tracks."""
    return {"family": "enformer", **write_enformer(folder, seed), "tracks": [1, 3]}


def enformer_of_both_strands(folder: Path, seed: int) -> dict[str, Any]:
    """The mean of both strands."""
    return enformer(folder, seed) | {"strand": "rc_mean"}


def basenji2(folder: Path, seed: int) -> dict[str, Any]:
    """Keras HDF5 of a small network; both strands, three shifts."""
    return {"family": "basenji2", **write_basenji2(folder, seed), "tracks": [1, 3], "bins": 4}


def borzoi(folder: Path, seed: int) -> dict[str, Any]:
    """Coverage of exons: a track with a strand and one without, both strands' sequences, two replicates."""
    write_borzoi(folder, seed + 7, "second.bin")
    return {"family": "borzoi", **write_borzoi(folder, seed), "replicate_2": "second.bin", "tracks": ["RNA:blood"]}


@cache
def _alphagenome_address() -> str:
    """A service that answers as AlphaGenome's does, on this machine."""
    return pytest.importorskip("alphagenome_server", reason="alphagenome isn't installed").start_service().address


def alphagenome(folder: Path, seed: int) -> dict[str, Any]:
    """Coverage of exons by a service, on the gene's strand; whatever the seed, as its weights are nobody's here."""
    address = _alphagenome_address()
    asked = {"ontology": "EFO:0002784", "window": 16_384, "address": address, "per_minute": 60_000}
    return {"family": "alphagenome", **asked}


def alphagenome_here(folder: Path, seed: int) -> dict[str, Any]:
    """Coverage of exons by weights that are here, as alphagenome-pytorch saves them."""
    files = pytest.importorskip("alphagenome_files", reason="alphagenome-pytorch isn't installed")
    return {"family": "alphagenome", **files.write_alphagenome(folder, seed)}


def variformer(folder: Path, seed: int) -> dict[str, Any]:
    """A Lightning checkpoint of two tissues."""
    return {"family": "variformer", **write_lightning(folder, variformer_tensors(seed)), "tissue": 1}


def rastogi(folder: Path, seed: int) -> dict[str, Any]:
    """A Lightning checkpoint; the mean of both strands."""
    return {"family": "rastogi", **write_lightning(folder, rastogi_tensors(seed))}


def nucleotide_transformer(folder: Path, seed: int) -> dict[str, Any]:
    """On the gene's strand; each gene with a head of its own."""
    return language_files.nucleotide_transformer(folder, seed, GENES)


def nucleotide_transformer_of_both_strands(folder: Path, seed: int) -> dict[str, Any]:
    """The mean of both strands, of the token over the TSS; one head for all genes."""
    return language_files.nucleotide_transformer(folder, seed, strand="rc_mean", pool="centre")


def nucleotide_transformer_2(folder: Path, seed: int) -> dict[str, Any]:
    """Version 2, on the gene's strand; one head for all genes."""
    return bert_files.nucleotide_transformer_2(folder, seed)


def dnabert2(folder: Path, seed: int) -> dict[str, Any]:
    """On the gene's strand; each gene with a head of its own."""
    return bert_files.dnabert2(folder, seed, GENES)


def gena_lm(folder: Path, seed: int) -> dict[str, Any]:
    """The mean of both strands; one head for all genes."""
    return bert_files.gena_lm(folder, seed, strand="rc_mean")


def dnabert(folder: Path, seed: int) -> dict[str, Any]:
    """On the gene's strand; one head for all genes."""
    return language_files.dnabert(folder, seed)


def gpn(folder: Path, seed: int) -> dict[str, Any]:
    """The mean of both strands, over the bases in the middle; each gene with a head of its own."""
    return language_files.gpn(folder, seed, GENES)


def gpn_of_the_genes_strand(folder: Path, seed: int) -> dict[str, Any]:
    """The mean over all bases."""
    return language_files.gpn(folder, seed, strand="gene_strand", pool="mean")


def gpn_with_attention(folder: Path, seed: int) -> dict[str, Any]:
    """The mean of both strands; a head that attends to parts of the window."""
    return language_files.gpn(folder, seed, kind="attention")


def nucleotide_transformer_with_perceptrons(folder: Path, seed: int) -> dict[str, Any]:
    """The mean of both strands, and a head with a hidden layer."""
    return language_files.nucleotide_transformer(folder, seed, strand="rc_mean", kind="mlp")


def hyenadna(folder: Path, seed: int) -> dict[str, Any]:
    """On the gene's strand; one head for all genes."""
    return character_files.hyenadna(folder, seed)


def caduceus(folder: Path, seed: int) -> dict[str, Any]:
    """The kind that reads both strands; over the bases in the middle, each gene with a head of its own."""
    return character_files.caduceus(folder, seed, GENES, both_strands=True, pool="centre", centre=160)


def caduceus_of_one_strand(folder: Path, seed: int) -> dict[str, Any]:
    """The other kind; the mean of both strands, over all bases."""
    return character_files.caduceus(folder, seed, both_strands=False)


def table(folder: Path, seed: int) -> dict[str, Any]:
    """Long, per haplotype, with predictions on the reference."""
    rng = np.random.default_rng(seed)
    rows = [(gene, sample, copy, rng.normal()) for gene in GENES for sample in PEOPLE for copy in (1, 2)]
    rows += [(gene, "reference", 1, rng.normal()) for gene in GENES]
    columns = ["gene", "sample", "haplotype", "value"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "table.tsv", sep="\t", index=False)
    return {"family": "table", "predictions": "table.tsv", "scale": "log2 CAGE"}


FAMILIES: dict[str, Builder] = {
    "predictdb": predictdb,
    "fusion": fusion,
    "xpresso": xpresso,
    "xpresso, half-lives": xpresso_with_half_lives,
    "expecto": expecto,
    "cnn": cnn,
    "cnn, both strands": cnn_of_both_strands,
    "enformer": enformer,
    "enformer, both strands": enformer_of_both_strands,
    "basenji2": basenji2,
    "borzoi": borzoi,
    "alphagenome": alphagenome,
    "alphagenome, weights here": alphagenome_here,
    "variformer": variformer,
    "rastogi": rastogi,
    "nucleotide_transformer": nucleotide_transformer,
    "nucleotide_transformer, both strands": nucleotide_transformer_of_both_strands,
    "nucleotide_transformer, perceptrons": nucleotide_transformer_with_perceptrons,
    "nucleotide_transformer, version 2": nucleotide_transformer_2,
    "dnabert": dnabert,
    "dnabert2": dnabert2,
    "gena_lm": gena_lm,
    "gpn": gpn,
    "gpn, the gene's strand": gpn_of_the_genes_strand,
    "gpn, attention": gpn_with_attention,
    "hyenadna": hyenadna,
    "caduceus": caduceus,
    "caduceus, one strand": caduceus_of_one_strand,
    "table": table,
    "torch": torch_file,
}
"""By family; where one has several, the others are called ``family, what is special``."""

ELSEWHERE: dict[str, str] = {"evo2": "test_evo2.py: it runs on a GPU only"}
"""Families without a small model here, and where they are tested."""
