"""Tables of many trained genes, as a PredictDB file has them, and their out-of-fold predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from gexviz.analysis.linear import GeneTraining
from gexviz.analysis.settings import LinearSettings
from gexviz.lazy import lazy

stats = lazy("scipy.stats")

BUILD_SUFFIX = {"GRCh37": "b37", "hg19": "b37", "GRCh38": "b38", "hg38": "b38"}

WEIGHT_COLUMNS = ["gene", "rsid", "varID", "ref_allele", "eff_allele", "weight"]


class TrainedGene(NamedTuple):
    """One gene's training and what it was made from.

    Attributes
    ----------
    training : GeneTraining
    variants : DataFrame
        The variants that have weights, in the order of ``training.weights``: ``variant`` (contig:pos:ref:alt), ``id``,
        ``ref``, ``alt``. (Rows ``training.rows`` of the table that came with the dosages.)
    """

    training: GeneTraining
    variants: pd.DataFrame


class LinearTables(NamedTuple):
    """What ``gexviz train linear`` writes.

    Attributes
    ----------
    weights : DataFrame
        gene, rsid, varID, ref_allele, eff_allele, weight (per copy of the effect allele, which is ALT).
    extra : DataFrame
        One row a gene of `weights`; PredictDB's columns.
    construction : DataFrame
        chromosome, cv_seed.
    sample_info : DataFrame
        n_samples, population, tissue; one row.
    out_of_fold : DataFrame
        gene x sample: every trained gene, whether its weights are kept or not.
    folds : DataFrame
        gene x sample, int8: the outer fold that each person was left out of; -1 without expression.
    genes : DataFrame
        Index gene, of all genes: reason (None if trained), seed, people, variants, weights, kept, rho_avg, zscore_pval.
    """

    weights: pd.DataFrame
    extra: pd.DataFrame
    construction: pd.DataFrame
    sample_info: pd.DataFrame
    out_of_fold: pd.DataFrame
    folds: pd.DataFrame
    genes: pd.DataFrame


def assemble(
    trained: Mapping[str, TrainedGene],
    annotation: pd.DataFrame,
    samples: Sequence[str],
    *,
    settings: LinearSettings,
    genome: str,
    population: str = "",
    tissue: str = "",
) -> LinearTables:
    """Put trained genes together.

    Parameters
    ----------
    trained : mapping
        Gene id -> TrainedGene; its order is the order of the tables.
    annotation : DataFrame
        Index gene, with at least these genes: ``name``, ``contig``, ``biotype``.
    samples : sequence of str
        In the order of the expression that was trained on.
    settings : LinearSettings
    genome : str
        Build of the variants' positions, as GRCh37; goes into ``varID`` as PredictDB writes it (``_b37``).
    population, tissue : str
        For ``sample_info``.

    Returns
    -------
    LinearTables
        ``pred.perf.qval`` is Benjamini and Hochberg's over all trained genes, kept or not (PredictDB leaves it empty).
    """
    genes = _genes(trained, settings)
    kept = genes.index[genes["kept"]]
    blocks = [weights_table(gene, trained[gene], genome) for gene in kept]
    weights = pd.concat(blocks, ignore_index=True) if blocks else pd.DataFrame(columns=WEIGHT_COLUMNS)
    done = genes.index[genes["reason"].isna()]
    contigs = pd.unique(annotation.loc[genes.index, "contig"].astype(str))
    return LinearTables(
        weights=weights.astype({"weight": np.float64}),
        extra=_extra(trained, genes, annotation, settings).loc[lambda t: t["gene"].isin(kept)].reset_index(drop=True),
        construction=pd.DataFrame({"chromosome": contigs, "cv_seed": settings.seed}),
        sample_info=pd.DataFrame({"n_samples": [len(samples)], "population": [population], "tissue": [tissue]}),
        out_of_fold=_matrix({g: trained[g].training.out_of_fold for g in done}, samples, np.float32),
        folds=_matrix({g: trained[g].training.folds for g in done}, samples, np.int8),
        genes=genes,
    )


def weights_table(gene: str, trained: TrainedGene, genome: str) -> pd.DataFrame:
    """Weights of one gene as PredictDB has them.

    ``rsid`` is the variant's first rs number; ``varID`` stands in where there is none or where two variants of the gene
    share it (alleles of one site), because MetaXcan takes it for a key.

    Parameters
    ----------
    gene : str
    trained : TrainedGene
    genome : str

    Returns
    -------
    DataFrame
        gene, rsid, varID, ref_allele, eff_allele, weight.
    """
    variants = trained.variants
    suffix = BUILD_SUFFIX.get(genome, genome)
    names = variants["variant"].str.rsplit(":", n=3, expand=True) if len(variants) else pd.DataFrame(columns=range(4))
    contig = names[0].astype(str)
    if suffix == "b38":
        contig = "chr" + contig.str.removeprefix("chr")
    elif suffix == "b37":
        contig = contig.str.removeprefix("chr")
    identity = contig + "_" + names[1] + "_" + names[2] + "_" + names[3] + "_" + suffix
    rsid = variants["id"].astype(str).str.extract(r"(?:^|;)(rs\d+)(?:;|$)", expand=False)
    unusable = rsid.isna() | rsid.duplicated(keep=False)
    columns = {
        "gene": gene,
        "rsid": rsid.mask(unusable, identity).to_numpy(object),
        "varID": identity.to_numpy(object),
        "ref_allele": variants["ref"].to_numpy(object),
        "eff_allele": variants["alt"].to_numpy(object),
        "weight": trained.training.weights,
    }
    return pd.DataFrame(columns, columns=WEIGHT_COLUMNS)


def _genes(trained: Mapping[str, TrainedGene], settings: LinearSettings) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for training, _ in trained.values():
        rows.append(
            {
                "reason": training.reason,
                "seed": training.seed,
                "people": training.people,
                "variants": training.variants,
                "weights": len(training.weights),
                "kept": len(training.weights) > 0 and (settings.keep == "all" or training.significant),
                "rho_avg": training.summary.get("rho_avg", np.nan),
                "zscore_pval": training.summary.get("zscore_pval", np.nan),
            }
        )
    columns = ["reason", "seed", "people", "variants", "weights", "kept", "rho_avg", "zscore_pval"]
    table = pd.DataFrame(rows, columns=columns, index=pd.Index(list(trained), name="gene", dtype="object"))
    return table.astype({"reason": object, "kept": bool})


def _extra(
    trained: Mapping[str, TrainedGene], genes: pd.DataFrame, annotation: pd.DataFrame, settings: LinearSettings
) -> pd.DataFrame:
    done = genes.loc[genes["reason"].isna()]
    summary = pd.DataFrame([trained[gene].training.summary for gene in done.index], index=done.index)
    about = annotation.loc[done.index]
    columns: dict[str, Any] = {
        "gene": done.index,
        "genename": about["name"].to_numpy(object),
        "gene_type": about["biotype"].to_numpy(object),
        "method": settings.method,
        "alpha": settings.mixing,
        "n_snps_in_window": done["variants"].to_numpy(),
        "n.snps.in.model": done["weights"].to_numpy(),
    }
    figures = ["lambda_min_mse", "test_R2_avg", "test_R2_sd", "cv_R2_avg", "cv_R2_sd", "in_sample_R2"]
    figures += ["nested_cv_fisher_pval", "rho_avg", "rho_se", "rho_zscore", "rho_avg_squared", "zscore_pval"]
    named = {"rho_avg_squared": "pred.perf.R2", "zscore_pval": "pred.perf.pval"}
    columns |= {named.get(f, f): summary.reindex(columns=figures)[f].to_numpy() for f in figures}
    p = columns["pred.perf.pval"]
    columns["pred.perf.qval"] = stats.false_discovery_control(p) if len(p) else p
    return pd.DataFrame(columns)


def _matrix(rows: Mapping[str, np.ndarray], samples: Sequence[str], dtype: type) -> pd.DataFrame:
    values: np.ndarray = np.array(list(rows.values()), dtype).reshape(len(rows), len(samples))
    return pd.DataFrame(values, index=pd.Index(list(rows), name="gene", dtype="object"), columns=list(samples))
