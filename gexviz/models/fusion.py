"""The ``fusion`` family: weights of FUSION (Gusev et al. 2016), a ``.wgt.RDat`` a gene, listed in a ``.pos`` file."""

from __future__ import annotations

import hashlib
from functools import cached_property, lru_cache
from pathlib import Path

import pandas as pd

from gexviz.cohort.genes import unversioned
from gexviz.digests import Stamp, file_digest, stamp
from gexviz.errors import GexvizError
from gexviz.models.base import ModelSpec
from gexviz.models.fusion_file import FusionGene, read_fusion
from gexviz.models.options import FusionOptions
from gexviz.models.weighted import WeightsModel

_COLUMNS = ("rsid", "varID", "ref_allele", "eff_allele", "weight")


class FusionPanel:
    """The genes of a ``.pos`` file; each gene's weights are read when needed.

    Parameters
    ----------
    path : Path
        The ``.pos`` file; the files that it names are in its folder, or below.
    model : str
        ``best``, or one of FUSION's models.
    genome : str or None
        Build of the positions; None where SNPs are known by their ids alone.

    Raises
    ------
    GexvizError
        For a file without the columns WGT and ID, or one that names files elsewhere.
    """

    def __init__(self, path: Path, model: str, genome: str | None) -> None:
        self.path, self.model, self.genome = path, model, genome
        self._listed = _read_listed(path)

    @cached_property
    def genes(self) -> dict[str, tuple[str, ...]]:
        """What genes are called -> the files with their weights, of those that are there."""
        names: dict[str, tuple[str, ...]] = {}
        there = self._listed[[(self.path.parent / file).is_file() for file in self._listed["WGT"]]]
        for gene, plain, file in zip(there["ID"], unversioned(pd.Index(there["ID"])), there["WGT"], strict=True):
            for name in {gene, plain}:
                names[name] = (*names.get(name, ()), file)
        return names

    @cached_property
    def digest(self) -> str:
        """Content hash of the list and of every file in it."""
        total = hashlib.sha256(f"{self.model} {self.genome} {file_digest(self.path)}".encode())
        for file in self._listed["WGT"]:
            path = self.path.parent / file
            total.update((file_digest(path) if path.is_file() else "missing").encode())
        return total.hexdigest()

    def weights(self, gene: str) -> pd.DataFrame:
        """Weights of a gene's chosen model, per copy of A1; none, with the reason, where it has no such model."""
        found = self._read(gene)
        model = found.best if self.model == "best" else self.model
        if model is None:
            return _nothing("no cross-validated performance to choose a model by; name one with `model`")
        if model not in found.weights:
            return _nothing(f"no weights of {model}; the file has {', '.join(map(str, found.weights))}")
        score = found.score(model)
        if score.empty:
            return _nothing(f"all weights of {model} are zero")
        snps = found.snps.loc[score.index]
        place = snps["contig"] + "_" + snps["position"].astype(str) + "_" + snps["a2"] + "_" + snps["a1"]
        columns = [snps["id"], place if self.genome else "", snps["a2"], snps["a1"], score]
        return pd.DataFrame(dict(zip(_COLUMNS, columns, strict=True))).reset_index(drop=True)

    def _read(self, file: str) -> FusionGene:
        path = self.path.parent / file
        return _read_kept(path, stamp(path))


@lru_cache(maxsize=8)
def _read_kept(path: Path, _as_it_is: Stamp) -> FusionGene:
    return read_fusion(path)


def open_model(name: str, options: FusionOptions) -> WeightsModel:
    """Open the weights that a ``.pos`` file lists.

    Parameters
    ----------
    name : str
        The model's name in the study.
    options : FusionOptions

    Returns
    -------
    WeightsModel
    """
    spec = ModelSpec(
        name=name,
        family="fusion",
        input="dosage",
        scale="expression (standard deviations)",
        haplotypes="dosage",
        genome=options.genome,
        readout="the model with the least cross-validated p of each gene"
        if options.model == "best"
        else f"FUSION's {options.model}",
        licence="that of the weights' authors",
        citation="Gusev et al. 2016, Nature Genetics 48:245",
        verified="the score that FUSION's make_score.R gives to PLINK, computed from its definition; R was not run",
    )
    return WeightsModel(spec, FusionPanel(options.weights, options.model, options.genome), options.window)


def _nothing(reason: str) -> pd.DataFrame:
    nothing = pd.DataFrame({name: pd.Series(dtype=float if name == "weight" else object) for name in _COLUMNS})
    nothing.attrs["reason"] = reason
    return nothing


def _read_listed(path: Path) -> pd.DataFrame:
    """WGT and ID of a ``.pos`` file, checked."""
    try:
        listed = pd.read_csv(path, sep=r"\s+", dtype=str, keep_default_na=False)
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise _not_a_list(path, f"can't read it as a table: {str(error).splitlines()[0]}") from None
    if missing := [column for column in ("WGT", "ID") if column not in listed]:
        raise _not_a_list(path, f"the column {missing[0]} is missing; it has {', '.join(map(str, listed))[:200]}")
    folder = path.parent.resolve()
    for line, file in enumerate(listed["WGT"], start=2):
        if not file or not (folder / file).resolve().is_relative_to(folder):
            raise GexvizError(
                f"the file '{file}' is not in the folder of the list",
                file=path,
                place=f"line {line}, WGT",
                expected="paths within the folder that the .pos file is in",
                remedy="put the .pos file into the folder that its paths start from",
            )
    return listed[["WGT", "ID"]]


def _not_a_list(path: Path, problem: str) -> GexvizError:
    return GexvizError(
        problem,
        file=path,
        expected="FUSION's .pos file: a header with PANEL, WGT, ID, CHR, P0, P1 and N, a row a gene",
        remedy="give the .pos file that came with the weights",
    )
