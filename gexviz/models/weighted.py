"""Models that are weights of variants, whatever file they come from: a weighted sum of allele dosages."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd

from gexviz.cohort.genes import unversioned_id
from gexviz.errors import GexvizError
from gexviz.models.base import DosagePrediction, GeneLocus, ModelSpec
from gexviz.models.harmonise import harmonise


class WeightSource(Protocol):
    """Where the weights of each gene come from."""

    @property
    def path(self) -> Path:
        """The file that people know."""
        ...

    @property
    def digest(self) -> str:
        """Content hash of all weights."""
        ...

    @property
    def genes(self) -> Mapping[str, tuple[str, ...]]:
        """What a gene may be called (id as written, id without version) -> its names in :meth:`weights`."""
        ...

    def weights(self, gene: str) -> pd.DataFrame:
        """``rsid``, ``varID`` (or empty text), ``ref_allele``, ``eff_allele`` (upper case), ``weight``.

        Without rows where none can be used; ``attrs["reason"]`` says why.
        """
        ...


class WeightsModel:
    """Weights of variants, summed over what people carry.

    Parameters
    ----------
    spec : ModelSpec
        With ``input="dosage"``.
    source : WeightSource
    window : int
        bp on each side of a gene whose variants may have weights.
    """

    def __init__(self, spec: ModelSpec, source: WeightSource, window: int) -> None:
        self.spec = spec
        self.source = source
        self.window = window

    def unavailable(self, gene: GeneLocus) -> str | None:
        """Say why a gene can't be served: it has no weights, or several genes go by its name."""
        found = self._names_of(gene)
        if len(found) > 1:
            return "several genes of the file: " + ", ".join(found)
        return None if found else "no weights for this gene"

    def fingerprint(self) -> dict[str, str]:
        """Content hash of the weights, and the window."""
        return {"weights": self.source.digest, "window": str(self.window)}

    def cis_region(self, gene: GeneLocus) -> tuple[int, int]:
        """The window around the gene's body (as PredictDB's pipelines have it) and its TSS, 0-based half-open."""
        begin, end = min(gene.start, gene.tss), max(gene.end, gene.tss + 1)
        return max(0, begin - self.window), end + self.window

    def predict_dosages(self, gene: GeneLocus, variants: pd.DataFrame, dosages: np.ndarray) -> DosagePrediction:
        """Sum weight times dosage of the effect allele.

        Parameters
        ----------
        gene : GeneLocus
        variants : DataFrame
            One row an ALT allele: ``variant``, ``id``, ``position`` (0-based), ``ref``, ``alt``.
        dosages : ndarray, shape (n_variants, n_samples)
            ALT copies; NaN where the call is missing: the cohort's mean dosage stands in. Where the effect allele is
            REF, its dosage is 2 - ALT copies, as MetaXcan has it.

        Returns
        -------
        DosagePrediction
            ``weights`` has two columns more, ``flipped`` and ``complement``; see
            :func:`gexviz.models.harmonise.harmonise`.
            All values are NaN if the cohort has none of the variants.

        Raises
        ------
        GexvizError
            For a gene that :meth:`unavailable` names.
        """
        weights = self.source.weights(self._name_of(gene))
        found = harmonise(weights, variants)
        uncalled = found["row"].isin(np.flatnonzero(~np.isfinite(dosages).any(axis=1)))
        found = found.assign(row=found["row"].mask(uncalled, -1), status=found["status"].mask(uncalled, "missing"))
        there = (found["row"] >= 0).to_numpy()
        rows, flipped = found["row"].to_numpy()[there], found["flipped"].to_numpy()[there]
        copies = _filled(np.asarray(dosages, float)[rows])
        weight = weights["weight"].to_numpy()
        values = weight[there] @ np.where(flipped[:, None], 2.0 - copies, copies)
        size = np.abs(weight)
        return DosagePrediction(
            values=values if there.any() else np.full(dosages.shape[1], np.nan),
            weights=_described(weights, found, variants),
            share=float(there.mean()) if len(there) else 0.0,
            share_absolute=float(size[there].sum() / size.sum()) if size.any() else 0.0,
            reason=weights.attrs.get("reason"),
        )

    def _names_of(self, gene: GeneLocus) -> tuple[str, ...]:
        """Names of a gene in the file: by its id, else its id without version, else its symbol."""
        keys = (gene.id, unversioned_id(gene.id), gene.name)
        return next((self.source.genes[k] for k in keys if k in self.source.genes), ())

    def _name_of(self, gene: GeneLocus) -> str:
        names = self._names_of(gene)
        if len(names) != 1:
            raise GexvizError(
                f"{gene.id} ({gene.name}): {self.unavailable(gene)}",
                file=self.source.path,
                expected="a gene with weights, named by its id (with or without version) or symbol",
                remedy="choose another gene, or a file that has it",
            )
        return names[0]


def _filled(dosages: np.ndarray) -> np.ndarray:
    """Put each variant's mean in the place of missing calls."""
    missing = np.isnan(dosages)
    if not missing.any():
        return dosages
    return np.where(missing, np.nanmean(dosages, axis=1, keepdims=True), dosages)


def _described(weights: pd.DataFrame, found: pd.DataFrame, variants: pd.DataFrame) -> pd.DataFrame:
    """The table of weights, turned to the cohort's alleles where it has the variant."""
    there = (found["row"] >= 0).to_numpy()
    rows = found["row"].to_numpy()[there]
    own = weights["varID"].where(weights["varID"] != "", weights["rsid"])
    columns = {"variant": own, "ref": weights["ref_allele"], "alt": weights["eff_allele"]}
    table = pd.DataFrame({name: column.to_numpy(object) for name, column in columns.items()})
    for name in columns:
        table.loc[there, name] = variants[name].to_numpy(object)[rows]
    sign = np.where(found["flipped"] & there, -1.0, 1.0)
    table = table.assign(
        rsid=weights["rsid"].to_numpy(object),
        position=found["position"].to_numpy(),
        weight=weights["weight"].to_numpy() * sign,
        status=found["status"].to_numpy(object),
        flipped=found["flipped"].to_numpy(),
        complement=found["complement"].to_numpy(),
    )
    return table[["variant", "rsid", "position", "ref", "alt", "weight", "status", "flipped", "complement"]]
