"""The ``study.toml`` of the shared real cohort, which lies outside the project."""

from __future__ import annotations

import sys
from pathlib import Path

TOML = """[study]
name   = "Geuvadis LCL, chr22"
genome = "GRCh37"

[cohort]
genotypes  = "{folder}/genotypes.vcf.gz"
reference  = "{folder}/reference.fa.gz"
expression = "{folder}/expression.bed.gz"
transform  = "log2p1"
genes      = "{folder}/genes.gtf.gz"
samples    = "{folder}/samples.tsv"
covariates = "{folder}/covariates.tsv"

[models.xpresso]
family     = "xpresso"
checkpoint = "{folder}/models/xpresso-GM12878.h5"
"""

ENET = '\n[models.enet]\nfamily  = "predictdb"\nweights = "enet.db"\n'


def write_real_study(cohort: Path, folder: Path, *, enet: bool = False) -> Path:
    """Write the real cohort's study into a folder; with `enet`, also the elastic net trained there."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "study.toml"
    path.write_text(TOML.format(folder=cohort.resolve()) + (ENET if enet else ""))
    return path


if __name__ == "__main__":  # python tests/real_study.py COHORT FOLDER
    print(write_real_study(Path(sys.argv[1]), Path(sys.argv[2]), enet=True))
