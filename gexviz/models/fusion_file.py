"""FUSION's ``.wgt.RDat``: the weights of one gene as R's ``save`` wrote them, read without R.

``rdata`` parses R's serialisation; nothing in the file is evaluated. Of R's classes only data frames and factors are
made; sizes are bounded before anything is unpacked.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from gexviz.errors import GexvizError
from gexviz.lazy import lazy

parser = lazy("rdata.parser")
conversion = lazy("rdata.conversion")

MODELS = ("top1", "blup", "bslmm", "lasso", "enet")
SNP_COLUMNS = ("contig", "id", "cm", "position", "a1", "a2")
_MOST_BYTES = 512 * 1024**2
_LONGEST_SEQUENCE = 10_000_000
_REMEDY = "give the file that FUSION.compute_weights.R wrote; its objects are wgt.matrix, snps and cv.performance"


class FusionGene(NamedTuple):
    """The weights of one gene.

    Attributes
    ----------
    snps : DataFrame
        ``contig``, ``id``, ``cm``, ``position`` (1-based), ``a1`` (the allele that is counted), ``a2``: PLINK's bim.
    weights : DataFrame
        A row a SNP, a column a model; NaN where FUSION had none.
    performance : DataFrame
        Index model; ``rsq`` and ``pval`` of the cross-validation, NaN where it gave none.
    """

    snps: pd.DataFrame
    weights: pd.DataFrame
    performance: pd.DataFrame

    @property
    def best(self) -> str | None:
        """The model with the least cross-validated p, as FUSION's make_score.R chooses; None without any."""
        known = self.performance["pval"].dropna()
        return None if known.empty else str(known.idxmin())

    def score(self, model: str) -> pd.Series:
        """Weights of one model other than 0, by row; of ``top1`` the one SNP with the largest square."""
        weights = self.weights[model].fillna(0.0)
        if model == "top1" and len(weights):
            weights = weights.iloc[[int((weights**2).to_numpy().argmax())]]
        return weights[weights != 0]


def read_fusion(path: Path) -> FusionGene:
    """Read a ``.wgt.RDat``.

    Parameters
    ----------
    path : Path

    Returns
    -------
    FusionGene

    Raises
    ------
    GexvizError
        For a file that is not R's, that lacks an object, or whose objects don't fit together: names the object.
    """
    objects = _objects(path)
    weights = _matrix(path, objects, "wgt.matrix")
    performance = _matrix(path, objects, "cv.performance").T
    if not {"rsq", "pval"} <= set(performance.columns):
        found = ", ".join(map(str, performance.columns))
        raise _wrong(path, "cv.performance", f"its rows are {found}", "rows rsq and pval")
    snps = objects["snps"]
    if not isinstance(snps, pd.DataFrame) or snps.shape[1] != len(SNP_COLUMNS):
        raise _wrong(path, "snps", "it is not PLINK's bim", "a data frame of 6 columns: chr, id, cM, position, A1, A2")
    if len(snps) != len(weights):
        raise _wrong(path, "wgt.matrix", f"{len(weights)} rows for {len(snps)} rows of snps", "a row a SNP")
    snps = snps.reset_index(drop=True).set_axis(list(SNP_COLUMNS), axis=1)
    position = pd.to_numeric(snps["position"].astype(str), errors="coerce")
    if position.isna().any():
        raise _wrong(path, "snps", "a position is no number", "positions in the fourth column")
    text = {"contig": snps["contig"].astype(str).str.removesuffix(".0"), "id": snps["id"].astype(str)}
    alleles = {name: snps[name].astype(str).str.upper() for name in ("a1", "a2")}
    return FusionGene(
        snps.assign(**text, **alleles, position=position.astype(int)),
        weights.reset_index(drop=True),
        performance.reindex(weights.columns)[["rsq", "pval"]],
    )


def _objects(path: Path) -> dict[str, Any]:
    try:
        plain = _unpacked(path.read_bytes())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parsed = parser.parse_data(plain, altrep_constructor_dict=_altrep(), extension=".rda")
            objects = conversion.convert(parsed, constructor_dict=_classes(), default_encoding="utf-8")
    except Exception as error:  # damage can show anywhere in the parser, as any exception
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise GexvizError(
            f"can't read it as R's data: {reason}", file=path, expected="a .wgt.RDat of FUSION", remedy=_REMEDY
        ) from None
    for name in ("wgt.matrix", "snps", "cv.performance"):
        if not isinstance(objects, Mapping) or name not in objects:
            there = ", ".join(objects) if isinstance(objects, Mapping) else type(objects).__name__
            raise _wrong(path, name, f"it is missing; the file has {there}", "wgt.matrix, snps and cv.performance")
    return dict(objects)


def _unpacked(data: bytes) -> bytes:
    """Uncompress, no more than is sane."""
    for magic, module in ((b"\x1f\x8b", gzip), (b"BZh", bz2), (b"\xfd7zXZ\x00", lzma)):
        if data.startswith(magic):
            with module.open(io.BytesIO(data)) as stream:
                data = stream.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise ValueError(f"more than {_MOST_BYTES:,} bytes")
    if not data.startswith((b"RDX2\n", b"RDX3\n")):
        raise ValueError("it does not begin as binary files of R's save() do")
    return data


def _altrep() -> Mapping[bytes, Any]:
    """R's short forms of vectors; sequences no longer than is sane, as a few bytes tell their length."""
    known = dict(parser.DEFAULT_ALTREP_MAP)

    def bounded(expand: Any) -> Any:
        def expanded(state: Any) -> Any:
            if not 0 <= float(state.value[0]) <= _LONGEST_SEQUENCE:
                raise ValueError("a sequence of absurd length")
            return expand(state)

        return expanded

    for name in (b"compact_intseq", b"compact_realseq"):
        known[name] = bounded(known[name])
    return MappingProxyType(known)


def _classes() -> Mapping[str | bytes, Any]:
    return {name: conversion.DEFAULT_CLASS_MAP[name] for name in ("data.frame", "factor")}


def _matrix(path: Path, objects: dict[str, Any], name: str) -> pd.DataFrame:
    """A matrix of numbers with named columns."""
    found = objects[name]
    if getattr(found, "ndim", 0) != 2 or not hasattr(found, "coords") or "dim_1" not in found.coords:
        raise _wrong(path, name, "it is not a matrix with named columns", "a column a model")
    columns = [str(c) for c in found.coords["dim_1"].to_numpy()]
    rows = [str(r) for r in found.coords["dim_0"].to_numpy()] if "dim_0" in found.coords else None
    values = np.ma.filled(np.ma.asarray(found.to_numpy(), dtype=np.float64), np.nan)
    table = pd.DataFrame(values, columns=columns, index=rows)
    if table.columns.has_duplicates or np.isinf(values).any():
        raise _wrong(path, name, "it has infinite numbers, or a column twice", "finite numbers, a column a model")
    return table


def _wrong(path: Path, name: str, problem: str, expected: str) -> GexvizError:
    return GexvizError(f"{name}: {problem}", file=path, place=name, expected=expected, remedy=_REMEDY)
