"""FUSION's files for tests, as R's ``save`` writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import rdata
from rdata.conversion.to_r import DEFAULT_CLASS_MAP, build_r_object
from rdata.parser import RObjectType


class Matrix:
    """A matrix of R with names of its rows and columns."""

    def __init__(self, values: np.ndarray, rows: list[str] | None, columns: list[str] | None) -> None:
        self.values, self.rows, self.columns = np.asarray(values, float), rows, columns


def _as_matrix(matrix: Matrix, converter: Any) -> Any:
    names = [None if n is None else np.array(n, dtype=object) for n in (matrix.rows, matrix.columns)]
    attributes = {"dim": np.array(matrix.values.shape, dtype=np.int32), "dimnames": names}
    return build_r_object(
        RObjectType.REAL,
        value=matrix.values.ravel(order="F"),
        attributes=converter.convert_to_r_attributes(attributes),
    )


def write_objects(path: Path, objects: dict[str, Any], **how: Any) -> Path:
    """Write an ``.RDat`` with any objects."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rdata.write_rda(path, objects, constructor_dict={**DEFAULT_CLASS_MAP, Matrix: _as_matrix}, **how)
    return path


def objects_of(snps: pd.DataFrame, weights: pd.DataFrame, pvalues: dict[str, float]) -> dict[str, Any]:
    """The objects of a ``.wgt.RDat``: SNPs as (contig, id, position, a1, a2), a column of weights a model."""
    bim = pd.DataFrame(
        {
            "V1": snps["contig"].astype("int32").to_numpy(),
            "V2": snps["id"].astype(pd.StringDtype("python")).array,
            "V3": np.zeros(len(snps), dtype="int32"),
            "V4": snps["position"].astype("int32").to_numpy(),
            "V5": snps["a1"].astype(pd.StringDtype("python")).array,
            "V6": snps["a2"].astype(pd.StringDtype("python")).array,
        },
        index=pd.RangeIndex(1, len(snps) + 1),
    )
    models = list(weights.columns)
    performance = np.array([[0.1] * len(models), [pvalues[model] for model in models]])
    return {
        "wgt.matrix": Matrix(weights.to_numpy(), list(snps["id"]), models),
        "snps": bim,
        "cv.performance": Matrix(performance, ["rsq", "pval"], models),
        "hsq": np.array([0.2, 0.05]),
        "hsq.pv": np.array([1e-3]),
        "N.tot": np.array([373.0]),
    }


def write_list(path: Path, files: dict[str, str]) -> Path:
    """Write a ``.pos`` file: gene -> file."""
    lines = ["PANEL\tWGT\tID\tCHR\tP0\tP1\tN"] + [f"P\t{file}\t{gene}\t1\t1\t2\t373" for gene, file in files.items()]
    path.write_text("\n".join(lines) + "\n")
    return path
