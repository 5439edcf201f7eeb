"""Other families on the demo study, with RANDOM weights: what each step takes, and a study whose pages can be opened.

    python benchmarks/families.py                   # times
    python benchmarks/families.py --folder made     # the same, and the study stays, for
    streamlit run app.py -- --study made/study.toml

A small Enformer, a small Nucleotide Transformer and a FUSION panel, each in its genuine format, are added to a copy of
the demo study. Nobody trained the networks and nobody estimated the weights of variants, so their names end in
``_random``: what their pages show is how a model of that family looks, and nothing about biology. The language model's
head is trained on the demo's genes, on embeddings by random weights.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from enformer_files import write_enformer
from fusion_files import objects_of, write_list, write_objects
from language_files import NT_VOCABULARY, published_esm, write_folder

import gexviz as gx

LOOKED_AT = "GENE05"  # nothing acts on it in cis: elsewhere one variant with an effect gives random weights a large |r|
NT_WINDOW = 996  # bp, 166 tokens
_CIS = 20_000
_SNPS = 12


def with_families(folder: Path) -> gx.Study:
    """Copy the demo study, write the files of the models beside it, and name them in its TOML."""
    shutil.copytree(gx.demo().config.path.parent, folder, ignore=shutil.ignore_patterns("results"), dirs_exist_ok=True)
    toml = folder / "study.toml"
    (folder / "enformer").mkdir()
    enformer = write_enformer(folder / "enformer", 1)
    enformer |= {key: f"enformer/{enformer[key]}" for key in ("weights", "config")}
    write_folder(folder / "nt", published_esm(1, max_position_embeddings=NT_WINDOW // 6 + 3), NT_VOCABULARY)
    sections = {
        "enformer_random": {"family": "enformer", **enformer, "tracks": [0]},
        "fusion_random": {"family": "fusion", "weights": write_fusion(gx.load(toml), folder).name},
        "nt_random": {"family": "nucleotide_transformer", "weights": "nt/model.safetensors", "window": NT_WINDOW},
    }
    add_models(toml, sections)
    return gx.load(toml)


def add_models(toml: Path, sections: dict[str, dict[str, object]]) -> None:
    """Append sections of models to a study's TOML."""
    with toml.open("a") as out:
        for name, keys in sections.items():
            out.write(f"\n[models.{name}]\n" + "".join(f"{key} = {json.dumps(keys[key])}\n" for key in keys))


def write_fusion(study: gx.Study, folder: Path) -> Path:
    """Write a ``.wgt.RDat`` a gene, with random weights of a few common variants near it; give the list."""
    rng = np.random.default_rng(1)
    files = {}
    for gene in study.genes.itertuples():
        variants, dosages = study.cohort.genotypes.read(
            gene.contig, gene.tss - _CIS, gene.tss + _CIS, list(study.samples.index)
        ).dosages()
        frequency = np.nanmean(dosages, axis=1) / 2
        single = (variants["ref"].str.len() == 1) & (variants["alt"].str.len() == 1)
        common = variants[single.to_numpy() & (frequency > 0.1) & (frequency < 0.9)]
        chosen = common.sample(min(_SNPS, len(common)), random_state=1).sort_values("position")
        snps = pd.DataFrame(
            {"contig": 1, "id": chosen["id"], "position": chosen["position"] + 1, "a1": chosen["alt"]}
        ).assign(a2=chosen["ref"])
        snps = snps.reset_index(drop=True)
        weights = pd.DataFrame(rng.normal(0, 0.1, (len(snps), 2)), columns=["lasso", "enet"])
        files[gene.Index] = f"fusion/{gene.Index}.wgt.RDat"
        write_objects(folder / files[gene.Index], objects_of(snps, weights, {"lasso": 0.1, "enet": 0.01}))
    return write_list(folder / "fusion.pos", files)


def main() -> None:
    """Build the study, and time what its pages need."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="keep the study here; must not exist")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary) / "study"
        with timed("files of three families"):
            study = with_families(folder)
        with timed("head of nt_random, 30 genes"):
            study.train_head("nt_random", folder / "nt.safetensors")
        with (folder / "study.toml").open("a") as out:
            out.write('head = "nt.safetensors"\n')  # the last section is its
        study = gx.load(folder / "study.toml")
        for model in study.model_names:
            with timed(f"{model}: {len(study.genes)} genes of {len(study.samples)} people"):
                study.compute(model)
        gene = study.gene(LOOKED_AT)
        for model in ("enformer_random", "nt_random"):
            with timed(f"{model}: mutagenesis of the window of {LOOKED_AT}, {study.spec(model).window:,} bp"):
                found = gene.ism(model)
            with timed(f"{model}: effects of {LOOKED_AT}'s variants"):
                gene.effects(model)
        with timed(f"nt_random: attention at {LOOKED_AT}, both ways"):
            attended = gene.attention("nt_random", how="rollout")
        print(attended.agreement_words(found))
        print(gene.attention("nt_random", how="relevance").agreement_words(found))


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Print how long the block took, and how much work that was."""
    begin, worked = time.perf_counter(), time.process_time()
    yield
    print(f"{what}: {time.perf_counter() - begin:.2f} s, of a core {time.process_time() - worked:.2f} s", flush=True)


if __name__ == "__main__":
    main()
