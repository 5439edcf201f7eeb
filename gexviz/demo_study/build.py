"""Building the demo study, from nothing but a seed.

people     who they are and where their genomes differ              people.py
plans      where genes lie, and which variants drive them           plans.py
reference  background and promoters, motifs around those variants   genome.py
expression what the promoters of each person's two copies make      expression.py
files      in the formats that cohorts come in                      writing.py, truth.py
models     a network that never sees a person; an elastic net       network.py, gexviz.study
"""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from gexviz.analysis.pca import genotype_pca
from gexviz.analysis.settings import LinearSettings
from gexviz.demo_study.expression import Simulated, World, simulate_expression
from gexviz.demo_study.genome import write_records, write_reference
from gexviz.demo_study.grammar import Grammar
from gexviz.demo_study.network import Genes, train_network
from gexviz.demo_study.plans import CLASSES, SPACING, SWITCH, GeneClass, plan_genes
from gexviz.demo_study.truth import truth_table
from gexviz.demo_study.writing import (
    write_covariates,
    write_expression,
    write_genes,
    write_genotypes,
    write_motifs,
    write_reference_fasta,
    write_samples,
)
from gexviz.errors import GexvizError
from gexviz.lazy import lazy
from gexviz.tasks import Progress

people = lazy("gexviz.demo_study.people")
opening = lazy("gexviz.study")

LINEAR = """
[models.enet]
family  = "predictdb"
weights = "enet.db"
window  = {}
"""


@dataclass(frozen=True)
class Size:
    """How large a study to simulate.

    Attributes
    ----------
    europeans, africans : int
        People of each population.
    classes : mapping
        Gene class -> number of genes.
    network : Genes
        That the network is trained and tested on.
    cis : int
        bp on each side of a TSS that the elastic net may use; all causal variants lie within 50,000.
    """

    europeans: int = 240
    africans: int = 120
    classes: Mapping[GeneClass, int] = field(default_factory=lambda: CLASSES)
    network: Genes = field(default_factory=Genes)
    cis: int = 150_000

    @property
    def length(self) -> int:
        """Of the contig, bp."""
        return SPACING * sum(self.classes.values())


def build_demo(
    folder: str | Path, seed: int = 7, *, size: Size | None = None, progress: Progress | None = None
) -> Path:
    """Simulate the demo study and train its models.

    Parameters
    ----------
    folder : path
        Its files are written beside this folder first, and moved into it at the end; other files in it stay.
    seed : int
        The same seed gives the same files; the weights of the network may differ in the last digits between machines.
    size : Size, optional
    progress : Progress, optional

    Returns
    -------
    Path
        The new ``study.toml``.

    Raises
    ------
    GexvizError
        If msprime or pysam is missing, or the folder can't be written.
    """
    _require_builders()
    size = size or Size()
    folder = Path(folder).expanduser().absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".demo-", dir=folder.parent) as name:
            draft = Path(name)
            world, simulated = simulate(size, seed)
            write_cohort(draft, world, simulated, size, seed)
            train_network(draft, Grammar(), size.network, seed, progress)
            train_elastic_net(draft, size.cis, seed, progress)
            made = sorted(path for path in draft.iterdir() if path.is_file())
            for path in made:
                path.replace(folder / path.name)
    except OSError as error:
        raise GexvizError(
            f"the demo can't be written: {error.strerror or error}",
            file=error.filename or folder,
            expected="a folder that can be written, and 20 MB of space beside it",
            remedy="choose another folder with --out",
        ) from None
    return folder / "study.toml"


def simulate(size: Size, seed: int) -> tuple[World, Simulated]:
    """Simulate people, genomes and expression, without writing anything."""
    panel = people.simulate_people(size.europeans, size.africans, size.length, seed)
    tissue = Grammar().reversing(SWITCH)
    rng = np.random.default_rng([seed, 2])
    plans = plan_genes(panel, tissue, rng, size.classes)
    written = write_reference(plans, panel, tissue, size.length, rng)
    records = write_records(panel, written, plans, rng)
    world = World(panel, plans, written, records, tissue)
    return world, simulate_expression(world, rng)


def write_cohort(folder: Path, world: World, simulated: Simulated, size: Size, seed: int) -> None:
    """Write everything but the models."""
    rng = np.random.default_rng([seed, 4])
    panel = world.panel
    write_genotypes(folder / "genotypes.vcf.gz", panel, world.records, size.length, rng)
    write_reference_fasta(folder / "reference.fa.gz", world.written.reference)
    write_expression(folder / "expression.bed.gz", world.plans, simulated.values)
    write_genes(folder / "genes.gtf.gz", world.plans, rng)
    write_samples(folder / "samples.tsv", panel, simulated.people)
    dosages = (panel.alleles == 1).reshape(len(panel.alleles), -1, 2).sum(axis=2)
    components = genotype_pca(dosages.astype(np.float32), panel.people, components=2).scores
    write_covariates(folder / "covariates.tsv", components, simulated.people)
    write_motifs(folder / "motifs.meme", world.tissue)
    truth = truth_table(world, simulated)
    truth.to_csv(folder / "truth.tsv", sep="\t", index=False, lineterminator="\n")
    values = {"seed": seed, "people": len(panel.people), "genes": len(world.plans),
              "europeans": size.europeans, "africans": size.africans}  # fmt: skip
    (folder / "study.toml").write_text(_template("study.toml").format(**values))
    (folder / "README.md").write_text(_template("README.md").format(**values))


def train_elastic_net(folder: Path, cis: int, seed: int, progress: Progress | None) -> None:
    """Train the elastic net as any user would, and name it in the study's TOML."""
    toml = folder / "study.toml"
    with tempfile.TemporaryDirectory() as results:
        settings = LinearSettings(window=cis, seed=seed)
        opening.load(toml, results).train_linear(folder / "enet.db", settings=settings, progress=progress)
    toml.write_text(toml.read_text() + LINEAR.format(cis))


def _template(name: str) -> str:
    return (Path(__file__).parent / "templates" / name).read_text()


def _require_builders() -> None:
    """See that the packages are there that only building needs."""
    for package in ("msprime", "pysam"):
        if importlib.util.find_spec(package) is None:
            raise GexvizError(
                f"building the demo needs {package}, which is not installed", remedy='pip install "gexviz[demo]"'
            )
